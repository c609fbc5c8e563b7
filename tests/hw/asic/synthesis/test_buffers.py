"""Buffers on overloaded nets."""

from dataclasses import replace

import pytest

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.netlist.netlist import Netlist, Part
from fusioncim.asic.synthesis.buffers import BUFFER_FF, PORT_FF, buffer_cell, buffered, input_loads


@pytest.fixture(scope="module")
def library() -> Library:
    """Nangate 45 nm."""
    return load(default_liberty())


def fan(inverters: int, kind: str = "DFF_X1") -> Netlist:
    """A register, or a port, that drives many inverters; nets: 2 clk, 3 d, 4 the loaded one."""
    outs = range(5, 5 + inverters)
    parts = [Part(f"i{n}", "INV_X1", {"A": [4], "ZN": [net]}) for n, net in enumerate(outs)]
    ports = {"clk": ("input", [2]), "d": ("input", [3]), "o": ("output", list(outs))}
    if kind == "port":
        ports["x"] = ("input", [4])
    else:
        parts.append(Part("r", kind, {"D": [3], "CK": [2], "Q": [4]}))
    return Netlist("fan", ports, parts, 5 + inverters)


def loads(netlist: Netlist, library: Library) -> dict[int, float]:
    """Load of every net."""
    found: dict[int, float] = {}
    for part in netlist.parts:
        for name, pin in library.cells[part.kind].pins.items():
            if pin.direction == "input":
                for net in part.pins.get(name, ()):
                    found[net] = found.get(net, 0.0) + pin.capacitance
    return found


def source(netlist: Netlist, net: int, cell: str) -> int:
    """The net at the root of a tree of buffers."""
    drivers = {part.pins["Z"][0]: part.pins["A"][0] for part in netlist.parts if part.kind == cell}
    while net in drivers:
        net = drivers[net]
    return net


@pytest.mark.parametrize("inverters", [1, 20, 100, 3000])
@pytest.mark.parametrize("kind", ["DFF_X1", "port"])
def test_no_driver_is_overloaded(library: Library, inverters: int, kind: str) -> None:
    """Every pin still hangs on the same signal, and no net carries more than its driver can."""
    before = fan(inverters, kind)
    after = buffered(before, library, {})
    cell = buffer_cell(library)
    assert cell is not None
    root = PORT_FF if kind == "port" else library.cells["DFF_X1"].pins["Q"].limit
    for net, load_ff in loads(after, library).items():
        if net not in (2, 3):
            assert load_ff <= (root if net == 4 else BUFFER_FF)
    inverted = [part for part in after.parts if part.kind == "INV_X1"]
    assert len(inverted) == inverters
    assert all(source(after, part.pins["A"][0], cell.name) == 4 for part in inverted)
    assert (after == before) == (loads(before, library)[4] <= root)


def test_clocks_are_left_alone(library: Library) -> None:
    """The clock has a tree of its own."""
    parts = [Part(f"r{n}", "DFF_X1", {"D": [3], "CK": [2], "Q": [4 + n]}) for n in range(500)]
    netlist = Netlist("many", {"clk": ("input", [2]), "d": ("input", [3])}, parts, 504)
    after = buffered(netlist, library, {})
    assert all(part.pins["CK"] == [2] for part in after.parts if part.kind == "DFF_X1")


def test_ports_of_modules_below_count(library: Library) -> None:
    """A module's port loads the net outside with what is left on it."""
    inner = buffered(fan(100, "port"), library, {})
    below = {"fan": input_loads(inner, library, {})}
    assert 0 < below["fan"]["x"][0] <= PORT_FF
    parts = [Part("r", "DFF_X1", {"D": [3], "CK": [2], "Q": [4]})]
    parts += [Part(f"f{n}", "fan", {"clk": [2], "d": [3], "x": [4], "o": []}) for n in range(30)]
    outer = Netlist("outer", {"clk": ("input", [2]), "d": ("input", [3])}, parts, 5)
    after = buffered(outer, library, below)
    on_root = [part for part in after.parts if 4 in [net for pin in ("x", "A") for net in part.pins.get(pin, ())]]
    assert 0 < len(on_root) < 30


def test_library_without_buffers_changes_nothing(library: Library) -> None:
    """There is nothing to insert."""
    cells = {name: cell for name, cell in library.cells.items() if "BUF" not in name}
    assert buffered(fan(100), replace(library, cells=cells), {}) == fan(100)
