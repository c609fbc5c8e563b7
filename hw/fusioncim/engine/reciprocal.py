"""Reciprocals and log-sum-exp of a tile's row sums, band by band, by one divider.

    reciprocal = floor((2^27 - 1) / m), m the 14 top bits of l', which is l with the row's sink: see golden `normalizer`

A band is drain_rows neighbouring rows of a tile, which leave at the same time; the last one may have fewer. Its rows
are divided one after the other: l and the sink are compared, then l' is their sum and normalized, and of the 14
restoring steps the first always gives a 1 and takes no cycle. The state of the next row is read during the last step.

A row sum comes over long wires from the bank of a far softmax lane. So no shift and no sum follow in that cycle.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.engine.sink_table import sink_layout
from fusioncim.engine.softmax_layouts import row_state_layout
from fusioncim.lib.arith import add_shift_round, fits, saturate
from fusioncim.lib.bank import address_shape
from fusioncim_golden.config import RECIPROCAL_BITS, REFERENCE_BITS, Config
from fusioncim_golden.normalizer import LSE_FRACTION_BITS, NO_KEY, headroom, least_length

STEPS = RECIPROCAL_BITS - 1
"""Cycles of a division: a restoring step each, all but the first."""
ROW_CYCLES = STEPS + 2
"""Cycles of a row's reciprocal: the sink, normalize, divide."""
LSE_BITS = REFERENCE_BITS + LSE_FRACTION_BITS
"""Bits of a word of log-sum-exp."""
BAND_CYCLES = 2
"""Cycles of a band's reciprocals besides: read the first row sum, send."""


def division_cycles(rows: int) -> int:
    """Cycles in which the reciprocals of a band of so many rows are divided."""
    return rows * ROW_CYCLES + BAND_CYCLES


def drained_tile_layout(config: Config) -> data.StructLayout:
    """A tile to drain: its word, the number of its rows, and which of the word's two places its sinks have."""
    return data.StructLayout({"word": address_shape(config.words), "rows": fits(config.rows), "turn": 1})


def place_in_band(config: Config) -> Shape:
    """Shape of the place of a row in its band; without a bit where rows leave one by one."""
    return unsigned(config.drain_rows.bit_length() - 1)


def is_at(place: Value, n: int) -> Value:
    """Whether a place in a band is n; the only one, 0, has no bit to be compared."""
    return place == n if len(place) else Const(1)


def inverse_layout(config: Config) -> data.StructLayout:
    """1 / l' of a row.

    Members:
        filled: a block was added, and the sink leaves something of it; else the row's outputs are 0.
        excess: bits of l' beyond the least, and those by which the sink moves O.
        reciprocal: of the mantissa of l', behind its first bit, a 1.
    """
    excess = fits(max(config.row_sum_bits - least_length(config), config.accumulator_bits - 1 + headroom(config)))
    return data.StructLayout({"filled": 1, "excess": excess, "reciprocal": STEPS})


def band_layout(config: Config) -> data.StructLayout:
    """A band to drain.

    Members:
        rows: 1 / l' of each; not filled behind those that it has.
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


def divided_layout(config: Config) -> data.StructLayout:
    """A band whose rows are divided, and the log-sum-exp of each that it has."""
    return data.StructLayout({"band": band_layout(config), "lse": data.ArrayLayout(LSE_BITS, config.drain_rows)})


def aligned_layout(config: Config) -> data.StructLayout:
    """A row and its sink before they are added: l' = still + moves * 2^-amount.

    Members:
        filled: a block was added.
        empty: neither was a block added, nor is there a sink.
        leads: the sink has the higher exponent, so l moves and O with it.
        reference: r'.
        still, moves: l and the sink's weight, the one with the lower exponent moves.
        amount: bits by which it moves right, at most as many as leave nothing of O and l.
    """
    amount = fits(max(config.accumulator_bits - 1 + headroom(config), config.row_sum_bits + 1))
    return data.StructLayout(
        {
            **dict.fromkeys(("filled", "empty", "leads"), 1),
            "reference": signed(REFERENCE_BITS),
            **dict.fromkeys(("still", "moves"), config.row_sum_bits),
            "amount": amount,
        }
    )


class Reciprocal(wiring.Component):
    """Reads the row sums of a tile, adds their sinks and divides.

    Throughput: a band of r rows per 15 r + 2 cycles. Latency: 15 r + 1 cycles.

    Members:
        i: tiles.
        o: their bands.
        state_enable, state_row, state_word, state_turn: read a row's state and sink.
        state, sink: of that row, 1 cycle later.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(drained_tile_layout(config))),
                "o": Out(stream.Signature(divided_layout(config))),
                "state_enable": Out(1),
                "state_row": Out(address_shape(config.rows)),
                "state_word": Out(address_shape(config.words)),
                "state_turn": Out(1),
                "state": In(row_state_layout(config)),
                "sink": In(sink_layout(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        row = Signal(address_shape(config.rows))
        place = row[: len(self.o.payload.band.more)]
        last = Signal()
        out = Signal(divided_layout(config))
        band = out.band
        aligned = Signal(aligned_layout(config), reset_less=True)
        length = Signal(fits(config.row_sum_bits), reset_less=True)
        mantissa = Signal(RECIPROCAL_BITS, reset_less=True)
        remainder = Signal(RECIPROCAL_BITS, reset_less=True)
        step = Signal(range(STEPS))
        m.d.comb += [
            *(self.state_row.eq(row), self.state_word.eq(self.i.payload.word), self.state_turn.eq(self.i.payload.turn)),
            *(self.o.payload.eq(out), last.eq(row + 1 == self.i.payload.rows)),
        ]
        with m.FSM():
            with m.State("READ"):
                m.d.comb += self.state_enable.eq(self.i.valid)
                with m.If(self.i.valid):
                    m.next = "SINK"
            with m.State("SINK"):
                self._align(m, aligned)
                m.next = "NORMALIZE"
            with m.State("NORMALIZE"):
                row_sum = Signal(config.row_sum_bits)
                still, moves = (Cat(aligned[name], Const(0, 1)).as_signed() for name in ("still", "moves"))
                m.d.comb += row_sum.eq(add_shift_round(still, moves, aligned.amount))
                bits, top = normalized(m, row_sum)
                # The first step: 2^14 - 1 is never below the mantissa.
                m.d.sync += [
                    *(length.eq(bits), mantissa.eq(top), remainder.eq(~top), step.eq(0)),
                    *(band.band.eq(row[len(place) :]), band.word.eq(self.i.payload.word)),
                    *(band.more.eq(place), band.last.eq(last)),
                ]
                with m.If(self._goes_on(place, last)):
                    m.d.sync += row.eq(row + 1)
                m.next = "DIVIDE"
            with m.State("DIVIDE"):
                excess = length - least_length(config) + Mux(aligned.leads, aligned.amount, 0)
                filled = aligned.filled & (excess >> len(band.rows[0].excess) == 0)
                shifted = Cat(Const(1, 1), remainder)
                fits_in = shifted >= mantissa
                m.d.sync += [remainder.eq(Mux(fits_in, shifted - mantissa, shifted)), step.eq(step + 1)]
                for n in range(config.drain_rows):
                    with m.If(is_at(band.more, n)):
                        m.d.sync += [
                            *(band.rows[n].filled.eq(filled), band.rows[n].excess.eq(excess)),
                            band.rows[n].reciprocal.eq(Cat(fits_in, band.rows[n].reciprocal)),
                            out.lse[n].eq(log_sum_exp(m, config, aligned, length, mantissa)),
                            *(band.rows[behind].filled.eq(0) for behind in range(n + 1, config.drain_rows)),
                        ]
                with m.If(step == STEPS - 1):
                    m.next = "SEND"
                    with m.If(self._goes_on(band.more, band.last)):
                        m.d.comb += self.state_enable.eq(1)
                        m.next = "SINK"
            with m.State("SEND"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.comb += self.i.ready.eq(band.last)
                    m.d.sync += row.eq(Mux(band.last, 0, row + 1))
                    m.next = "READ"
        return m

    def _align(self, m: Module, aligned: data.View) -> None:
        """Which of l and the sink's weight moves, and how far."""
        config, state, sink = self.config, self.state, self.sink
        most = (1 << len(aligned.amount)) - 1
        table = Array(config.lut)
        index = sink.fraction << max(config.lut_size.bit_length() - 1 - len(sink.fraction), 0)
        weight = Signal(config.probability_bits + config.row_sum_fraction)
        row_sum = Signal(config.row_sum_bits)
        rise, leads = Signal(signed(REFERENCE_BITS + 1)), Signal()
        distance = Signal(REFERENCE_BITS + 1)
        m.d.comb += [
            weight.eq(Mux(sink.present, table[index], 0) << config.row_sum_fraction),
            *(row_sum.eq(Mux(state.filled, state.row_sum, 0)), rise.eq(sink.exponent - state.reference)),
            leads.eq(sink.present & ((rise > 0) | ~state.filled)),
            distance.eq(Mux(rise > 0, rise, state.reference - sink.exponent)),
        ]
        m.d.sync += [
            *(aligned.filled.eq(state.filled), aligned.empty.eq(~state.filled & ~sink.present)),
            *(aligned.leads.eq(leads), aligned.reference.eq(Mux(leads, sink.exponent, state.reference))),
            *(aligned.still.eq(Mux(leads, weight, row_sum)), aligned.moves.eq(Mux(leads, row_sum, weight))),
            # If the row is not filled, its reference is not known.
            aligned.amount.eq(Mux(state.filled, Mux(distance > most, most, distance), 0)),
        ]

    def _goes_on(self, place: Value, last: Value) -> Value:
        """Whether a band has rows behind that place; last: the row there is the tile's last one."""
        return ~last & (place != self.config.drain_rows - 1) if len(place) else Const(0)


def log_sum_exp(m: Module, config: Config, aligned: data.View, length: Value, top: Value) -> Value:
    """The word of a row; length, top: of l', as of `normalized`."""
    exponent = Signal(signed(REFERENCE_BITS + 1))
    m.d.comb += exponent.eq(aligned.reference + length - (config.row_sum_fraction + config.probability_bits))
    fraction = top[: RECIPROCAL_BITS - 1][-LSE_FRACTION_BITS:]
    return Mux(aligned.empty, NO_KEY, Cat(fraction, saturate(exponent, REFERENCE_BITS)))


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
