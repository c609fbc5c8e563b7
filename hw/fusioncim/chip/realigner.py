"""Realigner: the beats of queries, keys and values as the words of vectors that begin at a word, with zeros behind.

A vector lies at any multiple of the chip's alignment. The tag says how far behind the begin of its first beat; a beat
is rotated by that once, and what is left of it waits for the next one. Beats are never held up: with the last beat of a
vector its last two words may come, and all words behind them, which are 0.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.axi import memory_beat_layout
from fusioncim.chip.descriptor import DIMENSION_BITS
from fusioncim.chip.job_table import SLOTS, slot_shape
from fusioncim.chip.read_arbiter import ReadKind, read_tag_layout
from fusioncim.lib.arith import chosen, pick
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.limits import DIMENSION_STEP, PACKED_BITS

VECTORS = (ReadKind.QUERY, ReadKind.KEY, ReadKind.VALUE)
"""Kinds of reads that are vectors."""
STEP_BITS = (DIMENSION_STEP - 1).bit_length()
"""Bytes of DIMENSION_STEP operands of 8 bits, as a power of two."""


def vector_words_layout(chip: ChipConfig) -> data.ArrayLayout:
    """The longest query, key or value as words of the bus."""
    return data.ArrayLayout(chip.bus_bits, chip.vector_bytes // chip.bus_bytes)


class Realigner(wiring.Component):
    """Words of vectors: byte b of a vector is byte (offset + b) of the beats of its request, 0 behind its dimension.

    A request without an offset may be several vectors of whole beats.

    Throughput: a beat per cycle, which cannot stall. Latency: none.

    Members:
        slot, dimension, value_dimension, packed: of the job that is planned, kept for its beats.
        beat_valid, beat: from memory; what is no vector is passed over.
        words, write: the words that are known now, and which they are.
        ends: with this beat a vector is whole.
        halves: the words are of a packed vector.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        words = vector_words_layout(config)
        super().__init__(
            {
                "slot": In(slot_shape()),
                "dimension": In(DIMENSION_BITS),
                "value_dimension": In(DIMENSION_BITS),
                "packed": In(1),
                "beat_valid": In(1),
                "beat": In(memory_beat_layout(config, read_tag_layout(config))),
                "words": Out(words),
                "write": Out(words.length),
                "ends": Out(1),
                "halves": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip = self.config
        count = chip.vector_bytes // chip.bus_bytes
        byte_bits = chip.bus_bytes.bit_length() - 1
        lanes = chip.bus_bytes // chip.alignment
        shift = self.beat.tag.offset

        # Of the vectors of every job, and of its values: their steps of operands, from which follows which word is the
        # last one, and its bytes, 0 for all.
        full, half = byte_bits - STEP_BITS, byte_bits - STEP_BITS + 1  # steps in a word, as a power of two
        size = data.StructLayout({"last": range(chip.engine.columns // DIMENSION_STEP), "rest": half})
        known = {"size": self.dimension, "value_size": self.value_dimension}
        sizes = {name: [Signal(size, name=f"{name}_{n}", reset_less=True) for n in range(SLOTS)] for name in known}
        halved = Signal(SLOTS)  # keys and values are packed
        for n in range(SLOTS):
            with m.If(self.slot == n):
                for name, dimension in known.items():
                    steps, each = dimension[STEP_BITS:], sizes[name][n]
                    m.d.sync += [each.last.eq(steps - 1), each.rest.eq(steps)]
                if chip.packs:
                    m.d.sync += halved[n].eq(self.packed)
        own, of_values = (Array(each.as_value() for each in sizes[name])[self.beat.tag.slot] for name in known)
        this = data.View(size, Mux(self.beat.tag.kind == ReadKind.VALUE, of_values, own))
        halves: Value = Const(1, 1)
        if chip.packs:
            halves = self.halves
            m.d.comb += halves.eq(pick(halved, self.beat.tag.slot) & (self.beat.tag.kind != ReadKind.QUERY))
        last = Mux(halves, this.last >> half, this.last >> full)
        rest = Mux(halves, Cat(Const(0, byte_bits - half), this.rest), Cat(Const(0, STEP_BITS), this.rest[:full]))

        is_vector = Signal()
        place = Signal(range(count + (lanes > 1)))  # of the beat in its vector
        m.d.comb += [
            is_vector.eq(self.beat_valid & Cat(self.beat.tag.kind == kind for kind in VECTORS).any()),
            self.ends.eq(is_vector & (self.beat.last | ((shift == 0) & (place == last)))),
        ]
        with m.If(is_vector):
            m.d.sync += place.eq(Mux(self.ends, 0, place + 1))

        # Of the last beat, what belongs to the vector; then rotated so that the vector begins at a word.
        step = DIMENSION_STEP * PACKED_BITS // 8
        end = Signal(byte_bits)
        m.d.comb += end.eq(rest + shift * chip.alignment)
        parts = [
            Mux(self.ends & (end != 0) & (end <= low), 0, self.beat.data[8 * low : 8 * (low + step)])
            for low in range(0, chip.bus_bytes, step)
        ]
        rotated = Signal(chip.bus_bits)
        turned: Value = Cat(parts)
        for n in range(len(shift)):
            turned = Mux(shift[n], turned.rotate_right(8 * chip.alignment << n), turned)
        m.d.comb += rotated.eq(turned)
        alone, with_last = self._words(m, rotated, shift, is_vector)

        shifted = shift != 0
        for n in range(count):
            completes, begins = shifted & (place == n + 1), (place == n) & (~shifted | self.ends)
            m.d.comb += [
                self.words[n].eq(
                    chosen([completes, begins], [with_last, alone]) if lanes > 1 else Mux(begins, alone, 0)
                ),
                self.write[n].eq(is_vector & (completes | begins | (self.ends & (place < n) if n else 0))),
            ]
        return m

    def _words(self, m: Module, rotated: Signal, shift: Value, is_vector: Value) -> tuple[Value, Value]:
        """The word that begins in this beat, and the one that it completes."""
        chip = self.config
        bits = 8 * chip.alignment
        lanes = chip.bus_bytes // chip.alignment
        if lanes == 1:
            return rotated, Const(0, chip.bus_bits)
        kept = Signal(chip.bus_bits - bits, reset_less=True)
        with m.If(is_vector & (shift != 0)):
            m.d.sync += kept.eq(rotated)
        begins, completes = [], []
        for lane in range(lanes):
            here = rotated[bits * lane : bits * (lane + 1)]
            own = lane < lanes - shift if lane else Const(1, 1)
            begins.append(Mux(own, here, 0))
            completes.append(Mux(own, kept[bits * lane : bits * (lane + 1)], here) if lane < lanes - 1 else here)
        return Cat(begins), Cat(completes)
