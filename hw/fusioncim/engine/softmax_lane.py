"""A softmax lane: the scores of rows_per_lane rows, one after the other, become probabilities and row updates.

    x = floor(s * mantissa / 2^shift)                                       log2 score, fixed point
    p = LUT[fraction(x)] >> (b - floor(x))                                  inside a block, b its running exponent
    l = l * 2^-k + sum(p) * 2^-e,  O = O * 2^-k + (P V) * 2^-e              at the end of a block, e = r - b

The rules are those of the golden `softmax`, state for state. The lane takes a score in every cycle: its rows come one
after the other because the macros are skewed. What a row keeps lies in small banks, addressed by row or by (word, row).
Their outputs hold, so they are pipeline registers as well.

Pipeline, by the stage in which a value is computed (registered into the next, or into a bank):
    0 take the row's score
    1 subtract the correction, multiply, shift; mask
    2 table, distance to the block's exponent
    3 shift, insert into the block; at its end: its sum, update of reference and row sum, command to the OP-CIM row
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.engine.ip_cim import correction_shape
from fusioncim.engine.op_cim import load_layout
from fusioncim.engine.softmax_layouts import control_layout, lane_events_layout, query_layout, row_state_layout
from fusioncim.lib.arith import add_shift_round, fits, one_hot, selected, shift_round, tree_sum
from fusioncim.lib.bank import Bank, address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.config import REFERENCE_BITS, SCALE_BITS, Config
from fusioncim_golden.scale_table import least_shift
from fusioncim_golden.softmax import Update

STAGES = 4
"""Stages of the pipeline above."""
LATENCY = STAGES - 1
"""Cycles from the score of a block's last key, in stage 0, to the row's command for the OP-CIM."""
DISTANCE_BITS = 4
"""Bits of the shift of a probability; the largest leaves nothing of it."""


def row_address(config: Config, word: Signal, row: Signal) -> Cat:
    """Address of a row's entry in a lane's bank."""
    return Cat(row[: (config.rows_per_lane - 1).bit_length()], word)


def row_depth(config: Config) -> int:
    """Entries of a bank with one entry per word and row of a lane."""
    return config.words << (config.rows_per_lane - 1).bit_length()


class SoftmaxLane(wiring.Component):
    """One lane: scores of its rows become probabilities and, block by block, updates of l and O: the golden `softmax`.

        x = floor(s * mantissa / 2^shift),  p = LUT[fraction(x)] >> (b - floor(x)),  l = l * 2^-k + sum(p) * 2^-e

    Throughput: a score per cycle. Latency: 3 cycles from the score of a block's last key to the row's command. The lane
    cannot stall.

    Members:
        control: of every stage.
        score: of the lane's rows, too large by their correction.
        correction: of the row that was taken one cycle before.
        write_enable, write_row, write_word, write_query: a row's query; its shift is the excess over least_shift.
        load: command to an OP-CIM row.
        events: of that command.
        drain_enable, drain_row, drain_word: read a row's state.
        drain_state: the state one cycle later, held.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "control": In(control_layout(config)).array(STAGES),
                "score": In(signed(config.score_bits)).array(config.rows_per_lane),
                "correction": In(correction_shape(config)),
                "write_enable": In(1),
                "write_row": In(address_shape(config.rows_per_lane)),
                "write_word": In(address_shape(config.words)),
                "write_query": In(query_layout()),
                "load": Out(load_layout(config)),
                "events": Out(lane_events_layout()),
                "drain_enable": In(1),
                "drain_row": In(address_shape(config.rows_per_lane)),
                "drain_word": In(address_shape(config.words)),
                "drain_state": Out(row_state_layout(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        x, visible = self._log2_score(m, platform)
        p, exponent, seen = self._block(m, platform, x, visible)
        self._merge(m, platform, p, exponent, seen)
        return m

    def _log2_score(self, m: Module, platform: object) -> tuple[data.View, Signal]:
        """Stages 0 and 1: x and whether the key is visible, as of stage 2."""
        config, control = self.config, self.control
        queries = Bank(depth=row_depth(config), width=query_layout().size)
        m.submodules.queries = once(platform, queries)
        m.d.comb += [
            queries.write_enable.eq(self.write_enable),
            queries.write_address.eq(row_address(config, self.write_word, self.write_row)),
            queries.write_data.eq(self.write_query.as_value()),
            queries.read_enable[0].eq(control[0].enable),
            queries.read_address[0].eq(row_address(config, control[0].word, control[0].row)),
        ]
        taken = Signal(signed(config.score_bits), reset_less=True)
        select = one_hot(1, control[0].row, config.rows_per_lane)  # in every lane: eight lines to all would be slow
        with m.If(control[0].enable):
            m.d.sync += taken.eq(selected(select, self.score).as_signed())

        query = data.View(query_layout(), queries.read_data[0])
        score = Signal(signed(config.score_bits))
        product = Signal(signed(config.score_bits + SCALE_BITS - 1))
        m.d.comb += [score.eq(taken - self.correction), product.eq(score * query.mantissa)]
        least = least_shift(config) - config.fraction_bits
        aligned = product.shift_right(least) if least > 0 else product.shift_left(-least)
        visible = Signal(reset_less=True)
        x = Signal(
            data.StructLayout({"fraction": config.fraction_bits, "integer": signed(REFERENCE_BITS)}), reset_less=True
        )
        with m.If(control[1].enable):
            m.d.sync += [
                x.eq(aligned >> query.shift),
                visible.eq((query.low <= control[1].position) & (control[1].position < query.high)),
            ]
        return x, visible

    def _block(self, m: Module, platform: object, x: data.View, visible: Signal) -> tuple[list[Value], Signal, Signal]:
        """Stages 2 and 3: insert the key's probability into the row's block; p, exponent, seen as of stage 3.

        Kept are the p of the earlier keys, the latest first: those of an earlier block leave as keys come.
        """
        config, control = self.config, self.control
        bits, kept = config.probability_bits, config.update_rank - 1
        table = Array(value & ((1 << (bits - 1)) - 1) for value in config.lut)  # the top bit is always 1
        index = x.fraction >> (config.fraction_bits - (config.lut_size.bit_length() - 1))
        mantissa = Signal(bits - 1, reset_less=True)
        inserts = Signal(reset_less=True)
        exponent = Signal(signed(REFERENCE_BITS), reset_less=True)
        seen_3 = Signal(reset_less=True)
        seen = Signal()
        highest = Signal(signed(REFERENCE_BITS))
        m.d.comb += [seen.eq(visible), highest.eq(x.integer)]
        with m.If(control[2].enable):
            m.d.sync += [mantissa.eq(table[index]), inserts.eq(visible)]
        with m.If(control[2].enable & control[2].last):
            m.d.sync += [exponent.eq(highest), seen_3.eq(seen)]
        inserted = Cat(mantissa, Const(1, 1))
        if not kept:
            return [Mux(inserts, inserted, 0)], exponent, seen_3

        depth = 1 << (config.rows_per_lane - 1).bit_length()
        top = data.StructLayout({"seen": 1, "exponent": signed(REFERENCE_BITS)})
        tops = Bank(depth=depth, width=top.size)
        earlier = Bank(depth=depth, width=kept * bits)
        m.submodules += [once(platform, tops), once(platform, earlier)]
        old = data.View(top, tops.read_data[0])
        old_seen = Signal()
        rise = Signal(signed(REFERENCE_BITS + 1))
        up = Signal()
        amount = Signal(DISTANCE_BITS + 1)
        far = Signal()
        below = rise[-1]
        m.d.comb += [
            *(old_seen.eq(old.seen & (control[2].index != 0)), seen.eq(old_seen | visible)),
            *(rise.eq(x.integer - old.exponent), up.eq(visible & ~(old_seen & below))),
            highest.eq(Mux(old_seen & (below | ~visible), old.exponent, x.integer)),
            amount.eq((rise[:DISTANCE_BITS] ^ below.replicate(DISTANCE_BITS)) + below),
            far.eq(amount[-1] | (rise[DISTANCE_BITS:-1] != below.replicate(REFERENCE_BITS - DISTANCE_BITS))),
            *(
                tops.read_enable[0].eq(control[1].enable & (control[1].index != 0)),
                tops.read_address[0].eq(control[1].row),
            ),
            *(tops.write_enable.eq(control[2].enable & ~control[2].last), tops.write_address.eq(control[2].row)),
            tops.write_data.eq(Cat(seen, highest)),
            earlier.read_enable[0].eq(control[2].enable & (control[2].index != 0)),
            earlier.read_address[0].eq(control[2].row),
        ]
        distance = Signal(DISTANCE_BITS, reset_less=True)
        up_3 = Signal(reset_less=True)
        with m.If(control[2].enable):
            m.d.sync += [distance.eq(Mux(far, -1, amount)), up_3.eq(up)]
        p = [Mux(inserts, shift_round(inserted, Mux(up_3, 0, distance))[:bits], 0)]
        p += [
            shift_round(earlier.read_data[0].word_select(n, bits), Mux(up_3, distance, 0))[:bits] for n in range(kept)
        ]
        m.d.comb += [
            *(earlier.write_enable.eq(control[3].enable & ~control[3].last), earlier.write_address.eq(control[3].row)),
            earlier.write_data.eq(Cat(p[:-1])),
        ]
        return p, exponent, seen_3

    def _merge(self, m: Module, platform: object, p: list[Value], exponent: Signal, seen: Signal) -> None:
        """Stage 3: choose the update, move reference and row sum, command the OP-CIM row."""
        config = self.config
        control = self.control[3]
        layout = row_state_layout(config)
        states = Bank(depth=row_depth(config), width=layout.size, reads=2)
        m.submodules.states = once(platform, states)
        before = self.control[2]
        end = Signal()
        state = data.View(layout, states.read_data[0])
        m.d.comb += [
            end.eq(control.enable & control.last),
            states.read_enable[0].eq(before.enable & before.last),
            states.read_address[0].eq(row_address(config, before.word, before.row)),
            states.read_enable[1].eq(self.drain_enable),
            states.read_address[1].eq(row_address(config, self.drain_word, self.drain_row)),
            self.drain_state.eq(states.read_data[1]),
        ]
        filled = Signal()
        full = Signal()
        distance = Signal(signed(REFERENCE_BITS + 2))
        rise = Signal(fits(config.accumulator_bits))
        load, add, move, wiped = (Signal(name=name) for name in ("load_3", "add_3", "move_3", "wiped_3"))
        # b - r - full = ~(r + ~b + full), with one adder.
        m.d.comb += [
            *(filled.eq(state.filled & ~control.first), full.eq(state.row_sum[-1])),
            distance.eq(~((Cat(full, state.reference).as_signed() + Cat(full, ~exponent).as_signed()) >> 1)),
            rise.eq(distance[: len(rise)] + full),
            move.eq(seen & filled & (distance > config.slack)),
            add.eq(seen & filled & (distance <= config.slack) & (distance >= -config.flush)),
            wiped.eq(move & (distance >= config.accumulator_bits - full)),
            load.eq((seen & ~filled) | wiped),
        ]
        seeded = Mux(control.first, ~control.fresh & (state.seeded | state.filled), state.seeded)
        start: Signal | int = 0
        if config.seed:
            start = Signal(fits(config.seed_limit))
            above = Signal(signed(REFERENCE_BITS + 1))
            m.d.comb += above.eq(state.reference - exponent)
            with m.If(~filled & seeded & (above > 0)):
                m.d.comb += start.eq(Mux(above > config.seed_limit, config.seed_limit, above))

        # One shifter: the old row sum if the reference moves, else the block's.
        update = self.load.update
        high = config.row_sum_fraction + config.slack
        total = Signal(config.probability_bits + config.rank_bits)
        moved = Signal(config.row_sum_bits)
        kept = Signal(config.row_sum_bits)
        written = Signal(layout)
        rescale = Signal()
        m.d.comb += [
            total.eq(tree_sum([Mux(end, each, 0) for each in p])),
            rescale.eq(move & ~wiped),
            moved.eq(Mux(rescale, state.row_sum, total << high)),
            written.filled.eq(filled | seen),
            written.seeded.eq(seeded),
            written.row_sum.eq(add_shift_round(kept, moved, update.shift)),
            written.reference.eq(Mux(load | move, exponent + start, state.reference + (add & full))),
        ]
        with m.If(rescale):
            m.d.comb += [kept.eq(total << config.row_sum_fraction), update.shift.eq(rise)]
        with m.Else():
            with m.If(~load):
                m.d.comb += kept.eq(Mux(full, state.row_sum >> 1, state.row_sum))
            m.d.comb += update.shift.eq(config.slack + Mux(load, start, -distance))
        adds = load | add | move
        m.d.comb += [
            states.write_enable.eq(end & (adds | control.first)),
            states.write_address.eq(row_address(config, control.word, control.row)),
            states.write_data.eq(written.as_value()),
            *(self.load.enable.eq(end), self.load.row.eq(control.row)),
            update.kind.eq(Mux(load, Update.LOAD, Mux(rescale, Update.RESCALE, Mux(add, Update.ADD, Update.SKIP)))),
            update.halve.eq(add & full),
            *(update.p[n].eq(Mux(adds, each, 0)) for n, each in enumerate(reversed(p))),
            *(self.events.update.eq(end), self.events.rescale.eq(end & move)),
            *(self.events.halve.eq(end & update.halve), self.events.zero.eq(end & ~adds)),
        ]
