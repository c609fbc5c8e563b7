/* What the files of the driver share; no part of the driver's interface. */
#ifndef FUSIONCIM_RULES_H
#define FUSIONCIM_RULES_H

#include "fusioncim.h"

/* Elements of a value and of an output row. */
static inline uint32_t fusioncim_outputs_of(const fusioncim_job_t *job)
{
    return job->value_dimension != 0u ? job->value_dimension : job->dimension;
}

/* A number of so many bytes, little endian. */
static inline void fusioncim_put(uint8_t *bytes, uint64_t value, unsigned size)
{
    unsigned n;
    for (n = 0; n < size; n++) {
        bytes[n] = (uint8_t)(value >> (8u * n) & 0xffu);
    }
}

/* ADDRESS, OVERLAP or OK, of a job that keeps the rules before them. */
enum fusioncim_status fusioncim_check_places(const fusioncim_job_t *job);

#endif
