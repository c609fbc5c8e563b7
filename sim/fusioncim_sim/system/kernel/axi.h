/* ReadArbiter, ReadMaster and WriteMaster, and the memory behind them.

Memory takes an address at once, brings the first beat `latency` cycles later, bursts in order and overlapping, and
moves a beat only in every `period`-th cycle. Writes are answered two cycles after their last beat. It holds
WRITES_TAKEN bursts to be written besides the one that it writes, as the one of the simulations does.
*/

enum { WRITES_TAKEN = 2, ANSWER_CYCLES = 2 };

typedef struct {
    int64_t address;
    int32_t beats, kind, slot, last, walk; /* walk: whose word of the page list; last: with it a block of keys and values is whole; a row has a beat more than words */
} Request;

/* A request that is cut into bursts. */
typedef struct {
    Request tag;
    int32_t busy, rest;
    int64_t beat;
} Splitter;

typedef struct {
    int32_t valid;
    Request request; /* ReadArbiter, at the first port */
    Splitter splitter;
    Fifo pending;
    int32_t address_valid, length;
    int64_t free; /* when memory may bring the next beat */
    Due bursts;   /* their last beats, and how many they are */
} Reader;

typedef struct {
    Splitter splitter;
    Fifo pending, runs;
    int32_t address_valid, length, sent;
    int32_t ready, taken, left; /* memory: takes an address, addresses that wait, beats of the burst that it writes */
    Due lengths, answers;
} Writer;

/* The end of a burst, its beats, whether it ends the request, and which walk asked for it. */
typedef struct {
    int32_t beats, last, kind, whole, walk;
} Beats;

static int splitter_room(const Splitter *s) { return (int)(~s->beat & (BURST_BEATS - 1)); }

static int splitter_ends(const Splitter *s) { return s->rest <= splitter_room(s); }

static int splitter_ready(const Splitter *s, int free) { return !s->busy || (free && splitter_ends(s)); }

static void splitter_update(Splitter *s, const Config *config, int taken, Request request, int issue)
{
    if (taken) {
        *s = (Splitter){request, 1, request.beats - 1, request.address / config->bus_bytes};
    } else if (issue) {
        s->busy = !splitter_ends(s);
        s->rest -= splitter_room(s) + 1;
        s->beat = (s->beat / BURST_BEATS + 1) * BURST_BEATS;
    }
}

/* The first cycle from that one on in which memory moves a beat. */
static int64_t moving(const Config *config, int64_t from, int64_t phase)
{
    return config->period == 1 ? from : (from + phase + config->period - 1) / config->period * config->period - phase;
}

/* Reads. */

static int reader_free(const Reader *r) { return !r->valid || splitter_ready(&r->splitter, fifo_writable(&r->pending)); }

static Beats reader_beats(const Reader *r, int64_t now)
{
    if (!due_now(&r->bursts, now))
        return (Beats){0};
    const Entry *tag = fifo_front(&r->pending);
    return (Beats){r->bursts.what[r->bursts.out % DUE], tag->c & 1, tag->a, tag->c >> 1, tag->b};
}

/* Whether a request at the second port is taken, which has no arbiter. */
static int reader_takes(const Reader *r) { return splitter_ready(&r->splitter, fifo_writable(&r->pending)); }

static int reader_update(Reader *r, const Config *config, int64_t now, int ends_burst, int arbiter, int offered, Request request)
{
    Splitter *s = &r->splitter;
    int issue = s->busy && fifo_writable(&r->pending);
    int ends = splitter_ends(s), length = (ends ? s->rest : splitter_room(s)) + 1;
    int taken = (arbiter ? r->valid : offered) && reader_takes(r);
    int changes = ends_burst || r->address_valid || issue || taken || (!r->valid && offered) || fifo_moves(&r->pending);
    r->bursts.out += ends_burst;
    if (r->address_valid) {
        int64_t first = now + config->latency > r->free ? now + config->latency : r->free;
        int64_t last = moving(config, first, config->read_phase) + (r->length - 1) * config->period;
        due_add(&r->bursts, last, r->length);
        r->free = last + 1;
    }
    fifo_update(&r->pending, issue, (Entry){.a = s->tag.kind, .b = s->tag.walk, .c = ends | s->tag.last << 1}, ends_burst);
    r->address_valid = issue;
    r->length = length;
    splitter_update(s, config, taken, arbiter ? r->request : request, issue);
    if (arbiter && (!r->valid || taken)) {
        r->valid = offered;
        r->request = request;
    }
    return changes;
}

/* Writes. */

static int writer_issues(const Writer *w)
{
    return w->splitter.busy && (!w->address_valid || w->ready) && fifo_writable(&w->pending);
}

static int writer_ready(const Writer *w)
{
    return splitter_ready(&w->splitter, (!w->address_valid || w->ready) && fifo_writable(&w->pending));
}

/* A word of data is taken if there is one. */
static int writer_takes(const Writer *w, const Config *config, int64_t now)
{
    return w->runs.out && moving(config, now, config->write_phase) == now;
}

/* The slot of a job one of whose rows is in memory now, or -1. */
static int writer_answer(const Writer *w, int64_t now)
{
    const Entry *tag = fifo_front(&w->pending);
    return due_now(&w->answers, now) && tag->b ? tag->a : -1;
}

static int writer_update(Writer *w, const Config *config, int64_t now, int offered, Request request, int word)
{
    Splitter *s = &w->splitter;
    int issue = writer_issues(w), taken = offered && writer_ready(w), answered = due_now(&w->answers, now);
    int ends = splitter_ends(s), length = (ends ? s->rest : splitter_room(s)) + 1;
    int last = word && w->sent == fifo_front(&w->runs)->a;
    /* The memory: an address into its queue, then beats of the burst that it writes. */
    int address = w->address_valid && w->ready;
    int changes = issue || taken || answered || word || address || w->ready != (w->taken < WRITES_TAKEN) ||
                  fifo_moves(&w->runs) || fifo_moves(&w->pending);
    if (address) {
        due_add(&w->lengths, now, w->length);
        w->taken++;
    }
    w->ready = w->taken < WRITES_TAKEN;
    if (word && --w->left == 0)
        due_add(&w->answers, now + ANSWER_CYCLES, 0);
    if (w->left == 0 && w->taken) {
        w->left = w->lengths.what[w->lengths.out++ % DUE];
        w->taken--;
    }
    w->answers.out += answered;
    fifo_update(&w->runs, issue, (Entry){.a = length - 1}, last);
    fifo_update(&w->pending, issue, (Entry){.a = s->tag.slot, .b = ends && s->tag.kind == ROW}, answered);
    if (word)
        w->sent = last ? 0 : w->sent + 1;
    if (issue) {
        w->address_valid = 1;
        w->length = length;
    } else if (address) {
        w->address_valid = 0;
    }
    splitter_update(s, config, taken, request, issue);
    return changes;
}
