"""Mapped netlists: modules of library cells, instances and memory banks, and the flat view of a whole design."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fusioncim.asic.cells.cell_library import Library
from fusioncim.build.cache import kept_json

ZERO, ONE = 0, 1
"""Nets of the constants, in every netlist."""

SRAM_MODULE = "fusioncim_sram"
"""Type of the banks."""


@dataclass(frozen=True)
class Part:
    """A cell, an instance of a module, or a bank.

    Members:
        kind: the cell's or the module's type, or SRAM_MODULE.
        pins: nets of each port, the lowest bit first.
        parameters: of a bank.
    """

    name: str
    kind: str
    pins: Mapping[str, Sequence[int]]
    parameters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Netlist:
    """A module.

    Members:
        ports: direction and nets, the lowest bit first.
        parts: what it is made of.
        nets: their number, the two constants included.
    """

    name: str
    ports: Mapping[str, tuple[str, Sequence[int]]]
    parts: Sequence[Part]
    nets: int

    @cached_property
    def kinds(self) -> Counter[str]:
        """Parts by what they are."""
        return Counter(part.kind for part in self.parts)

    def depth(self, library: Library) -> int:
        """Most cells on a path that neither a flip-flop, an instance nor a bank interrupts."""
        driver: dict[int, Part] = {}
        for part in self.parts:
            cell = library.cells.get(part.kind)
            if cell and cell.kind == "comb":
                for pin in cell.outputs:
                    driver.update(dict.fromkeys(part.pins.get(pin, ()), part))
        level: dict[str, int] = {}
        deepest = 0
        for part in driver.values():
            stack = [part]
            while stack:
                here = stack[-1]
                before = [driver[net] for pin in library.cells[here.kind].inputs for net in here.pins.get(pin, ())
                          if net in driver]  # fmt: skip
                todo = [each for each in before if each.name not in level]
                if here.name in level or not todo:
                    stack.pop()
                    level.setdefault(here.name, 1 + max((level[each.name] for each in before), default=0))
                else:
                    stack.extend(todo)
            deepest = max(deepest, level[part.name])
        return deepest


def read_netlist(path: Path) -> Netlist:
    """A module as Yosys' write_json gives it."""
    ((name, module),) = (
        (name, module) for name, module in kept_json(path)["modules"].items() if "blackbox" not in module["attributes"]
    )
    number: dict[int | str, int] = {"0": ZERO, "1": ONE, "x": ZERO, "z": ZERO}

    def nets(bits: Sequence[int | str]) -> tuple[int, ...]:
        return tuple(number.setdefault(bit, len(number) - 2) for bit in bits)

    ports = {port: (content["direction"], nets(content["bits"])) for port, content in module["ports"].items()}
    parts = [
        Part(cell, content["type"], {pin: nets(bits) for pin, bits in content["connections"].items()},
             {key: _integer(value) for key, value in content["parameters"].items()})
        for cell, content in sorted(module["cells"].items())
    ]  # fmt: skip
    return Netlist(name, ports, parts, max(number.values()) + 1)


def kept_netlist(path: Path) -> Netlist:
    """A module as `json.dumps(asdict(netlist))` wrote it."""
    data = kept_json(path)
    parts = [Part(**part) for part in data["parts"]]
    return Netlist(data["name"], {port: tuple(each) for port, each in data["ports"].items()}, parts, data["nets"])


def _integer(value: Any) -> int:
    return int(value, 2) if isinstance(value, str) else int(value)


@dataclass(frozen=True)
class Flat:
    """A whole design, whose net numbers are its own.

    Members:
        name: of the top.
        ports: direction and nets, the lowest bit first.
        cells: path of the module around it, as instance names, and the part.
        banks: alike.
        boxes: alike, instances of modules that were not resolved.
        nets: their number, the two constants included.
    """

    name: str
    ports: Mapping[str, tuple[str, Sequence[int]]]
    cells: Sequence[tuple[tuple[str, ...], Part]]
    banks: Sequence[tuple[tuple[str, ...], Part]]
    boxes: Sequence[tuple[tuple[str, ...], Part]]
    nets: int


def flatten(modules: Mapping[str, Netlist], top: str, keep: Collection[str] = ()) -> Flat:
    """Resolve the instances below a module, but for those of the modules `keep`."""
    joined = [ZERO, ONE]
    found: list[tuple[tuple[str, ...], Part]] = []

    def root(net: int) -> int:
        while joined[net] != net:
            joined[net] = joined[joined[net]]
            net = joined[net]
        return net

    def join(a: int, b: int) -> int:
        low, high = sorted((root(a), root(b)))
        joined[high] = low
        return low

    def fresh() -> int:
        joined.append(len(joined))
        return joined[-1]

    def place(netlist: Netlist, path: tuple[str, ...], bound: Mapping[str, Sequence[int]]) -> None:
        local: dict[int, int] = {ZERO: ZERO, ONE: ONE}
        for port, (_, bits) in netlist.ports.items():
            for bit, net in zip(bits, bound.get(port, ()), strict=False):
                local[bit] = join(local[bit], net) if bit in local else net
        for part in netlist.parts:
            pins = {}
            for pin, bits in part.pins.items():
                for bit in bits:
                    if bit not in local:
                        local[bit] = fresh()
                pins[pin] = [local[bit] for bit in bits]
            if part.kind in modules and part.kind not in keep:
                place(modules[part.kind], (*path, part.name), pins)
            else:
                found.append((path, Part(part.name, part.kind, pins, part.parameters)))

    ports = {port: (direction, [fresh() for _ in bits]) for port, (direction, bits) in modules[top].ports.items()}
    place(modules[top], (), {port: bits for port, (_, bits) in ports.items()})
    dense: dict[int, int] = {ZERO: ZERO, ONE: ONE}

    def final(bits: Sequence[int]) -> list[int]:
        return [dense.setdefault(root(bit), len(dense)) for bit in bits]

    parts = [
        (path, Part(part.name, part.kind, {pin: final(bits) for pin, bits in part.pins.items()}, part.parameters))
        for path, part in found
    ]
    ends = {port: (direction, final(bits)) for port, (direction, bits) in ports.items()}
    banks = [each for each in parts if each[1].kind == SRAM_MODULE]
    boxes = [each for each in parts if each[1].kind in keep]
    cells = [each for each in parts if each[1].kind not in (SRAM_MODULE, *keep)]
    return Flat(top, ends, cells, banks, boxes, len(dense))


def output_pins(part: Part, library: Library) -> Sequence[str]:
    """Output pins of a cell or a bank; none of a box."""
    if part.kind == SRAM_MODULE:
        return ("read_data",)
    return library.cells[part.kind].outputs if part.kind in library.cells else ()


def clock_nets(flat: Flat, library: Library) -> set[int]:
    """Nets on the clock pins of cells and banks."""
    nets = {net for _, part in flat.banks for net in part.pins["clk"]}
    for _, part in flat.cells:
        cell = library.cells[part.kind]
        nets.update(net for name, pin in cell.pins.items() if pin.clock for net in part.pins.get(name, ()))
    return nets - {ZERO, ONE}
