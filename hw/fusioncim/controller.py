"""QO-stationary controller: queries are loaded once, keys and values stream past, outputs leave once.

    TileLoader    job -> tiles: fills the words of the next pass while the current one computes
    BlockFetcher  pass -> key blocks, asked for in the order of the schedule
    Sequencer     block -> slots: one block past one resident word, block_cycles cycles, back to back

Everything behind a slot's first cycle is a fixed rhythm: the macros and the softmax cannot stall, so a slot starts only
when its keys, its values and its word are there, and every later event is a constant number of cycles after it (the
constants are in `Sequencer`). The order, the words and the masks are those of the golden `schedule`.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim import ip_cim, softmax
from fusioncim.arith import delayed, fits, one_hot, pick
from fusioncim.bank import address_shape
from fusioncim.kv_buffer import ring_blocks, ring_depth
from fusioncim.normalizer import tile_layout
from fusioncim_golden.config import POSITION_BITS, SCALE_BITS, SCALE_SHIFT_BITS, Config

HEAD_BITS = 9


def job_layout(config: Config) -> data.StructLayout:
    """A job as the golden `schedule.Job` states it; start: position of the first query, group: words per pass."""
    return data.StructLayout(
        {
            "queries": POSITION_BITS,
            "keys": POSITION_BITS,
            "heads": HEAD_BITS,
            "start": POSITION_BITS,
            "causal": 1,
            "group": fits(config.words),
        }
    )


def query_row_layout(config: Config) -> data.StructLayout:
    """One query: signed operands in two's complement and its score scale mantissa / 2^shift."""
    return data.StructLayout(
        {
            "data": data.ArrayLayout(config.operand_bits, config.columns),
            "mantissa": SCALE_BITS,
            "shift": SCALE_SHIFT_BITS,
        }
    )


def pass_layout(config: Config) -> data.StructLayout:
    """A loaded pass: its first word, how many words, how many key blocks, the block of its last query's position."""
    return data.StructLayout(
        {
            "word": address_shape(config.words),
            "count": fits(config.words),
            "blocks": POSITION_BITS,
            "diagonal": POSITION_BITS,
        }
    )


def fetch_layout() -> data.StructLayout:
    """Request for the update_rank keys and values of a block; every schedule but in_order takes them descending."""
    return data.StructLayout({"block": POSITION_BITS})


def block_layout(config: Config) -> data.StructLayout:
    """A requested block: index, the pass it belongs to, and whether it is the pass's last."""
    return data.StructLayout(
        {"block": POSITION_BITS, "word": address_shape(config.words), "count": fits(config.words), "last": 1}
    )


def word_after(config: Config, word: Signal, count: Signal | int) -> Signal:
    """(word + count) mod words, count <= words."""
    total = word + count
    if config.words == 1 << (config.words - 1).bit_length() and config.words > 1:
        return total[: address_shape(config.words).width]
    return Mux(total >= config.words, total - config.words, total)[: address_shape(config.words).width]


class TileLoader(wiring.Component):
    """Loads queries tile by tile.

    Members: i_job; i_q: the job's queries, tile after tile, head after head inside a tile, rows in order, padding left
    out; o_pass; o_tile: every loaded tile, in order, for the drain; write, query_*: ports of the macros; loaded: words
    that hold a tile (set here, cleared by `release`); visible, fresh: per word, largest number of keys that a row may
    see, and whether the word's previous tile belongs to another job.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i_job": In(stream.Signature(job_layout(config))),
                "i_q": In(stream.Signature(query_row_layout(config))),
                "o_pass": Out(stream.Signature(pass_layout(config))),
                "o_tile": Out(stream.Signature(tile_layout(config))),
                "write": Out(ip_cim.write_layout(config)),
                "query_enable": Out(1),
                "query": Out(softmax.query_layout()),
                "release": In(config.words),
                "visible": Out(POSITION_BITS).array(config.words),
                "fresh": Out(1).array(config.words),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        job = Signal(job_layout(config))
        loaded = Signal(config.words)
        used = Signal(config.words)
        word = Signal(address_shape(config.words))
        first_word = Signal(address_shape(config.words))
        count = Signal(fits(config.words))
        first = Signal(POSITION_BITS)
        head = Signal(HEAD_BITS)
        left = Signal(POSITION_BITS)  # queries of the job from this tile's first on
        rows = Signal(fits(config.rows))
        row = Signal(address_shape(config.rows))
        end = Signal(POSITION_BITS + 1)
        seen = Signal(POSITION_BITS)

        real = Signal()
        step = Signal()
        last_row = Signal()
        tile_done = Signal()
        m.d.comb += [
            *(real.eq(row < rows), last_row.eq(row == config.rows - 1)),
            end.eq(job.start + first + row + 1),
            seen.eq(Mux(job.causal & (end < job.keys), end, job.keys)),
            *(self.write.enable.eq(step & real), self.write.row.eq(row), self.write.word.eq(word)),
            self.write.data.eq(self.i_q.payload.data),
            self.query_enable.eq(step),
            *(self.query.mantissa.eq(self.i_q.payload.mantissa), self.query.shift.eq(self.i_q.payload.shift)),
            self.query.visible.eq(Mux(real, seen, 0)),
            *(self.o_tile.payload.word.eq(word), self.o_tile.payload.rows.eq(rows)),
        ]
        rank = config.rank_bits
        last_visible = Signal(POSITION_BITS)
        last_position = Signal(POSITION_BITS)
        blocks = Signal(POSITION_BITS)
        diagonal = Signal(POSITION_BITS)
        m.d.comb += [
            *(blocks.eq((last_visible + (config.update_rank - 1)) >> rank), diagonal.eq(last_position >> rank)),
            *(self.o_pass.payload.word.eq(first_word), self.o_pass.payload.count.eq(count)),
            self.o_pass.payload.blocks.eq(blocks),
            self.o_pass.payload.diagonal.eq(Mux(diagonal >= blocks, blocks - 1, diagonal)),
        ]
        m.d.sync += loaded.eq((loaded & ~self.release) | one_hot(tile_done, word, config.words))

        with m.FSM():
            with m.State("JOB"):
                m.d.comb += self.i_job.ready.eq(1)
                m.d.sync += [
                    *(job.eq(self.i_job.payload), left.eq(self.i_job.payload.queries)),
                    *(first.eq(0), head.eq(0), count.eq(0), first_word.eq(word), used.eq(0)),
                ]
                with m.If(self.i_job.valid):
                    m.next = "WAIT"
            with m.State("WAIT"):
                m.d.sync += [rows.eq(Mux(left < config.rows, left, config.rows)), row.eq(0)]
                with m.If(~pick(loaded, word)):
                    m.next = "LOAD"
            with m.State("LOAD"):
                m.d.comb += [self.i_q.ready.eq(real), step.eq(self.i_q.valid | ~real)]
                with m.If(step):
                    m.d.sync += row.eq(row + 1)
                    with m.If(real):
                        m.d.sync += [last_visible.eq(seen), last_position.eq(end - 1)]
                    with m.If(last_row):
                        m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += [self.o_tile.valid.eq(1), tile_done.eq(self.o_tile.ready)]
                with m.If(tile_done):
                    m.d.sync += [
                        Array(self.visible)[word].eq(last_visible),
                        Array(self.fresh)[word].eq(~pick(used, word)),
                        *(used.eq(used | (1 << word)), word.eq(word_after(config, word, 1)), count.eq(count + 1)),
                    ]
                    with m.If(head + 1 == job.heads):
                        m.d.sync += [head.eq(0), first.eq(first + config.rows), left.eq(left - rows)]
                    with m.Else():
                        m.d.sync += head.eq(head + 1)
                    with m.If((count + 1 == job.group) | ((head + 1 == job.heads) & (left == rows))):
                        m.next = "PASS"
                    with m.Else():
                        m.next = "WAIT"
            with m.State("PASS"):
                m.d.comb += self.o_pass.valid.eq(1)
                with m.If(self.o_pass.ready):
                    m.d.sync += [count.eq(0), first_word.eq(word)]
                    with m.If(left == 0):
                        m.next = "JOB"
                    with m.Else():
                        m.next = "WAIT"
        return m


class BlockFetcher(wiring.Component):
    """Asks for the key blocks of a pass in the order of the schedule.

    Members: i: passes; o_fetch: requests; o_block: the same blocks, for the sequencer.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(pass_layout(config))),
                "o_fetch": Out(stream.Signature(fetch_layout())),
                "o_block": Out(stream.Signature(block_layout(config))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        schedule = self.config.schedule
        this = self.i.payload
        running = Signal()
        sent = Signal(POSITION_BITS)
        backward = Signal(POSITION_BITS)
        block = Signal(POSITION_BITS)
        last = Signal()
        step = Signal()
        m.d.comb += [
            last.eq(sent + 1 == this.blocks),
            *(self.o_fetch.valid.eq(running & self.o_block.ready), self.o_block.valid.eq(running & self.o_fetch.ready)),
            *(self.o_fetch.payload.block.eq(block), self.o_block.payload.block.eq(block)),
            *(self.o_block.payload.word.eq(this.word), self.o_block.payload.count.eq(this.count)),
            self.o_block.payload.last.eq(last),
            step.eq(running & self.o_fetch.ready & self.o_block.ready),
            self.i.ready.eq(step & last),
        ]
        # The sink block has gone first: the walk backward passes over it.
        end = 1 if schedule == "sink_first" else 0
        if schedule == "in_order":
            m.d.comb += block.eq(sent)
        elif schedule == "diagonal_first":
            m.d.comb += block.eq(backward)
        else:
            m.d.comb += block.eq(Mux(sent == 0, 0, backward))
        with m.If(~running):
            m.d.sync += [running.eq(self.i.valid), sent.eq(0)]
            m.d.sync += backward.eq(Mux(this.diagonal == 0, this.blocks - 1, this.diagonal) if end else this.diagonal)
        with m.Elif(step):
            m.d.sync += [running.eq(~last), sent.eq(sent + 1)]
            with m.If((schedule != "sink_first") | (sent != 0)):
                m.d.sync += backward.eq(Mux(backward == end, this.blocks - 1, backward - 1))
        return m


class Sequencer(wiring.Component):
    """Runs the slots.

    In cycles after a slot's first (T = block_cycles, B = operand_bits, R = update_rank, j = row of a lane):

        n B .. n B + B - 1      planes of key n leave the ring (1 cycle later they are on the IP-CIM's command)
        n B + B + 3 + j         the score of key n and row j enters the softmax (stage 0)
        T + 11 - R .. T + 10    values of the block's R vectors go to the value registers (first slot of a block)
        T + 11 .. 2 T + 10      columns on the OP-CIM's command; row j's probabilities are there at T + 12 + j
        2 T + 14 + rows_per_lane and later: the word may drain

    Members: i: blocks, in the order of the rings; visible, fresh: of the words (TileLoader); keys_*, values_*: rings;
    command, plane_index: IP-CIM (all but the plane); control: softmax; copy_*, value_*: value registers; enable, word,
    column: OP-CIM; finished: words whose tile is complete; drained: words whose tile has left; active: a slot runs.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        vector = address_shape(ring_depth(config))
        word = address_shape(config.words)
        super().__init__(
            {
                "i": In(stream.Signature(block_layout(config))),
                "visible": In(POSITION_BITS).array(config.words),
                "fresh": In(1).array(config.words),
                "available": In(1),
                "claim": Out(1),
                "keys_release": Out(1),
                "keys_enable": Out(1),
                "keys_address": Out(vector),
                "values_release": Out(1),
                "values_enable": Out(1),
                "values_address": Out(vector),
                "command": Out(ip_cim.command_layout(config)),
                "plane_index": Out(address_shape(config.operand_bits)),
                "control": Out(softmax.control_layout(config)),
                "copy_enable": Out(1),
                "copy_bank": Out(1),
                "copy_index": Out(address_shape(config.update_rank)),
                "value_bank": Out(1),
                "pv_enable": Out(1),
                "pv_word": Out(word),
                "pv_column": Out(address_shape(config.block_cycles)),
                "finished": Out(config.words),
                "drained": In(config.words),
                "active": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        cycles = config.block_cycles
        slot = data.StructLayout(
            {
                "word": address_shape(config.words),
                "ring": address_shape(ring_blocks(config)),
                "block": POSITION_BITS,
                "opens": 1,
                "first": 1,
                "fresh": 1,
            }
        )
        active = Signal()
        cycle = Signal(range(cycles))
        now = Signal(slot)
        finish = Signal()
        start = Signal()
        next_slot = Signal(slot)
        m.d.comb += [finish.eq(active & (cycle == cycles - 1)), self.active.eq(active)]
        m.d.sync += cycle.eq(cycle + 1)
        with m.If(start):
            m.d.sync += [active.eq(1), cycle.eq(0), now.eq(next_slot)]
        with m.Elif(finish):
            m.d.sync += active.eq(0)

        self._pick(m, start, next_slot, finish, active)
        self._keys(m, active, cycle, now)
        self._values(m, finish, now)
        return m

    def _pick(self, m: Module, start: Signal, slot: data.View, finish: Signal, active: Signal) -> None:
        """Find the next slot while one runs, so that it can start in the cycle after."""
        config = self.config
        entry = self.i.payload
        index = Signal(fits(config.words))
        ring = Signal(address_shape(ring_blocks(config)))
        claimed = Signal()
        found = Signal()
        begun = Signal(config.words)
        busy = Signal(config.words)
        word = Signal(address_shape(config.words))
        exhausted = Signal()
        sees = Signal()
        m.d.comb += [
            word.eq(word_after(config, entry.word, index)),
            sees.eq(Array(self.visible)[word] > (entry.block << config.rank_bits)),
            exhausted.eq(self.i.valid & ~found & (index == entry.count)),
            self.i.ready.eq(exhausted),
        ]
        first = ~pick(begun, word)
        m.d.comb += [
            start.eq(
                found & (finish | ~active) & (claimed | self.available) & ~(first & pick(busy, word)),
            ),
            self.claim.eq(start & ~claimed),
            *(slot.word.eq(word), slot.ring.eq(ring), slot.block.eq(entry.block), slot.opens.eq(~claimed)),
            *(slot.first.eq(first), slot.fresh.eq(Array(self.fresh)[word])),
        ]
        with m.If(start):
            m.d.sync += [found.eq(0), claimed.eq(1), index.eq(index + 1)]
        with m.Elif(exhausted):
            m.d.sync += [index.eq(0), ring.eq(ring + 1), claimed.eq(0)]
        with m.Elif(self.i.valid & ~found):
            with m.If(sees):
                m.d.sync += found.eq(1)
            with m.Else():
                m.d.sync += index.eq(index + 1)

        # The block, and with its last block the pass, ends with the slot that runs now.
        ends_block = Signal()
        ending = Signal(config.words)
        members: Value = Const(0, config.words)
        for n in range(config.words):
            members |= one_hot(entry.count > n, word_after(config, entry.word, n), config.words)
        idle = finish | ~active
        ended = Signal(config.words)
        m.d.comb += [self.keys_release.eq(ends_block & idle), ended.eq(Mux(idle, ending, 0))]
        with m.If(exhausted):
            m.d.sync += [ends_block.eq(1), ending.eq(Mux(entry.last, members, 0))]
        with m.Elif(idle):
            m.d.sync += [ends_block.eq(0), ending.eq(0)]
        m.d.comb += self.finished.eq(delayed(m, ended, config.block_cycles + config.rows_per_lane + 16, "ended")[-1])
        m.d.sync += [
            begun.eq((begun & ~ended) | one_hot(start, word, config.words)),
            busy.eq((busy & ~self.drained) | one_hot(start, word, config.words)),
        ]

    def _keys(self, m: Module, active: Signal, cycle: Signal, now: data.View) -> None:
        """Planes to the IP-CIM, and the control of the softmax operand_bits + 3 cycles later."""
        config = self.config
        plane_bits = config.operand_bits.bit_length() - 1
        plane, vector = cycle[:plane_bits], cycle[plane_bits:]
        m.d.comb += [
            self.keys_enable.eq(active & (plane == 0)),
            self.keys_address.eq(Cat(vector, now.ring)),
            *(self.command.read.eq(active & (cycle == 0)), self.command.word.eq(now.word)),
            self.command.first.eq(self.plane_index == 0),
        ]
        m.d.sync += [self.command.enable.eq(active), self.plane_index.eq(plane)]
        control = Signal(softmax.control_layout(config))
        served = plane < config.rows_per_lane if config.rows_per_lane < config.operand_bits else 1
        within = vector if config.schedule == "in_order" else ~vector
        m.d.comb += [
            *(control.enable.eq(active & served), control.row.eq(plane)),
            *(control.index.eq(vector), control.last.eq(cycle[plane_bits:] == config.update_rank - 1)),
            *(control.first.eq(now.first), control.fresh.eq(now.fresh), control.word.eq(now.word)),
            control.position.eq(Cat(within, now.block)),
        ]
        m.d.comb += self.control.eq(delayed(m, control, config.operand_bits + 3, "control")[-1])

    def _values(self, m: Module, finish: Signal, now: data.View) -> None:
        """Copy the block's values, then walk the columns."""
        config = self.config
        rank = config.update_rank
        token = Signal(
            data.StructLayout(
                {
                    "enable": 1,
                    "opens": 1,
                    "word": address_shape(config.words),
                    "ring": address_shape(ring_blocks(config)),
                }
            )
        )
        m.d.comb += [
            *(token.enable.eq(finish), token.opens.eq(finish & now.opens)),
            *(token.word.eq(now.word), token.ring.eq(now.ring)),
        ]
        after = delayed(m, token, 11, "slot_end")
        for n in range(rank):
            read = after[10 - rank + n]
            with m.If(read.opens):
                m.d.comb += [
                    self.values_enable.eq(1),
                    self.values_address.eq(n + (read.ring << config.rank_bits)),
                ]
                m.d.sync += [self.copy_bank.eq(read.ring[0]), self.copy_index.eq(n)]
        m.d.sync += self.copy_enable.eq(self.values_enable)
        m.d.comb += self.values_release.eq(after[10].opens)

        with m.If(after[10].enable):
            m.d.sync += [
                *(self.pv_enable.eq(1), self.pv_column.eq(0)),
                *(self.pv_word.eq(after[10].word), self.value_bank.eq(after[10].ring[0])),
            ]
        with m.Else():
            with m.If(self.pv_column == config.block_cycles - 1):
                m.d.sync += self.pv_enable.eq(0)
            m.d.sync += self.pv_column.eq(self.pv_column + 1)
