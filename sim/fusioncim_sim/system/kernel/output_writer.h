/* OutputWriter: a packer per engine, and the turn in which their rows are written. */

typedef struct {
    Fifo beats, places; /* places: address, a: head, b: rows, c: slot */
    int32_t part, beat, rows, held;
    Entry place;
} Packer;

typedef struct {
    Packer packers[MAX_ENGINES];
    int32_t chosen, held, last, sender, left;
    uint32_t restless, rows, room; /* packers that move by themselves, that hold a row, that take an output */
    Fifo order;
} OutputWriter;

/* A row is asked to be written. */
static int output_offers(const OutputWriter *o) { return o->held && fifo_writable(&o->order); }

static Request output_request(const OutputWriter *o, const Config *config)
{
    const Packer *p = &o->packers[o->chosen];
    return (Request){p->place.address, (int32_t)config->output_beats, 0, p->place.c, 0};
}

/* A word is there for the write master. */
static int output_word(const OutputWriter *o) { return o->left && o->packers[o->sender].beats.out; }

static void packer_update(Packer *p, const Config *config, const Job *jobs, const int32_t *slots, int taken,
                          const Entry *place, int take, int sent)
{
    int word = taken && p->part == config->parts - 1, ends = word && p->beat == config->output_beats - 1;
    Entry front = *fifo_front(&p->places);
    int next = p->places.out, held = p->held;
    if (taken)
        p->part = word ? 0 : p->part + 1;
    if (word)
        p->beat = ends ? 0 : p->beat + 1;
    p->rows += ends - take;
    fifo_update(&p->beats, word, (Entry){0}, sent);
    fifo_update(&p->places, place != NULL, place ? *place : (Entry){0}, !held);
    if (!held) {
        p->place = front;
        p->held = next;
    } else if (take) {
        const Job *job = &jobs[slots[p->place.c]];
        int64_t group = job->heads / job->kv_heads;
        int wrap = p->place.a + 1 == group;
        p->place.address += wrap ? job->o.pitch - (group - 1) * job->o.head_pitch : job->o.head_pitch;
        p->place.a = wrap ? 0 : p->place.a + 1;
        p->held = --p->place.b != 0;
    }
}

/* The first of the engines behind that one, else the first. */
static int next_in_turn(uint32_t engines, int last)
{
    uint32_t behind = engines & ~((2u << last) - 1);
    return __builtin_ctz(behind ? behind : engines);
}

/* moves: engines whose output moves; placed: the engine that gets a tile, whose rows go to `place`, or -1. */
static int output_update(OutputWriter *o, const Config *config, const Job *jobs, const int32_t *slots, uint32_t moves,
                         int placed, const Entry *place, int go, int moved)
{
    int chosen = o->chosen, sender = o->sender, waits = o->order.out;
    int next = o->left == 0 || (moved && o->left == 1);
    uint32_t rows = o->rows & ~(o->held ? 1u << chosen : 0);
    uint32_t stirs = moves | o->restless | (placed >= 0 ? 1u << placed : 0) | (go ? 1u << chosen : 0) |
                     (moved ? 1u << sender : 0);
    Entry front = *fifo_front(&o->order);
    int changes = stirs || go || moved || (!o->held && rows) || fifo_moves(&o->order) || (next && (waits || o->left));
    FOR_EACH(e, stirs) {
        Packer *p = &o->packers[e];
        packer_update(p, config, jobs, slots, moves >> e & 1, placed == (int)e ? place : NULL, go && chosen == (int)e,
                      moved && sender == (int)e);
        int restless = fifo_moves(&p->beats) || fifo_moves(&p->places) || (!p->held && p->places.out);
        o->restless = with(o->restless, (int)e, restless);
        o->rows = with(o->rows, (int)e, p->rows && p->held);
        o->room = with(o->room, (int)e, fifo_writable(&p->beats));
    }
    if (!o->held || go) {
        o->held = rows != 0;
        o->chosen = rows ? next_in_turn(rows, o->last) : chosen;
    }
    if (go)
        o->last = chosen;
    fifo_update(&o->order, go, (Entry){.a = chosen}, next);
    if (next) {
        o->left = waits ? (int32_t)config->output_beats : 0;
        o->sender = front.a;
    } else if (moved) {
        o->left--;
    }
    return changes;
}
