"""Jobs as the words that go over an engine's streams, and the places of the outputs that come back."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fusioncim.engine.controller import block_layout
from fusioncim.engine.kv_buffer import pair_layout
from fusioncim.engine.normalizer import output_beat_layout
from fusioncim.engine.reciprocal import LSE_BITS
from fusioncim.engine.sink_table import sink_layout
from fusioncim.engine.tile_loader import query_row_layout, tile_command_layout
from fusioncim.engine.token_scale import code_layout
from fusioncim_golden.arith import Int
from fusioncim_golden.config import SCALE_BITS, Config
from fusioncim_golden.limits import SLOPE_POSITIONS
from fusioncim_golden.quantize import Heads
from fusioncim_golden.scale_table import MOST_MANTISSA
from fusioncim_golden.schedule import Job, Tile, passes
from fusioncim_golden.sinks import SINK_BITS
from fusioncim_golden.token_scale import FRACTION_BITS, MOST_E
from fusioncim_sim.rtl.packing import pack, pack_vector

ROW_CYCLES = 30
"""Cycles that a row may take besides its slots and beats: its reciprocal, and its share of what a tile loads."""
START_CYCLES = 2000
"""Cycles that the first slot and the last tile may take besides."""


@dataclass(frozen=True)
class Streams:
    """Words of jobs that follow each other on one engine.

    Members:
        tiles: words of i_tile, in order.
        q: words of i_q, in order.
        blocks: words of i_block, in order.
        kv: word of every key and value, job after job, and a last one for positions without a key.
        vectors: which of them i_kv brings, in order.
        places: (job, head, query) of every output row, in order.
        tile_ends: number of output rows up to the end of every tile.
        slots: blocks that pass words.
    """

    tiles: list[int]
    q: list[int]
    blocks: list[int]
    kv: list[int]
    vectors: list[int]
    places: list[tuple[int, int, int]]
    tile_ends: list[int]
    slots: int

    def limit(self, config: Config, times: int) -> int:
        """Cycles within which all outputs come unless they need more than so many times what they should."""
        rows = len(self.places) * (config.columns // config.units + ROW_CYCLES)
        return times * (self.slots * config.block_cycles + rows) + START_CYCLES


def tile_word(config: Config, tile: Tile, *, last: bool) -> int:
    """The word of i_tile for one tile."""
    taken = tile.blocks(config.update_rank)
    command = {"rows": tile.count, "fresh": int(tile.fresh), "last": int(last)}
    return pack(tile_command_layout(config), command | {"blocks": {"low": taken.start, "high": taken.stop}})


def query_word(config: Config, heads: Heads, head: int, query: int, keys: tuple[int, int], position: int = 0) -> int:
    """The word of i_q for one query; keys: low and high of those that it sees; position: among the keys."""
    layout = query_row_layout(config)
    word = pack_vector(heads.q[head, query], config.operand_bits) << layout["data"].offset
    info = {"mantissa": int(heads.mantissa[head, query]), "shift": int(heads.shift[head, query])}
    info |= {"low": keys[0], "high": keys[1], "centred": int(heads.centred)}
    if config.alibi:
        info |= slope_fields(0 if heads.slopes is None else int(heads.slopes[head]), position)
    sink = 0 if heads.sinks is None else int(heads.sinks[head]) >> (SINK_BITS - sink_layout(config).size)
    return word | pack(layout["query"].shape, info) << layout["query"].offset | sink << layout["sink"].offset


def slope_fields(word: int, position: int) -> dict[str, int]:
    """The fields of a query that its slope needs, of a query at that position."""
    slope, shift = word & MOST_MANTISSA, word >> SCALE_BITS
    return {"slope": slope, "slope_shift": shift, "position": position & SLOPE_POSITIONS}


def scale_fields(config: Config, codes: Sequence[int]) -> dict[str, dict[str, int]]:
    """The scales of a token with these codes of its key and its value."""
    wide = {"shift": [code >> FRACTION_BITS & MOST_E for code in codes]}
    wide["fraction"] = [code & ((1 << FRACTION_BITS) - 1) for code in codes]
    names = [name for name, _ in code_layout(config)]
    return {part: {name: wide[name][n] for name in names} for n, part in enumerate(("key", "value"))}


def pair_words(config: Config, heads: Heads) -> list[int]:
    """The words of i_kv for all positions."""
    layout = pair_layout(config)
    words = [0] * len(heads.k)
    for name, vectors in (("key", heads.k), ("value", heads.v)):
        packed = [pack_vector(x, config.operand_bits) for x in vectors]
        words = [word | each << layout[name].offset for word, each in zip(words, packed, strict=True)]
    if heads.token_scales is not None:
        scales = [pack(layout["scales"].shape, scale_fields(config, codes)) for codes in heads.token_scales.tolist()]
        above = [each << layout["scales"].offset | 1 << layout["scaled"].offset for each in scales]
        words = [word | each for word, each in zip(words, above, strict=True)]
    return words


def encode(config: Config, jobs: Sequence[tuple[Heads, Job]]) -> Streams:
    """All words of the jobs."""
    out = Streams([], [], [], [], [], [], [], 0)
    nothing = sum(job.keys for _, job in jobs)
    slots = 0
    for index, (heads, job) in enumerate(jobs):
        first_key = len(out.kv)
        out.kv.extend(pair_words(config, heads))
        for group in passes(config, job):
            slots += len(group.blocks) * len(group.tiles)
            for tile in group.tiles:
                last = tile is group.tiles[-1]
                out.tiles.append(tile_word(config, tile, last=last))
                rows = zip(*(x.tolist() for x in (tile.head, tile.query, tile.low, tile.high)), strict=True)
                for head, query, *keys in list(rows)[: tile.count]:
                    out.places.append((index, head, query))
                    position = job.first_position() + query
                    out.q.append(query_word(config, heads, head, query, (keys[0], keys[1]), position))
                out.tile_ends.append(len(out.places))
            for n, block in enumerate(group.blocks.tolist()):
                out.blocks.append(pack(block_layout(config), {"block": block, "last": int(n == len(group.blocks) - 1)}))
            for position in group.positions(config).reshape(-1).tolist():
                out.vectors.append(first_key + position if position < job.keys else nothing)
    out.kv.append(0)
    return Streams(out.tiles, out.q, out.blocks, out.kv, out.vectors, out.places, out.tile_ends, slots)


def bands(config: Config, tile_ends: Sequence[int]) -> list[range]:
    """The rows of every band, in order; tile_ends: number of rows up to the end of every tile."""
    step = config.drain_rows
    return [
        range(first, min(first + step, end))
        for begin, end in pairwise([0, *tile_ends])
        for first in range(begin, end, step)
    ]


def beat_marks(config: Config, tile_ends: Sequence[int]) -> list[int]:
    """What the words of o have above their data, in order: whether they end a tile, and the rows behind the first."""
    marks = []
    for band in bands(config, tile_ends):
        marks += [(len(band) - 1) << 1] * config.block_cycles
        marks[-1] |= band.stop in tile_ends
    return marks


def output_words(config: Config, rows: Sequence[Int], lse: Sequence[int], tile_ends: Sequence[int]) -> list[int]:
    """The words of o for rows of outputs and their log-sum-exp; tile_ends: as of `bands`."""
    beats: list[Int] = []
    for band in bands(config, tile_ends):
        beats += list(np.concatenate([rows[n].reshape(-1, config.units) for n in band], axis=1))
    layout = output_beat_layout(config)
    words = [
        pack_vector(beat, config.output_bits) | above << layout["last"].offset
        for beat, above in zip(beats, beat_marks(config, tile_ends), strict=True)
    ]
    for n, band in enumerate(bands(config, tile_ends)):
        for place, row in enumerate(band):
            words[n * config.block_cycles] |= int(lse[row]) << (layout["lse"].offset + LSE_BITS * place)
    return words


def output_lse(config: Config, lse: Int, tile_ends: Sequence[int]) -> list[int]:
    """The log-sum-exp of every row, of lse [words of o, drain_rows], which must be 0 where it is none."""
    found = []
    for n, band in enumerate(bands(config, tile_ends)):
        first, *others = lse[n * config.block_cycles : (n + 1) * config.block_cycles]
        found += first[: len(band)].tolist()
        if np.any(others):
            raise AssertionError(f"band {n} has a log-sum-exp behind its first beat")
    return found


def output_rows(config: Config, beats: Int, tile_ends: Sequence[int]) -> list[Int]:
    """The rows of outputs in the data of all words of o, an element per column; tile_ends: as of `bands`."""
    order = (-1, config.block_cycles, config.drain_rows, config.units)
    places = beats.reshape(order).swapaxes(1, 2).reshape(-1, config.drain_rows, config.columns)
    return [row for found, band in zip(places, bands(config, tile_ends), strict=True) for row in found[: len(band)]]
