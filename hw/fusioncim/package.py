"""What `fusioncim generate` writes: the files that another flow needs to take a design over, whatever its top is.

TOP is the prefix that the user chose, if any, and chip or engine.

    README.md      which file is for what
    TOP.v          Verilog, the ports explained above the top module
    PREFIXsram.v   the model of the memory macro
    TOP.f          file list, for any simulator or synthesizer
    TOP.core       FuseSoC core: lint, simulation, synthesis
    TOP_synth.tcl  the script of its synthesis
    TOP_tb.sv      a self-checking bench, and TOP_tb_*.hex, its job and the golden outputs
    TOP.sdc        timing constraints
    component.xml  IP-XACT: ports, bus interfaces, register map, files
    ports.md       clock, reset, handshakes, every port and where the fields of a layout lie, how the macro is replaced
    config.toml    the configuration
    *registers*    of a chip only: the register map as SystemRDL, C header, table and Python module
    *records*      of a chip only: the records of jobs in memory as C header and tables
    PREFIXfusioncim*.c, PREFIXfusioncim*.h  of a chip only: its driver in C99
    main.c         of a chip only: a first program
    programming.md of a chip only: how it is programmed

The command adds manifest.json: the version, and size and SHA-256 of every file.

A component says what its ports mean in `ports`, a sentence for each prefix of port names. More files are merged in:
`{**deliver(chip), **others}`.
"""

import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from typing import Any

from amaranth.lib import wiring

from fusioncim.chip.chip import Chip
from fusioncim.chip.software.driver_files import files as driver_files
from fusioncim.chip.software.prefix import with_c_prefix
from fusioncim.chip.software.programming import files as programming_files
from fusioncim.chip.software.record_files import files as record_files
from fusioncim.chip.software.register_files import files as register_files
from fusioncim.engine.engine import Engine
from fusioncim.fpga.self_check import StoredJob
from fusioncim.integration import ipxact
from fusioncim.integration.fusesoc import core_file, synth_script
from fusioncim.integration.options import PLAIN, Integration
from fusioncim.integration.port_page import macro_shapes, port_page
from fusioncim.integration.ports import Port, explained, ports_of
from fusioncim.integration.readme import NAME as README
from fusioncim.integration.readme import readme
from fusioncim.integration.testbench import MemoryJob, bench
from fusioncim.lib.bank import MACRO, SRAM
from fusioncim.verilog.emit import module_name, used, verilog
from fusioncim.verilog.prefix import module_names, with_prefix
from fusioncim.verilog.reset import CLOCK, Reset
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError

CLOCK_MHZ = 400.0
"""Clock of the published chip (arXiv:2604.25317)."""

LOWEST_MHZ, HIGHEST_MHZ = 0.001, 100_000.0
"""Clocks that have a figure: constraints and periods state times in ps, the slack of a path has no more digits."""

IO_SHARE = 0.3
"""Part of the period that logic outside takes before an input and behind an output."""


def deliver(
    component: wiring.Component,
    meanings: Mapping[str, str] | None = None,
    *,
    text: str | None = None,
    clock_mhz: float = CLOCK_MHZ,
    integration: Integration = PLAIN,
    job: MemoryJob | StoredJob | None = None,
    software: Mapping[str, str] | None = None,
) -> dict[str, bytes]:
    """Content by file name.

    meanings: of ports, by prefix; default: the component's `ports`. text: its Verilog with that reset and without a
    prefix, if it was made before. job: of the bench, else there is none. software: files that belong to it.
    """
    used(component)
    prefix, reset = integration.prefix, integration.reset
    version = importlib.metadata.version("fusioncim")
    software = with_c_prefix(software or {}, prefix)
    ports = ports_of(component, component.ports if meanings is None else meanings, reset)
    name, model = module_name(component), SRAM.read_text(encoding="utf-8")
    text = explained(name, verilog(component, reset) if text is None else text, ports)
    if prefix:
        modules = module_names(text, model)
        text, model = (with_prefix(each, prefix, modules) for each in (text, model))
    top, macro, sram = prefix + name, prefix + MACRO, prefix + SRAM.name
    sources = (sram, f"{top}.v")
    this = bench(top, ports, reset, job) if job else None
    script, commands = synth_script(top)
    parameters = component.config.as_dict()
    files = {
        f"{top}.v": text,
        sram: model,
        f"{top}.f": "".join(f"{source}\n" for source in sources),
        f"{top}.core": core_file(top, version, sources, this),
        script: commands,
        **(this.files if this else {}),
        f"{top}.sdc": constraints(top, ports, clock_mhz, reset),
        ipxact.NAME: ipxact.component(
            top,
            version,
            ports,
            reset,
            sources=sources,
            constraints=f"{top}.sdc",
            software=[name for name in software if name.endswith((".c", ".h"))],
            parameters=parameters,
            clock_mhz=clock_mhz,
        ),
        "ports.md": port_page(
            top, ports, reset, prefix=prefix, macro=macro, source=sram, shapes=macro_shapes(text, macro)
        ),
        "config.toml": to_toml(parameters),
        **software,
    }
    files = {README: readme(top, sram, files, prefix), **files}
    return {name: content.encode() for name, content in files.items()}


def check_clock(mhz: float) -> None:
    """Refuse a clock frequency that is none, or beyond what constraints can state."""
    if not LOWEST_MHZ <= mhz <= HIGHEST_MHZ:  # nor if it is no number
        raise InputError(f"the clock frequency must be from {LOWEST_MHZ:g} to {HIGHEST_MHZ:g} MHz, not {mhz:g}")


def constraints(top: str, ports: Iterable[Port], clock_mhz: float, reset: Reset = Reset.ACTIVE_HIGH_SYNC) -> str:
    """Synopsys design constraints."""
    ports = list(ports)
    period = 1000 / clock_mhz
    delay = f"{period * IO_SHARE:.3f}"
    untimed = {CLOCK, reset.port} if reset.asynchronous else {CLOCK}

    def pins(direction: str) -> str:
        pins = [port.pins for port in ports if port.direction == direction and port.name not in untimed]
        return "\n  ".join(["get_ports {", *pins]) + "\n}"

    about, path = f"{reset.port} is synchronous and timed as every other input: there is no false path.", ""
    if reset.asynchronous:
        about = f"{reset.port} is asynchronous; two registers behind it make its end synchronous."
        path = f"\nset_false_path -from [get_ports {reset.port}]\n"
    return f"""\
# {top} at {clock_mhz:g} MHz; times in ns. The clock is ideal until its tree is built.
# {about}

create_clock -name {CLOCK} -period {period:.3f} [get_ports {CLOCK}]
{path}
# Logic outside takes {IO_SHARE:.0%} of the period.
set_input_delay -clock {CLOCK} {delay} [{pins("input")}]
set_output_delay -clock {CLOCK} {delay} [{pins("output")}]
"""


def to_toml(values: Mapping[str, Any]) -> str:
    """A configuration as TOML. Integers, booleans and names are JSON too."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def chip_files(
    chip: ChipConfig,
    text: str | None = None,
    *,
    integration: Integration = PLAIN,
    job: MemoryJob | None = None,
) -> dict[str, bytes]:
    """As `engine_files`; register map, records of jobs, driver and how to program it included."""
    software = register_files() | record_files() | driver_files(chip) | programming_files(chip, integration.reset)
    return deliver(Chip(chip), text=text, integration=integration, job=job, software=software)


def engine_files(
    config: Config,
    text: str | None = None,
    *,
    integration: Integration = PLAIN,
    job: StoredJob | None = None,
) -> dict[str, bytes]:
    """Content by file name; text: the Verilog if it was made before, as of `deliver`; job: of the bench."""
    return deliver(Engine(config), text=text, integration=integration, job=job)
