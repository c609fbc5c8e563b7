"""The job table against a model: sequences in random order of ends, errors, and what becomes of a job."""

import random
from collections import deque
from pathlib import Path

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from fusioncim.chip.descriptor import job_layout, result_layout
from fusioncim.chip.job_table import SLOTS, JobTable
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import pack
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.rtl.stream import reset

TINY = PRESETS["tiny"].override(read_ports=2)
ERRORS = {
    ("scale_error", "scale_slot"): Status.SCALE,
    ("read_error__0", "read_slot__0"): Status.READ_ERROR,
    ("read_error__1", "read_slot__1"): Status.READ_ERROR,
    ("page_failed", None): Status.PAGE,
    ("interval_error", "interval_slot"): Status.INTERVAL,
    ("refused", "refused_slot"): Status.GUARD,
}
"""The ports that say that an error came, and in which slot; without the latter, a bit for each."""


def zeros(shape):
    """A job of nothing, for the layout's members."""
    return {name: zeros(field.shape) if hasattr(field.shape, "members") else 0 for name, field in shape}


@cocotb.test()
async def follows_sequences(dut):
    rng = random.Random(case()["seed"])
    layout, results = job_layout(TINY), result_layout()
    jobs = [
        [
            (rng.choice([0, 1, 3, 9]), rng.choice([Status.OK] * 3 + [Status.SEQUENCE]))
            for _ in range(rng.choice([1, 1, 2, 9]))
        ]
        for _ in range(120)
    ]
    parts = deque(
        {"rows": rows, "status": status, "last": n + 1 == len(job), "job": j, "number": n}
        for j, job in enumerate(jobs)
        for n, (rows, status) in enumerate(job)
    )
    signals = ("row_written", "write_error", *(name for name, _ in ERRORS))
    for name in (*signals, "row_slot", *(slot for _, slot in ERRORS if slot)):
        getattr(dut, name).value = 0
    dut.i__valid.value = dut.o__ready.value = 0
    dut.o_result__ready.value = 1
    await reset(dut)
    slots = {}  # slot: the sequence, its rows that are left, its status
    outcomes = [(Status.OK, 0) for _ in jobs]
    found, planned, newest = [], set(), 0
    for _ in range(20_000):
        # What happens in this cycle.
        shown = parts[0] if parts and rng.random() < 0.7 else None
        dut.i__valid.value = int(shown is not None)
        if shown:
            values = {name: shown[name] for name in ("rows", "status", "last")}
            dut.i__payload.value = pack(layout, zeros(layout) | values)
        dut.o__ready.value = int(rng.random() < 0.7)
        loaded = [slot for slot, each in slots.items() if each["left"]]
        for name in signals:
            getattr(dut, name).value = 0
        written = rng.choice(loaded) if loaded and rng.random() < 0.6 else None
        failing = rng.random() < 0.03
        if written is not None:
            # A row, or log-sum-exp.
            is_row = int(rng.random() < 0.8)
            dut.row_written.value, dut.row_slot.value, dut.write_error.value = is_row, written, int(failing)
        error = rng.choice(list(ERRORS)) if loaded and rng.random() < 0.04 else None
        hit = rng.choice(loaded) if loaded else 0
        if error:
            name, slot = error
            getattr(dut, name).value = 1 if slot else 1 << hit
            if slot:
                getattr(dut, slot).value = hit
        await ReadOnly()
        failed = int(dut.failed.value)
        assert failed == sum(1 << slot for slot, each in slots.items() if each["status"] != Status.OK)
        assert int(dut.writes.value) == sum(1 << slot for slot in loaded)
        opens = int(dut.o__valid.value)
        if opens:
            assert shown["rows"]
            assert shown["status"] == Status.OK
            payload = layout.from_bits(int(dut.o__payload.value))
            assert payload.opens == (shown["job"] not in planned)
            assert payload.rows == shown["rows"]
            assert int(dut.slot.value) == newest
        taken = shown is not None and bool(dut.i__ready.value)
        if taken and opens:
            assert dut.o__ready.value == 1
        if dut.o_result__valid.value:
            result = results.from_bits(int(dut.o_result__payload.value))
            found.append((Status(result.status), int(result.sequence)))
        under_way = any(each["job"] == shown["job"] for each in slots.values()) if shown else False
        if slots or (shown and shown["number"] and under_way):
            assert dut.running.value == 1
        await RisingEdge(dut.clk)
        # The model.
        for slot in [slot for slot, each in slots.items() if each["ends"]]:
            each = slots.pop(slot)
            if each["status"] != Status.OK and outcomes[each["job"]][0] == Status.OK:
                outcomes[each["job"]] = (each["status"], each["number"])
        if error and slots[hit]["status"] == Status.OK:
            slots[hit]["status"] = ERRORS[error]
        if written is not None:
            each = slots[written]
            if failing and each["status"] == Status.OK:
                each["status"] = Status.WRITE_ERROR
            each["left"] -= is_row
        if taken:
            rows = shown["rows"] if shown["status"] == Status.OK else 0
            slots[newest] = {**parts.popleft(), "left": rows, "ends": False}
            newest = (newest + 1) % SLOTS
            if rows:
                planned.add(shown["job"])
        oldest = next(iter(slots), None)
        if oldest is not None:
            slots[oldest]["ends"] = slots[oldest]["left"] == 0
        if not parts and not slots:
            break
    assert found == outcomes
    assert {status for status, _ in found} >= {Status.OK, Status.SEQUENCE, Status.WRITE_ERROR, *ERRORS.values()}


def test_sequences_end_in_order_and_a_job_as_its_first_failure():
    for seed in (1, 2):
        run(JobTable(TINY), Path(__file__).stem, "follows_sequences", {"seed": seed}, path=Path(__file__).parent)
