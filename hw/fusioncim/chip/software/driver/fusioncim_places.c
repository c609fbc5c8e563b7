/* Where the tensors and tables of a job lie: inside of the address space, and no output on anything else. */
#include "fusioncim_data.h"
#include "fusioncim_rules.h"

/* First and last byte of what a job reads or writes: the byte behind it may be 2^64. */
typedef struct {
    uint64_t first;
    uint64_t last;
} range_t;

#define MOST_OPERANDS 10

typedef struct {
    range_t operands[MOST_OPERANDS];
    range_t outputs[2];
    unsigned operand_count;
    unsigned output_count;
    int fits; /* all end inside of the address space */
} places_t;

static uint64_t last_address(void)
{
    return UINT64_MAX >> (64u - FUSIONCIM_CHIP_ADDRESS_BITS);
}

static uint32_t kv_bytes(const fusioncim_job_t *job, uint32_t elements)
{
    uint32_t bits = job->kv_bits != 0u ? job->kv_bits : FUSIONCIM_CHIP_OPERAND_BITS;
    return elements * bits / 8u;
}

static uint64_t row_bytes(const fusioncim_job_t *job)
{
    return (uint64_t)fusioncim_outputs_of(job) * FUSIONCIM_CHIP_OUTPUT_BITS / 8u;
}

static uint64_t lse_bytes(const fusioncim_job_t *job)
{
    return (uint64_t)FUSIONCIM_LIMIT_LSE_BYTES * job->queries * (uint32_t)(job->heads / job->kv_heads);
}

static uint64_t steps(uint64_t count, uint64_t pitch)
{
    return (count - 1u) * pitch;
}

/* bytes: at least 1. */
static range_t range_of(places_t *places, uint64_t first, uint64_t bytes)
{
    range_t range;
    range.first = first;
    range.last = first + (bytes - 1u);
    if (range.last < first || range.last > last_address()) {
        places->fits = 0;
    }
    return range;
}

static void operand(places_t *places, uint64_t first, uint64_t bytes)
{
    places->operands[places->operand_count++] = range_of(places, first, bytes);
}

static void output(places_t *places, uint64_t first, uint64_t bytes)
{
    places->outputs[places->output_count++] = range_of(places, first, bytes);
}

static void table(places_t *places, uint64_t first, uint64_t bytes)
{
    if (first != 0u) {
        operand(places, first, bytes);
    }
}

static void operands_of(const fusioncim_job_t *job, places_t *places)
{
    const uint64_t words = (uint64_t)job->heads * FUSIONCIM_LIMIT_SCALE_BYTES;
    const int paged = job->page_tokens != 0u;
    const uint64_t keys = paged ? job->page_tokens : job->keys;
    const uint64_t k_pages = paged ? steps(job->pages, job->k_page_pitch) : 0u;
    const uint64_t v_pages = paged ? steps(job->pages, job->v_page_pitch) : 0u;
    const uint64_t query = (uint64_t)job->dimension * FUSIONCIM_CHIP_OPERAND_BITS / 8u;
    operand(places, job->q_address, steps(job->queries, job->q_pitch) + steps(job->heads, job->q_head_pitch) + query);
    operand(places, job->k_address, steps(keys, job->k_pitch) + steps(job->kv_heads, job->k_head_pitch)
                                        + kv_bytes(job, job->dimension) + k_pages);
    operand(places, job->v_address, steps(keys, job->v_pitch) + steps(job->kv_heads, job->v_head_pitch)
                                        + kv_bytes(job, fusioncim_outputs_of(job)) + v_pages);
    operand(places, job->scales, words);
    table(places, job->sinks, words);
    table(places, job->slopes, words);
    table(places, job->intervals, (uint64_t)job->queries * FUSIONCIM_LIMIT_INTERVAL_BYTES);
    if (job->sequences != 0u) {
        operand(places, job->table, (uint64_t)job->sequences * FUSIONCIM_LIMIT_SEQUENCE_BYTES);
    }
    if (paged) {
        const uint64_t entries = ((uint64_t)job->keys + job->page_tokens - 1u) / job->page_tokens;
        operand(places, job->list, entries * FUSIONCIM_LIMIT_PAGE_BYTES);
    }
    if (job->token_scales != 0u) {
        /* The chip reads the scales of whole groups of keys. */
        const uint64_t step = FUSIONCIM_LIMIT_TOKEN_SCALE_KEYS;
        const uint64_t whole = (keys + step - 1u) / step * step;
        operand(places, job->token_scales, steps(job->kv_heads, job->token_scales_pitch)
                                               + FUSIONCIM_LIMIT_TOKEN_SCALE_BYTES * whole + k_pages);
    }
}

static void outputs_into(const fusioncim_job_t *job, places_t *places)
{
    output(places, job->o_address,
           steps(job->queries, job->o_pitch) + steps(job->heads, job->o_head_pitch) + row_bytes(job));
    if (job->lse != 0u) {
        output(places, job->lse, steps(job->kv_heads, job->lse_pitch) + lse_bytes(job));
    }
}

static int meet(const range_t *one, const range_t *other)
{
    return one->first <= other->last && other->first <= one->last;
}

/* No two rows of O share a byte: heads lie inside of rows, or rows inside of heads. */
static int rows_apart(const fusioncim_job_t *job)
{
    const uint64_t bytes = row_bytes(job);
    const uint64_t heads_span = steps(job->heads, job->o_head_pitch) + bytes;
    const uint64_t rows_span = steps(job->queries, job->o_pitch) + bytes;
    const int one_row = job->queries == 1u;
    const int one_head = job->heads == 1u;
    const int heads_inside = (one_head || job->o_head_pitch >= bytes) && (one_row || job->o_pitch >= heads_span);
    const int rows_inside = (one_row || job->o_pitch >= bytes) && (one_head || job->o_head_pitch >= rows_span);
    return heads_inside || rows_inside;
}

static int outputs_apart(const fusioncim_job_t *job, const places_t *places)
{
    unsigned n;
    unsigned m;
    for (n = 0; n < places->output_count; n++) {
        for (m = 0; m < places->operand_count; m++) {
            if (meet(&places->outputs[n], &places->operands[m])) {
                return 0;
            }
        }
    }
    if (!rows_apart(job)) {
        return 0;
    }
    return job->lse == 0u
           || ((job->kv_heads == 1u || job->lse_pitch >= lse_bytes(job))
               && !meet(&places->outputs[0], &places->outputs[1]));
}

static void places_of(const fusioncim_job_t *job, places_t *places)
{
    places->operand_count = 0;
    places->output_count = 0;
    places->fits = 1;
    operands_of(job, places);
    outputs_into(job, places);
}

enum fusioncim_status fusioncim_check_places(const fusioncim_job_t *job)
{
    places_t places;
    places_of(job, &places);
    if (!places.fits) {
        return FUSIONCIM_STATUS_ADDRESS;
    }
    return outputs_apart(job, &places) ? FUSIONCIM_STATUS_OK : FUSIONCIM_STATUS_OVERLAP;
}

static int all_inside(const fusioncim_memory_t *memory, const range_t *ranges, unsigned count)
{
    unsigned n;
    for (n = 0; n < count; n++) {
        if (ranges[n].first < memory->address || ranges[n].last < ranges[n].first || memory->size == 0u
            || ranges[n].last - memory->address > memory->size - 1u) {
            return 0;
        }
    }
    return 1;
}

fusioncim_result_t fusioncim_check_memory(const fusioncim_memory_t *memory, const fusioncim_job_t *job)
{
    places_t places;
    places_of(job, &places);
    return all_inside(memory, places.operands, places.operand_count)
                   && all_inside(memory, places.outputs, places.output_count)
               ? FUSIONCIM_DONE
               : FUSIONCIM_OUTSIDE;
}

enum fusioncim_status fusioncim_check_address(uint64_t address)
{
    if (address % FUSIONCIM_LIMIT_JOB_BYTES != 0u) {
        return FUSIONCIM_STATUS_ALIGNMENT;
    }
    return address <= last_address() ? FUSIONCIM_STATUS_OK : FUSIONCIM_STATUS_ADDRESS;
}
