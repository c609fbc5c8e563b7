"""A placement by hand: an inverter in a row of the IP-CIM drives one in the softmax, beside a bank and a flip-flop."""

import numpy as np

from fusioncim.asic.netlist.netlist import Flat, Part
from fusioncim.asic.placement.objects import objects_of
from fusioncim.asic.placement.placement import Placement
from fusioncim.asic.placement.wires import wires_of

FLAT = Flat(
    name="engine",
    ports={"clk": ("input", [2]), "a": ("input", [3]), "q": ("output", [7])},
    cells=[
        (("ip_cim", "row_0"), Part("i", "INV_X1", {"A": [3], "ZN": [4]})),
        (("softmax",), Part("j", "INV_X1", {"A": [4], "ZN": [5]})),
        (("controller",), Part("f", "DFF_X1", {"CK": [2], "D": [5], "Q": [7]})),
    ],
    banks=[
        (("op_cim", "row_0"), Part("b", "fusioncim_sram", {
            "clk": [2], "write_enable": [5], "write_address": [5], "write_data": [5], "read_enable": [5],
            "read_address": [5], "read_data": [6]}, {"DEPTH": 2, "WIDTH": 1, "READS": 1})),
    ],
    boxes=[],
    nets=8,
)  # fmt: skip


def placement_by_hand(library):
    """On 2,000 sites by 100 rows."""
    objects = objects_of(FLAT, library)
    x, y = np.array([0, 1000, 500, 100]), np.array([10, 10, 60, 20])
    ends = np.array([3, 7]), np.array([1000.0, 1000.0]), np.zeros(2)
    return Placement(FLAT, objects, x, y, 2000, 100, *ends, {}, np.arange(len(objects.pin_net)))


def wires_by_hand(library, ff_um=0.1):
    """The wires between."""
    return wires_of(placement_by_hand(library), library, ff_um)
