// A memory at the AXI4 ports of the chip, cycle for cycle as the benches have it (rtl/axi_memory.py, no stalls).
//
// Every channel is a queue behind a register, as in cocotbext-axi: an address or a beat that is taken at an edge is
// processed behind this edge; what is given then stands on its channel from the next edge on. So a beat is taken
// SHORTEST_LATENCY cycles behind its address at the earliest. Bursts of a direction are processed in their order; a
// later one waits for its latency while an earlier one still moves.
#ifndef FUSIONCIM_MEMORY_HPP
#define FUSIONCIM_MEMORY_HPP

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <string>

#include "chip_config.h"
#include "disturbances.hpp"

constexpr uint64_t BUS_BYTES = FUSIONCIM_BUS_BYTES;
constexpr uint64_t PAGE_BYTES = 4096;
constexpr unsigned SHORTEST_LATENCY = 2;
constexpr size_t QUEUE = 2;  // entries behind a channel, beside those that a longer latency needs
constexpr unsigned OKAY = 0, DECERR = 3;

struct Strobes {
    uint8_t bits[(BUS_BYTES + 7) / 8];
    bool at(uint64_t byte) const { return bits[byte / 8] >> byte % 8 & 1; }
};

// What the chip drives on the address channel of a direction.
struct Address {
    uint64_t address;
    unsigned length, size, burst, lock, cache, prot, id;
};

struct ReadBeat {
    uint8_t data[BUS_BYTES];
    unsigned response;
    bool last;
};

struct WriteBeat {
    uint8_t data[BUS_BYTES];
    Strobes strobes;
    bool last;
};

// Memory that the host has lent, by its first address.
class Maps {
   public:
    struct Map {
        uint8_t *memory;
        uint64_t bytes;
    };

    // Why it cannot be lent; nothing if it is.
    std::string add(uint64_t base, void *memory, uint64_t bytes) {
        const std::string beat = std::to_string(BUS_BYTES);
        if (!memory) return "memory must be a pointer, not NULL";
        if (base % BUS_BYTES) return "base must be a multiple of " + beat + ", not " + std::to_string(base);
        if (!bytes || bytes % BUS_BYTES)
            return "bytes must be a multiple of " + beat + " above 0, not " + std::to_string(bytes);
        const uint64_t top = ~0ULL >> (64 - FUSIONCIM_ADDRESS_BITS);  // the last address
        if (base > top || bytes - 1 > top - base)
            return "a map must end within " + std::to_string(FUSIONCIM_ADDRESS_BITS) + " bits of address, not at " +
                   std::to_string(base) + " + " + std::to_string(bytes);
        auto next = maps_.lower_bound(base);
        const bool meets_next = next != maps_.end() && next->first - base < bytes;
        const bool meets_before = next != maps_.begin() && base - std::prev(next)->first < std::prev(next)->second.bytes;
        if (meets_next || meets_before) return "a map must not overlap another, as that at " + std::to_string(base) + " does";
        maps_[base] = {static_cast<uint8_t *>(memory), bytes};
        newest_ = maps_.end();
        return "";
    }

    // The byte at an address, which begins a beat; nullptr outside of all maps.
    uint8_t *at(uint64_t address) {
        if (newest_ == maps_.end() || address - newest_->first >= newest_->second.bytes) {
            newest_ = maps_.upper_bound(address);
            if (newest_ == maps_.begin()) return newest_ = maps_.end(), nullptr;
            --newest_;
        }
        const uint64_t offset = address - newest_->first;
        return offset < newest_->second.bytes ? newest_->second.memory + offset : nullptr;
    }

   private:
    std::map<uint64_t, Map> maps_;
    std::map<uint64_t, Map>::iterator newest_ = maps_.end();  // the one that was used last
};

// When a channel of data may move, where that is a part of the cycles only: `slowed` of rtl/axi_memory.py.
class Share {
   public:
    double part = 1.0;
    bool paused = false;  // behind the newest edge

    void begin() { credit_ = 0.0, paused = false, step(); }

    void step() {
        if (part >= 1.0) return;
        credit_ = std::min(credit_ + part, 1.0);
        paused = credit_ < 1.0;
        if (!paused) credit_ -= 1.0;
    }

   private:
    double credit_ = 0.0;
};

// Why the chip must not ask for that burst; nothing if it may.
inline std::string fault(const Address &a) {
    unsigned size = 0;
    while (1ULL << size < BUS_BYTES) ++size;
    const uint64_t bytes = (a.length + 1) * BUS_BYTES;
    if (a.size != size || a.burst != FUSIONCIM_BURST || a.lock || a.cache != FUSIONCIM_CACHE || a.prot != FUSIONCIM_PROT || a.id)
        return "a burst has a field that must not be";
    if (a.address % BUS_BYTES) return "a burst does not begin at a multiple of a beat";
    if (a.length >= FUSIONCIM_BURST_BEATS) return "a burst has too many beats";
    if (a.address % PAGE_BYTES + bytes > PAGE_BYTES) return "a burst crosses a multiple of 4 KB";
    return "";
}

// The read channels of a port. `step` is an edge: what the chip drove before it, and what it sees behind it.
class Reads {
   public:
    bool arready = false, rvalid = false;
    ReadBeat beat{};
    Pauses address_pauses, beat_pauses;

    // paused: no beat is given at this edge. error: set where no memory is. broken: set where the chip breaks a rule.
    void step(uint64_t edge, unsigned late, bool arvalid, const Address &address, bool rready, bool paused, Maps &maps,
              const Faults &faults, std::string &error, std::string &broken) {
        paused |= beat_pauses.step();
        if (arready && arvalid) {
            if (const std::string why = fault(address); !why.empty()) broken = "read: " + why;
            addresses_.push_back({address.address, address.length, edge + late});
        }
        arready = addresses_.size() < (late ? late + SHORTEST_LATENCY : QUEUE) && !address_pauses.step();
        if (!rvalid || rready) {
            rvalid = !beats_.empty() && !paused;
            if (rvalid) beat = beats_.front(), beats_.pop_front();
        }
        while (true) {
            if (!busy_) {
                if (addresses_.empty()) break;
                burst_ = addresses_.front(), addresses_.pop_front(), busy_ = true;
            }
            if (burst_.due > edge || beats_.size() >= QUEUE) break;
            ReadBeat &next = beats_.emplace_back();
            const uint8_t *bytes = maps.at(burst_.address);
            next.response = bytes ? faults.at(burst_.address, BUS_BYTES, READ) : DECERR;
            next.last = burst_.left == 0;
            if (bytes)
                std::memcpy(next.data, bytes, BUS_BYTES);
            else
                missing(burst_.address, error);
            burst_.address += BUS_BYTES;
            busy_ = burst_.left-- != 0;
        }
    }

    // As before the first edge.
    void empty() { addresses_.clear(), beats_.clear(), busy_ = arready = rvalid = false; }

    static void missing(uint64_t address, std::string &error) {
        char text[80];
        std::snprintf(text, sizeof text, "the chip met no memory at the address 0x%llx", (unsigned long long)address);
        error = text;
    }

   private:
    struct Burst {
        uint64_t address;
        unsigned left;  // beats behind the next one
        uint64_t due;   // edge behind which it is processed
    };
    std::deque<Burst> addresses_;
    std::deque<ReadBeat> beats_;
    Burst burst_{};
    bool busy_ = false;
};

// The write channels of the port.
class Writes {
   public:
    bool awready = false, wready = false, bvalid = false;
    unsigned bresp = OKAY;
    Pauses address_pauses, beat_pauses, response_pauses;

    // paused: behind this edge no beat may be taken.
    void step(bool awvalid, const Address &address, bool wvalid, const WriteBeat &beat, bool bready, bool paused,
              Maps &maps, const Faults &faults, std::string &error, std::string &broken) {
        paused |= beat_pauses.step();
        if (awready && awvalid) {
            if (const std::string why = fault(address); !why.empty()) broken = "write: " + why;
            addresses_.push_back(address);
        }
        awready = addresses_.size() < QUEUE && !address_pauses.step();
        if (wready && wvalid) beats_.push_back(beat);
        wready = beats_.size() < QUEUE && !paused;
        if (!bvalid || bready) {
            bvalid = !responses_.empty() && !response_pauses.step();
            if (bvalid) bresp = responses_.front(), responses_.pop_front();
        }
        while (true) {
            if (!busy_) {
                if (addresses_.empty()) break;
                burst_ = addresses_.front(), addresses_.pop_front(), busy_ = true, response_ = OKAY;
            }
            if (beats_.empty() || responses_.size() >= QUEUE) break;
            put(beats_.front(), maps, faults, error);
            if (beats_.front().last != (burst_.length == 0))
                broken = "write: the last beat of a burst is at the wrong place";
            beats_.pop_front();
            burst_.address += BUS_BYTES;
            busy_ = burst_.length-- != 0;
            if (!busy_) responses_.push_back(response_);
        }
    }

    // As before the first edge.
    void empty() {
        addresses_.clear(), beats_.clear(), responses_.clear();
        busy_ = awready = wready = bvalid = false;
    }

   private:
    void put(const WriteBeat &beat, Maps &maps, const Faults &faults, std::string &error) {
        uint8_t *memory = maps.at(burst_.address);
        if (const unsigned response = faults.at(burst_.address, BUS_BYTES, WRITE)) {
            response_ = response;
            return;
        }
        for (uint64_t n = 0; n < BUS_BYTES; ++n) {
            if (!beat.strobes.at(n)) continue;
            if (!memory) {
                Reads::missing(burst_.address, error);
                response_ = DECERR;
                break;
            }
            memory[n] = beat.data[n];
        }
    }

    std::deque<Address> addresses_;
    std::deque<WriteBeat> beats_;
    std::deque<unsigned> responses_;
    Address burst_{};
    bool busy_ = false;
    unsigned response_ = OKAY;
};

#endif
