"""The whole engine under Icarus, every output bit and every counted event against the golden model."""

from dataclasses import replace
from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.triggers import RisingEdge
from tests.cases import one_in, part

from fusioncim.engine.controller import block_layout, engine_state_layout
from fusioncim.engine.engine import Engine
from fusioncim.engine.reciprocal import division_cycles
from fusioncim.engine.softmax_layouts import softmax_events_layout
from fusioncim_golden import engine as golden
from fusioncim_golden.config import Config
from fusioncim_golden.mask import CAUSAL, FULL, Mask
from fusioncim_golden.presets import preset
from fusioncim_golden.quantize import from_integers, quantize
from fusioncim_golden.schedule import Job
from fusioncim_golden.sinks import sinks_of
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.engine_run import simulate_jobs
from fusioncim_sim.rtl.packing import pack
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.rtl.stream import STALLS, Sink, Source, reset, within
from fusioncim_sim.rtl.stream_words import output_words, pair_words, query_word, tile_word

TINY = preset("tiny").alone()
PORTS = ("i_tile", "i_q", "i_block", "i_kv", "o")


def random_heads(config, queries, keys, heads=1, seed=0, sharpness=2.0):
    rng = np.random.default_rng(seed)
    q = rng.normal(size=(heads, queries, config.columns)) * sharpness
    k, v = rng.normal(size=(2, keys, config.columns))
    return quantize(q, k, v, bits=config.operand_bits)


def assert_bit_exact(config, jobs, **options):
    run = simulate_jobs(config, jobs, **options)
    for (heads, job), outputs, lse in zip(jobs, run.outputs, run.lse, strict=True):
        expected = golden.run(config, heads, job)
        assert outputs.size > 0
        wrong = np.count_nonzero(outputs != expected.out)
        assert not wrong, f"{wrong} of {outputs.size} differ"
        assert np.array_equal(lse, expected.lse)
    return run


JOBS = {
    "one_key": Job(queries=1, keys=1),
    "tile_minus_one": Job(queries=7, keys=7),
    "tile": Job(queries=8, keys=8),
    "tile_plus_one": Job(queries=9, keys=9),
    "ragged": Job(queries=21, keys=21),
    "full_ragged": Job(queries=10, keys=19, mask=FULL),
    "decode": Job(queries=3, keys=22),
    "chunk_inside_cache": Job(queries=9, keys=30, start=14),
    "more_queries_than_keys": Job(queries=19, keys=6),
    "heads": Job(queries=9, keys=9, heads=3),
    "heads_fill_a_tile": Job(queries=2, keys=30, heads=4),
    "decode_of_many_heads": Job(queries=1, keys=33, heads=20),
    "chunk_of_heads": Job(queries=7, keys=40, heads=5, start=21, words_per_pass=2),
    "full_heads": Job(queries=5, keys=19, heads=3, mask=FULL, words_per_pass=2),
    "one_word_per_pass": Job(queries=24, keys=24, words_per_pass=1),
    "all_words_per_pass": Job(queries=24, keys=24, words_per_pass=2),
}


@pytest.mark.parametrize("queries", [1, 2, 3, 5, 10, 15])
def test_a_tile_has_rows_that_fill_no_band(queries):
    config = TINY.override(drain_rows=4)
    job = Job(queries=queries, keys=12, heads=2, start=0)  # the first queries see few keys, those of heads mix
    assert_bit_exact(config, [(random_heads(config, queries, 12, 2), job)], stall={"o": "randomly"})


@pytest.mark.parametrize("name", JOBS)
def test_job_shapes(name):
    job = JOBS[name]
    assert_bit_exact(TINY, [(random_heads(TINY, job.queries, job.keys, job.heads), job)])


CONFIGS = {
    "in_order": {"schedule": "in_order"},
    "sink_first": {"schedule": "sink_first"},
    "integer_reference": {"slack": 0},
    "seeded": {"seed": True},
    "seeded_beyond_flush": {"seed": True, "flush": 2, "slack": 1},
    "rank_1": {"update_rank": 1},
    "rank_4": {"update_rank": 4, "columns": 32},
    "rank_8": {"update_rank": 8, "columns": 64},
    "int4": {"operand_bits": 4, "softmax_lanes": 2},
    "int4_rank_1": {"operand_bits": 4, "softmax_lanes": 2, "update_rank": 1, "columns": 8},
    "spare_lanes": {"softmax_lanes": 4},
    "one_row_per_lane": {"softmax_lanes": 8},
    "narrow_accumulator": {"accumulator_bits": 16, "slack": 1, "flush": 6},
    "wide_accumulator": {"accumulator_bits": 32, "probability_bits": 12, "fraction_bits": 10, "lut_size": 1024},
    "short_probability": {"probability_bits": 6, "lut_size": 8, "fraction_bits": 4},
    "int8_output": {"output_bits": 8},
    "one_word": {"words": 1},
    "three_words": {"words": 3},
    "two_rows_leave": {"drain_rows": 2},
    "four_rows_leave": {"drain_rows": 4, "output_bits": 8},
    "four_of_twelve_rows_leave": {"drain_rows": 4, "rows": 12, "softmax_lanes": 2, "operand_bits": 8},
    "two_of_six_rows_leave": {"drain_rows": 2, "rows": 6, "softmax_lanes": 3, "words": 1},
}


SHORT = (
    *("in_order", "seeded_beyond_flush", "rank_1", "int4", "one_row_per_lane", "narrow_accumulator"),
    *("wide_accumulator", "short_probability", "int8_output", "three_words", "four_of_twelve_rows_leave"),
)


@pytest.mark.parametrize("name", part(CONFIGS, *SHORT))
def test_configurations(name):
    config = TINY.override(**CONFIGS[name])
    job, heads = Job(queries=29, keys=29), random_heads(config, 29, 29, sharpness=4.0)
    assert_bit_exact(config, [(heads, job), (replace(heads, centred=True), job)])


@pytest.mark.parametrize("schedule", ["diagonal_first", "sink_first"])
def test_full_attention_wraps_behind_the_diagonal(schedule):
    config = TINY.override(schedule=schedule)
    job = Job(queries=20, keys=27, mask=FULL, start=3)
    assert_bit_exact(config, [(random_heads(config, 20, 27), job)])


def corner(q, k, v, **scales):
    return from_integers(*(np.asarray(x, dtype=np.int64) for x in (q, k, v)), **scales)


def filled(tokens, value):
    return np.full((tokens, TINY.columns), value)


CORNERS = {
    "most_negative": lambda n: corner(filled(n, -128)[None], filled(n, -128), filled(n, -128)),
    "opposite_extremes": lambda n: corner(filled(n, -128)[None], filled(n, 127), filled(n, 127)),
    "equal_scores": lambda n: corner(filled(n, 0)[None], filled(n, 0), filled(n, 127)),
    "falling_scores": lambda n: corner(filled(n, 127)[None], filled(n, 1) * -np.arange(n)[:, None], filled(n, 99)),
    "rising_scores": lambda n: corner(filled(n, 127)[None], filled(n, 1) * np.arange(n)[:, None], filled(n, -77)),
    "largest_scale": lambda n: corner(
        filled(n, 127)[None], filled(n, -128) * (-1) ** np.arange(n)[:, None] // 2, filled(n, 5), softmax_scale=1.25
    ),
    "smallest_scale": lambda n: corner(filled(n, 127)[None], filled(n, 127), filled(n, 1), softmax_scale=1e-7),
}


@pytest.mark.parametrize("name", CORNERS)
@pytest.mark.parametrize("schedule", ["in_order", "diagonal_first"])
def test_corner_operands(name, schedule):
    config = TINY.override(schedule=schedule)
    heads = CORNERS[name](12)
    assert_bit_exact(config, [(heads, Job(queries=12, keys=12))])


def test_accumulators_about_to_overflow_are_halved():
    config = TINY.override(accumulator_bits=20, slack=0, flush=8)
    heads = corner(np.zeros((1, 8, 16)), np.zeros((60, 16)), np.full((60, 16), -128))
    job = Job(queries=8, keys=60, mask=FULL)
    assert golden.run(config, heads, job).events.halvings >= 8
    assert_bit_exact(config, [(heads, job)])


@pytest.mark.parametrize("pattern", ["randomly", "mostly", "bursts"])
@pytest.mark.parametrize(("seed", "drain_rows"), [(1, 1), (2, 1), (3, 2), (4, 4)])
def test_every_stream_stalls(pattern, seed, drain_rows):
    config = TINY.override(drain_rows=drain_rows)
    job = Job(queries=19, keys=19, heads=2)
    heads = random_heads(config, 19, 19, 2, seed)
    assert_bit_exact(config, [(heads, job)], stall=dict.fromkeys(PORTS, pattern), seed=seed)


@pytest.mark.parametrize("port", PORTS)
def test_one_stream_stalls(port):
    job = Job(queries=17, keys=17)
    assert_bit_exact(TINY, [(random_heads(TINY, 17, 17), job)], stall={port: "mostly"}, seed=3)


@pytest.mark.parametrize("drain_rows", [1, 2, 4])
def test_jobs_follow_each_other(drain_rows):
    jobs = [
        (random_heads(TINY, queries, keys, heads, seed), Job(queries=queries, keys=keys, heads=heads, mask=mask))
        for seed, (queries, keys, heads, mask) in enumerate([(9, 9, 1, CAUSAL), (3, 17, 2, FULL), (1, 1, 1, CAUSAL)])
    ]
    config = TINY.override(drain_rows=drain_rows)
    assert_bit_exact(config, jobs)
    assert_bit_exact(config.override(seed=True), jobs, stall=dict.fromkeys(PORTS, "randomly"), seed=5)


@pytest.mark.parametrize("seed", one_in(2, range(6)))
def test_random_jobs_on_random_configurations(seed):
    rng = np.random.default_rng(100 + seed)

    def choose(*values):
        return values[rng.integers(len(values))]

    bits, rank = choose(4, 8), choose(1, 2, 4)
    rows = choose(4, 8, 12)
    config = Config(
        rows=rows,
        columns=bits * rank * choose(1, 2),
        words=choose(1, 2, 4),
        operand_bits=bits,
        probability_bits=choose(7, 8, 9, 10),
        accumulator_bits=choose(22, 24, 27),
        softmax_lanes=rows // choose(*(n for n in (1, 2, 3, 4, 6, 8) if rows % n == 0 and n <= bits)),
        update_rank=rank,
        slack=choose(0, 2, 4),
        seed=bool(rng.integers(2)),
        flush=choose(6, 9, 11),
        schedule=choose("in_order", "diagonal_first", "sink_first"),
        output_bits=choose(8, 16),
        drain_rows=choose(1, 2, 4),
    )
    queries, keys = int(rng.integers(1, 30)), int(rng.integers(1, 40))
    job = Job(
        queries=queries,
        keys=keys,
        heads=int(rng.integers(1, 4)),
        mask=choose(CAUSAL, FULL, Mask(window=5), Mask(window=3, ahead=4), Mask(chunk=8), Mask(prefix=6)),
        start=int(rng.integers(0, 20)),
        words_per_pass=int(rng.integers(1, config.words + 1)),
    )
    heads = random_heads(config, queries, keys, job.heads, seed, sharpness=float(choose(1.0, 4.0, 12.0)))
    heads = replace(heads, centred=bool(seed & 1))
    stall = {port: choose("never", "randomly", "bursts") for port in PORTS}
    assert_bit_exact(config, [(heads, job)], stall=stall, seed=seed)


@pytest.mark.parametrize("name", ["sink", "local"])
def test_real_heads(name):
    config = TINY.override(columns=64, update_rank=4)
    (head,) = [head.first(40) for head in load_heads(fixture(), config) if head.name == name]
    assert_bit_exact(config, [(head.quantized(config), Job(queries=40, keys=40))])


@pytest.mark.parametrize(
    ("changes", "pace"), [({}, 8), ({"operand_bits": 4, "softmax_lanes": 2}, 4), ({"words": 4, "update_rank": 1}, 8)]
)
def test_steady_state_has_no_gap(changes, pace):
    config = TINY.override(**changes)
    keys = 64
    job = Job(queries=config.rows * config.words, keys=keys, mask=FULL, words_per_pass=config.words)
    run = assert_bit_exact(config, [(random_heads(config, job.queries, keys), job)])
    busy = np.flatnonzero(run.activity["qk"])
    assert len(busy) == pace * keys * config.words
    assert busy[-1] - busy[0] + 1 == len(busy)


def test_drain_and_load_hide_behind_the_next_pass():
    config = TINY.override(words=2, update_rank=2)
    job = Job(queries=32, keys=64, mask=FULL)
    run = assert_bit_exact(config, [(random_heads(config, 32, 64), job)])
    busy = np.flatnonzero(run.activity["qk"])
    assert len(busy) >= 0.99 * (busy[-1] - busy[0] + 1)


SINK_RUNS = {
    "tiles that drain while their word is loaded": (
        {"words": 2},
        Job(queries=5, keys=16, heads=9, mask=FULL, words_per_pass=2),
        "never",
    ),
    "one word, queries that see no key": ({"words": 1}, Job(queries=19, keys=6, heads=2), "randomly"),
    "two rows at a time, three words": (
        {"words": 3, "drain_rows": 2},
        Job(queries=7, keys=20, heads=5, mask=Mask(window=9)),
        "mostly",
    ),
    "INT4": ({"operand_bits": 4, "softmax_lanes": 2, "output_bits": 8}, Job(queries=9, keys=40, heads=3), "bursts"),
    "seeded": ({"seed": True, "words": 2}, Job(queries=40, keys=40, heads=2), "never"),
}


@pytest.mark.parametrize("name", SINK_RUNS)
def test_rows_have_the_sinks_of_their_heads(name):
    changes, job, stall = SINK_RUNS[name]
    config = TINY.override(**changes)
    plain = random_heads(config, job.queries, job.keys, job.heads)
    sinks = sinks_of(np.linspace(-9, 12, job.heads)) * (np.arange(job.heads) % 4 != 3)
    jobs = [(replace(plain, sinks=sinks), job), (plain, job), (replace(plain, sinks=sinks[::-1]), job)]
    assert_bit_exact(config, jobs, stall=dict.fromkeys(PORTS, stall), seed=3)


# Events, and the share of one engine of several.

COUNTERS = {"zero_row_updates": "skipped_row_updates"}
"""Golden events by the name in hardware, where the names differ."""


def share(config, jobs, engine=0, engines=1):
    """Words of one engine's streams and beats, by port, and its events by name."""
    rank, words = config.update_rank, {port: [] for port in PORTS}
    events = dict.fromkeys((name for name, _ in softmax_events_layout(config)), 0)
    for heads, job in jobs:
        pairs = [*pair_words(config, heads), *[0] * rank]
        result = golden.run(config, heads, job, engines)
        mine = [step for step in golden.trace(config, heads, job, engines) if step.tile.engine == engine]
        for n, step in enumerate(mine):
            tile, group = step.tile, step.key_blocks
            last = n == len(mine) - 1 or mine[n + 1].key_blocks is not group
            words["i_tile"].append(tile_word(config, tile, last=last))
            for head, query, low, high in zip(tile.head, tile.query, tile.low, tile.high[: tile.count], strict=False):
                words["i_q"].append(query_word(config, heads, head, query, (int(low), int(high))))
            places = tile.head[: tile.count], tile.query[: tile.count]
            words["o"] += output_words(config, list(result.out[places]), list(result.lse[places]), [tile.count])
            add_events(config, events, step)
            if last:
                taken = [other.tile.blocks(rank) for other in mine if other.key_blocks is group]
                low, high = min(x.start for x in taken), max(x.stop for x in taken)
                order = zip(group.blocks, group.positions(config), strict=True)
                seen = [(block, positions) for block, positions in order if low <= block < high]
                for block, positions in seen:
                    announced = {"block": int(block), "last": int(block == seen[-1][0])}
                    words["i_block"].append(pack(block_layout(config), announced))
                    words["i_kv"] += [pairs[position] for position in positions]
    return words, events


def add_events(config, events, step):
    """Add the golden counts of a tile."""
    counted = golden.count_events(config, step)
    for name in events:
        events[name] += getattr(counted, COUNTERS.get(name, name))


@cocotb.test()
async def gives_beats_and_events(dut):
    """Vectors come when they can (`ahead`), or once their block was accepted; then they never wait."""
    this = case()
    config = TINY.override(**this["config"])
    words = {port: [int(x, 16) for x in this["words"][port]] for port in PORTS}
    sources = {port: Source(dut, port, STALLS[this["stall"]](n)) for n, port in enumerate(PORTS[:-1])}
    sink = Sink(dut, "o", STALLS[this["stall"]](len(PORTS)))
    await reset(dut)
    events = dict.fromkeys(this["events"], 0)
    active = blocks = vectors = 0

    def moves(port):
        return int(getattr(dut, f"{port}__valid").value == 1 and getattr(dut, f"{port}__ready").value == 1)

    async def watch():
        nonlocal active, blocks, vectors
        layout = softmax_events_layout(config)
        while True:
            await RisingEdge(dut.clk)
            now = layout.from_bits(int(dut.events.value))
            for name in events:
                events[name] += now[name]
            active += engine_state_layout().from_bits(int(dut.state.value)).active
            assert vectors >= blocks * config.update_rank or dut.i_kv__ready.value == 1
            blocks, vectors = blocks + moves("i_block"), vectors + moves("i_kv")

    async def send_vectors():
        for n, word in enumerate(words["i_kv"]):
            while n >= blocks * config.update_rank and not this["ahead"]:
                await RisingEdge(dut.clk)
            await sources["i_kv"].send(word)

    watcher = cocotb.start_soon(watch())
    feeds = [sources[port].send_all(words[port]) for port in ("i_tile", "i_q", "i_block")]
    seen = []

    async def receive():
        seen.extend(await sink.receive_all(len(words["o"])))

    await within(dut, 100000, *feeds, send_vectors(), receive())
    watcher.cancel()
    assert len(seen) > 0
    assert seen == words["o"]
    assert events == this["events"]
    assert active == this["events"]["slots"] * config.block_cycles
    assert vectors == blocks * config.update_rank


@pytest.mark.parametrize("drain_rows", [1, 2, 4])
def test_rows_leave_as_fast_as_their_beats(drain_rows):
    config = TINY.override(columns=64, update_rank=4, drain_rows=drain_rows)
    run = assert_bit_exact(config, [(random_heads(config, 8, 4), Job(queries=8, keys=4, mask=FULL))])
    leaves = np.flatnonzero(run.activity["drain"])
    assert len(leaves) == 8 // drain_rows * config.block_cycles
    waits = max(division_cycles(drain_rows) - config.block_cycles, 0) * (8 // drain_rows - 1)
    assert leaves[-1] - leaves[0] + 1 == len(leaves) + waits


def run_share(changes, jobs, *, engine=0, engines=1, stall="never", ahead=False):
    config = TINY.override(**changes)
    words, events = share(config, jobs, engine, engines)
    this = {"config": changes, "events": events, "stall": stall, "ahead": ahead}
    this["words"] = {port: [f"{x:x}" for x in values] for port, values in words.items()}
    run(Engine(config), Path(__file__).stem, "gives_beats_and_events", this, path=Path(__file__).parent)
    return events


def attends(config, job, **options):
    return random_heads(config, job.queries, job.keys, job.heads, **options), job


FALLING = corner(filled(9, 127)[None], filled(40, 1) * -np.arange(40)[:, None], filled(40, 99))
FLAT = corner(np.zeros((1, 8, 16)), np.zeros((60, 16)), np.full((60, 16), -128))
# Configuration, jobs, events that must happen; a port pattern.
EVENTS = {
    "moves": (
        {"slack": 0, "schedule": "in_order"},
        [attends(TINY, Job(queries=21, keys=21), sharpness=4.0)],
        "rescales",
    ),
    "halvings": (
        {"accumulator_bits": 20, "slack": 0, "flush": 8},
        [(FLAT, Job(queries=8, keys=60, mask=FULL))],
        "halvings",
    ),
    "zero_slots": (
        {"schedule": "in_order", "words": 4},
        [(FALLING, Job(queries=9, keys=40, mask=FULL, words_per_pass=2))],
        "zero_slots",
    ),
    "jobs": (
        {"softmax_lanes": 4, "words": 3},
        [
            attends(TINY, Job(queries=9, keys=20, heads=3, words_per_pass=2), sharpness=12.0),
            attends(TINY, Job(queries=1, keys=33, heads=5), seed=1),
        ],
        "zero_row_updates",
    ),
}


@pytest.mark.parametrize(("stall", "ahead"), [("never", False), ("randomly", True)])
@pytest.mark.parametrize("name", EVENTS)
def test_events_are_the_counters_of_the_golden_model(name, stall, ahead):
    changes, jobs, wanted = EVENTS[name]
    events = run_share(changes, jobs, stall=stall, ahead=ahead)
    assert events[wanted] >= 3
    total = golden.Events()
    for heads, job in jobs:
        total.add(golden.run(TINY.override(**changes), heads, job).events)
    assert events == {name: getattr(total, COUNTERS.get(name, name)) for name in events}


@pytest.mark.parametrize(("engine", "engines", "stall"), [(0, 2, "bursts"), (1, 2, "never"), (2, 4, "randomly")])
@pytest.mark.parametrize("seeded", [False, True])
def test_share_of_one_of_several_engines(engine, engines, stall, seeded):
    # Two words per pass: engine 2 of 4 has tiles 2 and 5 of the first job, then tile 10.
    jobs = [
        attends(TINY, Job(queries=43, keys=50, heads=2, words_per_pass=2), sharpness=4.0),
        attends(TINY, Job(queries=29, keys=29, mask=FULL, words_per_pass=2), seed=1, sharpness=4.0),
    ]
    run_share({"seed": seeded}, jobs, engine=engine, engines=engines, stall=stall)
