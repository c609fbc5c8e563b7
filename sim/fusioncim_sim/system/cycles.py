"""Cycles of jobs on a chip: the compiled model in `kernel`, which does in every cycle what the RTL does.

It follows every queue, handshake and arbiter of the chip, but carries no data: what depends on values (rescales, zero
rows) it does not count. On all configurations that were compared, its counters are the RTL's to the last cycle
(`calibration`). It walks through a million cycles of sixteen engines in about half a second.
"""

import ctypes
import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType

from fusioncim.build.cache import build_root, filled_once, short_hash
from fusioncim.build.program import run_program
from fusioncim.chip import (
    axi,
    job_table,
    kv_walker,
    network,
    output_packer,
    output_place,
    output_writer,
    page_cache,
    query_loader,
)
from fusioncim.engine import controller
from fusioncim.engine.kv_buffer import ring_blocks
from fusioncim.engine.sequencer import rhythm
from fusioncim_golden.chip_config import JOB_QUEUE, ChipConfig
from fusioncim_golden.config import RECIPROCAL_BITS, check_range
from fusioncim_golden.descriptor import Descriptor, Work
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import (
    INTERVAL_BYTES,
    JOB_BYTES,
    LSE_BYTES,
    PAGE_BYTES,
    SCALE_BYTES,
    SEQUENCE_BYTES,
    TOKEN_SCALE_BYTES,
    TOKEN_SCALE_KEYS,
)
from fusioncim_golden.status import Status

KERNEL = Path(__file__).with_name("kernel")
COMPILER = ("gcc", "-std=gnu11", "-O3", "-shared", "-fPIC")
COMPILE_SECONDS = 120

SHORTEST_LATENCY = 16
"""With less, the memory of the simulations holds addresses back, which the model does not follow."""
READ_PHASE, WRITE_PHASE = 4, 3
"""The memory of the simulations moves a beat in cycle c after reset if c + phase is a multiple of `period`."""
FIRST_PUSH, PUSH_CYCLES = 70, 16
"""When the host of the simulations pushes the first job, and how much later each further one, in cycles after reset."""
LIMIT = 1 << 40
"""Cycles after which jobs are taken for stuck: longer than any job of the descriptor's largest sizes."""

CONSTANTS = {
    "BURST_BEATS": axi.BURST_BEATS,
    "DIGIT_BITS": kv_walker.DIGIT_BITS,
    "INTERVAL_BYTES": INTERVAL_BYTES,
    "JOB_BYTES": JOB_BYTES,
    "JOB_QUEUE": JOB_QUEUE,
    "LSE_BYTES": LSE_BYTES,
    "MOST_BEATS": axi.MOST_BEATS,
    "OUTSTANDING": axi.OUTSTANDING,
    "PAGE_BYTES": PAGE_BYTES,
    "PAGE_WORDS": page_cache.PAGE_WORDS,
    "PASSES_LOADED": controller.PASSES_LOADED,
    "PASSES_PLANNED": network.PASSES_PLANNED,
    "RECIPROCAL_BITS": RECIPROCAL_BITS,
    "ROWS_AHEAD": output_writer.ROWS_AHEAD,
    "ROWS_IN_FLIGHT": query_loader.ROWS_IN_FLIGHT,
    "SCALE_BYTES": SCALE_BYTES,
    "SEQUENCE_BYTES": SEQUENCE_BYTES,
    "SHORTEST_READ": network.SHORTEST_READ,
    "SLOTS": job_table.SLOTS,
    "TOKEN_SCALE_BYTES": TOKEN_SCALE_BYTES,
    "TOKEN_SCALE_KEYS": TOKEN_SCALE_KEYS,
}
"""Constants of the hardware, macros of the kernel."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Memory as the chip's bus sees it.

    Members:
        latency: cycles from the address of a burst to its first beat; bursts overlap.
        period: a beat moves in every period-th cycle, in each direction.
    """

    latency: int = 30
    period: int = 1

    def __post_init__(self) -> None:
        check_range("the memory's latency in cycles", self.latency, SHORTEST_LATENCY, 1 << 20)
        check_range("the memory's cycles per beat", self.period, 1, 1 << 20)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What the chip's counters show, of those that do not depend on values, by the names of the registers."""

    cycles: int = 0
    mac_cycles: int = 0
    idle_load: int = 0
    idle_memory: int = 0
    idle_drain: int = 0
    idle_imbalance: int = 0
    slots: int = 0
    bytes_query: int = 0
    bytes_key: int = 0
    bytes_value: int = 0
    bytes_scale: int = 0
    bytes_output: int = 0
    buffer_writes: int = 0
    buffer_reads: int = 0
    deliveries: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(**{item.name: getattr(self, item.name) + getattr(other, item.name) for item in fields(self)})

    def __mul__(self, factor: int) -> "Counts":
        return Counts(**{item.name: getattr(self, item.name) * factor for item in fields(self)})


def run(
    chip: ChipConfig,
    jobs: Sequence[Descriptor | Work],
    memory: Memory | None = None,
    *,
    push_cycles: int = PUSH_CYCLES,
    constants: Mapping[str, int] = MappingProxyType({}),
) -> Counts:
    """The counters after these jobs, which the host pushes one after the other, `push_cycles` apart.

    constants: other values of CONSTANTS, for hardware that is not built.

    Errors: a job that the chip refuses; no C compiler.
    """
    works = [job if isinstance(job, Work) else Work(job=job) for job in jobs]
    for each in works:
        each.job.check(chip)
    lists = [_array(each.page_list) for each in works]
    parts = [
        part
        for n, (each, pages) in enumerate(zip(works, lists, strict=True))
        for part in _parts(chip, each, ctypes.addressof(pages), FIRST_PUSH + n * push_cycles)
    ]
    numbers = [x for part in parts for x in part]
    counters = (ctypes.c_int64 * len(fields(Counts)))()
    ended = _library(frozenset(constants.items())).fusioncim_run(
        _array(_config(chip, memory or Memory())), _array(numbers), len(parts), ctypes.c_int64(LIMIT), counters
    )
    if ended != len(parts):
        raise AssertionError(f"{ended} of {len(parts)} sequences ended within {LIMIT} cycles")
    return Counts(**dict(zip((item.name for item in fields(Counts)), counters, strict=True)))


def _array(numbers: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * len(numbers))(*numbers)


def _config(chip: ChipConfig, memory: Memory) -> list[int]:
    """The fields of the kernel's Config, in order."""
    engine, order = chip.engine, chip.engine.key_order()
    steps = rhythm(engine)
    return [
        *(chip.engines, chip.streams, chip.walks, engine.rows, engine.words, engine.update_rank, engine.rank_bits),
        *(engine.block_cycles, engine.rows_per_lane, engine.drain_rows, engine.token_scale_bits > 0),
        *(order.backward, order.sink_first, order.folded),
        *(chip.vector_bytes, chip.bus_bytes, chip.read_ports, chip.output_bytes // chip.bus_bytes),
        *(*output_packer.pieces(chip), chip.buffer_blocks),
        *(memory.latency, memory.period, READ_PHASE, WRITE_PHASE),
        *(ring_blocks(engine), controller.tiles_ahead(engine), output_place.tiles_placed(chip)),
        output_packer.words_packed(chip),
        *(steps.values - steps.last, steps.finished - steps.last),
    ]


def _parts(chip: ChipConfig, work: Work, page_list: int, arrival: int) -> list[list[int]]:
    """The fields of the kernel's Job, in order, of every sequence of a job."""
    job, pages = work.job, work.job.pages
    paged = [pages.list, pages.tokens, pages.count, pages.k_pitch, pages.v_pitch] if pages else [0] * 5
    scales, lse = ((each.address, each.pitch) if each else (0, 0) for each in (job.token_scales, job.lse))
    heads = [job.heads, job.kv_heads, job.shared]
    heads += [job.query_bytes(chip), job.key_bytes(chip), job.value_bytes(chip), job.row_bytes(chip)]
    found: list[list[int]] = []
    opened = False
    for part, status in zip(work.parts, work.statuses(), strict=True):
        planned = status == Status.OK and part.queries > 0
        first_key = 0 if pages or not part.keys else part.first_key
        firsts = (part.first_row, first_key, first_key, part.first_row)
        places = [
            x
            for tensor, first in zip((job.q, job.k, job.v, job.o), firsts, strict=True)
            for x in (tensor.address + first * tensor.pitch, tensor.pitch, tensor.head_pitch)
        ]
        mask = [part.mask.window, part.mask.ahead, part.mask.chunk, part.mask.prefix]
        first_page = part.first_key // pages.tokens if pages else 0
        found.append(
            [
                *(*places, job.scales, part.queries, part.keys, part.start, *heads, *mask, *paged, job.intervals),
                *(job.sinks, job.slopes, scales[0] + (TOKEN_SCALE_BYTES * first_key if scales[0] else 0), scales[1]),
                *lse,
                *(job.queries, job.keys, job.sequences, part.first_row, part.first_key, first_page),
                *(status != Status.OK, planned, planned and not opened, len(found) + 1 == len(work.parts)),
                *(page_list, arrival),
            ]
        )
        opened |= planned
    return found


@functools.cache
def _library(constants: frozenset[tuple[str, int]]) -> ctypes.CDLL:
    """The kernel, compiled once for this machine."""
    sources = sorted(KERNEL.iterdir())
    options = (*COMPILER, *(f"-D{name}={value}" for name, value in {**CONSTANTS, **dict(constants)}.items()))
    key = short_hash(*(source.read_text(encoding="utf-8") for source in sources), repr(options), os.uname().machine)
    place = build_root() / f"cycles-{key}"
    with filled_once(place) as scratch:
        if scratch:
            command = [*options, f"-I{KERNEL}", str(KERNEL / "chip.c"), "-o", str(scratch / "chip.so")]
            try:
                done = run_program(command, limit_s=COMPILE_SECONDS)
            except FileNotFoundError as error:
                raise InputError(
                    "the system model is compiled and needs a C compiler: install it with 'apt-get install gcc', "
                    f"{error.filename} must be on PATH"
                ) from error
            if done.returncode:
                raise RuntimeError(f"the system model does not compile\n{done.stderr}")
    return ctypes.CDLL(str(place / "chip.so"))
