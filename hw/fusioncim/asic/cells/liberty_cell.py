"""Reading one cell of a Liberty file: pins, functions, state, and tables of energy, leakage and transition.

A group is liberty-parser's: it has arguments, attributes and groups below it.
"""

import math
import re
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import Any

from fusioncim.asic.cells.boolean import normal_form
from fusioncim.asic.cells.cell_library import Arc, Cell, Pin, Power, Table
from fusioncim_golden.errors import InputError


def read_cell(group: Any) -> Cell:
    """A group `cell`."""
    icg = text_of(group.get_attribute("clock_gating_integrated_cell", ""))
    ff, latch = group.get_groups("ff"), group.get_groups("latch")
    state = read_state((ff or latch)[0]) if ff or latch else {}
    pins = {}
    for pin in group.get_groups("pin"):
        for name in map(text_of, pin.args):
            pins[name] = read_pin(pin)
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
    return Cell(
        name=text_of(group.args[0]),
        area=positive(group, "area"),
        kind=kind,
        pins=pins,
        leakage=read_leakage(group),
        state=state,
        gate=icg,
    )


def read_leakage(group: Any) -> dict[str, float]:
    """Leakage of a cell by condition, and "" for its own figure; one supply's part of it may be negative."""
    leakage: defaultdict[str, float] = defaultdict(float)
    for each in group.get_groups("leakage_power"):
        leakage[normal_form(text_of(each.get_attribute("when", "")))] += finite(each, "value")
    for when, total in leakage.items():
        if total < 0:
            raise InputError(f"leakage_power{f' when {when}' if when else ''} must be at least 0, not {total:g}")
    if group.get_attribute("cell_leakage_power", None) is not None:
        leakage[""] = positive(group, "cell_leakage_power")
    return dict(leakage)


def read_state(group: Any) -> dict[str, str]:
    """A group `ff` or `latch` as `Cell.state`."""
    names = [text_of(each) for each in group.args]
    read = {"next": ("next_state", "data_in"), "clock": ("clocked_on", "enable"), "clear": ("clear",)}
    functions = {role: attribute(group, *keys) for role, keys in {**read, "preset": ("preset",)}.items()}
    return {"state": names[0], "complement": names[1], **{r: normal_form(text) for r, text in functions.items()}}


def read_pin(group: Any) -> Pin:
    """A group `pin`."""
    power = tuple(
        Power(
            related=text_of(each.get_attribute("related_pin", "")),
            when=normal_form(text_of(each.get_attribute("when", ""))),
            rise=read_table(each, "rise_power", "power"),
            fall=read_table(each, "fall_power", "power"),
        )
        for each in group.get_groups("internal_power")
    )
    arcs = tuple(
        Arc(
            related=text_of(each.get_attribute("related_pin", "")),
            unate=text_of(each.get_attribute("timing_sense", "non_unate")),
            rise=read_table(each, "rise_transition"),
            fall=read_table(each, "fall_transition"),
            delay_rise=read_table(each, "cell_rise"),
            delay_fall=read_table(each, "cell_fall"),
        )
        for each in group.get_groups("timing")
        if each.get_groups("rise_transition") or each.get_groups("fall_transition")
    )
    clock = any(attribute(group, key) == "true" for key in ("clock", "clock_gate_clock_pin"))
    return Pin(
        direction=text_of(group.get_attribute("direction", "")),
        capacitance=positive(group, "capacitance"),
        limit=positive(group, "max_capacitance"),
        function=normal_form(attribute(group, "function")),
        clock=clock,
        power=power,
        arcs=arcs,
    )


def read_table(group: Any, *names: str) -> Table | None:
    """The first table of one of these names; None if there is none, or if it has no grid.

    Energies may be negative: what switching the load takes is not in them. So may delays of slow edges.
    """
    for name in names:
        for table in group.get_groups(name):
            first, second = (table.get_attribute(f"index_{n}", None) for n in (1, 2))
            transition = numbers(first)
            load = numbers(second) if second is not None else (0.0,)
            flat = [x for row in table.get_attribute("values") for x in numbers([row])]
            if not transition or len(flat) != len(transition) * len(load):
                return None
            for n, index in enumerate((transition, load), 1):
                if any(a >= b for a, b in pairwise(index)) or index[0] < 0:
                    raise InputError(f"index_{n} of {name} must be rising numbers from 0, not {list(index)}")
            if name.endswith("transition") and min(flat) < 0:
                raise InputError(f"{name} must be at least 0, not {min(flat):g}")
            rows = [tuple(flat[n : n + len(load)]) for n in range(0, len(flat), len(load))]
            return Table(transition, load, tuple(rows))
    return None


def numbers(value: Any) -> tuple[float, ...]:
    """Numbers of an attribute, separated by commas or spaces. Errors: one is infinite or none."""
    texts = value if isinstance(value, list) else [value]
    found = tuple(float(x) for text in texts if text is not None for x in re.split(r"[,\s]+", text_of(text)) if x)
    for number in found:
        if not math.isfinite(number):
            raise InputError(f"tables must hold finite numbers, not {number}")
    return found


def finite(group: Any, name: str, default: float = 0.0) -> float:
    """A number of a group. Errors: it is infinite or none."""
    number = float(group.get_attribute(name, default))
    if not math.isfinite(number):
        raise InputError(f"{name} must be a finite number, not {number}")
    return number


def positive(group: Any, name: str) -> float:
    """A number of a group, 0 without it. Errors: it is negative, infinite or none."""
    number = finite(group, name)
    if number < 0:
        raise InputError(f"{name} must be at least 0, not {number:g}")
    return number


def attribute(group: Any, *names: str) -> str:
    """Text of the first of these attributes that is there, else ""."""
    found = (group.get_attribute(name, None) for name in names)
    return next((text_of(value) for value in found if value is not None), "")


def text_of(value: Any) -> str:
    """A value of the parser as text, without quotes."""
    return str(value).strip().strip('"').strip()
