"""Key and value fetcher: reads the blocks of passes from memory into the global buffer, in the schedule's order.

It runs ahead of the engines as far as the buffer has room, across passes and jobs. With two walks two passes are open
at once if they share no engine, and their blocks take turns: memory may bring blocks faster than the engines of one
pass take them.

Where values have a read port of their own, the keys of a block are asked for at the one and its values at the other.
Before jobs with values that lie where their keys lie, and behind them, all blocks have to come: nothing comes at the
port of values then.
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
        o_read: requests, at every read port.
        keys_alone: nothing is asked for at the port of values: what is fetched are keys that are their own values.
        settled: all blocks have come.
        page_valid, page_beat: as of the walk.
        page_walk: the walk whose word comes.
        page_failed: slots of sequences of which a page is none of the pool.
        room: the buffer has room for a block.
        entry: where in the buffer, in blocks.
        reserve: take it.
        block, rows, stream, final, shared: for this block, as of the walk.
        scaled: whether it has scales, on a chip that takes them.
        walk: from which it is.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        request = read_request_layout(config, read_tag_layout(config))
        super().__init__(
            {
                "i": In(stream.Signature(planned_pass_layout(config))),
                "newest": Out(address_shape(config.walks)),
                "o_read": Out(stream.Signature(request)).array(config.read_ports),
                "keys_alone": Out(1),
                "settled": In(1),
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
                "shared": Out(1),
                **({"scaled": Out(1)} if config.engine.token_scale_bits else {}),
                "walk": Out(address_shape(config.walks)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip, apart = self.config, self.config.read_ports > 1  # apart: keys and values
        kinds = ReadKind.KEY, ReadKind.VALUE
        walkers = [KvWalker(chip) for _ in range(chip.walks)]
        readers = [BlockReader(chip, *each) for each in ((kinds[:1], kinds[1:]) if apart else (kinds,))]
        for n, walker in enumerate(walkers):
            m.submodules[f"walk_{n}" if chip.walks > 1 else "walk"] = once(platform, walker)
        for reader in readers:
            m.submodules["_".join(["reader", *reader.parameters])] = once(platform, reader)
        asked = Const(0, 1)  # the walk whose block is asked for
        busy = Signal()
        m.d.comb += busy.eq(Cat(reader.busy for reader in readers).any())
        self._open(m, walkers)
        scaled = ["scaled"] if chip.engine.token_scale_bits else []
        if chip.walks == 1:
            block = walkers[0].o.payload
        else:
            # Blocks take turns; what the readers see stays while they ask.
            turn, asked = Signal(), Signal(reset_less=True)
            seen = Signal()
            offers = Array(walker.o.valid for walker in walkers)
            block = Signal(block_place_layout(chip))
            m.d.comb += [
                self.walk.eq(Mux(offers[turn], turn, ~turn)),
                seen.eq(Mux(busy, asked, self.walk)),
                block.eq(Mux(seen, walkers[1].o.payload, walkers[0].o.payload)),
            ]
            with m.If(self.reserve):
                m.d.sync += [turn.eq(~self.walk), asked.eq(self.walk)]

        m.d.comb += [
            self.reserve.eq(Cat(walker.o.valid for walker in walkers).any() & self.room & ~busy),
            *(getattr(self, name).eq(block[name]) for name in ("block", "rows", "stream", "final", "shared", *scaled)),
        ]
        for port, reader in zip(self.o_read, readers, strict=True):
            m.d.comb += [
                *(reader.i.payload.eq(block), reader.i.valid.eq(self.reserve), reader.entry.eq(self.entry)),
                *(port.valid.eq(reader.o.valid), port.payload.eq(reader.o.payload), reader.o.ready.eq(port.ready)),
            ]
        if apart:
            m.d.comb += readers[1].i.valid.eq(self.reserve & ~block.shared)
        first, waits = self.o_read[0], Cat(walker.page.valid for walker in walkers)
        with m.If(waits.any()):
            m.d.comb += [first.valid.eq(1), readers[0].o.ready.eq(0)]
        failed: Value = Const(0, SLOTS)
        for n, walker in reversed(list(enumerate(walkers))):
            m.d.comb += [
                *(walker.held.eq(busy & (asked == n)), walker.free.eq(~first.valid | first.ready)),
                walker.page_valid.eq(self.page_valid & (self.page_walk == n if chip.walks > 1 else 1)),
                walker.page_beat.eq(self.page_beat),
                walker.o.ready.eq(self.room & ~busy & (self.walk == n)),
                walker.page.ready.eq(first.ready & ~waits[:n].any()),
            ]
            failed |= one_hot(walker.page_error, walker.page_slot, SLOTS)
            with m.If(walker.page.valid):
                request = first.payload
                m.d.comb += [request.address.eq(walker.page.payload), request.beats.eq(1)]
                m.d.comb += request.tag.kind.eq(ReadKind.PAGE)
                if chip.walks > 1:
                    m.d.comb += [request.tag.row.eq(n), request.tag.slot.eq(walker.page_slot)]
        m.d.comb += self.page_failed.eq(failed)
        return m

    def _open(self, m: Module, walkers: list[KvWalker]) -> None:
        """Passes to the walks that are free, the first one at best; none beside a pass with an engine of its own.

        Words of the page list stay in a walk from pass to pass, until a sequence began in another one.
        """
        given: data.View = self.i.payload
        free = Cat(walker.i.ready for walker in walkers)
        opens = Signal()  # a pass may
        m.d.comb += [self.i.ready.eq(opens & free.any()), opens.eq(1)]
        if self.config.read_ports > 1:
            kept = Array(walker.o.payload.shared for walker in walkers)[self.newest]
            m.d.comb += self.keys_alone.eq(kept)
            with m.If((given.shared != kept) & ~(self.settled & free.all())):
                m.d.comb += opens.eq(0)
        if len(walkers) == 1:
            m.d.comb += [walkers[0].i.valid.eq(self.i.valid & opens), walkers[0].i.payload.eq(given)]
            return
        engines = [Signal(given.engines.shape(), name=f"engines_{n}", reset_less=True) for n in range(len(walkers))]
        others = [Signal(name=f"others_{n}") for n in range(len(walkers))]  # its words are of another sequence
        for n, walker in enumerate(walkers):
            takes = walker.i.valid & walker.i.ready
            with m.If(~free[n] & (engines[n] & given.engines).any()):
                m.d.comb += opens.eq(0)
            m.d.comb += [
                *(walker.i.valid.eq(self.i.valid & opens & ~free[:n].any()), walker.i.payload.eq(given)),
                walker.i.payload.begins.eq(given.begins | others[n]),
            ]
            with m.If(self.i.valid & self.i.ready):
                m.d.sync += others[n].eq(~takes & (given.begins | others[n]))
            with m.If(takes):
                m.d.sync += [engines[n].eq(given.engines), self.newest.eq(n)]
