/* Registers of a FusionCIM chip: jobs, waits, interrupts and counters. See fusioncim.h. */
#include "fusioncim.h"

#define GET(chip, name) (FUSIONCIM_READ((chip)->base, FUSIONCIM_##name##_OFFSET))
#define PUT(chip, name, value) (FUSIONCIM_WRITE((chip)->base, FUSIONCIM_##name##_OFFSET, (value)))
#define FIELD_OF(word, name) (((word) & FUSIONCIM_##name##_MASK) >> FUSIONCIM_##name##_SHIFT)

/* Numbers of jobs wrap. */
static uint32_t distance(uint32_t from, uint32_t to)
{
    return (to - from) & (FUSIONCIM_JOBS_SUBMITTED_COUNT_MASK >> FUSIONCIM_JOBS_SUBMITTED_COUNT_SHIFT);
}

static uint32_t behind(uint32_t number)
{
    return distance(0xffffffffu, number);
}

fusioncim_result_t fusioncim_connect(fusioncim_t *chip, uintptr_t base, uint32_t polls)
{
    chip->base = base;
    chip->polls = polls;
    chip->next = 0;
    chip->read = 0;
    if (GET(chip, ID) != FUSIONCIM_ID_VALUE_RESET) {
        return FUSIONCIM_NO_CHIP;
    }
    if (FIELD_OF(GET(chip, VERSION), VERSION_MAJOR) != FUSIONCIM_VERSION_MAJOR_RESET) {
        return FUSIONCIM_OTHER_VERSION;
    }
#define COMPARE(name, offset, value)               \
    if (FUSIONCIM_READ(base, (offset)) != (value)) { \
        return FUSIONCIM_OTHER_CONFIGURATION;      \
    }
    FUSIONCIM_CAPABILITIES(COMPARE)
#undef COMPARE
    chip->next = FIELD_OF(GET(chip, JOBS_SUBMITTED), JOBS_SUBMITTED_COUNT);
    chip->read = chip->next;
    return FUSIONCIM_DONE;
}

static fusioncim_result_t wait_for_room(fusioncim_t *chip)
{
    uint32_t poll;
    for (poll = 0; poll < chip->polls; poll++) {
        if (FIELD_OF(GET(chip, STATUS), STATUS_QUEUE_FREE) != 0u) {
            return FUSIONCIM_DONE;
        }
        FUSIONCIM_PAUSE(chip->base);
    }
    return FUSIONCIM_TIMEOUT;
}

fusioncim_result_t fusioncim_submit(fusioncim_t *chip, uint64_t address, uint32_t *number)
{
    if (fusioncim_check_address(address) != FUSIONCIM_STATUS_OK) {
        return FUSIONCIM_REFUSED;
    }
    /* One more would overwrite a result before it is read. */
    if (distance(chip->read, chip->next) >= FUSIONCIM_RESULT_COUNT) {
        return FUSIONCIM_TOO_MANY_UNREAD;
    }
    PUT(chip, JOB_ADDRESS_LO, (uint32_t)(address & 0xffffffffu));
    PUT(chip, JOB_ADDRESS_HI, (uint32_t)(address >> 32));
    if (wait_for_room(chip) != FUSIONCIM_DONE) {
        return FUSIONCIM_TIMEOUT;
    }
    FUSIONCIM_BARRIER();
    PUT(chip, CONTROL, FUSIONCIM_CONTROL_PUSH_MASK);
    *number = chip->next;
    chip->next = behind(chip->next);
    return FUSIONCIM_DONE;
}

static fusioncim_result_t wait_for_end(fusioncim_t *chip, uint32_t number)
{
    uint32_t poll;
    for (poll = 0; poll < chip->polls; poll++) {
        uint32_t done = FIELD_OF(GET(chip, JOBS_COMPLETED), JOBS_COMPLETED_COUNT);
        /* Less than half of the numbers behind is done, the others are to come. */
        if (distance(number, done) - 1u < 0x8000u) {
            return FUSIONCIM_DONE;
        }
        FUSIONCIM_PAUSE(chip->base);
    }
    return FUSIONCIM_TIMEOUT;
}

fusioncim_result_t fusioncim_wait(fusioncim_t *chip, uint32_t number, fusioncim_outcome_t *outcome)
{
    uint32_t word;
    if (number >> 16 != 0u || distance(chip->read, number) >= distance(chip->read, chip->next)) {
        return FUSIONCIM_NOT_PENDING;
    }
    if (wait_for_end(chip, number) != FUSIONCIM_DONE) {
        return FUSIONCIM_TIMEOUT;
    }
    FUSIONCIM_BARRIER();
    word = FUSIONCIM_READ(chip->base, FUSIONCIM_RESULT_OFFSET(number % FUSIONCIM_RESULT_COUNT));
    outcome->status = (enum fusioncim_status)FIELD_OF(word, RESULT_STATUS);
    outcome->sequence = FIELD_OF(word, RESULT_SEQUENCE);
    chip->read = behind(number);
    return outcome->status == FUSIONCIM_STATUS_OK ? FUSIONCIM_DONE : FUSIONCIM_JOB_FAILED;
}

fusioncim_result_t fusioncim_run(fusioncim_t *chip, uint64_t address, fusioncim_outcome_t *outcome)
{
    uint32_t number;
    fusioncim_result_t result = fusioncim_submit(chip, address, &number);
    return result == FUSIONCIM_DONE ? fusioncim_wait(chip, number, outcome) : result;
}

fusioncim_result_t fusioncim_abort(fusioncim_t *chip)
{
    uint32_t poll;
    PUT(chip, CONTROL, FUSIONCIM_CONTROL_ABORT_MASK);
    for (poll = 0; poll < chip->polls; poll++) {
        uint32_t status = GET(chip, STATUS);
        if ((status & FUSIONCIM_STATUS_ABORTING_MASK) == 0u) {
            return (status & FUSIONCIM_STATUS_STALLED_MASK) != 0u ? FUSIONCIM_BUS_STALLED : FUSIONCIM_DONE;
        }
        FUSIONCIM_PAUSE(chip->base);
    }
    return FUSIONCIM_TIMEOUT;
}

void fusioncim_limit_stalls(fusioncim_t *chip, uint32_t cycles)
{
    PUT(chip, STALL_LIMIT, cycles);
}

void fusioncim_enable_interrupts(fusioncim_t *chip, uint32_t causes)
{
    PUT(chip, IRQ_ENABLE, causes & (FUSIONCIM_IRQ_ENABLE_DONE_MASK | FUSIONCIM_IRQ_ENABLE_ERROR_MASK));
}

uint32_t fusioncim_take_interrupts(fusioncim_t *chip)
{
    uint32_t causes = GET(chip, IRQ_STATUS);
    /* Only those that were seen: one that comes in between stays. */
    PUT(chip, IRQ_STATUS, causes);
    return causes;
}

/* Reading the low half makes the chip keep the high half that belongs to it. */
static uint64_t counter(fusioncim_t *chip, uint32_t low_offset, uint32_t high_offset)
{
    uint64_t low = FUSIONCIM_READ(chip->base, low_offset);
    uint64_t high = FUSIONCIM_READ(chip->base, high_offset);
    return high << 32 | low;
}

void fusioncim_read_counters(fusioncim_t *chip, fusioncim_counters_t *counters)
{
#define TAKE(name, low, high) counters->name = counter(chip, (low), (high));
    FUSIONCIM_COUNTERS(TAKE)
#undef TAKE
}

void fusioncim_clear_counters(fusioncim_t *chip)
{
    PUT(chip, CONTROL, FUSIONCIM_CONTROL_CLEAR_COUNTERS_MASK);
}
