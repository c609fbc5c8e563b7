/* The records of a job as they lie in memory, and what results mean in words. */
#include "fusioncim_data.h"
#include "fusioncim_rules.h"

/* Zeros: what is reserved. */
static void clear(uint8_t *record, unsigned size)
{
    unsigned n;
    for (n = 0; n < size; n++) {
        record[n] = 0;
    }
}

void fusioncim_write_job(uint8_t *record, const fusioncim_job_t *job)
{
    clear(record, FUSIONCIM_LIMIT_JOB_BYTES);
#define WRITE(name, first, size) fusioncim_put(record + (first), job->name, (size));
    FUSIONCIM_JOB_FIELDS(WRITE)
#undef WRITE
}

void fusioncim_write_sequence(uint8_t *table, uint32_t index, const fusioncim_sequence_t *entry)
{
    uint8_t *record = table + (size_t)FUSIONCIM_LIMIT_SEQUENCE_BYTES * index;
    clear(record, FUSIONCIM_LIMIT_SEQUENCE_BYTES);
#define WRITE(name, first, size) fusioncim_put(record + (first), entry->name, (size));
    FUSIONCIM_SEQUENCE_FIELDS(WRITE)
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

const char *fusioncim_result_words(fusioncim_result_t result)
{
    switch (result) {
#define WORDS(name, words) \
    case name: \
        return words;
        FUSIONCIM_RESULTS(WORDS)
#undef WORDS
    }
    return "unknown result";
}
