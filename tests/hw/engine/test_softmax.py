from dataclasses import dataclass
from pathlib import Path

import cocotb
import numpy as np
import pytest
from tests.cases import part

from fusioncim.engine.op_cim import load_layout
from fusioncim.engine.softmax import Softmax
from fusioncim.engine.softmax_lane import latency
from fusioncim.engine.softmax_layouts import control_layout, query_layout, row_state_layout, softmax_events_layout
from fusioncim_golden.config import REFERENCE_BITS, SEED_LIMIT
from fusioncim_golden.limits import SLOPE_POSITIONS
from fusioncim_golden.mask import sees
from fusioncim_golden.presets import preset
from fusioncim_golden.scale_table import pack_scales
from fusioncim_golden.slopes import slope_term
from fusioncim_golden.softmax import Block, Rows, Update, Updates, log2_score, merge, probabilities
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import pack
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.rtl.stream_words import scale_fields, slope_fields

INT4 = {"operand_bits": 4, "softmax_lanes": 2, "columns": 32}
SEEDED = {"seed": True, "rows": 6, "softmax_lanes": 2}
NARROW = {"accumulator_bits": 16, "flush": 6, "slack": 4, "probability_bits": 8, "softmax_lanes": 2}
# Passes of tiles: (word, scenario, fresh). Tiles of a pass are interleaved, block by block.
ALTERNATE = [[(0, "random", 1)], [(1, "edges", 1)], [(0, "edges", 0)], [(1, "one", 0)], [(0, "random", 1)]]
CASES = {
    "alternate words": {"config": {}, "passes": ALTERNATE, "gaps": False, "events": ["rescale", "flushed"]},
    "both words, gaps": {
        "config": {},
        "passes": [[(0, "edges", 1), (1, "moves", 1)], [(1, "random", 0), (0, "edges", 0)]],
        "gaps": True,
        "events": ["rescale", "flushed", "wiped"],
    },
    "masks": {
        "config": {"words": 3, "schedule": "in_order"},
        "passes": [[(0, "masked", 1), (1, "one", 1), (2, "equal", 1)], [(0, "one", 0)], [(1, "masked", 0)]],
        "gaps": False,
        "events": ["zero slot"],
    },
    "lone rows": {
        "config": {"softmax_lanes": 2},
        "passes": [[(0, "first lone", 1), (1, "last lone", 1)], [(0, "last lone", 0)], [(0, "first lone", 1)]],
        "gaps": False,
        "events": ["zero slot", "lone row"],
    },
    "limits": {"config": {}, "passes": [[(0, "limits", 1)], [(1, "limits", 1)]], "gaps": False, "events": ["wiped"]},
    "about to overflow": {
        "config": NARROW,
        "passes": [[(0, "full", 1)], [(1, "full edges", 1)]],
        "blocks": 80,
        "gaps": False,
        "events": ["halve", "rescale", "flushed"],
    },
    "equal scores": {
        "config": {**NARROW, "words": 1, "update_rank": 4, "columns": 32, "slack": 3},
        "passes": [[(0, "equal", 1)]],
        "blocks": 100,
        "gaps": False,
        "events": ["halve"],
    },
    "seeded": {
        "config": SEEDED,
        "passes": [[(0, "edges", 1)], [(1, "moves", 1)], [(0, "below", 0)], [(1, "below", 0)], [(0, "below", 1)]],
        "gaps": True,
        "events": ["seeded", "rescale"],
    },
    "seeded by masked rows": {
        "config": {**SEEDED, "words": 1},
        "passes": [[(0, "edges", 1)], [(0, "masked", 0)], [(0, "below", 0)], [(0, "random", 1)]],
        "gaps": False,
        "events": ["seeded"],
    },
    "INT4, rank 1": {
        "config": {**INT4, "update_rank": 1, "probability_bits": 6, "fraction_bits": 5, "lut_size": 8},
        "passes": ALTERNATE,
        "blocks": 30,
        "gaps": False,
        "events": ["rescale", "flushed"],
    },
    "INT4, rank 8, no slack": {
        "config": {
            **INT4,
            "rows": 4,
            "update_rank": 8,
            "probability_bits": 12,
            "slack": 0,
            "flush": 20,
            "accumulator_bits": 32,
        },
        "passes": ALTERNATE,
        "gaps": True,
        "events": ["rescale", "flushed"],
    },
    "one row per lane": {
        "config": {"rows": 2, "softmax_lanes": 2, "update_rank": 4, "columns": 32, "fraction_bits": 10},
        "passes": ALTERNATE,
        "blocks": 40,
        "gaps": False,
        "events": ["rescale"],
    },
}

# Scales per token in some of the tiles, and slopes in some of the rows.
SCALED = {"token_scale_bits": 8, "update_rank": 4, "columns": 32}
POWERS = {**SCALED, "token_scale_bits": 1}
SLOPES = {"alibi": True}
BOTH = {**SCALED, **SLOPES}


def extended(name, changes):
    """A case with another configuration."""
    return {**CASES[name], "config": {**CASES[name]["config"], **changes}}


CASES |= {
    "scales": extended("alternate words", SCALED),
    "scales, gaps": extended("both words, gaps", SCALED),
    "scales, masks": extended("masks", BOTH),
    "scales about to overflow": extended("about to overflow", {**SCALED, "flush": 5}),
    "scales, seeded": extended("seeded", SCALED),
    "scales, INT4, rank 1": extended("INT4, rank 1", {"token_scale_bits": 8}),
    "scales, INT4, rank 8": extended("INT4, rank 8, no slack", {"token_scale_bits": 8, "alibi": True}),
    "powers of two": extended("both words, gaps", POWERS),
    "powers of two, rank 1": extended("INT4, rank 1", {"token_scale_bits": 1}),
    "powers of two, limits": extended("limits", POWERS),
    "powers of two about to overflow": extended("about to overflow", {**POWERS, **SLOPES, "flush": 5}),
    "slopes": extended("alternate words", SLOPES),
    "slopes, limits": extended("limits", SLOPES),
    "slopes, 10 fraction bits": extended("one row per lane", SLOPES),
    "slopes, INT4, rank 1": extended("INT4, rank 1", SLOPES),
    "both": extended("both words, gaps", BOTH),
    "both, limits": extended("limits", BOTH),
    "both, 10 fraction bits": extended("one row per lane", BOTH),
}


SHORT = (
    *("both words, gaps", "masks", "lone rows", "limits", "about to overflow", "equal scores", "seeded"),
    *("INT4, rank 1", "one row per lane", "scales, masks", "scales about to overflow", "scales, INT4, rank 8"),
    *("powers of two, limits", "powers of two about to overflow", "slopes, 10 fraction bits", "both, limits"),
)


@pytest.mark.parametrize("name", part(CASES, *SHORT))
def test_softmax(name):
    this = CASES[name]
    config = preset("tiny").alone().override(**this["config"])
    run(Softmax(config), Path(__file__).stem, "matches_golden", this, path=Path(__file__).parent)


def lowest(config):
    """The last distances that O and the row sum add, and the first ones that they do not."""
    return [-n - past for n in (config.flush, config.centred_flush, config.sum_flush) for past in (0, 1)]


# By scenario: how far a block's exponent lies above the reference (one more if the row sum is about to overflow).
DISTANCES = {
    "edges": lambda c: [c.slack, c.slack + 1, *lowest(c), 0, 1],
    "moves": lambda c: [c.accumulator_bits - 1, c.accumulator_bits, c.accumulator_bits + 1, c.slack + 1, -1],
    "full": lambda c: [c.slack, c.slack, c.slack, c.slack - 1],
    "full edges": lambda c: [c.slack] * 18 + [c.slack + 1, *lowest(c)],
    "below": lambda c: [0, 1, -1, c.slack],
}


@dataclass
class Tile:
    """Rows of a word past all blocks, and what the golden model makes of them.

    Members: score [rows, blocks, rank], mantissa, shift, low, high, centred [rows], position [blocks, rank]; slopes and
    place [rows], words and positions of the rows; codes [blocks, rank, 2] or None; the rest.
    """

    word: int
    fresh: int
    score: np.ndarray
    mantissa: np.ndarray
    shift: np.ndarray
    low: np.ndarray
    high: np.ndarray
    centred: np.ndarray
    position: np.ndarray
    slopes: np.ndarray
    place: np.ndarray
    codes: np.ndarray | None
    block: Block
    updates: Updates
    rows: Rows
    cycles: np.ndarray | None = None
    """Of stage 0 of row 0 of a lane [blocks, rank]."""


def largest_score(config):
    return config.columns << (2 * config.operand_bits - 2)


def of_keys_and_values(codes):
    """Codes of the keys, codes of the values."""
    return (None, None) if codes is None else np.moveaxis(codes, -1, 0)


def following_scores(rng, config, rows, position, high, scenario, codes, *, centred):
    """Scores whose blocks keep given distances from the reference. In units of 1 / 8: the scale is 1 / 8.

    codes: of the values of all blocks, or None.
    """
    count, rank = position.shape
    limit = largest_score(config) // 8 - 1
    rows = Rows(rows.empty.copy(), rows.reference.copy(), rows.row_sum.copy(), rows.seeded.copy())
    score = np.zeros((config.rows, count, rank), np.int64)
    low = -limit if scenario == "moves" else -limit // 4
    for t in range(count):
        full = rows.row_sum >= 1 << (config.row_sum_bits - 1)
        target = rows.reference + full + rng.choice(DISTANCES[scenario](config), config.rows)
        start = np.where(rows.seeded, rows.reference + rng.integers(-SEED_LIMIT - 2, 2, config.rows), low)
        target = np.clip(np.where(rows.empty, start, target), -limit, limit)
        below = rng.integers(0, config.probability_bits + 4, (config.rows, rank))
        below[np.arange(config.rows), rng.integers(rank, size=config.rows)] = 0
        fraction = rng.integers(8, size=(config.rows, rank))
        score[:, t] = np.maximum((target[:, None] - below) * 8 + fraction, -8 * limit)
        x = log2_score(config, score[:, t], np.int64(128), np.int64(10))
        own = None if codes is None else codes[t]
        block = probabilities(config, x[:, None], (position[t] < high[:, None])[:, None], own)
        merge(config, rows, block, centred=centred)
    return score


def make_tile(rng, config, state, word, scenario, fresh, blocks):
    """A tile of the scenario in a word; moves the word's `state` on."""
    shape = (config.rows, blocks, config.update_rank)
    keys, largest = blocks * config.update_rank, largest_score(config)
    within = config.key_order().within(config.update_rank)
    position = rng.permutation(blocks)[:, None] * config.update_rank + within
    rows = Rows.fresh((config.rows,)) if fresh else state.next_tile()
    mantissa, shift = np.full(config.rows, 128), np.full(config.rows, 10)
    low, high = np.zeros(config.rows, np.int64), np.full(config.rows, keys)
    if scenario == "masked":
        high[:] = 0
    elif scenario == "one":
        high = rng.integers(0, 3, config.rows)
        high[0] = 1
    elif scenario in ("first lone", "last lone"):  # of each two blocks, a row sees one
        high[:] = 0
        high[0 if scenario == "first lone" else -1] = keys // 2
    elif scenario in ("random", "edges"):
        high[: config.rows // 2] = rng.integers(keys + 1, size=config.rows // 2)
        low[config.rows // 2 :] = rng.integers(keys + 1, size=config.rows - config.rows // 2)
    # The least shift with which no log2 score exceeds the reference's range.
    least = max((largest * 255).bit_length() - (REFERENCE_BITS - 1), 0) + config.alibi
    centred = bool(rng.random() < 0.5)
    codes = None
    if config.token_scale_bits and rng.random() < 0.8:
        codes = rng.choice([0x07F, 0x7FF, 0, -1, -1, -1], (*position.shape, 2))
        codes = np.where(codes < 0, rng.integers(0x10000, size=codes.shape), codes)
    slopes, place = np.zeros((2, config.rows), np.int64)
    if config.alibi and scenario not in DISTANCES and rng.random() < 0.8:
        slopes = pack_scales(rng.integers(128, 256, config.rows), rng.integers(7, 32, config.rows))
        slopes[rng.random(config.rows) < 0.2] = 0
        place = rng.choice([0, SLOPE_POSITIONS, keys // 2, -1], config.rows)
        place = np.where(place < 0, rng.integers(SLOPE_POSITIONS, size=config.rows), place)
    if scenario in DISTANCES:
        if codes is not None:  # the scale of all keys, 1/2, is made up for by that of the scores
            codes[..., 0] = 0
            shift[:] = 9
        of_values = of_keys_and_values(codes)[1]
        score = following_scores(rng, config, rows, position, high, scenario, of_values, centred=centred)
    elif scenario == "limits":
        mantissa[:] = 255
        shift[:] = least
        score = rng.choice([largest, -largest, 0, largest - 1, 1 - largest], shape, p=[0.3, 0.3, 0.2, 0.1, 0.1])
    elif scenario == "equal":
        score = np.full(shape, largest // 3)
    else:
        mantissa = rng.integers(256, size=config.rows)
        shift = rng.integers(least, 32, config.rows)
        score = rng.integers(-largest, largest + 1, shape)
    of_keys, of_values = of_keys_and_values(codes)
    x = log2_score(config, score, mantissa[:, None, None], shift[:, None, None], of_keys)
    x -= slope_term(config, slopes[:, None, None], np.abs(place[:, None, None] - position))
    assert np.abs(x >> config.fraction_bits).max() < 1 << (REFERENCE_BITS - 1)
    block = probabilities(config, x, sees(position, low[:, None, None], high[:, None, None]), of_values)
    updates = merge(config, rows, block, centred=centred)
    of_rows = (mantissa, shift, low, high, np.full(config.rows, centred))
    return Tile(word, fresh, score, *of_rows, position, slopes, place, codes, block, updates, rows)


def place_cycles(rng, config, passes, gaps):
    """Set the cycles of every tile; returns the tiles with the cycles of their query writes and drains, and the end."""
    busy_until, stages = {}, latency(config)
    taken_writes, taken_drains = set(), set()
    writes, drains = [], []
    cycle = 0

    def choose(first, last, taken):
        free = [n for n in range(first, last) if n not in taken]
        assert len(free) >= config.rows
        chosen = sorted(rng.choice(free, config.rows, replace=False).tolist())
        taken.update(chosen)
        return chosen

    everything = config.rows * config.words + 2
    for tiles in passes:
        # Time to drain a word that comes again and to write its queries; none is needed if another pass lay between.
        cycle = max([cycle, *(busy_until.get(tile.word, 0) + stages + everything for tile in tiles)])
        for tile in tiles:
            writes.append((tile, choose(busy_until.get(tile.word, 0) + 3, cycle + 1, taken_writes)))
            tile.cycles = np.zeros(tile.position.shape, np.int64)
        start = cycle
        for t in range(len(tiles[0].position)):
            for tile in tiles:
                for n in range(config.update_rank):
                    cycle += int(rng.choice([0, 0, 1, 2, 9])) if gaps else 0
                    tile.cycles[t, n] = cycle
                    cycle += config.operand_bits
        for tile in tiles:
            busy_until[tile.word] = int(tile.cycles.max()) + config.rows_per_lane
        drains.append((tiles, start))
    end = cycle + stages + everything + 4
    reads = []
    for index, (tiles, _) in enumerate(drains):
        for tile in tiles:
            later = [start for others, start in drains[index + 1 :] if any(other.word == tile.word for other in others)]
            first = int(tile.cycles.max()) + config.rows_per_lane + stages
            reads.append((tile, choose(first, min([end - 2, *(start + stages for start in later)]), taken_drains)))
    return writes, reads, end


def stimulus(rng, config, passes, writes, reads, end):
    """The input ports, cycle by cycle, with garbage where nothing counts."""
    per_lane, lanes, score_bits = config.rows_per_lane, config.softmax_lanes, config.score_bits
    half = 1 << (score_bits - 1)
    score = rng.integers(-half, half, (end, lanes))
    most = config.columns * ((1 << (config.operand_bits - 1)) - 1)
    correction = rng.integers(most + 1, size=(end, lanes))
    control = [{} for _ in range(end)]
    for tile in (tile for tiles in passes for tile in tiles):
        for (t, n), cycle in np.ndenumerate(tile.cycles):
            wanted = tile.score[:, t, n].reshape(lanes, per_lane)
            # Every row has its own correction.
            offset = rng.choice([0, most, rng.integers(most + 1)], wanted.shape)
            for j in range(per_lane):
                correction[cycle + 1 + j] = offset[:, j]
                score[cycle + j] = wanted[:, j] + offset[:, j]
                control[cycle + j] = {
                    "enable": 1, "row": j, "index": n, "last": int(n == config.update_rank - 1), "first": int(t == 0),
                    "fresh": tile.fresh, "word": tile.word, "position": int(tile.position[t, n]),
                }  # fmt: skip
                if tile.codes is not None:
                    control[cycle + j] |= {"scales": scale_fields(config, tile.codes[t, n].tolist()), "scaled": 1}
    layout = control_layout(config)
    garbage = {name: rng.integers(1 << layout[name].width, size=end).tolist() for name, _ in layout if name != "scales"}
    entries, drained = {}, {}
    for tile, cycles in writes:
        for i, n in enumerate(cycles):
            entries[n] = (i, tile)
    for tile, cycles in reads:
        for i, n in zip(rng.permutation(config.rows).tolist(), cycles, strict=True):
            drained[n] = (i, tile)
    inputs = {
        "control": [
            pack(layout, control[n] or {**{name: values[n] for name, values in garbage.items()}, "enable": 0})
            for n in range(end)
        ],
        "write_enable": [int(n in entries) for n in range(end)],
        "write_row": [], "write_word": [], "write_query": [],
        "drain_enable": [int(n in drained) for n in range(end)],
        "drain_row": [], "drain_word": [],
    }  # fmt: skip
    for lane in range(lanes):
        inputs[f"correction__{lane}"] = correction[:, lane].tolist()
        inputs[f"score__{lane}"] = (score[:, lane] & (2 * half - 1)).tolist()
    for n in range(end):
        i, tile = entries.get(n, (int(rng.integers(config.rows)), None))
        query = {"mantissa": 1, "shift": 1, "low": 0, "high": 1, "centred": 0}
        if tile:
            query = {name: int(getattr(tile, name)[i]) for name in query}
        if tile and config.alibi:
            query |= slope_fields(int(tile.slopes[i]), int(tile.place[i]))
        inputs["write_row"].append(i)
        inputs["write_word"].append(tile.word if tile else int(rng.integers(config.words)))
        inputs["write_query"].append(pack(query_layout(config), query))
        i, tile = drained.get(n, (int(rng.integers(config.rows)), None))
        inputs["drain_row"].append(i)
        inputs["drain_word"].append(tile.word if tile else int(rng.integers(config.words)))
    return inputs, drained


def check_events(config, passes, wanted):
    """Each event that the case is about happens."""
    count = dict.fromkeys(("rescale", "wiped", "flushed", "halve", "seeded", "zero slot", "lone row"), 0)
    for tile in (tile for tiles in passes for tile in tiles):
        kind, updates = tile.updates.kind, tile.updates
        load = kind == Update.LOAD
        count["rescale"] += int((kind == Update.RESCALE).sum())
        count["wiped"] += int((load & updates.rescale).sum())
        count["flushed"] += int(((kind == Update.SKIP) & tile.block.visible).sum())
        count["halve"] += int(updates.halve.sum())
        count["seeded"] += int((load & ~updates.rescale & (updates.shift > config.slack)).sum())
        adding = (kind != Update.SKIP).sum(axis=0)
        count["zero slot"] += int((adding == 0).sum())
        count["lone row"] += int((adding == 1).sum())
    assert all(count[name] >= 3 for name in wanted), count


@cocotb.test()
async def matches_golden(dut):
    this = case()
    config = preset("tiny").alone().override(**this["config"])
    rng = np.random.default_rng(7)
    state, passes = {}, []
    for tiles in this["passes"]:
        passes.append([])
        for word, scenario, fresh in tiles:
            tile = make_tile(rng, config, state.get(word), word, scenario, fresh, this.get("blocks", 12))
            state[word] = tile.rows
            passes[-1].append(tile)
    check_events(config, passes, this["events"])
    writes, reads, end = place_cycles(rng, config, passes, this["gaps"])
    inputs, drained = stimulus(rng, config, passes, writes, reads, end)
    ports = [f"load__{lane}" for lane in range(config.softmax_lanes)]
    seen = await play(dut, inputs, ["events"], bits=["drain_state", *ports])

    expected = {}
    for tile in (tile for tiles in passes for tile in tiles):
        for t, cycle in enumerate(tile.cycles[:, -1]):
            expected.update({int(cycle) + j + latency(config): (tile, t, j) for j in range(config.rows_per_lane)})
    layout, enable = load_layout(config), load_layout(config)["enable"].offset
    compared = 0
    for n in range(end):
        for lane, port in enumerate(ports):
            assert seen[port][n][-1 - enable] == str(int(n in expected)), n
            if n in expected:
                tile, t, j = expected[n]
                for load in readings(layout, seen[port][n]):
                    compare_load(load, tile, t, j, lane * config.rows_per_lane + j)
                compared += 1
    for n, (i, tile) in drained.items():
        for state in readings(row_state_layout(config), seen["drain_state"][n + 1]):
            compare_state(state, tile.rows, i)
        if not inputs["drain_enable"][n + 1]:
            assert seen["drain_state"][n + 2] == seen["drain_state"][n + 1]
        compared += 1
    assert compared == sum((tile.block.exponent.size + config.rows) for tiles in passes for tile in tiles)
    compare_events(config, expected, seen["events"])


def readings(layout, bits):
    """What the bits of a port may mean, whose undefined ones nobody may care for."""
    return [layout.from_bits(int(bits.replace("X", undefined), 2)) for undefined in "01"]


def compare_load(load, tile, t, j, i):
    kind = int(tile.updates.kind[i, t])
    at = (tile.word, t, i)
    assert (load.row, load.update.kind, load.update.halve) == (j, kind, tile.updates.halve[i, t]), at
    p = [load.update.p[n] for n in range(tile.block.p.shape[-1])]
    if kind == Update.SKIP:
        assert p == [0] * len(p), at
    else:
        assert p == tile.block.p[i, t].tolist(), at
        assert load.update.shift == tile.updates.shift[i, t], at


def compare_events(config, commands, seen):
    """Events belong to the commands one cycle before; commands: (tile, block, row of a lane) by cycle."""
    layout = softmax_events_layout(config)
    names = [name for name, _ in layout]
    total = dict.fromkeys(names, 0)
    for n, bits in enumerate(seen):
        want = dict.fromkeys(names, 0)
        if n - 1 in commands:
            tile, t, j = commands[n - 1]
            kind = tile.updates.kind[:, t]
            row = slice(j, None, config.rows_per_lane)
            want["row_updates"] = config.softmax_lanes
            want["rescales"] = int(tile.updates.rescale[row, t].sum())
            want["halvings"] = int(tile.updates.halve[row, t].sum())
            want["zero_row_updates"] = int((kind[row] == Update.SKIP).sum())
            want["slots"] = int(j == config.rows_per_lane - 1)
            want["zero_slots"] = int(want["slots"] and (kind == Update.SKIP).all())
        event = layout.from_bits(bits)
        assert {name: event[name] for name in names} == want, n
        total = {name: total[name] + want[name] for name in names}
    assert total["slots"] * config.rows == total["row_updates"] > 0


def compare_state(state, rows, i):
    at = (i, rows.empty[i], rows.seeded[i])
    assert (state.filled, state.seeded) == (not rows.empty[i], rows.seeded[i]), at
    if state.filled:
        assert state.row_sum == rows.row_sum[i], at
    if state.filled or state.seeded:
        assert state.reference == rows.reference[i], at
