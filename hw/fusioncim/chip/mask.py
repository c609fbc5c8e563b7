"""Which keys a query sees, as hardware: the interval [low, high) of the golden `mask.Mask.interval`, by the same name.

A row carries its interval, and a tile the blocks that pass it.
"""

from dataclasses import fields

from amaranth.hdl import Cat, Mux, Value
from amaranth.lib import data

from fusioncim.engine.tile_loader import block_shape
from fusioncim_golden.config import POSITION_BITS, Config
from fusioncim_golden.mask import Mask

MASK = tuple(each.name for each in fields(Mask))
"""Names of the numbers of a mask."""


def interval_layout() -> data.StructLayout:
    """The keys that a row sees: those at positions low .. high - 1."""
    return data.StructLayout({"low": POSITION_BITS, "high": POSITION_BITS})


def legal(job: data.View) -> Value:
    """Whether the mask is one that the golden `Mask.legal` takes."""
    return (job.window != 0) & ((job.chunk & (job.chunk - 1)[:POSITION_BITS]) == 0)


def interval(job: data.View, position: Value) -> tuple[Value, Value]:
    """Low and high of the query at that position, which is below 2^POSITION_BITS."""
    at = position[:POSITION_BITS]
    within = (job.chunk - 1)[:POSITION_BITS]  # all ones for no chunk
    inside = at < job.prefix
    behind = at + 1
    low = larger(Mux(behind > job.window, (behind - job.window)[:POSITION_BITS], 0), at & ~within)
    last = smaller(at + job.ahead, at | within)
    high = Mux(last < job.keys, last + 1, job.keys)
    high = Mux(inside & (last < job.prefix), smaller(job.prefix, job.keys), high)
    return Mux(inside, 0, smaller(low, job.keys)), high[:POSITION_BITS]


def blocks(config: Config, low: Value, high: Value) -> tuple[Value, Value]:
    """The first block that passes rows which see these keys, and the one behind the last: the golden `mask.blocks`."""
    width = block_shape(config).width
    high = at_least_one(high)
    first = Mux(low == high, high - 1, low) >> config.rank_bits
    return first[:width], ((high + (config.update_rank - 1)) >> config.rank_bits)[:width]


def at_least_one(x: Value) -> Value:
    """The number, or 1 instead of 0."""
    return Cat(x[0] | (x == 0), x[1:])


def larger(a: Value, b: Value) -> Value:
    """The larger one of two numbers."""
    return Mux(a > b, a, b)


def smaller(a: Value, b: Value | int) -> Value:
    """The smaller one of two numbers."""
    return Mux(a < b, a, b)
