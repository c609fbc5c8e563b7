"""The cocotb bench of a bank: plays accesses.

Run by `studies.banks`, which makes the case from its `accesses`.
"""

from typing import Any

import cocotb

from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.replay import play


@cocotb.test()
async def runs_accesses(dut: Any) -> None:
    """Play the table, whose values are hexadecimal."""
    await play(dut, {name: [int(x, 16) for x in values] for name, values in case().items()}, [])
