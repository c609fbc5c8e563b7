"""The RISC-V core: PicoRV32 as its authors wrote it, from the package pythondata-cpu-picorv32 (ISC licence).

It has RV32IMC, interrupts and counters. Its memory interface asks for one word at a time: `valid` stays until `ready`.
"""

import importlib.metadata
from importlib.util import find_spec
from pathlib import Path

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim_golden.errors import InputError
from fusioncim_sim.soc.memory_map import CHIP_INTERRUPT, ENTRY_OFFSET, INTERRUPT_OFFSET, PROGRAM
from fusioncim_sim.soc.word_bus import word_bus

PACKAGE = "pythondata_cpu_picorv32"


def core_source() -> Path:
    """The Verilog of the core."""
    package = find_spec(PACKAGE)
    if not package or not package.origin:
        raise InputError("the RISC-V core PicoRV32 is missing: install it with pip install 'fusioncim[soc]'")
    return Path(package.origin).parent / "verilog" / "picorv32.v"


def core_version() -> str:
    """The version of its package."""
    return f"PicoRV32, {PACKAGE} {importlib.metadata.version(PACKAGE)}"


class Processor(wiring.Component):
    """PicoRV32 as a part of the system.

    Members:
        valid, address, write_data, strobes, ready, read_data: the memory interface, see `word_bus`.
        interrupt: of the chip, a level.
        trap: it met what it cannot do, and stands still.
    """

    def __init__(self) -> None:
        super().__init__({**word_bus(Out), "interrupt": In(1), "trap": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.core = Instance(
            "picorv32",
            p_COMPRESSED_ISA=1,
            p_ENABLE_MUL=1,
            p_ENABLE_DIV=1,
            p_BARREL_SHIFTER=1,
            p_ENABLE_IRQ=1,
            p_LATCHED_IRQ=0xFFFFFFFF & ~(1 << CHIP_INTERRUPT),
            p_PROGADDR_RESET=PROGRAM + ENTRY_OFFSET,
            p_PROGADDR_IRQ=PROGRAM + INTERRUPT_OFFSET,
            i_clk=ClockSignal(),
            i_resetn=~ResetSignal(),
            o_trap=self.trap,
            o_mem_valid=self.valid,
            i_mem_ready=self.ready,
            o_mem_addr=self.address,
            o_mem_wdata=self.write_data,
            o_mem_wstrb=self.strobes,
            i_mem_rdata=self.read_data,
            i_irq=Cat(Const(0, CHIP_INTERRUPT), self.interrupt, Const(0, 31 - CHIP_INTERRUPT)),
        )
        return m
