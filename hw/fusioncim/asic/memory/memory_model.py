"""Area, energy, leakage and timing of one memory bank, from the structure of its array.

A bank is what `fusioncim_sram` stands for: one write port, `reads` read ports, both used in the same cycle, one clock,
inputs sampled and outputs held. A port keeps still in a cycle without its enable: a clock gate takes that, and clocks
the rest of the port. At 45 nm, 1.1 V, 25 C, typical, like the cell library; the constants are cited in
`memory_technology`. Two structures here, and a third one, of banks in a compute array, in `memory_array`:

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

from fusioncim.asic.memory.memory_technology import (
    BUFFERED,
    CELL_CURRENT_UA,
    CELL_HEIGHT_UM,
    CELL_LEAKAGE_NW,
    CELL_UM2,
    CLOCK_GATE,
    DRAIN_FF,
    DRIVER,
    FLOP,
    FO4_NS,
    GATE_FF,
    JUNCTION_FF,
    LATCH,
    LATCH_NS,
    LAYOUT,
    LOCAL_ROWS,
    MUX,
    NAND,
    PRECHARGE,
    RANDOM,
    READ_PORT,
    SENSE,
    SENSE_NS,
    STROBE_FJ,
    SUBARRAY,
    SUPPLY_V,
    SWING_V,
    TREE_FJ_MM,
    TREE_NS_MM,
    WIRE_FF_UM,
    WRITE_DRIVER_UM2,
)
from fusioncim.asic.scaling import LIBRARY, Point, scale
from fusioncim.lib.bank import address_shape
from fusioncim_golden.errors import InputError


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
    def row_um(self) -> float:
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
        return self._gates * CLOCK_GATE.um2 + self._flops * FLOP.um2

    @property
    def _inputs_nw(self) -> float:
        """Their leakage."""
        return self._gates * CLOCK_GATE.nw + self._flops * FLOP.nw

    @property
    def _sample_fj(self) -> float:
        """A port takes its address."""
        return STROBE_FJ + self.address_bits * FLOP.fj

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
            column = self._stacks * (2 * PRECHARGE.um2 * MUX + SENSE.um2 + WRITE_DRIVER_UM2) + 2 * LATCH.um2
        else:
            pieces = self._stacks * ceil(self._rows / LOCAL_ROWS)
            port = pieces * (NAND.um2 / 2 + PRECHARGE.um2) + LATCH.um2
            column = self.reads * port + self._stacks * WRITE_DRIVER_UM2 + LATCH.um2
        parts = self.width * column + self._drivers * (NAND.um2 + DRIVER.um2) + self._inputs_um2
        return LAYOUT * parts + (LAYOUT - 1) * self.cells_um2

    @property
    def area_um2(self) -> float:
        """Area of the macro."""
        return self.cells_um2 + self.periphery_um2

    @property
    def _row_fj(self) -> float:
        """Two control lines along a row and the address across it, with the driver of each piece of the word line."""
        line = self.row_um * WIRE_FF_UM * BUFFERED * SUPPLY_V**2
        return (2 + RANDOM * self.address_bits) * line + ceil(self._columns / SUBARRAY) * DRIVER.ff * 2 * SUPPLY_V**2

    def _word_line_fj(self, gates: int) -> float:
        """A word line with so many gates per cell."""
        return (self.row_um * WIRE_FF_UM + self._columns * gates * GATE_FF) * BUFFERED * SUPPLY_V**2

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
            columns = self._columns * (self._bit_line_ff * SWING_V * SUPPLY_V + 2 * PRECHARGE.ff * volts)
            sensed = columns + self.width * (SENSE.fj + LATCH.fj) + self.tree_fj()
            return self._sample_fj + self._row_fj + self._word_line_fj(2) + sensed
        local = min(self._rows, LOCAL_ROWS) * (JUNCTION_FF + CELL_HEIGHT_UM * WIRE_FF_UM) + NAND.ff
        column = local / 2 + PRECHARGE.ff
        if self._rows > LOCAL_ROWS:
            pull_downs = ceil(self._rows / LOCAL_ROWS / 2) * DRAIN_FF
            column += (self._rows * CELL_HEIGHT_UM * WIRE_FF_UM + pull_downs) / 2 + PRECHARGE.ff
        lines = self._sample_fj + self._row_fj + self._word_line_fj(1)
        return lines + self.width * (column * volts + LATCH.fj) + self.tree_fj()

    @property
    def write_energy_fj(self) -> float:
        """One write of one word: a pair of bit lines per bit, of which one moves from rail to rail (half with 8T)."""
        volts = SUPPLY_V**2
        line = self._sample_fj + self._row_fj + self._word_line_fj(2) + self.width * LATCH.fj + self.tree_fj()
        if self.shared:
            halves = (MUX - 1) * self.width * self._bit_line_ff * SWING_V * SUPPLY_V
            precharge = self._columns * 2 * PRECHARGE.ff * volts
            return line + halves + precharge + self.width * self._bit_line_ff * BUFFERED * volts
        return line + self.width * self._bit_line_ff / 2 * BUFFERED * volts

    @property
    def idle_energy_fj(self) -> float:
        """The clock gates in every cycle."""
        return self._gates * CLOCK_GATE.fj

    @property
    def leakage_nw(self) -> float:
        """Leakage."""
        transistors = 6 if self.shared else 6 + 2 * self.reads
        cells = self.depth * self.width * CELL_LEAKAGE_NW * transistors / 6
        pieces = self._stacks * ceil(self._rows / LOCAL_ROWS)
        lines = 2 * MUX * self._stacks if self.shared else self.reads * pieces
        columns = self.width * (lines * (PRECHARGE.nw + NAND.nw / 2) + (1 + self.reads) * LATCH.nw)
        return cells + columns + self._drivers * (NAND.nw + DRIVER.nw) + self._inputs_nw

    @property
    def _bit_line_ns(self) -> float:
        """From the word line to a level that the latch takes."""
        if self.shared:
            return self._bit_line_ff * SWING_V / CELL_CURRENT_UA + SENSE_NS
        local = min(self._rows, LOCAL_ROWS) * (JUNCTION_FF + CELL_HEIGHT_UM * WIRE_FF_UM) + NAND.ff
        return local * SUPPLY_V / 2 / CELL_CURRENT_UA + (2 * FO4_NS if self._rows > LOCAL_ROWS else FO4_NS)

    @property
    def access_ns(self) -> float:
        """Clock edge to read data: decoder of fan-out-4 stages, bit line, latch, and the way there and back."""
        piece = min(self._columns, SUBARRAY)
        load = piece * (self.row_um / self._columns * WIRE_FF_UM + 2 * GATE_FF)
        effort = max(load / PRECHARGE.ff * self._drivers, 4)
        return FO4_NS * log(effort, 4) + self._bit_line_ns + LATCH_NS + 2 * self.tree_mm * TREE_NS_MM

    @property
    def cycle_ns(self) -> float:
        """Shortest clock period: read and precharge; with a shared port twice, without the way there and back."""
        once = self.access_ns - 2 * self.tree_mm * TREE_NS_MM + self._bit_line_ns
        return 2 * once if self.shared else once


def area_at(macro: Macro, point: Point) -> float:
    """Area in um2 at another technology: the published cell, and the periphery scaled like logic."""
    if point.node not in CELL_UM2:
        known = " and ".join(map(str, sorted(CELL_UM2)))
        raise InputError(f"a bit cell is known at {known} nm, not {point.node}")
    cells = macro.cells_um2 * CELL_UM2[point.node] / CELL_UM2[LIBRARY.node]
    return cells + macro.periphery_um2 * scale(point).area
