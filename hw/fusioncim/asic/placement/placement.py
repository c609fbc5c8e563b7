"""Where everything of a flat netlist stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusioncim.asic.cells.table_lookup import Floats, Ints
from fusioncim.asic.netlist.netlist import Flat
from fusioncim.asic.placement.objects import ROW_UM, SITE_UM, Objects
from fusioncim.asic.placement.placer import Box


@dataclass(frozen=True)
class Placement:
    """Where everything stands.

    Members:
        objects: what it is, in the order of the netlist.
        x, y: left and lower edge of each object, in sites and rows.
        width, height: of the chip, in sites and rows.
        port_net, port_x, port_y: of every bit of a port, in sites and rows.
        arrays: boxes of the rows of the arrays, the lowest first, by array.
        wired: pins that have a wire, by their number in `objects`: all but the bit lines of an array above its lowest
            row, which are in the model of its banks.
    """

    flat: Flat
    objects: Objects
    x: Ints
    y: Ints
    width: int
    height: int
    port_net: Ints
    port_x: Floats
    port_y: Floats
    arrays: Mapping[str, Sequence[Box]]
    wired: Ints

    @property
    def width_um(self) -> float:
        """Of the chip."""
        return self.width * SITE_UM

    @property
    def height_um(self) -> float:
        """Of the chip."""
        return self.height * ROW_UM

    @property
    def pins(self) -> tuple[Ints, Floats, Floats]:
        """Net, x and y in um of every pin with a wire, ports last; those of clocks are not among them."""
        at = self.objects.pin_object[self.wired]
        x = np.append(self.x[at] + self.objects.pin_x[self.wired], self.port_x) * SITE_UM
        y = np.append(self.y[at] + self.objects.pin_y[self.wired], self.port_y) * ROW_UM
        return np.append(self.objects.pin_net[self.wired], self.port_net), x, y

    def middles(self, objects: Ints) -> tuple[Floats, Floats]:
        """Of these objects, in um."""
        x = (self.x + self.objects.width / 2)[objects] * SITE_UM
        y = (self.y + self.objects.height / 2)[objects] * ROW_UM
        return x, y
