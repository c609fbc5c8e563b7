/* Computes the head of head.h twice, once with the interrupt and once by polling, and reports on the serial line. */
#include "fusioncim.h"
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
static SYSTEM_SHARED volatile uint32_t scales[1];
static uint8_t record[FUSIONCIM_LIMIT_JOB_BYTES] __attribute__((section(".shared"), aligned(FUSIONCIM_LIMIT_JOB_BYTES)));

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
    system_text("\n");
}

static int connect(void)
{
    switch (fusioncim_connect(&chip, SYSTEM_CHIP, POLLS)) {
    case FUSIONCIM_DONE:
        return 0;
    case FUSIONCIM_OTHER_VERSION:
        return failed("the chip's registers are of another version than this driver");
    case FUSIONCIM_OTHER_CONFIGURATION:
        return failed("the chip has another configuration than this driver");
    default:
        return failed("no FusionCIM chip answers");
    }
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

static int run_with_interrupt(fusioncim_outcome_t *outcome)
{
    uint16_t number;
    fusioncim_result_t result;
    fusioncim_enable_interrupts(&chip, FUSIONCIM_IRQ_ENABLE_DONE_MASK | FUSIONCIM_IRQ_ENABLE_ERROR_MASK);
    result = fusioncim_submit(&chip, address(record), &number);
    if (result != FUSIONCIM_DONE) {
        return failed("the chip does not take the job");
    }
    if (!system_wait(MOST_CYCLES)) {
        return failed("the chip does not interrupt");
    }
    fusioncim_enable_interrupts(&chip, 0);
    result = fusioncim_wait(&chip, number, outcome);
    return result == FUSIONCIM_DONE || result == FUSIONCIM_JOB_FAILED ? 0 : failed("the job does not end");
}

static int run_by_polling(fusioncim_outcome_t *outcome)
{
    fusioncim_result_t result = fusioncim_run(&chip, address(record), outcome);
    return result == FUSIONCIM_DONE || result == FUSIONCIM_JOB_FAILED ? 0 : failed("the job does not end");
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

static int run(const char *how, int (*runner)(fusioncim_outcome_t *), const uint8_t *output)
{
    fusioncim_job_t job;
    fusioncim_outcome_t outcome;
    fusioncim_counters_t counters;
    enum fusioncim_status status;
    uint32_t begun, checked, written, ended;
    describe(&job, output);
    begun = system_cycles();
    status = fusioncim_check_job(&job);
    if (status != FUSIONCIM_STATUS_OK) {
        return failed(fusioncim_status_words(status));
    }
    checked = system_cycles();
    fusioncim_write_job(record, &job);
    fusioncim_clear_counters(&chip);
    written = system_cycles();
    if (runner(&outcome) != 0) {
        return 1;
    }
    ended = system_cycles();
    fusioncim_read_counters(&chip, &counters);
    system_text("run ");
    system_text(how);
    system_text("\n");
    system_text("status ");
    system_text(fusioncim_status_words(outcome.status));
    system_text("\n");
    value("check_cycles", checked - begun);
    value("record_cycles", written - checked);
    value("run_cycles", ended - written);
    value("chip_cycles", (int64_t)counters.cycles);
    value("mac_cycles", (int64_t)counters.mac_cycles);
    value("bytes_output", (int64_t)counters.bytes_output);
    system_text("checksum ");
    system_hex(checksum(output));
    system_text("\n");
    return outcome.status == FUSIONCIM_STATUS_OK ? 0 : 1;
}

static void show_row(const volatile uint8_t *output)
{
    uint32_t n;
    system_text("output");
    for (n = 0; n < SHOWN; n++) {
#if FUSIONCIM_CHIP_OUTPUT_BITS == 8u
        system_text(" ");
        system_number(((const volatile int8_t *)output)[n]);
#else
        system_text(" ");
        system_number(((const volatile int16_t *)(const volatile void *)output)[n]);
#endif
    }
    system_text("\n");
}

int main(void)
{
    system_text("head " HEAD_NAME "\n");
    if (connect() != 0) {
        return 1;
    }
    scales[0] = HEAD_SCALE;
    if (run("interrupt", run_with_interrupt, output_by_interrupt) != 0
        || run("polling", run_by_polling, output_by_polling) != 0) {
        return 1;
    }
    show_row(output_by_polling);
    system_text("done\n");
    return 0;
}
