/* The rules that a FusionCIM chip holds a job to, in the chip's order. */
#include "fusioncim_rules.h"

static int power_of_two(uint32_t value)
{
    return value != 0u && (value & (value - 1u)) == 0u;
}

static int legal_mask(uint32_t window, uint32_t ahead, uint32_t chunk, uint32_t prefix)
{
    return window >= 1u && window <= FUSIONCIM_EVERY && ahead <= FUSIONCIM_EVERY && prefix <= FUSIONCIM_EVERY
           && (chunk == 0u || (chunk <= FUSIONCIM_EVERY && power_of_two(chunk)));
}

static uint32_t positions(const fusioncim_job_t *job)
{
    return job->slopes != 0u ? FUSIONCIM_LIMIT_SLOPE_POSITIONS : FUSIONCIM_LIMIT_POSITIONS;
}

static int right_size(const fusioncim_job_t *job)
{
    return job->queries >= 1u && job->queries <= FUSIONCIM_LIMIT_POSITIONS && job->keys >= 1u
           && job->keys <= FUSIONCIM_LIMIT_POSITIONS && job->heads >= 1u && job->heads <= FUSIONCIM_LIMIT_MAX_HEADS
           && job->kv_heads >= 1u && job->kv_heads <= FUSIONCIM_LIMIT_MAX_HEADS;
}

static int right_dimension(uint32_t dimension)
{
    return dimension % FUSIONCIM_LIMIT_DIMENSION_STEP == 0u && dimension >= FUSIONCIM_LIMIT_DIMENSION_STEP
           && dimension <= FUSIONCIM_CHIP_COLUMNS;
}

static int right_format(const fusioncim_job_t *job)
{
    const uint32_t operand_bits = FUSIONCIM_CHIP_OPERAND_BITS;
    const uint32_t packed = operand_bits < FUSIONCIM_LIMIT_PACKED_BITS ? operand_bits : FUSIONCIM_LIMIT_PACKED_BITS;
    const int known = job->kv_bits == 0u || job->kv_bits == operand_bits || job->kv_bits == packed;
    const int slopes = job->slopes == 0u || FUSIONCIM_CHIP_ALIBI != 0u;
    const int scales = job->token_scales == 0u || FUSIONCIM_CHIP_TOKEN_SCALE_BITS != 0u;
    return job->output_bits == FUSIONCIM_CHIP_OUTPUT_BITS && known && slopes && scales;
}

static int right_position(const fusioncim_job_t *job)
{
    const uint32_t most = job->sequences != 0u ? FUSIONCIM_LIMIT_POSITIONS : positions(job);
    return (uint64_t)job->start + job->queries <= most && job->keys <= most;
}

static int right_batch(const fusioncim_job_t *job)
{
    const int causal = job->window == FUSIONCIM_EVERY && job->ahead == 0u && job->chunk == 0u && job->prefix == 0u;
    return job->sequences == 0u
           || (job->sequences <= FUSIONCIM_LIMIT_MAX_SEQUENCES && job->start == 0u && causal);
}

static int right_paging(const fusioncim_job_t *job)
{
    return job->page_tokens == 0u
           || (power_of_two(job->page_tokens) && job->page_tokens >= FUSIONCIM_CHIP_UPDATE_RANK
               && job->page_tokens <= FUSIONCIM_LIMIT_MAX_PAGE_TOKENS && job->pages >= 1u
               && job->pages <= FUSIONCIM_LIMIT_POSITIONS);
}

/* A multiple of a power of two has no bit below it: one remainder judges them all. */
static int aligned(const fusioncim_job_t *job)
{
    uint64_t places = job->q_address | job->q_pitch | job->q_head_pitch | job->k_address | job->k_pitch
                      | job->k_head_pitch | job->v_address | job->v_pitch | job->v_head_pitch | job->o_address
                      | job->o_pitch | job->o_head_pitch | job->scales | job->table | job->intervals | job->sinks
                      | job->slopes;
    uint64_t tokens = 0;
    if (job->page_tokens != 0u) {
        places |= job->list | job->k_page_pitch | job->v_page_pitch;
    }
    if (job->lse != 0u) {
        places |= job->lse | job->lse_pitch;
    }
    if (job->token_scales != 0u) {
        tokens = job->token_scales | job->token_scales_pitch | (job->page_tokens != 0u ? job->k_page_pitch : 0u);
    }
    return places % FUSIONCIM_CHIP_ALIGNMENT == 0u && tokens % FUSIONCIM_LIMIT_TOKEN_SCALE_ALIGNMENT == 0u
           && job->table % FUSIONCIM_LIMIT_SEQUENCE_BYTES == 0u;
}

enum fusioncim_status fusioncim_check_job(const fusioncim_job_t *job)
{
    if (!right_size(job)) {
        return FUSIONCIM_STATUS_SIZE;
    }
    if (job->heads % job->kv_heads != 0u) {
        return FUSIONCIM_STATUS_HEADS;
    }
    if (!right_dimension(job->dimension) || !right_dimension(fusioncim_outputs_of(job))) {
        return FUSIONCIM_STATUS_DIMENSION;
    }
    if (!right_format(job)) {
        return FUSIONCIM_STATUS_FORMAT;
    }
    if (!legal_mask(job->window, job->ahead, job->chunk, job->prefix)) {
        return FUSIONCIM_STATUS_MASK;
    }
    if (!right_position(job)) {
        return FUSIONCIM_STATUS_POSITION;
    }
    if (!right_batch(job)) {
        return FUSIONCIM_STATUS_BATCH;
    }
    if (!right_paging(job)) {
        return FUSIONCIM_STATUS_PAGING;
    }
    return aligned(job) ? fusioncim_check_places(job) : FUSIONCIM_STATUS_ALIGNMENT;
}

/* Of which the first key of a sequence is a multiple. */
static uint32_t key_step(const fusioncim_job_t *job)
{
    if (job->page_tokens != 0u) {
        return job->page_tokens;
    }
    return job->token_scales != 0u ? FUSIONCIM_LIMIT_TOKEN_SCALE_KEYS : 1u;
}

enum fusioncim_status fusioncim_check_sequence(const fusioncim_job_t *job, const fusioncim_sequence_t *entry,
                                               uint32_t *row)
{
    const uint64_t rows_end = (uint64_t)entry->first_row + entry->queries;
    const uint64_t keys_end = (uint64_t)entry->first_key + entry->keys;
    if (!legal_mask(entry->window, entry->ahead, entry->chunk, entry->prefix)) {
        return FUSIONCIM_STATUS_MASK;
    }
    if ((uint64_t)entry->start + entry->queries > positions(job)) {
        return FUSIONCIM_STATUS_POSITION;
    }
    if (entry->first_row < *row || rows_end > job->queries || entry->keys > positions(job) || keys_end > job->keys
        || entry->first_key % key_step(job) != 0u) {
        return FUSIONCIM_STATUS_SEQUENCE;
    }
    *row = (uint32_t)rows_end;
    return FUSIONCIM_STATUS_OK;
}
