"""Area, energy, leakage and timing of a bank that is a row of a compute array.

The words of a bit stand above each other at the input of its multiplier, and a word is selected statically: every cell
has an inverter and a transmission gate onto a local node of `depth` such gates. There is no precharge, no sense
amplifier and no output latch; nothing moves while the same word stays selected. Write bit lines run through all rows
of the array, which share the drivers and the latches of the write data. A row has for itself the register of the
selected word, the select lines and the write word lines.

Cells, wires and drivers are those of `memory_technology`, at the same corner. The load on `read_data` is the netlist's.
The netlist's load on the write data, one pin per row, comes on top of the bit lines, which are counted here in full.

A bank of 4 x 1024 bits at 28 nm against published digital macros of that node, which hold all their arithmetic, too:

| macro                     | words per multiplier | um2 per bit, here / theirs | theirs in 6T cells |
| Yan, 1.041 Mb/mm2         | 16                   | 0.23 / 0.92 = 0.25         | 7.2                |
| Oh (D6CIM), 1005 Kb/mm2   |                      | 0.23 / 0.97 = 0.24         | 7.7                |
| Wang (DIMC), 2569 F2/bit  | 1                    | 0.23 / 2.01 = 0.12         | 15.9               |

Here it is 1.8 cells, the arithmetic of a row comes on top (docs/decisions.md). Densities are in the titles: B. Yan et
al., ISSCC 2022, 11.7; J. Oh et al., ESSCIRC 2023; D. Wang et al., ISSCC 2022, 16.1. Words per multiplier: the
validation data of KU Leuven's ZigZag for the first, the database of UIUC-IMC-Benchmarking for the last. At 22 nm Y.-D.
Chih et al., ISSCC 2021, 16.4, have one word per multiplier: 64 Kb in 0.202 mm2, 3.08 um2 per bit.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log

from fusioncim.asic.memory.memory_model import Macro
from fusioncim.asic.memory.memory_technology import (
    BUFFERED,
    CELL_CURRENT_UA,
    CELL_HEIGHT_UM,
    CELL_LEAKAGE_NW,
    CELL_UM2,
    DRIVER,
    FO4_NS,
    GATE_FF,
    JUNCTION_FF,
    LATCH,
    LATCH_NS,
    LAYOUT,
    NAND,
    PRECHARGE,
    RANDOM,
    READ_PORT,
    SUBARRAY,
    SUPPLY_V,
    TREE_NS_MM,
    WIRE_FF_UM,
    WRITE_DRIVER_UM2,
)
from fusioncim_golden.errors import InputError

STATIC_CELL = (1 + READ_PORT) * 1.144
"""Cell of ten transistors in 6-transistor cells: 14.4 % above 8T. H. Noguchi et al., "A 10T non-precharge two-port SRAM
for 74% power reduction in video processing", ISVLSI 2007: 6T, an inverter and a transmission gate, 90 nm layout."""
STATIC_TRANSISTORS = 10
LOGIC_UM2 = 5.4
"""Arithmetic of a row per bit of a word: 346 um2 per multiply-accumulate and cycle, 128 columns in 8 cycles, 1024 bits
(docs/decisions.md). It stands between the banks and makes the bit lines longer."""
ROWS = 128
"""Rows of the array, where a netlist does not say: those of the published macro (arXiv:2604.25317). Fewer rows pay more
area each (4 x 1024: 11 % with 32 rows) and less energy per write."""
DEEPEST = 16
"""Words: the most that share a multiplier in the published macros above."""


@dataclass(frozen=True)
class ArrayMacro(Macro):
    """`Macro` as one of `rows` rows of a compute array.

    read_energy_fj: of an access that changes the word, the old and the new one random. write_energy_fj: all of an
    access, the bit lines through the whole array included.
    """

    rows: int = ROWS

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reads != 1:
            raise InputError(f"a bank of a compute array must have one read port, not {self.reads}")
        if self.depth > DEEPEST:
            raise InputError(f"a bank of a compute array must have at most {DEEPEST} words, not {self.depth}")
        if self.rows < 1:
            raise InputError(f"rows of a compute array must be at least 1, not {self.rows}")

    @property
    def _cell(self) -> float:
        return STATIC_CELL

    @property
    def _flops(self) -> float:
        """Selected word; its share of the write address."""
        return self.address_bits + self.address_bits / self.rows

    @property
    def _drivers(self) -> int:
        """Of a word: select, its complement, write."""
        return 3 * self.depth * ceil(self.width / SUBARRAY)

    @property
    def periphery_um2(self) -> float:
        """Area of everything else: a row's own, and its share of the columns' latch and driver of both bit lines."""
        column = (LATCH.um2 + WRITE_DRIVER_UM2 + 2 * DRIVER.um2) / self.rows
        parts = self.width * column + self._drivers * (NAND.um2 + DRIVER.um2) + self._inputs_um2
        return LAYOUT * parts + (LAYOUT - 1) * self.cells_um2

    @property
    def _node_ff(self) -> float:
        """Local node of a bit: both junctions of every word's gate, and wire."""
        return self.depth * (2 * JUNCTION_FF + CELL_HEIGHT_UM * WIRE_FF_UM)

    @property
    def pitch_um(self) -> float:
        """Height of a row: its words and its arithmetic."""
        return self.depth * CELL_HEIGHT_UM + LOGIC_UM2 / (STATIC_CELL * CELL_UM2[45] / CELL_HEIGHT_UM)

    @property
    def _bit_line_ff(self) -> float:
        """One write bit line, through all rows."""
        return self.rows * (self.depth * JUNCTION_FF + self.pitch_um * WIRE_FF_UM)

    @property
    def _segments_fj(self) -> float:
        """Inputs of the drivers of a line's pieces."""
        return ceil(self.width / SUBARRAY) * DRIVER.ff * SUPPLY_V**2

    @property
    def read_energy_fj(self) -> float:
        """The word changes: two of four select lines rise, and a quarter of the local nodes."""
        select = 2 * (self._word_line_fj(1) + self._segments_fj)
        return self._sample_fj + select + self.width * RANDOM * self._node_ff * SUPPLY_V**2

    @property
    def write_energy_fj(self) -> float:
        """One write: the word line of a row, and in half of the columns one bit line rises."""
        columns = self.width * (LATCH.fj + self._bit_line_ff / 2 * BUFFERED * SUPPLY_V**2)
        return self._sample_fj + self._word_line_fj(2) + self._segments_fj + columns

    @property
    def leakage_nw(self) -> float:
        """Leakage, the shared latches and drivers by their share."""
        cells = self.depth * self.width * CELL_LEAKAGE_NW * STATIC_TRANSISTORS / 6
        columns = self.width * (LATCH.nw + 2 * DRIVER.nw) / self.rows
        return cells + columns + self._drivers * (NAND.nw + DRIVER.nw) + self._inputs_nw

    @property
    def access_ns(self) -> float:
        """Clock edge to read data: register, select line as a chain of fan-out-4 stages, local node."""
        load = min(self.width, SUBARRAY) * (self.row_um / self.width * WIRE_FF_UM + GATE_FF)
        effort = max(load / PRECHARGE.ff * self._drivers, 4)
        return LATCH_NS + FO4_NS * (log(effort, 4) + 1) + self._node_ff * SUPPLY_V / 2 / CELL_CURRENT_UA

    @property
    def cycle_ns(self) -> float:
        """Shortest clock period: a write, whose data has to come through all rows, as on a repeated wire."""
        return self.access_ns + self.rows * self.pitch_um / 1000 * TREE_NS_MM


def bank_macro(parameters: Mapping[str, int]) -> Macro:
    """The model of a bank with the parameters of `fusioncim_sram`."""
    shape = (parameters["DEPTH"], parameters["WIDTH"], parameters["READS"])
    return ArrayMacro(*shape) if parameters.get("ARRAY") else Macro(*shape)


def bank_shape(parameters: Mapping[str, int]) -> str:
    """A bank with the parameters of `fusioncim_sram` in short: DEPTHxWIDTHrREADS, and an `a` after it in an array."""
    return f"{parameters['DEPTH']}x{parameters['WIDTH']}r{parameters['READS']}{'a' * parameters.get('ARRAY', 0)}"


def macro_of_shape(shape: str) -> Macro:
    """The model of a `bank_shape`."""
    depth, width, reads = map(int, re.findall(r"\d+", shape))
    return bank_macro({"DEPTH": depth, "WIDTH": width, "READS": reads, "ARRAY": shape.endswith("a")})
