// Runs the system: clock, memory, and the other end of the serial line.
//
//     simulation +program=FILE MEMORY BYTES LATENCY CYCLES OUTCOME
//
// MEMORY: file of the memory from FUSIONCIM_SHARED on, of BYTES; the chip and the core work on it. LATENCY: of the
// memory. CYCLES: limit. OUTCOME: file to write, a line each: how it ended, the program's code, cycles, an error. What
// the serial line says goes to the standard output as it comes.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "Vtop.h"
#include "memory.hpp"
#include "verilated.h"

namespace {

constexpr unsigned RESET_CYCLES = 3;
constexpr unsigned DATA_BITS = 8;

// The far end of the serial line: the middle of each bit is sampled.
class Receiver {
   public:
    bool broken = false;  // a byte did not end with a stop bit

    void step(bool line) {
        if (!busy_) {
            if (line) return;
            busy_ = true, wait_ = FUSIONCIM_DIVISOR + FUSIONCIM_DIVISOR / 2, bit_ = 0, byte_ = 0;
        }
        if (wait_--) return;
        wait_ = FUSIONCIM_DIVISOR - 1;
        if (bit_ < DATA_BITS) {
            byte_ |= line << bit_++;
            return;
        }
        busy_ = false, broken |= !line;
        std::putchar(byte_);
        std::fflush(stdout);
    }

   private:
    bool busy_ = false;
    unsigned wait_ = 0, bit_ = 0, byte_ = 0;
};

[[noreturn]] void fail(const std::string &why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    std::exit(1);
}

uint8_t *mapped(const char *path, uint64_t bytes) {
    const int file = open(path, O_RDWR);
    void *memory = file < 0 ? MAP_FAILED : mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) fail(std::string("the memory cannot be opened: ") + path);
    return static_cast<uint8_t *>(memory);
}

// What a manager drives on its channels, as the memory sees it.
#define ADDRESS(channel)                                                                                               \
    Address { channel##addr, channel##len, channel##size, channel##burst, channel##lock, channel##cache,               \
              channel##prot, channel##id }
#define STEP_READS(prefix, reads, late, error)                                                                         \
    reads.step(edge, late, top.prefix##arvalid, ADDRESS(top.prefix##ar), top.prefix##rready, false, maps, Faults{},    \
               error, broken)
#define STEP_WRITES(prefix, writes, error)                                                                             \
    {                                                                                                                  \
        WriteBeat beat{};                                                                                              \
        std::memcpy(beat.data, &top.prefix##wdata, BUS_BYTES);                                                         \
        std::memcpy(beat.strobes.bits, &top.prefix##wstrb, sizeof beat.strobes.bits);                                  \
        beat.last = top.prefix##wlast;                                                                                 \
        writes.step(top.prefix##awvalid, ADDRESS(top.prefix##aw), top.prefix##wvalid, beat, top.prefix##bready, false, \
                    maps, Faults{}, error, broken);                                                                    \
    }
#define DRIVE_READS(prefix, reads)                                                                                     \
    top.prefix##arready = reads.arready, top.prefix##rvalid = reads.rvalid, top.prefix##rid = 0;                       \
    std::memcpy(&top.prefix##rdata, reads.beat.data, BUS_BYTES);                                                       \
    top.prefix##rresp = reads.beat.response, top.prefix##rlast = reads.beat.last;
#define DRIVE_WRITES(prefix, writes)                                                                                   \
    top.prefix##awready = writes.awready, top.prefix##wready = writes.wready, top.prefix##bid = 0;                     \
    top.prefix##bvalid = writes.bvalid, top.prefix##bresp = writes.bresp;

struct Outcome {
    const char *end;
    unsigned code;
    uint64_t cycles;
    std::string error;
};

Outcome run(VerilatedContext &context, Maps &maps, unsigned late, uint64_t cycles) {
    Vtop top(&context, "system");
    Reads reads, values, core_reads;
    Writes writes, core_writes;
    Receiver receiver;
    std::string of_chip, of_core, broken;
    uint64_t edge = 0;
    const auto ended = [&](const char *how, const std::string &why) {
        const Outcome outcome{how, top.code, edge, why};
        top.final();
        return outcome;
    };
    top.rst = 1, top.clk = 0;
    top.eval();
    for (unsigned n = 0; n < RESET_CYCLES; ++n) {
        top.clk = 1, top.eval();
        if (n + 1 == RESET_CYCLES) top.rst = 0;
        top.clk = 0, top.eval();
    }
    while (edge < cycles) {
        ++edge;
        STEP_READS(m_axi_, reads, late, of_chip);
#if FUSIONCIM_READ_PORTS > 1
        STEP_READS(m_axi_v_, values, late, of_chip);
#endif
        STEP_READS(m_axi_core_, core_reads, late, of_core);
        STEP_WRITES(m_axi_, writes, of_chip);
        STEP_WRITES(m_axi_core_, core_writes, of_core);
        receiver.step(top.tx);
        if (top.finished) return ended("finished", "");
        if (top.trap) return ended("trap", "");
        if (!broken.empty()) return ended("bus", broken);
        if (!of_core.empty()) return ended("bus", of_core);
        if (receiver.broken) return ended("serial", "");
        top.clk = 1, top.eval();
        DRIVE_READS(m_axi_, reads)
#if FUSIONCIM_READ_PORTS > 1
        DRIVE_READS(m_axi_v_, values)
#endif
        DRIVE_READS(m_axi_core_, core_reads)
        DRIVE_WRITES(m_axi_, writes)
        DRIVE_WRITES(m_axi_core_, core_writes)
        top.clk = 0, top.eval();
    }
    return ended("cycles", "");
}

}  // namespace

int main(int count, char **arguments) {
    if (count != 7) fail("simulation +program=FILE MEMORY BYTES LATENCY CYCLES OUTCOME");
    VerilatedContext context;
    context.commandArgs(count, arguments);
    Maps maps;
    const uint64_t bytes = std::strtoull(arguments[3], nullptr, 10);
    const std::string why = maps.add(FUSIONCIM_SHARED, mapped(arguments[2], bytes), bytes);
    if (!why.empty()) fail(why);
    const uint64_t latency = std::strtoull(arguments[4], nullptr, 10);
    const Outcome outcome = run(context, maps, static_cast<unsigned>(latency) - SHORTEST_LATENCY,
                                std::strtoull(arguments[5], nullptr, 10));
    std::FILE *file = std::fopen(arguments[6], "w");
    if (!file) fail(std::string("the outcome cannot be written: ") + arguments[6]);
    std::fprintf(file, "%s\n%u\n%llu\n%s\n", outcome.end, outcome.code, (unsigned long long)outcome.cycles,
                 outcome.error.c_str());
    return std::fclose(file) ? 1 : 0;
}
