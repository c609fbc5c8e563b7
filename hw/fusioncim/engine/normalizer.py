"""Normalizer: drains finished tiles, O / l, through one reciprocal per row and one multiplier per unit.

    output = saturate(shift_round((O >> (bit_length(l) - c)) * reciprocal(l), constant)), see the golden `normalizer`

The reciprocal of the next row is divided (14 restoring steps) while the current row streams out. Rows go out in order,
a row as block_cycles beats of `units` neighbouring columns.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.engine.op_cim import drain_layout
from fusioncim.engine.softmax_layouts import row_state_layout
from fusioncim.lib.arith import fits, one_hot, saturate, shift_round
from fusioncim.lib.bank import address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.config import RECIPROCAL_BITS, Config
from fusioncim_golden.normalizer import guard_bits, headroom, least_length

ROW_CYCLES = RECIPROCAL_BITS + 3
"""Cycles of a row's reciprocal: read the row sum, normalize it, a division step per bit, send."""
PIPELINE_CYCLES = 3
"""Cycles of an element: read it from its bank, align, multiply."""
LATENCY = ROW_CYCLES + PIPELINE_CYCLES
"""Cycles from a tile to its first beat."""


def drained_tile_layout(config: Config) -> data.StructLayout:
    """A tile to drain: its word and the number of its rows."""
    return data.StructLayout({"word": address_shape(config.words), "rows": fits(config.rows)})


def output_beat_layout(config: Config) -> data.StructLayout:
    """`units` neighbouring outputs of a row; last: the end of the tile."""
    return data.StructLayout(
        {"data": data.ArrayLayout(signed(config.output_bits), config.units), "last": 1},
    )


def inverse_layout(config: Config) -> data.StructLayout:
    """1 / l of a row.

    Members:
        filled: a block was added; else the row's outputs are 0.
        excess: bits of l beyond the least.
        reciprocal: of the mantissa of l.
        last: the tile's last row.
        row, word: which row.
    """
    return data.StructLayout(
        {
            "filled": 1,
            "excess": fits(config.row_sum_bits - least_length(config)),
            "reciprocal": RECIPROCAL_BITS,
            "last": 1,
            "row": address_shape(config.rows),
            "word": address_shape(config.words),
        }
    )


class Reciprocal(wiring.Component):
    """Reads the row sums of a tile and divides: reciprocal = floor((2^27 - 1) / m), m the 14 top bits of l.

    Throughput: a row per 17 cycles. Latency: 16 cycles.

    Members:
        i: tiles.
        o: one inverse per row.
        state_enable, state_row, state_word, state: read port of the softmax, latency 1 cycle.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(drained_tile_layout(config))),
                "o": Out(stream.Signature(inverse_layout(config))),
                "state_enable": Out(1),
                "state_row": Out(address_shape(config.rows)),
                "state_word": Out(address_shape(config.words)),
                "state": In(row_state_layout(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        row = Signal(address_shape(self.config.rows))
        inverse = Signal(inverse_layout(self.config))
        mantissa = Signal(RECIPROCAL_BITS, reset_less=True)
        remainder = Signal(RECIPROCAL_BITS, reset_less=True)
        step = Signal(range(RECIPROCAL_BITS))
        m.d.comb += [
            *(self.state_row.eq(row), self.state_word.eq(self.i.payload.word)),
            self.o.payload.eq(inverse),
        ]
        with m.FSM():
            with m.State("READ"):
                m.d.comb += self.state_enable.eq(self.i.valid)
                with m.If(self.i.valid):
                    m.next = "NORMALIZE"
            with m.State("NORMALIZE"):
                length, top = normalized(m, self.state.row_sum)
                m.d.sync += [
                    *(inverse.filled.eq(self.state.filled), mantissa.eq(top)),
                    inverse.excess.eq(length - least_length(self.config)),
                    *(inverse.row.eq(row), inverse.word.eq(self.i.payload.word)),
                    inverse.last.eq(row + 1 == self.i.payload.rows),
                    *(remainder.eq((1 << (RECIPROCAL_BITS - 1)) - 1), step.eq(0)),
                ]
                m.next = "DIVIDE"
            with m.State("DIVIDE"):
                shifted = Cat(Const(1, 1), remainder)
                fits_in = shifted >= mantissa
                m.d.sync += [
                    remainder.eq(Mux(fits_in, shifted - mantissa, shifted)),
                    inverse.reciprocal.eq(Cat(fits_in, inverse.reciprocal)),
                    step.eq(step + 1),
                ]
                with m.If(step == RECIPROCAL_BITS - 1):
                    m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.comb += self.i.ready.eq(inverse.last)
                    m.d.sync += row.eq(Mux(inverse.last, 0, row + 1))
                    m.next = "READ"
        return m


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


class NormalizerUnit(wiring.Component):
    """Aligns, multiplies, rounds and saturates one element per cycle.

        quotient = saturate(shift_round(aligned * reciprocal, constant)) if filled else 0

    Latency: 2 cycles in which `advance` is set.

    Members:
        advance: go on; else everything stands still.
        element, excess: an element and the excess of its row.
        reciprocal, filled: of its row.
        quotient: the output.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "advance": In(1),
                "element": In(signed(config.accumulator_bits)),
                "excess": In(inverse_layout(config)["excess"].shape),
                "reciprocal": In(RECIPROCAL_BITS),
                "filled": In(1),
                "quotient": Out(signed(config.output_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        above, guard = headroom(config), guard_bits(config)
        moved = self.element.shift_left(above) if above > 0 else self.element.shift_right(-above)
        fitted = Signal(signed(len(moved)))
        aligned = Signal(signed(config.output_bits + 1 + guard), reset_less=True)
        reciprocal = Signal(RECIPROCAL_BITS, reset_less=True)
        filled = Signal(reset_less=True)
        rounded = Signal(signed(config.output_bits + 2))
        m.d.comb += [
            fitted.eq(moved >> self.excess),
            rounded.eq(shift_round(aligned * reciprocal, Const(RECIPROCAL_BITS + guard))),
        ]
        with m.If(self.advance):
            m.d.sync += [
                aligned.eq(saturate(fitted, len(aligned))),
                *(reciprocal.eq(self.reciprocal), filled.eq(self.filled)),
                self.quotient.eq(Mux(filled, saturate(rounded, config.output_bits), 0)),
            ]
        return m


class Normalizer(wiring.Component):
    """Drains tiles.

    Throughput: one beat per cycle, or one row per 17 cycles. Latency: 20 cycles from a tile to its first beat. A
    stalled output holds everything still.

    Members:
        i: tiles.
        o: beats.
        done: words whose last element was taken from the bank.
        drain, drain_data: read port of the OP-CIM.
        state_enable, state_row, state_word, state: read port of the softmax.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(drained_tile_layout(config))),
                "o": Out(stream.Signature(output_beat_layout(config))),
                "done": Out(config.words),
                "drain": Out(drain_layout(config)),
                "drain_data": In(config.units * config.accumulator_bits),
                "state_enable": Out(1),
                "state_row": Out(address_shape(config.rows)),
                "state_word": Out(address_shape(config.words)),
                "state": In(row_state_layout(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.reciprocal = reciprocal = Reciprocal(config)
        wiring.connect(m, wiring.flipped(self.i), reciprocal.i)
        m.d.comb += [
            *(self.state_enable.eq(reciprocal.state_enable), self.state_row.eq(reciprocal.state_row)),
            *(self.state_word.eq(reciprocal.state_word), reciprocal.state.eq(self.state)),
        ]

        # The inverse in use; the next one is divided meanwhile.
        advance = Signal()
        loaded = Signal()
        row_done = Signal()
        inverse = Signal(inverse_layout(config))
        column = Signal(address_shape(config.block_cycles))
        last_column = Signal()
        m.d.comb += [
            *(advance.eq(~self.o.valid | self.o.ready), last_column.eq(column == config.block_cycles - 1)),
            *(self.drain.enable.eq(advance & loaded), row_done.eq(self.drain.enable & last_column)),
            *(self.drain.row.eq(inverse.row), self.drain.word.eq(inverse.word), self.drain.column.eq(column)),
            reciprocal.o.ready.eq(~loaded | row_done),
        ]
        with m.If(self.drain.enable):
            m.d.sync += column.eq(Mux(last_column, 0, column + 1))
        with m.If(reciprocal.o.ready):
            m.d.sync += [loaded.eq(reciprocal.o.valid), inverse.eq(reciprocal.o.payload)]

        # Bank, align, multiply: each stage keeps what the next needs of the row's inverse.
        stages = [inverse]
        valid, last = [loaded], [last_column & inverse.last]
        for n in range(PIPELINE_CYCLES - 1):
            stage = Signal(inverse_layout(config), name=f"inverse_{n}", reset_less=True)
            stage_valid = Signal(name=f"valid_{n}")
            stage_last = Signal(name=f"last_{n}")
            with m.If(advance):
                m.d.sync += [stage.eq(stages[-1]), stage_valid.eq(valid[-1]), stage_last.eq(last[-1])]
            stages.append(stage)
            valid.append(stage_valid)
            last.append(stage_last)
        m.d.comb += self.done.eq(one_hot(advance & valid[1] & last[1], stages[1].word, config.words))
        for u in range(config.units):
            unit = NormalizerUnit(config)
            m.submodules[f"unit_{u}"] = once(platform, unit)
            m.d.comb += [
                unit.element.eq(self.drain_data.word_select(u, config.accumulator_bits)),
                *(unit.advance.eq(advance), unit.excess.eq(stages[1].excess)),
                *(unit.reciprocal.eq(stages[1].reciprocal), unit.filled.eq(stages[1].filled)),
                self.o.payload.data[u].eq(unit.quotient),
            ]
        with m.If(advance):
            m.d.sync += [self.o.valid.eq(valid[-1]), self.o.payload.last.eq(last[-1])]
        return m
