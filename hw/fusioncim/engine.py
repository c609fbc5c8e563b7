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

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from fusioncim.arith import one_hot, pick
from fusioncim.controller import (
    BlockFetcher,
    Sequencer,
    TileLoader,
    block_layout,
    fetch_layout,
    job_layout,
    pass_layout,
    query_row_layout,
)
from fusioncim.emit import once
from fusioncim.ip_cim import IpCim
from fusioncim.kv_buffer import BitPlanes, ValueRegisters, VectorRing, ring_blocks, vector_layout
from fusioncim.normalizer import Normalizer, beat_layout, tile_layout
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
        loader, fetcher, sequencer = TileLoader(config), BlockFetcher(config), Sequencer(config)
        keys, values = VectorRing(config), VectorRing(config)
        planes, registers = BitPlanes(config), ValueRegisters(config)
        units = {"ip_cim": ip, "softmax": soft, "op_cim": op, "normalizer": norm, "loader": loader, "fetcher": fetcher}
        units |= {"sequencer": sequencer, "keys": keys, "values": values, "planes": planes, "registers": registers}
        for name, unit in units.items():
            m.submodules[name] = once(platform, unit)

        # Queries.
        m.d.comb += [
            *(ip.write.eq(loader.write), soft.write_enable.eq(loader.query_enable)),
            *(soft.write_row.eq(loader.write.row), soft.write_word.eq(loader.write.word)),
            soft.write_query.eq(loader.query),
        ]
        wiring.connect(m, wiring.flipped(self.i_job), loader.i_job)
        wiring.connect(m, wiring.flipped(self.i_q), loader.i_q)
        queue(m, "passes", loader.o_pass, fetcher.i, pass_layout(config).size, 4)

        # Keys and values.
        wiring.connect(m, fetcher.o_fetch, wiring.flipped(self.o_fetch))
        queue(m, "blocks", fetcher.o_block, sequencer.i, block_layout(config).size, ring_blocks(config))
        wiring.connect(m, wiring.flipped(self.i_k), keys.i)
        wiring.connect(m, wiring.flipped(self.i_v), values.i)
        m.d.comb += [
            sequencer.available.eq(keys.available & values.available),
            *(keys.claim.eq(sequencer.claim), values.claim.eq(sequencer.claim)),
            *(keys.release.eq(sequencer.keys_release), values.release.eq(sequencer.values_release)),
            *(keys.read_enable.eq(sequencer.keys_enable), keys.read_address.eq(sequencer.keys_address)),
            *(values.read_enable.eq(sequencer.values_enable), values.read_address.eq(sequencer.values_address)),
            *(sequencer.visible[w].eq(loader.visible[w]) for w in range(config.words)),
            *(sequencer.fresh[w].eq(loader.fresh[w]) for w in range(config.words)),
            *(planes.vector.eq(keys.read_data), planes.index.eq(sequencer.plane_index)),
            *(registers.vector.eq(values.read_data), registers.write_enable.eq(sequencer.copy_enable)),
            *(registers.write_bank.eq(sequencer.copy_bank), registers.write_index.eq(sequencer.copy_index)),
            *(registers.bank.eq(sequencer.value_bank), registers.column.eq(sequencer.pv_column)),
        ]

        # Scores, probabilities, outputs.
        command = sequencer.command
        m.d.comb += [
            *(ip.command.enable.eq(command.enable), ip.command.first.eq(command.first)),
            *(ip.command.read.eq(command.read), ip.command.word.eq(command.word), ip.command.plane.eq(planes.plane)),
            *(soft.control.eq(sequencer.control), soft.correction.eq(ip.correction)),
            *(soft.score[i].eq(ip.score[i]) for i in range(config.rows)),
            *(op.load[n].eq(soft.load[n]) for n in range(config.softmax_lanes)),
            *(op.command.enable.eq(sequencer.pv_enable), op.command.word.eq(sequencer.pv_word)),
            op.command.column.eq(sequencer.pv_column),
            *(op.command.value[n].as_value().eq(registers.value[n]) for n in range(config.update_rank)),
            self.active.eq(command.enable),
        ]

        # Drain: a tile leaves once its word is finished, in the order in which the tiles were loaded.
        tile = stream.Signature(tile_layout(config)).create()
        queue(m, "tiles", loader.o_tile, tile, tile_layout(config).size, max(2 * config.words, 4))
        ready = Signal(config.words)
        m.d.comb += [
            norm.i.payload.eq(tile.payload),
            norm.i.valid.eq(tile.valid & pick(ready, tile.payload.word)),
            tile.ready.eq(norm.i.valid & norm.i.ready),
            sequencer.drained.eq(one_hot(norm.done, norm.drain.word, config.words)),
            loader.release.eq(sequencer.finished),
        ]
        # A tile is handed over when its last row is divided, which is before its last element is read.
        m.d.sync += ready.eq((ready & ~one_hot(tile.ready, tile.payload.word, config.words)) | sequencer.finished)
        m.d.comb += [
            *(op.drain.eq(norm.drain), norm.drain_data.eq(op.drain_data)),
            *(soft.drain_enable.eq(norm.state_enable), soft.drain_row.eq(norm.state_row)),
            *(soft.drain_word.eq(norm.state_word), norm.state.eq(soft.drain_state)),
        ]
        wiring.connect(m, norm.o, wiring.flipped(self.o))
        return m


def queue(m: Module, name: str, source: stream.Interface, sink: stream.Interface, width: int, depth: int) -> None:
    """A FIFO from a source stream to a sink stream."""
    fifo = SyncFIFOBuffered(width=width, depth=depth)
    m.submodules[name] = fifo
    m.d.comb += [
        *(fifo.w_data.eq(source.payload), fifo.w_en.eq(source.valid), source.ready.eq(fifo.w_rdy)),
        *(sink.payload.eq(fifo.r_data), sink.valid.eq(fifo.r_rdy), fifo.r_en.eq(sink.ready)),
    ]
