/* KvFetcher: blocks of keys and values into the global buffer, in the order of the schedule. */

enum { FETCH_PASS, FETCH_JUMP, FETCH_MULTIPLY, FETCH_BLOCK, FETCH_ROWS, FETCH_STEP };

/* here: the block that is due, or went last; there: the other end of a triangle, or where the strides began; due: where a jump leads. */
typedef struct {
    int64_t block, k_address, v_address;
} Place;

typedef struct {
    const Job *job;
    int32_t state, slot, second, row, rows, falls, measures; /* measures: the strides, else a jump's addresses */
    Interval span;
    int64_t k_base, v_base, common, diagonal, stride, sent, due, multiplied, row_address;
    Place here, there;
} KvFetcher;

/* The whole block in one request: its vectors are neighbours of whole beats in memory. */
static int fetcher_whole(const KvFetcher *f, const Config *config)
{
    int64_t pitch = f->second ? f->job->v.pitch : f->job->k.pitch, length = f->job->vector_bytes;
    return config->rank * config->vector_bytes / config->bus_bytes <= MOST_BEATS && pitch == length &&
           length % config->bus_bytes == 0 && f->row_address % config->bus_bytes == 0;
}

static int fetcher_ends_half(const KvFetcher *f, const Config *config)
{
    return fetcher_whole(f, config) || f->row + 1 == f->rows;
}

static int fetcher_offers(const KvFetcher *f) { return f->state == FETCH_ROWS; }

static Request fetcher_request(const KvFetcher *f, const Config *config)
{
    int32_t beats = beats_touched(config, f->row_address, f->job->vector_bytes);
    return (Request){
        .address = f->row_address,
        .beats = fetcher_whole(f, config) ? beats * f->rows : beats,
        .kind = f->second ? VALUE : KEY,
        .slot = f->slot,
        .last = f->second && fetcher_ends_half(f, config),
    };
}

static Place fetcher_place(const KvFetcher *f, const Config *config, int64_t block)
{
    int64_t key = block * config->rank;
    return (Place){block, f->k_base + key * f->job->k.pitch, f->v_base + key * f->job->v.pitch};
}

static void fetcher_step(KvFetcher *f, const Config *config)
{
    int64_t one = config->backward && f->falls ? -1 : 1;
    if (f->stride) {
        if (f->here.block >= f->span.low + f->stride)
            f->here = fetcher_place(f, config, f->here.block - f->stride);
        else
            f->here = f->there = fetcher_place(f, config, f->there.block - 1);
        f->state = FETCH_BLOCK;
        return;
    }
    Place neighbour = fetcher_place(f, config, f->here.block + one);
    int64_t following = neighbour.block, triangle = f->span.high - f->common;
    if (config->backward && f->here.block == f->span.low + config->sink_first)
        following = f->span.high - 1;
    if (config->folded && f->sent == triangle + 1)
        following = f->common - 1;
    if (config->sink_first && f->sent == 1)
        following = f->diagonal == f->span.low || (config->folded && triangle) ? f->span.high - 1 : f->diagonal;
    if (config->folded && f->sent > 1 && f->sent <= triangle) {
        f->here = f->there;
        f->there = neighbour;
        f->falls = !f->falls;
        f->due = f->common;
        f->state = f->sent == 2 ? FETCH_JUMP : FETCH_BLOCK;
        return;
    }
    f->falls = 1;
    if (following == neighbour.block)
        f->here = neighbour;
    f->due = following;
    f->state = following == neighbour.block ? FETCH_BLOCK : FETCH_JUMP;
}

static int fetcher_update(KvFetcher *f, const Config *config, int64_t now, const Planner *plan, int offered, int room,
                           int taken)
{
    int before = f->state;
    switch (f->state) {
    case FETCH_PASS:
        if (offered) {
            f->job = plan->job;
            f->slot = plan->slot;
            f->span = plan->span;
            f->stride = plan->stride;
            f->common = plan->common;
            f->diagonal = plan->diagonal;
            f->k_base = f->job->k.address + plan->kv_head * f->job->k.head_pitch;
            f->v_base = f->job->v.address + plan->kv_head * f->job->v.head_pitch;
            f->sent = 0;
            f->second = 0;
            f->measures = f->stride != 0;
            f->due = f->stride                                      ? f->span.high - 1
                     : config->backward && !config->sink_first ? plan->diagonal
                                                               : f->span.low;
            f->state = FETCH_JUMP;
        }
        break;
    case FETCH_JUMP:
        f->multiplied = now + multiplier_cycles((f->measures ? f->stride : f->due) << config->rank_bits);
        f->state = FETCH_MULTIPLY;
        break;
    case FETCH_MULTIPLY:
        if (now >= f->multiplied) {
            if (!f->measures)
                f->here = fetcher_place(f, config, f->due);
            if (f->stride)
                f->there = f->here;
            f->state = f->second && !f->measures ? FETCH_BLOCK : FETCH_JUMP;
            f->measures &= !f->second;
            f->second = !f->second;
        }
        break;
    case FETCH_BLOCK:
        f->row = 0;
        f->row_address = f->here.k_address;
        f->rows = (int32_t)least(f->job->keys - f->here.block * config->rank, config->rank);
        if (room)
            f->state = FETCH_ROWS;
        break;
    case FETCH_ROWS:
        if (taken) {
            int ends = fetcher_ends_half(f, config);
            f->row = ends ? 0 : f->row + 1;
            f->row_address = ends ? f->here.v_address : f->row_address + (f->second ? f->job->v.pitch : f->job->k.pitch);
            if (ends && f->second) {
                f->sent++;
                f->state = FETCH_STEP;
            }
            if (ends)
                f->second = !f->second;
        }
        break;
    case FETCH_STEP:
        if (f->sent == f->span.high - f->span.low)
            f->state = FETCH_PASS;
        else
            fetcher_step(f, config);
        break;
    }
    return taken || f->state != before;
}

static int64_t fetcher_next(const KvFetcher *f, int64_t now)
{
    return f->state == FETCH_MULTIPLY && f->multiplied > now ? f->multiplied : NEVER;
}
