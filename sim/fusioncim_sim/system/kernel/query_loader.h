/* QueryLoader: rows of Q to the engines, tile by tile. */

enum { LOAD_TILE, LOAD_OPEN, LOAD_TABLES, LOAD_RECEIVE, LOAD_GROUP, LOAD_COMMAND, LOAD_INTERVAL, LOAD_ROWS };

typedef struct {
    int32_t state, row, head, arrives, final; /* arrives: engine + 1 that a row reaches */
    int32_t asks, comes; /* tables that are to be asked for, to come: 1 of scales, 2 of sinks, 4 of slopes */
    int64_t q_base, o_base, q_skip, o_skip, q_address, o_address, interval_address;
    int64_t l_base, l_address, l_skip; /* of log-sum-exp, in units of LSE_BYTES */
    Fifo notes;
} QueryLoader;

static int loader_loading(const QueryLoader *l)
{
    return (l->state != LOAD_TILE && l->state != LOAD_OPEN) || l->notes.out || l->arrives;
}

static int loader_offers(const QueryLoader *l)
{
    return l->state == LOAD_TABLES || l->state == LOAD_INTERVAL || (l->state == LOAD_ROWS && fifo_writable(&l->notes));
}

static Request loader_request(const QueryLoader *l, const Config *config, const Job *job, int slot)
{
    if (l->state == LOAD_TABLES) {
        int64_t table = l->asks & 1 ? job->scales : l->asks & 2 ? job->sinks : job->slopes;
        return (Request){table, beats_touched(config, table, job->heads * SCALE_BYTES), SCALE, slot, 0};
    }
    if (l->state == LOAD_INTERVAL)
        return (Request){l->interval_address, 1, INTERVAL, slot, 0};
    return (Request){l->q_address, beats_touched(config, l->q_address, job->query_bytes), QUERY, slot, 0};
}

/* The tile that the planner shows is done with. */
static int loader_takes(const QueryLoader *l, const Tile *tile, int free)
{
    return l->state == LOAD_ROWS && loader_offers(l) && free && l->row + 1 == tile->rows;
}

static int loader_update(QueryLoader *l, const Job *job, const Tile *tile, Beats beats, int free, int command)
{
    int step = l->state == LOAD_ROWS && loader_offers(l) && free;
    int row_came = beats.last && beats.kind == QUERY;
    int loading = loader_loading(l);
    Entry note = {.a = tile ? tile->engine : 0, .b = tile && tile->final && l->row + 1 == tile->rows};
    Entry front = *fifo_front(&l->notes);
    int before = l->state, changes = step || row_came || l->arrives || fifo_moves(&l->notes);
    if (beats.last && beats.kind == SCALE)
        l->comes &= l->comes - 1;
    switch (l->state) {
    case LOAD_TILE:
        if (tile && (tile->skips || tile->returns)) {
            int64_t first_row = job->intervals + job->first_row * INTERVAL_BYTES;
            int64_t queries = tile->rows * job->kv_heads / job->heads;
            l->q_address = (tile->returns ? l->q_base : l->q_address) + l->q_skip;
            l->o_address = (tile->returns ? l->o_base : l->o_address) + l->o_skip;
            l->l_address = (tile->returns ? l->l_base : l->l_address) + l->l_skip;
            l->interval_address = (tile->returns ? first_row : l->interval_address) + queries * INTERVAL_BYTES;
        }
        if (tile)
            l->state = !tile->first ? LOAD_COMMAND : tile->opens ? LOAD_OPEN : LOAD_GROUP;
        break;
    case LOAD_OPEN:
        if (!loading) {
            l->asks = l->comes = 1 | (job->sinks ? 2 : 0) | (job->slopes ? 4 : 0);
            l->state = LOAD_TABLES;
        }
        break;
    case LOAD_TABLES:
        if (free && !(l->asks &= l->asks - 1))
            l->state = LOAD_RECEIVE;
        changes |= free;
        break;
    case LOAD_RECEIVE:
        if (!l->comes)
            l->state = LOAD_GROUP;
        break;
    case LOAD_GROUP: {
        int64_t group = job->heads / job->kv_heads;
        l->q_base = l->q_address = tile->begins ? job->q.address : l->q_base + group * job->q.head_pitch;
        l->o_base = l->o_address = tile->begins ? job->o.address : l->o_base + group * job->o.head_pitch;
        if (job->lse)
            l->l_base = tile->begins ? job->lse / LSE_BYTES + job->first_row * group : l->l_base + job->lse_pitch / LSE_BYTES;
        else
            l->l_base = 0;
        l->l_address = l->l_base;
        l->interval_address = job->intervals + job->first_row * INTERVAL_BYTES;
        l->head = 0;
        l->state = LOAD_COMMAND;
        break;
    }
    case LOAD_COMMAND:
        l->row = 0;
        if (command)
            l->state = job->intervals ? LOAD_INTERVAL : LOAD_ROWS;
        break;
    case LOAD_INTERVAL:
        if (free)
            l->state = LOAD_ROWS;
        break;
    case LOAD_ROWS:
        if (step) {
            int64_t group = job->heads / job->kv_heads;
            int wrap = l->head + 1 == group;
            l->q_address += wrap ? job->q.pitch - (group - 1) * job->q.head_pitch : job->q.head_pitch;
            l->o_address += wrap ? job->o.pitch - (group - 1) * job->o.head_pitch : job->o.head_pitch;
            l->l_address += job->lse != 0;
            l->head = wrap ? 0 : l->head + 1;
            l->interval_address += wrap * INTERVAL_BYTES;
            if (wrap && job->intervals)
                l->state = LOAD_INTERVAL;
            if (++l->row == tile->rows)
                l->state = LOAD_TILE;
            if (tile->first) {
                l->q_skip = l->q_address - l->q_base;
                l->o_skip = l->o_address - l->o_base;
                l->l_skip = l->l_address - l->l_base;
            }
        }
        break;
    }
    fifo_update(&l->notes, step, note, row_came);
    l->arrives = row_came ? front.a + 1 : 0;
    l->final = front.b;
    return changes || l->state != before;
}
