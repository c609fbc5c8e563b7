/* KvFetcher: blocks of keys and values into the global buffer. A word of the page list goes first. */

typedef struct {
    KvWalker walk;
    BlockReader reader;
} KvFetcher;

static int fetcher_offers(const KvFetcher *f) { return f->walk.pages.gives || f->reader.busy; }

/* The block that is due goes to its requests. */
static int fetcher_reserves(const KvFetcher *f, int room) { return walker_offers(&f->walk) && room && !f->reader.busy; }

static int fetcher_takes_pass(const KvFetcher *f) { return f->walk.state == WALK_PASS && !f->reader.busy; }

static Request fetcher_request(const KvFetcher *f, const Config *config)
{
    return f->walk.pages.gives ? walker_page(&f->walk, config) : block_request(&f->reader, config);
}

/* taken: the request that is offered; came: a word of the page list. */
static int fetcher_update(KvFetcher *f, const Config *config, int64_t now, const Planner *plan, int offered, int room,
                           int taken, int came)
{
    int page = f->walk.pages.gives, free = taken || !fetcher_offers(f), reserves = fetcher_reserves(f, room);
    BlockPlace block = reserves ? walker_block(&f->walk, config) : (BlockPlace){0};
    int changes = block_update(&f->reader, config, reserves, block, taken && !page);
    return walker_update(&f->walk, config, now, plan, offered, reserves, free, taken && page, came) || changes;
}
