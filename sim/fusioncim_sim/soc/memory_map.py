"""Where everything is in the system: for the hardware, for the firmware's C and for its linker."""

from fusioncim_sim.rtl.job_places import LINE_BYTES
from fusioncim_sim.soc.devices import UART_DATA, UART_STATUS

REGION_BITS = 28
"""Bits of an address within a region: the highest four say which."""
PROGRAM, REGISTERS, UART, FINISHER, SHARED = 0x1000_0000, 0x2000_0000, 0x3000_0000, 0x4000_0000, 0x8000_0000
"""First address of each region. The last one, the memory that the chip reads, goes on to the end."""
PROGRAM_BYTES = 1 << 16
SHARED_BYTES = 1 << REGION_BITS
ENTRY_OFFSET, INTERRUPT_OFFSET = 0x00, 0x10
"""Where in the program the core begins after a reset, and at an interrupt."""
CHIP_INTERRUPT = 3
"""Number of the chip's interrupt; PicoRV32 itself has 0 (timer), 1 (illegal instruction) and 2 (wrong address)."""
STACK_BYTES = 1 << 12
"""What the linker keeps free for the stack at least."""
SYMBOLS = {
    "CHIP": REGISTERS,
    "UART_DATA": UART + UART_DATA,
    "UART_STATUS": UART + UART_STATUS,
    "FINISHER": FINISHER,
    "MEMORY": SHARED,
    "MEMORY_BYTES": SHARED_BYTES,
    "LINE_BYTES": LINE_BYTES,
    "CHIP_INTERRUPT": CHIP_INTERRUPT,
    "INTERRUPT_OFFSET": INTERRUPT_OFFSET,
}
"""The same for software: each is SYSTEM_NAME."""


def header() -> str:
    """C, for assembler as well. What the compiler is told goes first."""
    macros = {f"SYSTEM_{name}": f"{value:#x}" for name, value in SYMBOLS.items()}
    return "".join(f"#ifndef {name}\n#define {name} {value}\n#endif\n" for name, value in macros.items())


def linker_script() -> str:
    """Where a linker puts things."""
    return f"""\
stack_bytes = {STACK_BYTES:#x};
MEMORY
{{
    program (rwx) : ORIGIN = {PROGRAM:#x}, LENGTH = {PROGRAM_BYTES:#x}
    shared (rw) : ORIGIN = {SHARED:#x}, LENGTH = {SHARED_BYTES:#x}
}}
"""
