"""Unpacker: words of packed keys and values as words of the global buffer.

An operand of 4 bits counts as 16 times itself, so that the engines see operands of 8 bits in both formats.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.realigner import vector_words_layout
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.limits import PACKED_BITS


class Unpacker(wiring.Component):
    """Operand j of a packed vector, the low half of byte j / 2 if j is even, as 16 times itself in byte j.

    A word fills two; one that is not packed stays as it is.

    Throughput: all words per cycle. Latency: none.

    Members:
        halves: the words are packed.
        i_words, i_write: words of a vector, and which they are.
        words, write: the same for the buffer.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        words = vector_words_layout(config)
        super().__init__(
            {
                "halves": In(1),
                "i_words": In(words),
                "i_write": In(words.length),
                "words": Out(words),
                "write": Out(words.length),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = self.config.bus_bits // 2
        for n in range(len(self.write)):
            half = self.i_words[n // 2].word_select(n % 2, bits)
            m.d.comb += [
                self.words[n].eq(Mux(self.halves, self._wide(half), self.i_words[n])),
                self.write[n].eq(Mux(self.halves, self.i_write[n // 2], self.i_write[n])),
            ]
        return m

    def _wide(self, half: Value) -> Value:
        """Half a word of packed operands as a whole word."""
        zeros = Const(0, self.config.engine.operand_bits - PACKED_BITS)
        return Cat(*(Cat(zeros, half[low : low + PACKED_BITS]) for low in range(0, len(half), PACKED_BITS)))
