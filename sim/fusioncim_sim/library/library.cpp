// The C interface of fusioncim_model.h: the chip, its memory, and the master of its registers.

#include "fusioncim_model.h"

#include <memory>
#include <utility>

#include "Vtop.h"
#include "memory.hpp"
#include "verilated.h"
#if FUSIONCIM_TRACE
#include "verilated_fst_c.h"
#endif

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr unsigned RESET_EDGES = 3;
constexpr unsigned ANSWER_CYCLES = 1000;  // a register answers within a few
constexpr uint64_t HALF_CYCLE_NS = 5;
constexpr uint32_t REGISTER_BYTES = 1u << FUSIONCIM_REGISTER_ADDRESS_BITS;

thread_local std::string open_error;

// Without the number it has a thread for each core of the machine, which all models but the largest leave idle.
struct Context : VerilatedContext {
    Context() { threads(FUSIONCIM_THREADS); }
};

// What the compiler was allowed to use and this processor has not, or NULL.
const char *missing_instructions() {
#if defined(__AVX2__)
    unsigned eax, ebx = 0, ecx, edx;
    __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx);
    if (!(ebx & bit_AVX2)) return "AVX2";
#if defined(__AVX512F__)
    if (!(ebx & bit_AVX512F)) return "AVX-512";
#endif
#endif
    return nullptr;
}

}  // namespace

struct fusioncim_model {
    std::string error;
    std::string broken;  // a rule of the bus that the chip broke

    explicit fusioncim_model(const char *trace) : top_(&context_, "chip") {
        share_.begin();
#if FUSIONCIM_TRACE
        context_.traceEverOn(true);
        if (trace) {
            trace_ = std::make_unique<VerilatedFstC>();
            top_.trace(trace_.get(), 99);
            trace_->open(trace);
            if (!trace_->isOpen()) error = std::string("the trace cannot be written: ") + trace;
        }
#else
        if (trace) error = std::string("a trace needs a library built with --trace, not this one: ") + trace;
#endif
        if (!error.empty()) return;
        begin();
        edges_ = RESET_EDGES;
    }

    ~fusioncim_model() {
        Verilated::threadContextp(&context_);  // it is that of the newest model, which may be closed
        if (edges_) top_.final();  // which a chip that never ran does not survive
#if FUSIONCIM_TRACE
        if (trace_) trace_->close();
#endif
    }

    uint64_t cycles() const { return edges_ - RESET_EDGES; }
    bool interrupt() const { return top_.irq; }

    int map(uint64_t base, void *memory, uint64_t bytes) { return failed(maps_.add(base, memory, bytes)); }

    int speed(uint32_t latency, double share) {
        if (latency < SHORTEST_LATENCY)
            return failed("latency must be at least " + std::to_string(SHORTEST_LATENCY) + ", not " +
                          std::to_string(latency));
        if (!(share > 0.0 && share <= 1.0)) return failed("share must be above 0 and at most 1");
        late_ = latency - SHORTEST_LATENCY;
        share_.part = share;
        share_.begin();
        for (uint64_t n = 0; n < edges_; ++n) share_.step();  // as if it had been so from the beginning
        return 0;
    }

    int pauses(uint64_t seed, double part, double length) {
        if (!(part >= 0.0 && part <= 1.0)) return failed("part must be from 0 to 1");
        if (!(length >= 1.0)) return failed("length must be at least 1");
        Random seeds(seed);
        for (Pauses *each : {&reads_.address_pauses, &reads_.beat_pauses, &writes_.address_pauses, &writes_.beat_pauses,
                             &writes_.response_pauses})
            each->set(seeds.next(), part, length);
#if FUSIONCIM_READ_PORTS > 1
        for (Pauses *each : {&value_reads_.address_pauses, &value_reads_.beat_pauses}) each->set(seeds.next(), part, length);
#endif
        return 0;
    }

    int fault(uint64_t base, uint64_t bytes, uint32_t response, uint32_t directions) {
        if (!bytes) return faults_.clear(), 0;
        if (response < 2 || response > 3)
            return failed("response must be 2 or 3 (SLVERR or DECERR), not " + std::to_string(response));
        if (!directions || directions > (READ | WRITE))
            return failed("directions must be from 1 to 3, not " + std::to_string(directions));
        return faults_.add(base, bytes, response, directions), 0;
    }

    // The channels are empty behind it; what was lent, the speed and the disturbances stay.
    void reset() {
        reads_.empty(), writes_.empty();
#if FUSIONCIM_READ_PORTS > 1
        value_reads_.empty();
#endif
        waiting_ar_ = waiting_aw_ = waiting_w_ = arvalid_ = awvalid_ = wvalid_ = rready_ = bready_ = false;
        drive();
        begin();
        edges_ += RESET_EDGES;
    }

    int run(uint64_t cycles) {
        for (; !interrupt() && cycles; --cycles) {
            step();
            if (!broken.empty()) return failed(broken);
        }
        return interrupt();
    }

    // A register is read or written by what waits here for its channel.
    int read(uint32_t offset, uint32_t *value) {
        if (int bad = check(offset)) return bad;
        register_ = offset, waiting_ar_ = true, answered_ = false;
        if (int bad = await(offset)) return bad;
        *value = answer_;
        return 0;
    }

    int write(uint32_t offset, uint32_t value) {
        if (int bad = check(offset)) return bad;
        register_ = offset, written_ = value, waiting_aw_ = waiting_w_ = true, answered_ = false;
        return await(offset);
    }

   private:
    void begin() {
        top_.rst = 1;
        half(0);
        for (unsigned n = 0; n < RESET_EDGES; ++n) {
            share_.step();
            half(1);
            if (n + 1 == RESET_EDGES) top_.rst = 0;
            half(0);
        }
    }

    int failed(const std::string &why) {
        if (!why.empty()) error = why;
        return why.empty() ? 0 : -1;
    }

    int check(uint32_t offset) {
        if (offset % 4 == 0 && offset < REGISTER_BYTES) return 0;
        return failed("offset must be a multiple of 4 below " + std::to_string(REGISTER_BYTES) + ", not " +
                      std::to_string(offset));
    }

    int await(uint32_t offset) {
        for (unsigned n = 0; !answered_ && n < ANSWER_CYCLES; ++n) step();
        if (!answered_) return failed("the chip does not answer at the offset " + std::to_string(offset));
        return refused_ ? failed("there is no such register at the offset " + std::to_string(offset)) : 0;
    }

    void half(unsigned level) {
        Verilated::threadContextp(&context_);
        top_.clk = level;
        top_.eval();
#if FUSIONCIM_TRACE
        if (trace_) trace_->dump(context_.time());
#endif
        context_.timeInc(HALF_CYCLE_NS);
    }

    // An edge: all see what was driven before it; what they drive then stands behind it.
    void step() {
        const bool late_pause = share_.paused;
        share_.step();
        ++edges_;
        registers();
#define READ(prefix, reads)                                                                                            \
    {                                                                                                                  \
        const Address address{top_.prefix##araddr, top_.prefix##arlen, top_.prefix##arsize, top_.prefix##arburst,      \
                              top_.prefix##arlock, top_.prefix##arcache, top_.prefix##arprot, top_.prefix##arid};      \
        reads.step(edges_, late_, top_.prefix##arvalid, address, top_.prefix##rready, share_.paused, maps_, faults_,   \
                   error, broken);                                                                                     \
    }
        READ(m_axi_, reads_)
#if FUSIONCIM_READ_PORTS > 1
        READ(m_axi_v_, value_reads_)
#endif
#undef READ
        if (top_.m_axi_wvalid) {
            std::memcpy(beat_.data, &top_.m_axi_wdata, BUS_BYTES);
            std::memcpy(beat_.strobes.bits, &top_.m_axi_wstrb, sizeof beat_.strobes.bits);
            beat_.last = top_.m_axi_wlast;
        }
        const Address address{top_.m_axi_awaddr, top_.m_axi_awlen,   top_.m_axi_awsize, top_.m_axi_awburst,
                              top_.m_axi_awlock, top_.m_axi_awcache, top_.m_axi_awprot, top_.m_axi_awid};
        writes_.step(top_.m_axi_awvalid, address, top_.m_axi_wvalid, beat_, top_.m_axi_bready, late_pause, maps_, faults_,
                     error, broken);
        half(1);
        drive();
        half(0);
    }

    // The registers' channels before an edge. A channel is given what waits for it when it is free.
    void registers() {
        if (rready_ && top_.s_axil_rvalid)
            answered_ = true, answer_ = top_.s_axil_rdata, refused_ = top_.s_axil_rresp != OKAY;
        if (bready_ && top_.s_axil_bvalid) answered_ = true, refused_ = top_.s_axil_bresp != OKAY;
        rready_ = bready_ = true;
        if (!arvalid_ || top_.s_axil_arready) arvalid_ = std::exchange(waiting_ar_, false);
        if (!awvalid_ || top_.s_axil_awready) awvalid_ = std::exchange(waiting_aw_, false);
        if (!wvalid_ || top_.s_axil_wready) wvalid_ = std::exchange(waiting_w_, false);
    }

    void drive() {
        top_.s_axil_arvalid = arvalid_, top_.s_axil_awvalid = awvalid_, top_.s_axil_wvalid = wvalid_;
        top_.s_axil_araddr = top_.s_axil_awaddr = register_;
        top_.s_axil_arprot = top_.s_axil_awprot = FUSIONCIM_PROT;
        top_.s_axil_wdata = written_, top_.s_axil_wstrb = 15;
        top_.s_axil_rready = rready_, top_.s_axil_bready = bready_;
#define READ(prefix, reads)                                                                                            \
    top_.prefix##arready = reads.arready, top_.prefix##rvalid = reads.rvalid;                                          \
    if (reads.rvalid) {                                                                                                \
        std::memcpy(&top_.prefix##rdata, reads.beat.data, BUS_BYTES);                                                  \
        top_.prefix##rresp = reads.beat.response, top_.prefix##rlast = reads.beat.last;                                \
    }
        READ(m_axi_, reads_)
#if FUSIONCIM_READ_PORTS > 1
        READ(m_axi_v_, value_reads_)
#endif
#undef READ
        top_.m_axi_awready = writes_.awready, top_.m_axi_wready = writes_.wready;
        top_.m_axi_bvalid = writes_.bvalid, top_.m_axi_bresp = writes_.bresp;
    }

    Context context_;
    Vtop top_;
#if FUSIONCIM_TRACE
    std::unique_ptr<VerilatedFstC> trace_;
#endif
    uint64_t edges_ = 0;
    Maps maps_;
    Faults faults_;
    Share share_;
    unsigned late_ = 30 - SHORTEST_LATENCY;
    Reads reads_;
#if FUSIONCIM_READ_PORTS > 1
    Reads value_reads_;
#endif
    Writes writes_;
    WriteBeat beat_{};
    uint32_t register_ = 0, written_ = 0, answer_ = 0;
    bool waiting_ar_ = false, waiting_aw_ = false, waiting_w_ = false, answered_ = false, refused_ = false;
    bool arvalid_ = false, awvalid_ = false, wvalid_ = false, rready_ = false, bready_ = false;
};

EXPORT fusioncim_model *fusioncim_model_open(const char *trace) {
    if (const char *needed = missing_instructions()) {
        open_error = std::string("the library was compiled for a processor with ") + needed + ", not for this one";
        return nullptr;
    }
    const unsigned cores = VlOs::getProcessDefaultParallelism();
    if (FUSIONCIM_THREADS > 1 && FUSIONCIM_THREADS > cores) {  // Verilator would write to the standard output
        open_error = "a library of " + std::to_string(FUSIONCIM_THREADS) + " threads needs as many cores, not " +
                     std::to_string(cores);
        return nullptr;
    }
    auto model = std::make_unique<fusioncim_model>(trace);
    open_error = model->error;
    return model->error.empty() ? model.release() : nullptr;
}

EXPORT void fusioncim_model_close(fusioncim_model *model) { delete model; }

EXPORT int fusioncim_model_map(fusioncim_model *model, uint64_t base, void *memory, uint64_t bytes) {
    return model->map(base, memory, bytes);
}

EXPORT int fusioncim_model_read(fusioncim_model *model, uint32_t offset, uint32_t *value) {
    return model->read(offset, value);
}

EXPORT int fusioncim_model_write(fusioncim_model *model, uint32_t offset, uint32_t value) {
    return model->write(offset, value);
}

EXPORT int fusioncim_model_run(fusioncim_model *model, uint64_t cycles) { return model->run(cycles); }

EXPORT uint64_t fusioncim_model_cycles(const fusioncim_model *model) { return model->cycles(); }

EXPORT const char *fusioncim_model_error(const fusioncim_model *model) {
    return model ? model->error.c_str() : open_error.c_str();
}

EXPORT const char *fusioncim_model_config(void) { return FUSIONCIM_CONFIG; }

EXPORT int fusioncim_model_memory(fusioncim_model *model, uint32_t latency, double share) {
    return model->speed(latency, share);
}

EXPORT int fusioncim_model_pauses(fusioncim_model *model, uint64_t seed, double part, double length) {
    return model->pauses(seed, part, length);
}

EXPORT int fusioncim_model_fault(fusioncim_model *model, uint64_t base, uint64_t bytes, uint32_t response,
                                 uint32_t directions) {
    return model->fault(base, bytes, response, directions);
}

EXPORT void fusioncim_model_reset(fusioncim_model *model) { model->reset(); }
