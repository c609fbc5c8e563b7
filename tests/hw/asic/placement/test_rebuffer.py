"""Other buffers in a placement: bit lines stay whole, ports keep their places, banks stay where they are."""

import numpy as np
import pytest

from fusioncim.asic.netlist.netlist import Flat, Part
from fusioncim.asic.placement.buffer_tree import BufferTree
from fusioncim.asic.placement.nets import nets_of
from fusioncim.asic.placement.objects import ROW_UM, SITE_UM, objects_of
from fusioncim.asic.placement.placed_pins import placed_pins
from fusioncim.asic.placement.placement import Placement
from fusioncim.asic.placement.rebuffer import NetBuffers, with_buffers, without_buffers

LINE = 4
"""Net of a bit line."""


def bank(name, read):
    pins = {"clk": [2], "write_enable": [3], "write_address": [3], "write_data": [LINE], "read_enable": [3],
            "read_address": [3], "read_data": [read]}  # fmt: skip
    return Part(name, "fusioncim_sram", pins, {"DEPTH": 2, "WIDTH": 1, "READS": 1, "ARRAY": 1})


@pytest.fixture(scope="module")
def placement(library):
    """A register drives two bit lines of two banks each, which have a wire to the lower one, and an output."""
    cells = [((), Part("first", "DFF_X1", {"CK": [2], "D": [3], "Q": [LINE]}))]
    banks = [(("row", f"{n}"), bank(f"bank_{n}", 5 + n)) for n in range(4)]
    ports = {"clk": ("input", [2]), "d": ("input", [3]), "q": ("output", [LINE])}
    flat = Flat("lines", ports, cells, banks, [], 9)
    objects = objects_of(flat, library)
    x, y = np.array([0, 100, 100, 900, 900]), np.array([0, 10, 40, 10, 40])
    upper = np.isin(objects.bank[objects.pin_object], (1, 3))
    wired = np.flatnonzero(~(upper & (objects.bit_line == 1)))
    return Placement(flat, objects, x, y, 2000, 60, np.array([3, LINE]), np.array([5.0, 70.0]), np.zeros(2), {}, wired)


def test_a_pin_on_a_bit_line_stays_with_the_one_that_has_the_wire(placement, library):
    pins = placed_pins(placement, library)
    bundles = nets_of(pins, placement.flat.nets)[LINE].pins
    parts = sorted(tuple(int(pins.part[pin]) for pin in bundle) for bundle in bundles)
    assert parts == [(-1,), (1, 2), (3, 4)]
    assert pins.wired.sum() == len(pins.wired) - 2


def test_a_buffer_takes_the_whole_bit_line_and_nothing_else(placement, library):
    pins = placed_pins(placement, library)
    bundles = nets_of(pins, placement.flat.nets)[LINE].pins
    at = [0 if int(pins.part[bundle[0]]) == 3 else -1 for bundle in bundles]
    tree = BufferTree(at, 0, ["BUF_X4"], [150.0], [14.0], [-1])
    done = with_buffers(placement, library, pins, [NetBuffers(LINE, tree, bundles)], {0: "DFF_X2"})
    new = placement.flat.nets
    assert [part.pins["write_data"] for _, part in done.flat.banks] == [[LINE], [LINE], [new], [new]]
    kinds = [part.kind for _, part in done.flat.cells]
    assert kinds == ["DFF_X2", "BUF_X4"]
    assert done.flat.cells[1][1].pins == {"A": [LINE], "Z": [new]}
    assert done.flat.ports["q"] == ("output", [LINE])
    assert done.x[2:].tolist() == placement.x[1:].tolist()
    assert done.middles(np.array([1]))[0] == pytest.approx(150, abs=SITE_UM)
    assert done.middles(np.array([1]))[1] == pytest.approx(14, abs=ROW_UM)
    again = placed_pins(done, library)
    lines = [n for n in range(len(again.part)) if again.names[again.name[n]] == "write_data"]
    assert again.wired[lines].tolist() == [True, False, True, False]


def test_an_output_may_hang_on_a_buffer(placement, library):
    pins = placed_pins(placement, library)
    bundles = nets_of(pins, placement.flat.nets)[LINE].pins
    at = [0 if pins.part[bundle[0]] < 0 else -1 for bundle in bundles]
    tree = BufferTree(at, 0, ["BUF_X1"], [10.0], [3.0], [-1])
    done = with_buffers(placement, library, pins, [NetBuffers(LINE, tree, bundles)], {})
    assert done.flat.ports["q"] == ("output", [placement.flat.nets])
    assert done.port_net.tolist() == [3, placement.flat.nets]
    back = without_buffers(done, library)
    assert back.flat.ports["q"] == ("output", [LINE])
    assert [part.kind for _, part in back.flat.cells] == ["DFF_X1"]
    assert back.x.tolist() == placement.x.tolist()
