"""What the head tables keep of a word of scales, sinks and slopes, against the golden rules."""

from pathlib import Path

import cocotb
import numpy as np
import pytest
from amaranth.hdl import Const, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.head_tables import (
    kept_scale,
    kept_scale_layout,
    kept_sink_word,
    kept_slope_word,
    slope_layout,
)
from fusioncim.engine.sink_table import sink_layout
from fusioncim_golden.config import Config
from fusioncim_golden.scale_table import legal_scales
from fusioncim_golden.sinks import SINK_BITS, legal_sinks
from fusioncim_golden.slopes import legal_slopes
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run

SHAPES = [(8, 16), (8, 48), (8, 64), (8, 1008), (4, 16), (4, 48), (4, 128)]
"""operand_bits, columns. 48 and 1008 columns do not allow every mantissa with the least shift; 4 bits may have 0."""


class KeptScale(wiring.Component):
    """A word, as it is kept; error: it could not be read; slopes: the chip takes slopes, and the job has some."""

    def __init__(self, config, slopes):
        self.config, self.slopes = config.override(alibi=slopes), Const(slopes, 1)
        super().__init__({"word": In(32), "error": In(1), "kept": Out(kept_scale_layout())})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.kept.as_value().eq(kept_scale(self.config, self.word, self.error, self.slopes))
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
    given, errors = [*given, *given], [0] * len(given) + [1] * len(given)
    config = shaped(*case()["shape"])
    seen = (await play(dut, {"word": given, "error": errors}, ["kept"]))["kept"]
    legal = legal_scales(config, np.array(given), slopes=case()["slopes"]) & (np.array(errors) == 0)
    assert 1000 < legal.sum() <= 128 * 40 + 1  # shifts from 32 on are those from 0 on of centred values
    for word, bits, good in zip(given, seen, legal, strict=True):
        kept = kept_scale_layout().from_bits(bits)
        assert kept.legal == good, hex(word)
        if good:
            found = kept.mantissa | 128 | kept.shift << 8 | kept.centred << 13
            assert found == word, hex(word)


class KeptWords(wiring.Component):
    """Words of the other tables, as they are kept."""

    def __init__(self, config):
        self.config = config
        sink, slope = sink_layout(config).size + 1, slope_layout().size + 1
        super().__init__({"word": In(32), "error": In(1), "sink": Out(sink), "slope": Out(slope)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.sink.eq(kept_sink_word(self.config, self.word, self.error)),
            self.slope.eq(kept_slope_word(self.word, self.error)),
        ]
        return m


@cocotb.test()
async def keeps_sinks_and_slopes(dut):
    given = [*words(), 0, 1, 0xFFFF, *range(1 << 16, 1 << 17, 37), *(1 << 16 | 1 << bit for bit in range(17, 32))]
    given, errors = [*given, *given], [0] * len(given) + [1] * len(given)
    config = Config(**case()["config"])
    drop = SINK_BITS - sink_layout(config).size
    seen = await play(dut, {"word": given, "error": errors}, ["sink", "slope"])
    good = np.array(errors) == 0
    for name, rule, size, low in (("sink", legal_sinks, SINK_BITS - drop, drop), ("slope", legal_slopes, 13, 0)):
        legal = rule(np.array(given)) & good
        assert 1000 < legal.sum() < len(given) / 2
        for word, bits, fine in zip(given, seen[name], legal, strict=True):
            assert bits >> size == fine, hex(word)
            if fine:
                assert bits & ((1 << size) - 1) == word >> low, hex(word)


@pytest.mark.parametrize("table", [{"lut_size": 64}, {"lut_size": 8}, {"fraction_bits": 10, "lut_size": 1024}])
def test_sinks_and_slopes_are_kept_as_the_golden_rules_say(table):
    config = Config(**table)
    run(KeptWords(config), Path(__file__).stem, "keeps_sinks_and_slopes", {"config": table}, path=Path(__file__).parent)


@pytest.mark.parametrize("slopes", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_word_is_kept_as_the_golden_rule_says(shape, slopes):
    this = {"shape": shape, "slopes": slopes}
    run(KeptScale(shaped(*shape), slopes), Path(__file__).stem, "keeps_scales", this, path=Path(__file__).parent)
