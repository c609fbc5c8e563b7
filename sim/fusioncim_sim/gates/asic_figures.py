"""What the commands synth and timing do before they print: library, mapping, files, figures."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from fusioncim import package as delivery
from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.memory.memory_array import macro_of_shape
from fusioncim.asic.netlist.mapped_design import Design, report
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.asic.synthesis.synth_recipe import fallbacks
from fusioncim.asic.timing import Timing, analyse
from fusioncim.build.workers import run_all
from fusioncim.chip.chip import Chip
from fusioncim.engine.engine import Engine
from fusioncim.integration.ports import ports_of
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config

ARRAYS = ("IP-CIM", "OP-CIM")
"""Compute arrays of an engine, each with `macs_per_cycle` multiply-accumulates per cycle."""


def read_library(path: Path | None, node: int | None) -> Library:
    """The library of a Liberty file, or the one that the extra `synth` brings. node: of its cells in nm, if stated."""
    path = path or default_liberty()
    library: Library = run_all({path.name: partial(load, path, node)}, jobs=1, title="reading")[path.name]
    return library


def period_of(clock_mhz: float) -> float:
    """Clock period in ns, as the constraints state it."""
    delivery.check_clock(clock_mhz)
    return round(1000 / clock_mhz, 3)


def component_of(config: ChipConfig | Config) -> wiring.Component:
    """The chip, or one engine."""
    return Chip(config) if isinstance(config, ChipConfig) else Engine(config)


def macs_per_cycle(config: ChipConfig | Config) -> float:
    """Of all arrays, of those of QK^T and of those of PV."""
    engines, engine = (config.engines, config.engine) if isinstance(config, ChipConfig) else (1, config)
    return len(ARRAYS) * engines * engine.macs_per_cycle


def synth_figures(design: Design, config: ChipConfig | Config) -> dict[str, Any]:
    """Everything that `fusioncim synth` finds, as JSON data.

    Areas of banks are of the memory model, at 45 nm; they are added only to cells of that node.
    """
    banks = {
        shape: {"count": count, "um2": round(macro_of_shape(shape).area_um2, 3)}
        for shape, count in sorted(design.banks().items())
    }
    banks_um2 = sum(bank["count"] * bank["um2"] for bank in banks.values())
    macs = macs_per_cycle(config)
    modules = report(design)["modules"]
    for figures in modules.values():
        kinds = {cell: design.library.cells[cell].kind for cell in figures["cells"]}
        figures["flip_flops"] = sum(n for cell, n in figures["cells"].items() if kinds[cell] == "ff")
    return {
        **report(design),
        "node_nm": design.library.node,
        "parameters": config.as_dict(),
        "modules": modules,
        "banks": banks,
        "banks_um2": round(banks_um2, 3),
        "macs_per_cycle": macs,
        "um2_per_mac_per_cycle": round(design.area() / macs, 2),
        "um2_per_mac_per_cycle_with_banks": (
            round((design.area() + banks_um2) / macs, 2) if design.library.node_of_banks else None
        ),
        "fallbacks": fallbacks(design.library),
    }


def time_design(config: ChipConfig | Config, library: Library, clock_mhz: float, jobs: int) -> Timing:
    """Map a chip or an engine and time it under its constraints. Errors: cells of another node than the banks'."""
    library.require_node_of_banks()
    period = period_of(clock_mhz)
    component = component_of(config)
    ports = ports_of(component, component.ports)
    design = synthesize(component, library, jobs=jobs)
    sdc = delivery.constraints(design.top, ports, clock_mhz)
    timing: Timing = run_all({"OpenSTA": partial(analyse, design, sdc, period)}, jobs=1, title="timing")["OpenSTA"]
    return timing


def timing_figures(timing: Timing, config: ChipConfig | Config, library: Library) -> dict[str, Any]:
    """Everything that `fusioncim timing` finds, as JSON data."""
    return {
        "library": library.name,
        "fallbacks": fallbacks(library),
        "parameters": config.as_dict(),
        "top": timing.top,
        "period_ns": timing.period_ns,
        "shortest_period_ns": timing.shortest_ns,
        "bank_period_ns": timing.bank_ns,
        "reached": timing.reached,
        "modules": {path.module: {k: v for k, v in asdict(path).items() if k != "module"} for path in timing.paths},
    }
