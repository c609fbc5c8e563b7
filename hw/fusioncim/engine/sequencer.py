"""Sequencer: runs the slots, one block of keys past one resident word each, back to back.

Everything behind a slot's first cycle is a fixed rhythm: see `Rhythm`. The macros and the softmax cannot stall. So a
slot starts only when its keys, its values and its word are there, and every later step is a constant number of cycles
after it.
"""

from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.engine import ip_cim, op_cim, softmax_lane
from fusioncim.engine.kv_buffer import kv_signature, ring_blocks
from fusioncim.engine.softmax_layouts import control_layout
from fusioncim.engine.tile_loader import block_shape, blocks_layout, word_after
from fusioncim.engine.token_scale import scale_members
from fusioncim.lib.arith import delayed, fits, one_hot, pick
from fusioncim.lib.bank import READ_LATENCY, address_shape
from fusioncim_golden.config import Config

SPARE_CYCLES = 3
"""A word counts as finished so many cycles after the last of its elements is in the bank."""


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """When the steps of a slot come, in cycles after its first. T = block_cycles, B = operand_bits.

    Planes of key n leave the ring from n B to n B + B - 1, and the columns of the block leave it one per cycle. What a
    macro does for row j of a lane comes j cycles later than for row 0.

    Members:
        plane: the first plane is on the IP-CIM's command.
        score: the first key's score for row 0 enters the softmax; that of key n comes n B later.
        last: the last cycle of the slot; the next slot may begin behind it.
        values: the block's values are read, in the first slot of a block.
        column: the first of T columns is on the OP-CIM's command, and row 0 takes over the block's probabilities.
        finished: what the slot adds to O is in the banks, with SPARE_CYCLES to spare: the word may drain.
    """

    plane: int
    score: int
    last: int
    values: int
    column: int
    finished: int


def rhythm(config: Config) -> Rhythm:
    """The rhythm of a slot: 1, B + 3, T - 1, T + 5, T + 6, 2 T + rows_per_lane + 10 with the latencies of today.

    The last three are one more where the lanes have a stage more (`softmax_lane.stages`).
    """
    last = config.block_cycles - 1
    score = READ_LATENCY + config.operand_bits - 1 + ip_cim.LATENCY
    update = config.block_cycles - config.operand_bits + score + softmax_lane.latency(config)
    column = update  # a row takes the command of a column one cycle after `command` has it, and its update at once
    written = column + last + op_cim.LATENCY + config.rows_per_lane - 1
    return Rhythm(
        plane=READ_LATENCY,
        score=score,
        last=last,
        values=column - READ_LATENCY,
        column=column,
        finished=written + SPARE_CYCLES,
    )


def entry_layout(config: Config) -> data.StructLayout:
    """A block of keys: its number, first word and number of words of its pass; last: it is the last of its pass."""
    return data.StructLayout(
        {"block": block_shape(config), "word": address_shape(config.words), "count": fits(config.words), "last": 1}
    )


class Sequencer(wiring.Component):
    """Runs the slots, one block of keys past one resident word each.

    Throughput: a slot per block_cycles cycles. A slot starts once its keys and values are there and its word has
    drained.

    Members:
        i: blocks, in the order of the rings.
        blocks, fresh: of the words, from the tile loader.
        kv: to the key and value buffer.
        command: to the IP-CIM, all but the plane.
        control: to the softmax.
        pv_enable, pv_word: to the OP-CIM, for the column that the buffer shows.
        finished: words whose tile is complete.
        drained: words whose tile has left.
        active: a bit-plane multiplies.
        waits: the next slot waits for its word to drain.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(entry_layout(config))),
                "blocks": In(blocks_layout(config)).array(config.words),
                "fresh": In(1).array(config.words),
                "kv": Out(kv_signature(config)),
                "command": Out(ip_cim.plane_command_layout(config)),
                "control": Out(control_layout(config)),
                "pv_enable": Out(1),
                "pv_word": Out(address_shape(config.words)),
                "finished": Out(config.words),
                "drained": In(config.words),
                "active": Out(1),
                "waits": Out(1),
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
                "block": block_shape(config),
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
        m.d.comb += [finish.eq(active & (cycle == cycles - 1)), self.active.eq(self.command.enable)]
        m.d.sync += cycle.eq(cycle + active)  # keeps still while idle, and so do the planes
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
        taken = Signal(blocks_layout(config))
        sees = Signal()
        m.d.comb += [
            word.eq(word_after(config, entry.word, index)),
            taken.eq(Array(self.blocks)[word]),
            sees.eq((taken.low <= entry.block) & (entry.block < taken.high)),
            exhausted.eq(self.i.valid & ~found & (index == entry.count)),
            self.i.ready.eq(exhausted),
        ]
        first = ~pick(begun, word)
        idle = finish | ~active
        m.d.comb += [
            start.eq(found & idle & (claimed | self.kv.available) & ~(first & pick(busy, word))),
            *(self.kv.claim.eq(start & ~claimed), self.waits.eq(found & idle & first & pick(busy, word))),
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
        ended = Signal(config.words)
        m.d.comb += [self.kv.keys_release.eq(ends_block & idle), ended.eq(Mux(idle, ending, 0))]
        with m.If(exhausted):
            m.d.sync += [ends_block.eq(1), ending.eq(Mux(entry.last, members, 0))]
        with m.Elif(idle):
            m.d.sync += [ends_block.eq(0), ending.eq(0)]
        steps = rhythm(config)
        m.d.comb += self.finished.eq(delayed(m, ended, steps.finished - steps.last, "ended"))
        m.d.sync += [
            begun.eq((begun & ~ended) | one_hot(start, word, config.words)),
            busy.eq((busy & ~self.drained) | one_hot(start, word, config.words)),
        ]

    def _keys(self, m: Module, active: Signal, cycle: Signal, now: data.View) -> None:
        """Planes to the IP-CIM, and the control of the softmax when their scores are there."""
        config = self.config
        plane_bits = config.operand_bits.bit_length() - 1
        plane, vector = cycle[:plane_bits], cycle[plane_bits:]
        m.d.comb += [
            self.kv.keys_enable.eq(active & (plane == 0)),
            self.kv.keys_address.eq(Cat(vector, now.ring)),
            *(self.command.read.eq(active & (cycle == 0)), self.command.word.eq(now.word)),
            self.command.first.eq(self.kv.plane_index == 0),
        ]
        m.d.sync += [self.command.enable.eq(active), self.kv.plane_index.eq(plane)]
        control = Signal(control_layout(config))
        served = plane < config.rows_per_lane if config.rows_per_lane < config.operand_bits else 1
        within = ~vector if config.key_order().backward else vector
        m.d.comb += [
            *(control.enable.eq(active & served), control.row.eq(plane)),
            *(control.index.eq(vector), control.last.eq(vector == config.update_rank - 1)),
            *(control.first.eq(now.first), control.fresh.eq(now.fresh), control.word.eq(now.word)),
            control.position.eq(Cat(within, now.block)),
        ]
        score = rhythm(config).score
        m.d.comb += self.control.eq(delayed(m, control, score, "control"))
        if config.token_scale_bits:
            # The ring shows a key's scales while its planes pass, the lanes take them for as long when its scores come.
            layout = data.StructLayout(scale_members(config))
            passing, held = Signal(layout), Signal(layout)
            due = delayed(m, control.enable & (plane == 0), score - 1, "scales_due")
            with m.If(active & (plane == config.operand_bits - 1)):
                m.d.sync += [passing.scales.eq(self.kv.scales), passing.scaled.eq(self.kv.scaled)]
            with m.If(due):
                m.d.sync += held.eq(passing)
            m.d.comb += [self.control.scales.eq(held.scales), self.control.scaled.eq(held.scaled)]

    def _values(self, m: Module, finish: Signal, now: data.View) -> None:
        """Read the block's values, then walk the columns."""
        config = self.config
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
        steps = rhythm(config)
        start = delayed(m, token, steps.values - steps.last, "slot_end")
        m.d.comb += [
            *(self.kv.values_enable.eq(start.opens), self.kv.values_address.eq(start.ring)),
            self.kv.values_release.eq(start.opens),
        ]
        with m.If(start.enable):
            m.d.sync += [self.pv_enable.eq(1), self.kv.value_column.eq(0), self.pv_word.eq(start.word)]
        with m.Else():
            with m.If(self.kv.value_column == config.block_cycles - 1):
                m.d.sync += self.pv_enable.eq(0)
            m.d.sync += self.kv.value_column.eq(self.kv.value_column + self.pv_enable)
