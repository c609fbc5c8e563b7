"""Runs a case on the library of its chip and judges it: every byte, every status, every counter, and that it ends."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fusioncim.chip.registers import REGISTER_ADDRESS_BITS, registers
from fusioncim_golden.engine import Events
from fusioncim_golden.job import traffic
from fusioncim_golden.status import Status
from fusioncim_sim.library.binding import ChipModel, ModelError, Registers
from fusioncim_sim.library.run import most_cycles
from fusioncim_sim.rtl.driver import RESULTS, ChipTimeoutError, Driver
from fusioncim_sim.rtl.job_queue import ended, run_all
from fusioncim_sim.rtl.tensor_bytes import Bytes
from fusioncim_sim.soak.case import MEMORY_BYTES, Case
from fusioncim_sim.soak.place import PlacedCase, place

STALL_CYCLES = 20_000
"""STALL_LIMIT where the bus is to hang: more than it ever stands still before."""
EVENTS = ("rescales", "halvings", "row_updates", "slots", "zero_slots")
"""Events of the golden model whose counters have the same name."""


class WrongError(Exception):
    """The chip did not do what it must.

    kind: what is wrong, in one word. text: which job, what was found, and what should be.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind, self.text = kind, text


@dataclass(frozen=True)
class Done:
    """What a case did.

    Members:
        jobs: that were pushed; those of a case with a stop count twice.
        cycles: of the chip.
        statuses: how often a job ended so.
        events: of the golden model, of all jobs whose bytes were compared.
        exact: jobs of which every byte was told.
    """

    jobs: int
    cycles: int
    statuses: Counter[str]
    events: Events = field(default_factory=Events)
    exact: int = 0


class Looking(Registers):
    """Registers that are read while the chip works, also where none is."""

    def __init__(self, model: ChipModel, *, limit: int, seed: int) -> None:
        super().__init__(model, limit=limit)
        self._rng = np.random.default_rng(seed)
        self._offsets = [each.offset for each in registers().values()]

    async def pause(self) -> None:
        """Read something, then let some cycles pass."""
        try:
            self.model.read(self._offsets[self._rng.integers(len(self._offsets))])
            self.model.read((1 << REGISTER_ADDRESS_BITS) - 16)
        except ModelError as error:
            if "no such register" not in str(error):
                raise
        await super().pause()


def run_case(case: Case, library: Path) -> Done:
    """Run a case. Errors: WrongError; InputError where the case cannot be placed."""
    placed = place(case, MEMORY_BYTES)
    with ChipModel(library, placed.chip) as model:
        return _Run(placed, model).done()


class _Run:
    """A case on a chip."""

    def __init__(self, placed: PlacedCase, model: ChipModel) -> None:
        self.placed, self.case, self.model = placed, placed.case, model
        self.memory = model.map(placed.before.copy(), self.case.base)
        model.memory(latency=self.case.latency, share=self.case.share)
        self._pause()
        for begin, size, response, directions in placed.faults():
            model.fault(begin, size, response=response, directions=directions)
        part = self.case.pauses[1] if self.case.pauses else 0.0
        share = self.case.share * (1 - part) / 2
        self.limit = most_cycles(placed.chip, placed.works, latency=self.case.latency, share=share)
        self.registers = Looking(model, limit=0, seed=1) if self.case.looks else Registers(model)
        self.driver = Driver(self.registers, placed.chip, polls=self.limit)
        self.statuses: Counter[str] = Counter()
        self.jobs = 0

    def done(self) -> Done:
        """Run all of it."""
        try:
            if self.case.stop:
                kind, cycles = self.case.stop
                self._limit()
                asyncio.run(self._stopped(kind, cycles))
                self.memory[:] = self.placed.before
            self._limit()
            asyncio.run(self._undisturbed())
        except ChipTimeoutError as error:
            raise WrongError("hang", str(error)) from error
        except ModelError as error:
            raise WrongError("hang" if "still works" in str(error) else "bus", str(error)) from error
        events = Events()
        exact = [job for job in self.placed.jobs if job.exact]
        for job in exact:
            if job.status == Status.OK:
                events.add(job.result.events)
        return Done(self.jobs, self.model.cycles, self.statuses, events, len(exact))

    def _limit(self) -> None:
        self.registers.limit = self.model.cycles + self.limit + 2 * STALL_CYCLES

    def _pause(self) -> None:
        """As the case says."""
        seed, part, length = self.case.pauses or (0, 0.0, 1.0)
        self.model.pauses(seed=int(seed), part=part, length=length)

    async def _undisturbed(self) -> None:
        """All jobs to their end."""
        await self.driver.connect()
        await self.driver.clear_counters()
        found = await run_all(self.driver, self.placed.addresses)
        self._judge_statuses(found)
        for n, (job, (status, sequence)) in enumerate(zip(self.placed.jobs, found, strict=True)):
            if job.exact and (status, sequence) != job.first:
                raise WrongError("status", f"job {n} ended as {status.name} in {sequence}, not as {job.first}")
        self._judge_bytes([status for status, _ in found])
        self._judge_counters(await self.driver.counters(), found)

    async def _stopped(self, kind: str, cycles: int) -> None:
        """Push jobs until the stop, and see how they end."""
        await self.driver.connect()
        if kind == "hang":
            await self.driver.limit_stalls(STALL_CYCLES)
        end, numbers = self.model.cycles + cycles, []
        for address in self.placed.addresses[:RESULTS]:
            while self.model.cycles < end and not await self.driver.get("STATUS", "queue_free"):
                self.model.run(1)
            if self.model.cycles >= end:
                break
            numbers.append(await self.driver.submit(address))
        self.model.run(max(end - self.model.cycles, 0))
        if kind == "abort":
            await self.driver.abort()
        elif kind == "hang":
            self.model.pauses(part=1.0)
        found = [] if kind == "reset" else [await ended(self.driver, number) for number in numbers]
        if kind != "abort":
            self._pause()
            self.model.reset()
        self._judge_statuses(found, {"abort": Status.ABORTED, "hang": Status.STALLED}.get(kind))
        statuses = [status for status, _ in found]
        self._judge_bytes([*statuses, *[None] * (len(self.placed.jobs) - len(statuses))])

    def _judge_statuses(self, found: Sequence[tuple[Status, int]], stopped: Status | None = None) -> None:
        """Every job ended in a way in which it may; once it was stopped, so were all behind it."""
        before = False
        for n, (job, (status, _)) in enumerate(zip(self.placed.jobs, found, strict=False)):
            self.jobs += 1
            self.statuses[status.name] += 1
            may = job.outcomes(*[stopped] if stopped is not None else [])
            if status not in may or (before and status != stopped):
                names = ", ".join(sorted(each.name for each in may))
                raise WrongError("status", f"job {n} ended as {status.name}, not as one of {names}, behind {found[:n]}")
            before = status == stopped

    def _judge_bytes(self, statuses: Sequence[Status | None]) -> None:
        """Bytes of finished jobs are the golden model's, of failed ones too or untouched; no other changed."""
        before = self.placed.before
        golden, told = before.copy(), np.zeros_like(before)
        for job, status in zip(self.placed.jobs, statuses, strict=True):
            if job.status == Status.OK:
                job.put(golden)
                sure = status is not None and (status == Status.OK or (job.exact and status == job.first[0]))
                job.put(told, mark=2 if sure else 1)
        _same(self.placed, self.memory, golden, told)
        wrong_place = self.model.error
        legal = all(job.exact for job in self.placed.jobs)
        if wrong_place.startswith("the chip met no memory") and legal:
            raise WrongError("place", wrong_place)

    def _judge_counters(self, counters: dict[str, int], found: Sequence[tuple[Status, int]]) -> None:
        """Where all jobs are good, events are the golden model's, and so are the bytes that were moved."""
        chip = self.placed.chip
        if any(status != Status.OK or not job.exact for job, (status, _) in zip(self.placed.jobs, found, strict=True)):
            return
        want: Counter[str] = Counter()
        for job in self.placed.jobs:
            events = job.result.events
            want.update({name: getattr(events, name) for name in EVENTS})
            want["zero_row_updates"] += events.skipped_row_updates
            want.update(vars(traffic(chip, job.image.work)))
        idle = sum(value for name, value in counters.items() if name.startswith("idle_"))
        want["mac_cycles"] = want["slots"] * chip.engine.block_cycles
        want["cycles"] = (want["mac_cycles"] + idle) // chip.engines
        want["buffer_reads"] = counters["buffer_writes"]
        for name, value in want.items():
            if counters[name] != value:
                raise WrongError("counter", f"{name} is {counters[name]}, not {value}")


def _same(placed: PlacedCase, memory: Bytes, golden: Bytes, told: Bytes) -> None:
    """Compare a memory; told: 2 where a byte must be the golden model's, 1 where it may be untouched, 0 elsewhere."""
    before = placed.before
    wrong = memory != np.where(told == 2, golden, before)
    wrong &= (told != 1) | (memory != golden)
    if not wrong.any():
        return
    first = int(np.argmax(wrong))
    number = next((n for n, job in enumerate(placed.jobs) if first < job.image.end), len(placed.jobs))
    kind = "bytes" if told[first] else "stray"
    raise WrongError(
        kind,
        f"{np.count_nonzero(wrong)} bytes, the first at {placed.case.base + first:#x} in job {number}: "
        f"{memory[first]:#04x}, not {golden[first]:#04x} (it was {before[first]:#04x})",
    )
