"""The nets of a placed netlist: what drives them, and which of their pins stay together."""

from dataclasses import dataclass

import numpy as np

from fusioncim.asic.placement.placed_pins import PlacedPins


@dataclass(frozen=True)
class Net:
    """A net: its driver's pin, and bundles of pins that stay together, as numbers."""

    driver: int
    pins: list[list[int]]


def nets_of(pins: PlacedPins, nets: int) -> dict[int, Net]:
    """The nets that something drives. A pin without a wire stays with the nearest one, across, that has one."""
    order, first = pins.by_net(nets)
    found = {}
    for net in np.flatnonzero(np.diff(first) > 1).tolist():
        driver, *sinks = order[first[net] : first[net + 1]].tolist()
        if not pins.drives[driver]:
            continue
        wired = [pin for pin in sinks if pins.wired[pin]]
        if len(wired) in (0, len(sinks)):
            found[net] = Net(driver, [[pin] for pin in sinks])
            continue
        bundles = {pin: [pin] for pin in wired}
        for pin in sinks:
            if not pins.wired[pin]:
                bundles[min(wired, key=lambda each: abs(pins.x[each] - pins.x[pin]))].append(pin)
        found[net] = Net(driver, list(bundles.values()))
    return found
