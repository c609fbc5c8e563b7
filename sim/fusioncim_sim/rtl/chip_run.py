"""Runs jobs on the whole chip: the RTL on a third-party memory, compared bit for bit with the golden model."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusioncim.build.cache import build_root
from fusioncim.chip.chip import Chip
from fusioncim_golden.arith import Int
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.descriptor import Descriptor, Status
from fusioncim_golden.mask import CAUSAL, Mask
from fusioncim_golden.quantize import Heads
from fusioncim_sim.rtl.axi_memory import Fault
from fusioncim_sim.rtl.memory_image import Bytes, Image, place_job
from fusioncim_sim.rtl.runner import Program, run


@dataclass(frozen=True, kw_only=True)
class ChipJob:
    """A job to be run (see `memory_image.place_job`); groups: operands, one `Heads` per key and value head."""

    groups: Sequence[Heads]
    start: int | None = None
    mask: Mask = CAUSAL
    layout: str = "head"


@dataclass(frozen=True)
class ChipRun:
    """What the chip did.

    Members:
        statuses: by job.
        outputs: by job, [heads, queries, columns].
        counters: event counters by name.
        stray: bytes that changed in memory outside of all outputs.
    """

    statuses: list[Status]
    outputs: list[Int]
    counters: dict[str, int]
    stray: int


def prepare(chip: ChipConfig, jobs: Sequence[ChipJob]) -> tuple[Bytes, list[Image]]:
    """A memory with the operands of all jobs, one behind the other, and where they are."""
    size = sum(
        sum(x.size for group in job.groups for x in (group.q, group.k, group.v)) * 4 + 4096 * len(job.groups)
        for job in jobs
    )
    memory = np.zeros(-(-size // 4096) * 4096, np.uint8)
    images: list[Image] = []
    for job in jobs:
        base = images[-1].end if images else 0
        images.append(place_job(chip, memory, job.groups, start=job.start, mask=job.mask, layout=job.layout, base=base))
    return memory, images


def simulate_chip(
    chip: ChipConfig,
    jobs: Sequence[ChipJob],
    *,
    stall: str = "never",
    seed: int = 1,
    latency: int = 30,
    share: float = 1.0,
    faults: Callable[[Sequence[Descriptor]], Sequence[Fault]] = lambda _: (),
    change: Callable[[int, Descriptor], Descriptor] = lambda _, descriptor: descriptor,
    cycles: int = 1_000_000,
    bench: tuple[str, str] = ("fusioncim_sim.rtl.chip_bench", "runs_jobs"),
    path: Path | None = None,
    extra: Mapping[str, Any] | None = None,
    simulator: str | None = None,
    program: Program | None = None,
) -> ChipRun:
    """Push the jobs one after the other.

    stall: pauses of every AXI channel. latency, share: of the memory (`axi_memory.AxiMemory`). faults: beats that fail,
    from the descriptors. change: another descriptor for job n, which the driver then does not check. cycles: limit of
    the run. bench, path, extra: another bench, where its module is, and what it finds in its case besides. simulator:
    of `SIMULATORS`. program: instead of the chip's own.
    """
    memory, images = prepare(chip, jobs)
    descriptors = [change(n, image.descriptor) for n, image in enumerate(images)]
    with tempfile.TemporaryDirectory(dir=build_root()) as scratch:
        folder = Path(scratch)
        memory.tofile(folder / "memory.bin")
        case = {
            "chip": chip.as_dict(),
            "jobs": [asdict(descriptor) for descriptor in descriptors],
            "check": descriptors == [image.descriptor for image in images],
            "memory": "memory.bin",
            "out": "out.json",
            "stall": stall,
            "seed": seed,
            "latency": latency,
            "share": share,
            "faults": [asdict(fault) | {"response": fault.response.name} for fault in faults(descriptors)],
            "cycles": cycles,
            **(extra or {}),
        }
        run(Chip(chip), *bench, case, results=folder, path=path, simulator=simulator, program=program)
        after = np.fromfile(folder / "memory.bin", np.uint8)
        outcome = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    statuses = [Status(code) for code in outcome["statuses"]]
    outputs = [image.outputs(after) for image in images]
    for image in images:
        image.clear_outputs(after)
    return ChipRun(statuses, outputs, outcome["counters"], int(np.count_nonzero(after != memory)))
