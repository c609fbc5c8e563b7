"""The cocotb bench of a bank: plays accesses, and compares what its ports show afterwards.

Run by `banks`, which makes the case from `banks.accesses`.
"""

from typing import Any

import cocotb

from fusioncim_sim.replay import play
from fusioncim_sim.runner import case


@cocotb.test()
async def runs_accesses(dut: Any) -> None:
    """Play the table; every port shows what was read from it last."""
    this = case()
    inputs = {name: [int(x, 16) for x in values] for name, values in this["inputs"].items()}
    seen = await play(dut, inputs, this["shown"])
    for name, value in this["shown"].items():
        assert value is None or seen[name][-1] == int(value, 16), name
