"""The cocotb bench of a dot product of the mapped accelerator ITA (`fusioncim.comparison.ita`).

Run by `studies.ita.run`; the case is a table of inputs.
"""

from typing import Any

import cocotb
import numpy as np

from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.replay import play


@cocotb.test()
async def multiplies(dut: Any) -> None:
    """Play inputs and weights into a dot product, a row of both per cycle; record the products."""
    this = case()
    inputs = {name: [int(x, 16) for x in this[name]] for name in ("inp1_i", "inp2_i")}
    seen = await play(dut, inputs, ["oup_o"])
    products = np.array(seen["oup_o"], dtype=np.int64)
    np.savez(this["out"], outputs=(products ^ 1 << 25) - (1 << 25))
