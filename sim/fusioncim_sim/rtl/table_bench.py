"""The cocotb bench of small units that cannot stall: plays a table of inputs.

Run by `gates.played`; the case is the table.
"""

from typing import Any

import cocotb

from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.replay import play


@cocotb.test()
async def plays(dut: Any) -> None:
    """Play the table, whose values are hexadecimal."""
    await play(dut, {name: [int(x, 16) for x in values] for name, values in case().items()}, [])
