"""Key and value fetcher: reads the blocks of a pass from memory into the global buffer, in the schedule's order.

It runs ahead of the engines as far as the buffer has room, across passes and jobs. Where values have a read port of
their own, the keys of a block are asked for at the one and its values at the other. Before jobs with values that lie
where their keys lie, and behind them, all blocks have to come: nothing comes at the port of values then.
"""

from amaranth.hdl import Cat, Module
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
        o_read: requests, at every read port.
        shared: what is fetched are keys that are their own values.
        settled: all blocks have come.
        page_valid, page_beat, page_error, page_slot: as of the walk.
        room: the buffer has room for a block.
        entry: where in the buffer, in blocks.
        reserve: take it.
        block, rows, stream, final: for this block, as of the walk.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        request = read_request_layout(config, read_tag_layout(config))
        super().__init__(
            {
                "i": In(stream.Signature(planned_pass_layout(config))),
                "o_read": Out(stream.Signature(request)).array(config.read_ports),
                "shared": Out(1),
                "settled": In(1),
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
        kinds = ReadKind.KEY, ReadKind.VALUE
        walk = KvWalker(self.config)
        halves = [kinds] if self.config.read_ports == 1 else [kinds[:1], kinds[1:]]
        readers = [BlockReader(self.config, *each) for each in halves]
        m.submodules.walk = once(platform, walk)
        for reader in readers:
            m.submodules["_".join(["reader", *reader.parameters])] = once(platform, reader)
        wiring.connect(m, wiring.flipped(self.i), walk.i)
        block, first = walk.o.payload, self.o_read[0]
        busy = Cat(reader.busy for reader in readers).any()
        apart = len(readers) > 1  # keys and values
        changes = (self.i.payload.shared != block.shared) & ~self.settled if apart else 0
        m.d.comb += [
            *(walk.held.eq(busy | changes), walk.free.eq(~first.valid | first.ready)),
            *(walk.page_valid.eq(self.page_valid), walk.page_beat.eq(self.page_beat)),
            *(self.page_error.eq(walk.page_error), self.page_slot.eq(walk.page_slot)),
            *(self.reserve.eq(walk.o.valid & walk.o.ready), walk.o.ready.eq(self.room & ~busy)),
            *(getattr(self, name).eq(block[name]) for name in ("block", "rows", "stream", "final", "shared")),
        ]
        for port, reader in zip(self.o_read, readers, strict=True):
            m.d.comb += [
                *(reader.i.payload.eq(block), reader.i.valid.eq(self.reserve), reader.entry.eq(self.entry)),
                *(port.valid.eq(reader.o.valid), port.payload.eq(reader.o.payload), reader.o.ready.eq(port.ready)),
            ]
        if apart:
            m.d.comb += readers[1].i.valid.eq(self.reserve & ~block.shared)
        with m.If(walk.page.valid):
            m.d.comb += [
                *(first.valid.eq(1), walk.page.ready.eq(first.ready), readers[0].o.ready.eq(0)),
                *(first.payload.address.eq(walk.page.payload), first.payload.beats.eq(1)),
                first.payload.tag.kind.eq(ReadKind.PAGE),
            ]
        return m
