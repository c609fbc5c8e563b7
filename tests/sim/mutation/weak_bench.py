"""Gates of which a bench looks at one output only; `test_unit_score` puts faults into them."""

from pathlib import Path

import cocotb
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run


class Gates(wiring.Component):
    """same: a, whatever b is; other: whether a and b differ."""

    a: In(1)
    b: In(1)
    same: Out(1)
    other: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.same.eq(self.a & (self.a | self.b))
        m.d.comb += self.other.eq(self.a ^ self.b)
        return m


class Unlike(Gates):
    """Another unit, in the same file."""


def test_gates():
    run(Gates(), Path(__file__).stem, "sees_one_output", {"same": [0, 0, 1, 1]}, path=Path(__file__).parent)


def test_unlike():
    run(Unlike(), Path(__file__).stem, "sees_one_output", {"same": [0, 0, 1, 1]}, path=Path(__file__).parent)


@cocotb.test()
async def sees_one_output(dut):
    seen = await play(dut, {"a": [0, 0, 1, 1], "b": [0, 1, 0, 1]}, ["same"])
    assert seen["same"] == case()["same"]
