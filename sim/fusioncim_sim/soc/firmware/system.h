/* The system around the chip: serial line, clock, interrupt, end. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <stdint.h>

#include "system_map.h"

/* In memory that the chip reads and writes, on a line of its own. The core has no caches, and its writes are complete
 * when it goes on. */
#define SYSTEM_SHARED __attribute__((section(".shared"), aligned(SYSTEM_LINE_BYTES)))

/* Text, and numbers in it: system_number writes a signed one, system_hex eight digits. */
void system_text(const char *text);
void system_number(int64_t number);
void system_hex(uint32_t word);

/* Cycles since the reset, modulo 2^32. */
uint32_t system_cycles(void);

/* Sleep until the chip has interrupted since the last call, or for so many cycles. 0: it has not. */
int system_wait(uint32_t cycles);

/* Given by the program: the chip interrupts. It takes away what it interrupts for. */
void chip_interrupt(void);

/* End the simulation with this code. */
void system_finish(int code);

#endif
