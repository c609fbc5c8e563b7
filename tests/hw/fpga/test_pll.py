"""Phase-locked loops."""

import pytest

from fusioncim.fpga import pll


@pytest.mark.parametrize(("family", "mhz", "asked"), [("ecp5", 25, 40.0), ("ice40", 12, 20.0), ("ecp5", 25, 31.3)])
def test_the_pll_comes_near(family, mhz, asked):
    found = pll.nearest(family, mhz, asked)
    limits = pll.LIMITS[family]
    vco = mhz / found.divide * found.multiply
    assert limits.oscillator[0] <= vco <= limits.oscillator[1]
    assert found.output_mhz == pytest.approx(asked, rel=pll.PERCENT_OFF / 100)
