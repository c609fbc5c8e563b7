"""Energy of what a chip's counters counted, by component.

    engine part   stream(rows) * cycles in which it multiplies + tile(rows) / rows * rows loaded + idle(rows) * cycles
    around        per running cycle, a line over the engines; accesses of the global buffer are counted
    leakage       power * time
    DRAM          bits read and written * energy of a bit; not scaled to other corners

The lines are those of an `EnergyTable`.
"""

from fusioncim.asic.memory.memory_model import Macro
from fusioncim.asic.scaling import Point, scale
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.system.cycles import Counts
from fusioncim_sim.system.dram import Dram
from fusioncim_sim.system.energy_table import AROUND_PARTS, BUFFER, DRAM, ENGINE_PARTS, LEAKAGE, EnergyTable


def buffer_bank(chip: ChipConfig) -> Macro:
    """A bank of the global buffer: a beat of the vectors of every block, of keys or of values."""
    return Macro(chip.buffer_blocks * chip.engine.update_rank, chip.bus_bits)


def buffer_accesses_fj(chip: ChipConfig, counters: Counts, *, shared: bool = False) -> float:
    """Accesses of the global buffer: a bank per beat of a vector, for keys and for values; a read takes all of them.

    shared: keys are their own values, and the banks of values rest.
    """
    beats = chip.vector_bytes // chip.bus_bytes
    bank = buffer_bank(chip)
    moved = (1 if shared else 2) * chip.engine.update_rank * beats
    reads, writes = counters.buffer_reads * moved, counters.buffer_writes * moved
    idle = counters.cycles * 2 * beats
    return reads * bank.read_energy_fj + writes * bank.write_energy_fj + idle * bank.idle_energy_fj


def energy(
    table: EnergyTable,
    chip: ChipConfig,
    counters: Counts,
    loaded: int,
    memory: Dram,
    clock_mhz: float,
    at: Point,
    *,
    shared: bool = False,
) -> dict[str, float]:
    """Joules by component of `COMPONENTS`; loaded: rows that were loaded; shared: as of `buffer_accesses_fj`."""
    table.check(chip)
    factor = scale(at).energy
    cycles, rows = counters.cycles * chip.engines, chip.engine.rows
    found = {}
    for name in ENGINE_PARTS:
        part = table.engine[name]
        idle = part.idle.at(rows) * table.copies(chip, name)
        fj = part.stream.at(rows) * counters.mac_cycles + part.row(rows) * loaded + idle * cycles
        found[name] = fj * factor * 1e-15
    found[BUFFER] = buffer_accesses_fj(chip, counters, shared=shared) * factor * 1e-15
    for name in AROUND_PARTS:
        found[name] = table.around[name].at(chip.engines) * counters.cycles * factor * 1e-15
    seconds = counters.cycles / (clock_mhz * 1e6)
    found[LEAKAGE] = table.leakage(chip) * 1e-3 * seconds * factor
    found[DRAM] = moved(counters) * 8 * memory.pj_per_bit * 1e-12
    return found


def moved(counters: Counts) -> int:
    """Bytes between the chip and memory."""
    reads = counters.bytes_query + counters.bytes_key + counters.bytes_value + counters.bytes_scale
    return reads + counters.bytes_output
