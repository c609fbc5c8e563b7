"""Softmax macro: scores in, block-floating-point probabilities and accumulator commands out.

Every lane is the same pipeline (see `softmax_lane`). They share one control pipeline.
"""

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.engine.ip_cim import correction_shape
from fusioncim.engine.op_cim import load_layout
from fusioncim.engine.softmax_lane import SoftmaxLane, stages
from fusioncim.engine.softmax_layouts import control_layout, query_layout, row_state_layout, softmax_events_layout
from fusioncim.lib.arith import one_hot, pipelined, selected, tree_sum
from fusioncim.lib.bank import address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.config import Config
from fusioncim_golden.scale_table import least_shift
from fusioncim_golden.slopes import LEAST_SLOPE_SHIFT


class Softmax(wiring.Component):
    """All lanes and their control pipeline.

    Throughput: a score per lane and cycle. Latency: `softmax_lane.latency` cycles, 3 or 4, from a row's score to its
    command. This unit cannot stall.

    Members:
        control: of stage 0.
        score: of every lane's row that is taken, too large by its correction.
        correction: of every lane's row that was taken one cycle before.
        write_enable, write_row, write_word, write_query: a row's query.
        load: command of every lane to an OP-CIM row.
        events: what the commands of the cycle before did.
        drain_enable, drain_row, drain_word: read a row's state.
        drain_state: the state one cycle later, held.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "control": In(control_layout(config)),
                "score": In(signed(config.score_bits)).array(config.softmax_lanes),
                "correction": In(correction_shape(config)).array(config.softmax_lanes),
                "write_enable": In(1),
                "write_row": In(address_shape(config.rows)),
                "write_word": In(address_shape(config.words)),
                "write_query": In(query_layout(config)),
                "load": Out(load_layout(config)).array(config.softmax_lanes),
                "events": Out(softmax_events_layout(config)),
                "drain_enable": In(1),
                "drain_row": In(address_shape(config.rows)),
                "drain_word": In(address_shape(config.words)),
                "drain_state": Out(row_state_layout(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        count = stages(config)
        controls, enables = pipelined(m, self.control, count - 1, "control")

        events: list[data.View] = []
        per_lane = config.rows_per_lane
        query = Signal(query_layout(config))
        m.d.comb += [query.eq(self.write_query), query.shift.eq(self.write_query.shift - least_shift(config))]
        if config.alibi:
            m.d.comb += query.slope_shift.eq(self.write_query.slope_shift - LEAST_SLOPE_SHIFT)
        drained = Signal(config.softmax_lanes)
        drained_state = []
        for n in range(config.softmax_lanes):
            lane = SoftmaxLane(config)
            m.submodules[f"lane_{n}"] = once(platform, lane)
            m.d.comb += [lane.control[k].eq(controls[k]) for k in range(count)]
            m.d.comb += [lane.control[k].enable.eq(enables[k]) for k in range(count)]
            write_lane, write_row = self._place(self.write_row)
            drain_lane, drain_row = self._place(self.drain_row)
            m.d.comb += [
                *(lane.score.eq(self.score[n]), lane.correction.eq(self.correction[n])),
                *(self.load[n].eq(lane.load), lane.write_enable.eq(self.write_enable & (write_lane == n))),
                *(lane.write_row.eq(write_row), lane.write_word.eq(self.write_word), lane.write_query.eq(query)),
                lane.drain_enable.eq(self.drain_enable & (drain_lane == n)),
                *(lane.drain_row.eq(drain_row), lane.drain_word.eq(self.drain_word)),
            ]
            events.append(lane.events)
            drained_state.append(lane.drain_state)
        with m.If(self.drain_enable):
            m.d.sync += drained.eq(one_hot(1, drain_lane, config.softmax_lanes))
        m.d.comb += self.drain_state.eq(selected(drained, drained_state))

        adds = Signal()
        added = Signal()
        last = Signal()
        m.d.comb += [
            adds.eq(Cat(event.update & ~event.zero for event in events).any()),
            last.eq(events[0].update & (controls[-1].row == per_lane - 1)),
        ]
        with m.If(events[0].update):
            m.d.sync += added.eq(~last & (added | adds))
        m.d.sync += [
            *(self.events.slots.eq(last), self.events.zero_slots.eq(last & ~added & ~adds)),
            self.events.row_updates.eq(tree_sum([event.update for event in events])),
            self.events.rescales.eq(tree_sum([event.rescale for event in events])),
            self.events.halvings.eq(tree_sum([event.halve for event in events])),
            self.events.zero_row_updates.eq(tree_sum([event.zero for event in events])),
        ]
        return m

    def _place(self, row: Signal) -> tuple[Value, Value]:
        """Lane of a row, and row of that lane."""
        per_lane = self.config.rows_per_lane
        if per_lane & (per_lane - 1):
            return row // per_lane, row % per_lane
        return row.shift_right(per_lane.bit_length() - 1), row[: per_lane.bit_length() - 1]
