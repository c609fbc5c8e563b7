/* Computes the head of head.h twice, once with the interrupt and once by polling, and reports on the serial line. */
#include "fusioncim_data.h"
#include "head.h"
#include "system.h"

#define POLLS 100000u
#define MOST_CYCLES 100000000u
#define VECTOR_BYTES (HEAD_DIMENSION * FUSIONCIM_CHIP_OPERAND_BITS / 8u)
#define ROW_BYTES (HEAD_DIMENSION * FUSIONCIM_CHIP_OUTPUT_BITS / 8u)
#define SHOWN 8u

/* In head.S. */
extern const uint8_t head_q[], head_k[], head_v[];

/* The host compares both with the golden model. */
SYSTEM_SHARED uint8_t output_by_interrupt[HEAD_QUERIES * ROW_BYTES];
SYSTEM_SHARED uint8_t output_by_polling[HEAD_QUERIES * ROW_BYTES];
static SYSTEM_SHARED uint8_t scales[FUSIONCIM_LIMIT_SCALE_BYTES];
static uint8_t record[FUSIONCIM_LIMIT_JOB_BYTES] __attribute__((section(".shared"), aligned(FUSIONCIM_LIMIT_JOB_BYTES)));

static const fusioncim_memory_t memory = {(uint8_t *)SYSTEM_MEMORY, SYSTEM_MEMORY, SYSTEM_MEMORY_BYTES};

static fusioncim_t chip;

void chip_interrupt(void)
{
    (void)fusioncim_take_interrupts(&chip);
}

static int failed(const char *why)
{
    system_text("error: ");
    system_text(why);
    system_text("\n");
    return 1;
}

static void value(const char *name, int64_t number)
{
    system_text(name);
    system_text(" ");
    system_number(number);
}

static uint64_t address(const volatile void *place)
{
    return (uint64_t)(uintptr_t)place;
}

static void describe(fusioncim_job_t *job, const uint8_t *output)
{
    static const fusioncim_job_t NONE;
    *job = NONE;
    job->q_address = address(head_q);
    job->k_address = address(head_k);
    job->v_address = address(head_v);
    job->o_address = address(output);
    job->scales = address(scales);
    job->queries = HEAD_QUERIES;
    job->keys = HEAD_KEYS;
    job->window = FUSIONCIM_EVERY;
    job->q_pitch = job->k_pitch = job->v_pitch = VECTOR_BYTES;
    job->o_pitch = ROW_BYTES;
    job->heads = 1;
    job->kv_heads = 1;
    job->dimension = HEAD_DIMENSION;
    job->output_bits = FUSIONCIM_CHIP_OUTPUT_BITS;
}

static fusioncim_result_t run_with_interrupt(fusioncim_outcome_t *outcome)
{
    uint32_t number;
    fusioncim_result_t result;
    fusioncim_enable_interrupts(&chip, FUSIONCIM_IRQ_ENABLE_DONE_MASK | FUSIONCIM_IRQ_ENABLE_ERROR_MASK);
    result = fusioncim_submit(&chip, address(record), &number);
    if (result == FUSIONCIM_DONE && !system_wait(MOST_CYCLES)) {
        return FUSIONCIM_TIMEOUT;
    }
    fusioncim_enable_interrupts(&chip, 0);
    return result == FUSIONCIM_DONE ? fusioncim_wait(&chip, number, outcome) : result;
}

static fusioncim_result_t run_by_polling(fusioncim_outcome_t *outcome)
{
    return fusioncim_run(&chip, address(record), outcome);
}

/* FNV-1a over words of 32 bits. */
static uint32_t checksum(const volatile uint8_t *output)
{
    const volatile uint32_t *words = (const volatile uint32_t *)(const volatile void *)output;
    uint32_t sum = 2166136261u;
    uint32_t n;
    for (n = 0; n < HEAD_QUERIES * ROW_BYTES / 4u; n++) {
        sum = (sum ^ words[n]) * 16777619u;
    }
    return sum;
}

static int run(const char *how, fusioncim_result_t (*runner)(fusioncim_outcome_t *), const uint8_t *output)
{
    fusioncim_job_t job;
    fusioncim_outcome_t outcome;
    fusioncim_counters_t counters;
    fusioncim_result_t result;
    enum fusioncim_status status;
    uint32_t begun, checked, written, ended;
    describe(&job, output);
    begun = system_cycles();
    status = fusioncim_check_job(&job);
    if (status != FUSIONCIM_STATUS_OK) {
        return failed(fusioncim_status_words(status));
    }
    result = fusioncim_check_memory(&memory, &job);
    if (result != FUSIONCIM_DONE) {
        return failed(fusioncim_result_words(result));
    }
    checked = system_cycles();
    fusioncim_write_job(record, &job);
    written = system_cycles();
    fusioncim_clear_counters(&chip);
    result = runner(&outcome);
    ended = system_cycles();
    if (result == FUSIONCIM_JOB_FAILED) {
        return failed(fusioncim_status_words(outcome.status));
    }
    if (result != FUSIONCIM_DONE) {
        return failed(fusioncim_result_words(result));
    }
    fusioncim_read_counters(&chip, &counters);
    system_text(how);
    value(": the chip", (int64_t)counters.cycles);
    value(" cycles, from job to result", ended - written);
    value(", checks before it", checked - begun);
    value(", its record", written - checked);
    system_text("; checksum ");
    system_hex(checksum(output));
    system_text("\n");
    return 0;
}

/* The scale of the scores as a word of the chip's table. */
static int write_scale(void)
{
    uint32_t word;
    fusioncim_result_t result = fusioncim_score_scale(HEAD_SCORE_SCALE, FUSIONCIM_NEAREST, &word);
    if (result != FUSIONCIM_DONE) {
        return failed(fusioncim_result_words(result));
    }
    fusioncim_write_word(scales, 0, HEAD_CENTRED ? word | FUSIONCIM_CENTRED : word);
    return 0;
}

static int show_last_row(const uint8_t *output)
{
    static int16_t values[HEAD_DIMENSION];
    fusioncim_job_t job;
    fusioncim_result_t result;
    uint32_t n;
    describe(&job, output);
    result = fusioncim_read_output(&memory, &job, HEAD_QUERIES - 1u, 0, values);
    if (result != FUSIONCIM_DONE) {
        return failed(fusioncim_result_words(result));
    }
    system_text("last row:");
    for (n = 0; n < SHOWN; n++) {
        value("", values[n]);
    }
    system_text(" ..\n");
    return 0;
}

int main(void)
{
    fusioncim_result_t result = fusioncim_connect(&chip, SYSTEM_CHIP, POLLS);
    if (result != FUSIONCIM_DONE) {
        return failed(fusioncim_result_words(result));
    }
    value("FusionCIM: engines", FUSIONCIM_CHIP_ENGINES);
    value(", each of rows", FUSIONCIM_CHIP_ROWS);
    value(" and columns", FUSIONCIM_CHIP_COLUMNS);
    value("; head " HEAD_NAME " of queries", HEAD_QUERIES);
    value(" and dimension", HEAD_DIMENSION);
    system_text("\n");
    if (write_scale() != 0 || run("interrupt", run_with_interrupt, output_by_interrupt) != 0
        || run("polling", run_by_polling, output_by_polling) != 0 || show_last_row(output_by_polling) != 0) {
        return 1;
    }
    system_text("done\n");
    return 0;
}
