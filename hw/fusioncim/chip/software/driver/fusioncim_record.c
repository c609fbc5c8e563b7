/* The record of a job as it lies in memory, and the words of its end. */
#include "fusioncim.h"

static void put(uint8_t *bytes, uint64_t value, unsigned size)
{
    unsigned n;
    for (n = 0; n < size; n++) {
        bytes[n] = (uint8_t)(value >> (8u * n) & 0xffu);
    }
}

void fusioncim_write_job(uint8_t *record, const fusioncim_job_t *job)
{
    unsigned n;
    for (n = 0; n < FUSIONCIM_LIMIT_JOB_BYTES; n++) {
        record[n] = 0; /* what is reserved */
    }
#define WRITE(name, first, size) put(record + (first), job->name, (size));
    FUSIONCIM_JOB_FIELDS(WRITE)
#undef WRITE
}

const char *fusioncim_status_words(enum fusioncim_status status)
{
    switch (status) {
#define WORDS(name, code, words) \
    case FUSIONCIM_STATUS_##name: \
        return words;
        FUSIONCIM_STATUSES(WORDS)
#undef WORDS
    }
    return "unknown status";
}
