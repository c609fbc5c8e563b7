"""The descriptor checker against the golden rules: descriptors at and beyond every limit, as software writes them."""

from dataclasses import asdict, replace
from operator import attrgetter
from pathlib import Path

import cocotb
import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import RisingEdge

from fusioncim.chip.descriptor import descriptor_layout, narrowed, staged_layout
from fusioncim.chip.descriptor_checker import DescriptorChecker, job_layout
from fusioncim.chip.mask import MASK
from fusioncim.verilog.emit import once
from fusioncim_golden.descriptor import POSITIONS, Descriptor, Status, Tensor
from fusioncim_golden.mask import EVERY, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.rtl.stream import Source, pack, reset, within

TINY = PRESETS["tiny"]  # beats of 8 bytes, vectors of 16, output rows of 32
WIDTHS = {name: field.width for name, field in staged_layout()}


class StagedChecker(wiring.Component):
    """The checker behind the values that software writes."""

    def __init__(self, config):
        self.config = config
        super().__init__({"i": In(stream.Signature(staged_layout())), "o": Out(stream.Signature(job_layout(config)))})

    def elaborate(self, platform):
        m = Module()
        checker = DescriptorChecker(self.config)
        m.submodules.checker = once(platform, checker)
        m.d.comb += [
            *(checker.i.payload.eq(narrowed(self.i.payload)), checker.i.valid.eq(self.i.valid)),
            self.i.ready.eq(checker.i.ready),
        ]
        wiring.connect(m, checker.o, wiring.flipped(self.o))
        return m


@cocotb.test()
async def judges_as_the_golden_rules(dut):
    this = case()
    jobs = [Descriptor.from_dict(values) for values in this["jobs"]]
    source = Source(dut, "i")
    dut.o__ready.value = 0
    await reset(dut)
    layout = job_layout(TINY)

    async def judge():
        dut.o__ready.value = 1
        for n, job in enumerate(jobs):
            await RisingEdge(dut.clk)
            while not dut.o__valid.value:
                await RisingEdge(dut.clk)
            bits = dut.o__payload.value
            width = layout["status"].width
            low = layout["status"].offset
            status = int(str(bits)[::-1][low : low + width][::-1], 2)
            assert status == job.status(TINY), (n, job, Status(status))
            if status == Status.OK:
                checked = layout.from_bits(int(bits))
                group = job.heads // job.kv_heads
                assert (checked.rows, checked.group, checked.group_rows) == (
                    *(job.queries * job.heads, group),
                    job.queries * group,
                )
                steps = (group * job.q.head_pitch, group * job.o.head_pitch)
                assert (checked.q_group, checked.o_group) == tuple(step % (1 << 32) for step in steps)

    await within(dut, 1000 * len(jobs), judge(), source.send_all([pack(staged_layout(), words(job)) for job in jobs]))


def words(job):
    values = asdict(job)
    return values | values.pop("mask")


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


def changed(job, name, value):
    """A job with one value changed: `keys`, `window` of its mask, or `o.pitch` of a tensor."""
    name = f"mask.{name}" if name in MASK else name
    whole, _, part = name.partition(".")
    return replace(job, **{whole: replace(getattr(job, whole), **{part: value}) if part else value})


def value_of(job, name):
    return int(attrgetter(f"mask.{name}" if name in MASK else name)(job))


PLACES = [f"{tensor}.{part}" for tensor in "qkvo" for part in ("address", "pitch", "head_pitch")]
SIZES = [name for name in WIDTHS if name not in "qkvo"]


def beyond():
    """Every value with one bit more, for every bit that software can write."""
    return [
        changed(GOOD, name, value_of(GOOD, name) | 1 << bit)
        for name in SIZES
        for bit in range(WIDTHS[name])
        if not value_of(GOOD, name) >> bit & 1
    ]


def drawn(rng):
    """A job that is nearly legal: small sizes, tensors close together, a few values at a limit or beyond it."""
    kv_heads, group, queries, keys = (int(rng.integers(1, n)) for n in (4, 4, 5, 7))
    beat = TINY.bus_bytes

    def tensor(vectors, heads, size):
        order = [(size, vectors * size), (heads * size, size)][int(rng.integers(2))]
        pitch, head_pitch = (max(x + beat * int(rng.choice([0, 0, 0, 1, -1])), 0) for x in order)
        return Tensor(address=beat * int(rng.integers(300)), pitch=pitch, head_pitch=head_pitch)

    heads = kv_heads * group
    job = Descriptor(
        q=tensor(queries, heads, 16),
        k=tensor(keys, kv_heads, 16),
        v=tensor(keys, kv_heads, 16),
        o=replace(tensor(queries, heads, 32), address=beat * int(rng.integers(200, 400))),
        scales=beat * int(rng.integers(300)),
        queries=queries,
        keys=keys,
        heads=heads,
        kv_heads=kv_heads,
        dimension=16,
        start=int(rng.choice([*range(5), POSITIONS - queries, POSITIONS - queries + 1, (1 << 32) - queries])),
        mask=Mask(
            window=int(rng.choice([1, 7, EVERY])),
            ahead=int(rng.choice([0, 3, EVERY])),
            chunk=int(rng.choice([0, 1, 64, 1 << 19])),
            prefix=int(rng.choice([0, 5, EVERY])),
        ),
    )
    for _ in range(int(rng.choice([0, 0, 1, 2]))):
        name = str(rng.choice(PLACES if rng.random() < 0.4 else SIZES))
        width, now = WIDTHS.get(name, 32), value_of(job, name)
        near = [now ^ 1, now + 1, now ^ 1 << int(rng.integers(width)), int(rng.integers(6))]
        far = [0, (1 << width) - 1, (1 << width) - beat, 1 << (width - 1), int(rng.integers(1 << width))]
        job = changed(job, name, int(rng.choice(near if rng.random() < 0.6 else far)) % (1 << width))
    return job


LISTED = {
    # The output overlaps itself: head 1 of query 0 begins within head 0.
    "head_pitch": replace(
        GOOD, queries=2, keys=2, heads=2, kv_heads=1, o=Tensor(address=16384, pitch=4096, head_pitch=8)
    ),
    "pitch": replace(GOOD, queries=2, keys=2, heads=2, kv_heads=1, o=Tensor(address=16384, pitch=8, head_pitch=4096)),
    "sum of start and queries": replace(GOOD, start=(1 << 32) - 1),
}


def test_what_is_listed_is_refused():
    assert [job.status(TINY) for job in LISTED.values()] == [Status.OVERLAP, Status.OVERLAP, Status.POSITION]
    launch(list(LISTED.values()))


def test_a_bit_beyond_a_field_is_refused_by_the_rule_of_the_value():
    jobs = beyond()
    assert set(WIDTHS) - set("qkvo") == set(SIZES)
    narrow = {name: field.width for name, field in descriptor_layout()}
    assert any(WIDTHS[name] > narrow[name] for name in SIZES)
    assert [job.status(TINY) for job in jobs if job.mask.prefix > EVERY] == [Status.MASK] * 12
    launch(jobs)


@pytest.mark.parametrize("seed", [1, 2])
def test_random_descriptors(seed):
    rng = np.random.default_rng(seed)
    jobs = [drawn(rng) for _ in range(400)]
    found = [job.status(TINY) for job in jobs]
    assert set(found) == {*(status for status in Status if status < Status.READ_ERROR), Status.MASK}
    launch(jobs)


def launch(jobs):
    data = {"jobs": [asdict(job) for job in jobs]}
    run(StagedChecker(TINY), Path(__file__).stem, "judges_as_the_golden_rules", data, path=Path(__file__).parent)
