"""Memories behind the chip's bus: bandwidth, latency and energy, each with its source."""

from dataclasses import dataclass
from math import ceil

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import check_choice
from fusioncim_sim.system.cycles import SHORTEST_LATENCY, Memory

CONTROLLER_NS = 20.0
"""Controller and PHY: gem5, src/mem/MemCtrl.py, static_frontend_latency and static_backend_latency, 10 ns each."""


@dataclass(frozen=True, kw_only=True)
class Dram:
    """A memory.

    Members:
        name, sources: of the memory.
        gb_per_s: peak, in 10^9 bytes per second.
        row_ns: precharge, activation and read of another row.
        pj_per_bit: of a bit that is read or written, activation and interface included.
    """

    name: str
    gb_per_s: float
    row_ns: float
    pj_per_bit: float
    sources: tuple[str, ...]

    @property
    def latency_ns(self) -> float:
        """From an address to its first data, with no row open: no locality is assumed."""
        return self.row_ns + CONTROLLER_NS

    def behind(self, chip: ChipConfig, clock_mhz: float) -> Memory:
        """As the bus of a chip sees it, in whole cycles.

        Every read port and the writes have a channel of the memory each, with an equal part of its bandwidth.
        """
        bus = (chip.read_ports + 1) * chip.bus_bytes * clock_mhz * 1e-3
        latency = ceil(self.latency_ns * clock_mhz * 1e-3)
        return Memory(latency=max(latency, SHORTEST_LATENCY), period=max(ceil(bus / self.gb_per_s - 1e-9), 1))


_GEM5 = "gem5, src/mem/DRAMInterface.py"
_FINE = "M. O'Connor et al., Fine-Grained DRAM, MICRO 2017, figure 1 and section 2"

_LPDDR4 = "H. Ha, Understanding and improving the energy efficiency of DRAM, Stanford, 4 x 8 Gb LPDDR4"

DRAMS = {
    each.name: each
    for each in (
        Dram(
            name="lpddr4",
            gb_per_s=25.6,
            row_ns=18 + 18 + 21.25,
            pj_per_bit=13.0,
            sources=(
                "bandwidth: JEDEC JESD209-4, 3200 Mb/s per pin, 64 pins",
                f"latency: {_GEM5}, LPDDR5_6400_1x16_BG_BL32, tRP + tRCD + tCL (it has no LPDDR4)",
                f"energy: {_LPDDR4}",
            ),
        ),
        Dram(
            name="lpddr5",
            gb_per_s=51.2,
            row_ns=18 + 18 + 21.25,
            pj_per_bit=13.0,
            sources=(
                "bandwidth: JEDEC JESD209-5, 6400 Mb/s per pin, 64 pins",
                f"latency: {_GEM5}, LPDDR5_6400_1x16_BG_BL32, tRP + tRCD + tCL",
                f"energy: no measurement found, that of LPDDR4 as an upper bound ({_LPDDR4})",
            ),
        ),
        Dram(
            name="gddr5",
            gb_per_s=32.0,
            row_ns=12 + 12 + 12,
            pj_per_bit=14.0,
            sources=(f"bandwidth, latency: {_GEM5}, GDDR5_4000_2x32, tRP + tRCD + tCL", f"energy: {_FINE}"),
        ),
        Dram(
            name="hbm2",
            gb_per_s=256.0,
            row_ns=15 + 15 + 15,
            pj_per_bit=3.97,
            sources=(
                "bandwidth: JEDEC JESD235A, 2 Gb/s per pin, 1,024 pins",
                f"latency: {_GEM5}, HBM_1000_4H_1x128, tRP + tRCD + tCL",
                f"energy: {_FINE}",
            ),
        ),
    )
}


def dram(name: str) -> Dram:
    """The memory of that name."""
    check_choice("dram", name, tuple(DRAMS))
    return DRAMS[name]
