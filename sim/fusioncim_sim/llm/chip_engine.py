"""The engine of a backend that is a chip: its Verilog, compiled to a library, computes every attention.

It has the interface of the golden engine (`pytorch.engine.Engine`) and gets the same integers. Q, the tables and the
record of a job go into the memory that is lent to the chip; K and V are there already (`paged_cache`). All sequences
of a batch are one job with a table.
"""

import asyncio
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fusioncim_golden.arith import Int
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.descriptor import Work
from fusioncim_golden.errors import InputError
from fusioncim_golden.pytorch.engine import attend, outputs
from fusioncim_golden.pytorch.operands import Operands
from fusioncim_golden.scale_table import pack_scales
from fusioncim_sim.library.binding import ChipModel, Registers
from fusioncim_sim.llm.chip_work import ChipWork, counts_of, size_of
from fusioncim_sim.llm.paged_cache import PagedSequences
from fusioncim_sim.rtl.driver import Driver
from fusioncim_sim.rtl.job_writer import check_work, placed
from fusioncim_sim.rtl.tensor_bytes import pack_integers, unpack_integers, view
from fusioncim_sim.system import cycles
from fusioncim_sim.system.cycles import Counts, Memory

PAUSE_CYCLES = 2_000
"""Cycles of the model between two looks at the chip, unless its interrupt comes before; a signal waits for them."""
JOB_CYCLES = 50_000_000
"""Cycles after which a job is taken for stuck."""


class CountingEngine(Protocol):
    """An engine (`pytorch.engine.Engine`) that says what its chip has done."""

    def attend(self, config: Config, operands: Operands, *, engines: int, layer: int) -> Tensor:
        """As of `Engine`."""

    def worked(self) -> ChipWork:
        """What the chip has done since it was asked last."""


class LayerJobs:
    """Makes the job of a layer of the integers of a call: whatever computes it gets the same one."""

    def __init__(self, chip: ChipConfig, pages: PagedSequences) -> None:
        self.chip, self.pages = chip, pages

    def check(self, config: Config, engines: int) -> None:
        """Refuse a backend of another chip's arithmetic."""
        if (config, engines) != (self.chip.engine, self.chip.engines):
            raise InputError("the chip must be the one whose arithmetic the backend has, not another")

    def work(self, operands: Operands, layer: int) -> Work:
        """The job of a layer, whose table has the sequences that take part; it has the tables that the model has."""
        job = self.pages.places.jobs[layer]
        parts = operands.segments[:: job.kv_heads]
        entries = self.pages.entries([each.job.mask for each in parts])
        for entry, part in zip(entries, parts, strict=True):
            own = part.job.queries, part.job.keys, part.job.first_position(), part.job.intervals is not None
            if own != (entry.queries, entry.keys, entry.start, False):
                raise InputError("a sequence must have the queries and keys of its cache, and no table of intervals")
        heads = operands.group * job.kv_heads
        if heads != job.heads:
            raise InputError(f"layer {layer} must have the {job.heads} query heads of its configuration, not {heads}")
        sinks = 0 if operands.sinks is None else job.sinks
        slopes = 0 if operands.slopes is None else job.slopes
        work = Work(job=replace(job, sequences=len(entries), sinks=sinks, slopes=slopes), sequences=entries)
        check_work(self.chip, work)
        return work


class GoldenChip:
    """The golden model in the place of the chip; what the chip would do is that of the cycle model.

    memory: behind the chip.
    """

    def __init__(self, chip: ChipConfig, pages: PagedSequences, memory: Memory) -> None:
        self._jobs, self._memory = LayerJobs(chip, pages), memory
        self._worked = ChipWork()

    def attend(self, config: Config, operands: Operands, *, engines: int, layer: int) -> Tensor:
        """As of `Engine`."""
        jobs = self._jobs
        jobs.check(config, engines)
        work = jobs.work(operands, layer)
        counts = cycles.run(jobs.chip, [replace(work, page_list=jobs.pages.numbers())], self._memory)
        self._worked += replace(size_of(work), counts=counts)
        return attend(config, operands, engines=engines)

    def worked(self) -> ChipWork:
        """As of `CountingEngine`."""
        found, self._worked = self._worked, ChipWork()
        return found


class ChipEngine:
    """A chip that computes the attention of a model, layer after layer.

    model: the chip, to which the memory of the pages is lent. pages: of the cache.
    """

    def __init__(self, model: ChipModel, pages: PagedSequences) -> None:
        self._jobs, self._model, self._memory = LayerJobs(model.chip, pages), model, pages.memory
        self._registers = Registers(model, cycles=PAUSE_CYCLES)
        self._driver = Driver(self._registers, model.chip, polls=JOB_CYCLES)
        self._size, self._counted = ChipWork(), Counts()
        asyncio.run(self._connect())

    async def _connect(self) -> None:
        await self._driver.connect()
        await self._driver.put("IRQ_ENABLE", done=1, error=1)

    def attend(self, config: Config, operands: Operands, *, engines: int, layer: int) -> Tensor:
        """As of `Engine`; the layer's keys and values are those that lie in its pages."""
        self._jobs.check(config, engines)
        work = self._jobs.work(operands, layer)
        self._write(work, operands)
        asyncio.run(self._run())
        self._size += size_of(work)
        return self._read(work, operands)

    def worked(self) -> ChipWork:
        """As of `CountingEngine`."""
        total = counts_of(asyncio.run(self._driver.counters()))
        found = replace(self._size, counts=total + self._counted * -1)
        self._size, self._counted = ChipWork(), total
        return found

    def _write(self, work: Work, operands: Operands) -> None:
        """Queries, tables and record."""
        job = work.job
        q = self._by_token(work, operands.q)
        vectors = view(self._memory, job.q, len(q), job.heads, job.query_bytes(self._jobs.chip))
        vectors[:] = pack_integers(q, self._jobs.chip.engine.operand_bits)
        mantissa, shift = (self._per_head(work, operands, name) for name in ("mantissa", "shift"))
        self._put(job.scales, pack_scales(mantissa, shift, operands.centred).astype("<u4").tobytes())
        for name in ("sinks", "slopes"):
            if getattr(job, name):
                self._put(getattr(job, name), self._per_head(work, operands, name).astype("<u4").tobytes())
        for address, data in placed(work, self._jobs.pages.places.record).items():
            self._put(address, data)

    def _by_token(self, work: Work, x: Tensor) -> Int:
        """Rows [jobs, rows, ..] of the backend as [new tokens, heads, ..]: those of the table, one after the other."""
        every = self._rows(work, x.cpu().to(torch.int64).numpy())
        return np.concatenate([each[: part.queries] for part, each in zip(work.sequences, every, strict=True)])

    def _rows(self, work: Work, x: Int) -> Int:
        """Rows [jobs, rows, ..] of the backend, as a view [sequences, queries of the longest, heads, ..]."""
        kv_heads, heads = work.job.kv_heads, work.job.heads
        apart = x.reshape(len(work.sequences), kv_heads, -1, heads // kv_heads, *x.shape[2:])
        return apart.swapaxes(1, 2).reshape(len(work.sequences), -1, heads, *x.shape[2:])

    def _per_head(self, work: Work, operands: Operands, name: str) -> Int:
        """What all rows of a query head have, [heads]."""
        rows = self._by_token(work, getattr(operands, name))
        if (rows != rows[:1]).any():
            raise InputError(f"a job of the chip has one {name} per query head, not one per token")
        return rows[0]

    def _put(self, address: int, data: bytes) -> None:
        self._memory[address : address + len(data)] = np.frombuffer(data, np.uint8)

    async def _run(self) -> None:
        """Push the job and wait for its interrupt. Errors: a status that is not OK, a job that takes too long."""
        await self._driver.put("IRQ_STATUS", done=1, error=1)
        self._registers.limit = self._model.cycles + JOB_CYCLES
        await self._driver.run(self._jobs.pages.places.record)

    def _read(self, work: Work, operands: Operands) -> Tensor:
        """The outputs, [jobs, rows, columns of v] as the backend has them; rows behind the last of a job are 0."""
        job = work.job
        count = sum(part.queries for part in work.sequences)
        stored = view(self._memory, job.o, count, job.heads, job.row_bytes(self._jobs.chip))
        found = unpack_integers(stored, job.output_bits)
        longest = operands.q.shape[1] // operands.group
        every = np.zeros((len(work.sequences), longest, job.heads, job.outputs), np.int64)
        for n, part in enumerate(work.sequences):
            every[n, : part.queries] = found[part.first_row : part.first_row + part.queries]
        apart = every.reshape(len(every), longest, job.kv_heads, -1, job.outputs).swapaxes(1, 2)
        return torch.from_numpy(apart.reshape(outputs(operands)).copy())
