/* Network: the queue of blocks in the global buffer, and which engines take the next one. */

/* A block in the global buffer: its number, which head of the pass it is of, and which walk brought it. */
typedef struct {
    int64_t block;
    int32_t stream, walk;
} Note;

/* passes a, b: blocks that each engine takes, from a to b - 1, c: blocks of the pass, d: its walk; resident: passes that wait in all engines;
   need, take: of the pass that it reads, and how many are left, owner: the walk of that; left: of the pass of each walk; coming: blocks that
   are reserved and not whole; front: the next block; vector: of the block that is read. */
typedef struct {
    Fifo passes[MAX_ENGINES];
    Interval need[MAX_ENGINES];
    int32_t stream[MAX_ENGINES]; /* the head of the pass that an engine has */
    int32_t owner[MAX_ENGINES];
    int32_t resident, take[MAX_ENGINES], left[MAX_WALKS], coming;
    int32_t taken, whole, seen, known, busy, vector;
    uint32_t front, entry, takers;
    uint32_t block_valid, block_last; /* that get a block in this cycle; for which it is the last of their pass */
} Network;

static int network_room(const Network *n, const Config *config) { return n->taken != config->buffer_blocks; }

static int network_takes_need(const Network *n) { return fifo_writable(&n->passes[0]); }

/* The engines to which a block goes. */
static uint32_t network_serves(const Network *n, uint32_t room)
{
    return n->known && !n->busy && !(n->takers & ~room) ? n->takers : 0;
}

/* The pass before in its walk is read, and so are those before in its engines. */
static int network_begins(const Network *n, const Config *config)
{
    if (!n->passes[0].out || !n->resident || n->left[fifo_front(&n->passes[0])->d])
        return 0;
    for (int e = 0; e < config->engines; e++)
        if (fifo_front(&n->passes[e])->b && n->take[e])
            return 0;
    return 1;
}

/* need: a pass is planned, and its walk is `walk`; front: the next block. */
static int network_update(Network *n, const Config *config, const Planner *plan, int need, int walk, int loaded, int reserve,
                          int written, uint32_t served, Note front)
{
    int longest = (int)(config->rank > SHORTEST_READ ? config->rank : SHORTEST_READ);
    int begin = network_begins(n, config), looks = !n->seen && n->whole, finds = n->seen && !n->known && n->left[front.walk];
    int reading = n->vector && n->vector != config->rank, index = served ? 0 : n->vector;
    int done = (served || reading) && index == config->rank - 1;
    int changes = begin || looks || finds || served || need || loaded || reserve || written || n->busy || n->vector ||
                  n->block_valid || fifo_moves(&n->passes[0]);
    if (!changes)
        return 0;
    n->block_valid = served;
    n->block_last = 0;
    FOR_EACH(e, served)
        n->block_last |= (uint32_t)(n->take[e] == 1) << e;
    if (finds) {
        n->takers = 0;
        for (int e = 0; e < config->engines; e++)
            n->takers |= (uint32_t)(n->owner[e] == front.walk && n->stream[e] == front.stream &&
                                    n->need[e].low <= front.block &&
                                    front.block < n->need[e].high)
                         << e;
    }
    int begun = fifo_front(&n->passes[0])->d;
    n->left[front.walk] -= !!served;
    if (begin)
        n->left[begun] = fifo_front(&n->passes[0])->c;
    for (int e = 0; e < config->engines; e++) {
        const Entry *due = fifo_front(&n->passes[e]);
        Entry share = {
            .a = (int32_t)plan->need[e].low,
            .b = (int32_t)plan->need[e].high,
            .c = (int32_t)(plan->span.high - plan->span.low) * plan->heads,
            .d = walk,
            .address = plan->stream[e],
        };
        n->take[e] -= (int)(served >> e & 1);
        if (begin && (due->b || n->owner[e] == begun)) {
            n->need[e] = (Interval){due->a, due->b};
            n->stream[e] = (int32_t)due->address;
            n->take[e] = due->b - due->a;
            n->owner[e] = begun;
        }
        fifo_update(&n->passes[e], need, share, begin);
    }
    n->resident += loaded - begin;
    n->taken += reserve - done;
    n->whole += written - !!served;
    n->coming += reserve - written;
    n->entry += (uint32_t)reserve;
    n->front += !!served;
    n->seen = (n->seen || looks) && !served;
    n->known = (n->known || finds) && !served;
    n->busy = served ? longest - 1 : n->busy - !!n->busy;
    n->vector = served ? 1 : reading ? n->vector + 1 : 0;
    return 1;
}
