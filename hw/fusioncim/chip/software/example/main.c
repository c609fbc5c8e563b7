/* A first job: eight queries that each look for one of eight keys, and should find its value.
 *
 * Say where your system has the chip, compile this with the fusioncim*.c files, and run it. Key n is a row of signs that
 * is orthogonal to all others, and query n is four times key n: nearly all of its weight is on key n. So output n is
 * nearly value n.
 *
 * TOKENS, DIMENSION and the three functions of n and column may be changed; all else follows from them. The scales are
 * those with which no number is clipped. The program computes the same attention in doubles, and returns 0 if the chip
 * works: if no output is further from that of the integers in memory than the chip may round. The error that it shows
 * is against your numbers, so it has the rounding to integers in it, too. */
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

/* Numbers as they are given, and the integers that stand for them. */
typedef struct {
    double (*number)(unsigned n, unsigned column);
    double scale;
    int8_t integers[TOKENS][DIMENSION];
} tensor_t;
static tensor_t queries = {query, 1.0, {{0}}};
static tensor_t keys = {key, 1.0, {{0}}};
static tensor_t values = {value, 1.0, {{0}}};

static double magnitude(double number)
{
    return number < 0.0 ? -number : number;
}

/* The least scale with which no number is clipped. */
static double scale_of(const tensor_t *tensor)
{
    double largest = 0.0;
    unsigned n;
    unsigned column;
    for (n = 0; n < TOKENS; n++) {
        for (column = 0; column < DIMENSION; column++) {
            const double each = magnitude(tensor->number(n, column));
            largest = each > largest ? each : largest;
        }
    }
    return fusioncim_operand_scale(largest > 0.0 ? largest : 1.0, FUSIONCIM_CHIP_OPERAND_BITS);
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

/* exp of a number up to 0, by its series; what is below e^-64 counts as 0. */
static double exponential(double number)
{
    double power = 1.0;
    unsigned n;
    if (!(number > -64.0)) {
        return 0.0;
    }
    for (n = 16u; n > 0u; n--) {
        power = 1.0 + number / 64.0 / n * power;
    }
    for (n = 0; n < 6u; n++) {
        power *= power;
    }
    return power;
}

static void quantize(tensor_t *tensor, double scale)
{
    unsigned n;
    unsigned column;
    tensor->scale = scale;
    for (n = 0; n < TOKENS; n++) {
        for (column = 0; column < DIMENSION; column++) {
            tensor->integers[n][column] =
                fusioncim_operand(tensor->number(n, column), scale, FUSIONCIM_CHIP_OPERAND_BITS);
        }
    }
}

/* Scales and integers of all tensors, and the word of the score scale. OUT_OF_RANGE: the chip has no room for scores as
 * large as these. */
static fusioncim_result_t quantize_all(const fusioncim_job_t *job, uint32_t *word)
{
    fusioncim_result_t result;
    double unit;
    quantize(&keys, scale_of(&keys));
    quantize(&values, scale_of(&values));
    unit = keys.scale / root(DIMENSION) * FUSIONCIM_LOG2_E;
    result = fusioncim_score_scale(scale_of(&queries) * unit, FUSIONCIM_UP, word);
    if (result != FUSIONCIM_DONE || fusioncim_check_score_scale(job, *word) != FUSIONCIM_STATUS_OK) {
        return FUSIONCIM_OUT_OF_RANGE;
    }
    quantize(&queries, fusioncim_scale_value(*word) / unit);
    return FUSIONCIM_DONE;
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

/* Write operands, score scale and record. */
static fusioncim_result_t place(const fusioncim_memory_t *memory, const fusioncim_job_t *job)
{
    uint32_t word;
    unsigned n;
    fusioncim_result_t result = quantize_all(job, &word);
    for (n = 0; n < TOKENS && result == FUSIONCIM_DONE; n++) {
        result = fusioncim_write_query(memory, job, n, 0, queries.integers[n]);
        if (result == FUSIONCIM_DONE) {
            result = fusioncim_write_key(memory, job, n, 0, keys.integers[n]);
        }
        if (result == FUSIONCIM_DONE) {
            result = fusioncim_write_value(memory, job, n, 0, values.integers[n]);
        }
    }
    if (result == FUSIONCIM_DONE) {
        fusioncim_write_word(fusioncim_at(memory, job->scales, FUSIONCIM_LIMIT_SCALE_BYTES), 0, word);
        fusioncim_write_job(fusioncim_at(memory, MEMORY_ADDRESS, FUSIONCIM_LIMIT_JOB_BYTES), job);
    }
    return result;
}

typedef enum { GIVEN, ROUNDED } form_t;

static double element(const tensor_t *tensor, form_t form, unsigned n, unsigned column)
{
    return form == GIVEN ? tensor->number(n, column) : tensor->integers[n][column] * tensor->scale;
}

/* Softmax of the scores of query n and the keys that it sees, 0 to n. */
static void softmax(form_t form, unsigned n, double *weights)
{
    double largest = 0.0;
    double sum = 0.0;
    unsigned m;
    unsigned column;
    for (m = 0; m <= n; m++) {
        weights[m] = 0.0;
        for (column = 0; column < DIMENSION; column++) {
            weights[m] += element(&queries, form, n, column) * element(&keys, form, m, column) / root(DIMENSION);
        }
        largest = m == 0u || weights[m] > largest ? weights[m] : largest;
    }
    for (m = 0; m <= n; m++) {
        weights[m] = exponential(weights[m] - largest);
        sum += weights[m];
    }
    for (m = 0; m <= n; m++) {
        weights[m] /= sum;
    }
}

static double output_of(form_t form, const double *weights, unsigned n, unsigned column)
{
    double sum = 0.0;
    unsigned m;
    for (m = 0; m <= n; m++) {
        sum += weights[m] * element(&values, form, m, column);
    }
    return sum;
}

/* Whether an output may come of these weights, whose sum is 1. The chip rounds every weight: by a part of it, and by a
 * part of the row's largest one or by all of it. That moves the output towards the value of the key, or away from it.
 * The sum of the weights is off by as much. The chip rounds sums, too, by parts of a step of the values. */
static int may_be(double output, const double *weights, unsigned n, unsigned column)
{
    const double exact = output_of(ROUNDED, weights, n, column);
    const double steps = values.scale * (1.0 + (n + 1u) * FUSIONCIM_CHIP_STEP_ERROR);
    double moved = 0.0;
    double left = 1.0;
    double largest = 0.0;
    unsigned m;
    for (m = 0; m <= n; m++) {
        largest = weights[m] > largest ? weights[m] : largest;
    }
    for (m = 0; m <= n; m++) {
        const double lost = largest * FUSIONCIM_CHIP_LARGEST_WEIGHT_ERROR;
        const double off = weights[m] * FUSIONCIM_CHIP_WEIGHT_ERROR + (lost < weights[m] ? lost : weights[m]);
        moved += off * magnitude(element(&values, ROUNDED, m, column) - exact);
        left -= off;
    }
    return left <= 0.0 || magnitude(output - exact) <= steps + moved / left;
}

/* Show what came out; the number of elements that are wrong, and the largest error against the given numbers. */
static int compare(const fusioncim_memory_t *memory, const fusioncim_job_t *job, double *largest)
{
    double weights[2][TOKENS];
    int16_t outputs[DIMENSION];
    uint32_t word;
    unsigned n;
    unsigned column;
    int wrong = 0;
    *largest = 0.0;
    for (n = 0; n < TOKENS; n++) {
        if (fusioncim_read_output(memory, job, n, 0, outputs) != FUSIONCIM_DONE
            || fusioncim_read_lse(memory, job, n, 0, &word) != FUSIONCIM_DONE) {
            return (int)(TOKENS * DIMENSION);
        }
        softmax(GIVEN, n, weights[GIVEN]);
        softmax(ROUNDED, n, weights[ROUNDED]);
        SAY("query %u:", n);
        for (column = 0; column < DIMENSION; column++) {
            const double output = outputs[column] * fusioncim_output_scale(values.scale);
            const double error = magnitude(output - output_of(GIVEN, weights[GIVEN], n, column));
            SAY(" %.2f", output);
            wrong += !may_be(output, weights[ROUNDED], n, column);
            *largest = error > *largest ? error : *largest;
        }
        SAY(", log-sum-exp %.3f\n", fusioncim_log_sum_exp(word));
    }
    return wrong;
}

int main(void)
{
    const fusioncim_memory_t memory = {MEMORY_BYTES, MEMORY_ADDRESS, MEMORY_SIZE};
    const fusioncim_job_t job = describe();
    const enum fusioncim_status status = fusioncim_check_job(&job);
    fusioncim_t chip;
    fusioncim_outcome_t outcome;
    fusioncim_counters_t counters;
    fusioncim_result_t result;
    double largest;
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
        result = place(&memory, &job);
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
    wrong = compare(&memory, &job, &largest);
    fusioncim_read_counters(&chip, &counters);
    SAY("%lu cycles, %d elements wrong, largest error %.3g\n", (unsigned long)counters.cycles, wrong, largest);
    return wrong != 0;
}
