"""The exponential of a softmax lane alone, to be compared with other ways: table, distance and shift of one score.

    p = LUT[fraction(x)] >> (b - floor(x)),  b >= floor(x)                      `engine.softmax_block`, one key's own p

With `far` a score that lies so many powers of two below b takes the entry of a second table of fewer entries, and the
index of the other one stays 0. No chip has that.
"""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.engine.softmax_block import distance_bits
from fusioncim.lib.arith import shift_round
from fusioncim_golden.arith import Int
from fusioncim_golden.arith import shift_round as rounded_shift
from fusioncim_golden.config import REFERENCE_BITS, Config


@dataclass(frozen=True)
class Far:
    """A second table.

    Members:
        distance: powers of two below b from which on it is taken.
        entries: of it.
    """

    distance: int
    entries: int


def exponential(config: Config, x: Int, exponent: Int, far: Far | None = None) -> Int:
    """What the unit gives for log2 scores x and exponents b, arrays of one shape."""
    distance = exponent - (x >> config.fraction_bits)
    fraction = x & ((1 << config.fraction_bits) - 1)

    def of(entries: int) -> Int:
        return np.array(config.override(lut_size=entries).lut)[fraction >> _unused(config, entries)]

    mantissa = of(config.lut_size)
    if far:
        mantissa = np.where(distance >= far.distance, of(far.entries), mantissa)
    return rounded_shift(mantissa, distance)


class TableExponential(wiring.Component):
    """2^(x - b) as a mantissa of `probability_bits` bits.

    Throughput: a score per cycle. Latency: 2 cycles, then `p` holds.

    Members:
        enable: a score is there.
        x: log2 score, fixed point.
        exponent: b, of the same cycle.
        p: of the score two cycles before.
    """

    def __init__(self, config: Config, far: Far | None = None) -> None:
        self.config, self.far = config, far
        self.parameters = (f"{far.entries}_from_{far.distance}",) if far else ()
        layout = data.StructLayout({"fraction": config.fraction_bits, "integer": signed(REFERENCE_BITS)})
        super().__init__(
            {
                "enable": In(1),
                "x": In(layout),
                "exponent": In(signed(REFERENCE_BITS)),
                "p": Out(config.probability_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, reach = self.config, distance_bits(self.config)
        below = Signal(REFERENCE_BITS)
        distance = Signal(reach, reset_less=True)
        mantissa = Signal(config.probability_bits - 1, reset_less=True)
        enable = Signal()
        m.d.comb += below.eq(self.exponent - self.x.integer)
        m.d.sync += enable.eq(self.enable)
        with m.If(self.enable):
            m.d.sync += [
                distance.eq(Mux(below[reach:].any(), (1 << reach) - 1, below[:reach])),
                mantissa.eq(self._mantissa(below)),
            ]
        with m.If(enable):
            m.d.sync += self.p.eq(shift_round(Cat(mantissa, Const(1, 1)), distance))
        return m

    def _mantissa(self, below: Value) -> Value:
        """The entry of x behind its first bit, a 1."""
        config, fraction = self.config, self.x.fraction
        if not self.far:
            return _table(config, config.lut_size)[fraction >> _unused(config, config.lut_size)]
        far = below >= self.far.distance
        near_index = Mux(far, 0, fraction >> _unused(config, config.lut_size))
        far_index = Mux(far, fraction >> _unused(config, self.far.entries), 0)
        return Mux(far, _table(config, self.far.entries)[far_index], _table(config, config.lut_size)[near_index])


def _unused(config: Config, entries: int) -> int:
    """Bits of the fraction that a table of so many entries does not look at."""
    return config.fraction_bits - (entries.bit_length() - 1)


def _table(config: Config, entries: int) -> Array[int]:
    """The mantissas behind their first bit."""
    first = 1 << (config.probability_bits - 1)
    return Array(value - first for value in config.override(lut_size=entries).lut)
