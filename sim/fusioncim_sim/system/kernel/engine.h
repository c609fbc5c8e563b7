/* Engine: TileLoader, Controller, Sequencer, Normalizer. */

enum { TILE, ROWS, DONE, PASS };
enum { READ, NORMALIZE, DIVIDE, SEND };

typedef struct {
    /* TileLoader */
    int32_t state, row, rows, word, first_word, count, closes, loaded;
    Interval span, spans[MAX_WORDS]; /* blocks that pass the tile that loads, the tiles of the words */
    /* Controller: passes a: first word, b: words; tiles a: word, b: rows; blocks a: number, b: last of its pass */
    Fifo passes, tiles, blocks;
    int32_t keys, values, complete;
    /* KvBuffer: whole blocks that are not claimed, and when they become so */
    int32_t unclaimed;
    Due comes;
    /* Sequencer */
    int64_t slots;
    int32_t active, opens, index, claimed, found, begun, busy, ends_block, ending, multiplies;
    int64_t slot_end;
    Due release, finished;
    /* Normalizer */
    int32_t division, division_row, draining, drain_more, drain_last, drain_word, column;
    int64_t divided;
    int32_t bank, bank_more, bank_last, bank_word, aligned, aligned_more, output, more;
} Engine;

/* What an engine does in a cycle: the Sequencer, and the Normalizer. */
typedef struct {
    int32_t idle, start, exhausted, word;
} Slots;

typedef struct {
    int32_t advance, divides, handed;
} Drain;

static int engine_room(const Engine *e, const Config *config)
{
    return e->keys != config->ring_blocks && e->values != config->ring_blocks;
}

static int engine_takes_tile(const Engine *e) { return e->state == TILE && !(e->loaded >> e->word & 1); }

static int engine_loaded(const Engine *e) { return e->passes.out; }

static int engine_word(const Engine *e, const Config *config)
{
    int word = fifo_front(&e->passes)->a + e->index;
    return word < config->words ? word : word - (int)config->words;
}

/* The next slot waits for its word to drain. */
static int engine_waits(const Engine *e, const Config *config, int64_t now)
{
    int word = engine_word(e, config), first = !(e->begun >> word & 1);
    return e->found && (!e->active || now == e->slot_end) && first && e->busy >> word & 1;
}

static Slots engine_slots(const Engine *e, const Config *config, int64_t now)
{
    int word = engine_word(e, config), first = !(e->begun >> word & 1), busy = e->busy >> word & 1;
    int idle = !e->active || now == e->slot_end, valid = e->blocks.out && e->passes.out;
    return (Slots){
        .idle = idle,
        .start = e->found && idle && (e->claimed || e->unclaimed) && !(first && busy),
        .exhausted = valid && !e->found && e->index == fifo_front(&e->passes)->b,
        .word = word,
    };
}

/* The band that is divided has rows behind the one that is. */
static int engine_band_goes_on(const Engine *e, const Config *config)
{
    int row = e->division_row;
    return row % config->drain_rows != config->drain_rows - 1 && row + 1 != fifo_front(&e->tiles)->b;
}

static Drain engine_drain(const Engine *e, const Config *config, int room)
{
    int advance = !e->output || room;
    int divides = !e->draining || (advance && e->column == config->block_cycles - 1);
    return (Drain){advance, divides, e->division == SEND && divides && e->division_row + 1 == fifo_front(&e->tiles)->b};
}

/* Loads a tile; tiles, passes: what goes into these queues, and whether it does. */
static void tile_loader_update(Engine *e, const Config *config, const Tile *command, int row_came, int complete,
                               int *tiles, int *passes)
{
    int loaded = 0;
    switch (e->state) {
    case TILE:
        if (command) {
            e->rows = command->rows;
            e->span = command->blocks;
            e->closes = command->last;
            e->row = 0;
            e->state = ROWS;
        }
        break;
    case ROWS:
        if ((row_came || e->row >= e->rows) && ++e->row == config->rows)
            e->state = DONE;
        break;
    case DONE:
        if ((*tiles = fifo_writable(&e->tiles))) {
            loaded = 1 << e->word;
            e->spans[e->word] = e->span;
            e->word = (int32_t)((e->word + 1) % config->words);
            e->count++;
            e->state = e->closes ? PASS : TILE;
        }
        break;
    case PASS:
        if ((*passes = fifo_writable(&e->passes))) {
            e->count = 0;
            e->first_word = e->word;
            e->state = TILE;
        }
        break;
    }
    e->loaded = (e->loaded & ~complete) | loaded;
}

static void sequencer_update(Engine *e, const Config *config, int64_t now, Slots s)
{
    const Entry *pass = fifo_front(&e->passes), *block = fifo_front(&e->blocks);
    int ended = s.idle ? e->ending : 0, finish = e->active && s.idle;
    e->multiplies = e->active;
    if (ended)
        due_add(&e->finished, now + config->finished_after, ended);
    if (finish && e->opens)
        due_add(&e->release, now + config->values_after, 0);
    if (s.idle)
        e->ends_block = e->ending = 0;
    if (s.start) {
        e->slot_end = now + config->block_cycles;
        e->opens = !e->claimed;
        e->unclaimed -= !e->claimed;
        e->found = 0;
        e->claimed = 1;
        e->index++;
    } else if (s.exhausted) {
        e->ends_block = 1;
        for (int n = 0; block->b && n < pass->b; n++)
            e->ending |= 1 << (pass->a + n) % config->words;
        e->index = e->claimed = 0;
    } else if (e->blocks.out && e->passes.out && !e->found) {
        if (e->spans[s.word].low <= block->a && block->a < e->spans[s.word].high)
            e->found = 1;
        else
            e->index++;
    }
    e->active = s.start || (e->active && !finish);
    e->begun = (e->begun & ~ended) | s.start << s.word;
    e->busy |= s.start << s.word;
}

static void normalizer_update(Engine *e, const Config *config, int64_t now, Drain d)
{
    const Entry *tile = fifo_front(&e->tiles);
    int enable = d.advance && e->draining, last_column = e->column == config->block_cycles - 1;
    if (d.advance && e->bank && e->bank_last)
        e->busy &= ~(1 << e->bank_word);
    if (d.advance) {
        e->output = e->aligned;
        e->more = e->aligned_more;
        e->aligned = e->bank;
        e->aligned_more = e->bank_more;
        e->bank = e->draining;
        e->bank_more = e->drain_more;
        e->bank_last = last_column && e->drain_last;
        e->bank_word = e->drain_word;
    }
    if (enable)
        e->column = last_column ? 0 : e->column + 1;
    if (d.divides) {
        e->draining = e->division == SEND;
        e->drain_more = e->division_row % (int32_t)config->drain_rows;
        e->drain_last = e->division_row + 1 == tile->b;
        e->drain_word = tile->a;
    }
    switch (e->division) {
    case READ:
        if (e->tiles.out && e->complete >> tile->a & 1)
            e->division = NORMALIZE;
        break;
    case NORMALIZE:
        e->divided = now + RECIPROCAL_BITS;
        e->division = DIVIDE;
        break;
    case DIVIDE:
        if (now == e->divided) {
            int goes_on = engine_band_goes_on(e, config);
            e->division = goes_on ? NORMALIZE : SEND;
            e->division_row += goes_on;
        }
        break;
    case SEND:
        if (d.divides) {
            e->division_row = d.handed ? 0 : e->division_row + 1;
            e->division = READ;
        }
        break;
    }
}

/* works, drains: whether the rest of the engine, and its normalizer, are awake. */
static void engine_update(Engine *e, const Config *config, int64_t now, int works, int drains, int room,
                          const Tile *command, int row_came, int block_came, int last_block, int64_t number)
{
    int complete = 0, tiles = 0, passes = 0, handed = 0;
    Entry tile = {.a = e->word, .b = e->rows}, pass = {.a = e->first_word, .b = e->count};
    Slots s = works ? engine_slots(e, config, now) : (Slots){0};
    if (drains) {
        Drain d = engine_drain(e, config, room);
        handed = d.handed ? 1 << fifo_front(&e->tiles)->a : 0;
        normalizer_update(e, config, now, d);
    }
    if (works) {
        int last = fifo_front(&e->blocks)->b;
        if (due_now(&e->finished, now))
            complete = e->finished.what[e->finished.out++ % DUE];
        if (due_now(&e->release, now)) {
            e->release.out++;
            e->values--;
        }
        e->keys += block_came - (e->ends_block && s.idle);
        e->values += block_came;
        sequencer_update(e, config, now, s);
        tile_loader_update(e, config, command, row_came, complete, &tiles, &passes);
        if (block_came)
            due_add(&e->comes, now + config->rank - 1, 0);
        if (due_now(&e->comes, now)) {
            e->comes.out++;
            e->unclaimed++;
        }
        e->slots += s.start;
        fifo_update(&e->passes, passes, pass, s.exhausted && last);
        fifo_update(&e->blocks, block_came, (Entry){.a = (int32_t)number, .b = last_block}, s.exhausted);
    }
    e->complete = (e->complete & ~handed) | complete;
    fifo_update(&e->tiles, tiles, tile, handed != 0);
}

/* The first cycle in which the normalizer has something to do, unless its output moves. */
static int64_t engine_drains(const Engine *e, int64_t now)
{
    const Entry *tile = fifo_front(&e->tiles);
    int moves = (e->draining || e->bank || e->aligned) && !e->output;
    int divides = e->division == NORMALIZE || (e->division == READ && e->tiles.out && e->complete >> tile->a & 1) ||
                  (e->division == SEND && !e->draining);
    return moves || divides || fifo_moves(&e->tiles) ? now + 1 : e->division == DIVIDE ? e->divided : NEVER;
}

/* The first cycle in which the rest of it has, unless a tile, a row or a block comes: all its registers stay till then. */
static int64_t engine_works(const Engine *e, const Config *config, int64_t now)
{
    int loads = (e->state == ROWS && e->row >= e->rows) || e->state == DONE || e->state == PASS;
    int queues = fifo_moves(&e->passes) || fifo_moves(&e->blocks);
    int picks = e->blocks.out && e->passes.out && !e->found;
    int starts = e->found && !e->active && (e->claimed || e->unclaimed) && !engine_waits(e, config, now + 1);
    int ends = !e->active && (e->ends_block || e->ending);
    if (loads || queues || picks || starts || ends || e->multiplies != e->active)
        return now + 1;
    int64_t next = least(due_next(&e->finished), least(due_next(&e->release), due_next(&e->comes)));
    return e->active ? least(next, e->slot_end) : next;
}
