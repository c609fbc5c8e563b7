"""Whole chips where something outside is wrong: words of the scale table, answers of the bus, a bus that stands still.

A job never ends as OK with a wrong output, and every job ends.
"""

import json
from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles
from tests.cases import SHARE, one_in, part

from fusioncim.chip.registers import OKAY, registers
from fusioncim_golden import job as golden
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import Heads
from fusioncim_golden.scale_table import least_shift, legal_scales, pack_scales
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.chip_bench import Bench
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip
from fusioncim_sim.rtl.driver import ChipTimeoutError
from fusioncim_sim.rtl.stream import reset, within

TINY = PRESETS["tiny"]
LEAST = least_shift(TINY.engine)
TWO_PORTS = TINY.override(read_ports=2)
LIMIT = 400


def heads_of(seed, group, queries, keys, scales, extreme=False):
    """Operands of a group: random, or the largest of both signs; scales: mantissa and shift of every head."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.choice([-128, 127], shape) if extreme else rng.integers(-127, 128, shape)

    codes = np.repeat(np.array(scales)[:, None], queries, axis=1)
    shape = (group, queries, TINY.engine.columns)
    q, k, v = draw(*shape), draw(keys, shape[-1]), draw(keys, shape[-1])
    if extreme:
        q[:, 0], k[0], k[1] = -128, -128, 127
    return Heads(
        q=q, k=k, v=v, mantissa=codes[..., 0], shift=codes[..., 1], scale_q=np.ones(shape[:2]), scale_k=1.0,
        scale_v=1.0, softmax_scale=1.0,
    )  # fmt: skip


def launch(jobs, coroutine, chip=TINY, **extra):
    simulate_chip(
        chip,
        jobs,
        cycles=1,
        bench=(Path(__file__).stem, coroutine),
        path=Path(__file__).parent,
        simulator="icarus",
        extra={"expected": [golden.run(TINY, job.groups).out.tolist() for job in jobs], **extra},
    )


class Jobs:
    """The jobs of the bench, with what they must give."""

    def __init__(self, dut):
        self.dut = dut
        self.bench = Bench(dut, case())
        self.driver, self.memory = self.bench.driver, self.bench.memory
        self.images = self.bench.images
        self.expected = [np.array(out) for out in case()["expected"]]

    async def push(self):
        """Push all jobs, their outputs cleared."""
        for image in self.images:
            self.memory.bytes[image.descriptor.o.address : image.descriptor.scales] = 0
        return [await self.driver.submit(image.address) for image in self.images]

    async def outcomes(self, numbers):
        """The status of every job; one that is OK has the right outputs."""
        found = []
        for n, number in enumerate(numbers):
            found.append(await self.bench.status(number))
            if found[-1] == Status.OK:
                assert np.array_equal(self.images[n].outputs(self.memory.bytes), self.expected[n]), n
        return found

    async def are_right(self):
        assert await self.outcomes(await self.push()) == [Status.OK] * len(self.images)

    def save(self):
        Path(case()["out"]).write_text(json.dumps({"statuses": [], "counters": {}}), encoding="utf-8")


# Registers.


@cocotb.test()
async def shows_no_unknown_bit(dut):
    jobs = Jobs(dut)
    await reset(dut)

    async def read():
        for register in registers().values():
            answer = await jobs.bench.transport.master.read(register.offset, 4)
            assert answer.resp == OKAY, register.name
            known = sum((field.reset or 0) << field.low for field in register.fields.values())
            if register.name not in ("STATUS",) and not register.name.startswith("CAPABILITY_"):
                assert int.from_bytes(answer.data, "little") == known, register.name

    await within(dut, 3000, read())
    jobs.save()


def test_every_register_is_known_after_a_reset():
    """The bench refuses an X: that is why it is Icarus."""
    launch([ChipJob(groups=[heads_of(1, 1, 1, 1, [(128, LEAST)])])], "shows_no_unknown_bit")


# Scale words.

GOOD = [(200, LEAST + 3), (129, 31)]


@cocotb.test()
async def judges_scale_words(dut):
    jobs = Jobs(dut)
    await reset(dut)
    table = jobs.images[0].descriptor.scales
    place = jobs.memory.bytes[table : table + 8].view("<u4")
    good = place[1]

    async def judge():
        await jobs.driver.connect()
        for word in case()["words"]:
            place[1] = word
            assert await jobs.outcomes(await jobs.push()) == [Status.SCALE, Status.OK], hex(word)
            # The head with the good scale comes first; nothing of the other is written.
            assert not jobs.images[0].outputs(jobs.memory.bytes)[1].any()
        place[1] = good
        await jobs.are_right()
        # The table of the second job has one head: what lies behind its word is nobody's.
        table = jobs.images[1].descriptor.scales
        jobs.memory.bytes[table + 4 : table + 8] = 0xFF
        await jobs.are_right()

    await within(dut, 80_000, judge())
    jobs.save()


def test_a_word_that_is_no_scale_ends_its_job_alone():
    words = [
        *(0, 0xFF, 1 << 31, (1 << 32) - 1, 1 << 14 | LEAST << 8 | 200, 1 << 31 | LEAST << 8 | 200),
        *(mantissa | LEAST + 3 << 8 for mantissa in (0, 1, 64, 127)),
        *(mantissa | shift << 8 for mantissa in (128, 255) for shift in (0, LEAST - 1)),
    ]
    assert not legal_scales(TINY.engine, np.array(words)).any()
    assert LEAST == 7
    jobs = [
        ChipJob(groups=[heads_of(1, 2, 3, 7, GOOD)], layout="token"),
        ChipJob(groups=[heads_of(2, 1, 2, 5, GOOD[:1])]),
    ]
    launch(jobs, "judges_scale_words", words=words)


def test_no_legal_scale_wraps_at_the_largest_scores():
    codes = [(m, s) for m in (128, 129, 200, 254, 255) for s in (LEAST, LEAST + 1, 10, 20, 31)]
    assert legal_scales(TINY.engine, pack_scales(*np.array(codes).T)).all()
    jobs = [ChipJob(groups=[heads_of(n, len(codes), 4, 6, codes, extreme=True)]) for n in range(2)]
    run = simulate_chip(TINY, jobs, cycles=60_000)
    assert run.statuses == [Status.OK] * 2
    for job, outputs in zip(jobs, run.outputs, strict=True):
        assert np.array_equal(golden.run(TINY, job.groups).out, outputs)


# Answers that were not asked for.


@cocotb.test()
async def meets_unasked_answers(dut):
    jobs = Jobs(dut)
    await reset(dut)
    direction, answers = case()["direction"], case()["answers"]
    options = {name: case()[name] for name in ("last", "port")}
    seen = set()

    async def without_a_job():
        await jobs.memory.answer_unasked(direction, answers, **options)
        await ClockCycles(dut.clk, 10)
        found = await jobs.outcomes(await jobs.push())
        assert found[0] == Status.PROTOCOL
        assert set(found) <= {Status.OK, Status.PROTOCOL}

    async def within_a_job(cycles):
        numbers = await jobs.push()
        await ClockCycles(dut.clk, cycles)
        await jobs.memory.answer_unasked(direction, answers, **options)
        found = await jobs.outcomes(numbers)
        seen.update(found)
        assert set(found) <= {Status.OK, Status.PROTOCOL}
        if Status.PROTOCOL not in found:
            assert (await jobs.outcomes(await jobs.push()))[0] == Status.PROTOCOL

    async def then_right(work):
        """What is left of it may meet one more job, and then no other."""
        await work
        await ClockCycles(dut.clk, 100)
        await jobs.outcomes(await jobs.push())
        await jobs.are_right()

    await within(dut, 200, jobs.driver.connect())
    await within(dut, 20_000, then_right(without_a_job()))
    for cycles in case()["points"]:
        await within(dut, 20_000, then_right(within_a_job(cycles)))
    assert Status.PROTOCOL in seen
    jobs.save()


@pytest.mark.long
@pytest.mark.parametrize(
    ("direction", "answers", "last", "port"),
    one_in(
        4,
        [
            *(("read", 1, True, ""), ("read", 3, False, ""), ("write", 1, True, ""), ("write", 3, True, "")),
            ("read", 2, False, "v_"),
        ],
    ),
)
def test_answers_that_were_not_asked_end_jobs(direction, answers, last, port):
    points = [0, 290, 320, 350, 380, 420, 500, 600, 800][::SHARE]
    case = {"direction": direction, "answers": answers, "last": last, "port": port, "points": points}
    launch(two_jobs(), "meets_unasked_answers", TWO_PORTS if port else TINY, **case)


def two_jobs():
    return [
        ChipJob(groups=[heads_of(n + kv, 2, 3, 9 + 4 * n, GOOD) for kv in range(2)], layout=layout)
        for n, layout in enumerate(("token", "head"))
    ]


# A bus that stands still.


@cocotb.test()
async def meets_a_bus_that_stands_still(dut):
    jobs = Jobs(dut)
    await reset(dut)
    channel, driver = case()["channel"], jobs.driver

    async def stalls(cycles):
        """Two jobs under way and one behind; when the bus moves again, so does the chip."""
        numbers = await jobs.push()
        await ClockCycles(dut.clk, cycles)
        jobs.memory.stand_still(channel)
        found = await jobs.outcomes(numbers)
        if Status.STALLED not in found:  # they were done before
            jobs.memory.stand_still()
            return 0
        assert sorted(found) == found
        assert set(found) <= {Status.OK, Status.STALLED}
        assert await driver.get("STATUS", "stalled") == 1
        assert await jobs.outcomes(await jobs.push()) == [Status.STALLED] * 2
        await moves_again()
        return 1

    async def moves_again():
        jobs.memory.stand_still()
        while await driver.get("STATUS", "stalled"):
            pass
        await jobs.are_right()

    async def aborts():
        numbers = await jobs.push()
        await ClockCycles(dut.clk, case()["points"][0])
        jobs.memory.stand_still(channel)
        await ClockCycles(dut.clk, 100)
        with pytest.raises(ChipTimeoutError, match="the chip goes on once the bus gives all that it owes"):
            await driver.abort()
        found = await jobs.outcomes(numbers)
        assert set(found) <= {Status.OK, Status.ABORTED}
        await moves_again()

    async def without_a_limit():
        """Nothing ends until there is one."""
        await driver.limit_stalls(0)
        numbers = await jobs.push()
        await ClockCycles(dut.clk, case()["points"][0])
        jobs.memory.stand_still(channel)
        await ClockCycles(dut.clk, 4 * LIMIT)
        assert await driver.get("STATUS", "busy") == 1
        assert await driver.get("STATUS", "stalled") == 0
        await driver.limit_stalls(LIMIT)
        assert Status.STALLED in await jobs.outcomes(numbers)
        await moves_again()

    async def work():
        await driver.connect()
        await driver.limit_stalls(LIMIT)
        await jobs.are_right()
        stalled = [await stalls(cycles) for cycles in case()["points"]]
        assert sum(stalled) >= 2
        await aborts()
        await without_a_limit()

    await within(dut, 60_000, work())
    jobs.save()


@pytest.mark.long
@pytest.mark.parametrize("channel", part(("ar", "r", "aw", "w", "b", "v_r"), "w", "v_r"))
def test_a_bus_that_stands_still_ends_jobs_and_aborts(channel):
    points = [380, 450, 650] if channel in ("aw", "w", "b") else [300, 200, 400]
    chip = TWO_PORTS if channel.startswith("v_") else TINY
    launch(two_jobs(), "meets_a_bus_that_stands_still", chip, channel=channel, points=points)
