/* KvFetcher: blocks of keys and values into the global buffer. A word of the page list goes first. */

/* turn: the walk whose block goes first; from: that whose block the reader asks for; newest: that of the newest pass;
   engines: of the pass of each walk; another: the sequence began in another walk. */
typedef struct {
    KvWalker walks[MAX_WALKS];
    BlockReader readers[MAX_PORTS]; /* of each read port */
    int32_t turn, from, newest, keys_alone, another[MAX_WALKS]; /* keys_alone: of the newest pass, keys are their own values */
    uint32_t engines[MAX_WALKS];
} KvFetcher;

static int fetcher_busy(const KvFetcher *f) { return f->readers[0].busy || f->readers[1].busy; }

/* The walk whose word of the page list is asked for, or -1. */
static int fetcher_page(const KvFetcher *f, const Config *config)
{
    for (int w = 0; w < config->walks; w++)
        if (f->walks[w].pages.gives)
            return w;
    return -1;
}

static int fetcher_offers(const KvFetcher *f, const Config *config)
{
    return fetcher_page(f, config) >= 0 || f->readers[0].busy;
}

static int fetcher_free(const KvFetcher *f, int w)
{
    return f->walks[w].state == WALK_PASS && !(fetcher_busy(f) && f->from == w);
}

/* The walk whose block goes to its requests, or -1. */
static int fetcher_reserves(const KvFetcher *f, const Config *config, int room)
{
    for (int n = 0; room && !fetcher_busy(f) && n < config->walks; n++) {
        int w = (f->turn + n) % (int)config->walks;
        if (walker_offers(&f->walks[w]))
            return w;
    }
    return -1;
}

/* The walk that takes the planned pass, or -1: that pass shares no engine with those of other walks. coming: blocks that
   are reserved and not whole. */
static int fetcher_takes(const KvFetcher *f, const Config *config, const Planner *plan, int coming)
{
    int takes = -1, all = 1;
    for (int w = (int)config->walks - 1; w >= 0; w--) {
        if (fetcher_free(f, w))
            takes = w;
        else if (f->engines[w] & planner_engines(plan, config))
            return -1;
        else
            all = 0;
    }
    int changes = config->read_ports > 1 && plan->job->shared != f->keys_alone;
    return changes && (coming || !all) ? -1 : takes;
}

static Request fetcher_request(const KvFetcher *f, const Config *config)
{
    int page = fetcher_page(f, config);
    if (page < 0)
        return block_request(&f->readers[0], config);
    Request request = walker_page(&f->walks[page], config);
    request.walk = page;
    return request;
}

/* takes: the walk that a pass goes to, or -1; taken, taken_v: the requests that are offered at the ports; came: the walk
   whose word of the page list comes, or -1. */
static int fetcher_update(KvFetcher *f, const Config *config, int64_t now, const Planner *plan, int takes, int room,
                          int taken, int taken_v, int came)
{
    int page = fetcher_page(f, config), free = taken || !fetcher_offers(f, config);
    int reserves = fetcher_reserves(f, config, room);
    BlockPlace block = reserves >= 0 ? walker_block(&f->walks[reserves], config) : (BlockPlace){0};
    int changes = block_update(&f->readers[0], config, reserves >= 0, 0, block, taken && page < 0);
    if (config->read_ports > 1)
        changes |= block_update(&f->readers[1], config, reserves >= 0 && !block.job->shared, 1, block, taken_v);
    for (int w = 0; w < config->walks; w++) {
        int begins = planner_begins(plan) || f->another[w];
        changes |= walker_update(&f->walks[w], config, now, plan, takes == w, begins, reserves == w, free,
                                 taken && page == w, came == w);
        if (takes >= 0)
            f->another[w] = takes != w && begins;
    }
    if (takes >= 0) {
        f->engines[takes] = planner_engines(plan, config);
        f->newest = takes;
        f->keys_alone = plan->job->shared;
    }
    if (reserves >= 0) {
        f->turn = (reserves + 1) % (int)config->walks;
        f->from = reserves;
    }
    return changes;
}
