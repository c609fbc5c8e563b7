/* What every unit of the cycle model needs: the chip and its jobs as numbers, the counters, and queues.

In every cycle each unit first says what it does, from registers alone, then all registers change (`*_update`; it
returns whether any did, but for what happens at a time that is known: `*_next`). Data is left out: what a unit does depends on counts, places and times only. A unit has the name
of its file in hw/fusioncim, and its registers the names that they have there. Constants of a unit are macros, which
`cycles.py` defines from those in hw/fusioncim, or fields of Config where they depend on the configuration.
*/

#include <stdint.h>
#include <stdlib.h>

#define NEVER INT64_MAX

enum { MAX_ENGINES = 16, MAX_WORDS = 16, MAX_LANES = 4, MAX_PORTS = 2, MAX_WALKS = 2, QUEUE = 64, DUE = 32 };
enum { ROW, LSE }; /* kinds of writes */
enum { SCALE, QUERY, KEY, VALUE, TABLE, PAGE, INTERVAL, TOKEN_SCALE, KINDS };

/* The chip and its memory. Python fills the fields in this order; see `cycles.py` for their meaning. */
typedef struct {
    int64_t engines, streams, walks, rows, words, rank, rank_bits, block_cycles, rows_per_lane, drain_rows;
    int64_t token_scales; /* the chip takes them */
    int64_t backward, sink_first, folded; /* of the golden `key_order.KeyOrder` */
    int64_t vector_bytes, bus_bytes, read_ports, output_beats, beat_pieces, word_pieces, buffer_blocks;
    int64_t latency, period, read_phase, write_phase;
    int64_t ring_blocks, tiles_ahead, tiles_placed, words_packed, values_after, finished_after;
} Config;

typedef struct {
    int64_t address, pitch, head_pitch;
} Tensor;

/* A part of a job that the chip would accept: one of its sequences, or the whole one.

all_queries, all_keys, sequences: of the job. refused: the part breaks a rule. planned: it has rows to compute. opens:
the first such one of its job. last: of its job. arrival: the cycle in which the host pushes the job. */
typedef struct {
    Tensor q, k, v, o;
    int64_t scales, queries, keys, start, heads, kv_heads;
    int64_t shared; /* V lies where K lies */
    int64_t query_bytes, key_bytes, value_bytes, row_bytes; /* of a query, key, value, output row */
    int64_t window, ahead, chunk, prefix; /* of the golden `mask.Mask` */
    int64_t list, page_tokens, pages, k_page_pitch, v_page_pitch, intervals;
    int64_t sinks, slopes, token_scales, token_scales_pitch, lse, lse_pitch; /* 0: none */
    int64_t all_queries, all_keys, sequences;
    int64_t first_row, first_key, first_page;
    int64_t refused, planned, opens, last;
    const int64_t *page_list;
    int64_t arrival;
} Job;

typedef struct {
    int64_t cycles, mac_cycles, idle_load, idle_memory, idle_drain, idle_imbalance, slots;
    int64_t bytes_query, bytes_key, bytes_value, bytes_scale, bytes_output;
    int64_t buffer_writes, buffer_reads, deliveries;
} Counts;

/* An entry of a queue; what its fields mean is the queue's own. */
typedef struct {
    int64_t address;
    int32_t a, b, c, d;
} Entry;

/* amaranth.lib.fifo.SyncFIFOBuffered: an output register (`out`: it holds an entry) behind `inner` entries. */
typedef struct {
    int32_t depth, inner, out, head;
    Entry *entries; /* QUEUE of them, apart from what changes in every cycle */
} Fifo;

static void fifo_reset(Fifo *f, int64_t depth, Entry **entries)
{
    f->depth = (int32_t)depth;
    f->entries = *entries;
    *entries += QUEUE;
}

static int fifo_writable(const Fifo *f) { return f->inner != f->depth - 1; }

static const Entry *fifo_front(const Fifo *f) { return &f->entries[f->head]; }

static int fifo_moves(const Fifo *f) { return f->inner && !f->out; }

static void fifo_update(Fifo *f, int write, Entry entry, int read)
{
    int moves = f->inner && (!f->out || read);
    int wrote = write && fifo_writable(f);
    if (wrote)
        f->entries[(f->head + f->inner + f->out) % QUEUE] = entry;
    if (f->out && read)
        f->head = (f->head + 1) % QUEUE;
    f->out = moves || (f->out && !read);
    f->inner += wrote - moves;
}

/* Moments in which something is due, in order, with a mask or a count for each. */
typedef struct {
    uint32_t in, out;
    int64_t at[DUE];
    int32_t what[DUE];
} Due;

static void due_add(Due *d, int64_t at, int32_t what)
{
    d->at[d->in % DUE] = at;
    d->what[d->in++ % DUE] = what;
}

static int due_now(const Due *d, int64_t now) { return d->in != d->out && d->at[d->out % DUE] <= now; }

static int64_t due_next(const Due *d) { return d->in != d->out ? d->at[d->out % DUE] : NEVER; }

/* Sets of engines, a bit for each. */
static uint32_t every(const Config *config) { return (1u << config->engines) - 1; }

static uint32_t with(uint32_t set, int e, int is_in) { return (set & ~(1u << e)) | (uint32_t)!!is_in << e; }

static int count(uint32_t set) { return __builtin_popcount(set); }

/* for each engine e of a set */
#define FOR_EACH(e, set) for (uint32_t left_ = (set), e; left_ && (e = (uint32_t)__builtin_ctz(left_), 1); left_ &= left_ - 1)

static int bit_length(int64_t x)
{
    int n = 0;
    for (; x; x >>= 1)
        n++;
    return n;
}

/* Cycles of the serial multiplier from the start to its product. */
static int multiplier_cycles(int64_t count) { return bit_length(count) + 1; }

/* Beats that have one of so many bytes from that address on. */
static int32_t beats_touched(const Config *config, int64_t address, int64_t length)
{
    return (int32_t)((address % config->bus_bytes + length - 1) / config->bus_bytes + 1);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
