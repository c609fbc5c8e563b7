"""Cited constants of memory banks at 45 nm, 1.1 V, 25 C, typical: bit cell, wires, periphery, ports, structure.

The suffix is the unit: _UM um, _UM2 um2, _FF fF, _FJ fJ, _NW nW, _NS ns, _V V, _UA uA; _FF_UM fF per um, and so on.
"""

from dataclasses import dataclass

from fusioncim.asic.scaling import LIBRARY

SUPPLY_V = LIBRARY.voltage


@dataclass(frozen=True, kw_only=True)
class Element:
    """A circuit of the periphery; 0 where a figure is not needed.

    Members:
        um2: area.
        ff: input capacitance in fF.
        fj: energy of a use in fJ.
        nw: leakage in nW.
    """

    um2: float
    ff: float = 0.0
    fj: float = 0.0
    nw: float = 0.0


# The bit cell.
CELL_UM2 = {45: 0.346, 28: 0.127}
"""6-transistor cell. 45 nm: Intel, U. Bhattacharya et al., Intel Technology Journal 12(2), 2008, and K. Mistry et al.,
IEDM 2007. 28 nm: TSMC's high-density cell, announced with the node in 2009. CACTI 7 takes 146 F^2: 0.296 and 0.114."""
CELL_HEIGHT_UM = 0.38
"""Along the bit lines: two gate pitches, each one site of the Nangate library (0.19 um)."""
READ_PORT = 0.3
"""Area of a read port of two transistors, in 6-transistor cells: L. Chang et al., VLSI Technology 2005, 8T against 6T.
Layouts under logic rules pay more (OpenRAM's FreePDK45 dual-port cell: 0.85)."""
CELL_LEAKAGE_NW = 1.0
"""Per 6 transistors: OpenRAM 1.2, freepdk45 tech.py, bitcell_leakage. CACTI 7 at 45 nm: 0.7 (itrs-lop cells), 70
(itrs-hp), 0.003 (itrs-lstp): the choice of threshold decides, and this figure with it."""
CELL_CURRENT_UA = 30.0
"""Read current: freepdk45 tech.py, i_on_n 446 uA/um through the access transistor of 0.135 um, halved for the stack."""

# Wires and loads.
WIRE_FF_UM = 0.27
"""CACTI 7, tech_params/45nm.dat: local wires, 0.258 (conservative) to 0.283 (aggressive) with Miller factor 1.5."""
JUNCTION_FF = 0.1
"""Of an access transistor, on the bit line: freepdk45 tech.py, bitcell_drain_cap."""
GATE_FF = 0.2
"""Of an access transistor, on the word line: freepdk45 tech.py, min_tx_gate_c."""
DRAIN_FF = 0.7
"""Of a pull-down on a global bit line: freepdk45 tech.py, min_tx_drain_c."""
TREE_FJ_MM = 249 * SUPPLY_V**2
"""One charge of 1 mm of repeated wire between subarrays: CACTI 7 at 45 nm and 1.0 V, 30 % above the shortest delay."""
TREE_NS_MM = 0.207
"""Delay of the same wire."""
RANDOM = 0.25
"""Share of accesses in which a static wire is charged, for random data; CACTI counts 0.5."""

# Periphery: Nangate cells, figures from the library.
LATCH = Element(um2=2.66, fj=8.0, nw=40.9)
"""DLH_X1. Energy: one enable pulse (5.3), its pin (1.2), an output toggle (3.0) in half of the accesses."""
FLOP = Element(um2=4.522, fj=8.1, nw=79.1)
"""DFF_X1. Energy: one clock cycle (6.9) and its pin (1.15)."""
CLOCK_GATE = Element(um2=3.458, fj=7.1, nw=48.6)
"""CLKGATE_X1: takes a port's enable, and clocks the port's address. Energy: of a cycle without an enable (4.9) and its
clock pin (2.2)."""
STROBE_FJ = 10.1
"""What a pulse at the clock gate's output takes beyond that."""
NAND = Element(um2=0.798, ff=1.63, nw=17.4)
"""NAND2_X1: word-line decoder, and where two local bit lines meet."""
DRIVER = Element(um2=2.394, ff=11.8, nw=114.8)
"""INV_X8: word-line driver of a subarray."""
PRECHARGE = Element(um2=0.532, ff=1.7, nw=14.4)
"""INV_X1, for the transistors that precharge and keep a bit line, and for those that select a column."""
WRITE_DRIVER_UM2 = 2.94
"""OpenRAM 1.2, freepdk45 gds_lib: write_driver, 0.705 um x 4.175 um."""
SENSE = Element(um2=4.24, fj=2.7)
"""Area: the same, sense_amp, 0.705 um x 6.01 um. Energy: CACTI 7, 45nm.dat, sense_dy_power."""
SENSE_NS = 0.04
"""Delay of the same: CACTI 7, 45nm.dat, sense_delay."""
SWING_V = 0.16
"""Of a sensed bit line: twice CACTI 7's 80 mV (VBITSENSEMIN), as the strobe waits for the slowest cell."""
LAYOUT = 1.1
"""Area of a macro over that of its parts: CACTI 7, 45nm.dat, macro_layout_overhead."""
BUFFERED = 4 / 3
"""Load of a driven line with the buffers before it, over that of the line: fan-out 4, 1 + 1/4 + 1/16 + ..."""
FO4_NS = 0.023
"""INV_X4 of the library driving four of itself at its own output slope, mean of both edges."""
LATCH_NS = 0.055
"""DLH_X1, enable to output."""

# Ports of a bank.
INPUT_FF, SETUP_NS, HOLD_NS = 1.14, 0.04, 0.02
"""DFF_X1's data pin, rounded up."""
CLOCK_FF = 1.42
"""The input of CLKBUF_X3."""
LOAD_FF = 60.7
"""Largest load of DLH_X1's output."""
OUTPUT_NS_FF = 0.0012
"""Delay of that output over its load."""
SLEW_NS, SLEW_NS_FF = 0.008, 0.0011
"""Transition (30 to 70 %) of that output: without load, and over the load."""

# Structure.
SUBARRAY = 256
"""Rows and columns of the largest subarray."""
LOCAL_ROWS = 32
"""Cells on a local bit line."""
MUX = 4
"""Words of a row behind one sense amplifier per bit, with a shared port."""
