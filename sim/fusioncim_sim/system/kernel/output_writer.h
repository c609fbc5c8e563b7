/* OutputWriter: a packer per engine, and the turn in which their rows are written. */

typedef struct {
    Fifo beats;
    int32_t gone, passes; /* words of the row that left; over the words behind the dimension */
} Lane;

typedef struct {
    Lane lanes[MAX_LANES];
    Fifo places; /* address, a: head, b: rows, c: slot */
    int32_t pieces, beat, rows, held, lane; /* pieces: of the next word */
    Entry place;
    LsePacker lse;
} Packer;

typedef struct {
    Packer packers[MAX_ENGINES];
    int32_t chosen, held, of_lse, last, sender, lane, left, spills, sends_lse;
    uint32_t restless, rows, lse, room; /* packers that move by themselves, hold a row, have log-sum-exp to write, take an output */
    Fifo order; /* address: lane, a: engine, b: beats, c: it has a beat more than words, d: it is log-sum-exp */
} OutputWriter;

/* A row is asked to be written. */
static int output_offers(const OutputWriter *o) { return o->held && fifo_writable(&o->order); }

static Request output_request(const OutputWriter *o, const Config *config, const Job *jobs, const int32_t *slots)
{
    const Packer *p = &o->packers[o->chosen];
    if (o->of_lse)
        return lse_request(&p->lse, config);
    const Job *job = &jobs[slots[p->place.c]];
    int32_t beats = beats_touched(config, p->place.address, job->row_bytes);
    return (Request){p->place.address, beats, ROW, p->place.c, beats > beats_touched(config, 0, job->row_bytes)};
}

/* The last beat is what is left of the last word. */
static int output_spills(const OutputWriter *o) { return o->left == 1 && o->spills; }

/* A beat is there for the write master. */
static int output_word(const OutputWriter *o)
{
    const Lane *lane = &o->packers[o->sender].lanes[o->lane];
    return o->left && (o->sends_lse || output_spills(o) || (lane->beats.out && !lane->passes));
}

/* A lane takes a word; sent: the write master takes one, last: the last one of its row. Returns whether it moves by itself. */
static int lane_update(Lane *lane, const Config *config, int word, int sent, int last)
{
    int leaves = lane->beats.out && (sent || lane->passes);
    if (leaves) {
        lane->gone = lane->gone == config->output_beats - 1 ? 0 : lane->gone + 1;
        lane->passes = (lane->passes || last) && lane->gone;
    }
    fifo_update(&lane->beats, word, (Entry){0}, leaves);
    return lane->passes || fifo_moves(&lane->beats);
}

/* more: rows of the band behind the first; sent: the lane whose word the write master takes, or -1; takes_lse, lse_sent:
   as of the LsePacker. Returns whether it moves by itself. */
static int packer_update(Packer *p, const Config *config, const Job *jobs, const int32_t *slots, int taken, int more,
                         const Entry *place, const Entry *lse_place, int take, int takes_lse, int sent, int lse_sent, int last)
{
    int begins = taken && !p->pieces && !p->beat;
    int word = taken && p->pieces + config->beat_pieces >= config->word_pieces, ends = word && p->beat == config->output_beats - 1;
    Entry front = *fifo_front(&p->places);
    int next = p->places.out, held = p->held;
    int moves = lse_update(&p->lse, config, begins ? more + 1 : 0, lse_place, takes_lse, lse_sent);
    for (int n = 0; n < config->drain_rows; n++)
        moves |= lane_update(&p->lanes[n], config, word && n <= more, sent == n, last);
    if (taken)
        p->pieces += (int32_t)(config->beat_pieces - (word ? config->word_pieces : 0));
    if (word)
        p->beat = ends ? 0 : p->beat + 1;
    p->rows += (ends ? more + 1 : 0) - take;
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
        p->lane = p->held && p->lane + 1 < config->drain_rows ? p->lane + 1 : 0;
    }
    return moves || fifo_moves(&p->places) || (!p->held && p->places.out);
}

/* It takes outputs. */
static int packer_room(const Packer *p, const Config *config)
{
    if (!p->pieces && !p->beat && !lse_ready(&p->lse))
        return 0;
    for (int n = 0; n < config->drain_rows; n++)
        if (!fifo_writable(&p->lanes[n].beats))
            return 0;
    return 1;
}

/* The first of the engines behind that one, else the first. */
static int next_in_turn(uint32_t engines, int last)
{
    uint32_t behind = engines & ~((2u << last) - 1);
    return __builtin_ctz(behind ? behind : engines);
}

/* moves: engines whose output moves, more: rows of each behind the first; placed: the engine that gets a tile, whose rows
   and log-sum-exp go to these places, or -1. */
static int output_update(OutputWriter *o, const Config *config, const Job *jobs, const int32_t *slots, uint32_t moves,
                         const int32_t *more, int placed, const Entry *place, const Entry *lse_place, int go, int moved,
                         Request request)
{
    int chosen = o->chosen, sender = o->sender, waits = o->order.out, lane = o->packers[chosen].lane;
    int next = o->left == 0 || (moved && o->left == 1);
    uint32_t rows = (o->rows | o->lse) & ~(o->held ? 1u << chosen : 0), lse = o->lse;
    uint32_t stirs = moves | o->restless | (placed >= 0 ? 1u << placed : 0) | (go ? 1u << chosen : 0) |
                     (moved ? 1u << sender : 0);
    Entry front = *fifo_front(&o->order);
    int word = moved && !o->sends_lse && !output_spills(o), ends = o->left == 1 + o->spills;
    int changes = stirs || go || moved || (!o->held && rows) || fifo_moves(&o->order) || (next && (waits || o->left));
    FOR_EACH(e, stirs) {
        Packer *p = &o->packers[e];
        int restless =
            packer_update(p, config, jobs, slots, moves >> e & 1, more[e], placed == (int)e ? place : NULL,
                          placed == (int)e ? lse_place : NULL, go && chosen == (int)e && !o->of_lse,
                          go && chosen == (int)e && o->of_lse, word && sender == (int)e ? o->lane : -1,
                          moved && sender == (int)e && o->sends_lse, ends);
        o->restless = with(o->restless, (int)e, restless);
        o->rows = with(o->rows, (int)e, p->rows && p->held && !lse_waits(&p->lse));
        o->lse = with(o->lse, (int)e, p->lse.state == LSE_OFFER);
        o->room = with(o->room, (int)e, packer_room(p, config));
    }
    fifo_update(&o->order, go, (Entry){.address = lane, .a = chosen, .b = request.beats, .c = request.last, .d = o->of_lse}, next);
    if (!o->held || go) {
        o->held = rows != 0;
        o->chosen = rows ? next_in_turn(rows, o->last) : chosen;
        o->of_lse = rows ? lse >> o->chosen & 1 : o->of_lse;
    }
    if (go)
        o->last = chosen;
    if (next) {
        o->left = waits ? front.b : 0;
        o->sender = front.a;
        o->lane = (int32_t)front.address;
        o->spills = front.c;
        o->sends_lse = front.d;
    } else if (moved) {
        o->left--;
    }
    return changes;
}
