"""QO-stationary controller: queries are loaded once, keys and values stream past, outputs leave once.

    TileLoader    fills the words of the next pass while the current one computes
    Sequencer     block -> slots: one block past one resident word each

Blocks belong to passes in the order in which the passes are loaded. A tile is handed to the normalizer once its pass is
complete, in the order in which the tiles were loaded.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from fusioncim.engine import ip_cim
from fusioncim.engine.kv_buffer import kv_signature, ring_blocks
from fusioncim.engine.reciprocal import drained_tile_layout
from fusioncim.engine.sequencer import Sequencer
from fusioncim.engine.sink_table import sink_layout, sink_place_layout
from fusioncim.engine.softmax_layouts import control_layout, query_layout
from fusioncim.engine.tile_loader import (
    TileLoader,
    block_shape,
    loaded_pass_layout,
    query_row_layout,
    tile_command_layout,
)
from fusioncim.lib.arith import one_hot, pick
from fusioncim.lib.bank import address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.config import Config

PASSES_LOADED = 4
"""Loaded passes that may wait for the sequencer, the one that it works on included."""


def tiles_ahead(config: Config) -> int:
    """Tiles that may be loaded before the oldest is drained."""
    return max(2 * config.words, 4)


def block_layout(config: Config) -> data.StructLayout:
    """A block of update_rank keys and values that comes; last: the last one of its pass for this engine."""
    return data.StructLayout({"block": block_shape(config), "last": 1})


def engine_state_layout() -> data.StructLayout:
    """What an engine does in a cycle.

    Members:
        active: a bit-plane multiplies.
        loaded: a pass is resident.
        waits: it waits for its words to drain.
        adds: values are multiplied and added.
    """
    return data.StructLayout({"active": 1, "loaded": 1, "waits": 1, "adds": 1})


class Controller(wiring.Component):
    """Tile loader, sequencer and the queues between them.

    A block is accepted while the rings of keys and values have room for all its vectors.

    Members:
        i_tile, i_q, i_block, state: as of the engine.
        write: a query into the bank of the IP-CIM.
        query_enable, query: the same query into the softmax; row and word as of `write`.
        sink_place, sink: its sink into the sink table, enabled as `write`.
        kv, command, control, pv_enable, pv_word: as of the sequencer.
        o_tile: tiles to drain.
        drained: words whose tile has left.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i_tile": In(stream.Signature(tile_command_layout(config))),
                "i_q": In(stream.Signature(query_row_layout(config))),
                "i_block": In(stream.Signature(block_layout(config))),
                "write": Out(ip_cim.query_write_layout(config)),
                "query_enable": Out(1),
                "query": Out(query_layout(config)),
                "sink_place": Out(sink_place_layout(config)),
                "sink": Out(sink_layout(config)),
                "kv": Out(kv_signature(config)),
                "command": Out(ip_cim.plane_command_layout(config)),
                "control": Out(control_layout(config)),
                "pv_enable": Out(1),
                "pv_word": Out(address_shape(config.words)),
                "state": Out(engine_state_layout()),
                "o_tile": Out(stream.Signature(drained_tile_layout(config))),
                "drained": In(config.words),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        loader, sequencer = TileLoader(config), Sequencer(config)
        m.submodules.loader = once(platform, loader)
        m.submodules.sequencer = once(platform, sequencer)

        wiring.connect(m, wiring.flipped(self.i_tile), loader.i_tile)
        wiring.connect(m, wiring.flipped(self.i_q), loader.i_q)
        wiring.connect(m, sequencer.kv, wiring.flipped(self.kv))
        this_pass = stream.Signature(loaded_pass_layout(config)).create()
        queue(m, "passes", loader.o_pass, this_pass, PASSES_LOADED)
        tile = stream.Signature(drained_tile_layout(config)).create()
        queue(m, "tiles", loader.o_tile, tile, tiles_ahead(config))

        # A block is accepted when the ring has room for all its vectors; it meets the pass it belongs to here.
        accepted = stream.Signature(block_layout(config)).create()
        block = stream.Signature(block_layout(config)).create()
        keys = Signal(range(ring_blocks(config) + 1))  # blocks accepted whose keys, whose values are still held
        values = Signal(range(ring_blocks(config) + 1))
        room = Signal()
        queue(m, "blocks", accepted, block, ring_blocks(config))
        entry = sequencer.i
        m.d.comb += [
            room.eq((keys != ring_blocks(config)) & (values != ring_blocks(config))),
            self.i_block.ready.eq(room),
            *(accepted.valid.eq(self.i_block.valid & room), accepted.payload.eq(self.i_block.payload)),
            *(entry.valid.eq(block.valid & this_pass.valid), block.ready.eq(entry.valid & entry.ready)),
            this_pass.ready.eq(block.ready & block.payload.last),
            *(entry.payload.block.eq(block.payload.block), entry.payload.last.eq(block.payload.last)),
            *(entry.payload.word.eq(this_pass.payload.word), entry.payload.count.eq(this_pass.payload.count)),
        ]
        m.d.sync += [
            keys.eq(keys + accepted.valid - self.kv.keys_release),
            values.eq(values + accepted.valid - self.kv.values_release),
        ]

        m.d.comb += [
            *(self.write.eq(loader.write), self.query_enable.eq(loader.query_enable), self.query.eq(loader.query)),
            *(self.sink_place.row.eq(loader.write.row), self.sink_place.word.eq(loader.write.word)),
            *(self.sink_place.turn.eq(loader.turn), self.sink.eq(loader.sink)),
            *(self.command.eq(sequencer.command), self.control.eq(sequencer.control)),
            *(self.pv_enable.eq(sequencer.pv_enable), self.pv_word.eq(sequencer.pv_word)),
            *(sequencer.blocks[w].eq(loader.blocks[w]) for w in range(config.words)),
            *(sequencer.fresh[w].eq(loader.fresh[w]) for w in range(config.words)),
            *(sequencer.drained.eq(self.drained), loader.release.eq(sequencer.finished)),
            *(self.state.active.eq(sequencer.active), self.state.loaded.eq(this_pass.valid)),
            *(self.state.waits.eq(sequencer.waits), self.state.adds.eq(sequencer.pv_enable)),
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
    wiring.connect(m, source, fifo.w_stream)
    wiring.connect(m, fifo.r_stream, wiring.flipped(sink))
