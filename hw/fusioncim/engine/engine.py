"""Hybrid engine: IP-CIM, softmax, OP-CIM and normalizer behind four streams in and one out.

Each key and value vector enters once per pass, whatever the number of resident words. The tiles of the next pass load
while the current one computes. Softmax, PV, loads and drains are hidden behind the scores.
"""

from typing import ClassVar

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.engine.controller import Controller, block_layout, engine_state_layout
from fusioncim.engine.ip_cim import IpCim
from fusioncim.engine.kv_buffer import KvBuffer, pair_layout
from fusioncim.engine.normalizer import Normalizer, output_beat_layout
from fusioncim.engine.op_cim import OpCim
from fusioncim.engine.sink_table import SinkTable
from fusioncim.engine.softmax import Softmax
from fusioncim.engine.softmax_layouts import softmax_events_layout
from fusioncim.engine.tile_loader import query_row_layout, tile_command_layout
from fusioncim.verilog.emit import once
from fusioncim_golden.config import Config


class Engine(wiring.Component):
    """One hybrid engine: O = softmax(scale * Q K^T) V for tile after tile.

    Throughput: in steady state a block of update_rank keys takes block_cycles cycles per resident word, without a gap.

    Members:
        i_tile: tiles to load; the last one of a pass closes it.
        i_q: their queries, row after row.
        i_block: key blocks in the order in which they pass, pass after pass. Some resident row may see each of them. A
            block is accepted when there is room for it.
        i_kv: the update_rank keys and values of each block, in the order of the schedule inside the block. Vectors that
            come after their block was accepted never wait. Positions that no row may see may hold anything.
        o: outputs, the bands of each tile, `units` neighbouring columns of every row per beat.
        state: what the engine does in this cycle.
        events: what the softmax did.
    """

    ports: ClassVar[dict[str, str]] = {
        "i_tile": "A tile to load. rows: at least 1; fresh: no earlier tile may seed its references; last: it ends a "
        "pass.",
        "i_q": "A query of the tile. data: signed operands, column 0 in the low bits; query: its score scale is "
        "mantissa / 2^shift, and it sees the keys at positions low to high - 1. With alibi its scores fall by "
        "slope / 2^slope_shift per key of distance from its position. sink: log2 of the weight of its head's sink, "
        "without the lowest fraction bits, and above it a bit that says that there is one.",
        "i_block": "The next block of keys that passes. block: its number; last: it ends the pass.",
        "i_kv": "A key and a value of the block: signed operands, column 0 in the low bits. With token_scale_bits the "
        "codes of their scales, and whether the job has any.",
        "o": "Outputs of drain_rows neighbouring rows, of each neighbouring columns, the lowest in the low bits. last: "
        "it ends the tile; more: rows behind the first (no bit where drain_rows is 1), behind which data is 0; lse: "
        "log-sum-exp of the rows, in a band's first beat, else 0.",
        "state": "What the engine does. active: it multiplies; loaded: a pass is resident; waits: for words to drain; "
        "adds: it multiplies and adds values.",
        "events": "What the softmax did in this cycle: updates of rows by kind, and slots that ended.",
    }

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i_tile": In(stream.Signature(tile_command_layout(config))),
                "i_q": In(stream.Signature(query_row_layout(config))),
                "i_block": In(stream.Signature(block_layout(config))),
                "i_kv": In(stream.Signature(pair_layout(config))),
                "o": Out(stream.Signature(output_beat_layout(config))),
                "state": Out(engine_state_layout()),
                "events": Out(softmax_events_layout(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        ip, soft, op, norm = IpCim(config), Softmax(config), OpCim(config), Normalizer(config)
        control, buffer, sinks = Controller(config), KvBuffer(config), SinkTable(config)
        units = {"controller": control, "kv_buffer": buffer, "ip_cim": ip, "softmax": soft, "op_cim": op}
        for name, unit in {**units, "sink_table": sinks, "normalizer": norm}.items():
            m.submodules[name] = once(platform, unit)

        wiring.connect(m, wiring.flipped(self.i_tile), control.i_tile)
        wiring.connect(m, wiring.flipped(self.i_q), control.i_q)
        wiring.connect(m, wiring.flipped(self.i_block), control.i_block)
        wiring.connect(m, wiring.flipped(self.i_kv), buffer.i)
        wiring.connect(m, control.kv, buffer.kv)
        wiring.connect(m, control.o_tile, norm.i)
        wiring.connect(m, norm.o, wiring.flipped(self.o))

        m.d.comb += [
            # Queries.
            *(ip.write.eq(control.write), soft.write_enable.eq(control.query_enable)),
            *(soft.write_row.eq(control.write.row), soft.write_word.eq(control.write.word)),
            soft.write_query.eq(control.query),
            # Scores.
            *(ip.command.enable.eq(control.command.enable), ip.command.first.eq(control.command.first)),
            *(ip.command.read.eq(control.command.read), ip.command.word.eq(control.command.word)),
            ip.command.plane.eq(buffer.plane),
            *(self.state.eq(control.state), self.events.eq(soft.events)),
            # Probabilities.
            *(getattr(ip.take, name).eq(getattr(control.control, name)) for name in ("enable", "row", "word")),
            soft.control.eq(control.control),
            *(soft.correction[n].eq(ip.correction[n]) for n in range(config.softmax_lanes)),
            *(soft.score[n].eq(ip.score[n]) for n in range(config.softmax_lanes)),
            *(op.load[n].eq(soft.load[n]) for n in range(config.softmax_lanes)),
            # Outputs.
            *(op.command.enable.eq(control.pv_enable), op.command.word.eq(control.pv_word)),
            op.command.column.eq(control.kv.value_column),
            *(op.command.value[n].as_value().eq(buffer.value[n]) for n in range(config.update_rank)),
            op.drain.eq(norm.drain),
            *(norm.drain_data[n].eq(op.drain_data[n]) for n in range(config.drain_rows)),
            *(soft.drain_enable.eq(norm.state_enable), soft.drain_row.eq(norm.state_row)),
            *(soft.drain_word.eq(norm.state_word), norm.state.eq(soft.drain_state)),
            control.drained.eq(norm.done),
            # Sinks.
            *(sinks.write_enable.eq(control.write.enable), sinks.write_place.eq(control.sink_place)),
            *(sinks.write_sink.eq(control.sink), sinks.read_enable.eq(norm.state_enable)),
            *(sinks.read_place.row.eq(norm.state_row), sinks.read_place.word.eq(norm.state_word)),
            *(sinks.read_place.turn.eq(norm.state_turn), norm.sink.eq(sinks.sink)),
        ]
        return m
