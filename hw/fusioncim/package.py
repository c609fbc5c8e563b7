"""What `fusioncim generate` writes: the files that another flow needs to take a design over, whatever its top is.

    TOP.v, sram.v  Verilog, the ports explained above the top module; the model of the memory macro
    TOP.f          file list, for any simulator or synthesizer
    TOP.core       FuseSoC core: Verilog and constraints; `fusesoc run` lints it
    TOP.sdc        timing constraints
    ports.md       every port: direction, bits, meaning, and where the fields of a layout lie
    config.toml    the configuration
    *registers*    of a chip only: the register map as SystemRDL, C header, table and Python module
    *records*      of a chip only: the records of jobs in memory as C header and tables
    fusioncim*.c   of a chip only: its driver in C99, with fusioncim.h, fusioncim_data.h and fusioncim_regs.h
    main.c         of a chip only: a first program
    programming.md of a chip only: how it is programmed

The command adds manifest.json: the version, and size and SHA-256 of every file.

A component says what its ports mean in `ports`, a sentence for each prefix of port names. More files are merged in:
`{**deliver(chip), **others}`.
"""

import importlib.metadata
import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Shape, ShapeCastable
from amaranth.lib import data, stream, wiring

from fusioncim.chip.chip import Chip
from fusioncim.chip.software.driver_files import files as driver_files
from fusioncim.chip.software.programming import files as programming_files
from fusioncim.chip.software.record_files import files as record_files
from fusioncim.chip.software.register_files import files as register_files
from fusioncim.engine.engine import Engine
from fusioncim.lib.bank import SRAM
from fusioncim.verilog.emit import module_name, port_name, used, verilog
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError

CLOCK_MHZ = 400.0
"""Clock of the published chip (arXiv:2604.25317)."""

LOWEST_MHZ, HIGHEST_MHZ = 0.001, 100_000.0
"""Clocks that have a figure: constraints and periods state times in ps, the slack of a path has no more digits."""

IO_SHARE = 0.3
"""Part of the period that logic outside takes before an input and behind an output."""

DOMAIN = {
    "clk": "Clock; everything happens at its rising edge.",
    "rst": "Reset, synchronous. Registers that only carry data have none.",
}
HANDSHAKE = {
    "valid": "{name}__payload holds a value; it stays until it is taken.",
    "ready": "{name}__payload is taken at the end of the cycle if {name}__valid is high, too.",
}
LINT = ("WIDTHEXPAND", "WIDTHTRUNC", "UNUSEDSIGNAL", "UNSIGNED")
"""What generated text trips by construction: widths that the language extends, bits of a result that nobody needs."""


@dataclass(frozen=True)
class Port:
    """A port of the top. fields: name, highest and lowest bit of the parts of a layout."""

    name: str
    direction: str
    width: int
    meaning: str
    fields: tuple[tuple[str, int, int], ...] = ()

    @property
    def pins(self) -> str:
        """As a pattern of a Tcl tool."""
        return self.name if self.width == 1 else f"{self.name}[*]"


def deliver(
    component: wiring.Component,
    meanings: Mapping[str, str] | None = None,
    *,
    text: str | None = None,
    clock_mhz: float = CLOCK_MHZ,
) -> dict[str, bytes]:
    """Content by file name.

    meanings: of ports, by prefix; default: the component's `ports`. text: its Verilog, if it was made before.
    """
    used(component)
    top = module_name(component)
    ports = ports_of(component, component.ports if meanings is None else meanings)
    files = {
        f"{top}.v": explained(top, verilog(component) if text is None else text, ports),
        SRAM.name: SRAM.read_text(encoding="utf-8"),
        f"{top}.f": f"{SRAM.name}\n{top}.v\n",
        f"{top}.core": core_file(top),
        f"{top}.sdc": constraints(top, ports, clock_mhz),
        "ports.md": port_table(top, ports),
        "config.toml": to_toml(component.config.as_dict()),
    }
    return {name: content.encode() for name, content in files.items()}


def ports_of(component: wiring.Component, meanings: Mapping[str, str]) -> list[Port]:
    """Clock, reset, other inputs, outputs; a port without a meaning and a meaning without a port are refused."""
    top = module_name(component)
    found = [Port(name, "input", 1, meaning) for name, meaning in DOMAIN.items()]
    used = set()
    for path, member, _ in component.signature.flatten(component):
        name = port_name(path)
        prefix = max((prefix for prefix in meanings if name.startswith(prefix)), key=len, default=None)
        if prefix is None:
            raise ValueError(f"every port of {top} must have a meaning, not so {name}")
        used.add(prefix)
        meaning = meanings[prefix]
        if path[-1] in HANDSHAKE and isinstance(_inner(component.signature, path[:-1]), stream.Signature):
            meaning = HANDSHAKE[path[-1]].format(name=port_name(path[:-1]))
        direction = "input" if member.flow == wiring.In else "output"
        found.append(Port(name, direction, Shape.cast(member.shape).width, meaning, tuple(_fields(member.shape, 0))))
    if unused := [prefix for prefix in meanings if prefix not in used]:
        raise ValueError(f"every meaning must be that of a port of {top}, not so {', '.join(unused)}")
    return [*(port for port in found if port.direction == "input"), *(p for p in found if p.direction == "output")]


def _inner(signature: wiring.Signature, path: Iterable[str | int]) -> wiring.Signature | None:
    """The signature of an inner interface."""
    for step in path:
        if isinstance(step, str):
            member = signature.members[step]
            if not member.is_signature:
                return None
            signature = member.signature
    return signature


def _fields(shape: Shape | ShapeCastable, offset: int, prefix: str = "") -> Iterator[tuple[str, int, int]]:
    """The fields of a layout; arrays stay whole."""
    if isinstance(shape, data.StructLayout):
        for name, field in shape:
            inner = offset + field.offset
            yield f"{prefix}{name}", inner + field.width - 1, inner
            yield from _fields(field.shape, inner, f"{prefix}{name}.")


def port_table(top: str, ports: Iterable[Port]) -> str:
    """Markdown."""
    lines = [f"# Ports of `{top}`", "", "| port | direction | bits | meaning |", "| --- | --- | ---: | --- |"]
    for port in ports:
        lines.append(f"| `{port.name}` | {port.direction} | {port.width} | {port.meaning} |")
        for name, high, low in port.fields:
            bits = f"{high}:{low}" if high > low else f"{high}"
            lines.append(f"| `{port.name}[{bits}]` | | {high - low + 1} | {name} |")
    return "\n".join([*lines, ""])


def explained(top: str, text: str, ports: Iterable[Port]) -> str:
    """The Verilog with the meaning of the ports above the top module."""
    comment = ["Ports:"]
    for port in ports:
        comment += textwrap.wrap(f"{port.name}: {port.meaning}", 112, initial_indent="  ", subsequent_indent="    ")
    lines = "".join(f"// {line}\n" for line in comment)
    return re.sub(rf"(?m)((?:^//.*\n)*)^module {top}\(", lambda head: _joined(head[1], lines) + f"module {top}(", text)


def _joined(above: str, below: str) -> str:
    return f"{above}//\n{below}" if above else below


def core_file(top: str) -> str:
    """FuseSoC core file, CAPI 2."""
    options = ", ".join(["-Wall", *(f"-Wno-{name}" for name in LINT), "-Wno-DECLFILENAME"])
    version = importlib.metadata.version("fusioncim")
    return f"""\
CAPI=2:

name: fusioncim::{top}:{version}
description: Compute-in-memory attention accelerator, generated by FusionCIM

filesets:
  rtl:
    files: [{SRAM.name}, {top}.v]
    file_type: verilogSource-2005
  constraints:
    files: [{top}.sdc]
    file_type: SDC

targets:
  default:
    filesets: [rtl, constraints]
    toplevel: {top}
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [{options}]
"""


def check_clock(mhz: float) -> None:
    """Refuse a clock frequency that is none, or beyond what constraints can state."""
    if not LOWEST_MHZ <= mhz <= HIGHEST_MHZ:  # nor if it is no number
        raise InputError(f"the clock frequency must be from {LOWEST_MHZ:g} to {HIGHEST_MHZ:g} MHz, not {mhz:g}")


def constraints(top: str, ports: Iterable[Port], clock_mhz: float) -> str:
    """Synopsys design constraints."""
    period = 1000 / clock_mhz
    delay = f"{period * IO_SHARE:.3f}"

    def pins(direction: str) -> str:
        pins = [port.pins for port in ports if port.direction == direction and port.name != "clk"]
        return "\n  ".join(["get_ports {", *pins]) + "\n}"

    return f"""\
# {top} at {clock_mhz:g} MHz; times in ns. The clock is ideal until its tree is built.
# rst is synchronous and timed as every other input: there is no false path.

create_clock -name clk -period {period:.3f} [get_ports clk]

# Logic outside takes {IO_SHARE:.0%} of the period.
set_input_delay -clock clk {delay} [{pins("input")}]
set_output_delay -clock clk {delay} [{pins("output")}]
"""


def to_toml(values: Mapping[str, Any]) -> str:
    """A configuration as TOML. Integers, booleans and names are JSON too."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def chip_files(chip: ChipConfig) -> dict[str, bytes]:
    """Content by file name, register map, records of jobs, driver and how to program it included."""
    texts = register_files() | record_files() | driver_files(chip) | programming_files(chip)
    software = {name: content.encode() for name, content in texts.items()}
    return {**deliver(Chip(chip)), **software}


def engine_files(config: Config, text: str | None = None) -> dict[str, bytes]:
    """Content by file name; text: the engine's Verilog if it was made before."""
    return deliver(Engine(config), text=text)
