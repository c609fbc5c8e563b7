"""In the simulation of a bench on a design with faults: it goes on once for every fault, and once without any.

Importing this file starts that, after the module with the bench is imported: starting costs a second, simulating a unit
often less. Every fault has a process of its own, one after the other; it leaves its results in N.xml.
"""

import os
import resource
from typing import Any

import cocotb
from cocotb.handle import Immediate

from fusioncim_sim.mutation.netlist import FAULTS, NUMBER

RESULTS = "COCOTB_RESULTS_FILE"


def fork() -> int:
    """The number of the fault that this process has."""
    limit_s, *numbers = os.environ[FAULTS].split()
    for number in numbers:
        process = os.fork()
        if not process:
            # A fault may make a simulation endless. Other work on the machine does not count.
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s), int(limit_s)))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.environ[RESULTS] = f"{number}.xml"
            return int(number)
        os.waitpid(process, 0)
    return 0


dut: Any = cocotb.top
getattr(dut, NUMBER).set(Immediate(fork()))
