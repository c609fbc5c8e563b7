/* The cycle model of a whole chip, which does in every cycle what the RTL does, for jobs that succeed.

Cycles in which no register changes are passed over at once, and so are engines that only wait.
*/

#include "common.h"

#include "mask.h"

#include "planner.h"

#include "axi.h"
#include "job_table.h"
#include "query_loader.h"

#include "block_reader.h"
#include "kv_walker.h"

#include "kv_fetcher.h"
#include "network.h"
#include "lse_packer.h"
#include "output_writer.h"

#include "engine.h"

typedef struct {
    JobTable table;
    Planner planner;
    QueryLoader loader;
    KvFetcher fetcher;
    Reader readers[MAX_PORTS];
    int32_t lead; /* blocks whose keys have come over those whose values have, where these have a port of their own */
    Writer writer;
    OutputWriter output;
    Network network;
    Engine engines[MAX_ENGINES];
    int64_t works[MAX_ENGINES], drains[MAX_ENGINES]; /* until then an engine, its normalizer only wait */
    uint32_t room, takes_tile, multiply, loaded, waits, outputs;
    int32_t more[MAX_ENGINES]; /* rows of the band that leaves an engine, behind the first */
    int32_t slots[SLOTS];   /* the job in each slot of the table */
    Note *notes;            /* of the blocks in the global buffer */
    int64_t block;          /* number of the one that was read */
    Entry entries[(7 + (6 + MAX_LANES) * MAX_ENGINES) * QUEUE];
} Chip;

static void chip_reset(Chip *c, const Config *config)
{
    Entry *entries = c->entries;
    fifo_reset(&c->table.queue, JOB_QUEUE, &entries);
    fifo_reset(&c->loader.notes, ROWS_IN_FLIGHT, &entries);
    for (int n = 0; n < MAX_PORTS; n++)
        fifo_reset(&c->readers[n].pending, OUTSTANDING, &entries);
    fifo_reset(&c->writer.pending, OUTSTANDING, &entries);
    fifo_reset(&c->writer.runs, OUTSTANDING, &entries);
    fifo_reset(&c->output.order, ROWS_AHEAD, &entries);
    for (int e = 0; e < config->engines; e++) {
        fifo_reset(&c->network.passes[e], PASSES_PLANNED, &entries);
        for (int n = 0; n < config->drain_rows; n++)
            fifo_reset(&c->output.packers[e].lanes[n].beats, config->words_packed, &entries);
        fifo_reset(&c->output.packers[e].places, config->tiles_placed, &entries);
        fifo_reset(&c->output.packers[e].lse.places, config->tiles_placed, &entries);
        fifo_reset(&c->engines[e].passes, PASSES_LOADED, &entries);
        fifo_reset(&c->engines[e].tiles, config->tiles_ahead, &entries);
        fifo_reset(&c->engines[e].blocks, config->ring_blocks, &entries);
    }
    c->writer.ready = 1;
    for (int w = 0; w < config->walks; w++)
        c->fetcher.walks[w].falls = 1;
    c->room = c->takes_tile = c->output.room = every(config);
}

/* works, moves, drains: engines in which something happens besides the normalizer, whose output moves, whose normalizer
   does something. */
static void engines_update(Chip *c, const Config *config, int64_t now, uint32_t works, uint32_t drains, uint32_t moves,
                           const Tile *tile)
{
    FOR_EACH(e, works | drains) {
        Engine *engine = &c->engines[e];
        int n = (int)e, busy = engine->busy;
        engine_update(engine, config, now, works >> e & 1, drains >> e & 1, moves >> e & 1,
                      tile && tile->engine == n ? tile : NULL, c->loader.arrives == n + 1, c->network.block_valid >> n & 1,
                      c->network.block_last >> n & 1, c->block);
        c->drains[e] = engine_drains(engine, now);
        c->outputs = with(c->outputs, n, engine->output);
        c->more[n] = engine->more;
        if (!(works >> e & 1) && engine->busy == busy)
            continue;
        c->works[e] = engine_works(engine, config, now);
        c->waits = with(c->waits, n, engine_waits(engine, config, now + 1));
        c->room = with(c->room, n, engine_room(engine, config));
        c->takes_tile = with(c->takes_tile, n, engine_takes_tile(engine));
        c->multiply = with(c->multiply, n, engine->multiplies);
        c->loaded = with(c->loaded, n, engine_loaded(engine));
    }
}

/* The next cycle in which something happens if nothing does in this one. */
static int64_t next_event(const Chip *c, const Config *config, const Job *jobs, int job_count, int64_t now)
{
    int64_t next = table_next(&c->table, jobs, job_count, now);
    for (int w = 0; w < config->walks; w++)
        next = least(next, walker_next(&c->fetcher.walks[w], now));
    for (int n = 0; n < MAX_PORTS; n++)
        next = least(next, due_next(&c->readers[n].bursts));
    next = least(next, due_next(&c->writer.answers));
    for (int e = 0; e < config->engines; e++)
        next = least(next, least(c->works[e], c->drains[e]));
    return next;
}

/* One cycle, and those behind it in which nothing happens; returns the cycle that follows. */
static int64_t step(Chip *c, const Config *config, const Job *jobs, int job_count, int64_t now, int64_t limit, Counts *n)
{
    /* Jobs and tiles. */
    int table_offer = table_offers(&c->table, jobs, now);
    int job_taken = table_offer && c->planner.state == PLAN_JOB;
    int need = c->planner.state == PLAN_NEED && network_takes_need(&c->network);
    int pass = c->planner.state == PLAN_PASS ? fetcher_takes(&c->fetcher, config, &c->planner, c->network.coming) : -1;
    int free = reader_free(&c->readers[0]), table = table_reads(&c->table, now);
    Tile tile = {0};
    const Tile *shown = NULL;
    if (c->planner.state == PLAN_TILES && !c->planner.stepped) {
        tile = planner_tile(&c->planner, config);
        shown = &tile;
    }
    int command = c->loader.state == LOAD_COMMAND && c->takes_tile >> tile.engine & 1 &&
                  fifo_writable(&c->output.packers[tile.engine].places) &&
                  fifo_writable(&c->output.packers[tile.engine].lse.places);
    int tile_taken = shown && loader_takes(&c->loader, shown, free && !table);
    int loaded = c->loader.arrives && c->loader.final;

    /* Engines. */
    uint32_t moves = c->outputs & c->output.room, drains = moves;
    uint32_t works = c->network.block_valid | (command ? 1u << tile.engine : 0) | 1u << c->loader.arrives >> 1;
    for (int e = 0; e < config->engines; e++) {
        works |= (uint32_t)(now >= c->works[e]) << e;
        drains |= (uint32_t)(now >= c->drains[e]) << e;
    }

    /* Reads. */
    Beats beats = reader_beats(&c->readers[0], now), values = reader_beats(&c->readers[1], now);
    int keys_end = beats.last && beats.whole, values_end = values.last && values.whole, written = keys_end;
    int query = loader_offers(&c->loader), kv = fetcher_offers(&c->fetcher, config);
    Request read = {0};
    if (table)
        read = table_request(&c->table, config);
    else if (query)
        read = loader_request(&c->loader, config, c->planner.job, c->planner.slot);
    else if (kv)
        read = fetcher_request(&c->fetcher, config);
    int kv_v = c->fetcher.readers[1].busy, taken_v = kv_v && reader_takes(&c->readers[1]);
    Request values_read = kv_v ? block_request(&c->fetcher.readers[1], config) : (Request){0};
    if (config->read_ports > 1 && !c->fetcher.keys_alone) {
        written = c->lead < 0 ? keys_end : c->lead ? values_end : keys_end && values_end;
        c->lead += keys_end - values_end;
    }
    int room = network_room(&c->network, config);
    int from = fetcher_reserves(&c->fetcher, config, room), reserve = from >= 0;

    /* Network. */
    Note front = c->notes[c->network.front % (uint32_t)config->buffer_blocks];
    uint32_t served = network_serves(&c->network, c->room);

    /* Writes. */
    int offers = output_offers(&c->output), go = offers && writer_ready(&c->writer), word = output_word(&c->output);
    int moved = word && writer_takes(&c->writer, config, now);
    int row_slot = writer_answer(&c->writer, now);
    Request write = offers ? output_request(&c->output, config, jobs, c->slots) : (Request){0};

    /* Where every engine's cycle goes: the first cause that holds. */
    int running = table_running(&c->table), working = (c->multiply | c->loaded) != 0;
    int left_to_load = shown || c->planner.state != PLAN_JOB || table_offer || c->table.more, loading = loader_loading(&c->loader);
    uint32_t idle = running ? every(config) & ~c->multiply : 0;
    uint32_t drain = !working && !left_to_load ? idle : idle & c->waits;
    uint32_t memory = idle & ~drain & c->loaded, rest = idle & ~drain & ~memory;
    uint32_t multiply = c->multiply;
    int64_t tables = 0, *bytes[KINDS] = {&n->bytes_scale, &n->bytes_query, &n->bytes_key, &n->bytes_value, &tables, &tables, &tables, &n->bytes_scale};

    /* All registers change. */
    int changes = works || drains || reserve || word;
    Entry place = {c->loader.o_address, c->loader.head, tile.rows, c->planner.slot};
    Entry lse_place = {.address = c->loader.l_address, .b = tile.rows, .c = c->planner.slot};
    changes |= output_update(&c->output, config, jobs, c->slots, moves, c->more, command ? tile.engine : -1, &place, &lse_place,
                             go, moved, write);
    engines_update(c, config, now, works, drains, moves, command ? &tile : NULL);
    if (served)
        c->block = front.block;
    if (reserve) {
        const KvWalker *walk = &c->fetcher.walks[from];
        c->notes[c->network.entry % (uint32_t)config->buffer_blocks] = (Note){walk->here.block, walk->stream, from};
    }
    changes |= writer_update(&c->writer, config, now, offers, write, moved);
    changes |= loader_update(&c->loader, c->planner.job, shown, beats, free && !table, command);
    changes |= fetcher_update(&c->fetcher, config, now, &c->planner, pass, room, kv && free && !table && !query,
                              taken_v, beats.kind == PAGE && beats.beats ? beats.walk : -1);
    changes |= reader_update(&c->readers[0], config, now, beats.beats != 0, 1, table || query || kv, read);
    if (config->read_ports > 1)
        changes |= reader_update(&c->readers[1], config, now, values.beats != 0, 0, kv_v, values_read);
    changes |= network_update(&c->network, config, &c->planner, need, c->fetcher.newest, loaded, reserve, written,
                              served, front);
    changes |= planner_update(&c->planner, config, job_taken ? &jobs[c->table.part] : NULL, c->table.newest, pass >= 0, need,
                              tile_taken);
    if (job_taken)
        c->slots[c->table.newest] = c->table.part;
    changes |= table_update(&c->table, config, jobs, job_count, now, job_taken, table && free, beats, row_slot);

    int64_t next = changes ? now + 1 : least(next_event(c, config, jobs, job_count, now), limit), cycles = next - now;
    n->cycles += running * cycles;
    n->mac_cycles += count(multiply) * cycles;
    n->idle_drain += count(drain) * cycles;
    n->idle_memory += count(memory) * cycles;
    *(loading || !working ? &n->idle_load : &n->idle_imbalance) += count(rest) * cycles;
    *bytes[beats.kind] += beats.beats * config->bus_bytes;
    n->bytes_value += values.beats * config->bus_bytes;
    n->bytes_output += moved * config->bus_bytes;
    n->buffer_writes += written;
    n->buffer_reads += served != 0;
    n->deliveries += count(served);
    return next;
}

/* Run jobs, which the host pushes in order; returns how many ended before the cycle `limit`. */
int fusioncim_run(const Config *config, const Job *jobs, int job_count, int64_t limit, Counts *counters)
{
    Chip *c = calloc(1, sizeof *c);
    int64_t now = 0;
    if (!c || !(c->notes = calloc((size_t)config->buffer_blocks, sizeof *c->notes)))
        abort();
    chip_reset(c, config);
    while (c->table.ended < job_count && now < limit)
        now = step(c, config, jobs, job_count, now, limit, counters);
    int ended = c->table.ended;
    for (int e = 0; e < config->engines; e++)
        counters->slots += c->engines[e].slots;
    free(c->notes);
    free(c);
    return ended;
}
