"""QO-stationary controller: queries are loaded once, keys and values stream past, outputs leave once.

    TileLoader    job -> tiles: fills the words of the next pass while the current one computes
    BlockFetcher  pass -> key blocks, asked for in the order of the schedule
    Sequencer     block -> slots: one block past one resident word each

Jobs queue: the next one loads while the current one computes. A tile is handed to the normalizer once its pass is
complete, in the order in which the tiles were loaded.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from fusioncim import ip_cim, softmax
from fusioncim.arith import one_hot, pick
from fusioncim.bank import address_shape
from fusioncim.emit import once
from fusioncim.fetcher import BlockFetcher, fetch_layout
from fusioncim.kv_buffer import kv_signature, ring_blocks
from fusioncim.loader import TileLoader, job_layout, query_row_layout
from fusioncim.normalizer import tile_layout
from fusioncim.sequencer import Sequencer
from fusioncim_golden.config import Config


class Controller(wiring.Component):
    """Loader, fetcher, sequencer and the queues between them.

    Members: i_job, i_q, o_fetch: as of the engine; write, query_enable, query: a query into the banks (row and word as
    of write); kv, command, control, pv_enable, pv_word, active: as of the Sequencer; o_tile: tiles to drain; drained:
    words whose tile has left.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i_job": In(stream.Signature(job_layout(config))),
                "i_q": In(stream.Signature(query_row_layout(config))),
                "o_fetch": Out(stream.Signature(fetch_layout())),
                "write": Out(ip_cim.write_layout(config)),
                "query_enable": Out(1),
                "query": Out(softmax.query_layout()),
                "kv": Out(kv_signature(config)),
                "command": Out(ip_cim.command_layout(config)),
                "control": Out(softmax.control_layout(config)),
                "pv_enable": Out(1),
                "pv_word": Out(address_shape(config.words)),
                "active": Out(1),
                "o_tile": Out(stream.Signature(tile_layout(config))),
                "drained": In(config.words),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        loader, fetcher, sequencer = TileLoader(config), BlockFetcher(config), Sequencer(config)
        for name, unit in {"loader": loader, "fetcher": fetcher, "sequencer": sequencer}.items():
            m.submodules[name] = once(platform, unit)

        wiring.connect(m, wiring.flipped(self.i_job), loader.i_job)
        wiring.connect(m, wiring.flipped(self.i_q), loader.i_q)
        wiring.connect(m, fetcher.o_fetch, wiring.flipped(self.o_fetch))
        wiring.connect(m, sequencer.kv, wiring.flipped(self.kv))
        queue(m, "passes", loader.o_pass, fetcher.i, 4)
        queue(m, "blocks", fetcher.o_block, sequencer.i, ring_blocks(config))
        tile = stream.Signature(tile_layout(config)).create()
        queue(m, "tiles", loader.o_tile, tile, max(2 * config.words, 4))

        m.d.comb += [
            *(self.write.eq(loader.write), self.query_enable.eq(loader.query_enable), self.query.eq(loader.query)),
            *(self.command.eq(sequencer.command), self.control.eq(sequencer.control)),
            *(self.pv_enable.eq(sequencer.pv_enable), self.pv_word.eq(sequencer.pv_word)),
            *(sequencer.visible[w].eq(loader.visible[w]) for w in range(config.words)),
            *(sequencer.fresh[w].eq(loader.fresh[w]) for w in range(config.words)),
            *(sequencer.drained.eq(self.drained), loader.release.eq(sequencer.finished)),
            self.active.eq(sequencer.active),
        ]

        ready = Signal(config.words)
        handed = Signal()
        m.d.comb += [
            *(self.o_tile.payload.eq(tile.payload), self.o_tile.valid.eq(tile.valid & pick(ready, tile.payload.word))),
            *(handed.eq(self.o_tile.valid & self.o_tile.ready), tile.ready.eq(handed)),
        ]
        m.d.sync += ready.eq((ready & ~one_hot(handed, tile.payload.word, config.words)) | sequencer.finished)
        return m


def queue(m: Module, name: str, source: stream.Interface, sink: stream.Interface, depth: int) -> None:
    """A FIFO from a source stream to a sink stream."""
    fifo = SyncFIFOBuffered(width=source.payload.shape().size, depth=depth)
    m.submodules[name] = fifo
    m.d.comb += [
        *(fifo.w_data.eq(source.payload), fifo.w_en.eq(source.valid), source.ready.eq(fifo.w_rdy)),
        *(sink.payload.eq(fifo.r_data), sink.valid.eq(fifo.r_rdy), fifo.r_en.eq(sink.ready)),
    ]
