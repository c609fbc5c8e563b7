"""A mapped design: its modules, with areas, cells by class and banks, of each alone and of all below it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.netlist.netlist import Netlist, Part, kept_netlist
from fusioncim.asic.netlist.netlist_verilog import plain_verilog

CLASSES = {"comb": "combinational", "ff": "flip-flop", "latch": "latch", "icg": "clock gate", "other": "other"}
"""Classes of cells by their kind; full adders are a class of their own."""


@dataclass(frozen=True)
class Mapped:
    """A module's own part of the design, what is below it not included.

    Members:
        area: of its cells, in um2.
        cells: their number by type.
        instances: of other modules, their number by name.
        banks: their number by `memory_array.bank_shape`.
        depth: cells on its longest combinational path.
        way: of mapping, one of `synth_recipe.WAYS`.
        seconds: that mapping took.
    """

    name: str
    area: float
    cells: Mapping[str, int]
    instances: Mapping[str, int]
    banks: Mapping[str, int]
    depth: int
    way: str
    seconds: float


@dataclass(frozen=True)
class Design:
    """A mapped design.

    Members:
        top: name of the module that holds all others.
        modules: by name.
        places: of each module the directory with its netlist.json.
    """

    top: str
    library: Library
    modules: Mapping[str, Mapped]
    places: Mapping[str, Path]

    @cached_property
    def copies(self) -> Counter[str]:
        """How often each module occurs below the top."""
        copies = Counter({self.top: 1})
        for name in self.order:
            for below, number in self.modules[name].instances.items():
                copies[below] += copies[name] * number
        return copies

    @cached_property
    def order(self) -> list[str]:
        """The modules, each after all that contain it."""
        order: dict[str, None] = {}

        def visit(name: str) -> None:
            for below in self.modules[name].instances:
                if below not in order:
                    visit(below)
            order.setdefault(name)

        visit(self.top)
        return list(reversed(order))

    def total(self, name: str, figure: Callable[[Mapped], float]) -> float:
        """A figure of a module and all that is below it."""
        module = self.modules[name]
        return figure(module) + sum(count * self.total(below, figure) for below, count in module.instances.items())

    def area(self, name: str | None = None) -> float:
        """Cell area in um2 of a module and all below it, banks not included; default: the top."""
        return self.total(name or self.top, lambda module: module.area)

    def cells(self, name: str | None = None) -> Counter[str]:
        """Cells by type of a module and all below it."""
        module = self.modules[name or self.top]
        cells = Counter(module.cells)
        for below, count in module.instances.items():
            for cell, number in self.cells(below).items():
                cells[cell] += count * number
        return cells

    def banks(self, name: str | None = None) -> Counter[str]:
        """Banks by shape of a module and all below it."""
        module = self.modules[name or self.top]
        banks = Counter(module.banks)
        for below, count in module.instances.items():
            for shape, number in self.banks(below).items():
                banks[shape] += count * number
        return banks

    def classes(self, name: str | None = None) -> dict[str, int]:
        """Cells by class: combinational, full adder, flip-flop, latch, clock gate."""
        count: Counter[str] = Counter()
        adder = self.library.adder[0] if self.library.adder else None
        for cell, number in self.cells(name).items():
            count["full adder" if cell == adder else CLASSES[self.library.cells[cell].kind]] += number
        return dict(count)

    def netlist(self, name: str) -> Netlist:
        """The mapped module."""
        return kept_netlist(self.places[name] / "netlist.json")

    def verilog(self) -> str:
        """The mapped modules as Verilog, the cells and `fusioncim_sram` as instances."""
        return "".join(self.module_verilog(name) for name in self.order)

    def module_verilog(self, name: str) -> str:
        """A mapped module as Verilog."""
        return plain_verilog(self.netlist(name), kind_with_parameters)


def kind_with_parameters(part: Part) -> str:
    """The type of a part, with its parameters in Verilog."""
    values = ", ".join(f".{key}({value})" for key, value in part.parameters.items())
    return f"{part.kind} #({values})" if values else part.kind


def report(design: Design) -> dict[str, Any]:
    """Figures by module, the largest share first, and of the whole."""
    modules = {
        name: {
            **asdict(design.modules[name]),
            "copies": design.copies[name],
            "area_below": round(design.area(name), 3),
        }
        for name in design.order
    }
    for figures in modules.values():
        del figures["seconds"]
    return {
        "library": design.library.name,
        "top": design.top,
        "area_um2": round(design.area(), 3),
        "classes": design.classes(),
        "banks": dict(sorted(design.banks().items())),
        "modules": modules,
    }
