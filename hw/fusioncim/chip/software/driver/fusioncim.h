/* Driver of a FusionCIM chip: freestanding C99, without memory of its own, without interrupts of its own.
 *
 * Write a job's record into memory that the chip reads (fusioncim_data.h has what writes the rest), clean the
 * caches that the chip does not see through, and run it:
 *
 *     fusioncim_t chip;
 *     fusioncim_outcome_t outcome;
 *     if (fusioncim_connect(&chip, base, 1000000u) == FUSIONCIM_DONE
 *         && fusioncim_check_job(&job) == FUSIONCIM_STATUS_OK) {
 *         fusioncim_write_job(record, &job);
 *         result = fusioncim_run(&chip, address, &outcome);
 *     }
 *
 * One caller at a time: the driver takes no locks. Every wait has a limit. */
#ifndef FUSIONCIM_H
#define FUSIONCIM_H

#include <stddef.h>
#include <stdint.h>

#include "fusioncim_records.h"
#include "fusioncim_regs.h"

/* Access to a 32-bit register. Define them where another access is needed: for all files of the driver, as
 * compilers do with -D or -include. */
#ifndef FUSIONCIM_READ
#define FUSIONCIM_READ(base, offset) (*(volatile const uint32_t *)((base) + (offset)))
#endif
#ifndef FUSIONCIM_WRITE
#define FUSIONCIM_WRITE(base, offset, value) (*(volatile uint32_t *)((base) + (offset)) = (value))
#endif
/* All accesses before it happen before those behind it, to memory and to registers. */
#ifndef FUSIONCIM_BARRIER
#if defined __riscv
#define FUSIONCIM_BARRIER() __asm__ __volatile__("fence iorw, iorw" ::: "memory")
#elif defined __GNUC__
#define FUSIONCIM_BARRIER() __sync_synchronize()
#else
#error "FUSIONCIM_BARRIER must be defined for this compiler"
#endif
#endif
/* What happens between two polls of a wait: define it to sleep until the interrupt, or to yield. */
#ifndef FUSIONCIM_PAUSE
#define FUSIONCIM_PAUSE(base) ((void)(base))
#endif

/* How a call ends: RESULT(name, words). */
#define FUSIONCIM_RESULTS(RESULT) \
    RESULT(FUSIONCIM_DONE, "done") \
    RESULT(FUSIONCIM_NO_CHIP, "no FusionCIM chip answers at the base address") \
    RESULT(FUSIONCIM_OTHER_VERSION, "the registers of the chip are not those that this driver knows") \
    RESULT(FUSIONCIM_OTHER_CONFIGURATION, "the chip was generated from another configuration than this driver") \
    RESULT(FUSIONCIM_REFUSED, "the address of the record breaks a rule") \
    RESULT(FUSIONCIM_TOO_MANY_UNREAD, "the chip keeps no more results: wait for a job first") \
    RESULT(FUSIONCIM_NOT_PENDING, "the job was not submitted, or was waited for") \
    RESULT(FUSIONCIM_JOB_FAILED, "the job failed: its status says why") \
    RESULT(FUSIONCIM_TIMEOUT, "the chip did not do within the limit of polls what it was asked for") \
    RESULT(FUSIONCIM_BUS_STALLED, "the bus stands still: unless it gives all that it owes, reset chip and bus") \
    RESULT(FUSIONCIM_OUT_OF_RANGE, "a number is beyond what the job or the format of a word has room for") \
    RESULT(FUSIONCIM_OUTSIDE, "a tensor or table does not lie in the memory")
#define FUSIONCIM_MEMBER(name, words) name,
typedef enum {
    FUSIONCIM_RESULTS(FUSIONCIM_MEMBER)
} fusioncim_result_t;
#undef FUSIONCIM_MEMBER

typedef struct {
    uintptr_t base; /* address of the registers */
    uint32_t polls; /* reads of a register before a wait gives up */
    uint32_t next;  /* number of the next job, modulo 2^16 */
    uint32_t read;  /* number of the first job whose result was not taken */
} fusioncim_t;

typedef struct {
    enum fusioncim_status status;
    uint32_t sequence; /* the first one that failed; 0 also where the whole job did */
} fusioncim_outcome_t;

#define FUSIONCIM_MEMBER(name, low, high) uint64_t name;
typedef struct {
    FUSIONCIM_COUNTERS(FUSIONCIM_MEMBER)
} fusioncim_counters_t;
#undef FUSIONCIM_MEMBER

/* Check that the chip at `base` is the one this driver was generated with. */
fusioncim_result_t fusioncim_connect(fusioncim_t *chip, uintptr_t base, uint32_t polls);

/* Push the job whose record lies at this address, as soon as the queue has room. The record, the tables and the
 * operands stay as they are until the job was waited for. */
fusioncim_result_t fusioncim_submit(fusioncim_t *chip, uint64_t address, uint32_t *number);

/* Wait for a job. Jobs are waited for in their order. */
fusioncim_result_t fusioncim_wait(fusioncim_t *chip, uint32_t number, fusioncim_outcome_t *outcome);

/* Submit a job and wait for it. */
fusioncim_result_t fusioncim_run(fusioncim_t *chip, uint64_t address, fusioncim_outcome_t *outcome);

/* Stop everything. The jobs under way end as ABORTED and can be waited for. */
fusioncim_result_t fusioncim_abort(fusioncim_t *chip);

/* End jobs and aborts when the bus owes something and stands still for so many cycles; 0: never. */
void fusioncim_limit_stalls(fusioncim_t *chip, uint32_t cycles);

/* Raise the interrupt for these causes: FUSIONCIM_IRQ_ENABLE_DONE_MASK, FUSIONCIM_IRQ_ENABLE_ERROR_MASK, 0 for none. */
void fusioncim_enable_interrupts(fusioncim_t *chip, uint32_t causes);

/* The causes that are set, FUSIONCIM_IRQ_STATUS_*_MASK; they are cleared. */
uint32_t fusioncim_take_interrupts(fusioncim_t *chip);

/* All event counters. */
void fusioncim_read_counters(fusioncim_t *chip, fusioncim_counters_t *counters);

/* Set all event counters to 0. */
void fusioncim_clear_counters(fusioncim_t *chip);

/* The first rule that a job breaks, the address of its record, or an entry of its table of sequences; or OK.
 * row: first 0, then as the entry before left it. */
enum fusioncim_status fusioncim_check_job(const fusioncim_job_t *job);
enum fusioncim_status fusioncim_check_address(uint64_t address);
enum fusioncim_status fusioncim_check_sequence(const fusioncim_job_t *job, const fusioncim_sequence_t *entry,
                                               uint32_t *row);

/* Write the FUSIONCIM_LIMIT_JOB_BYTES bytes of a record, little endian whatever this processor is. */
void fusioncim_write_job(uint8_t *record, const fusioncim_job_t *job);

/* What a status, and what a result, means in words. */
const char *fusioncim_status_words(enum fusioncim_status status);
const char *fusioncim_result_words(fusioncim_result_t result);

#endif
