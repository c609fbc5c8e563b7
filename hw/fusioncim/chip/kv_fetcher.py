"""Key and value fetcher: reads the blocks of passes from memory into the global buffer, in the schedule's order.

It runs ahead of the engines as far as the buffer has room, across passes and jobs. With two walks two passes are open
at once if they share no engine, and their blocks take turns: memory may bring blocks faster than the engines of one
pass take them.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.axi import read_request_layout
from fusioncim.chip.block_reader import BlockReader, block_place_layout
from fusioncim.chip.job_table import SLOTS
from fusioncim.chip.kv_walker import KvWalker
from fusioncim.chip.planner import planned_pass_layout
from fusioncim.chip.read_arbiter import ReadKind, read_tag_layout
from fusioncim.engine.tile_loader import block_shape
from fusioncim.lib.arith import fits, one_hot
from fusioncim.lib.bank import address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig


class KvFetcher(wiring.Component):
    """Fetches passes, a block when the buffer has room for it. A word of the page list goes first.

    Throughput and latency: as of the walk.

    Members:
        i: passes.
        newest: the walk of the one that was taken last.
        o_read: requests.
        page_valid, page_beat: as of the walk.
        page_walk: the walk whose word comes.
        page_failed: slots of sequences of which a page is none of the pool.
        room: the buffer has room for a block.
        entry: where in the buffer, in blocks.
        reserve: take it.
        block, rows, stream, final: for this block, as of the walk.
        walk: from which it is.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(planned_pass_layout(config))),
                "newest": Out(address_shape(config.walks)),
                "o_read": Out(stream.Signature(read_request_layout(config, read_tag_layout(config)))),
                "page_valid": In(1),
                "page_beat": In(config.bus_bits),
                "page_walk": In(address_shape(config.walks)),
                "page_failed": Out(SLOTS),
                "room": In(1),
                "entry": In(address_shape(config.buffer_blocks)),
                "reserve": Out(1),
                "block": Out(block_shape(config.engine)),
                "rows": Out(fits(config.engine.update_rank)),
                "stream": Out(address_shape(config.streams)),
                "final": Out(1),
                "walk": Out(address_shape(config.walks)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip = self.config
        walkers, reader = [KvWalker(chip) for _ in range(chip.walks)], BlockReader(chip)
        for n, walker in enumerate(walkers):
            m.submodules[f"walk_{n}" if chip.walks > 1 else "walk"] = once(platform, walker)
        m.submodules.reader = once(platform, reader)
        asked = Const(0, 1)  # the walk whose block is asked for
        if chip.walks == 1:
            wiring.connect(m, wiring.flipped(self.i), walkers[0].i)
            block = walkers[0].o.payload
        else:
            self._open(m, walkers)
            # Blocks take turns; what the reader sees stays while it asks.
            turn, asked = Signal(), Signal(reset_less=True)
            seen = Signal()
            offers = Array(walker.o.valid for walker in walkers)
            block = Signal(block_place_layout(chip))
            m.d.comb += [
                self.walk.eq(Mux(offers[turn], turn, ~turn)),
                seen.eq(Mux(reader.busy, asked, self.walk)),
                block.eq(Mux(seen, walkers[1].o.payload, walkers[0].o.payload)),
            ]
            with m.If(self.reserve):
                m.d.sync += [turn.eq(~self.walk), asked.eq(self.walk)]

        request, waits = Signal.like(self.o_read.payload), Cat(walker.page.valid for walker in walkers)
        m.d.comb += [
            reader.i.valid.eq(Cat(walker.o.valid for walker in walkers).any() & self.room),
            *(reader.i.payload.eq(block), reader.entry.eq(self.entry)),
            self.reserve.eq(reader.i.valid & reader.i.ready),
            *(getattr(self, name).eq(block[name]) for name in ("block", "rows", "stream", "final")),
            *(self.o_read.valid.eq(waits.any() | reader.o.valid), request.eq(reader.o.payload)),
            reader.o.ready.eq(self.o_read.ready & ~waits.any()),
        ]
        failed: Value = Const(0, SLOTS)
        for n, walker in reversed(list(enumerate(walkers))):
            m.d.comb += [
                *(walker.held.eq(reader.busy & (asked == n)), walker.free.eq(~self.o_read.valid | self.o_read.ready)),
                walker.page_valid.eq(self.page_valid & (self.page_walk == n if chip.walks > 1 else 1)),
                walker.page_beat.eq(self.page_beat),
                walker.o.ready.eq(self.room & reader.i.ready & (self.walk == n)),
                walker.page.ready.eq(self.o_read.ready & ~waits[:n].any()),
            ]
            failed |= one_hot(walker.page_error, walker.page_slot, SLOTS)
            with m.If(walker.page.valid):
                m.d.comb += [request.address.eq(walker.page.payload), request.beats.eq(1)]
                m.d.comb += request.tag.kind.eq(ReadKind.PAGE)
                if chip.walks > 1:
                    m.d.comb += [request.tag.row.eq(n), request.tag.slot.eq(walker.page_slot)]
        m.d.comb += [self.o_read.payload.eq(request), self.page_failed.eq(failed)]
        return m

    def _open(self, m: Module, walkers: list[KvWalker]) -> None:
        """Passes to the walks that are free, the first one at best; none beside a pass with an engine of its own.

        Words of the page list stay in a walk from pass to pass, until a sequence began in another one.
        """
        given: data.View = self.i.payload
        engines = [Signal(given.engines.shape(), name=f"engines_{n}", reset_less=True) for n in range(len(walkers))]
        others = [Signal(name=f"others_{n}") for n in range(len(walkers))]  # its words are of another sequence
        free = [walker.i.ready for walker in walkers]
        shares = Cat(~ready & (used & given.engines).any() for ready, used in zip(free, engines, strict=True)).any()
        m.d.comb += self.i.ready.eq(~shares & Cat(free).any())
        for n, walker in enumerate(walkers):
            takes = walker.i.valid & walker.i.ready
            m.d.comb += [
                *(walker.i.valid.eq(self.i.valid & ~shares & ~Cat(free[:n]).any()), walker.i.payload.eq(given)),
                walker.i.payload.begins.eq(given.begins | others[n]),
            ]
            with m.If(self.i.valid & self.i.ready):
                m.d.sync += others[n].eq(~takes & (given.begins | others[n]))
            with m.If(takes):
                m.d.sync += [engines[n].eq(given.engines), self.newest.eq(n)]
