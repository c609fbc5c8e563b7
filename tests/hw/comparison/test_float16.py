"""Half-precision products and sums: gates against numbers, numbers against NumPy."""

from pathlib import Path

import cocotb
import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim.comparison.float16 import FLOAT16, bits_of, number_of, product, product_of, sum_of, total
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run

COUNT = 4000


class Operations(wiring.Component):
    """Product and sum of a and b."""

    a: In(FLOAT16)
    b: In(FLOAT16)
    product: Out(FLOAT16)
    total: Out(FLOAT16)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [self.product.eq(product(m, self.a, self.b)), self.total.eq(total(m, self.a, self.b))]
        return m


def pairs():
    """Bits of pairs: many of like size, zeros, and all with small products."""
    rng = np.random.default_rng(1)
    a = rng.integers(1, 1 << 10, COUNT) | rng.integers(8, 20, COUNT) << 10 | rng.integers(0, 2, COUNT) << 15
    b = a ^ rng.integers(0, 1 << 13, COUNT) ^ rng.integers(0, 2, COUNT) << 15
    b[: COUNT // 4] = a[: COUNT // 4] ^ 1 << 15 ^ rng.integers(0, 4, COUNT // 4)  # sums that nearly vanish
    b[-COUNT // 8 :] &= 0x1FFF  # far below
    a[::50], b[1::50] = 0, 0
    return [(bits_of(number_of(int(x))), bits_of(number_of(int(y)))) for x, y in zip(a, b, strict=True)]


def test_gates():
    run(Operations(), Path(__file__).stem, "matches_numbers", {}, path=Path(__file__).parent)


@cocotb.test()
async def matches_numbers(dut):
    a, b = zip(*pairs(), strict=True)
    seen = await play(dut, {"a": a, "b": b}, ["product", "total"])
    for name, of in (("product", product_of), ("total", sum_of)):
        for x, y, found in zip(a, b, seen[name], strict=True):
            assert found == bits_of(of(number_of(x), number_of(y))), (name, number_of(x), number_of(y))


@pytest.mark.parametrize(("of", "numpy"), [(product_of, np.multiply), (sum_of, np.add)])
def test_numbers_are_those_of_numpy(of, numpy):
    for x, y in pairs():
        exact = float(numpy(np.float16(number_of(x)), np.float16(number_of(y))))
        if np.isfinite(exact) and abs(exact) > 2.0**-14:
            assert of(number_of(x), number_of(y)) == exact


def test_what_is_too_small_is_0():
    assert product_of(2.0**-8, 2.0**-7) == 0
    assert product_of(2.0**-7, 2.0**-7) == 2.0**-14
    assert number_of(bits_of(-1.5)) == -1.5
    assert bits_of(1.0) == 0x3C00
