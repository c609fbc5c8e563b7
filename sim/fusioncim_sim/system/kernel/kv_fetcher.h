/* KvFetcher: blocks of keys and values into the global buffer. A word of the page list goes first. */

/* turn: the walk whose block goes first; from: that whose block the reader asks for; newest: that of the newest pass;
   engines: of the pass of each walk; another: the sequence began in another walk. */
typedef struct {
    KvWalker walks[MAX_WALKS];
    BlockReader reader;
    int32_t turn, from, newest, another[MAX_WALKS];
    uint32_t engines[MAX_WALKS];
} KvFetcher;

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
    return fetcher_page(f, config) >= 0 || f->reader.busy;
}

static int fetcher_free(const KvFetcher *f, int w)
{
    return f->walks[w].state == WALK_PASS && !(f->reader.busy && f->from == w);
}

/* The walk whose block goes to its requests, or -1. */
static int fetcher_reserves(const KvFetcher *f, const Config *config, int room)
{
    for (int n = 0; room && !f->reader.busy && n < config->walks; n++) {
        int w = (f->turn + n) % (int)config->walks;
        if (walker_offers(&f->walks[w]))
            return w;
    }
    return -1;
}

/* The walk that takes the planned pass, or -1: that pass shares no engine with those of other walks. */
static int fetcher_takes(const KvFetcher *f, const Config *config, const Planner *plan)
{
    int takes = -1;
    for (int w = (int)config->walks - 1; w >= 0; w--) {
        if (fetcher_free(f, w))
            takes = w;
        else if (f->engines[w] & planner_engines(plan, config))
            return -1;
    }
    return takes;
}

static Request fetcher_request(const KvFetcher *f, const Config *config)
{
    int page = fetcher_page(f, config);
    if (page < 0)
        return block_request(&f->reader, config);
    Request request = walker_page(&f->walks[page], config);
    request.walk = page;
    return request;
}

/* takes: the walk that a pass goes to, or -1; taken: the request that is offered; came: the walk whose word of the page
   list comes, or -1. */
static int fetcher_update(KvFetcher *f, const Config *config, int64_t now, const Planner *plan, int takes, int room,
                           int taken, int came)
{
    int page = fetcher_page(f, config), free = taken || !fetcher_offers(f, config);
    int reserves = fetcher_reserves(f, config, room);
    BlockPlace block = reserves >= 0 ? walker_block(&f->walks[reserves], config) : (BlockPlace){0};
    int changes = block_update(&f->reader, config, reserves >= 0, block, taken && page < 0);
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
    }
    if (reserves >= 0) {
        f->turn = (reserves + 1) % (int)config->walks;
        f->from = reserves;
    }
    return changes;
}
