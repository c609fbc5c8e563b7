"""Key and value fetcher: reads the blocks of a pass from memory into the global buffer, in the schedule's order.

It runs ahead of the engines as far as the buffer has room, across passes and jobs.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.axi import read_request_layout
from fusioncim.chip.block_reader import BlockReader
from fusioncim.chip.job_table import slot_shape
from fusioncim.chip.kv_walker import KvWalker
from fusioncim.chip.planner import planned_pass_layout
from fusioncim.chip.read_arbiter import ReadKind, read_tag_layout
from fusioncim.engine.tile_loader import block_shape
from fusioncim.lib.arith import fits
from fusioncim.lib.bank import address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig


class KvFetcher(wiring.Component):
    """Fetches pass after pass, a block when the buffer has room for it. A word of the page list goes first.

    Throughput and latency: as of the walk.

    Members:
        i: passes.
        o_read: requests.
        page_valid, page_beat, page_error, page_slot: as of the walk.
        room: the buffer has room for a block.
        entry: where in the buffer, in blocks.
        reserve: take it.
        block, rows, stream, final: for this block, as of the walk.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(planned_pass_layout(config))),
                "o_read": Out(stream.Signature(read_request_layout(config, read_tag_layout(config)))),
                "page_valid": In(1),
                "page_beat": In(config.bus_bits),
                "page_error": Out(1),
                "page_slot": Out(slot_shape()),
                "room": In(1),
                "entry": In(address_shape(config.buffer_blocks)),
                "reserve": Out(1),
                "block": Out(block_shape(config.engine)),
                "rows": Out(fits(config.engine.update_rank)),
                "stream": Out(address_shape(config.streams)),
                "final": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        walk, reader = KvWalker(self.config), BlockReader(self.config)
        m.submodules.walk = once(platform, walk)
        m.submodules.reader = once(platform, reader)
        wiring.connect(m, wiring.flipped(self.i), walk.i)
        block, request = walk.o.payload, Signal.like(self.o_read.payload)
        m.d.comb += [
            *(walk.held.eq(reader.busy), walk.free.eq(~self.o_read.valid | self.o_read.ready)),
            *(walk.page_valid.eq(self.page_valid), walk.page_beat.eq(self.page_beat)),
            *(self.page_error.eq(walk.page_error), self.page_slot.eq(walk.page_slot)),
            *(reader.i.payload.eq(block), reader.i.valid.eq(walk.o.valid & self.room), reader.entry.eq(self.entry)),
            *(walk.o.ready.eq(self.room & reader.i.ready), self.reserve.eq(reader.i.valid & reader.i.ready)),
            *(getattr(self, name).eq(block[name]) for name in ("block", "rows", "stream", "final")),
            *(self.o_read.valid.eq(walk.page.valid | reader.o.valid), request.eq(reader.o.payload)),
            *(walk.page.ready.eq(self.o_read.ready), reader.o.ready.eq(self.o_read.ready & ~walk.page.valid)),
        ]
        with m.If(walk.page.valid):
            m.d.comb += [request.address.eq(walk.page.payload), request.beats.eq(1), request.tag.kind.eq(ReadKind.PAGE)]
        m.d.comb += self.o_read.payload.eq(request)
        return m
