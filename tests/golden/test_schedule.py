from collections import defaultdict
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.key_order import ORDERS
from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask
from fusioncim_golden.reference import visible
from fusioncim_golden.schedule import Job, passes

TINY = Config(rows=4, columns=16, words=3, softmax_lanes=1, update_rank=2)
LIMIT = (1 << 20) - 1
ENGINES = (1, 2, 4, 16)

masks = st.builds(
    Mask,
    window=st.just(EVERY) | st.integers(1, 9),
    ahead=st.sampled_from([0, 0, 3, EVERY]),
    chunk=st.sampled_from([0, 0, 1, 4, 8]),
    prefix=st.sampled_from([0, 0, 5]),
)
jobs = st.builds(
    Job,
    queries=st.integers(1, 19),
    keys=st.integers(1, 23),
    heads=st.integers(1, 4),
    mask=masks,
    start=st.none() | st.integers(0, 25),
    words_per_pass=st.none() | st.integers(1, 3),
)
configs = st.builds(TINY.override, schedule=st.sampled_from(list(ORDERS)), update_rank=st.sampled_from([1, 2]))


@pytest.mark.parametrize("engines", [1, 2, 4, 16])
@pytest.mark.parametrize("heads", [1, 4])
def test_folded_engines_have_the_same_work_with_every_pair_of_blocks(engines, heads):
    """Two full tiles for every engine, of rows / heads queries each, which fill whole blocks."""
    config = Config(rows=32, columns=64, words=4, update_rank=4, schedule="folded")
    tokens = 2 * engines * config.rows // heads
    (group,) = passes(config, Job(queries=tokens, keys=5 * tokens, heads=heads, words_per_pass=2), engines)
    need = np.array([int(tile.high.max()) // config.update_rank for tile in group.tiles])
    triangle = group.blocks[1 : group.blocks.max() + 2 - need.min()]
    sees = need[:, None] > triangle
    work = np.array([sees[[tile.engine == n for tile in group.tiles]].sum(axis=0) for n in range(engines)])
    pairs = work[:, : len(triangle) // 2 * 2].reshape(engines, -1, 2).sum(axis=-1)
    assert np.ptp(pairs.cumsum(axis=-1), axis=0).max() <= 8 // heads
    assert np.ptp(work.sum(axis=-1)) == 0


@pytest.mark.parametrize(
    ("job", "seen"),
    [
        # Keys that each row of the only tile may see.
        (Job(queries=4, keys=4), [1, 2, 3, 4]),
        (Job(queries=4, keys=4, mask=FULL), [4, 4, 4, 4]),
        (Job(queries=3, keys=3), [1, 2, 3, 0]),
        (Job(queries=2, keys=3, mask=FULL), [3, 3, 0, 0]),
        (Job(queries=1, keys=9), [9, 0, 0, 0]),  # decode
        (Job(queries=3, keys=9), [7, 8, 9, 0]),
        (Job(queries=3, keys=9, start=2), [3, 4, 5, 0]),
        (Job(queries=4, keys=2), [1, 2, 2, 2]),  # more queries than keys
        (Job(queries=4, keys=9, start=7), [8, 9, 9, 9]),
    ],
)
def test_visible_counts(job, seen):
    (group,) = passes(TINY, job)
    assert [tile.high.tolist() for tile in group.tiles] == [seen]


@pytest.mark.parametrize(
    ("job", "tiles"),
    [
        # Head and query of every row, tile by tile.
        (Job(queries=5, keys=5), [["00", "01", "02", "03"], ["04"]]),
        (Job(queries=2, keys=9, heads=4), [["00", "10", "20", "30"], ["01", "11", "21", "31"]]),
        (Job(queries=3, keys=3, heads=2), [["00", "10", "01", "11"], ["02", "12"]]),
        (Job(queries=3, keys=3, heads=3), [["00", "10", "20", "01"], ["11", "21", "02", "12"], ["22"]]),
        (Job(queries=1, keys=7, heads=6), [["00", "10", "20", "30"], ["40", "50"]]),
    ],
)
def test_rows_are_heads_by_tokens(job, tiles):
    assert [names(tile) for group in passes(TINY, job) for tile in group.tiles] == tiles


def names(tile):
    rows = zip(tile.head[: tile.count], tile.query[: tile.count], strict=True)
    return [f"{head}{query}" for head, query in rows]


def test_visible_counts_belong_to_the_query_of_the_row():
    # Two heads of 3 queries at positions 3 to 5: rows of a tile see different numbers of keys.
    job = Job(queries=3, keys=6, heads=2)
    seen = [tile.high.tolist() for group in passes(TINY, job) for tile in group.tiles]
    assert seen == [[4, 4, 5, 5], [6, 6, 0, 0]]


@given(configs, jobs, st.sampled_from(ENGINES))
def test_every_row_is_in_one_tile_and_sees_what_the_reference_sees(config, job, engines):
    sees = visible(job)
    tiles = [tile for group in passes(config, job, engines) for tile in group.tiles]
    ascending = sorted(tiles, key=lambda tile: (tile.query[0], tile.head[0]))
    rows = [row for tile in ascending for row in zip(tile.head[: tile.count], tile.query[: tile.count], strict=True)]
    assert rows == [(head, query) for query in range(job.queries) for head in range(job.heads)]
    assert [tile.count for tile in ascending[:-1]] == [config.rows] * (len(tiles) - 1)
    assert 1 <= ascending[-1].count <= config.rows
    if not job.woven(config, engines):
        assert ascending == tiles
    for tile in tiles:
        assert tile.sees(np.arange(job.keys))[: tile.count].tolist() == sees[tile.query[: tile.count]].tolist()
        assert not tile.sees(np.arange(job.keys))[tile.count :].any()
        assert {len(x) for x in (tile.head, tile.query, tile.high)} == {config.rows}


@given(configs, jobs, st.sampled_from(ENGINES))
def test_the_words_of_an_engine_take_turns(config, job, engines):
    dealt = defaultdict(list)
    for group in passes(config, job, engines):
        places = {(tile.engine, tile.word) for tile in group.tiles}
        assert len(places) == len(group.tiles)
        for tile in group.tiles:
            dealt[tile.engine].append(tile)
    assert set(dealt) <= set(range(engines))
    for tiles in dealt.values():
        assert [tile.word for tile in tiles] == [n % config.words for n in range(len(tiles))]
        assert [tile.fresh for tile in tiles] == [n < config.words for n in range(len(tiles))]


@given(configs, jobs, st.sampled_from(ENGINES))
def test_a_pass_has_every_block_that_its_rows_may_see_and_no_other(config, job, engines):
    for group in passes(config, job, engines):
        keys = np.arange(-(-job.keys // config.update_rank) * config.update_rank)
        seen = np.any([tile.sees(keys).any(axis=0) for tile in group.tiles], axis=0)
        wanted = np.flatnonzero(seen.reshape(-1, config.update_rank).any(axis=1)).tolist()
        blocks = sorted(group.blocks.tolist())
        assert blocks == (wanted or [len(keys) // config.update_rank - 1])  # rows behind all keys see none
        for tile in group.tiles:
            assert set(tile.blocks(config.update_rank)) <= set(blocks)
        positions = np.sort(group.positions(config).reshape(-1))
        assert positions.tolist() == list(range(positions[0], positions[0] + len(blocks) * config.update_rank))


@given(configs, jobs, st.sampled_from(ENGINES))
def test_passes_are_full_but_for_the_last(config, job, engines):
    groups = list(passes(config, job, engines))
    resident = job.words_per_pass or 1
    counts = [[sum(tile.engine == n for tile in group.tiles) for n in range(engines)] for group in groups]
    assert counts[:-1] == [[resident] * engines] * (len(groups) - 1)
    assert sum(counts[-1]) >= 1
    assert max(counts[-1]) - min(counts[-1]) <= 1
    assert max(counts[-1]) <= resident


@pytest.mark.parametrize(
    ("engines", "words_per_pass", "tiles", "dealt"),
    [
        (1, 1, 3, [[0], [0], [0]]),
        (1, 3, 5, [[0, 0, 0], [0, 0]]),
        (2, 1, 5, [[0, 1], [0, 1], [0]]),
        (2, 2, 7, [[0, 1, 1, 0], [0, 1, 1]]),
        (2, 3, 8, [[0, 1, 1, 0, 0, 1], [0, 1]]),
        (4, 2, 14, [[0, 1, 2, 3, 3, 2, 1, 0], [0, 1, 2, 3, 3, 2]]),
        (4, 3, 12, [[0, 1, 2, 3, 3, 2, 1, 0, 0, 1, 2, 3]]),
        (16, 1, 17, [list(range(16)), [0]]),
        (16, 2, 33, [[*range(16), *reversed(range(16))], [0]]),
    ],
)
def test_tiles_are_dealt_there_and_back(engines, words_per_pass, tiles, dealt):
    job = Job(queries=4 * tiles, keys=4 * tiles, words_per_pass=words_per_pass)
    assert [[tile.engine for tile in group.tiles] for group in passes(TINY, job, engines)] == dealt


def slots(config, tile):
    """Blocks that pass the tile."""
    return -(-int(tile.high.max()) // config.update_rank)


def shares(group, engines, work):
    """Work of every engine in a pass."""
    return [sum(work(tile) for tile in group.tiles if tile.engine == n) for n in range(engines)]


@given(configs, jobs, st.sampled_from(ENGINES))
def test_in_a_full_pass_engines_differ_by_one_tile_at_most(config, job, engines):
    for group in list(passes(config, job, engines))[:-1]:
        work = shares(group, engines, partial(slots, config))
        assert max(work) - min(work) <= max(slots(config, tile) for tile in group.tiles)


@given(configs, st.integers(1, 400), st.integers(0, 9), st.sampled_from([1, 2, 4]), st.sampled_from(ENGINES))
def test_two_words_per_pass_give_every_engine_the_same_causal_work(config, queries, start, heads, engines):
    job = Job(queries=queries, keys=start + queries, start=start, heads=heads, words_per_pass=2)
    *full, _ = passes(config, job, engines)
    for group in full:
        assert len(set(shares(group, engines, lambda tile: int(tile.high.sum())))) == 1
        assert len(set(shares(group, engines, lambda tile: int(tile.high.max())))) == 1


@pytest.mark.parametrize(("words", "resident"), [(1, 1), (2, 1), (3, 1), (4, 2), (16, 8)])
def test_half_of_the_words_are_resident_by_default(words, resident):
    assert Job(queries=1, keys=9).group(TINY.override(words=words)) == resident
    assert Job(queries=1, keys=8).group(TINY.override(words=words)) == 1  # as a tile drains as long as 8 keys pass


def firsts(config, job, engines=1):
    """The first query of every tile, pass by pass."""
    return [[int(tile.query[0]) for tile in group.tiles] for group in passes(config, job, engines)]


def test_the_first_two_passes_of_a_causal_job_are_woven():
    """Passes of four tiles of four queries on two engines, where 8 keys pass a tile while another one drains."""
    config = TINY.override(words=4, rows=8)
    assert firsts(config, Job(queries=80, keys=80, heads=2), 2) == [
        [0, 8, 16, 24],
        [4, 12, 20, 28],
        *([first, first + 4, first + 8, first + 12] for first in (32, 48, 64)),
    ]
    even, odd, *_ = passes(config, Job(queries=80, keys=80, heads=2), 2)
    assert [tile.engine for tile in even.tiles] == [tile.engine for tile in odd.tiles] == [0, 1, 1, 0]
    assert (len(even.blocks), len(odd.blocks)) == (14, 16)


@pytest.mark.parametrize(
    "change",
    [
        {"queries": 31},  # no two full passes
        {"keys": 16},  # one tile per engine and pass
        {"start": 8},  # the middle of the first pass sees as many keys as pass while a tile drains
        {"heads": 3},  # tiles of parts of queries
        {"mask": Mask(window=31)},  # tiles begin at different keys
    ],
)
def test_other_jobs_take_their_tiles_in_order(change):
    config = TINY.override(words=4, rows=8)
    values = {"queries": 80, "keys": 80, "heads": 2, "start": 0} | change
    assert not Job(**values).woven(config, 2)
    found = [first for group in firsts(config, Job(**values), 2) for first in group]
    assert found == sorted(found)


def test_a_window_over_two_passes_is_woven():
    assert Job(queries=80, keys=80, heads=2, mask=Mask(window=33)).woven(TINY.override(words=4, rows=8), 2)


@pytest.mark.parametrize(
    ("schedule", "mask", "positions"),
    [
        # Two passes of 4 queries over 8 keys, blocks of 2.
        ("in_order", CAUSAL, [[0, 1, 2, 3], [0, 1, 2, 3, 4, 5, 6, 7]]),
        ("diagonal_first", CAUSAL, [[3, 2, 1, 0], [7, 6, 5, 4, 3, 2, 1, 0]]),
        ("sink_first", CAUSAL, [[1, 0, 3, 2], [1, 0, 7, 6, 5, 4, 3, 2]]),
        ("folded", CAUSAL, [[1, 0, 3, 2], [1, 0, 7, 6, 5, 4, 3, 2]]),
        ("in_order", FULL, [[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 5, 6, 7]]),
        ("diagonal_first", FULL, [[3, 2, 1, 0, 7, 6, 5, 4], [7, 6, 5, 4, 3, 2, 1, 0]]),
        ("sink_first", FULL, [[1, 0, 3, 2, 7, 6, 5, 4], [1, 0, 7, 6, 5, 4, 3, 2]]),
    ],
)
def test_key_positions_in_the_order_in_which_they_pass(schedule, mask, positions):
    config = TINY.override(schedule=schedule)
    groups = list(passes(config, Job(queries=8, keys=8, mask=mask)))
    assert [group.positions(config).reshape(-1).tolist() for group in groups] == positions


def test_the_diagonal_is_that_of_the_last_query_of_the_pass():
    # Chunked prefill at position 4 of 12 keys without a mask: query 3 stands at key 7, block 3 of 6; the second pass
    # has one query only, at key 8.
    groups = list(passes(TINY, Job(queries=5, keys=12, mask=FULL, start=4)))
    assert [group.blocks.tolist() for group in groups] == [[3, 2, 1, 0, 5, 4], [4, 3, 2, 1, 0, 5]]
    # With two heads or two engines, the last query of the first pass is query 1 (key 5) or all that there are.
    first, *_ = passes(TINY, Job(queries=5, keys=12, heads=2, mask=FULL, start=4))
    assert first.blocks.tolist() == [2, 1, 0, 5, 4, 3]
    (both,) = passes(TINY, Job(queries=5, keys=12, mask=FULL, start=4), engines=2)
    assert both.blocks.tolist() == [4, 3, 2, 1, 0, 5]


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (Job(queries=0, keys=4), f"queries must be from 1 to {LIMIT}, not 0"),
        (Job(queries=LIMIT + 1, keys=4), f"queries must be from 1 to {LIMIT}, not {LIMIT + 1}"),
        (Job(queries=4, keys=-1), f"keys must be from 0 to {LIMIT}, not -1"),
        (Job(queries=4, keys=LIMIT + 1), f"keys must be from 0 to {LIMIT}, not {LIMIT + 1}"),
        (Job(queries=4, keys=4, heads=0), "heads must be from 1 to 256, not 0"),
        (Job(queries=4, keys=4, heads=257), "heads must be from 1 to 256, not 257"),
        (Job(queries=4, keys=4, start=-1), f"start must be from 0 to {LIMIT}, not -1"),
        (Job(queries=4, keys=4, start=LIMIT + 1), f"start must be from 0 to {LIMIT}, not {LIMIT + 1}"),
        (Job(queries=4, keys=4, start=LIMIT - 3), f"start + queries must be at most {LIMIT}, not {LIMIT + 1}"),
        (Job(queries=4, keys=4, words_per_pass=0), "words_per_pass must be from 1 to 3, not 0"),
        (Job(queries=4, keys=4, words_per_pass=4), "words_per_pass must be from 1 to 3, not 4"),
    ],
)
def test_a_job_that_the_engine_cannot_hold_is_refused(job, message):
    with pytest.raises(InputError) as error:
        next(passes(TINY, job))
    assert str(error.value) == message


@pytest.mark.parametrize(
    "job",
    [
        Job(queries=1, keys=LIMIT, heads=256, words_per_pass=3),
        Job(queries=4, keys=4, start=LIMIT - 4),
    ],
)
def test_the_largest_jobs_are_accepted(job):
    job.check(TINY)


@pytest.mark.parametrize("job", [Job(queries=4, keys=9, start=7), Job(queries=4, keys=9, start=40, mask=FULL)])
def test_a_diagonal_beyond_the_last_key_is_the_last_block(job):
    (group,) = passes(TINY, job)
    assert group.blocks.tolist() == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("mask", [CAUSAL, FULL, Mask(window=9), Mask(chunk=8), Mask(window=6, prefix=5)])
def test_intervals_change_what_rows_see_and_not_what_passes(mask):
    rng = np.random.default_rng(1)
    intervals = np.sort(rng.integers(0, 60, (37, 2)), axis=1)
    intervals[:8] = 50, 60  # a whole tile without a key
    plain, ragged = (Job(queries=37, keys=50, heads=2, mask=mask, intervals=x) for x in (None, intervals))
    low, high = mask.interval(13 + np.arange(37), 50)
    for whole, part in zip(passes(TINY, plain, 2), passes(TINY, ragged, 2), strict=True):
        assert np.array_equal(whole.blocks, part.blocks)
        for tile, same in zip(part.tiles, whole.tiles, strict=True):
            assert (tile.engine, tile.word, tile.hull) == (same.engine, same.word, same.hull)
            assert tile.blocks(TINY.update_rank) == same.blocks(TINY.update_rank)
            rows = tile.query[: tile.count]
            assert tile.hull == (low[rows].min(), high[rows].max())
            sees = tile.sees(np.arange(60))
            for row, query in enumerate(rows):
                first, behind = intervals[query]
                seen = range(max(low[query], first), min(high[query], behind))
                assert np.flatnonzero(sees[row]).tolist() == list(seen)
            assert not sees[tile.count :].any()


@pytest.mark.parametrize("mask", [CAUSAL, FULL, Mask(window=2), Mask(chunk=4), Mask(prefix=9)])
def test_without_a_key_one_block_passes_and_no_row_sees_it(mask):
    groups = list(passes(TINY, Job(queries=20, keys=0, start=5, mask=mask), 2))
    assert [group.blocks.tolist() for group in groups] == [[0]] * len(groups)
    for group in groups:
        for tile in group.tiles:
            assert tile.blocks(TINY.update_rank) == range(1)
            assert not tile.sees(np.arange(9)).any()
