"""Normalizer: drains finished tiles, O / l', through one reciprocal per row and one multiplier per unit.

    output = saturate(shift_round((O >> (bit_length(l') - c)) * reciprocal(l'), constant)), see the golden `normalizer`

A tile leaves band by band: a band is drain_rows neighbouring rows; the last one of a tile may have fewer. Its rows
leave at the same time, each through multipliers of its own, as block_cycles beats of `units` neighbouring columns. One
divider serves all of them (15 cycles per row). It divides for the next band while the current one streams out. The
log-sum-exp of its rows goes with the first beat of a band.
"""

from itertools import product

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.engine.op_cim import drain_layout
from fusioncim.engine.reciprocal import (
    LSE_BITS,
    STEPS,
    Reciprocal,
    band_layout,
    divided_layout,
    division_cycles,
    drained_tile_layout,
    inverse_layout,
    place_in_band,
)
from fusioncim.engine.sink_table import sink_layout
from fusioncim.engine.softmax_layouts import row_state_layout
from fusioncim.lib.arith import one_hot, saturate, shift_round
from fusioncim.lib.bank import address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.config import RECIPROCAL_BITS, Config
from fusioncim_golden.normalizer import guard_bits, headroom

PIPELINE_CYCLES = 3
"""Cycles of an element: read it from its bank, align, multiply."""


def latency(rows: int) -> int:
    """Cycles from a tile whose first band has so many rows to its first beat."""
    return division_cycles(rows) + PIPELINE_CYCLES


def output_beat_layout(config: Config) -> data.StructLayout:
    """`units` neighbouring outputs of each row of a band.

    Members:
        data: [row][unit]; 0 in rows that the band does not have.
        last: the end of the tile.
        more: rows of the band behind its first.
        lse: log-sum-exp of each row that the band has, in the first beat of the band; else 0.
    """
    row = data.ArrayLayout(signed(config.output_bits), config.units)
    return data.StructLayout(
        {
            "data": data.ArrayLayout(row, config.drain_rows),
            "last": 1,
            "more": place_in_band(config),
            "lse": data.ArrayLayout(LSE_BITS, config.drain_rows),
        }
    )


class NormalizerUnit(wiring.Component):
    """Aligns, multiplies, rounds and saturates one element per cycle.

        quotient = saturate(shift_round(aligned * (2^13 + reciprocal), constant)) if filled else 0

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
                "reciprocal": In(STEPS),
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
        reciprocal = Signal(STEPS, reset_less=True)
        filled = Signal(reset_less=True)
        rounded = Signal(signed(config.output_bits + 2))
        m.d.comb += [
            fitted.eq(moved >> self.excess),
            rounded.eq(shift_round(aligned * Cat(reciprocal, Const(1, 1)), Const(RECIPROCAL_BITS + guard))),
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

    Throughput: one beat per cycle, or one band of r rows per 15 r + 2 cycles. Latency: 15 r + 5 cycles from a tile with
    a first band of r rows to its first beat. A stalled output holds everything still.

    Members:
        i: tiles.
        o: beats.
        done: words whose last element was taken from the bank.
        drain, drain_data: read port of the OP-CIM.
        state_enable, state_row, state_word, state: read port of the softmax.
        state_turn, sink: with the row and word, read port of the sink table.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(drained_tile_layout(config))),
                "o": Out(stream.Signature(output_beat_layout(config))),
                "done": Out(config.words),
                "drain": Out(drain_layout(config)),
                "drain_data": In(config.units * config.accumulator_bits).array(config.drain_rows),
                "state_enable": Out(1),
                "state_row": Out(address_shape(config.rows)),
                "state_word": Out(address_shape(config.words)),
                "state": In(row_state_layout(config)),
                "state_turn": Out(1),
                "sink": In(sink_layout(config)),
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
            *(self.state_turn.eq(reciprocal.state_turn), reciprocal.sink.eq(self.sink)),
        ]

        # The band that leaves; the next one is divided meanwhile.
        advance = Signal()
        loaded = Signal()
        band_done = Signal()
        reads = Signal()
        divided = Signal(divided_layout(config))
        band = divided.band
        column = Signal(address_shape(config.block_cycles))
        last_column = Signal()
        m.d.comb += [
            *(advance.eq(~self.o.valid | self.o.ready), last_column.eq(column == config.block_cycles - 1)),
            *(reads.eq(advance & loaded), band_done.eq(reads & last_column)),
            self.drain.enable.eq(Cat(reads, *(reads & (band.more >= n) for n in range(1, config.drain_rows)))),
            *(self.drain.band.eq(band.band), self.drain.word.eq(band.word), self.drain.column.eq(column)),
            reciprocal.o.ready.eq(~loaded | band_done),
        ]
        with m.If(reads):
            m.d.sync += column.eq(Mux(last_column, 0, column + 1))
        with m.If(reciprocal.o.ready):
            m.d.sync += [loaded.eq(reciprocal.o.valid), divided.eq(reciprocal.o.payload)]

        # Bank, align, multiply: each stage keeps what the next needs of the band.
        stages = [band]
        first, valid, last = [column == 0], [loaded], [last_column & band.last]
        for n in range(PIPELINE_CYCLES - 1):
            stage = Signal(band_layout(config), name=f"band_{n}", reset_less=True)
            with m.If(advance):
                m.d.sync += stage.eq(stages[-1])
            stages.append(stage)
            for name, marks in (("first", first), ("valid", valid), ("last", last)):
                mark = Signal(name=f"{name}_{n}")
                with m.If(advance):
                    m.d.sync += mark.eq(marks[-1])
                marks.append(mark)
        m.d.comb += self.drain.show.eq(valid[1])
        m.d.comb += self.done.eq(one_hot(advance & valid[1] & last[1], stages[1].word, config.words))
        for n, u in product(range(config.drain_rows), range(config.units)):
            unit = NormalizerUnit(config)
            m.submodules[f"unit_{n * config.units + u}"] = once(platform, unit)
            row = stages[1].rows[n]
            m.d.comb += [
                unit.element.eq(self.drain_data[n].word_select(u, config.accumulator_bits)),
                *(unit.advance.eq(advance), unit.excess.eq(row.excess)),
                *(unit.reciprocal.eq(row.reciprocal), unit.filled.eq(row.filled)),
                self.o.payload.data[n][u].eq(unit.quotient),
            ]
        begins = Signal()
        with m.If(advance):
            m.d.sync += [
                *(self.o.valid.eq(valid[-1]), self.o.payload.last.eq(last[-1])),
                *(self.o.payload.more.eq(stages[-1].more), begins.eq(first[-1])),
            ]
        # The band is still there: it has more columns than an element has stages.
        m.d.comb += self.o.payload.lse.eq(Mux(begins, divided.lse.as_value(), 0))
        return m
