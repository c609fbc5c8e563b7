"""Broadcast network: every block of the global buffer, read once, to all engines that need it.

The buffer is a queue. All engines walk it in the same order, each leaving out the blocks of other heads and those that
no row of its engine may see: of a pass it takes those of its head from the first to the last that pass its tiles. A
block is read when all that take it have room, and they have room for a few blocks beyond the one that they work on,
which evens out what differs between them from block to block. Where engines do not see the same blocks the `folded`
schedule orders these so that every engine has the same work with every pair of them.

With two walks two passes are read in turn, each by engines of its own. A pass begins when the one before in its walk is
read, and so is what its engines took before; passes begin in the order of their plan. A block waits for its pass to
begin. No block waits for one behind it: a pass is fetched beside another only if they share no engine.

Throughput: a block per max(update_rank, 3) cycles. Latency: 4 cycles from a whole block to its first vectors.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from fusioncim.chip.planner import need_layout
from fusioncim.chip.read_arbiter import buffer_row_shape
from fusioncim.engine.tile_loader import block_shape
from fusioncim.lib.arith import fits, tree_sum
from fusioncim.lib.bank import Bank, address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig

PASSES_PLANNED = 4
"""Passes that may be planned ahead of the one that is read."""
SHORTEST_READ = 3
"""Least cycles from a block to the next: read its note, find who takes it, read it."""


class Network(wiring.Component):
    """Queue of blocks and broadcast.

    Throughput: a block per max(update_rank, 3) cycles. Latency: 4 cycles from a whole block to its first vectors.

    Members:
        i_need: passes.
        loaded: a pass is resident.
        room, entry, reserve, reserve_*: to and from the key and value fetcher.
        written: a block is whole.
        settled: all blocks that were reserved are, where values have a port of their own.
        read_enable, read_row, read_shared: to the global buffer, whose pair goes to the engines.
        reserve_scaled, read_scaled: whether a block has scales, on a chip that takes them.
        absent: the pair is beyond the last key; zeros go to the engines.
        block: number of the block, for all engines.
        block_last, block_valid, block_ready: streams of blocks, one bit per engine.
        kv_valid: streams of pairs, one bit per engine.
        served: a block was read.
        delivered: to how many engines.
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
                "reserve_block": In(block_shape(config.engine)),
                "reserve_rows": In(fits(config.engine.update_rank)),
                "reserve_stream": In(address_shape(config.streams)),
                "reserve_final": In(1),
                "reserve_shared": In(1),
                "reserve_walk": In(address_shape(config.walks)),
                "written": In(1),
                "settled": Out(1),
                "read_enable": Out(1),
                "read_row": Out(buffer_row_shape(config)),
                "read_shared": Out(1),
                **({"reserve_scaled": In(1), "read_scaled": Out(1)} if config.engine.token_scale_bits else {}),
                "absent": Out(1),
                "block": Out(block_shape(config.engine)),
                "block_last": Out(engines),
                "block_valid": Out(engines),
                "block_ready": In(engines),
                "kv_valid": Out(engines),
                "served": Out(1),
                "delivered": Out(fits(engines)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip, config = self.config, self.config.engine
        depth, rank = chip.buffer_blocks, config.update_rank

        # Passes, how much is left of those that are read, in all and for every engine, and of whose pass an engine is.
        m.submodules.passes = passes = SyncFIFOBuffered(width=need_layout(chip).size, depth=PASSES_PLANNED)
        planned = data.View(need_layout(chip), passes.r_data)
        resident = Signal(range(2 * PASSES_PLANNED))
        this = Signal(need_layout(chip), reset_less=True)
        number = block_shape(config)
        many, walk = chip.walks > 1, address_shape(chip.walks)
        left = [Signal(number, name=f"left_{n}" if many else "left") for n in range(chip.walks)]
        take = [Signal(number, name=f"take_{n}", reset_less=not many) for n in range(chip.engines)]
        owner = [Signal(walk, name=f"owner_{n}") for n in range(chip.engines)] if many else [Const(0)] * chip.engines
        begin, begun = Signal(), planned.walk if many else Const(0, walk)
        used = [high != 0 for high in planned.high]  # by the pass that begins
        occupied = Cat(use & (count != 0) for use, count in zip(used, take, strict=True)).any() if many else Const(0, 1)
        wiring.connect(m, wiring.flipped(self.i_need), passes.w_stream)
        m.d.comb += [
            passes.r_en.eq(begin),
            begin.eq((Array(left)[begun] == 0) & ~occupied & passes.r_rdy & (resident != 0)),
        ]
        m.d.sync += resident.eq(resident + self.loaded - begin)

        # Blocks in the buffer: places taken, whole ones that wait, the place of the first of those.
        taken = Signal(range(depth + 1))
        whole = Signal(range(depth + 1))
        front = Signal(address_shape(depth))
        go = Signal()
        done = Signal()
        m.d.comb += self.room.eq(taken != depth)
        if chip.read_ports > 1:
            coming = Signal(range(depth + 1))
            m.d.sync += coming.eq(coming + self.reserve - self.written)
            m.d.comb += self.settled.eq(coming == 0)
        m.d.sync += [
            *(taken.eq(taken + self.reserve - done), whole.eq(whole + self.written - go)),
            *(self.entry.eq(self.entry + self.reserve), front.eq(front + go)),
        ]

        # Its note is read, then who takes it is found out, then it goes.
        stream = address_shape(chip.streams)
        walk_bits = planned.walk.shape()
        note = data.StructLayout(
            {
                "block": number,
                "rows": fits(rank),
                "stream": stream,
                "final": 1,
                "shared": 1,
                **({"scaled": 1} if config.token_scale_bits else {}),
                "walk": walk_bits,
            }
        )
        notes = Bank(depth=depth, width=note.size)
        m.submodules.notes = once(platform, notes)
        shown = data.View(note, notes.read_data[0])
        looks, seen, known = Signal(), Signal(), Signal()
        takers = Signal(chip.engines, reset_less=True)
        busy = Signal(range(max(rank, SHORTEST_READ)))
        m.d.comb += [
            *(notes.write_enable.eq(self.reserve), notes.write_address.eq(self.entry)),
            notes.write_data.eq(Cat(getattr(self, f"reserve_{name}") for name in note.members)),
            *(notes.read_enable[0].eq(looks), notes.read_address[0].eq(front)),
            looks.eq(~seen & (whole != 0)),
            go.eq(known & (busy == 0) & ((takers & ~self.block_ready) == 0)),
            *(self.served.eq(go), self.delivered.eq(Mux(go, tree_sum(list(takers)), 0))),
        ]
        source = shown.walk if many else Const(0, walk)
        finds = seen & ~known & (Array(left)[source] != 0)
        m.d.sync += [seen.eq((seen | looks) & ~go), known.eq((known | finds) & ~go)]
        with m.If(finds):
            shares = zip(owner, this.low, this.high, this.stream, strict=True)
            m.d.sync += takers.eq(
                Cat(
                    (low <= shown.block) & (shown.block < high) & (which == shown.stream) & (whose == source)
                    for whose, low, high, which in shares
                )
            )

        for n, blocks in enumerate(left):
            with m.If(begin & (begun == n)):
                m.d.sync += blocks.eq(planned.blocks)
            with m.Elif(go & shown.final & (source == n)):
                m.d.sync += blocks.eq(blocks - 1)
        for n in range(chip.engines):
            with m.If(begin & (used[n] | (owner[n] == begun))):
                m.d.sync += [this[name][n].eq(planned[name][n]) for name in ("low", "high", "stream")]
                m.d.sync += take[n].eq(planned.high[n] - planned.low[n])
                if many:
                    m.d.sync += owner[n].eq(begun)
            with m.Elif(go & takers[n]):
                m.d.sync += take[n].eq(take[n] - 1)

        # Vectors of the block that goes.
        rows = Signal(fits(rank), reset_less=True)
        row, shared = Signal(address_shape(depth), reset_less=True), Signal(reset_less=True)
        vector = Signal(range(rank + 1))  # that were read
        reading = Signal()
        receivers = Signal(chip.engines)
        index = Mux(go, 0, vector)
        offset = Signal(range(rank + 1))  # of the vector that is shown, in its block
        backward = config.key_order().backward
        m.d.comb += [
            offset.eq(rank - vector if backward else vector - 1),
            self.absent.eq(offset >= rows),
            reading.eq(go | ((vector != 0) & (vector != rank))),
            done.eq(reading & (index == rank - 1)),
            *(self.read_enable.eq(reading), self.read_shared.eq(Mux(go, shown.shared, shared))),
            self.read_row.eq((Mux(go, front, row) << config.rank_bits) + ((rank - 1) - index if backward else index)),
            self.kv_valid.eq(receivers),
        ]
        with m.If(go):
            m.d.sync += [busy.eq(max(rank, SHORTEST_READ) - 1), row.eq(front), vector.eq(1)]
            m.d.sync += [rows.eq(shown.rows), shared.eq(shown.shared), self.block.eq(shown.block)]
        with m.Else():
            m.d.sync += [busy.eq(busy - (busy != 0)), vector.eq(Mux(reading, vector + 1, 0))]
        if config.token_scale_bits:
            scaled = Signal(reset_less=True)
            m.d.comb += self.read_scaled.eq(Mux(go, shown.scaled, scaled))
            with m.If(go):
                m.d.sync += scaled.eq(shown.scaled)
        m.d.sync += [
            self.block_valid.eq(Mux(go, takers, 0)),
            self.block_last.eq(Cat(count == 1 for count in take)),
            receivers.eq(Mux(go, takers, Mux(reading, receivers, 0))),
        ]
        return m
