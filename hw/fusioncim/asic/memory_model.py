"""Area, energy, leakage and timing of one memory bank, from the structure of its array and cited constants.

A bank is what `fusioncim_sram` stands for: one write port, `reads` read ports, both used in the same cycle, one clock,
inputs sampled and outputs held. A port keeps still in a cycle without its enable: a clock gate takes that, and clocks
the rest of the port. At 45 nm, 1.1 V, 25 C, typical, like the cell library. Two structures here, and a third one, of
banks in a compute array, in `memory_array`:

- Separate ports: a cell of 6 + 2 reads transistors. Per read port a single-ended bit line, split into pieces of
  `LOCAL_ROWS` cells, which discharges to the rail; no sense amplifier. Whole rows are words.
- Shared port, for one read port and more than `SUBARRAY` words: 6-transistor cells in subarrays of at most 256 x 256,
  `MUX` words to a row, differential bit lines with sense amplifiers, used twice a cycle (read, then write). All
  columns of a word's row move when it is read or written.

Energies are averages over random data: a precharged line discharges in half of the accesses, a static wire is charged
in a quarter of them (`RANDOM`). Buffers that drive a line add a third of its load (fan-out 4: 1/4 + 1/16 + ...).

This model against published figures, for plausibility; nothing is fitted to them, and the tests hold every ratio.

| array            | ports  | read pJ, here / theirs  | area um2, here / theirs | theirs                        |
| 1024 x 64 bits   | shared | 4.92 / 5.22 = 0.94      | 27129 / 25368 = 1.07    | CACTI 7                       |
| 4096 x 64        | shared | 6.86 / 13.00 = 0.53     | 107089 / 106332 = 1.01  | CACTI 7                       |
| 131072 x 64      | shared | 16.42 / 72.91 = 0.23    | 3411363 / 3340590 = 1.02 | CACTI 7                      |
| 4096 x 512       | shared | 75.64 / 140.36 = 0.54   | 855826 / 729876 = 1.17  | CACTI 7                       |
| 128 x 96         | 1R 1W  | 2.84 / 3.18 = 0.89      | 8321 / 11722 = 0.71     | CACTI 7                       |
| 128 x 96         | 2R 1W  | 2.89 / 3.75 = 0.77      | 10887 / 21998 = 0.49    | CACTI 7                       |
| 32 x 32          | 1R 1W  | 0.64 / 0.73 = 0.87      | 1112 / 1319 = 0.84      | CACTI 7                       |
| 32 x 64          | 1R 1W  | 1.20 / 1.50 = 0.80      | 1942 / 1755 = 1.11      | OpenROAD, fakeram45, one port |
| 2048 x 39        | shared | 3.76 / 6.86 = 0.55      | 33523 / 45479 = 0.74    | OpenROAD, fakeram45           |
| 1024 x 64 (8 KB) | shared | 4.92 / 10.00 = 0.49     |                         | Horowitz                      |
| 4096 x 64 (32 KB) | shared | 6.86 / 20.00 = 0.34    |                         | Horowitz                      |
| 131072 x 64 (1 MB) | shared | 16.42 / 100.00 = 0.16 |                         | Horowitz                      |

CACTI 7: 45 nm, itrs-hp, 300 K, its energies at 1.0 V times 1.21. fakeram45: Liberty files of OpenROAD-flow-scripts,
platform nangate45. Horowitz: M. Horowitz, ISSCC 2014, "Computing's energy problem", figure 1.1.9, 45 nm at 0.9 V, whole
caches. Large arrays come out cheaper: of its 60 pJ at 1 MB and 1.0 V CACTI spends 45 on the tree between subarrays,
whose wires it charges in half of the accesses (here a quarter, over the side of the macro), and caches also read tags.
Users that want the cautious end multiply a large buffer by the inverse of its ratio. At 28 nm a bank of 4 x 1024 bits
has 1.12 um2 per bit and one of 32 x 1024 has 0.31; a published 28 nm CIM macro has 0.53 with its arithmetic (1.80
Mb/mm2, "A 28nm 1.80Mb/mm2 digital/analog hybrid SRAM-CIM macro using 2D-weighted capacitor array for complex number MAC
operations", 2025). Such macros share write drivers among rows and have no output latches, as in `memory_array`; a
macro of four words is mostly those.
"""

from dataclasses import dataclass
from math import ceil, log, sqrt

from fusioncim.asic.scaling import LIBRARY, Point, scale
from fusioncim.lib.bank import address_shape
from fusioncim_golden.errors import InputError

SUPPLY_V = LIBRARY.voltage

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

# Periphery. Nangate cells: area in um2, input capacitance in fF, energy in fJ, leakage in nW, from the library.
LATCH_UM2, LATCH_FJ, LATCH_NW = 2.66, 8.0, 40.9
"""DLH_X1. Energy: one enable pulse (5.3), its pin (1.2), an output toggle (3.0) in half of the accesses."""
FLOP_UM2, FLOP_FJ, FLOP_NW = 4.522, 8.1, 79.1
"""DFF_X1. Energy: one clock cycle (6.9) and its pin (1.15)."""
GATE_UM2, GATE_FJ, GATE_NW, STROBE_FJ = 3.458, 7.1, 48.6, 10.1
"""CLKGATE_X1: takes a port's enable, and clocks the port's address. Energy: of a cycle without an enable (4.9) and its
clock pin (2.2); what a pulse at its output takes beyond that."""
NAND_UM2, NAND_FF, NAND_NW = 0.798, 1.63, 17.4
"""NAND2_X1: word-line decoder, and where two local bit lines meet."""
DRIVER_UM2, DRIVER_FF, DRIVER_NW = 2.394, 11.8, 114.8
"""INV_X8: word-line driver of a subarray."""
PRECHARGE_UM2, PRECHARGE_FF, PRECHARGE_NW = 0.532, 1.7, 14.4
"""INV_X1, for the transistors that precharge and keep a bit line, and for those that select a column."""
WRITE_DRIVER_UM2 = 2.94
"""OpenRAM 1.2, freepdk45 gds_lib: write_driver, 0.705 um x 4.175 um."""
SENSE_UM2, SENSE_FJ, SENSE_NS = 4.24, 2.7, 0.04
"""Area: the same, sense_amp, 0.705 um x 6.01 um. Energy and delay: CACTI 7, 45nm.dat, sense_dy_power, sense_delay."""
SWING_V = 0.16
"""Of a sensed bit line: twice CACTI 7's 80 mV (VBITSENSEMIN), as the strobe waits for the slowest cell."""
LAYOUT = 1.1
"""Area of a macro over that of its parts: CACTI 7, 45nm.dat, macro_layout_overhead."""
BUFFERED = 4 / 3
FO4_NS = 0.023
"""INV_X4 of the library driving four of itself at its own output slope, mean of both edges."""
LATCH_NS = 0.055
"""DLH_X1, enable to output."""
SETUP_NS, HOLD_NS, INPUT_FF, CLOCK_FF = 0.04, 0.02, 1.14, 1.42
"""DFF_X1's data pin, rounded up; clock: the input of CLKBUF_X3."""
OUTPUT_NS_FF, SLEW_NS, SLEW_NS_FF, LOAD_FF = 0.0012, 0.008, 0.0011, 60.7
"""DLH_X1's output: delay and transition (30 to 70 %) over the load, up to its largest load."""

# Structure.
SUBARRAY = 256
"""Rows and columns of the largest subarray."""
LOCAL_ROWS = 32
"""Cells on a local bit line."""
MUX = 4
"""Words of a row behind one sense amplifier per bit, with a shared port."""


@dataclass(frozen=True)
class Macro:
    """A bank of `depth` words of `width` bits with `reads` read ports, at 45 nm and 1.1 V.

    Energies are those of one access of one port; the clock gates, `idle_energy_fj`, come on top in every cycle.
    """

    depth: int
    width: int
    reads: int = 1

    def __post_init__(self) -> None:
        for name in ("depth", "width", "reads"):
            value = getattr(self, name)
            if value < 1:
                raise InputError(f"{name} of a memory must be at least 1, not {value}")

    @property
    def shared(self) -> bool:
        """Whether reads and writes take turns at one port of the cells."""
        return self.reads == 1 and self.depth > SUBARRAY

    @property
    def address_bits(self) -> int:
        """Bits of one address."""
        return int(address_shape(self.depth).width)

    @property
    def _words(self) -> int:
        """Words of a row."""
        return MUX if self.shared else 1

    @property
    def _rows(self) -> int:
        """Rows of a subarray."""
        return min(ceil(self.depth / self._words), SUBARRAY)

    @property
    def _stacks(self) -> int:
        """Subarrays above each other."""
        return ceil(self.depth / (self._words * self._rows))

    @property
    def _columns(self) -> int:
        """Columns of a row."""
        return self.width * self._words

    @property
    def _cell(self) -> float:
        """Area of a cell in 6-transistor cells."""
        return 1.0 if self.shared else 1 + READ_PORT * self.reads

    @property
    def _row_um(self) -> float:
        """Length of a row."""
        return self._columns * self._cell * CELL_UM2[45] / CELL_HEIGHT_UM

    @property
    def _gates(self) -> int:
        """Clock gates: one per port."""
        return 1 + self.reads

    @property
    def _flops(self) -> float:
        """Input flip-flops: addresses."""
        return self.address_bits * (1 + self.reads)

    @property
    def _inputs_um2(self) -> float:
        """Clock gates and flip-flops of the inputs."""
        return self._gates * GATE_UM2 + self._flops * FLOP_UM2

    @property
    def _inputs_nw(self) -> float:
        """Their leakage."""
        return self._gates * GATE_NW + self._flops * FLOP_NW

    @property
    def _sample_fj(self) -> float:
        """A port takes its address."""
        return STROBE_FJ + self.address_bits * FLOP_FJ

    @property
    def _drivers(self) -> int:
        """Word-line drivers."""
        ports = 1 if self.shared else 1 + self.reads
        return ports * self._rows * self._stacks * ceil(self._columns / SUBARRAY)

    @property
    def cells_um2(self) -> float:
        """Area of the cells, at 45 nm."""
        return self.depth * self.width * self._cell * CELL_UM2[45]

    @property
    def periphery_um2(self) -> float:
        """Area of everything else."""
        if self.shared:
            column = self._stacks * (2 * PRECHARGE_UM2 * MUX + SENSE_UM2 + WRITE_DRIVER_UM2) + 2 * LATCH_UM2
        else:
            pieces = self._stacks * ceil(self._rows / LOCAL_ROWS)
            port = pieces * (NAND_UM2 / 2 + PRECHARGE_UM2) + LATCH_UM2
            column = self.reads * port + self._stacks * WRITE_DRIVER_UM2 + LATCH_UM2
        parts = self.width * column + self._drivers * (NAND_UM2 + DRIVER_UM2) + self._inputs_um2
        return LAYOUT * parts + (LAYOUT - 1) * self.cells_um2

    @property
    def area_um2(self) -> float:
        """Area of the macro."""
        return self.cells_um2 + self.periphery_um2

    @property
    def _row_fj(self) -> float:
        """Two control lines along a row and the address across it, with the driver of each piece of the word line."""
        line = self._row_um * WIRE_FF_UM * BUFFERED * SUPPLY_V**2
        return (2 + RANDOM * self.address_bits) * line + ceil(self._columns / SUBARRAY) * DRIVER_FF * 2 * SUPPLY_V**2

    def _word_line_fj(self, gates: int) -> float:
        """A word line with so many gates per cell."""
        return (self._row_um * WIRE_FF_UM + self._columns * gates * GATE_FF) * BUFFERED * SUPPLY_V**2

    @property
    def _bit_line_ff(self) -> float:
        """A whole bit line."""
        return self._rows * (JUNCTION_FF + CELL_HEIGHT_UM * WIRE_FF_UM)

    @property
    def tree_mm(self) -> float:
        """Way between a subarray and the edge of the macro: none where one subarray is as deep as the bank."""
        return sqrt(self.area_um2) / 1000 if self._stacks > 1 else 0.0

    def tree_fj(self, charged: float = RANDOM) -> float:
        """Data and address on that way; charged: share of the wires that an access charges."""
        return charged * (self.width + self.address_bits) * self.tree_mm * TREE_FJ_MM

    @property
    def read_energy_fj(self) -> float:
        """One read of one word by one port."""
        volts = SUPPLY_V**2
        if self.shared:
            columns = self._columns * (self._bit_line_ff * SWING_V * SUPPLY_V + 2 * PRECHARGE_FF * volts)
            sensed = columns + self.width * (SENSE_FJ + LATCH_FJ) + self.tree_fj()
            return self._sample_fj + self._row_fj + self._word_line_fj(2) + sensed
        local = min(self._rows, LOCAL_ROWS) * (JUNCTION_FF + CELL_HEIGHT_UM * WIRE_FF_UM) + NAND_FF
        column = local / 2 + PRECHARGE_FF
        if self._rows > LOCAL_ROWS:
            pull_downs = ceil(self._rows / LOCAL_ROWS / 2) * DRAIN_FF
            column += (self._rows * CELL_HEIGHT_UM * WIRE_FF_UM + pull_downs) / 2 + PRECHARGE_FF
        lines = self._sample_fj + self._row_fj + self._word_line_fj(1)
        return lines + self.width * (column * volts + LATCH_FJ) + self.tree_fj()

    @property
    def write_energy_fj(self) -> float:
        """One write of one word: a pair of bit lines per bit, of which one moves from rail to rail (half with 8T)."""
        volts = SUPPLY_V**2
        line = self._sample_fj + self._row_fj + self._word_line_fj(2) + self.width * LATCH_FJ + self.tree_fj()
        if self.shared:
            halves = (MUX - 1) * self.width * self._bit_line_ff * SWING_V * SUPPLY_V
            precharge = self._columns * 2 * PRECHARGE_FF * volts
            return line + halves + precharge + self.width * self._bit_line_ff * BUFFERED * volts
        return line + self.width * self._bit_line_ff / 2 * BUFFERED * volts

    @property
    def idle_energy_fj(self) -> float:
        """The clock gates in every cycle."""
        return self._gates * GATE_FJ

    @property
    def leakage_nw(self) -> float:
        """Leakage."""
        transistors = 6 if self.shared else 6 + 2 * self.reads
        cells = self.depth * self.width * CELL_LEAKAGE_NW * transistors / 6
        pieces = self._stacks * ceil(self._rows / LOCAL_ROWS)
        lines = 2 * MUX * self._stacks if self.shared else self.reads * pieces
        columns = self.width * (lines * (PRECHARGE_NW + NAND_NW / 2) + (1 + self.reads) * LATCH_NW)
        return cells + columns + self._drivers * (NAND_NW + DRIVER_NW) + self._inputs_nw

    @property
    def _bit_line_ns(self) -> float:
        """From the word line to a level that the latch takes."""
        if self.shared:
            return self._bit_line_ff * SWING_V / CELL_CURRENT_UA + SENSE_NS
        local = min(self._rows, LOCAL_ROWS) * (JUNCTION_FF + CELL_HEIGHT_UM * WIRE_FF_UM) + NAND_FF
        return local * SUPPLY_V / 2 / CELL_CURRENT_UA + (2 * FO4_NS if self._rows > LOCAL_ROWS else FO4_NS)

    @property
    def access_ns(self) -> float:
        """Clock edge to read data: decoder of fan-out-4 stages, bit line, latch, and the way there and back."""
        piece = min(self._columns, SUBARRAY)
        load = piece * (self._row_um / self._columns * WIRE_FF_UM + 2 * GATE_FF)
        effort = max(load / PRECHARGE_FF * self._drivers, 4)
        return FO4_NS * log(effort, 4) + self._bit_line_ns + LATCH_NS + 2 * self.tree_mm * TREE_NS_MM

    @property
    def cycle_ns(self) -> float:
        """Shortest clock period: read and precharge; with a shared port twice, without the way there and back."""
        once = self.access_ns - 2 * self.tree_mm * TREE_NS_MM + self._bit_line_ns
        return 2 * once if self.shared else once


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A macro's figures at some technology and voltage."""

    area_um2: float
    read_energy_fj: float
    write_energy_fj: float
    idle_energy_fj: float
    access_ns: float


def at(macro: Macro, point: Point) -> Figures:
    """A macro elsewhere: the published cell, periphery, energy and delay scaled like logic. No leakage."""
    if point.node not in CELL_UM2:
        known = " and ".join(map(str, sorted(CELL_UM2)))
        raise InputError(f"a bit cell is known at {known} nm, not {point.node}")
    factors = scale(point)
    cells = macro.cells_um2 * CELL_UM2[point.node] / CELL_UM2[45]
    return Figures(
        area_um2=cells + macro.periphery_um2 * factors.area,
        read_energy_fj=macro.read_energy_fj * factors.energy,
        write_energy_fj=macro.write_energy_fj * factors.energy,
        idle_energy_fj=macro.idle_energy_fj * factors.energy,
        access_ns=macro.access_ns * factors.delay,
    )
