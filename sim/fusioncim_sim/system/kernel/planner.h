/* Planner: a job as passes and tiles. */

enum { PLAN_JOB, PLAN_GROUP, PLAN_OUTLINE, PLAN_PASS, PLAN_NEED, PLAN_TILES, PLAN_NEXT };

typedef struct {
    int32_t engine, rows, last, opens, first, final;
    int64_t visible; /* keys that its last row sees */
} Tile;

typedef struct {
    const Job *job;
    int32_t state, slot, kv_head, base, n, count, started;
    int64_t outlined, left, blocks, common, diagonal;
    int64_t need[MAX_ENGINES], visible[MAX_ENGINES * MAX_WORDS];
} Planner;

/* There and back. */
static int planner_engine(const Planner *p, const Config *config)
{
    int engines = (int)config->engines, place = p->n % engines;
    return (p->base + (p->n / engines % 2 ? engines - 1 - place : place)) % engines;
}

static Tile planner_tile(const Planner *p, const Config *config)
{
    int engines = (int)config->engines, place = p->n % engines;
    int behind = engines > 1 ? (p->n / engines + 1) * engines + engines - 1 - place : p->n + 1;
    return (Tile){
        .engine = planner_engine(p, config),
        .rows = (int32_t)least(p->left, config->rows),
        .last = behind >= p->count,
        .opens = !p->started && p->kv_head == 0,
        .first = !p->started,
        .final = p->n + 1 == p->count,
        .visible = p->visible[p->n],
    };
}

static int planner_update(Planner *p, const Config *config, const Job *job, int slot, int pass_taken, int need_taken,
                           int tile_taken)
{
    int full = (int)(config->engines * (config->words > 1 ? config->words / 2 : 1));
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
        p->outlined = p->left = p->job->queries * (p->job->heads / p->job->kv_heads);
        p->started = p->n = 0;
        for (int e = 0; e < MAX_ENGINES; e++)
            p->need[e] = 0;
        p->state = PLAN_OUTLINE;
        break;
    case PLAN_OUTLINE: {
        int64_t group = p->job->heads / p->job->kv_heads, rows = p->job->queries * group;
        int64_t last = rows - p->outlined + least(p->outlined, config->rows) - 1;
        int64_t position = p->job->start + last / group;
        int64_t visible = mask_high(p->job, position);
        p->blocks = (visible + config->rank - 1) / config->rank;
        if (p->n == 0)
            p->common = p->blocks;
        p->diagonal = least(position / config->rank, p->blocks - 1);
        p->need[planner_engine(p, config)] = p->blocks;
        p->visible[p->n] = visible;
        p->outlined -= least(p->outlined, config->rows);
        p->count = ++p->n;
        if (p->outlined == 0 || p->n == full)
            p->state = PLAN_PASS;
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
        p->state = PLAN_TILES;
        break;
    case PLAN_TILES:
        if (!tile_taken)
            return 0;
        p->left -= least(p->left, config->rows);
        p->started = 1;
        if (++p->n == p->count)
            p->state = PLAN_NEXT;
        break;
    case PLAN_NEXT:
        p->n = 0;
        for (int e = 0; e < MAX_ENGINES; e++)
            p->need[e] = 0;
        if (p->left) {
            p->state = PLAN_OUTLINE;
        } else {
            p->base = (int32_t)((p->base + p->count) % config->engines);
            p->state = ++p->kv_head == p->job->kv_heads ? PLAN_JOB : PLAN_GROUP;
        }
        break;
    }
    return 1;
}
