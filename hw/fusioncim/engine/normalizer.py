"""Normalizer: drains finished tiles, O / l, through one reciprocal per row and one multiplier per unit.

    output = saturate(shift_round((O >> (bit_length(l) - c)) * reciprocal(l), constant)), see the golden `normalizer`

A tile leaves band by band: a band is drain_rows neighbouring rows; the last one of a tile may have fewer. Its rows
leave at the same time, each through multipliers of its own, as block_cycles beats of `units` neighbouring columns. One
divider serves all of them (14 restoring steps per row). It divides for the next band while the current one streams out.
"""

from itertools import product

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.engine.op_cim import drain_layout
from fusioncim.engine.softmax_layouts import row_state_layout
from fusioncim.lib.arith import fits, one_hot, saturate, shift_round
from fusioncim.lib.bank import address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.config import RECIPROCAL_BITS, Config
from fusioncim_golden.normalizer import guard_bits, headroom, least_length

ROW_CYCLES = RECIPROCAL_BITS + 1
"""Cycles of a row's reciprocal: normalize the row sum, a division step per bit."""
BAND_CYCLES = 2
"""Cycles of a band's reciprocals besides: read the first row sum, send."""
PIPELINE_CYCLES = 3
"""Cycles of an element: read it from its bank, align, multiply."""


def division_cycles(rows: int) -> int:
    """Cycles in which the reciprocals of a band of so many rows are divided."""
    return rows * ROW_CYCLES + BAND_CYCLES


def latency(rows: int) -> int:
    """Cycles from a tile whose first band has so many rows to its first beat."""
    return division_cycles(rows) + PIPELINE_CYCLES


def drained_tile_layout(config: Config) -> data.StructLayout:
    """A tile to drain: its word and the number of its rows."""
    return data.StructLayout({"word": address_shape(config.words), "rows": fits(config.rows)})


def place_in_band(config: Config) -> Shape:
    """Shape of the place of a row in its band; without a bit where rows leave one by one."""
    return unsigned(config.drain_rows.bit_length() - 1)


def is_at(place: Value, n: int) -> Value:
    """Whether a place in a band is n; the only one, 0, has no bit to be compared."""
    return place == n if len(place) else Const(1)


def output_beat_layout(config: Config) -> data.StructLayout:
    """`units` neighbouring outputs of each row of a band.

    Members:
        data: [row][unit]; 0 in rows that the band does not have.
        last: the end of the tile.
        more: rows of the band behind its first.
    """
    row = data.ArrayLayout(signed(config.output_bits), config.units)
    return data.StructLayout(
        {"data": data.ArrayLayout(row, config.drain_rows), "last": 1, "more": place_in_band(config)}
    )


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

    Throughput: a band per `division_cycles`. Latency: one cycle less.

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

    Throughput: one beat per cycle, or one band per `division_cycles`. Latency: `latency`, from a tile to its first
    beat. A stalled output holds everything still.

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
                "drain_data": In(config.units * config.accumulator_bits).array(config.drain_rows),
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

        # The band that leaves; the next one is divided meanwhile.
        advance = Signal()
        loaded = Signal()
        band_done = Signal()
        reads = Signal()
        band = Signal(band_layout(config))
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
            m.d.sync += [loaded.eq(reciprocal.o.valid), band.eq(reciprocal.o.payload)]

        # Bank, align, multiply: each stage keeps what the next needs of the band.
        stages = [band]
        valid, last = [loaded], [last_column & band.last]
        for n in range(PIPELINE_CYCLES - 1):
            stage = Signal(band_layout(config), name=f"band_{n}", reset_less=True)
            stage_valid = Signal(name=f"valid_{n}")
            stage_last = Signal(name=f"last_{n}")
            with m.If(advance):
                m.d.sync += [stage.eq(stages[-1]), stage_valid.eq(valid[-1]), stage_last.eq(last[-1])]
            stages.append(stage)
            valid.append(stage_valid)
            last.append(stage_last)
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
        with m.If(advance):
            m.d.sync += [
                *(self.o.valid.eq(valid[-1]), self.o.payload.last.eq(last[-1])),
                self.o.payload.more.eq(stages[-1].more),
            ]
        return m
