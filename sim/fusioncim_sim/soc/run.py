"""Runs firmware on the system, and compares what the chip wrote with the golden model, bit for bit."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from fusioncim.build.cache import build_root
from fusioncim.build.program import run_program
from fusioncim.build.workers import run_all
from fusioncim_golden import job as golden
from fusioncim_golden.arith import Int
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.quantize import Heads
from fusioncim_sim.rtl.axi_memory import PAGE_BYTES
from fusioncim_sim.rtl.simulators import LIMIT_S, SimulationError
from fusioncim_sim.rtl.sparse_file import contents, create
from fusioncim_sim.rtl.tensor_bytes import unpack_integers
from fusioncim_sim.soc.build import build_simulation
from fusioncim_sim.soc.elf import Linked
from fusioncim_sim.soc.firmware import MAIN, link
from fusioncim_sim.soc.memory_map import PROGRAM, PROGRAM_BYTES, SHARED, SHARED_BYTES

OUTPUTS = ("output_by_interrupt", "output_by_polling")
"""Symbols of the outputs of firmware/main.c."""


MOST_CYCLES = 100_000_000
"""Limit of a run unless told."""


@dataclass(frozen=True)
class SystemRun:
    """What the system did.

    Members:
        text: what came over the serial line.
        stopped: why the run was stopped before the program ended; nothing if it ended.
        code: with which the program ended.
        cycles: of the whole run.
        memory: the shared memory after it.
    """

    text: str
    stopped: str
    code: int
    cycles: int
    memory: bytes

    @property
    def good(self) -> bool:
        """The program ended, and says that all is well."""
        return not self.stopped and self.code == 0


def run_firmware(
    simulation: Path, program: Linked, folder: Path, *, latency: int = 30, cycles: int = MOST_CYCLES
) -> SystemRun:
    """Run a linked program until it ends. latency: of the memory. cycles: limit."""
    words = folder / "program.hex"
    words.write_text(readmemh(program.within(PROGRAM, PROGRAM_BYTES)), encoding="utf-8")
    parts = program.within(SHARED, SHARED_BYTES)
    end = max((address + len(content) for address, content in parts.items()), default=SHARED + 1)
    size = -(-(end - SHARED) // PAGE_BYTES) * PAGE_BYTES
    memory = create(folder / "memory.bin", size)
    for address, content in parts.items():
        memory[address - SHARED :][: len(content)] = np.frombuffer(content, np.uint8)
    command = [str(simulation), f"+program={words.name}", "memory.bin", *map(str, (size, latency, cycles)), "outcome"]
    done = run_program(command, directory=folder, limit_s=LIMIT_S)
    if done.returncode:
        raise SimulationError(f"the simulation failed: {done.stderr.strip()}")
    how, code, taken, error = (folder / "outcome").read_text(encoding="utf-8").split("\n")[:4]
    reasons = {
        "finished": "",
        "cycles": f"the firmware did not end within {cycles:,} cycles",
        "trap": "the core met an instruction or an address that it cannot do",
        "bus": error,
        "serial": "a byte on the serial line has no stop bit",
    }
    return SystemRun(done.stdout, reasons[how], int(code), int(taken), contents(folder / "memory.bin").tobytes())


def readmemh(parts: Mapping[int, bytes]) -> str:
    """The program's memory as Verilog reads it."""
    lines = []
    for address, content in parts.items():
        lines.append(f"@{(address - PROGRAM) // 4:x}")
        words = np.frombuffer(content + bytes(-len(content) % 4), "<u4")
        lines += [f"{word:08x}" for word in words.tolist()]
    return "\n".join([*lines, ""])


@dataclass(frozen=True)
class HeadRun:
    """A head that the system computed.

    Members:
        run: what the system did.
        outputs: [queries, dimension], by symbol; of a program without these symbols none.
        golden: what they must be.
    """

    run: SystemRun
    outputs: Mapping[str, Int]
    golden: Int

    @property
    def mismatches(self) -> int:
        """Outputs that are not those of the golden model."""
        return sum(int(np.count_nonzero(output != self.golden)) for output in self.outputs.values())

    @property
    def good(self) -> bool:
        """The program ended well, and every output is right."""
        return self.run.good and not self.mismatches


def run_head(
    chip: ChipConfig,
    name: str,
    head: Heads,
    *,
    main: Path = MAIN,
    built_for: ChipConfig | None = None,
    defines: Mapping[str, int] | None = None,
    cycles: int = MOST_CYCLES,
) -> HeadRun:
    """Compute a head, causal, with the firmware.

    main, defines: as of `firmware.link`. built_for: another chip that the firmware is for. cycles: limit.
    """
    expected = golden.run(chip, [head]).out[0]
    with tempfile.TemporaryDirectory(dir=build_root()) as scratch:
        folder = Path(scratch)
        program = link(built_for or chip, name, head, folder, main=main, defines=defines)
        (simulation,) = run_all({"system": partial(build_simulation, chip)}, jobs=1, title="soc").values()
        run = run_firmware(simulation, program, folder, cycles=cycles)
    outputs = {}
    for symbol in filter(program.symbols.__contains__, OUTPUTS):
        first = program.symbols[symbol] - SHARED
        rows = np.frombuffer(run.memory, np.uint8)[first:][: expected.size * chip.engine.output_bits // 8]
        outputs[symbol] = unpack_integers(rows.reshape(len(expected), -1), chip.engine.output_bits)
    return HeadRun(run, outputs, expected)
