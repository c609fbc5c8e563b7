/* KvFetcher: blocks of keys and values into the global buffer, in the order of the schedule. */

enum { FETCH_PASS, FETCH_LOOK, FETCH_READ, FETCH_JUMP, FETCH_MULTIPLY, FETCH_OFFER, FETCH_STEP };

/* here: the block that is due, or went last; there: the other end of a triangle, or where the strides began; due: where a jump leads. */
typedef struct {
    int64_t block, k_address, v_address;
} Place;

/* The words of the page list that are on the chip, and the one that is asked for. */
typedef struct {
    uint32_t valid;
    int32_t gives, owed, stale, probes; /* gives: it is offered; stale: what is owed is of the sequence before */
    int64_t words[PAGE_WORDS], asked;
} PageWords;

typedef struct {
    const Job *job;
    int32_t state, slot, second, falls, measures, inner, turned; /* measures: the strides, else a jump's addresses */
    int32_t heads, stream; /* of the pass, and which one's block is due */
    int32_t busy, half, row, rows;                               /* of the block that is asked for; half: values */
    Interval span;
    int64_t k_base, v_base, common, diagonal, stride, sent, due, multiplied, row_address, v_address;
    Place here, there;
    PageWords pages;
} KvFetcher;

/* The whole block in one request: its vectors are neighbours of whole beats in memory. */
static int fetcher_whole(const KvFetcher *f, const Config *config)
{
    int64_t pitch = f->half ? f->job->v.pitch : f->job->k.pitch, length = f->job->vector_bytes;
    return config->rank * config->vector_bytes / config->bus_bytes <= MOST_BEATS && pitch == length &&
           length % config->bus_bytes == 0 && f->row_address % config->bus_bytes == 0;
}

static int fetcher_ends_half(const KvFetcher *f, const Config *config)
{
    return fetcher_whole(f, config) || f->row + 1 == f->rows;
}

static int fetcher_offers(const KvFetcher *f) { return f->pages.gives || f->busy; }

/* The block that is due goes to its requests. */
static int fetcher_reserves(const KvFetcher *f, int room) { return f->state == FETCH_OFFER && room && !f->busy; }

static int fetcher_takes_pass(const KvFetcher *f) { return f->state == FETCH_PASS && !f->busy; }

static int64_t pages_per_word(const Config *config) { return config->bus_bytes / PAGE_BYTES; }

static int64_t page_blocks(const KvFetcher *f, const Config *config) { return f->job->page_tokens / config->rank; }

static int64_t page_entry(const KvFetcher *f) { return f->job->list + f->job->first_page * PAGE_BYTES; }

/* The word of the page list that has the page of a block. */
static int64_t page_word(const KvFetcher *f, const Config *config, int64_t block)
{
    return (page_entry(f) % config->bus_bytes / PAGE_BYTES + block / page_blocks(f, config)) / pages_per_word(config);
}

static int page_hit(const KvFetcher *f, int64_t word)
{
    return f->pages.valid >> word % PAGE_WORDS & 1 && f->pages.words[word % PAGE_WORDS] == word;
}

static int64_t page_number(const KvFetcher *f, const Config *config, int64_t block)
{
    return f->job->keys ? f->job->page_list[f->job->first_page + block / page_blocks(f, config)] : 0;
}

static int fetcher_down(const KvFetcher *f, const Config *config) { return config->backward && f->falls; }

/* A block whose page is in the word that the walk needs next, if it goes on as it does. */
static int64_t fetcher_ahead(const KvFetcher *f, const Config *config)
{
    int64_t far = pages_per_word(config) * page_blocks(f, config);
    if (fetcher_down(f, config))
        return f->due - f->span.low < far ? f->span.low : f->due - far;
    return least(f->due + far, f->span.high - 1);
}

static Request fetcher_request(const KvFetcher *f, const Config *config)
{
    if (f->pages.gives) {
        int64_t first = page_entry(f) / config->bus_bytes * config->bus_bytes;
        return (Request){first + f->pages.asked * config->bus_bytes, 1, PAGE, f->slot, 0};
    }
    int32_t beats = beats_touched(config, f->row_address, f->job->vector_bytes);
    return (Request){
        .address = f->row_address,
        .beats = fetcher_whole(f, config) ? beats * f->rows : beats,
        .kind = f->half ? VALUE : KEY,
        .slot = f->slot,
        .last = f->half && fetcher_ends_half(f, config),
    };
}

static Place fetcher_place(const KvFetcher *f, const Config *config, int64_t block)
{
    const Job *job = f->job;
    int64_t key = block * config->rank, page = 0;
    if (job->page_tokens) {
        page = page_number(f, config, block);
        key %= job->page_tokens;
    }
    return (Place){
        block,
        f->k_base + page * job->k_page_pitch + key * job->k.pitch,
        f->v_base + page * job->v_page_pitch + key * job->v.pitch,
    };
}

static void fetcher_jump(KvFetcher *f, int64_t block)
{
    f->due = block;
    f->state = f->job->page_tokens && f->job->keys ? FETCH_LOOK : FETCH_JUMP;
}

/* The walk from the block that went last to a neighbour leads into another page. */
static int fetcher_crosses(const KvFetcher *f, const Config *config, int64_t one)
{
    int64_t upper = one < 0 ? f->here.block : f->here.block + 1;
    return f->job->page_tokens && upper % page_blocks(f, config) == 0;
}

static void fetcher_step(KvFetcher *f, const Config *config)
{
    int64_t one = fetcher_down(f, config) ? -1 : 1;
    if (f->stride) {
        int on = f->here.block >= f->span.low + f->stride;
        int64_t block = on ? f->here.block - f->stride : f->there.block - 1;
        if (f->job->page_tokens) {
            f->there.block -= !on;
            fetcher_jump(f, block);
            return;
        }
        f->here = fetcher_place(f, config, block);
        if (!on)
            f->there = f->here;
        f->state = FETCH_OFFER;
        return;
    }
    int64_t neighbour = f->here.block + one, following = neighbour, triangle = f->span.high - f->common;
    int crosses = fetcher_crosses(f, config, one);
    if (config->backward && f->here.block == f->span.low + config->sink_first)
        following = f->span.high - 1;
    if (config->folded && f->sent == triangle + 1)
        following = f->common - 1;
    if (config->sink_first && f->sent == 1)
        following = f->diagonal == f->span.low || (config->folded && triangle) ? f->span.high - 1 : f->diagonal;
    if (config->folded && f->sent > 1 && f->sent <= triangle) {
        int64_t other = f->there.block;
        int turned = f->turned;
        f->here = f->there;
        f->there = (Place){.block = neighbour};
        if (!crosses)
            f->there = fetcher_place(f, config, neighbour);
        f->turned = crosses;
        f->falls = !f->falls;
        f->state = FETCH_OFFER;
        if (f->sent == 2 || turned)
            fetcher_jump(f, f->sent == 2 ? f->common : other);
        return;
    }
    f->falls = 1;
    if (following == neighbour && !crosses) {
        f->here = fetcher_place(f, config, neighbour);
        f->state = FETCH_OFFER;
    } else {
        fetcher_jump(f, following);
    }
}

/* What the multiplier takes. */
static int64_t fetcher_count(const KvFetcher *f, const Config *config)
{
    if (f->measures)
        return f->stride;
    if (!f->job->page_tokens)
        return f->due;
    return f->inner ? f->due % page_blocks(f, config) : page_number(f, config, f->due);
}

/* taken: the request that is offered; came: a word of the page list. */
static int fetcher_update(KvFetcher *f, const Config *config, int64_t now, const Planner *plan, int offered, int room,
                           int taken, int came)
{
    int before = f->state, gave = f->pages.gives, owed = f->pages.owed, changes = taken || came;
    int free = taken || !fetcher_offers(f), reserves = fetcher_reserves(f, room);
    int64_t ask = -1;
    PageWords *pages = &f->pages;
    if (taken && gave)
        pages->gives = 0;
    if (came) {
        int64_t place = pages->asked % PAGE_WORDS;
        if (!pages->stale) {
            pages->words[place] = pages->asked;
            pages->valid |= 1u << place;
        }
        pages->owed = pages->stale = 0;
    }
    if (taken && !gave) {
        int ends = fetcher_ends_half(f, config);
        f->row_address = ends ? f->v_address : f->row_address + (f->half ? f->job->v.pitch : f->job->k.pitch);
        f->row = ends ? 0 : f->row + 1;
        f->busy = !(ends && f->half);
        if (ends)
            f->half = !f->half;
    }
    switch (f->state) {
    case FETCH_PASS:
        if (offered) {
            f->job = plan->job;
            f->slot = plan->slot;
            f->span = plan->span;
            f->stride = plan->stride;
            f->common = plan->common;
            f->diagonal = plan->diagonal;
            f->k_base = f->job->k.address + plan->kv_head * f->job->k.head_pitch;
            f->v_base = f->job->v.address + plan->kv_head * f->job->v.head_pitch;
            f->sent = 0;
            f->heads = plan->heads;
            f->stream = 0;
            f->measures = f->stride != 0 && !f->job->page_tokens;
            if (!plan->started && plan->kv_head == 0) {
                pages->valid = 0;
                pages->stale = pages->owed;
            }
            fetcher_jump(f, f->stride                                      ? f->span.high - 1
                            : config->backward && !config->sink_first ? plan->diagonal
                                                                      : f->span.low);
        }
        break;
    case FETCH_LOOK:
        if (!came)
            f->state = FETCH_READ;
        break;
    case FETCH_READ: {
        int64_t word = page_word(f, config, f->due);
        if (came)
            f->state = FETCH_LOOK;
        else if (page_hit(f, word))
            f->state = FETCH_JUMP;
        else if (!owed && free)
            ask = word;
        break;
    }
    case FETCH_JUMP:
        f->multiplied = now + (bit_length(fetcher_count(f, config)) + DIGIT_BITS - 1) / DIGIT_BITS + 1;
        pages->probes = f->job->page_tokens && f->job->keys && !f->inner && !f->second && !came;
        f->state = FETCH_MULTIPLY;
        break;
    case FETCH_MULTIPLY:
        if (pages->probes && !owed && free) {
            int64_t word = page_word(f, config, fetcher_ahead(f, config));
            if (!page_hit(f, word))
                ask = word;
            changes = 1;
        }
        pages->probes &= owed || !free;
        pages->probes &= !came;
        if (now >= f->multiplied) {
            int done = f->measures || !f->job->page_tokens || f->inner;
            pages->probes = 0;
            if (done && !f->measures) {
                f->here = fetcher_place(f, config, f->due);
                if (f->stride && f->sent == 0)
                    f->there = f->here;
            }
            f->state = done && f->second && !f->measures ? FETCH_OFFER : FETCH_JUMP;
            f->inner = !done;
            if (done) {
                f->measures &= !f->second;
                f->second = !f->second;
            }
        }
        break;
    case FETCH_OFFER:
        if (reserves) {
            f->busy = 1;
            f->row_address = f->here.k_address + f->stream * f->job->k.head_pitch;
            f->v_address = f->here.v_address + f->stream * f->job->v.head_pitch;
            f->rows = (int32_t)least(f->job->keys ? f->job->keys - f->here.block * config->rank : 1, config->rank);
            if (++f->stream == f->heads) {
                f->stream = 0;
                f->sent++;
                f->state = FETCH_STEP;
            }
        }
        break;
    case FETCH_STEP:
        if (f->sent == f->span.high - f->span.low)
            f->state = FETCH_PASS;
        else
            fetcher_step(f, config);
        break;
    }
    if (ask >= 0) {
        pages->gives = pages->owed = 1;
        pages->asked = ask;
        changes = 1;
    }
    return changes || f->state != before;
}

static int64_t fetcher_next(const KvFetcher *f, int64_t now)
{
    return f->state == FETCH_MULTIPLY && f->multiplied > now ? f->multiplied : NEVER;
}
