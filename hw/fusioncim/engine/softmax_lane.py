"""A softmax lane: the scores of rows_per_lane rows, one after the other, become probabilities and row updates.

    x = floor(s * mantissa / 2^shift)                                       log2 score, fixed point
    p = LUT[fraction(x)] >> (b - floor(x))                                  inside a block, b its running exponent
    l = l * 2^-k + sum(p) * 2^-e,  O = O * 2^-k + (P V) * 2^-e              at the end of a block, e = r - b

The rules are those of the golden `softmax`, state for state. The lane takes a score in every cycle: its rows come one
after the other because the macros are skewed. What a row keeps lies in small banks, addressed by row or by (word, row).
Their outputs hold, so they are pipeline registers as well.

Pipeline, by the stage in which a value is computed (registered into the next, or into a bank):
    0 take the row's score
    1 subtract the correction, multiply, shift; mask                                         `softmax_score`
    2 table, distance to the block's exponent                                                `softmax_block`
    3 shift, insert into the block; at its end: its sum, update of reference and row sum, command to the OP-CIM row

Slopes, and scales per token with a mantissa, take one more stage between 1 and 2.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.engine.ip_cim import correction_shape
from fusioncim.engine.op_cim import load_layout
from fusioncim.engine.softmax_block import RowBlock, probabilities
from fusioncim.engine.softmax_layouts import (
    control_layout,
    lane_events_layout,
    query_layout,
    row_address,
    row_depth,
    row_state_layout,
)
from fusioncim.engine.softmax_score import log2_score, score_stages
from fusioncim.lib.arith import add_shift_round, fits, tree_sum
from fusioncim.lib.bank import Bank, address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.config import REFERENCE_BITS, Config
from fusioncim_golden.softmax import Update


def stages(config: Config) -> int:
    """Stages of the pipeline above."""
    return score_stages(config) + 2


def latency(config: Config) -> int:
    """Cycles from the score of a block's last key, in stage 0, to the row's command for the OP-CIM."""
    return stages(config) - 1


class SoftmaxLane(wiring.Component):
    """One lane: scores of its rows become probabilities and, block by block, updates of l and O: the golden `softmax`.

        x = floor(s * mantissa / 2^shift),  p = LUT[fraction(x)] >> (b - floor(x)),  l = l * 2^-k + sum(p) * 2^-e

    Throughput: a score per cycle. Latency: `latency` cycles, 3 or 4, from the score of a block's last key to the row's
    command. The lane cannot stall.

    Members:
        control: of every stage.
        score: of the row that is taken, too large by its correction.
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
                "control": In(control_layout(config)).array(stages(config)),
                "score": In(signed(config.score_bits)),
                "correction": In(correction_shape(config)),
                "write_enable": In(1),
                "write_row": In(address_shape(config.rows_per_lane)),
                "write_word": In(address_shape(config.words)),
                "write_query": In(query_layout(config)),
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
        x, visible, centred = log2_score(m, platform, self)
        centred_3, table = Signal(reset_less=True), self.control[score_stages(self.config)]
        with m.If(table.enable & table.last):
            m.d.sync += centred_3.eq(centred)
        self._merge(m, platform, probabilities(m, platform, self, x, visible), centred_3)
        return m

    def _merge(self, m: Module, platform: object, block: RowBlock, centred: Signal) -> None:
        """Last stage: choose the update, move reference and row sum, command the OP-CIM row."""
        config = self.config
        p, exponent, seen = block.p, block.exponent, block.seen
        before, control = self.control[-2:]
        layout = row_state_layout(config)
        states = Bank(depth=row_depth(config), width=layout.size, reads=2)
        m.submodules.states = once(platform, states)
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
        names = ("load", "add", "move", "wiped", "near", "count")
        load, add, move, wiped, near, count = (Signal(name=f"{name}_3") for name in names)
        # b - r - full = ~(r + ~b + full), with one adder.
        m.d.comb += [
            *(filled.eq(state.filled & ~control.first), full.eq(state.row_sum[-1])),
            distance.eq(~((Cat(full, state.reference).as_signed() + Cat(full, ~exponent).as_signed()) >> 1)),
            rise.eq(distance[: len(rise)] + full),
            move.eq(seen & filled & (distance > config.slack)),
            near.eq(seen & filled & (distance <= config.slack)),
            count.eq(near & centred & (distance >= -config.sum_flush)),
            add.eq((near & (distance >= Mux(centred, -config.centred_flush, -config.flush))) | (count & full)),
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
            total.eq(tree_sum([Mux(end, each, 0) for each in p]) if block.total is None else self._total(end, block)),
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
            states.write_enable.eq(end & (adds | count | control.first)),
            states.write_address.eq(row_address(config, control.word, control.row)),
            states.write_data.eq(written.as_value()),
            *(self.load.enable.eq(end), self.load.row.eq(control.row)),
            update.kind.eq(Mux(load, Update.LOAD, Mux(rescale, Update.RESCALE, Mux(add, Update.ADD, Update.SKIP)))),
            update.halve.eq(add & full),
            # The long wires to the rows hold still but where a block ends.
            *(update.p[n].eq(Mux(end & adds, each, 0)) for n, each in enumerate(reversed(p))),
            *(self.events.update.eq(end), self.events.rescale.eq(end & move)),
            *(self.events.halve.eq(end & update.halve), self.events.zero.eq(end & ~adds)),
        ]

    def _total(self, end: Signal, block: RowBlock) -> Value:
        """The block's sum S: the lane keeps it in a job with scales per token, and adds the p in one without."""
        summed = tree_sum([Mux(end & ~self.control[-1].scaled, each, 0) for each in block.p])
        return Mux(end & self.control[-1].scaled, block.total, 0) | summed
