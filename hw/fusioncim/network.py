"""Broadcast network: every block of the global buffer to all engines that need it.

The buffer is a queue with one writer and a reader per engine. All readers walk the same order, each leaving out the
blocks that no row of its engine may see, so an engine never asks for anything: its reader counts. Engines that stand at
the same block are served by one read; a block is given up once every reader has passed it.

Engines with the same work stand together for the whole pass, and each vector is read once. In the causal triangle of a
pass they stand apart as their first blocks differ, as far as the buffer reaches, instead of waiting for each other.

The block of the hindmost engines goes first, and waits until all of them have room; an engine that is about to run dry
is served at once. So engines that are a few cycles apart come together.

Throughput: a block per max(update_rank, 3) cycles. Latency: 3 cycles from a whole block to its first vectors.
"""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from fusioncim.arith import fits, tree_sum
from fusioncim.bank import Bank, address_shape
from fusioncim.emit import once
from fusioncim.memory import buffer_row_shape
from fusioncim.planner import need_layout
from fusioncim_golden.chip import ChipConfig
from fusioncim_golden.config import POSITION_BITS, Config

POINTER_BITS = POSITION_BITS + 4
"""Bits of a count of blocks, modulo: the foremost reader may be a few whole passes ahead of the writer."""
PASSES = 4
"""Passes that may be planned ahead of a reader."""


def share_layout() -> data.StructLayout:
    """An engine's part of a pass: blocks that it leaves out, blocks that it takes."""
    return data.StructLayout({"skip": POSITION_BITS, "take": POSITION_BITS})


class BlockReader(wiring.Component):
    """Where an engine stands in the queue of blocks.

    Members: i: its part of every pass; loaded: one more pass is resident in all engines; pointer: number of its next
    block since reset; wants: it takes it; last: its last one of the pass; advance: it gets it.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(share_layout())),
                "loaded": In(1),
                "pointer": Out(POINTER_BITS),
                "wants": Out(1),
                "last": Out(1),
                "advance": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        schedule = self.config.schedule
        m.submodules.shares = shares = SyncFIFOBuffered(width=share_layout().size, depth=PASSES)
        share = data.View(share_layout(), shares.r_data)
        resident = Signal(range(2 * PASSES))
        take = Signal(POSITION_BITS)
        skip = Signal(POSITION_BITS, reset_less=True)  # pending until the first block (sink) or the last one (in order)
        begin = Signal()
        m.d.comb += [
            *(shares.w_data.eq(self.i.payload), shares.w_en.eq(self.i.valid), self.i.ready.eq(shares.w_rdy)),
            *(begin.eq(~self.wants & shares.r_rdy & (resident != 0)), shares.r_en.eq(begin)),
            *(self.wants.eq(take != 0), self.last.eq(take == 1)),
        ]
        m.d.sync += resident.eq(resident + self.loaded - begin)
        at_once = Const(1, 1) if schedule == "diagonal_first" else share.take == 0
        with m.If(begin):
            m.d.sync += [take.eq(share.take), skip.eq(Mux(at_once, 0, share.skip))]
            m.d.sync += self.pointer.eq(self.pointer + Mux(at_once, share.skip, 0))
        with m.Elif(self.advance):
            pays = Const(1, 1) if schedule == "sink_first" else self.last
            m.d.sync += take.eq(take - 1)
            m.d.sync += self.pointer.eq(self.pointer + 1 + Mux(pays, skip, 0))
            with m.If(pays):
                m.d.sync += skip.eq(0)
        return m


class Network(wiring.Component):
    """Readers, arbiter and broadcast.

    Members: i_need: passes; loaded: a pass is resident; room, entry, reserve, reserve_*: of the KvFetcher; written: a
    block is whole; read_enable, read_row: of the GlobalBuffer, whose pair goes to the engines, or zeros if it is absent
    (beyond the last key); block, block_last, block_valid, block_ready, kv_valid, starved: streams of the engines (block
    is shared, the rest one bit per engine); served: a block was read; delivered: to how many engines.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        engines = config.engines
        super().__init__(
            {
                "i_need": In(stream.Signature(need_layout(config))),
                "loaded": In(1),
                "room": Out(1),
                "entry": Out(address_shape(config.buffer_blocks)),
                "reserve": In(1),
                "reserve_block": In(POSITION_BITS),
                "reserve_rows": In(fits(config.engine.update_rank)),
                "written": In(1),
                "read_enable": Out(1),
                "read_row": Out(buffer_row_shape(config)),
                "absent": Out(1),
                "block": Out(POSITION_BITS),
                "block_last": Out(engines),
                "block_valid": Out(engines),
                "block_ready": In(engines),
                "kv_valid": Out(engines),
                "starved": In(engines),
                "served": Out(1),
                "delivered": Out(fits(engines)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip, config = self.config, self.config.engine
        readers = [BlockReader(config) for _ in range(chip.engines)]
        for n, reader in enumerate(readers):
            m.submodules[f"reader_{n}"] = once(platform, reader)
            need = self.i_need.payload.need[n]
            m.d.comb += [
                *(reader.i.payload.take.eq(need), reader.i.payload.skip.eq(self.i_need.payload.blocks - need)),
                *(reader.i.valid.eq(self.i_need.valid & self.i_need.ready), reader.loaded.eq(self.loaded)),
            ]
        m.d.comb += self.i_need.ready.eq(Cat(reader.i.ready for reader in readers).all())

        reserved = Signal(POINTER_BITS)
        whole = Signal(POINTER_BITS)
        released = Signal(POINTER_BITS)
        depth = chip.buffer_blocks
        m.d.comb += [
            self.room.eq((reserved - released)[:POINTER_BITS] < depth),
            self.entry.eq(reserved),
        ]
        m.d.sync += [reserved.eq(reserved + self.reserve), whole.eq(whole + self.written)]
        m.d.sync += released.eq(released + ~Cat(reader.pointer == released for reader in readers).any())

        available = Signal(chip.engines)
        m.d.comb += available.eq(Cat(reader.wants & _before(reader.pointer, whole) for reader in readers))
        ready = Signal(chip.engines)
        m.d.comb += ready.eq(available & self.block_ready)
        self._serve(m, platform, readers, available, ready)
        return m

    def _serve(
        self, m: Module, platform: object, readers: Sequence[BlockReader], available: Signal, ready: Signal
    ) -> None:
        """Choose a block, then read its vectors."""
        chip, config = self.config, self.config.engine
        # One candidate per cycle: in turn the hindmost engine's block, and that of an engine that runs dry.
        hindmost: list[tuple[Value, Value]] = [(available[n], reader.pointer) for n, reader in enumerate(readers)]
        while len(hindmost) > 1:
            hindmost = [_hindmost(*hindmost[n : n + 2]) for n in range(0, len(hindmost), 2)]
        dry: Value = readers[-1].pointer
        for n in reversed(range(chip.engines - 1)):
            dry = Mux(ready[n] & self.starved[n], readers[n].pointer, dry)
        dries = Signal()
        candidate = Signal(POINTER_BITS)
        m.d.sync += [dries.eq(~dries), candidate.eq(Mux(dries, hindmost[0][1], dry))]

        group = Signal(chip.engines)
        go = Signal()
        chosen = Signal(chip.engines)
        busy = Signal(range(max(config.update_rank, 3)))
        m.d.comb += [
            group.eq(available & Cat(reader.pointer == candidate for reader in readers)),
            chosen.eq(group & ready),
            go.eq((busy == 0) & chosen.any() & ((~dries & (chosen == group)) | (chosen & self.starved).any())),
            *(reader.advance.eq(go & chosen[n]) for n, reader in enumerate(readers)),
            *(self.served.eq(go), self.delivered.eq(Mux(go, tree_sum(list(chosen)), 0))),
        ]

        note = data.StructLayout({"block": POSITION_BITS, "rows": fits(config.update_rank)})
        blocks = Bank(depth=chip.buffer_blocks, width=note.size)
        m.submodules.blocks = once(platform, blocks)
        served = data.View(note, blocks.read_data[0])
        entry = Signal(address_shape(chip.buffer_blocks))
        m.d.comb += [
            *(blocks.write_enable.eq(self.reserve), blocks.write_address.eq(self.entry)),
            *(blocks.write_data.eq(Cat(self.reserve_block, self.reserve_rows)), self.block.eq(served.block)),
            *(blocks.read_enable[0].eq(go), blocks.read_address[0].eq(candidate)),
        ]
        vector = Signal(range(config.update_rank + 1))  # vectors of the block that were read
        reading = Signal()
        receivers = Signal(chip.engines)
        index = Mux(go, 0, vector)
        offset = Signal(range(config.update_rank + 1))  # of the vector that is shown, in its block
        m.d.comb += [
            offset.eq(vector - 1 if config.schedule == "in_order" else config.update_rank - vector),
            self.absent.eq(offset >= served.rows),
            reading.eq(go | ((vector != 0) & (vector != config.update_rank))),
            self.read_enable.eq(reading),
            self.read_row.eq(
                (Mux(go, candidate[: len(entry)], entry) << config.rank_bits)
                + (index if config.schedule == "in_order" else (config.update_rank - 1) - index)
            ),
            self.kv_valid.eq(receivers),
        ]
        with m.If(go):
            m.d.sync += [busy.eq(max(config.update_rank, 3) - 1), entry.eq(candidate), vector.eq(1)]
        with m.Else():
            m.d.sync += [busy.eq(busy - (busy != 0)), vector.eq(Mux(reading, vector + 1, 0))]
        m.d.sync += [
            self.block_valid.eq(Mux(go, chosen, 0)),
            self.block_last.eq(Cat(reader.last for reader in readers)),
            receivers.eq(Mux(go, chosen, Mux(reading, receivers, 0))),
        ]


def _before(a: Value, b: Value) -> Value:
    """Whether count a is behind count b; counts wrap."""
    return (a - b)[POINTER_BITS - 1]


def _hindmost(one: tuple[Value, Value], other: tuple[Value, Value]) -> tuple[Value, Value]:
    """Of two (available, pointer) pairs the one further back; what is not available counts as ahead."""
    first = one[0] & (~other[0] | _before(one[1], other[1]))
    return one[0] | other[0], Mux(first, one[1], other[1])
