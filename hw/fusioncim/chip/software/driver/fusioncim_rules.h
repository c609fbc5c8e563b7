/* What the files of the rules share; no part of the driver's interface. */
#ifndef FUSIONCIM_RULES_H
#define FUSIONCIM_RULES_H

#include "fusioncim.h"

/* Elements of a value and of an output row. */
static inline uint32_t fusioncim_outputs_of(const fusioncim_job_t *job)
{
    return job->value_dimension != 0u ? job->value_dimension : job->dimension;
}

/* ADDRESS, OVERLAP or OK, of a job that keeps the rules before them. */
enum fusioncim_status fusioncim_check_places(const fusioncim_job_t *job);

#endif
