/* KvWalker: the blocks of a pass with their places, in the order of the schedule; the words of the page list. */

enum { WALK_PASS, WALK_LOOK, WALK_READ, WALK_JUMP, WALK_MULTIPLY, WALK_OFFER, WALK_STEP };

/* here: the block that is due, or went last; there: the other end of a triangle, or where the strides began; due: where a jump leads. */
typedef struct {
    int64_t block, k_address, v_address, scales;
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
    Interval span;
    int64_t k_base, v_base, scales_base, common, diagonal, stride, sent, due, multiplied;
    Place here, there;
    PageWords pages;
} KvWalker;

/* A block is due. */
static int walker_offers(const KvWalker *w) { return w->state == WALK_OFFER; }

static int64_t pages_per_word(const Config *config) { return config->bus_bytes / PAGE_BYTES; }

static int64_t page_blocks(const KvWalker *w, const Config *config) { return w->job->page_tokens / config->rank; }

static int64_t page_entry(const KvWalker *w) { return w->job->list + w->job->first_page * PAGE_BYTES; }

/* The word of the page list that has the page of a block. */
static int64_t page_word(const KvWalker *w, const Config *config, int64_t block)
{
    return (page_entry(w) % config->bus_bytes / PAGE_BYTES + block / page_blocks(w, config)) / pages_per_word(config);
}

static int page_hit(const KvWalker *w, int64_t word)
{
    return w->pages.valid >> word % PAGE_WORDS & 1 && w->pages.words[word % PAGE_WORDS] == word;
}

static int64_t page_number(const KvWalker *w, const Config *config, int64_t block)
{
    return w->job->keys ? w->job->page_list[w->job->first_page + block / page_blocks(w, config)] : 0;
}

static int walker_down(const KvWalker *w, const Config *config) { return config->backward && w->falls; }

/* A block whose page is in the word that the walk needs next, if it goes on as it does. */
static int64_t walker_ahead(const KvWalker *w, const Config *config)
{
    int64_t far = pages_per_word(config) * page_blocks(w, config);
    if (walker_down(w, config))
        return w->due - w->span.low < far ? w->span.low : w->due - far;
    return least(w->due + far, w->span.high - 1);
}

static Request walker_page(const KvWalker *w, const Config *config)
{
    int64_t first = page_entry(w) / config->bus_bytes * config->bus_bytes;
    return (Request){first + w->pages.asked * config->bus_bytes, 1, PAGE, w->slot, 0};
}

/* The block that is due. */
static BlockPlace walker_block(const KvWalker *w, const Config *config)
{
    const Job *job = w->job;
    return (BlockPlace){
        .job = job,
        .slot = w->slot,
        .stream = w->stream,
        .block = w->here.block,
        .k_address = w->here.k_address + w->stream * job->k.head_pitch,
        .v_address = w->here.v_address + w->stream * job->v.head_pitch,
        .scales = w->here.scales + w->stream * job->token_scales_pitch,
        .rows = (int32_t)least(job->keys ? job->keys - w->here.block * config->rank : 1, config->rank),
    };
}

static Place walker_place(const KvWalker *w, const Config *config, int64_t block)
{
    const Job *job = w->job;
    int64_t key = block * config->rank, page = 0;
    if (job->page_tokens) {
        page = page_number(w, config, block);
        key %= job->page_tokens;
    }
    return (Place){
        block,
        w->k_base + page * job->k_page_pitch + key * job->k.pitch,
        w->v_base + page * job->v_page_pitch + key * job->v.pitch,
        w->scales_base + page * job->k_page_pitch + key * TOKEN_SCALE_BYTES,
    };
}

static void walker_jump(KvWalker *w, int64_t block)
{
    w->due = block;
    w->state = w->job->page_tokens && w->job->keys ? WALK_LOOK : WALK_JUMP;
}

/* The walk from the block that went last to a neighbour leads into another page. */
static int walker_crosses(const KvWalker *w, const Config *config, int64_t one)
{
    int64_t upper = one < 0 ? w->here.block : w->here.block + 1;
    return w->job->page_tokens && upper % page_blocks(w, config) == 0;
}

static void walker_step(KvWalker *w, const Config *config)
{
    int64_t one = walker_down(w, config) ? -1 : 1;
    if (w->stride) {
        int on = w->here.block >= w->span.low + w->stride;
        int64_t block = on ? w->here.block - w->stride : w->there.block - 1;
        if (w->job->page_tokens) {
            w->there.block -= !on;
            walker_jump(w, block);
            return;
        }
        w->here = walker_place(w, config, block);
        if (!on)
            w->there = w->here;
        w->state = WALK_OFFER;
        return;
    }
    int64_t neighbour = w->here.block + one, following = neighbour, triangle = w->span.high - w->common;
    int crosses = walker_crosses(w, config, one);
    if (config->backward && w->here.block == w->span.low + config->sink_first)
        following = w->span.high - 1;
    if (config->folded && w->sent == triangle + 1)
        following = w->common - 1;
    if (config->sink_first && w->sent == 1)
        following = w->diagonal == w->span.low || (config->folded && triangle) ? w->span.high - 1 : w->diagonal;
    if (config->folded && w->sent > 1 && w->sent <= triangle) {
        int64_t other = w->there.block;
        int turned = w->turned;
        w->here = w->there;
        w->there = (Place){.block = neighbour};
        if (!crosses)
            w->there = walker_place(w, config, neighbour);
        w->turned = crosses;
        w->falls = !w->falls;
        w->state = WALK_OFFER;
        if (w->sent == 2 || turned)
            walker_jump(w, w->sent == 2 ? w->common : other);
        return;
    }
    w->falls = 1;
    if (following == neighbour && !crosses) {
        w->here = walker_place(w, config, neighbour);
        w->state = WALK_OFFER;
    } else {
        walker_jump(w, following);
    }
}

/* What the multiplier takes. */
static int64_t walker_count(const KvWalker *w, const Config *config)
{
    if (w->measures)
        return w->stride;
    if (!w->job->page_tokens)
        return w->due;
    return w->inner ? w->due % page_blocks(w, config) : page_number(w, config, w->due);
}

/* offered: a pass comes; begins: its words of the page list are others than those before; reserved: the block that is due is taken; free: what is asked of memory may change; given: a read of
   the page list is taken; came: a word of it. */
static int walker_update(KvWalker *w, const Config *config, int64_t now, const Planner *plan, int offered, int begins,
                         int reserved, int free, int given, int came)
{
    int before = w->state, owed = w->pages.owed, changes = given || came;
    int64_t ask = -1;
    PageWords *pages = &w->pages;
    if (given)
        pages->gives = 0;
    if (came) {
        int64_t place = pages->asked % PAGE_WORDS;
        if (!pages->stale) {
            pages->words[place] = pages->asked;
            pages->valid |= 1u << place;
        }
        pages->owed = pages->stale = 0;
    }
    switch (w->state) {
    case WALK_PASS:
        if (offered) {
            w->job = plan->job;
            w->slot = plan->slot;
            w->span = plan->span;
            w->stride = plan->stride;
            w->common = plan->common;
            w->diagonal = plan->diagonal;
            w->k_base = w->job->k.address + plan->kv_head * w->job->k.head_pitch;
            w->v_base = w->job->v.address + plan->kv_head * w->job->v.head_pitch;
            w->scales_base = w->job->token_scales + plan->kv_head * w->job->token_scales_pitch;
            w->sent = 0;
            w->heads = plan->heads;
            w->stream = 0;
            w->measures = w->stride != 0 && !w->job->page_tokens;
            if (begins) {
                pages->valid = 0;
                pages->stale = pages->owed;
            }
            walker_jump(w, w->stride                                      ? w->span.high - 1
                            : config->backward && !config->sink_first ? plan->diagonal
                                                                      : w->span.low);
        }
        break;
    case WALK_LOOK:
        if (!came)
            w->state = WALK_READ;
        break;
    case WALK_READ: {
        int64_t word = page_word(w, config, w->due);
        if (came)
            w->state = WALK_LOOK;
        else if (page_hit(w, word))
            w->state = WALK_JUMP;
        else if (!owed && free)
            ask = word;
        break;
    }
    case WALK_JUMP:
        w->multiplied = now + (bit_length(walker_count(w, config)) + DIGIT_BITS - 1) / DIGIT_BITS + 1;
        pages->probes = w->job->page_tokens && w->job->keys && !w->inner && !w->second && !came;
        w->state = WALK_MULTIPLY;
        break;
    case WALK_MULTIPLY:
        if (pages->probes && !owed && free) {
            int64_t word = page_word(w, config, walker_ahead(w, config));
            if (!page_hit(w, word))
                ask = word;
            changes = 1;
        }
        pages->probes &= owed || !free;
        pages->probes &= !came;
        if (now >= w->multiplied) {
            int done = w->measures || !w->job->page_tokens || w->inner;
            pages->probes = 0;
            if (done && !w->measures) {
                w->here = walker_place(w, config, w->due);
                if (w->stride && w->sent == 0)
                    w->there = w->here;
            }
            w->state = done && w->second && !w->measures ? WALK_OFFER : WALK_JUMP;
            w->inner = !done;
            if (done) {
                w->measures &= !w->second;
                w->second = !w->second;
            }
        }
        break;
    case WALK_OFFER:
        if (reserved) {
            if (++w->stream == w->heads) {
                w->stream = 0;
                w->sent++;
                w->state = WALK_STEP;
            }
        }
        break;
    case WALK_STEP:
        if (w->sent == w->span.high - w->span.low)
            w->state = WALK_PASS;
        else
            walker_step(w, config);
        break;
    }
    if (ask >= 0) {
        pages->gives = pages->owed = 1;
        pages->asked = ask;
        changes = 1;
    }
    return changes || w->state != before;
}

static int64_t walker_next(const KvWalker *w, int64_t now)
{
    return w->state == WALK_MULTIPLY && w->multiplied > now ? w->multiplied : NEVER;
}
