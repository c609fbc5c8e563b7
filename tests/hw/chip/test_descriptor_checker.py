"""The descriptor checker against the golden rules: records and tables at every limit and beyond."""

import functools
from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.triggers import RisingEdge
from tests.cases import one_in, part
from tests.hw.chip.records import descriptor, entry

from fusioncim.chip.axi import read_request_layout
from fusioncim.chip.descriptor import descriptor_layout, job_layout, record_layout
from fusioncim.chip.descriptor_checker import DescriptorChecker
from fusioncim.chip.mask import MASK
from fusioncim.chip.read_arbiter import ReadKind, read_tag_layout
from fusioncim.chip.write_guard import write_bounds_layout
from fusioncim_golden.chip_config import chip_from_dict
from fusioncim_golden.descriptor import Descriptor, Sequence, Tensor, Work
from fusioncim_golden.limits import (
    JOB_BYTES,
    LSE_BYTES,
    MAX_PAGE_TOKENS,
    MAX_SEQUENCES,
    POSITIONS,
    SEQUENCE_BYTES,
    SLOPE_POSITIONS,
)
from fusioncim_golden.mask import EVERY
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.record import JOB_FIELDS, SEQUENCE_FIELDS, TENSORS, job_values, packed, sequence_values
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import pack
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.rtl.stream import Source, reset, within

TINY = PRESETS["tiny"]  # beats of 8 bytes, vectors of 16, output rows of 32
WIDE = TINY.override(columns=128, bus_bits=1024, buffer_bytes=1 << 14, address_bits=64)
CHIPS = {
    "bus of 64": TINY,
    "bus of 128": TINY.override(bus_bits=128, address_bits=40),
    "bus of 512": TINY.override(columns=64, bus_bits=512, buffer_bytes=1 << 14, address_bits=64, operand_bits=8),
    "bus of 1024": WIDE,
    "token scales, slopes": TINY.override(
        update_rank=4, columns=32, buffer_bytes=1 << 14, token_scale_bits=1, alibi=True
    ),
    "4 bits": TINY.override(operand_bits=4, softmax_lanes=2, output_bits=8),
}


def outputs_of(chip, regions):
    """Beats of what a job may write: the first, and twice the end, or the beat in which it is and 1."""
    beat = chip.bus_bytes
    return {
        (name, part): value
        for name, (start, end) in regions.items()
        for part, value in (("first", start // beat), ("end", 2 * (end // beat) + (end % beat != 0)))
        if end or part == "end"
    }


@cocotb.test()
async def judges_as_the_golden_rules(dut):
    this = case()
    chip = chip_from_dict(this["chip"])
    works = this["works"]
    source = Source(dut, "i")
    dut.o__ready.value = dut.o_read__ready.value = 1
    dut.beat_valid.value = 0
    await reset(dut)
    layout, requests = job_layout(chip), read_request_layout(chip, read_tag_layout(chip))
    bounds_layout = write_bounds_layout(chip)
    outputs = []

    async def serve():
        table, errors = b"", []
        while True:
            await RisingEdge(dut.clk)
            if not dut.o_read__valid.value:
                continue
            request = requests.from_bits(int(dut.o_read__payload.value))
            assert request.tag.kind == ReadKind.TABLE
            work = next((work for work in works if work["address"] == request.address), None)
            start = request.address
            if work:
                here, errors, table = bytes.fromhex(work["record"]), work["errors"], work
                assert request.beats == JOB_BYTES // chip.bus_bytes
                failed = "record" in errors
            else:
                number, rest = divmod(start - table["table_address"], SEQUENCE_BYTES)
                assert rest == 0
                assert request.beats == max(SEQUENCE_BYTES // chip.bus_bytes, 1)
                low = (start - table["table_address"]) // max(chip.bus_bytes, SEQUENCE_BYTES)
                here = bytes.fromhex(table["table"])
                if chip.bus_bytes > SEQUENCE_BYTES:
                    base = -table["table_address"] % chip.bus_bytes  # the beat may begin before the table
                    before = bytes(chip.bus_bytes - base) if base else b""
                    whole = before + here + bytes(chip.bus_bytes)
                    at = start // chip.bus_bytes * chip.bus_bytes - (table["table_address"] - len(before))
                    here = whole[at : at + chip.bus_bytes]
                else:
                    here = here[low * SEQUENCE_BYTES :]
                failed = number in errors
            dut.o_read__ready.value = 0
            for _ in range(int(this["latency"])):
                await RisingEdge(dut.clk)
            for n in range(request.beats):
                dut.beat.value = int.from_bytes(here[n * chip.bus_bytes : (n + 1) * chip.bus_bytes], "little")
                dut.beat_valid.value, dut.beat_last.value = 1, int(n == request.beats - 1)
                dut.beat_error.value = int(failed and n == request.beats // 2)
                await RisingEdge(dut.clk)
            dut.beat_valid.value = 0
            dut.o_read__ready.value = 1

    async def judge():
        for n, work in enumerate(works):
            for number, (status, values) in enumerate(work["expected"]):
                await RisingEdge(dut.clk)
                while not dut.o__valid.value:
                    await RisingEdge(dut.clk)
                found = layout.from_bits(int(dut.o__payload.value.to_unsigned() if this["resolved"] else bits(dut)))
                where = f"work {n}, sequence {number}: {Status(found.status).name}, not {Status(status).name}, {work}"
                assert found.status == status, where
                assert found.last == (number == len(work["expected"]) - 1), where
                if status == Status.OK:
                    bounds = bounds_layout.from_bits(int(dut.bounds.value))
                    for (name, part), value in outputs_of(chip, work["outputs"]).items():
                        assert bounds[name][part] == value, f"bounds of {name}: {part}; {where}"
                    for name, value in values.items():
                        each = functools.reduce(getattr, name.split("."), found)
                        assert each == value, f"{name}: {each}, not {value}; {where}"
        outputs.append(True)

    def bits(dut):
        return int(str(dut.o__payload.value).replace("x", "0").replace("X", "0").replace("U", "0"), 2)

    serving = cocotb.start_soon(serve())
    places = [pack(record_layout(chip), {"address": work["address"], "wide": work["wide"]}) for work in works]
    await within(dut, 3000 * sum(len(work["expected"]) for work in works), judge(), source.send_all(places))
    serving.cancel()
    assert outputs


GOOD = Descriptor(
    q=Tensor(address=0x10000, pitch=16, head_pitch=64),
    k=Tensor(address=0x20000, pitch=16, head_pitch=96),
    v=Tensor(address=0x30000, pitch=16, head_pitch=96),
    o=Tensor(address=0x1000, pitch=32, head_pitch=128),
    scales=0x40000,
    queries=4,
    keys=6,
    heads=6,
    kv_heads=2,
    dimension=16,
)
BATCH = {"table": 0x50000, "sequences": 3}
PAGED = {"list": 0x60000, "page_tokens": 4, "pages": 9, "k_page_pitch": 192, "v_page_pitch": 192}
BESIDES = {"sinks": 0x71000, "lse": 0x72000, "lse_pitch": 48, "kv_bits": 8}
FULL_VALUES = job_values(GOOD) | BATCH | PAGED | BESIDES | {"intervals": 0x70000}
PARTS = [(2, 4, 0, 0), (0, 0, 2, 0), (2, 2, 2, 4)]


def sequence(queries, keys, first_row, first_key, **more):
    """The values of a sequence's record."""
    each = Sequence(queries=queries, keys=keys, first_row=first_row, first_key=first_key)
    return sequence_values(each) | more


def work(chip, values, table=(), *, address=0xF0F00000, wide=0, errors=(), reserved=(), number=0):
    """A job for the bench: what lies in memory, and what the checker is to make of it.

    reserved: the bytes of the record, or (sequence, byte) of the table, that are not 0.
    """
    address += JOB_BYTES * number
    job = descriptor(values)
    record, lines = (
        bytearray(packed(JOB_FIELDS, values, JOB_BYTES)),
        [bytearray(packed(SEQUENCE_FIELDS, each, SEQUENCE_BYTES)) for each in table],
    )
    status = job.status(chip)
    if address % JOB_BYTES:
        status = Status.ALIGNMENT
    elif wide:
        status = Status.ADDRESS
    elif "record" in errors:
        status = Status.READ_ERROR
    broken = set()
    for place in reserved:
        if isinstance(place, int):
            record[place] = 1
            status = Status.FORMAT
        else:
            lines[place[0]][place[1]] = 1
            broken.add(place[0])
    if status != Status.OK:
        expected = [(status, {})]
    else:
        expected, row = [], 0
        parts = [entry(each) for each in table] if job.sequences else [job.alone]
        for n, each in enumerate(parts):
            judged = Status.SEQUENCE if n in broken else each.status(job.bounds, row)
            judged = Status.READ_ERROR if n in errors else judged
            expected.append((judged, fields(chip, job, each)))
            row = each.first_row + each.queries if judged == Status.OK else row
        if not broken and not errors:
            found = Work(job=job, sequences=tuple(parts) if job.sequences else ()).statuses()
            assert [status for status, _ in expected] == found
    return {
        "address": address,
        "wide": wide,
        "record": record.hex(),
        "table_address": job.table,
        "table": b"".join(lines).hex(),
        "errors": list(errors),
        "outputs": dict(zip(("o", "lse"), [*job.results(chip), (0, 0)] if status == Status.OK else (), strict=False)),
        "expected": expected,
    }


def fields(chip, job, part):
    """What the checker hands on of a good sequence."""
    group, space = job.heads // job.kv_heads, 1 << chip.address_bits
    first_key = 0 if job.pages or part.keys == 0 else part.first_key
    firsts = {"q": part.first_row, "k": first_key, "v": first_key, "o": part.first_row}
    places = {
        f"descriptor.{name}.address": (tensor.address + firsts[name] * tensor.pitch) % space
        for name, tensor in ((name, getattr(job, name)) for name in TENSORS)
    }
    own = {name: getattr(part, name) for name in ("queries", "keys", "start")}
    own |= {name: getattr(part.mask, name) for name in MASK}
    kept = {name: getattr(job, name) for name in ("scales", "heads", "kv_heads", "dimension", "intervals")}
    kept |= {name: getattr(job, name) for name in ("sinks", "slopes")}
    kept |= {"packed": job.kv_bits == 4 and chip.engine.operand_bits == 8}
    for name in ("lse", "token_scales"):
        tensor = getattr(job, name)
        kept |= {name: tensor.address, f"{name}_pitch": tensor.pitch} if tensor else {name: 0}
    if job.lse:
        kept["lse"] = (job.lse.address + part.first_row * group * LSE_BYTES) % space
    kept |= {
        f"{name}.{part}": getattr(getattr(job, name), part) for name in TENSORS for part in ("pitch", "head_pitch")
    }
    pages = job.pages
    if pages:
        kept |= {"list": pages.list, "page_tokens": pages.tokens, "pages": pages.count}
        kept |= {"k_page_pitch": pages.k_pitch, "v_page_pitch": pages.v_pitch}
    else:
        kept |= {"page_tokens": 0}
    return {
        **{f"descriptor.{name}": value for name, value in (own | kept).items()},
        **places,
        "descriptor.value_dimension": job.value_dimension or job.dimension,
        "shared": job.shared,
        "group": group,
        "tile_queries": chip.engine.rows // group,
        "tile_heads": chip.engine.rows % group,
        "rows": part.queries * job.heads,
        "group_rows": part.queries * group,
        "q_group": group * job.q.head_pitch % space,
        "o_group": group * job.o.head_pitch % space,
        "first_row": part.first_row,
        **({"first_page": part.first_key // pages.tokens} if pages else {}),
    }


def adapted(chip, values):
    """The values with vectors and rows, and the format, of that chip."""
    step, row = max(chip.vector_bytes, 16), max(chip.output_bytes, 16)
    pitches = {}
    for name in TENSORS:
        size = row if name == "o" else step
        count = values["queries"] if name in "qo" else values["keys"]
        pitches |= {f"{name}_pitch": size, f"{name}_head_pitch": size * count}
    pages = {f"{name}_page_pitch": 4 * 2 * step for name in "kv"} if values.get("page_tokens") else {}
    own = {"dimension": chip.engine.columns, "output_bits": chip.engine.output_bits}
    own |= {"kv_bits": chip.engine.operand_bits}
    places = {"o_address": 0x4000, "q_address": 0x10000} if values.get("o_address") else {}
    return values | pitches | pages | own | places


def launch(chip, works, latency=3):
    data = {"chip": chip.as_dict(), "works": works, "latency": latency, "resolved": False}
    run(DescriptorChecker(chip), Path(__file__).stem, "judges_as_the_golden_rules", data, path=Path(__file__).parent)


LISTED = {
    # The output overlaps itself: head 1 of query 0 begins within head 0.
    "head_pitch": {"queries": 2, "keys": 2, "heads": 2, "kv_heads": 1, "o_pitch": 4096, "o_head_pitch": 8},
    "pitch": {"queries": 2, "keys": 2, "heads": 2, "kv_heads": 1, "o_pitch": 8, "o_head_pitch": 4096},
    "sum of start and queries": {"start": (1 << 32) - 1},
}


def test_what_is_listed_is_refused():
    works = [work(TINY, job_values(GOOD) | each, number=n) for n, each in enumerate(LISTED.values())]
    assert [each["expected"][0][0] for each in works] == [Status.OVERLAP, Status.OVERLAP, Status.POSITION]
    launch(TINY, works)


def test_an_address_that_is_none_is_refused_without_a_read():
    works = [
        work(TINY, job_values(GOOD), address=0x100080),
        work(TINY, job_values(GOOD), address=0x100000, wide=1),
        work(TINY, job_values(GOOD), address=0x100008, wide=1),
        work(TINY, job_values(GOOD)),
    ]
    assert [each["expected"][0][0] for each in works] == [Status.ALIGNMENT, Status.ADDRESS, Status.ALIGNMENT, Status.OK]
    launch(TINY, works)


@pytest.mark.parametrize("name", part(CHIPS, "bus of 64", "bus of 512", "4 bits"))
def test_a_batch_with_pages_and_intervals(name):
    chip = CHIPS[name]
    values, table = adapted(chip, FULL_VALUES), [sequence(*part) for part in PARTS]
    no_pages = {name: value for name, value in values.items() if name not in PAGED}
    jobs = [(values, table, {}), (no_pages, table, {}), (no_pages | {"table": 0x50040}, table, {})]
    jobs += [(values, table, {"errors": [1]}), (values, table, {"errors": ["record"]}), (values, table, {})]
    jobs += [(values, table, {"errors": [0, 2]}), (no_pages | {"sequences": 0}, [], {})]
    jobs += [(values, table, {"reserved": [(0, 36)]}), (values, table, {"reserved": [(1, 63), (2, 40)]})]
    works = [work(chip, *each, number=n, **more) for n, (*each, more) in enumerate(jobs)]
    assert [len(each["expected"]) for each in works] == [3, 3, 3, 3, 1, 3, 3, 1, 3, 3]
    launch(chip, works)


@pytest.mark.long
def test_a_bit_beyond_a_field_is_refused_by_the_rule_of_the_value():
    """Every value of a job and of a sequence with one bit more, for every bit, and every reserved byte."""
    table = [sequence(*part) for part in PARTS]
    jobs = [
        (FULL_VALUES | {name: FULL_VALUES.get(name, 0) | 1 << bit}, table)
        for name, bits in JOB_FIELDS.items()
        for bit in one_in(6, range(bits))
        if not FULL_VALUES.get(name, 0) >> bit & 1
    ]
    jobs += [
        (FULL_VALUES, [*table[:1], table[1] | {name: table[1][name] | 1 << bit}, table[2]])
        for name, bits in SEQUENCE_FIELDS.items()
        for bit in one_in(6, range(bits))
        if not table[1][name] >> bit & 1
    ]
    jobs = [each for each in jobs if each[0]["sequences"] in (3, 0) or each[0]["sequences"] > MAX_SEQUENCES]
    works = [work(TINY, *each, number=n) for n, each in enumerate(jobs)]
    reserved = [[n] for n in range(sum(JOB_FIELDS.values()) // 8, JOB_BYTES)] + [
        [(2, n)] for n in range(36, SEQUENCE_BYTES)
    ]
    works += [work(TINY, FULL_VALUES, table, number=len(works) + n, reserved=each) for n, each in enumerate(reserved)]
    found = {status for each in works for status, _ in each["expected"]}
    assert found >= {Status.SIZE, Status.MASK, Status.POSITION, Status.BATCH, Status.PAGING, Status.SEQUENCE}
    assert {name: shape.width for name, shape in descriptor_layout(TINY)}["queries"] < JOB_FIELDS["queries"]
    launch(TINY, works, latency=1)


def drawn(rng, chip):
    """A job that is nearly legal: small sizes, tensors close together, a few values at a limit or beyond it."""
    kv_heads, group, queries, keys = (int(rng.integers(1, n)) for n in (4, 4, 9, 13))
    step, heads = chip.alignment, kv_heads * group
    dimension = int(rng.choice([chip.engine.columns, 8]))
    value_dimension = int(rng.choice([0, 0, 8, chip.engine.columns]))
    outputs = value_dimension or dimension
    vector = max(dimension * chip.engine.operand_bits // 8, step)
    value = max(outputs * chip.engine.operand_bits // 8, step)
    row = max(outputs * chip.engine.output_bits // 8, step)
    paged = rng.random() < 0.4
    tokens = int(rng.choice([chip.engine.update_rank, 4, 8])) if paged else 0
    pages = int(rng.integers(1, 5)) if paged else 0

    def tensor(name, vectors, heads, size, low, high):
        order = [(size, vectors * size), (heads * size, size)][int(rng.integers(2))]
        pitch, head_pitch = (max(x + step * int(rng.choice([0, 0, 0, 1, -1])), 0) for x in order)
        place = step * int(rng.integers(low, high))
        return {f"{name}_address": place, f"{name}_pitch": pitch, f"{name}_head_pitch": head_pitch}

    count = int(rng.choice([0, 1, 2, 5])) if rng.random() < 0.6 else 0
    values = {
        **tensor("q", queries, heads, vector, 0, 600),
        **tensor("k", tokens or keys, kv_heads, vector, 0, 600),
        **tensor("v", tokens or keys, kv_heads, value, 0, 600),
        **tensor("o", queries, heads, row, 300, 900),
        "scales": step * int(rng.integers(600)),
        "queries": queries,
        "keys": keys,
        "heads": heads,
        "kv_heads": kv_heads,
        "dimension": dimension,
        "value_dimension": value_dimension,
        "output_bits": chip.engine.output_bits,
        "window": EVERY,
        "table": 64 * int(rng.integers(200)),
        "sequences": count,
        "intervals": step * int(rng.integers(600)) if rng.random() < 0.4 else 0,
        "sinks": step * int(rng.integers(600)) if rng.random() < 0.2 else 0,
        "kv_bits": int(rng.choice([0, chip.engine.operand_bits, 4])),
    }
    if rng.random() < 0.3:
        size = max(4 * queries * group // step * step, step)
        values |= {"lse": step * int(rng.integers(900)), "lse_pitch": max(size + step * int(rng.integers(-1, 3)), 0)}
    if chip.engine.alibi and rng.random() < 0.4:
        values |= {"slopes": step * int(rng.integers(600))}
    if chip.engine.token_scale_bits and rng.random() < 0.5:
        size = 32 * (-(-(tokens or keys) // 8) + int(rng.integers(2)))
        values |= {"token_scales": 32 * int(rng.integers(150)), "token_scales_pitch": size}
    if paged:
        values |= {"page_tokens": tokens, "pages": pages, "list": step * int(rng.integers(600))}
        wide = 32 if values.get("token_scales") else step
        values |= {f"{name}_page_pitch": wide * int(rng.integers(20)) for name in "kv"}
    if rng.random() < 0.3:  # V lies where K lies, but for its pages perhaps
        same = ("k_address", "k_pitch", "k_head_pitch", *["k_page_pitch"] * (rng.random() < 0.5))
        values |= {name.replace("k_", "v_"): values.get(name, 0) for name in same}
    if not count:
        values |= {
            "start": int(rng.choice([*range(5), POSITIONS - queries, POSITIONS - queries + 1, (1 << 32) - queries])),
            "window": int(rng.choice([1, 7, EVERY])),
            "ahead": int(rng.choice([0, 3, EVERY])),
            "chunk": int(rng.choice([0, 1, 64, 1 << 19])),
            "prefix": int(rng.choice([0, 5, EVERY])),
        }
    for _ in range(int(rng.choice([0, 0, 0, 1, 2]))):
        name = str(rng.choice(list(JOB_FIELDS)))
        if name != "sequences":
            values[name] = other(rng, values.get(name, 0), JOB_FIELDS[name])
    if rng.random() < 0.03:
        values["sequences"] = MAX_SEQUENCES + 1 + int(rng.integers(5000))
        count = 0
    job, row, table = values, 0, []
    for _ in range(count):
        some = int(rng.integers(0, max(queries - row, 0) + 1))
        first = row + int(rng.choice([0, 0, 0, 1]))
        aligned = tokens or (8 if values.get("token_scales") and rng.random() < 0.8 else 1)
        first_key = int(rng.integers(keys + 1)) // aligned * aligned
        each = sequence(some, int(rng.integers(0, max(keys - first_key, 0) + 1)), first, first_key)
        each |= {
            "start": int(rng.choice([0, 1, 5, SLOPE_POSITIONS - some, SLOPE_POSITIONS - some + 1])),
            "window": int(rng.choice([1, 7, EVERY])),
            "ahead": int(rng.choice([0, 9])),
        }
        if rng.random() < 0.3:
            name = str(rng.choice(list(SEQUENCE_FIELDS)))
            each[name] = other(rng, each[name], SEQUENCE_FIELDS[name])
        table.append(each)
        row = first + some
    return job, table


def other(rng, now, bits):
    """A value near that one or near a limit."""
    near = [now ^ 1, now + 1, now ^ 1 << int(rng.integers(bits)), int(rng.integers(6))]
    far = [0, (1 << bits) - 1, (1 << bits) - 64, 1 << (bits - 1), int(rng.integers(1 << min(bits, 62)))]
    return near[int(rng.integers(4))] % (1 << bits) if rng.random() < 0.6 else far[int(rng.integers(5))] % (1 << bits)


@pytest.mark.parametrize("name", part(CHIPS, "bus of 64", "bus of 512", "4 bits"))
def test_random_jobs(name):
    rng, chip = np.random.default_rng(1), CHIPS[name]
    works = [work(chip, *drawn(rng, chip), number=n) for n in range(500)]
    found = {status for each in works for status, _ in each["expected"]}
    ends = (Status.READ_ERROR, Status.WRITE_ERROR, Status.ABORTED, Status.SCALE, Status.PROTOCOL, Status.STALLED)
    assert set(Status) - set(found) == {*ends, Status.PAGE, Status.INTERVAL, Status.GUARD}
    good = [values for each in works for status, values in each["expected"] if status == Status.OK]
    assert {values["shared"] for values in good} == {False, True}
    launch(chip, works)
    assert MAX_PAGE_TOKENS == 256
