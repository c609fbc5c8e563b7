/* A first job: eight queries that each look for one of eight keys, and should find its value.
 *
 * Say where your system has the chip, compile this with the fusioncim*.c files, and run it. Key n is a row of signs that
 * is orthogonal to all others, and query n is four times key n: nearly all of its weight is on key n. So output n is
 * nearly value n, and the program can tell whether the chip works. It returns 0 then.
 *
 * TOKENS, DIMENSION and the three functions of n and column may be changed; all else follows from them. */
#include "fusioncim_data.h"

/* Address of the chip's registers. */
#ifndef REGISTERS
#define REGISTERS 0x40000000u
#endif
/* Memory that the chip and this program both reach: where the chip sees it, where this program sees it, its bytes. */
#ifndef MEMORY_ADDRESS
#define MEMORY_ADDRESS 0x80100000u
#endif
#ifndef MEMORY_BYTES
#define MEMORY_BYTES ((uint8_t *)MEMORY_ADDRESS)
#endif
#ifndef MEMORY_SIZE
#define MEMORY_SIZE 0x1000u
#endif
/* Where words are shown; a program without a C library may name its own function. */
#ifndef SAY
#if __STDC_HOSTED__
#include <stdio.h>
#define SAY(...) printf(__VA_ARGS__)
#else
#define SAY(...) ((void)0)
#endif
#endif

#define TOKENS 8u        /* queries, and as many keys */
#define DIMENSION 8u
#if TOKENS > DIMENSION || (DIMENSION & (DIMENSION - 1u)) != 0u
#error "Keys are orthogonal to each other where DIMENSION is a power of two and TOKENS is at most that."
#endif
#define POLLS 1000000u   /* before a wait gives up */

/* A multiple of 16 bytes is right for every chip: from a vector to the next, of the log-sum-exp of a head. */
#define ALIGNED(bytes) (((bytes) + 15u) / 16u * 16u)
#define PITCH ALIGNED(DIMENSION * 2u) /* an output has two bytes at most */
#define TENSOR (TOKENS * PITCH)

static double key(unsigned n, unsigned column)
{
    unsigned both = n & column;
    both ^= both >> 4;
    both ^= both >> 2;
    both ^= both >> 1;
    return (both & 1u) != 0u ? -1.0 : 1.0;
}

static double query(unsigned n, unsigned column)
{
    return 4.0 * key(n, column);
}

static double value(unsigned n, unsigned column)
{
    return n - column / 4.0;
}

/* The largest magnitude of a value: what is beyond it would be clipped. */
static double largest_value(void)
{
    double largest = 0.0;
    unsigned n;
    unsigned column;
    for (n = 0; n < TOKENS; n++) {
        for (column = 0; column < DIMENSION; column++) {
            const double signed_value = value(n, column);
            const double magnitude = signed_value < 0.0 ? -signed_value : signed_value;
            largest = magnitude > largest ? magnitude : largest;
        }
    }
    return largest;
}

/* Square root by Newton's method, which needs no C library. */
static double root(double square)
{
    double found = square;
    unsigned n;
    for (n = 0; n < 30u; n++) {
        found = (found + square / found) / 2.0;
    }
    return found;
}

/* A vector of integers. */
static void quantize(double (*number)(unsigned, unsigned), unsigned n, double scale, int8_t *integers)
{
    unsigned column;
    for (column = 0; column < DIMENSION; column++) {
        integers[column] = fusioncim_operand(number(n, column), scale, FUSIONCIM_CHIP_OPERAND_BITS);
    }
}

/* What the job is, and where everything lies. All other fields are 0. */
static fusioncim_job_t describe(void)
{
    static const fusioncim_job_t nothing;
    fusioncim_job_t job = nothing;
    job.scales = MEMORY_ADDRESS + 0x100u;
    job.q_address = MEMORY_ADDRESS + 0x200u;
    job.k_address = job.q_address + TENSOR;
    job.v_address = job.k_address + TENSOR;
    job.o_address = job.v_address + TENSOR;
    job.lse = job.o_address + TENSOR;
    job.q_pitch = job.k_pitch = job.v_pitch = job.o_pitch = PITCH;
    job.q_head_pitch = job.k_head_pitch = job.v_head_pitch = job.o_head_pitch = TENSOR;
    job.lse_pitch = ALIGNED(TOKENS * FUSIONCIM_LIMIT_LSE_BYTES);
    job.queries = job.keys = TOKENS;
    job.heads = job.kv_heads = 1;
    job.dimension = DIMENSION;
    job.window = FUSIONCIM_EVERY; /* causal: a query sees its own key and all before it */
    job.output_bits = FUSIONCIM_CHIP_OUTPUT_BITS;
    return job;
}

/* Write operands, score scale and record; scale_v: of the values. */
static fusioncim_result_t place(const fusioncim_memory_t *memory, const fusioncim_job_t *job, double scale_v)
{
    const double scale_k = fusioncim_operand_scale(1.0, FUSIONCIM_CHIP_OPERAND_BITS);
    const double unit = scale_k / root(DIMENSION) * FUSIONCIM_LOG2_E;
    double scale_q = fusioncim_operand_scale(4.0, FUSIONCIM_CHIP_OPERAND_BITS);
    int8_t integers[DIMENSION];
    uint32_t word;
    unsigned n;
    fusioncim_result_t result = fusioncim_score_scale(scale_q * unit, FUSIONCIM_UP, &word);
    if (result != FUSIONCIM_DONE) {
        return result;
    }
    scale_q = fusioncim_scale_value(word) / unit;
    for (n = 0; n < TOKENS && result == FUSIONCIM_DONE; n++) {
        quantize(query, n, scale_q, integers);
        result = fusioncim_write_query(memory, job, n, 0, integers);
        if (result == FUSIONCIM_DONE) {
            quantize(key, n, scale_k, integers);
            result = fusioncim_write_key(memory, job, n, 0, integers);
        }
        if (result == FUSIONCIM_DONE) {
            quantize(value, n, scale_v, integers);
            result = fusioncim_write_value(memory, job, n, 0, integers);
        }
    }
    fusioncim_write_word(fusioncim_at(memory, job->scales, FUSIONCIM_LIMIT_SCALE_BYTES), 0, word);
    fusioncim_write_job(fusioncim_at(memory, MEMORY_ADDRESS, FUSIONCIM_LIMIT_JOB_BYTES), job);
    return result;
}

/* Show what came out; the number of elements that are not what they should be. */
static int compare(const fusioncim_memory_t *memory, const fusioncim_job_t *job, double scale_v)
{
    int16_t outputs[DIMENSION];
    uint32_t word;
    unsigned n;
    unsigned column;
    int wrong = 0;
    for (n = 0; n < TOKENS; n++) {
        if (fusioncim_read_output(memory, job, n, 0, outputs) != FUSIONCIM_DONE
            || fusioncim_read_lse(memory, job, n, 0, &word) != FUSIONCIM_DONE) {
            return (int)(TOKENS * DIMENSION);
        }
        SAY("query %u:", n);
        for (column = 0; column < DIMENSION; column++) {
            const double output = outputs[column] * fusioncim_output_scale(scale_v);
            const double error = output - value(n, column);
            SAY(" %.2f", output);
            wrong += !(error > -scale_v && error < scale_v);
        }
        SAY(", log-sum-exp %.3f\n", fusioncim_log_sum_exp(word));
    }
    return wrong;
}

int main(void)
{
    const fusioncim_memory_t memory = {MEMORY_BYTES, MEMORY_ADDRESS, MEMORY_SIZE};
    const double scale_v = fusioncim_operand_scale(largest_value(), FUSIONCIM_CHIP_OPERAND_BITS);
    const fusioncim_job_t job = describe();
    const enum fusioncim_status status = fusioncim_check_job(&job);
    fusioncim_t chip;
    fusioncim_outcome_t outcome;
    fusioncim_counters_t counters;
    fusioncim_result_t result;
    int wrong;

    if (status != FUSIONCIM_STATUS_OK) {
        SAY("%s\n", fusioncim_status_words(status));
        return 1;
    }
    result = fusioncim_check_memory(&memory, &job);
    if (result == FUSIONCIM_DONE) {
        result = fusioncim_connect(&chip, REGISTERS, POLLS);
    }
    if (result == FUSIONCIM_DONE) {
        result = place(&memory, &job, scale_v);
    }
    if (result == FUSIONCIM_DONE) {
        /* Here a system whose caches the chip does not see through cleans them, and behind the run invalidates them. */
        fusioncim_clear_counters(&chip);
        result = fusioncim_run(&chip, MEMORY_ADDRESS, &outcome);
    }
    if (result == FUSIONCIM_JOB_FAILED) {
        SAY("%s\n", fusioncim_status_words(outcome.status));
        return 1;
    }
    if (result != FUSIONCIM_DONE) {
        SAY("%s\n", fusioncim_result_words(result));
        return 1;
    }
    wrong = compare(&memory, &job, scale_v);
    fusioncim_read_counters(&chip, &counters);
    SAY("%lu cycles, %d elements wrong\n", (unsigned long)counters.cycles, wrong);
    return wrong != 0;
}
