/* Network: a reader of the global buffer per engine, and the choice of the block that is read next. */

enum { PASSES = 4, SHORTEST_READ = 3 };

/* pointer: number of an engine's next block since reset; take: blocks that it still takes of its pass; skip: blocks that
   it leaves out, pending; resident: passes that wait in all engines. */
typedef struct {
    uint32_t pointer[MAX_ENGINES];
    int32_t take[MAX_ENGINES], skip[MAX_ENGINES], resident[MAX_ENGINES];
    Fifo shares[MAX_ENGINES]; /* a: blocks to take, b: blocks to leave out */
    uint32_t reserved, whole, released, candidate;
    int32_t dries, busy;
    uint32_t restless, last; /* engines whose reader moves by itself; that take one block more of their pass */
    uint32_t block_valid, block_last; /* that get a block in this cycle; for which it is the last of their pass */
} Network;

/* A block that is read: the engines that get it. */
static uint32_t network_serves(const Network *n, const Config *config, uint32_t available, uint32_t ready,
                               uint32_t starved)
{
    uint32_t group = 0;
    if (n->busy || !ready)
        return 0;
    for (int e = 0; e < config->engines; e++)
        group |= (uint32_t)(n->pointer[e] == n->candidate) << e;
    group &= available;
    uint32_t chosen = group & ready;
    return (!n->dries && chosen == group) || (chosen & starved) ? chosen : 0;
}

static int network_room(const Network *n, const Config *config)
{
    return n->reserved - n->released < (uint32_t)config->buffer_blocks;
}

static int network_takes_need(const Network *n, const Config *config)
{
    int takes = 1;
    for (int e = 0; e < config->engines; e++)
        takes &= fifo_writable(&n->shares[e]);
    return takes;
}

/* Engines whose next block is whole. */
static uint32_t network_available(const Network *n, const Config *config)
{
    uint32_t available = 0;
    for (int e = 0; e < config->engines; e++)
        available |= (uint32_t)(n->take[e] && (int32_t)(n->pointer[e] - n->whole) < 0) << e;
    return available;
}

/* The pointer of the hindmost engine that has a block to read. Without any, that of the last one, as in the tree. */
static uint32_t network_hindmost(const Network *n, const Config *config, uint32_t available)
{
    uint32_t first = available ? n->pointer[__builtin_ctz(available)] : n->pointer[config->engines - 1];
    FOR_EACH(e, available)
        if ((int32_t)(n->pointer[e] - first) < 0)
            first = n->pointer[e];
    return first;
}

static void reader_walk(Network *n, const Config *config, uint32_t e, const Entry *share, int loaded, int advance)
{
    Fifo *shares = &n->shares[e];
    const Entry *front = fifo_front(shares);
    int begin = !n->take[e] && shares->out && n->resident[e];
    n->resident[e] += loaded - begin;
    if (begin) {
        int at_once = config->order == DIAGONAL_FIRST || front->a == 0;
        n->take[e] = front->a;
        n->skip[e] = at_once ? 0 : front->b;
        n->pointer[e] += at_once ? (uint32_t)front->b : 0;
    } else if (advance) {
        int pays = config->order == SINK_FIRST || n->take[e] == 1;
        n->take[e]--;
        n->pointer[e] += 1 + (pays ? (uint32_t)n->skip[e] : 0);
        if (pays)
            n->skip[e] = 0;
    }
    fifo_update(shares, share != NULL, share ? *share : (Entry){0}, begin);
    n->last = with(n->last, (int)e, n->take[e] == 1);
    n->restless = with(n->restless, (int)e, fifo_moves(shares) || (!n->take[e] && shares->out && n->resident[e]));
}

static int network_update(Network *n, const Config *config, const Planner *plan, int need, int loaded, int reserve,
                          int written, uint32_t available, uint32_t ready, uint32_t starved, uint32_t served)
{
    uint32_t stirs = served | n->restless | (need || loaded ? every(config) : 0), dries = ready & starved;
    int stays = 0, longest = (int)(config->rank > SHORTEST_READ ? config->rank : SHORTEST_READ);
    dries &= ~(1u << (config->engines - 1)); /* the last one is chosen without being dry, too */
    n->candidate = n->dries ? network_hindmost(n, config, available)
                            : n->pointer[dries ? __builtin_ctz(dries) : config->engines - 1];
    n->dries = !n->dries;
    for (int e = 0; e < config->engines; e++)
        stays |= n->pointer[e] == n->released;
    int changes = stirs || !stays || reserve || written || n->busy || ready || n->block_valid;
    n->block_valid = served;
    n->block_last = n->last;
    FOR_EACH(e, stirs) {
        Entry share = {.a = (int32_t)plan->need[e], .b = (int32_t)(plan->blocks - plan->need[e])};
        reader_walk(n, config, e, need ? &share : NULL, loaded, served >> e & 1);
    }
    n->released += !stays;
    n->reserved += (uint32_t)reserve;
    n->whole += (uint32_t)written;
    n->busy = served ? longest - 1 : n->busy - !!n->busy;
    return changes;
}

/* So many cycles more pass without any change. */
static void network_skip(Network *n, const Config *config, uint32_t available, int64_t cycles)
{
    n->dries ^= cycles & 1;
    n->candidate = n->dries ? n->pointer[config->engines - 1] : network_hindmost(n, config, available);
}
