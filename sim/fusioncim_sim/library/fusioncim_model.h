/* The whole chip as a library: its Verilog, compiled, with a memory and a bus around it.
 *
 * A call that moves the clock returns between two of its edges. The chip sees the memory that `fusioncim_model_map`
 * lends it; an access outside of all maps fails with DECERR on the bus, ends the job with a status, and is named by
 * `fusioncim_model_error`. Models are independent; one model must not be used by two threads at once.
 */
#ifndef FUSIONCIM_MODEL_H
#define FUSIONCIM_MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fusioncim_model fusioncim_model;

/* A chip after reset, or NULL; why, says fusioncim_model_error(NULL).
 * trace: file of an FST that is written, which needs a library built with --trace; NULL: none. */
fusioncim_model *fusioncim_model_open(const char *trace);

void fusioncim_model_close(fusioncim_model *model);

/* Lend memory, which must stay until the model is closed: the chip sees its first byte at the address `base`. 0, or -1:
 * base and bytes must be multiples of a beat of the bus, lie within the addresses of the chip, and overlap no other
 * map. */
int fusioncim_model_map(fusioncim_model *model, uint64_t base, void *memory, uint64_t bytes);

/* Read or write a register over AXI4-Lite, `offset` in bytes. 0, or -1: there is no such register, or no answer came. */
int fusioncim_model_read(fusioncim_model *model, uint32_t offset, uint32_t *value);
int fusioncim_model_write(fusioncim_model *model, uint32_t offset, uint32_t value);

/* Let the clock run until the interrupt is there, at once if it is, or for so many cycles. 1: the interrupt, 0: the
 * limit, -1: the chip broke a rule of the bus. */
int fusioncim_model_run(fusioncim_model *model, uint64_t cycles);

/* Cycles since the reset. */
uint64_t fusioncim_model_cycles(const fusioncim_model *model);

/* What went wrong last, in one line; "" if nothing did. NULL: in opening a model. */
const char *fusioncim_model_error(const fusioncim_model *model);

/* The configuration that the library was built for, as TOML, a parameter a line. */
const char *fusioncim_model_config(void);

/* How fast the memory is: cycles from the address of a burst to its first beat, at least 2, and the part of the cycles
 * in which a data channel may move a beat, above 0. 30 and 1.0 unless set. 0, or -1. */
int fusioncim_model_memory(fusioncim_model *model, uint32_t latency, double share);

/* Let every channel of the memory pause on its own: in that part of the cycles, from 0 to 1, in runs of `length` cycles
 * on average, at least 1, as the seed has it. 0 unless set; with 1 the bus stands still. 0, or -1. */
int fusioncim_model_pauses(fusioncim_model *model, uint64_t seed, double part, double length);

/* Let beats that have one of these bytes fail. response: 2 or 3, SLVERR or DECERR. directions: 1 reads, 2 writes,
 * 3 both; what fails is not written. bytes 0: no beat fails. 0, or -1. */
int fusioncim_model_fault(fusioncim_model *model, uint64_t base, uint64_t bytes, uint32_t response,
                          uint32_t directions);

/* Reset the chip and the bus: as after `fusioncim_model_open`, but for memory, speed, pauses, faults and cycles. */
void fusioncim_model_reset(fusioncim_model *model);

#ifdef __cplusplus
}
#endif

#endif
