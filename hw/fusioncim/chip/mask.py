"""Which keys a query sees, as hardware: the interval [low, high) of the golden `mask.Mask.interval`, by the same name.

A row carries its interval, and a tile the blocks that pass it.
"""

from amaranth.hdl import Mux, Value
from amaranth.lib import data

from fusioncim.engine.tile_loader import block_shape
from fusioncim_golden.config import POSITION_BITS, Config


def interval_layout() -> data.StructLayout:
    """The keys that a row sees: those at positions low .. high - 1."""
    return data.StructLayout({"low": POSITION_BITS, "high": POSITION_BITS})


def mask_layout() -> data.StructLayout:
    """A mask: the numbers of the golden `mask.Mask`, by the same names."""
    return data.StructLayout(dict.fromkeys(("window", "ahead", "chunk", "prefix"), POSITION_BITS))


def legal(mask: data.View) -> Value:
    """Whether it is one that the golden `Mask.legal` takes."""
    return (mask.window != 0) & ((mask.chunk & (mask.chunk - 1)[:POSITION_BITS]) == 0)


def interval(job: data.View, position: Value) -> tuple[Value, Value]:
    """Low and high of the query at that position, which is below 2^POSITION_BITS."""
    mask, keys = job.mask, job.keys
    at = position[:POSITION_BITS]
    within = (mask.chunk - 1)[:POSITION_BITS]  # all ones for no chunk
    behind = at + 1
    low = larger(Mux(behind > mask.window, (behind - mask.window)[:POSITION_BITS], 0), at & ~within)
    high = smaller(behind + mask.ahead, (at | within) + 1)
    inside = at < mask.prefix
    low = Mux(inside, 0, low)
    high = Mux(inside, larger(high, mask.prefix), high)
    return smaller(low, keys), smaller(high, keys)[:POSITION_BITS]


def blocks(config: Config, low: Value, high: Value) -> tuple[Value, Value]:
    """The first block that passes rows which see these keys, and the one behind the last: the golden `mask.blocks`."""
    width = block_shape(config).width
    first = Mux(low == high, high - 1, low) >> config.rank_bits
    return first[:width], ((high + (config.update_rank - 1)) >> config.rank_bits)[:width]


def larger(a: Value, b: Value) -> Value:
    """The larger one of two numbers."""
    return Mux(a > b, a, b)


def smaller(a: Value, b: Value | int) -> Value:
    """The smaller one of two numbers."""
    return Mux(a < b, a, b)
