"""Reciprocals of a tile's row sums, band by band, by one divider.

    reciprocal = floor((2^27 - 1) / m), m the 14 top bits of l, see the golden `normalizer`

A band is drain_rows neighbouring rows of a tile, which leave at the same time; the last one may have fewer. Its rows
are divided one after the other, 14 restoring steps each. The state of the next one is read during the last step.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.engine.softmax_layouts import row_state_layout
from fusioncim.lib.arith import fits
from fusioncim.lib.bank import address_shape
from fusioncim_golden.config import RECIPROCAL_BITS, Config
from fusioncim_golden.normalizer import least_length

ROW_CYCLES = RECIPROCAL_BITS + 1
"""Cycles of a row's reciprocal: normalize the row sum, a division step per bit."""
BAND_CYCLES = 2
"""Cycles of a band's reciprocals besides: read the first row sum, send."""


def division_cycles(rows: int) -> int:
    """Cycles in which the reciprocals of a band of so many rows are divided."""
    return rows * ROW_CYCLES + BAND_CYCLES


def drained_tile_layout(config: Config) -> data.StructLayout:
    """A tile to drain: its word and the number of its rows."""
    return data.StructLayout({"word": address_shape(config.words), "rows": fits(config.rows)})


def place_in_band(config: Config) -> Shape:
    """Shape of the place of a row in its band; without a bit where rows leave one by one."""
    return unsigned(config.drain_rows.bit_length() - 1)


def is_at(place: Value, n: int) -> Value:
    """Whether a place in a band is n; the only one, 0, has no bit to be compared."""
    return place == n if len(place) else Const(1)


def inverse_layout(config: Config) -> data.StructLayout:
    """1 / l of a row.

    Members:
        filled: a block was added; else the row's outputs are 0.
        excess: bits of l beyond the least.
        reciprocal: of the mantissa of l.
    """
    excess = fits(config.row_sum_bits - least_length(config))
    return data.StructLayout({"filled": 1, "excess": excess, "reciprocal": RECIPROCAL_BITS})


def band_layout(config: Config) -> data.StructLayout:
    """A band to drain.

    Members:
        rows: 1 / l of each; not filled behind those that it has.
        more: rows that it has behind the first.
        last: the tile's last band.
        band, word: which band.
    """
    return data.StructLayout(
        {
            "rows": data.ArrayLayout(inverse_layout(config), config.drain_rows),
            "more": place_in_band(config),
            "last": 1,
            "band": address_shape(config.rows // config.drain_rows),
            "word": address_shape(config.words),
        }
    )


class Reciprocal(wiring.Component):
    """Reads the row sums of a tile and divides: reciprocal = floor((2^27 - 1) / m), m the 14 top bits of l.

    Throughput: a band of r rows per 15 r + 2 cycles. Latency: 15 r + 1 cycles.

    Members:
        i: tiles.
        o: their bands.
        state_enable, state_row, state_word, state: read port of the softmax, latency 1 cycle.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(drained_tile_layout(config))),
                "o": Out(stream.Signature(band_layout(config))),
                "state_enable": Out(1),
                "state_row": Out(address_shape(config.rows)),
                "state_word": Out(address_shape(config.words)),
                "state": In(row_state_layout(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        row = Signal(address_shape(config.rows))
        place = row[: len(self.o.payload.more)]
        last = Signal()
        band = Signal(band_layout(config))
        mantissa = Signal(RECIPROCAL_BITS, reset_less=True)
        remainder = Signal(RECIPROCAL_BITS, reset_less=True)
        step = Signal(range(RECIPROCAL_BITS))
        m.d.comb += [
            *(self.state_row.eq(row), self.state_word.eq(self.i.payload.word)),
            *(self.o.payload.eq(band), last.eq(row + 1 == self.i.payload.rows)),
        ]
        with m.FSM():
            with m.State("READ"):
                m.d.comb += self.state_enable.eq(self.i.valid)
                with m.If(self.i.valid):
                    m.next = "NORMALIZE"
            with m.State("NORMALIZE"):
                length, top = normalized(m, self.state.row_sum)
                m.d.sync += [
                    *(mantissa.eq(top), remainder.eq((1 << (RECIPROCAL_BITS - 1)) - 1), step.eq(0)),
                    *(band.band.eq(row[len(place) :]), band.word.eq(self.i.payload.word)),
                    *(band.more.eq(place), band.last.eq(last)),
                ]
                for n in range(config.drain_rows):
                    with m.If(is_at(place, n)):
                        m.d.sync += [
                            band.rows[n].filled.eq(self.state.filled),
                            band.rows[n].excess.eq(length - least_length(config)),
                            *(band.rows[behind].filled.eq(0) for behind in range(n + 1, config.drain_rows)),
                        ]
                with m.If(self._goes_on(place, last)):
                    m.d.sync += row.eq(row + 1)
                m.next = "DIVIDE"
            with m.State("DIVIDE"):
                shifted = Cat(Const(1, 1), remainder)
                fits_in = shifted >= mantissa
                m.d.sync += [remainder.eq(Mux(fits_in, shifted - mantissa, shifted)), step.eq(step + 1)]
                for n in range(config.drain_rows):
                    with m.If(is_at(band.more, n)):
                        m.d.sync += band.rows[n].reciprocal.eq(Cat(fits_in, band.rows[n].reciprocal))
                with m.If(step == RECIPROCAL_BITS - 1):
                    m.next = "SEND"
                    with m.If(self._goes_on(band.more, band.last)):
                        m.d.comb += self.state_enable.eq(1)
                        m.next = "NORMALIZE"
            with m.State("SEND"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.comb += self.i.ready.eq(band.last)
                    m.d.sync += row.eq(Mux(band.last, 0, row + 1))
                    m.next = "READ"
        return m

    def _goes_on(self, place: Value, last: Value) -> Value:
        """Whether a band has rows behind that place; last: the row there is the tile's last one."""
        return ~last & (place != self.config.drain_rows - 1) if len(place) else Const(0)


def normalized(m: Module, x: Value) -> tuple[Value, Value]:
    """Bit length of x, and its RECIPROCAL_BITS top bits with the leading one in front: shift left by halves."""
    width = 1 << (max(len(x), RECIPROCAL_BITS) - 1).bit_length()
    value: Value = Cat(Const(0, width - len(x)), x)
    leading = []
    for step in (1 << n for n in reversed(range(width.bit_length() - 1))):
        empty = Signal(name=f"empty_{step}")
        moved = Signal(width, name=f"moved_{step}")
        m.d.comb += [empty.eq(~value[-step:].any()), moved.eq(Mux(empty, value << step, value))]
        leading.append(empty)
        value = moved
    return len(x) - Cat(reversed(leading)), value[-RECIPROCAL_BITS:]
