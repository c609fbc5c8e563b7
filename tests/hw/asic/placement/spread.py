"""A placement by hand: a register that drives many others, all over a chip, some of them through a buffer."""

import numpy as np

from fusioncim.asic.netlist.netlist import Flat, Part
from fusioncim.asic.placement.objects import ROW_UM, SITE_UM, objects_of
from fusioncim.asic.placement.placement import Placement

SINKS = 60
SIDE_UM = 1500
DATA, NET, BEHIND = 3, 4, 5
"""Nets: into the first register, out of it, and behind the buffer."""


def spread(library):
    """The first register stands in a corner. Net 5 is that behind the buffer."""
    first = Part("first", "DFF_X1", {"CK": [2], "D": [DATA], "Q": [NET]})
    buffer = Part("buffer", "BUF_X1", {"A": [NET], "Z": [BEHIND]})
    sinks = [
        Part(f"sink_{n}", "DFF_X1", {"CK": [2], "D": [BEHIND if n % 4 else NET], "Q": [6 + n]}) for n in range(SINKS)
    ]
    cells = [(("from",), first), ((), buffer), *(((f"to_{n % 2}",), sink) for n, sink in enumerate(sinks))]
    ports = {"clk": ("input", [2]), "d": ("input", [DATA]), "q": ("output", [NET])}
    flat = Flat("spread", ports, cells, [], [], 6 + SINKS)
    random = np.random.default_rng(1)
    width, height = round(SIDE_UM / SITE_UM), round(SIDE_UM / ROW_UM)
    x = np.append([0, width // 2], random.integers(0, width - 50, SINKS))
    y = np.append([0, height // 2], random.integers(0, height, SINKS))
    objects = objects_of(flat, library)
    ends = np.array([DATA, NET]), np.array([0.0, 100.0]), np.zeros(2)
    return Placement(flat, objects, x, y, width, height, *ends, {}, np.arange(len(objects.pin_net)))


def root_of(flat, library, net):
    """The net before all buffers."""
    before = {
        part.pins["Z"][0]: part.pins["A"][0]
        for _, part in flat.cells
        if library.cells[part.kind].inputs == ["A"] and "Z" in part.pins
    }
    while net in before:
        net = before[net]
    return net


def detour(library, path=()):
    """Two registers in a corner, and the inverter between them on the far side of the chip. path: of the inverter."""
    parts = [
        Part("first", "DFF_X1", {"CK": [2], "D": [DATA], "Q": [NET]}),
        Part("inverter", "INV_X1", {"A": [NET], "ZN": [BEHIND]}),
        Part("last", "DFF_X1", {"CK": [2], "D": [BEHIND], "Q": [6]}),
    ]
    cells = [((), parts[0]), (path, parts[1]), ((), parts[2])]
    flat = Flat("detour", {"clk": ("input", [2]), "d": ("input", [DATA])}, cells, [], [], 7)
    objects = objects_of(flat, library)
    x, y = (np.array([round(um / step) for um in (0, 1400, 100)]) for step in (SITE_UM, ROW_UM))
    y[2] = 0
    width, height = round(SIDE_UM / SITE_UM), round(SIDE_UM / ROW_UM)
    ends = np.array([DATA]), np.zeros(1), np.zeros(1)
    return Placement(
        flat, objects, x, y, width, height, *ends, {"ip_cim": [(0, 9, 0, 9)]}, np.arange(len(objects.pin_net))
    )
