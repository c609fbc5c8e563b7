/* Vectors and tables of a job in memory. See fusioncim_data.h. */
#include "fusioncim_data.h"
#include "fusioncim_rules.h"

uint8_t *fusioncim_at(const fusioncim_memory_t *memory, uint64_t address, uint64_t size)
{
    const uint64_t place = address - memory->address;
    if (address < memory->address || place > memory->size || size > memory->size - place) {
        return NULL;
    }
    return memory->bytes + place;
}

void fusioncim_write_word(uint8_t *table, uint32_t index, uint32_t word)
{
    fusioncim_put(table + 4u * (size_t)index, word, 4u);
}

uint32_t fusioncim_read_word(const uint8_t *table, uint32_t index)
{
    const uint8_t *bytes = table + 4u * (size_t)index;
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

void fusioncim_write_interval(uint8_t *table, uint32_t query, uint32_t low, uint32_t high)
{
    uint8_t *entry = table + (size_t)FUSIONCIM_LIMIT_INTERVAL_BYTES * query;
    fusioncim_write_word(entry, 0, low);
    fusioncim_write_word(entry, 1, high);
}

/* A place in memory, or why there is none. */
typedef struct {
    uint8_t *bytes;
    fusioncim_result_t result;
} place_t;

static place_t place_at(const fusioncim_memory_t *memory, uint64_t address, uint64_t size)
{
    place_t place;
    place.bytes = fusioncim_at(memory, address, size);
    place.result = place.bytes != NULL ? FUSIONCIM_DONE : FUSIONCIM_OUTSIDE;
    return place;
}

static place_t no_place(fusioncim_result_t result)
{
    place_t place;
    place.bytes = NULL;
    place.result = result;
    return place;
}

/* The place of a key, or of what lies beside it: bytes from a key to the next, from a page to the next. */
static place_t place_of_key(const fusioncim_memory_t *memory, const fusioncim_job_t *job, uint32_t key, uint64_t address,
                            uint32_t pitch, uint32_t page_pitch, uint64_t size)
{
    place_t list;
    uint32_t page;
    if (job->page_tokens == 0u) {
        return place_at(memory, address + (uint64_t)key * pitch, size);
    }
    list = place_at(memory, job->list + (uint64_t)(key / job->page_tokens) * FUSIONCIM_LIMIT_PAGE_BYTES,
                    FUSIONCIM_LIMIT_PAGE_BYTES);
    if (list.result != FUSIONCIM_DONE) {
        return list;
    }
    page = fusioncim_read_word(list.bytes, 0);
    if (fusioncim_check_page(job, page) != FUSIONCIM_STATUS_OK) {
        return no_place(FUSIONCIM_OUT_OF_RANGE);
    }
    return place_at(memory, address + (uint64_t)page * page_pitch + (uint64_t)(key % job->page_tokens) * pitch, size);
}

/* Integers side by side, the first one lowest; 4 bits: two to a byte. */
static fusioncim_result_t pack(place_t place, const int8_t *values, uint32_t count, uint32_t bits)
{
    uint32_t n;
    if (place.result != FUSIONCIM_DONE) {
        return place.result;
    }
    if (bits == 8u) {
        for (n = 0; n < count; n++) {
            place.bytes[n] = (uint8_t)values[n];
        }
        return FUSIONCIM_DONE;
    }
    for (n = 0; n < count; n++) {
        if (values[n] < -8 || values[n] > 7) {
            return FUSIONCIM_OUT_OF_RANGE;
        }
    }
    for (n = 0; n < count; n += 2u) {
        place.bytes[n / 2u] = (uint8_t)(((uint32_t)values[n] & 15u) | ((uint32_t)values[n + 1u] & 15u) << 4);
    }
    return FUSIONCIM_DONE;
}

static uint32_t kv_bits(const fusioncim_job_t *job)
{
    return job->kv_bits != 0u ? job->kv_bits : FUSIONCIM_CHIP_OPERAND_BITS;
}

fusioncim_result_t fusioncim_write_query(const fusioncim_memory_t *memory, const fusioncim_job_t *job, uint32_t query,
                                         uint32_t head, const int8_t *values)
{
    const uint64_t address
        = job->q_address + (uint64_t)query * job->q_pitch + (uint64_t)head * job->q_head_pitch;
    const uint32_t bits = FUSIONCIM_CHIP_OPERAND_BITS;
    if (query >= job->queries || head >= job->heads) {
        return FUSIONCIM_OUT_OF_RANGE;
    }
    return pack(place_at(memory, address, (uint64_t)job->dimension * bits / 8u), values, job->dimension, bits);
}

fusioncim_result_t fusioncim_write_key(const fusioncim_memory_t *memory, const fusioncim_job_t *job, uint32_t key,
                                       uint32_t kv_head, const int8_t *values)
{
    const uint64_t address = job->k_address + (uint64_t)kv_head * job->k_head_pitch;
    const uint32_t bits = kv_bits(job);
    if (key >= job->keys || kv_head >= job->kv_heads) {
        return FUSIONCIM_OUT_OF_RANGE;
    }
    return pack(place_of_key(memory, job, key, address, job->k_pitch, job->k_page_pitch,
                             (uint64_t)job->dimension * bits / 8u),
                values, job->dimension, bits);
}

fusioncim_result_t fusioncim_write_value(const fusioncim_memory_t *memory, const fusioncim_job_t *job, uint32_t key,
                                         uint32_t kv_head, const int8_t *values)
{
    const uint64_t address = job->v_address + (uint64_t)kv_head * job->v_head_pitch;
    const uint32_t bits = kv_bits(job);
    const uint32_t count = fusioncim_outputs_of(job);
    if (key >= job->keys || kv_head >= job->kv_heads) {
        return FUSIONCIM_OUT_OF_RANGE;
    }
    return pack(place_of_key(memory, job, key, address, job->v_pitch, job->v_page_pitch, (uint64_t)count * bits / 8u),
                values, count, bits);
}

fusioncim_result_t fusioncim_write_token_scales(const fusioncim_memory_t *memory, const fusioncim_job_t *job,
                                                uint32_t key, uint32_t kv_head, uint32_t word)
{
    const uint64_t address = job->token_scales + (uint64_t)kv_head * job->token_scales_pitch;
    place_t place;
    if (job->token_scales == 0u || key >= job->keys || kv_head >= job->kv_heads) {
        return FUSIONCIM_OUT_OF_RANGE;
    }
    place = place_of_key(memory, job, key, address, FUSIONCIM_LIMIT_TOKEN_SCALE_BYTES, job->k_page_pitch,
                         FUSIONCIM_LIMIT_TOKEN_SCALE_BYTES);
    if (place.result == FUSIONCIM_DONE) {
        fusioncim_write_word(place.bytes, 0, word);
    }
    return place.result;
}

/* A signed integer of so many bytes, little endian. */
static int16_t signed_of(const uint8_t *bytes, uint32_t bits)
{
    const int32_t sign = (int32_t)1 << (bits - 1u);
    const int32_t value = bits == 8u ? bytes[0] : bytes[0] | (int32_t)bytes[1] << 8;
    return (int16_t)((value ^ sign) - sign);
}

fusioncim_result_t fusioncim_read_output(const fusioncim_memory_t *memory, const fusioncim_job_t *job, uint32_t query,
                                         uint32_t head, int16_t *values)
{
    const uint64_t address
        = job->o_address + (uint64_t)query * job->o_pitch + (uint64_t)head * job->o_head_pitch;
    const uint32_t step = FUSIONCIM_CHIP_OUTPUT_BITS / 8u;
    const uint32_t count = fusioncim_outputs_of(job);
    const uint8_t *row = fusioncim_at(memory, address, (uint64_t)count * step);
    uint32_t n;
    if (query >= job->queries || head >= job->heads) {
        return FUSIONCIM_OUT_OF_RANGE;
    }
    if (row == NULL) {
        return FUSIONCIM_OUTSIDE;
    }
    for (n = 0; n < count; n++) {
        values[n] = signed_of(row + (size_t)n * step, FUSIONCIM_CHIP_OUTPUT_BITS);
    }
    return FUSIONCIM_DONE;
}

fusioncim_result_t fusioncim_read_lse(const fusioncim_memory_t *memory, const fusioncim_job_t *job, uint32_t query,
                                      uint32_t head, uint32_t *word)
{
    uint32_t group;
    uint64_t address;
    const uint8_t *bytes;
    if (job->lse == 0u || query >= job->queries || head >= job->heads) {
        return FUSIONCIM_OUT_OF_RANGE;
    }
    group = (uint32_t)job->heads / job->kv_heads;
    address = job->lse + (uint64_t)(head / group) * job->lse_pitch
              + ((uint64_t)query * group + head % group) * FUSIONCIM_LIMIT_LSE_BYTES;
    bytes = fusioncim_at(memory, address, FUSIONCIM_LIMIT_LSE_BYTES);
    if (bytes == NULL) {
        return FUSIONCIM_OUTSIDE;
    }
    *word = fusioncim_read_word(bytes, 0);
    return FUSIONCIM_DONE;
}
