"""The rows of the cost table: modules, areas, leakage, and figures in the units of the table."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from fusioncim.asic.memory.memory_array import macro_of_shape
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.scaling import LIBRARY, scale
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.system.energy_table import BUFFER, CORNERS

PAPER = PRESETS["paper"]
SCALING = {name: scale(point) for name, point in CORNERS.items() if point != LIBRARY}
"""Factors from the library's corner to the others, by name."""

PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "IP-CIM": {"mw": 42.0, "mm2": 0.46, "tops": 1.64},
    "OP-CIM": {"mw": 53.6, "mm2": 0.68, "tops": 1.64},
    "softmax": {"mw": 13.4, "mm2": 0.07, "tops": 0.2},
    "hybrid engine": {"mw": 113.0, "mm2": 1.24},
    "system": {"mw": 2100.0, "mm2": 26.2, "tops": 52.4},
}
"""Table I of arXiv:2604.25317: TSMC 28 nm, 400 MHz."""

MODULES: Mapping[str, Sequence[str]] = {
    "IP-CIM": ("ip_cim",),
    "OP-CIM": ("op_cim",),
    "softmax": ("softmax",),
    "normalizer": ("normalizer",),
    "key/value buffer": ("kv_buffer",),
    "control": ("controller",),
}
"""The modules of each row."""

AROUND: Mapping[str, str] = {
    "global_buffer": BUFFER,
    "network": "network",
    "output_writer": "memory interface",
    "kv_fetcher": "memory interface",
    "query_loader": "memory interface",
    "read_arbiter": "memory interface",
    "reader": "memory interface",
    "writer": "memory interface",
}
"""Rows of the table around the engines, by the instance in the chip or its core; everything else is `chip control`."""


@dataclass(frozen=True)
class Entry:
    """A row of the table: areas in um2, leakage in mW, and energies of `events.KINDS` in fJ per cycle."""

    logic_um2: float = 0.0
    bank_um2: float = 0.0
    leakage_mw: float = 0.0
    logic_fj: float = 0.0
    wires_fj: float = 0.0
    glitches_fj: float = 0.0
    banks_fj: float = 0.0

    @property
    def dynamic_fj(self) -> float:
        """All of them."""
        return self.logic_fj + self.wires_fj + self.glitches_fj + self.banks_fj

    def __add__(self, other: "Entry") -> "Entry":
        return Entry(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __mul__(self, count: int) -> "Entry":
        return Entry(*(getattr(self, f.name) * count for f in fields(self)))

    def as_dict(self, name: str) -> dict[str, Any]:
        """With everything that follows, at the library's corner and scaled."""
        factors = {"measured": (1.0, 1.0)} | {name: (to.area, to.energy) for name, to in SCALING.items()}
        per_cycle = 1e-6 * CLOCK_MHZ  # fJ per cycle to mW
        row: dict[str, Any] = {}
        for label, (area, energy) in factors.items():
            mm2 = (self.logic_um2 + self.bank_um2) * area * 1e-6
            parts = {
                "logic_mw": self.logic_fj * per_cycle * energy,
                "wires_mw": self.wires_fj * per_cycle * energy,
                "glitches_mw": self.glitches_fj * per_cycle * energy,
                "banks_mw": self.banks_fj * per_cycle * energy,
                "leakage_mw": self.leakage_mw * energy,
            }
            mw = sum(parts.values())
            figures = {"mm2": mm2, "logic_mm2": self.logic_um2 * area * 1e-6, "mw": mw, **parts}
            if rate := operations(name):
                tops = rate * CLOCK_MHZ * 1e-6
                figures |= {
                    "tops": tops,
                    "tops_per_w": tops / mw * 1e3,
                    "tops_per_mm2": tops / mm2,
                    "fj_per_operation": mw / tops,
                    "um2_per_mac_per_cycle": 2 * self.logic_um2 * area / rate,
                }
            row[label] = {key: float(f"{value:.5g}") for key, value in figures.items()}
        return row


def operations(name: str) -> float:
    """Operations per cycle of a row of the table at full use: two per multiply-accumulate; scores of the softmax."""
    engine = PAPER.engine
    macs = 2 * engine.macs_per_cycle
    whole = {"hybrid engine": 2 * macs, "system": 2 * macs * PAPER.engines}
    return {"IP-CIM": macs, "OP-CIM": macs, "softmax": float(engine.softmax_lanes), **whole}.get(name, 0.0)


def row_around(path: Sequence[str]) -> str:
    """The row of the table for a module around the engines, by its path of instances in the chip."""
    inner = path[1] if len(path) > 1 and path[0] == "core" else path[0] if path else ""
    return AROUND.get(inner, "chip control")


def area_and_leakage(design: Design, modules: Iterable[str]) -> tuple[float, float, float]:
    """Area of the logic and of the banks in um2, and leakage in mW, of modules with all below them."""
    logic = banks = leakage = 0.0
    for name in modules:
        logic += design.area(name)
        leakage += sum(cell_leakage(design, cell) * count for cell, count in design.cells(name).items())
        for shape, count in design.banks(name).items():
            macro = macro_of_shape(shape)
            banks += macro.area_um2 * count
            leakage += macro.leakage_nw * 1e-6 * count
    return logic, banks, leakage


def cell_leakage(design: Design, cell: str) -> float:
    """Mean leakage of a cell in mW."""
    values = design.library.cells[cell].leakage
    mean = values.get("", sum(values.values()) / max(len(values), 1))
    return mean * design.library.units.leakage * 1e3


def areas_around(design: Design) -> dict[str, tuple[float, float, float]]:
    """`area_and_leakage` of the rows around the engines; what the chip and its core hold themselves is control."""
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for parent in (design.top, "core"):
        own = design.modules[parent]
        leakage = sum(cell_leakage(design, cell) * count for cell, count in own.cells.items())
        found["chip control"].append((own.area, 0.0, leakage))
        for part in design.netlist(parent).parts:
            if part.kind in design.modules and part.kind not in ("engine", "core"):
                found[AROUND.get(part.name, "chip control")].append(area_and_leakage(design, [part.kind]))
    return {
        name: (sum(x[0] for x in each), sum(x[1] for x in each), sum(x[2] for x in each))
        for name, each in found.items()
    }
