"""Jobs pushed one after the other as the queue of a chip takes them, each waited for: the same over every transport."""

from collections.abc import Iterable

from fusioncim_golden.status import Status
from fusioncim_sim.coverage import record
from fusioncim_sim.rtl.driver import RESULTS, Driver, JobError


async def ended(driver: Driver, number: int) -> tuple[Status, int]:
    """How a job ended, and the first of its sequences that failed."""
    status, sequence = Status.OK, 0
    try:
        await driver.wait(number)
    except JobError as error:
        status, sequence = error.status, error.sequence
    record.status(status)
    return status, sequence


async def run_all(driver: Driver, addresses: Iterable[int]) -> list[tuple[Status, int]]:
    """Connect, let the chip raise its interrupt, push the jobs whose records lie there; how each ended."""
    await driver.connect()
    await driver.put("IRQ_ENABLE", done=1, error=1)
    pending: list[int] = []
    found: list[tuple[Status, int]] = []
    for address in addresses:
        if len(pending) == RESULTS:
            found.append(await ended(driver, pending.pop(0)))
        pending.append(await driver.submit(address))
    return [*found, *[await ended(driver, number) for number in pending]]
