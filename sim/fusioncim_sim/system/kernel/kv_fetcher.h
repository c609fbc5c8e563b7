/* KvFetcher: blocks of keys and values into the global buffer. A word of the page list goes first. */

typedef struct {
    KvWalker walk;
    BlockReader readers[MAX_PORTS]; /* of each read port */
} KvFetcher;

static int fetcher_busy(const KvFetcher *f) { return f->readers[0].busy || f->readers[1].busy; }

static int fetcher_offers(const KvFetcher *f) { return f->walk.pages.gives || f->readers[0].busy; }

/* The block that is due goes to its requests. */
static int fetcher_reserves(const KvFetcher *f, int room) { return walker_offers(&f->walk) && room && !fetcher_busy(f); }

/* Of this job; coming: blocks that are reserved and not whole. */
static int fetcher_takes_pass(const KvFetcher *f, const Config *config, const Job *job, int coming)
{
    int changes = config->read_ports > 1 && coming && job->shared != f->walk.job->shared;
    return f->walk.state == WALK_PASS && !fetcher_busy(f) && !changes;
}

static Request fetcher_request(const KvFetcher *f, const Config *config)
{
    return f->walk.pages.gives ? walker_page(&f->walk, config) : block_request(&f->readers[0], config);
}

/* taken, taken_v: the requests that are offered at the ports; came: a word of the page list. */
static int fetcher_update(KvFetcher *f, const Config *config, int64_t now, const Planner *plan, int offered, int room,
                          int taken, int taken_v, int came)
{
    int page = f->walk.pages.gives, free = taken || !fetcher_offers(f), reserves = fetcher_reserves(f, room);
    BlockPlace block = reserves ? walker_block(&f->walk, config) : (BlockPlace){0};
    int changes = block_update(&f->readers[0], config, reserves, 0, block, taken && !page);
    if (config->read_ports > 1)
        changes |= block_update(&f->readers[1], config, reserves && !block.job->shared, 1, block, taken_v);
    return walker_update(&f->walk, config, now, plan, offered, reserves, free, taken && page, came) || changes;
}
