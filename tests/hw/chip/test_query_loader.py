"""What the query loader keeps of a word of the scale table, against the golden rule. The loader itself: `test_chip`."""

from pathlib import Path

import cocotb
import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.query_loader import kept_scale, kept_scale_layout
from fusioncim_golden.config import Config
from fusioncim_golden.scale_table import legal_scales
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run

SHAPES = [(8, 16), (8, 48), (8, 64), (8, 1008), (4, 16), (4, 48), (4, 128)]
"""operand_bits, columns. 48 and 1008 columns do not allow every mantissa with the least shift; 4 bits may have 0."""


class KeptScale(wiring.Component):
    """A word, as it is kept."""

    def __init__(self, config):
        self.config = config
        super().__init__({"word": In(32), "kept": Out(kept_scale_layout())})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.kept.as_value().eq(kept_scale(self.config, self.word))
        return m


def shaped(bits, columns):
    return Config(operand_bits=bits, columns=columns, update_rank=1, rows=4, softmax_lanes=4)


def words():
    """Every mantissa with every shift around and above the legal ones, and every single bit above."""
    codes = [mantissa | shift << 8 for shift in range(40) for mantissa in range(256)]
    return [*codes, *(200 | 20 << 8 | 1 << bit for bit in range(13, 32)), (1 << 32) - 1]


@cocotb.test()
async def keeps_scales(dut):
    given = words()
    config = shaped(*case()["shape"])
    seen = (await play(dut, {"word": given}, ["kept"]))["kept"]
    legal = legal_scales(config, np.array(given))
    assert 1000 < legal.sum() < 4096 + 1
    for word, bits, good in zip(given, seen, legal, strict=True):
        kept = kept_scale_layout().from_bits(bits)
        assert kept.legal == good, hex(word)
        if good:
            assert (kept.mantissa | 128, kept.shift) == (word & 255, word >> 8), hex(word)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_word_is_kept_as_the_golden_rule_says(shape):
    run(KeptScale(shaped(*shape)), Path(__file__).stem, "keeps_scales", {"shape": shape}, path=Path(__file__).parent)
