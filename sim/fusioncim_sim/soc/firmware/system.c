/* Serial line, clock and interrupt of PicoRV32. See system.h. */
#include "system.h"

#define WORD(address) (*(volatile uint32_t *)(address))
#define TIMER_INTERRUPT 0u
#define BIT(number) (1u << (number))
#define ALL 0xffffffffu
/* Those for illegal instructions and wrong addresses stay masked: there the core stands still, and says so. */
#define WANTED (BIT(TIMER_INTERRUPT) | BIT(SYSTEM_CHIP_INTERRUPT))

static volatile int interrupted;

/* Instructions that PicoRV32 has beside those of RISC-V. */
static void mask_interrupts(uint32_t mask)
{
    __asm__ volatile(".insn r 0x0b, 6, 3, x0, %0, x0" : : "r"(mask) : "memory");
}

static void wait_interrupt(void)
{
    uint32_t pending;
    __asm__ volatile(".insn r 0x0b, 4, 4, %0, x0, x0" : "=r"(pending) : : "memory");
}

static void set_timer(uint32_t cycles)
{
    __asm__ volatile(".insn r 0x0b, 6, 5, x0, %0, x0" : : "r"(cycles) : "memory");
}

void system_interrupt(uint32_t pending)
{
    /* The timer only ends the sleep. */
    if ((pending & BIT(SYSTEM_CHIP_INTERRUPT)) != 0u) {
        interrupted = 1;
        chip_interrupt();
    }
}

int system_wait(uint32_t cycles)
{
    const uint32_t begun = system_cycles();
    int found;
    set_timer(cycles);
    do {
        /* An interrupt after the look at the flag still ends the sleep: it waits behind the mask. */
        mask_interrupts(ALL);
        if (!interrupted) {
            wait_interrupt();
        }
        mask_interrupts(~WANTED);
    } while (!interrupted && system_cycles() - begun < cycles);
    mask_interrupts(ALL);
    set_timer(0);
    found = interrupted;
    interrupted = 0;
    return found;
}

uint32_t system_cycles(void)
{
    uint32_t cycles;
    __asm__ volatile(".insn i 0x73, 2, %0, x0, -1024" : "=r"(cycles) : : "memory"); /* rdcycle */
    return cycles;
}

static void put(char byte)
{
    while ((WORD(SYSTEM_UART_STATUS) & 1u) == 0u) {
    }
    WORD(SYSTEM_UART_DATA) = (uint8_t)byte;
}

void system_text(const char *text)
{
    while (*text != '\0') {
        put(*text++);
    }
}

void system_number(int64_t number)
{
    char digits[21];
    char *first = digits + sizeof digits - 1;
    uint32_t low;
    uint64_t rest = number < 0 ? 0u - (uint64_t)number : (uint64_t)number;
    *first = '\0';
    while (rest > UINT32_MAX) {
        *--first = (char)('0' + rest % 10u);
        rest /= 10u;
    }
    /* The core divides 32 bits by itself. */
    for (low = (uint32_t)rest; low != 0u || *first == '\0'; low /= 10u) {
        *--first = (char)('0' + low % 10u);
    }
    if (number < 0) {
        *--first = '-';
    }
    system_text(first);
}

void system_hex(uint32_t word)
{
    int shift;
    system_text("0x");
    for (shift = 28; shift >= 0; shift -= 4) {
        put("0123456789abcdef"[word >> shift & 15u]);
    }
}

void system_finish(int code)
{
    /* The last byte leaves the line before the simulation ends. */
    while ((WORD(SYSTEM_UART_STATUS) & 1u) == 0u) {
    }
    WORD(SYSTEM_FINISHER) = (uint32_t)code;
    for (;;) {
    }
}
