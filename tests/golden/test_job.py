"""Jobs of the whole golden chip: engine by engine, against float attention, and the bytes that they move."""

import itertools
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim_golden import engine
from fusioncim_golden.descriptor import Descriptor, HeadTensor, Pages, Sequence, Tensor, Work
from fusioncim_golden.errors import InputError
from fusioncim_golden.job import Traffic, check_groups, run, run_batch, traffic
from fusioncim_golden.key_order import ORDERS
from fusioncim_golden.limits import MAX_HEADS, POSITIONS
from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask
from fusioncim_golden.metrics import in_lsb, max_error, sqnr_db
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers, quantize
from fusioncim_golden.reference import dequantized_attention
from fusioncim_golden.schedule import Job, passes
from fusioncim_golden.status import Status

TINY, SMALL = PRESETS["tiny"], PRESETS["small"]


def gaussian(seed, chip=TINY, *, kv_heads=2, group=2, queries=9, keys=13, size=1.0):
    """Quantized heads, one `Heads` per key and value head, each with scales of its own."""
    rng = np.random.default_rng(seed)
    columns = chip.engine.columns
    return [
        quantize(
            rng.normal(0, size, (group, queries, columns)) * (n + 1),
            *rng.normal(0, 1, (2, keys, columns)),
            bits=chip.engine.operand_bits,
        )
        for n in range(kv_heads)
    ]


def integers(chip=TINY, *, kv_heads=1, group=1, queries=3, keys=5, columns=None, value=0):
    columns = columns or chip.engine.columns
    shapes = (group, queries, columns), (keys, columns), (keys, columns)
    return [from_integers(*(np.full(shape, value) for shape in shapes)) for _ in range(kv_heads)]


# Outputs.

JOBS = [
    # kv_heads, group, queries, keys, start, mask
    (1, 1, 1, 1, None, CAUSAL),
    (1, 1, 37, 37, None, CAUSAL),
    (2, 3, 11, 33, None, CAUSAL),
    (3, 4, 2, 61, None, CAUSAL),
    (2, 2, 5, 12, None, FULL),
    (1, 2, 13, 50, 17, CAUSAL),
    (2, 2, 20, 7, 3, CAUSAL),
    (1, 3, 18, 40, 11, FULL),
    (1, 2, 37, 37, None, Mask(window=9)),
    (2, 1, 20, 30, None, Mask(window=5, ahead=4)),
    (1, 2, 30, 40, None, Mask(chunk=16)),
    (1, 1, 40, 40, None, Mask(window=12, prefix=7)),
    (1, 1, 24, 9, 0, Mask(window=6)),
    (1, 3, 26, 50, 3, Mask(chunk=8, ahead=EVERY)),
]


@pytest.mark.parametrize("shape", JOBS)
def test_a_job_is_its_groups_one_after_the_other(shape):
    kv_heads, group, queries, keys, start, mask = shape
    chip = TINY.override(slack=1)
    groups = gaussian(1, chip, kv_heads=kv_heads, group=group, queries=queries, keys=keys, size=3)
    result = run(chip, groups, start=start, mask=mask)
    job = Job(queries=queries, keys=keys, heads=group, start=start, mask=mask)
    alone = [engine.run(chip.engine, heads, job, chip.engines) for heads in groups]
    assert result.out.shape == (kv_heads * group, queries, 16)
    for n, one in enumerate(alone):
        assert np.array_equal(result.out[n * group : (n + 1) * group], one.out)
    for name, value in asdict(result.events).items():
        assert value == sum(getattr(one.events, name) for one in alone), name
    assert result.events.scores > 0


@pytest.mark.parametrize("shape", JOBS)
@pytest.mark.parametrize(
    "chip",
    [TINY, TINY.override(schedule="in_order", engines=4), SMALL, SMALL.override(operand_bits=4, softmax_lanes=8)],
)
def test_a_job_is_near_float_attention(chip, shape):
    kv_heads, group, queries, keys, start, mask = shape
    groups = gaussian(2, chip, kv_heads=kv_heads, group=group, queries=queries, keys=keys)
    out = in_lsb(chip.engine, run(chip, groups, start=start, mask=mask).out)
    job = Job(queries=queries, keys=keys, heads=group, start=start, mask=mask)
    exact = np.concatenate([dequantized_attention(heads, job) for heads in groups])
    assert sqnr_db(out, exact) >= 38
    assert max_error(out, exact) <= 1


def test_the_first_query_stands_where_the_last_one_meets_the_last_key():
    groups = gaussian(3)
    default, explicit, other = (run(TINY, groups, start=start).out for start in (None, 4, 0))
    assert np.array_equal(default, explicit)
    assert not np.array_equal(default, other)
    full = run(TINY, groups, mask=FULL).out
    assert not np.array_equal(default, full)
    assert np.array_equal(default[:, -1], full[:, -1])


@pytest.mark.parametrize("schedule", [name for name, order in ORDERS.items() if not order.folded])
def test_engines_change_no_bit_of_a_causal_job(schedule):
    """Where the order of the keys below a row does not depend on the size of a pass."""
    groups = gaussian(4, queries=40, keys=40, size=3)
    results = [run(TINY.override(schedule=schedule, engines=n), groups) for n in (1, 2, 4, 16)]
    for result in results[1:]:
        assert np.array_equal(result.out, results[0].out)
        assert result.events == results[0].events


# Dimensions.


@pytest.mark.parametrize("mask", [CAUSAL, FULL, Mask(window=5)])
def test_operands_beyond_the_dimension_are_zero(mask):
    groups = gaussian(6, SMALL, queries=5, keys=11)
    for dimension in (8, 24, 56, 64):
        short = [
            replace(group, **{name: getattr(group, name)[..., :dimension] for name in ("q", "k", "v")})
            for group in groups
        ]
        zeroed = []
        for group in groups:
            parts = {name: getattr(group, name).copy() for name in ("q", "k", "v")}
            for x in parts.values():
                x[..., dimension:] = 0
            zeroed.append(replace(group, **parts))
        found, padded = run(SMALL, short, mask=mask), run(SMALL, zeroed, mask=mask)
        assert found.out.shape == (4, 5, dimension)
        assert np.array_equal(found.out, padded.out[..., :dimension])
        assert not padded.out[..., dimension:].any()
        assert found.events == padded.events


# Batches and intervals.

SEQUENCES = (
    Sequence(queries=7, keys=21, start=14),
    Sequence(queries=0, keys=5, first_row=7),
    Sequence(queries=9, keys=13, first_row=8, first_key=4, start=2, mask=FULL),
    Sequence(queries=5, keys=0, first_row=17, start=3, mask=Mask(window=2)),
    Sequence(queries=1, keys=33, first_row=22, first_key=21, start=32, mask=Mask(window=9)),
)


def part(groups, each):
    """The operands of a sequence."""
    rows, keys = slice(each.first_row, each.first_row + each.queries), slice(each.first_key, each.first_key + each.keys)
    return [
        replace(
            group,
            k=group.k[keys],
            v=group.v[keys],
            **{name: getattr(group, name)[:, rows] for name in ("q", "mantissa", "shift", "scale_q")},
        )
        for group in groups
    ]


def chosen(seed, rows, keys):
    """Intervals of all kinds: some wide, some narrow, some empty, some behind all keys."""
    low, high = np.sort(np.random.default_rng(seed).integers(0, keys + 9, (2, rows)), axis=0)
    low[::3], high[1::3] = 0, POSITIONS
    low[::7] = high[::7]
    return np.stack([low, high], axis=1)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("chip", [TINY, TINY.override(schedule="folded", engines=4, seed=True), SMALL])
def test_a_batch_is_its_sequences_one_by_one(chip, ragged):
    groups = gaussian(7, chip, group=3, queries=25, keys=54, size=3)
    intervals = chosen(1, 25, 40) if ragged else None
    found = run_batch(chip, groups, SEQUENCES, intervals=intervals)
    expected, events = np.zeros_like(found.out), []
    for each in SEQUENCES:
        if each.queries:
            rows = slice(each.first_row, each.first_row + each.queries)
            own = None if intervals is None else intervals[rows]
            alone = run(chip, part(groups, each), start=each.start, mask=each.mask, intervals=own)
            expected[:, rows] = alone.out
            events.append(alone.events)
    assert found.out.shape == (6, 25, chip.engine.columns)
    assert np.array_equal(found.out, expected)
    for name, value in asdict(found.events).items():
        assert value == sum(getattr(one, name) for one in events), name
    # Rows that no sequence has, and those without a key.
    assert not found.out[:, [7, *range(17, 22), 23, 24]].any()
    assert found.out[:, [0, 8, 16, 22]].any(axis=-1).all() or ragged


def test_a_batch_takes_the_scales_of_its_own_tokens_and_the_slopes_of_all_heads():
    chip = TINY.override(update_rank=4, columns=32, token_scale_bits=8, alibi=True)
    random = np.random.default_rng(17)
    groups = [
        replace(
            group, token_scales=random.integers(0, 0x300, (54, 2)), slopes=np.array([128 | 8 << 8, 0, 200 | 12 << 8])
        )
        for group in gaussian(7, chip, group=3, queries=25, keys=54, size=3)
    ]
    sequences = [replace(each, first_key=each.first_key // 8 * 8) for each in SEQUENCES]
    found = run_batch(chip, groups, sequences)
    for each in sequences:
        if each.queries:
            rows, keys = (
                slice(first, first + n) for first, n in ((each.first_row, each.queries), (each.first_key, each.keys))
            )
            own = [replace(group, token_scales=group.token_scales[keys]) for group in part(groups, each)]
            assert np.array_equal(found.out[:, rows], run(chip, own, start=each.start, mask=each.mask).out)


@pytest.mark.parametrize("name", ["token_scales", "slopes"])
def test_scales_of_tokens_and_slopes_are_of_all_groups_or_of_none(name):
    chip = TINY.override(update_rank=4, columns=32, token_scale_bits=8, alibi=True)
    groups = integers(chip, kv_heads=2)
    value = {"token_scales": np.zeros((5, 2), np.int64), "slopes": np.zeros(1, np.int64)}[name]
    with pytest.raises(InputError, match=rf"^all groups must have {name}, or none of them$"):
        run(chip, [replace(groups[0], **{name: value}), groups[1]])


def test_a_sequence_that_is_refused_leaves_the_others_alone():
    groups = gaussian(8, queries=9, keys=12)
    good = Sequence(queries=3, keys=12, start=5)
    last = Sequence(queries=2, keys=4, first_row=7, first_key=8)
    for bad in (
        Sequence(queries=2, keys=9, first_row=3, mask=Mask(chunk=3)),
        Sequence(queries=2, keys=9, first_row=2),
        Sequence(queries=2, keys=9, first_row=3, first_key=4),
        Sequence(queries=2, keys=2, first_row=3, start=POSITIONS - 1),
    ):
        found = run_batch(TINY, groups, [good, bad, last])
        assert np.array_equal(found.out, run_batch(TINY, groups, [good, last]).out)
        assert not found.out[:, 3:7].any()
    whole = run_batch(TINY, groups, [good, last], tokens=8).out
    assert np.array_equal(whole, run_batch(TINY, groups, [good, last]).out)
    assert not run_batch(TINY, groups, [good, replace(last, first_key=4)], tokens=8).out[:, 7:].any()


@pytest.mark.parametrize("shape", JOBS)
@pytest.mark.parametrize("chip", [TINY, SMALL])
def test_a_row_sees_what_its_interval_leaves_of_its_mask(chip, shape):
    kv_heads, group, queries, keys, start, mask = shape
    groups = gaussian(9, chip, kv_heads=kv_heads, group=group, queries=queries, keys=keys)
    intervals = chosen(2, queries, keys)
    job = Job(queries=queries, keys=keys, heads=group, start=start, mask=mask, intervals=intervals)
    result = run(chip, groups, start=start, mask=mask, intervals=intervals)
    exact = np.concatenate([dequantized_attention(heads, job) for heads in groups])
    assert max_error(in_lsb(chip.engine, result.out), exact) <= 1
    low, high = job.masked(np.arange(queries))
    seen = [
        sum(low[n] <= key < high[n] and first <= key < behind for key in range(keys))
        for n, (first, behind) in enumerate(intervals.tolist())
    ]
    assert result.events.scores == sum(seen) * kv_heads * group
    assert not result.out[:, np.array(seen) == 0].any()
    # What passes is what the mask lets pass.
    whole = run(chip, groups, start=start, mask=mask)
    for name in ("slots", "row_updates"):
        assert getattr(result.events, name) == getattr(whole.events, name)
    every = np.tile([0, POSITIONS], (queries, 1))
    again = run(chip, groups, start=start, mask=mask, intervals=every)
    assert np.array_equal(again.out, whole.out)
    assert again.events == whole.events


BAD_INTERVALS = {
    "shape": (np.zeros((3, 3)), "intervals must be [queries, 2] = (3, 2), not (3, 3)"),
    "queries": (np.zeros((4, 2)), "intervals must be [queries, 2] = (3, 2), not (4, 2)"),
    "order": (
        np.array([[0, 1], [5, 4], [9, 8]]),
        f"the low of an interval must be at most its high, and that at most {POSITIONS}, not [5, 4]",
    ),
    "high": (
        np.array([[0, 1], [0, POSITIONS], [0, POSITIONS + 1]]),
        f"the low of an interval must be at most its high, and that at most {POSITIONS}, not [0, {POSITIONS + 1}]",
    ),
    "low": (
        np.array([[-1, 1], [0, 1], [0, 1]]),
        f"the low of an interval must be at most its high, and that at most {POSITIONS}, not [-1, 1]",
    ),
}


@pytest.mark.parametrize("name", BAD_INTERVALS)
def test_intervals_that_the_chip_refuses(name):
    intervals, message = BAD_INTERVALS[name]
    groups, one = integers(), [Sequence(queries=3, keys=5)]
    for refuse in (
        lambda: run(TINY, groups, intervals=intervals.astype(np.int64)),
        lambda: run_batch(TINY, groups, one, intervals=intervals.astype(np.int64)),
    ):
        with pytest.raises(InputError) as error:
            refuse()
        assert str(error.value) == message


# Refusals.


def scaled(groups, **changes):
    """The first group with another mantissa or shift for query 1 of its last head."""
    values = {}
    for name, value in changes.items():
        values[name] = getattr(groups[0], name).copy()
        values[name][-1, 1] = value
    return [replace(groups[0], **values), *groups[1:]]


REFUSED = {
    "no groups": ([], "a job needs at least one key and value head"),
    **{
        f"dimension {n}": (
            integers(columns=n),
            f"the dimension of q and k, and that of v, must be a multiple of 8 up to columns = 16, not {n}",
        )
        for n in (4, 12, 24, 32)
    },
    "dimensions of a group": (
        [replace(integers()[0], q=integers(columns=8)[0].q)],
        "q and k must have one dimension, not 8 and 16",
    ),
    "dimension of the values": (
        [replace(integers()[0], v=integers(columns=4)[0].v)],
        "the dimension of q and k, and that of v, must be a multiple of 8 up to columns = 16, not 4",
    ),
    "dimensions of the values": (
        [*integers(), replace(integers()[0], v=integers(columns=8)[0].v)],
        (
            "all groups must have the same shapes of q, k and v, "
            "not (1, 3, 16), (5, 16), (5, 16) and (1, 3, 16), (5, 16), (5, 8)"
        ),
    ),
    "range": (
        [*integers(), *integers(value=128)],
        "q must be 8-bit integers from -128 to 127, not 128",
    ),
    "heads of a group": (
        [*integers(group=2), *integers(group=3)],
        (
            "all groups must have the same shapes of q, k and v, "
            "not (2, 3, 16), (5, 16), (5, 16) and (3, 3, 16), (5, 16), (5, 16)"
        ),
    ),
    "queries": (
        [*integers(), *integers(queries=4)],
        (
            "all groups must have the same shapes of q, k and v, "
            "not (1, 3, 16), (5, 16), (5, 16) and (1, 4, 16), (5, 16), (5, 16)"
        ),
    ),
    "keys": (
        [*integers(), *integers(), *integers(keys=6)],
        (
            "all groups must have the same shapes of q, k and v, "
            "not (1, 3, 16), (5, 16), (5, 16) and (1, 3, 16), (6, 16), (6, 16)"
        ),
    ),
    "heads": (
        integers(kv_heads=3, group=86, queries=1),
        "heads must be from 1 to 256, not 258",
    ),
    "mantissa per query": (
        scaled(integers(group=2), mantissa=129),
        "a job has one score scale per query head: mantissa must be the same for all queries",
    ),
    "shift per query": (
        scaled(integers(group=2, kv_heads=2), shift=20),
        "a job has one score scale per query head: shift must be the same for all queries",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_operands_that_no_job_can_have_are_refused(name):
    groups, message = REFUSED[name]
    for refuse in (check_groups, run):
        with pytest.raises(InputError) as error:
            refuse(TINY, groups)
        assert str(error.value) == message


def test_scales_may_differ_from_head_to_head():
    (group,) = integers(group=2)
    mantissa = group.mantissa.copy()
    mantissa[1] = 128
    check_groups(TINY, [group, replace(group, mantissa=mantissa, shift=group.shift + 1)])


def test_the_largest_number_of_heads_is_accepted():
    check_groups(TINY, integers(kv_heads=2, group=MAX_HEADS // 2, queries=1, keys=1))


def test_a_token_with_a_scale_of_its_own_is_refused():
    rng = np.random.default_rng(5)
    q, k, v = rng.normal(0, 1, (1, 4, 16)), *rng.normal(0, 1, (2, 6, 16))
    with pytest.raises(InputError, match=r"^a job has one score scale per query head: "):
        run(TINY, [quantize(q, k, v, granularity="token")])


# Traffic.


def descriptor(
    chip=TINY, *, kv_heads=1, group=1, queries=1, keys=1, start=None, mask=CAUSAL, shared=False, value_dimension=0
):
    """A job of a shape; places do not matter to its traffic."""
    place = Tensor(address=0, pitch=chip.output_bytes, head_pitch=queries * chip.output_bytes)
    return Descriptor(
        q=place,
        k=place,
        v=place if shared else replace(place, address=1 << 30),
        o=replace(place, address=1 << 31),
        scales=0,
        queries=queries,
        keys=keys,
        heads=kv_heads * group,
        kv_heads=kv_heads,
        dimension=chip.engine.columns,
        value_dimension=value_dimension,
        start=max(keys - queries, 0) if start is None else start,
        mask=mask,
        output_bits=chip.engine.output_bits,
    )


def counted(chip, job):
    """The traffic of a job, event by event: every vector read, every block written and delivered."""
    rank = chip.engine.update_rank
    group = job.heads // job.kv_heads
    schedule = Job(queries=job.queries, keys=job.keys, heads=group, mask=job.mask, start=job.start)
    total = dict.fromkeys(Traffic.__dataclass_fields__, 0)
    for _ in range(job.kv_heads):
        for resident in passes(chip.engine, schedule, chip.engines):
            for block in resident.blocks:
                held = [key for key in range(block * rank, (block + 1) * rank) if key < job.keys]
                total["bytes_key"] += len(held) * chip.vector_bytes
                if job.v != job.k:
                    total["bytes_value"] += len(held) * (job.value_dimension or job.dimension)
                total["buffer_writes"] += 1
                see = {
                    n: [tile.blocks(rank) for tile in resident.tiles if tile.engine == n] for n in range(chip.engines)
                }
                first = {n: min(x.start for x in own) for n, own in see.items() if own}
                total["deliveries"] += sum(first[n] <= block < max(x.stop for x in see[n]) for n in first)
            for tile in resident.tiles:
                total["bytes_query"] += tile.count * chip.vector_bytes
                total["bytes_output"] += tile.count * job.row_bytes(chip)
    beats = {4 * head // chip.bus_bytes for head in range(job.heads)}
    total["bytes_scale"] = len(beats) * chip.bus_bytes
    return Traffic(**total)


shapes = st.fixed_dictionaries(
    {
        "kv_heads": st.integers(1, 3),
        "group": st.integers(1, 5),
        "queries": st.integers(1, 45),
        "keys": st.integers(1, 45),
        "start": st.none() | st.integers(0, 50),
        "mask": st.sampled_from([CAUSAL, FULL, Mask(window=7), Mask(window=4, ahead=3), Mask(chunk=8), Mask(prefix=9)]),
        "shared": st.booleans(),
        "value_dimension": st.sampled_from([0, 8, 16]),
    }
)
chips = st.builds(
    TINY.override,
    engines=st.sampled_from([1, 2, 4, 16]),
    words=st.sampled_from([1, 2, 4, 6]),
    schedule=st.sampled_from(list(ORDERS)),
    update_rank=st.sampled_from([1, 2]),
    output_bits=st.sampled_from([8, 16]),
)


@given(chips, shapes)
def test_traffic_is_what_the_schedule_says(chip, shape):
    job = descriptor(chip, **shape)
    assert job.status(chip) == Status.OK
    moved = traffic(chip, job)
    assert moved == counted(chip, job)
    assert moved.buffer_writes <= moved.deliveries <= chip.engines * moved.buffer_writes
    assert (moved.deliveries == moved.buffer_writes) or chip.engines > 1


@given(chips, shapes)
def test_more_engines_read_less(chip, shape):
    moved = [traffic(chip.override(engines=n), descriptor(chip, **shape)) for n in (1, 2, 4, 8, 16)]
    for less, more in itertools.pairwise(moved[::-1]):
        assert less.bytes_key <= more.bytes_key
        assert less.buffer_writes <= more.buffer_writes
        assert (less.bytes_query, less.bytes_output, less.bytes_scale) == (
            (more.bytes_query, more.bytes_output, more.bytes_scale)
        )


def test_causal_passes_read_the_keys_that_their_last_query_sees():
    # 37 queries are 5 tiles of 8 rows in passes of two. The first two passes take turns in the tiles: they see 24, 32
    # and 37 keys, in 12, 16 and 19 blocks.
    moved = traffic(TINY, descriptor(queries=37, keys=37))
    assert moved == Traffic(
        bytes_query=37 * 16,
        bytes_key=(24 + 32 + 37) * 16,
        bytes_value=(24 + 32 + 37) * 16,
        bytes_scale=8,
        bytes_output=37 * 32,
        buffer_writes=12 + 16 + 19,
        deliveries=(4 + 12) + (8 + 16) + 19,
    )
    # Without a mask every pass reads all keys, for every engine with a tile in it.
    moved = traffic(TINY, descriptor(queries=37, keys=37, mask=FULL))
    assert moved.bytes_key == moved.bytes_value == 3 * 37 * 16
    assert (moved.buffer_writes, moved.deliveries) == (3 * 19, 5 * 19)
    # A block is read whole if any of its keys is seen.
    moved = traffic(TINY, descriptor(queries=1, keys=40, start=4))
    assert (moved.bytes_key, moved.buffer_writes) == (6 * 16, 3)


def test_a_sequence_without_keys_reads_the_first_key_of_all():
    job = replace(descriptor(TINY, queries=1, keys=9), start=0, sequences=1, table=1 << 20)
    job = replace(job, k=replace(job.k, pitch=20))  # the second key touches one more beat of 8 bytes than the first
    works = [Work(job=job, sequences=(Sequence(queries=1, keys=0, first_key=first),)) for first in range(9)]
    assert {traffic(TINY, work).bytes_key for work in works} == {16}


@given(chips, st.integers(1, 3), st.integers(1, 8), st.integers(1, 500))
def test_decode_reads_every_key_once_for_all_heads_of_its_group(chip, kv_heads, group, keys):
    moved = traffic(chip, descriptor(chip, kv_heads=kv_heads, group=group, queries=1, keys=keys))
    blocks = kv_heads * -(-keys // chip.engine.update_rank)
    assert moved.bytes_key == moved.bytes_value == kv_heads * keys * 16
    assert moved.buffer_writes == moved.deliveries == blocks
    assert moved.bytes_output == kv_heads * group * chip.output_bytes


@pytest.mark.parametrize(
    ("bus_bits", "heads", "moved"),
    [(64, 1, 8), (64, 2, 8), (64, 3, 16), (64, 256, 1024), (128, 1, 16), (128, 4, 16), (128, 5, 32)],
)
def test_scales_are_read_in_whole_beats(bus_bits, heads, moved):
    chip = TINY.override(bus_bits=bus_bits)
    assert traffic(chip, descriptor(chip, kv_heads=heads)).bytes_scale == moved
    assert traffic(chip, descriptor(chip, group=heads)).bytes_scale == moved


@pytest.mark.parametrize("bus_bits", [64, 128])
def test_log_sum_exp_goes_out_in_whole_beats_of_each_tile(bus_bits):
    """Word by word: rows of a tile that share a beat are written at once, those of two tiles are not."""
    chip = TINY.override(bus_bits=bus_bits)
    job = descriptor(chip, kv_heads=2, group=3, queries=21, keys=40)
    without = traffic(chip, job).bytes_output
    for first in (0, 1, 5):
        sequences = (Sequence(queries=11, keys=40, first_row=first, start=5),)
        work = Work(job=replace(job, start=0, sequences=1, table=1 << 20), sequences=sequences)
        lse = HeadTensor(address=1 << 22, pitch=1 << 10)
        more = traffic(chip, replace(work, job=replace(work.job, lse=lse))).bytes_output
        beats = {
            (head, row // chip.engine.rows, (first * 3 + row) * 4 // chip.bus_bytes)
            for head in range(2)
            for row in range(11 * 3)
        }
        assert more - traffic(chip, work).bytes_output == len(beats) * chip.bus_bytes
    assert traffic(chip, replace(job, lse=lse)).bytes_output > without


def touched(chip, address, size):
    """Beats of which any byte is one of these."""
    return len({byte // chip.bus_bytes for byte in range(address, address + size)})


@pytest.mark.parametrize("gap", [0, 8, 24])
@pytest.mark.parametrize("offset", [0, 8, 40])
@pytest.mark.parametrize("dimension", [8, 24, 64])
def test_vectors_across_beats_are_read_whole(gap, offset, dimension):
    chip = SMALL.override(bus_bits=256, update_rank=2)
    size, row = dimension, 2 * dimension
    job = Descriptor(
        q=Tensor(address=offset, pitch=size + gap, head_pitch=1 << 12),
        k=Tensor(address=(1 << 40) + offset, pitch=size + gap, head_pitch=8 * 125),
        v=Tensor(address=offset + 16, pitch=3 * size + gap, head_pitch=size + gap),
        o=Tensor(address=offset, pitch=4 * row, head_pitch=row + gap),
        scales=offset + 8,
        queries=2,
        keys=7,
        heads=6,
        kv_heads=3,
        dimension=dimension,
        start=5,
    )

    def total(tensor, vectors, heads, size):
        places = [
            tensor.address + n * tensor.pitch + h * tensor.head_pitch for n in range(vectors) for h in range(heads)
        ]
        return sum(touched(chip, place, size) for place in places) * chip.bus_bytes

    moved = traffic(chip, job)
    assert moved.bytes_query == total(job.q, 2, 6, size)
    assert (moved.bytes_key, moved.bytes_value) == (total(job.k, 7, 3, size), total(job.v, 7, 3, size))
    assert moved.bytes_output == total(job.o, 2, 6, row)
    assert moved.bytes_scale == touched(chip, job.scales, 24) * chip.bus_bytes


def test_keys_are_read_from_their_pages():
    chip = SMALL.override(bus_bits=512)
    sequences = (
        Sequence(queries=1, keys=9, first_key=8, start=8),
        Sequence(queries=1, keys=0, first_row=1, first_key=4),
    )
    place = Tensor(address=0, pitch=64, head_pitch=64)
    job = replace(
        descriptor(chip, queries=2, keys=17),
        k=place,
        v=place,
        sequences=2,
        pages=Pages(list=0, tokens=4, count=6, k_pitch=16, v_pitch=256),
    )
    work = Work(job=job, sequences=sequences, page_list=(5, 5, 1, 4, 2))
    # Keys 8 to 16 are in the pages 1, 4 and 2 of four, four and one: those of page 4 begin at a beat, 64 bytes on.
    moved = traffic(chip, work)
    assert moved.bytes_key == (2 * 4 + 1 * 4 + 2 * 1 + 1) * 64
    assert moved.bytes_value == (4 + 4 + 1 + 1) * 64
    assert traffic(chip, replace(work, page_list=())).bytes_key == 10 * 64


@given(*(st.integers(0, 9).map(lambda n: 16 * n) for _ in range(4)), st.permutations(range(14)))
def test_every_key_of_a_page_is_read_at_its_own_place(address, pitch, head_pitch, page_pitch, order):
    chip = SMALL.override(bus_bits=512)
    place = Tensor(address=address, pitch=pitch, head_pitch=head_pitch)
    job = replace(
        descriptor(chip, kv_heads=3, keys=23),
        k=place,
        v=replace(place, address=0),
        pages=Pages(list=0, tokens=2, count=14, k_pitch=page_pitch, v_pitch=16),
    )
    moved = traffic(chip, Work(job=job, page_list=tuple(order[:12])))
    for tensor, pitch_of_pages, found in ((job.k, page_pitch, moved.bytes_key), (job.v, 16, moved.bytes_value)):
        places = [
            tensor.address + order[n // 2] * pitch_of_pages + n % 2 * pitch + h * head_pitch
            for n in range(23)
            for h in range(3)
        ]
        assert found == sum(touched(chip, there, 64) for there in places) * 64


def test_a_batch_moves_what_its_sequences_move():
    sequences = (
        Sequence(queries=11, keys=20, start=9),
        Sequence(queries=3, keys=30, first_row=12, first_key=5, start=2, mask=FULL),
        Sequence(queries=0, keys=30, first_row=15),
        Sequence(queries=4, keys=30, first_row=14),  # refused: that row is another's
        Sequence(queries=1, keys=35, first_row=20, start=40, mask=Mask(window=4)),
    )
    job = replace(descriptor(kv_heads=2, group=3, queries=21, keys=40), start=0, sequences=5, table=1 << 20)
    found = traffic(TINY, Work(job=job, sequences=sequences))
    alone = [
        traffic(TINY, replace(job, sequences=0, queries=each.queries, keys=each.keys, start=each.start, mask=each.mask))
        for each in (sequences[0], sequences[1], sequences[4])
    ]
    for name, value in asdict(found).items():
        expected = sum(getattr(one, name) for one in alone)
        assert value == (getattr(alone[0], name) if name == "bytes_scale" else expected), name


@pytest.mark.parametrize(("bus_bits", "rank", "beats"), [(64, 4, 2), (64, 8, 4), (128, 8, 2), (256, 8, 1), (512, 4, 1)])
def test_scales_of_tokens_are_read_with_every_block(bus_bits, rank, beats):
    """In whole beats, which blocks do not share; those of a batch are the sum of its sequences'."""
    chip = TINY.override(columns=64, update_rank=rank, bus_bits=bus_bits, buffer_bytes=1 << 13, token_scale_bits=8)
    job = descriptor(chip, kv_heads=3, queries=2, keys=45)
    scaled = replace(job, token_scales=HeadTensor(address=1 << 20, pitch=192))
    plain, moved = traffic(chip, job), traffic(chip, scaled)
    assert moved.bytes_scale - plain.bytes_scale == moved.buffer_writes * beats * bus_bits // 8
    assert replace(moved, bytes_scale=plain.bytes_scale) == plain
    batch = replace(scaled, start=0, keys=93, queries=4, sequences=2, table=1 << 21)
    parts = tuple(Sequence(queries=2, keys=45, start=43, first_row=2 * n, first_key=48 * n) for n in (0, 1))
    both = traffic(chip, Work(job=batch, sequences=parts))
    assert both.bytes_scale - plain.bytes_scale == 2 * (moved.bytes_scale - plain.bytes_scale)


def test_packed_keys_and_values_are_half_the_bytes():
    chip = TINY.override(columns=32, buffer_bytes=1 << 12)
    job = descriptor(chip, queries=3, keys=45)
    packed = replace(job, kv_bits=4, k=replace(job.k, pitch=16), v=replace(job.v, pitch=16))
    plain, moved = traffic(chip, job), traffic(chip, packed)
    assert (2 * moved.bytes_key, 2 * moved.bytes_value) == (plain.bytes_key, plain.bytes_value)
    assert replace(moved, bytes_key=plain.bytes_key, bytes_value=plain.bytes_value) == plain


def test_without_a_query_nothing_moves_and_without_a_key_one_is_read():
    job = replace(descriptor(queries=9, keys=9), start=0, sequences=1)
    assert traffic(TINY, Work(job=job, sequences=(Sequence(queries=0, keys=9),))) == Traffic()
    moved = traffic(TINY, Work(job=job, sequences=(Sequence(queries=9, keys=0),)))
    assert (moved.bytes_query, moved.bytes_output) == (9 * 16, 9 * 32)
    assert (moved.bytes_key, moved.bytes_value) == (16, 16)
    assert moved.buffer_writes == 1
