"""How long the cells and banks of a flat netlist take to change their nets."""

from dataclasses import dataclass

from fusioncim.asic.cells.table_lookup import Floats

LEAST_NS = 0.001
"""Of every delay: a Liberty table may have a negative one, which no simulator takes."""


@dataclass(frozen=True)
class Delays:
    """Of the nets that cells and banks drive, clocks excepted.

    Members:
        rise, fall: from the input that changes to the edge of the net, by net number, in ns; 0 for all other nets.
        longest_ns: of all paths from a clock edge or an input to a register, a bank or an output, setup included.
    """

    rise: Floats
    fall: Floats
    longest_ns: float
