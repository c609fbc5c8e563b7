// What a memory may do to a chip beside being slow: channels that pause, beats that fail. Without either all is as in
// memory.hpp.
#ifndef FUSIONCIM_DISTURBANCES_HPP
#define FUSIONCIM_DISTURBANCES_HPP

#include <algorithm>
#include <cstdint>
#include <vector>

// A generator of 64 random bits (splitmix64).
class Random {
   public:
    explicit Random(uint64_t seed = 0) : state_(seed) {}
    uint64_t next() {
        uint64_t z = state_ += 0x9e3779b97f4a7c15ULL;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
        return z ^ z >> 31;
    }
    bool chance(double p) { return static_cast<double>(next() >> 11) * 0x1p-53 < p; }

   private:
    uint64_t state_;
};

// Pauses of one channel: a part of the cycles, in runs of so many on average, at least those that a part has whose
// cycles are drawn one by one. Part 1: it stands still.
class Pauses {
   public:
    void set(uint64_t seed, double part, double length) {
        random_ = Random(seed), part_ = part, paused_ = part >= 1.0;
        if (part < 1.0) length_ = std::max(length, 1.0 / (1.0 - part));
    }

    // The channel pauses at the next edge.
    bool step() {
        if (part_ <= 0.0) return false;
        if (part_ >= 1.0) return true;
        const double begins = part_ / ((1.0 - part_) * length_);
        paused_ = paused_ ? !random_.chance(1.0 / length_) : random_.chance(begins);
        return paused_;
    }

   private:
    Random random_;
    double part_ = 0.0, length_ = 1.0;
    bool paused_ = false;
};

constexpr unsigned READ = 1, WRITE = 2;  // directions, as bits

// Bytes whose beats fail.
class Faults {
   public:
    void add(uint64_t base, uint64_t bytes, unsigned response, unsigned directions) {
        faults_.push_back({base, bytes, response, directions});
    }
    void clear() { faults_.clear(); }

    // The response to a beat, 0 where it does not fail.
    unsigned at(uint64_t address, uint64_t beat, unsigned direction) const {
        for (const Fault &each : faults_) {
            const bool meets = address < each.base ? each.base - address < beat : address - each.base < each.bytes;
            if (meets && each.directions & direction) return each.response;
        }
        return 0;
    }

   private:
    struct Fault {
        uint64_t base, bytes;
        unsigned response, directions;
    };
    std::vector<Fault> faults_;
};

#endif
