"""Hybrid engine: IP-CIM, softmax, OP-CIM and normalizer behind five streams.

    i_job   a job (controller.job_layout)
    i_q     its queries, tile after tile, head after head inside a tile, rows in order
    o_fetch key blocks in the order in which the engine wants them
    i_k/i_v the update_rank vectors of each requested block, highest position first unless the schedule is in_order;
            positions at or beyond the job's keys may hold anything
    o       outputs: the rows of each tile, `units` neighbouring columns per beat

Each key and value vector enters once per pass, whatever the number of resident words. Jobs queue: the next one loads
while the current one computes. In steady state a block of update_rank vectors takes block_cycles cycles per resident
word, without a gap; softmax, PV, loads and drains are hidden.
"""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.arith import one_hot
from fusioncim.controller import Controller
from fusioncim.emit import once
from fusioncim.fetcher import fetch_layout
from fusioncim.ip_cim import IpCim
from fusioncim.kv_buffer import KvBuffer, vector_layout
from fusioncim.loader import job_layout, query_row_layout
from fusioncim.normalizer import Normalizer, beat_layout
from fusioncim.op_cim import OpCim
from fusioncim.softmax import Softmax
from fusioncim_golden.config import Config


class Engine(wiring.Component):
    """One hybrid engine. Members: the streams above; active: a bit-plane multiplies in this cycle."""

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i_job": In(stream.Signature(job_layout(config))),
                "i_q": In(stream.Signature(query_row_layout(config))),
                "i_k": In(stream.Signature(vector_layout(config))),
                "i_v": In(stream.Signature(vector_layout(config))),
                "o_fetch": Out(stream.Signature(fetch_layout())),
                "o": Out(stream.Signature(beat_layout(config))),
                "active": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        ip, soft, op, norm = IpCim(config), Softmax(config), OpCim(config), Normalizer(config)
        control, buffer = Controller(config), KvBuffer(config)
        units = {"controller": control, "kv_buffer": buffer, "ip_cim": ip, "softmax": soft, "op_cim": op}
        for name, unit in {**units, "normalizer": norm}.items():
            m.submodules[name] = once(platform, unit)

        wiring.connect(m, wiring.flipped(self.i_job), control.i_job)
        wiring.connect(m, wiring.flipped(self.i_q), control.i_q)
        wiring.connect(m, wiring.flipped(self.i_k), buffer.i_k)
        wiring.connect(m, wiring.flipped(self.i_v), buffer.i_v)
        wiring.connect(m, control.o_fetch, wiring.flipped(self.o_fetch))
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
            self.active.eq(control.active),
            # Probabilities.
            *(soft.control.eq(control.control), soft.correction.eq(ip.correction)),
            *(soft.score[i].eq(ip.score[i]) for i in range(config.rows)),
            *(op.load[n].eq(soft.load[n]) for n in range(config.softmax_lanes)),
            # Outputs.
            *(op.command.enable.eq(control.pv_enable), op.command.word.eq(control.pv_word)),
            op.command.column.eq(control.kv.value_column),
            *(op.command.value[n].as_value().eq(buffer.value[n]) for n in range(config.update_rank)),
            *(op.drain.eq(norm.drain), norm.drain_data.eq(op.drain_data)),
            *(soft.drain_enable.eq(norm.state_enable), soft.drain_row.eq(norm.state_row)),
            *(soft.drain_word.eq(norm.state_word), norm.state.eq(soft.drain_state)),
            control.drained.eq(one_hot(norm.done, norm.drain.word, config.words)),
        ]
        return m
