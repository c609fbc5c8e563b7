"""Host driver: pushes jobs that lie in memory and waits for them, over any transport.

A transport moves 32-bit words at byte offsets of the register map: cocotbext-axi in a simulation, memory-mapped
registers elsewhere. All waiting is polling. Every wait has a limit. `job_writer.write_job` checks a job and writes it
into memory:

    await write_job(memory, chip, Work(job=descriptor, sequences=entries), address)
    await driver.run(address)
"""

import asyncio
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fusioncim.chip.counters import counters
from fusioncim.chip.registers import REGISTER_ADDRESS_BITS, Register, registers
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.errors import InputError
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.job_writer import check_address

RESULTS = 8
"""Results that the chip keeps: so many jobs may be under way or unread."""


class Transport(Protocol):
    """Access to the registers of a chip."""

    async def read(self, offset: int) -> int:
        """The word at a byte offset."""

    async def write(self, offset: int, value: int) -> None:
        """Write the word at a byte offset."""

    async def pause(self) -> None:
        """Let a little time pass between two polls."""


class MappedRegisters:
    """A transport over memory-mapped registers: a device file such as /dev/uio0, or any file, from byte `base` on.

    base: a multiple of the page size; seconds: between two polls.
    """

    def __init__(self, path: Path, *, base: int = 0, seconds: float = 1e-4) -> None:
        with path.open("r+b") as file:
            self._words = memoryview(mmap.mmap(file.fileno(), 1 << REGISTER_ADDRESS_BITS, offset=base)).cast("I")
        self._seconds = seconds

    async def read(self, offset: int) -> int:
        """The word at a byte offset."""
        return self._words[offset // 4]

    async def write(self, offset: int, value: int) -> None:
        """Write the word at a byte offset."""
        self._words[offset // 4] = value

    async def pause(self) -> None:
        """A short sleep."""
        await asyncio.sleep(self._seconds)


class JobError(RuntimeError):
    """A job ended with another status than OK.

    sequence: number of the first one that failed; 0 also where the whole job did.
    """

    def __init__(self, number: int, status: Status, sequence: int = 0) -> None:
        place = f"job {number}, sequence {sequence}" if sequence else f"job {number}"
        super().__init__(f"{place}: {status.words}")
        self.number, self.status, self.sequence = number, status, sequence


class ChipTimeoutError(RuntimeError):
    """The chip did not do within the limit what it was asked for."""


@dataclass(frozen=True)
class BitField:
    """A field of a register: bits `low` and above of its word, as many as `mask` has."""

    register: Register
    low: int
    mask: int


def bit_field(register: str, field: str) -> BitField:
    """The field of that name."""
    found = registers()[register]
    this = found.fields[field]
    return BitField(found, this.low, (1 << this.width) - 1)


class Driver:
    """Speaks to one chip.

    polls: reads of a status register before a wait gives up.
    """

    def __init__(self, transport: Transport, chip: ChipConfig, *, polls: int = 1_000_000) -> None:
        self.transport, self.chip, self.polls = transport, chip, polls
        self._next = 0  # number of the next job
        self._read = 0  # jobs whose result was taken

    async def get(self, register: str, field: str) -> int:
        """A field."""
        this = bit_field(register, field)
        return (await self.transport.read(this.register.offset)) >> this.low & this.mask

    async def put(self, register: str, **values: int) -> None:
        """Write a register: the named fields, 0 elsewhere."""
        word = 0
        for field, value in values.items():
            this = bit_field(register, field)
            if not 0 <= value <= this.mask:
                raise InputError(f"{register}.{field} must be from 0 to {this.mask}, not {value}")
            word |= value << this.low
        await self.transport.write(registers()[register].offset, word)

    async def connect(self) -> None:
        """Check that this is the chip it is taken for."""
        for field in registers()["ID"].fields.values():
            word = await self.transport.read(registers()["ID"].offset)
            if word != field.reset:
                raise InputError(f"ID must be {field.reset:#x} (no chip answers here), not {word:#x}")
        major = await self.get("VERSION", "major")
        known = registers()["VERSION"].fields["major"].reset
        if major != known:
            raise InputError(f"VERSION.major must be {known} (the registers that this driver knows), not {major}")
        for name, value in self.chip.capability().items():
            found = await self.get(f"CAPABILITY_{name.upper()}", "value")
            if found != value:
                raise InputError(f"{name} of the chip must be {value}, as configured, not {found}")
        self._next = self._read = await self.get("JOBS_SUBMITTED", "count")

    async def submit(self, address: int, *, check: bool = True) -> int:
        """Push the job whose record lies at this address, as soon as the queue has room; returns its number.

        The record, the tables and the operands stay as they are until the job is waited for. check: refuse an address
        that the chip would refuse.
        """
        if check:
            check_address(self.chip, address)
        if self._next - self._read >= RESULTS:
            raise InputError(f"at most {RESULTS} jobs may be unread: wait for job {self._read} first")
        await self.put("JOB_ADDRESS_LO", value=address & 0xFFFFFFFF)
        await self.put("JOB_ADDRESS_HI", value=address >> 32)
        await self._until("room in the job queue", "STATUS", "queue_free")
        await self.put("CONTROL", push=1)
        self._next += 1
        return self._next - 1

    async def wait(self, number: int) -> None:
        """Wait for a job; raise JobError unless it ended well. Jobs are waited for in their order."""
        if not self._read <= number < self._next:
            raise InputError(f"job must be one that was pushed and not waited for, not {number}")
        for _ in range(self.polls):
            done = await self.get("JOBS_COMPLETED", "count")
            if (done - number - 1) & 0xFFFF < 1 << 15:
                break
            await self.transport.pause()
        else:
            raise ChipTimeoutError(f"job {number} did not end within {self.polls} polls")
        result = f"RESULT[{number % RESULTS}]"
        status, sequence = Status(await self.get(result, "status")), await self.get(result, "sequence")
        self._read = number + 1
        if status != Status.OK:
            raise JobError(number, status, sequence)

    async def run(self, address: int) -> None:
        """Push the job whose record lies at this address and wait for it."""
        await self.wait(await self.submit(address))

    async def abort(self) -> None:
        """Stop everything; the jobs under way end as ABORTED. ChipTimeoutError if the bus stands still."""
        await self.put("CONTROL", abort=1)
        for _ in range(self.polls):
            if not await self.get("STATUS", "aborting"):
                break
            await self.transport.pause()
        else:
            raise ChipTimeoutError(f"the chip did not stop within {self.polls} polls")
        if await self.get("STATUS", "stalled"):
            raise ChipTimeoutError(Status.STALLED.words)

    async def limit_stalls(self, cycles: int) -> None:
        """End jobs and aborts when the bus owes something and stands still for so many cycles; 0: never."""
        await self.put("STALL_LIMIT", value=cycles)

    async def counters(self) -> dict[str, int]:
        """All event counters."""
        values = {}
        for name in counters():
            low = await self.transport.read(registers()[f"COUNTERS_{name.upper()}_LO"].offset)
            high = await self.transport.read(registers()[f"COUNTERS_{name.upper()}_HI"].offset)
            values[name] = low | high << 32
        return values

    async def clear_counters(self) -> None:
        """Set all counters to 0."""
        await self.put("CONTROL", clear_counters=1)

    async def _until(self, what: str, register: str, field: str) -> None:
        for _ in range(self.polls):
            if await self.get(register, field):
                return
            await self.transport.pause()
        raise ChipTimeoutError(f"no {what} within {self.polls} polls")
