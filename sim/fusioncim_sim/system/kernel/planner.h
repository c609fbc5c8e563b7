/* Planner: a job as passes and tiles. */

enum {
    PLAN_JOB,
    PLAN_GROUP,
    PLAN_LOOK,
    PLAN_FAR,
    PLAN_DEAL,
    PLAN_OUTLINE,
    PLAN_PASS,
    PLAN_NEED,
    PLAN_TILES,
    PLAN_NEXT
};

typedef struct {
    int32_t engine, rows, last, opens, begins, first, skips, returns, final;
    Interval blocks; /* that pass it */
} Tile;

typedef struct {
    const Job *job;
    int32_t state, slot, kv_head, base, n, count, started;
    int64_t each; /* tiles of an engine in a full pass */
    int32_t heads, head; /* that pass together, and which one is planned */
    int32_t beside; /* tiles of an engine, or 0: there and back */
    int stepped;    /* the tile is not known yet */
    int64_t uneven, woven, pass; /* woven: the first two passes take turns in the tiles; pass: how many the group had */
    int64_t tile, mark, behind; /* the tile that is outlined or sent; the first one of the pass */
    int64_t common, diagonal, stride;
    int32_t stream[MAX_ENGINES];
    Interval span, need[MAX_ENGINES], tiles[MAX_ENGINES * MAX_WORDS]; /* blocks of the pass, of an engine, of a tile */
} Planner;

/* Rows of a group of heads. */
static int64_t planner_rows(const Job *job) { return job->queries * (job->heads / job->kv_heads); }

/* Heads that pass together: one where there are more rows than keys. */
static int64_t planner_heads(const Planner *p, const Config *config)
{
    int64_t rows = planner_rows(p->job), room = config->engines / ((rows + config->rows - 1) / config->rows);
    if (rows > p->job->keys || !room)
        return 1;
    return least(least(config->streams, p->job->kv_heads - p->kv_head), room);
}

static int planner_engine(const Planner *p, const Config *config)
{
    int engines = (int)config->engines, place = p->n % engines;
    if (p->beside)
        return (p->base + p->n / p->beside) % engines;
    return (p->base + (p->n / engines % 2 ? engines - 1 - place : place)) % engines;
}

/* Keys that pass a tile while another one drains. */
static int64_t planner_drain(const Config *config) { return config->rows * config->rank; }

/* Tiles of an engine in a full pass. */
static int64_t planner_each(const Planner *p, const Config *config)
{
    return config->words > 3 && p->job->keys > planner_drain(config) ? config->words / 2 : 1;
}

/* Position of the first row of the tile. */
static int64_t planner_first(const Planner *p, const Config *config)
{
    return p->job->start + p->tile * config->rows / (p->job->heads / p->job->kv_heads);
}

/* Rows of the group from that tile on. */
static int64_t planner_left(const Planner *p, const Config *config)
{
    int64_t left = planner_rows(p->job) - p->tile * config->rows;
    return left > 0 ? left : 0;
}

/* The first pass of a sequence. */
static int planner_begins(const Planner *p) { return !p->started && p->kv_head == 0; }

/* The engines that the pass uses, or all where there are more rows than keys, as then no other one passes beside it. */
static uint32_t planner_engines(const Planner *p, const Config *config)
{
    uint32_t set = planner_rows(p->job) > p->job->keys ? every(config) : 0;
    for (int e = 0; e < config->engines; e++)
        set |= (uint32_t)(p->need[e].high != 0) << e;
    return set;
}

/* The next tile of the pass. */
static int64_t planner_next(const Planner *p) { return p->tile + 1 + (p->woven && p->pass < 2); }

/* Two full passes of whole queries, more keys than a tile drains for, fewer before the middle of the first one. */
static int planner_uneven(const Planner *p, const Config *config)
{
    int64_t group = p->job->heads / p->job->kv_heads, rows = config->engines * p->each * config->rows;
    return config->rows % group == 0 && planner_rows(p->job) >= 2 * rows && p->job->keys > planner_drain(config) &&
           p->job->start + rows / group / 2 < planner_drain(config);
}

static Tile planner_tile(const Planner *p, const Config *config)
{
    int engines = (int)config->engines, place = p->n % engines;
    int behind = engines > 1 ? (p->n / engines + 1) * engines + engines - 1 - place : p->n + 1;
    return (Tile){
        .engine = planner_engine(p, config),
        .rows = (int32_t)least(planner_left(p, config), config->rows),
        .last = p->beside ? (p->n + 1) % p->beside == 0 || p->n + 1 == p->count : behind >= p->count,
        .opens = planner_begins(p) && p->job->opens,
        .begins = planner_begins(p),
        .first = !p->started,
        .skips = p->woven && p->pass < 2 && p->n,
        .returns = p->woven && p->pass == 1 && p->n == 0,
        .final = p->n + 1 == p->count,
        .blocks = p->tiles[p->n],
    };
}

static int planner_update(Planner *p, const Config *config, const Job *job, int slot, int pass_taken, int need_taken,
                           int tile_taken)
{
    int full = (int)(config->engines * p->each);
    switch (p->state) {
    case PLAN_JOB:
        if (!job)
            return 0;
        p->job = job;
        p->slot = slot;
        p->kv_head = 0;
        p->state = PLAN_GROUP;
        break;
    case PLAN_GROUP:
        p->tile = p->pass = 0;
        p->each = planner_each(p, config);
        p->heads = (int32_t)planner_heads(p, config);
        p->woven = 0;
        p->uneven = planner_uneven(p, config);
        p->head = 0;
        p->started = 0;
        p->state = PLAN_LOOK;
        break;
    case PLAN_LOOK: {
        int64_t group = p->job->heads / p->job->kv_heads, reach = (full << p->uneven) * ((config->rows + group - 1) / group);
        int64_t final = p->job->start + p->job->queries - 1;
        p->behind = mask_interval(p->job, least(planner_first(p, config) + reach, final)).low;
        p->mark = p->tile;
        p->n = 0;
        for (int e = 0; e < MAX_ENGINES; e++)
            p->need[e] = (Interval){0, 0};
        p->state = PLAN_FAR;
        break;
    }
    case PLAN_FAR:
        p->state = PLAN_DEAL;
        break;
    case PLAN_DEAL: {
        int64_t first = planner_first(p, config);
        int64_t tiles = (planner_left(p, config) + config->rows - 1) / config->rows * p->heads;
        int64_t turns = least((tiles + config->engines - 1) / config->engines, p->each);
        if (p->pass == 0)
            p->woven = p->uneven && mask_interval(p->job, first).low == p->behind;
        p->beside = mask_interval(p->job, first).low != p->behind ? (int32_t)turns : 0;
        p->state = PLAN_OUTLINE;
        break;
    }
    case PLAN_OUTLINE: {
        if (p->stepped) {
            p->stepped = 0;
            break;
        }
        int64_t group = p->job->heads / p->job->kv_heads;
        int64_t last = p->tile * config->rows + least(planner_left(p, config), config->rows) - 1;
        int64_t first = planner_first(p, config), position = p->job->start + last / group;
        Interval keys = {mask_interval(p->job, first).low, mask_interval(p->job, position).high};
        Interval tile = mask_blocks(keys, config->rank), *need = &p->need[planner_engine(p, config)];
        if (p->n == 0) {
            p->span.low = tile.low;
            p->common = tile.high;
            p->stride = 0;
        }
        p->span.high = tile.high;
        if (config->folded && tile.low != p->span.low)
            p->stride = tile.high - tile.low;
        p->diagonal = least(position / config->rank, tile.high - 1);
        *need = (Interval){p->beside ? (p->n % p->beside ? need->low : tile.low) : p->n < config->engines ? tile.low : need->low, tile.high};
        p->tiles[p->n] = tile;
        p->stream[planner_engine(p, config)] = p->head;
        p->tile = planner_next(p);
        p->count = ++p->n;
        p->stepped = 1;
        if (!planner_left(p, config) && p->head + 1 < p->heads) {
            p->head++;
            p->tile = 0;
        } else if (!planner_left(p, config) || p->n == full) {
            p->stepped = 0;
            p->head = 0;
            p->state = PLAN_PASS;
        }
        break;
    }
    case PLAN_PASS:
        if (!pass_taken)
            return 0;
        p->state = PLAN_NEED;
        break;
    case PLAN_NEED:
        if (!need_taken)
            return 0;
        p->n = 0;
        p->tile = p->mark;
        p->state = PLAN_TILES;
        break;
    case PLAN_TILES:
        if (p->stepped) {
            p->stepped = 0;
            break;
        }
        if (!tile_taken)
            return 0;
        p->tile = planner_next(p);
        p->started = 1;
        if (!planner_left(p, config) && p->head + 1 < p->heads) {
            p->tile = 0;
            p->started = 0;
            p->head++;
            p->kv_head++;
        }
        p->stepped = ++p->n < p->count;
        if (!p->stepped)
            p->state = PLAN_NEXT;
        break;
    case PLAN_NEXT:
        if (p->woven && p->pass < 2)
            p->tile = p->pass == 0 ? 1 : p->tile - 1;
        p->pass++;
        if (planner_left(p, config)) {
            p->state = PLAN_LOOK;
        } else {
            int last = (p->count - 1) / (p->beside ? p->beside : 1) + 1;
            p->base = (int32_t)((p->base + (p->beside ? last : p->count)) % config->engines);
            p->state = ++p->kv_head == p->job->kv_heads ? PLAN_JOB : PLAN_GROUP;
        }
        break;
    }
    return 1;
}
