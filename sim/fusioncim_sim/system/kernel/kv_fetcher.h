/* KvFetcher: blocks of keys and values into the global buffer, in the order of the schedule. */

enum { FETCH_PASS, FETCH_JUMP, FETCH_MULTIPLY, FETCH_BLOCK, FETCH_ROWS, FETCH_STEP };
enum { MOST_BEATS = 255 };

typedef struct {
    const Job *job;
    int32_t state, slot, second, row, rows;
    int64_t k_base, v_base, blocks, sent, backward, block, multiplied, k_address, v_address, row_address;
} KvFetcher;

/* The block that is due. */
static int64_t fetcher_block(const KvFetcher *f, const Config *config)
{
    if (config->order == IN_ORDER)
        return f->sent;
    return config->order == SINK_FIRST && f->sent == 0 ? 0 : f->backward;
}

/* The whole block in one request: its vectors are neighbours in memory. */
static int fetcher_whole(const KvFetcher *f, const Config *config)
{
    int64_t pitch = f->second ? f->job->v.pitch : f->job->k.pitch;
    return config->rank * config->vector_bytes / config->bus_bytes <= MOST_BEATS && pitch == config->vector_bytes;
}

static int fetcher_ends_half(const KvFetcher *f, const Config *config)
{
    return fetcher_whole(f, config) || f->row + 1 == f->rows;
}

static int fetcher_offers(const KvFetcher *f) { return f->state == FETCH_ROWS; }

static Request fetcher_request(const KvFetcher *f, const Config *config)
{
    int32_t beats = (int32_t)(config->vector_bytes / config->bus_bytes);
    return (Request){
        .address = f->row_address,
        .beats = fetcher_whole(f, config) ? beats * f->rows : beats,
        .kind = f->second ? VALUE : KEY,
        .slot = f->slot,
        .last = f->second && fetcher_ends_half(f, config),
    };
}

static int fetcher_update(KvFetcher *f, const Config *config, int64_t now, const Planner *plan, int offered, int room,
                           int taken)
{
    int sink = config->order == SINK_FIRST;
    int64_t due = fetcher_block(f, config);
    int before = f->state;
    switch (f->state) {
    case FETCH_PASS:
        if (offered) {
            f->job = plan->job;
            f->slot = plan->slot;
            f->blocks = plan->blocks;
            f->k_base = f->job->k.address + plan->kv_head * f->job->k.head_pitch;
            f->v_base = f->job->v.address + plan->kv_head * f->job->v.head_pitch;
            f->sent = 0;
            f->second = 0;
            f->backward = sink && plan->diagonal == 0 ? plan->blocks - 1 : plan->diagonal;
            f->state = FETCH_JUMP;
        }
        break;
    case FETCH_JUMP:
        f->multiplied = now + 1 + bit_length(due << config->rank_bits);
        f->state = FETCH_MULTIPLY;
        break;
    case FETCH_MULTIPLY:
        if (now >= f->multiplied) {
            f->block = due;
            if (f->second)
                f->v_address = f->v_base + due * config->rank * f->job->v.pitch;
            else
                f->k_address = f->k_base + due * config->rank * f->job->k.pitch;
            f->state = f->second ? FETCH_BLOCK : FETCH_JUMP;
            f->second = !f->second;
        }
        break;
    case FETCH_BLOCK:
        f->row = 0;
        f->row_address = f->k_address;
        f->rows = (int32_t)least(f->job->keys - f->block * config->rank, config->rank);
        if (room)
            f->state = FETCH_ROWS;
        break;
    case FETCH_ROWS:
        if (taken) {
            int ends = fetcher_ends_half(f, config);
            f->row = ends ? 0 : f->row + 1;
            f->row_address = ends ? f->v_address : f->row_address + (f->second ? f->job->v.pitch : f->job->k.pitch);
            if (ends && f->second) {
                if (!sink || f->sent != 0)
                    f->backward = f->backward == sink ? f->blocks - 1 : f->backward - 1;
                f->sent++;
                f->state = FETCH_STEP;
            }
            if (ends)
                f->second = !f->second;
        }
        break;
    case FETCH_STEP: {
        int64_t step = due - f->block;
        if (f->sent == f->blocks) {
            f->state = FETCH_PASS;
        } else if (step == 1 || step == -1) {
            f->block = due;
            f->k_address += step * config->rank * f->job->k.pitch;
            f->v_address += step * config->rank * f->job->v.pitch;
            f->state = FETCH_BLOCK;
        } else {
            f->state = FETCH_JUMP;
        }
        break;
    }
    }
    return taken || f->state != before;
}

static int64_t fetcher_next(const KvFetcher *f, int64_t now)
{
    return f->state == FETCH_MULTIPLY && f->multiplied > now ? f->multiplied : NEVER;
}
