"""Area, energy and delay of one design in another technology node and at another supply voltage.

Method and constants: A. Stillmaker and B. Baas, "Scaling equations for the accurate prediction of CMOS device
performance from 180 nm to 7 nm", Integration, the VLSI Journal 58 (2017), 74-81. A fan-out-of-4 inverter was simulated
in every node over the supply voltage; the paper fits (equations 5 and 6, table 5)

    delay(V) = d3 V^3 + d2 V^2 + d1 V + d0        energy(V) = e2 V^2 + e1 V + e0

so that a figure scales by the ratio of the two values. Area scales by table 4, the geometric mean of the ITRS minimum
feature, metal-1 half pitch and gate sizes. Rows here: high-performance devices, the published ones nearest to the
open 45 nm library. The authors' corrected example, energy of 65 nm bulk at 1.3 V to 32 nm HP at 0.9 V, uses
energy(0.9) = 0.4571 for the latter, which the tests reproduce.

28 nm is no node of the paper. It is interpolated geometrically in the feature size between 32 and 20 nm, at the same
voltage: ln f(28) = (1 - w) ln f(32) + w ln f(20), w = ln(32 / 28) / ln(32 / 20) = 0.284. Others interpolate linearly;
the result differs by less than 6 %. From 45 nm and 1.1 V:

    | to             | area  | energy | delay | area (28/45)^2 | energy (28/45)(V/1.1)^2 |
    | 28 nm, 0.9 V   | 0.368 | 0.347  | 0.63  | 0.387          | 0.416                   |
    | 28 nm, 0.72 V  | 0.368 | 0.217  | 1.00  | 0.387          | 0.267                   |

The last two columns are classical scaling (area with the square of the feature, C with the feature, E = C V^2), which
is 5 % above in area and 19 to 23 % above in energy: part of the difference is that the paper's 20 nm device is a
multi-gate one. The published bit cells (`memory_technology`) shrink by 0.367 between the two nodes.

Limits. Logic gates with a fixed fan-out: no wires, no leakage, and no sense amplifier. Between 0.7 V, chosen here, and
the nominal voltage of the node the energies are within 6 % of the paper's own table 2 at 45 and 32 nm. The cubic of
the delay is a loose fit: at the nominal voltages of 45 and 32 nm it is 26 % and 9 % above the simulated 10.9 and
9.8 ps, and at 32 nm it is lowest at 0.84 V instead of at the top. Between 0.9 and 0.72 V it says that 28 nm slows
down by 1.6 times, where an alpha-power law (exponent 1.3, threshold 0.35 V) says 1.3. Quote delays as an indication
only.
"""

from dataclasses import dataclass
from math import exp, log

from fusioncim_golden.errors import InputError

LOWEST_V = 0.7
"""Lowest supply voltage for which a figure is given: this module's choice, above every node's threshold region."""


@dataclass(frozen=True, kw_only=True)
class _Node:
    """Rows of tables 2, 4 and 5.

    Members:
        area: against 45 nm.
        nominal_v: supply in V.
        delay, energy: coefficients, the highest power first.
    """

    area: float
    nominal_v: float
    delay: tuple[float, float, float, float]
    energy: tuple[float, float, float]


_NODES = {
    45: _Node(area=1.0, nominal_v=1.1, delay=(-501.6, 1567, -1619, 566.1), energy=(1.018, -0.3107, 0.1539)),
    32: _Node(area=0.46, nominal_v=0.97, delay=(-1047, 2982, -2797, 873.5), energy=(0.8367, -0.4341, 0.1701)),
    20: _Node(area=0.21, nominal_v=0.9, delay=(0, 34.63, -66.37, 41.15), energy=(0.373, -0.1582, 0.04104)),
}
_BETWEEN = {28: (32, 20)}
"""Interpolated nodes and the published ones on both sides."""


@dataclass(frozen=True)
class Point:
    """A technology node in nm and a supply voltage in V."""

    node: int
    voltage: float

    def __post_init__(self) -> None:
        nodes = sorted([*_NODES, *_BETWEEN])
        if self.node not in nodes:
            raise InputError(f"a technology node must be one of {', '.join(map(str, nodes))} nm, not {self.node}")
        highest = min(_NODES[node].nominal_v for node in _BETWEEN.get(self.node, (self.node,)))
        if not LOWEST_V <= self.voltage <= highest:
            raise InputError(f"the supply of {self.node} nm must be {LOWEST_V} to {highest} V, not {self.voltage}")


@dataclass(frozen=True, kw_only=True)
class Factors:
    """What an area, an energy per operation and a delay are to be multiplied with."""

    area: float
    energy: float
    delay: float


LIBRARY = Point(45, 1.1)
"""Where the open cell library was characterized."""


def scale(target: Point, source: Point = LIBRARY) -> Factors:
    """Factors from one technology and voltage to another."""
    to, start = _inverter(target), _inverter(source)
    return Factors(area=to.area / start.area, energy=to.energy / start.energy, delay=to.delay / start.delay)


def _inverter(point: Point) -> Factors:
    """The reference inverter: area against 45 nm, energy in fJ, delay in ps."""
    if point.node in _NODES:
        node = _NODES[point.node]
        return Factors(
            area=node.area, energy=_polynomial(node.energy, point.voltage), delay=_polynomial(node.delay, point.voltage)
        )
    above, below = _BETWEEN[point.node]
    weight = log(above / point.node) / log(above / below)
    first, second = _inverter(Point(above, point.voltage)), _inverter(Point(below, point.voltage))
    return Factors(
        area=_between(first.area, second.area, weight),
        energy=_between(first.energy, second.energy, weight),
        delay=_between(first.delay, second.delay, weight),
    )


def _polynomial(coefficients: tuple[float, ...], voltage: float) -> float:
    """Horner's rule, highest power first."""
    total = 0.0
    for coefficient in coefficients:
        total = total * voltage + coefficient
    return total


def _between(first: float, second: float, weight: float) -> float:
    """Geometric interpolation."""
    return exp((1 - weight) * log(first) + weight * log(second))
