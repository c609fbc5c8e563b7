/* What a job has in memory, written and read: vectors, tables, and the words of the tables made from real numbers.
 *
 * It touches no register, so a program without a chip may use it, too. Real numbers are IEEE doubles; no function of the
 * mathematical library is called. */
#ifndef FUSIONCIM_DATA_H
#define FUSIONCIM_DATA_H

#include "fusioncim.h"

/* Memory that this program and the chip both reach. */
typedef struct {
    uint8_t *bytes;   /* its first byte, for this program */
    uint64_t address; /* its first byte, for the chip */
    uint64_t size;    /* in bytes */
} fusioncim_memory_t;

/* Where this program finds what the chip finds at an address; NULL unless all of it lies in the memory. */
uint8_t *fusioncim_at(const fusioncim_memory_t *memory, uint64_t address, uint64_t size);

/* OUTSIDE unless all tensors and tables of a job that fusioncim_check_job takes lie in the memory. */
fusioncim_result_t fusioncim_check_memory(const fusioncim_memory_t *memory, const fusioncim_job_t *job);

/* Vectors of such a job. `values` are dimension, or value_dimension, integers. OUT_OF_RANGE: the job has no such vector,
 * or a value does not fit the bits of the tensor; OUTSIDE: it does not lie in the memory. Nothing is written then. With
 * pages the page list must be in the memory before. */
fusioncim_result_t fusioncim_write_query(const fusioncim_memory_t *memory, const fusioncim_job_t *job, uint32_t query,
                                         uint32_t head, const int8_t *values);
fusioncim_result_t fusioncim_write_key(const fusioncim_memory_t *memory, const fusioncim_job_t *job, uint32_t key,
                                       uint32_t kv_head, const int8_t *values);
fusioncim_result_t fusioncim_write_value(const fusioncim_memory_t *memory, const fusioncim_job_t *job, uint32_t key,
                                         uint32_t kv_head, const int8_t *values);
fusioncim_result_t fusioncim_write_token_scales(const fusioncim_memory_t *memory, const fusioncim_job_t *job,
                                                uint32_t key, uint32_t kv_head, uint32_t word);
fusioncim_result_t fusioncim_read_output(const fusioncim_memory_t *memory, const fusioncim_job_t *job, uint32_t query,
                                         uint32_t head, int16_t *values);
fusioncim_result_t fusioncim_read_lse(const fusioncim_memory_t *memory, const fusioncim_job_t *job, uint32_t query,
                                      uint32_t head, uint32_t *word);

/* An entry of a table: of words (score scales, sinks and slopes by query head, the page list by key / page_tokens), of
 * intervals by query, of sequences. */
void fusioncim_write_word(uint8_t *table, uint32_t index, uint32_t word);
uint32_t fusioncim_read_word(const uint8_t *table, uint32_t index);
void fusioncim_write_interval(uint8_t *table, uint32_t query, uint32_t low, uint32_t high);
void fusioncim_write_sequence(uint8_t *table, uint32_t index, const fusioncim_sequence_t *entry);

/* The status with which the chip ends a job that meets this entry, or OK. */
enum fusioncim_status fusioncim_check_score_scale(const fusioncim_job_t *job, uint32_t word);
enum fusioncim_status fusioncim_check_sink(uint32_t word);
enum fusioncim_status fusioncim_check_slope(uint32_t word);
/* The words of one head, its sink 0 without one: values of a head with a sink must not be CENTRED. */
enum fusioncim_status fusioncim_check_score_scale_and_sink(const fusioncim_job_t *job, uint32_t scale, uint32_t sink);
enum fusioncim_status fusioncim_check_interval(uint32_t low, uint32_t high);
enum fusioncim_status fusioncim_check_page(const fusioncim_job_t *job, uint32_t page);

typedef enum {
    FUSIONCIM_NEAREST, /* half to even */
    FUSIONCIM_UP       /* the next that is not below */
} fusioncim_rounding_t;

/* Words from real numbers. OUT_OF_RANGE: no word stands for the number, and none is given.
 *
 * A score scale is scale_q * scale_k * softmax_scale * FUSIONCIM_LOG2_E. To lose nothing, take the word UP and the scale
 * of Q from it:
 *
 *     unit = scale_k * softmax_scale * FUSIONCIM_LOG2_E;
 *     fusioncim_score_scale(scale_q * unit, FUSIONCIM_UP, &word);
 *     scale_q = fusioncim_scale_value(word) / unit;
 *
 * With kv_bits 4 on a chip of 8-bit operands, K and V count as 16 times themselves: divide scale_k and scale_v by 16.
 * Set FUSIONCIM_CENTRED in the word of a head whose values have a mean of 0, and that has no sink. */
#define FUSIONCIM_CENTRED (1u << FUSIONCIM_WORD_SCALE_CENTRED_BIT)
fusioncim_result_t fusioncim_score_scale(double scale, fusioncim_rounding_t rounding, uint32_t *word);

/* mantissa / 2^shift of a score scale or a slope, in log2 units. */
double fusioncim_scale_value(uint32_t word);

/* A slope of ALiBi and a sink, as models have them, in natural units. */
fusioncim_result_t fusioncim_slope(double slope, uint32_t *word);
fusioncim_result_t fusioncim_sink(double sink, uint32_t *word);

/* Scales per token: the least unit for scales up to the largest, the code of a scale in it, what a code means as a part
 * of its unit, and the word with the codes of a key and of its value. OUT_OF_RANGE also on a chip without such scales. */
double fusioncim_token_unit(double largest);
fusioncim_result_t fusioncim_token_code(double scale, double unit, fusioncim_rounding_t rounding, uint32_t *code);
double fusioncim_token_value(uint32_t code);
uint32_t fusioncim_token_word(uint32_t k_code, uint32_t v_code);

/* Symmetric operands of so many bits: the scale of numbers up to the largest magnitude, 1 where that is 0, and the
 * integer of a finite number, half to even, clipped: number = integer * scale. */
double fusioncim_operand_scale(double largest, uint32_t bits);
int8_t fusioncim_operand(double number, double scale, uint32_t bits);

/* What an element of an output row means: output = element * fusioncim_output_scale(scale_v). */
double fusioncim_output_scale(double scale_v);

/* Natural logarithm of the sum of exp(score) of a row, from its word of the log-sum-exp; minus infinity of a row that
 * saw no key. */
double fusioncim_log_sum_exp(uint32_t word);

#endif
