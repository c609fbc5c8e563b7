"""The rules of a job: each at its limit, in their order, with their words; and bytes counted by brute force."""

import json
from dataclasses import asdict, replace
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim.chip.descriptor import STATUS_BITS
from fusioncim_golden.descriptor import Bounds, Descriptor, HeadTensor, Pages, Sequence, Tensor, Work, statuses
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import MAX_HEADS, MAX_SEQUENCES, POSITIONS, SLOPE_POSITIONS
from fusioncim_golden.mask import CAUSAL, FULL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.status import Status

TINY = PRESETS["tiny"]  # beats of 8 bytes, vectors of 16, output rows of 32
JOB = Descriptor(
    q=Tensor(address=0x10000, pitch=16, head_pitch=64),  # 384 bytes
    k=Tensor(address=0x20000, pitch=16, head_pitch=96),  # 192 bytes
    v=Tensor(address=0x30000, pitch=16, head_pitch=96),
    o=Tensor(address=0x1000, pitch=32, head_pitch=128),  # 768 bytes
    scales=0x40000,  # 24 bytes
    queries=4,
    keys=6,
    heads=6,
    kv_heads=2,
    dimension=16,
)
SPACE = 1 << TINY.address_bits
PAGES = Pages(list=0x50000, tokens=2, count=5, k_pitch=64, v_pitch=64)  # 12 bytes; pools of 384 bytes
BATCH = {"sequences": 3, "table": 0x60000}  # 192 bytes
TABLES = {"pages": PAGES, "intervals": 0x70000, **BATCH}  # 12, 32 and 192 bytes
RICH = TINY.override(update_rank=4, columns=32, token_scale_bits=8, alibi=True, buffer_bytes=1 << 14)
SCALED = {"token_scales": HeadTensor(address=0x80000, pitch=32)}  # 64 bytes
SUMS = {"lse": HeadTensor(address=0x90000, pitch=48)}  # 96 bytes
STARTS = {"q": 0x10000, "k": 0x20000, "v": 0x30000, "scales": 0x40000}
SIZES = {"q": 384, "k": 192, "v": 192, "o": 768, "scales": 24}


def changed(job=JOB, **changes):
    """A job with some values changed: queries=3, or o_pitch=64 in a tensor."""
    for name, value in changes.items():
        tensor, _, part = name.partition("_")
        if tensor in ("q", "k", "v", "o") and part:
            job = replace(job, **{tensor: replace(getattr(job, tensor), **{part: value})})
        else:
            job = replace(job, **{name: value})
    return job


def far(**changes):
    """A job of any size whose tensors lie far apart: every operand is one vector over and over."""
    places = {f"{name}_{part}": 0 for name in "qkv" for part in ("pitch", "head_pitch")}
    size = {"heads": 1, "kv_heads": 1, "o_address": 0x50000}
    return changed(**(places | size | changes))


# Every rule.

RULES = {
    Status.SIZE: [
        ({"queries": 0}, {"queries": 1}),
        ({"keys": 0}, {"keys": 1}),
        ({"heads": 0}, {"heads": 2}),
        ({"kv_heads": 0}, {"kv_heads": 1}),
        ({"queries": -1}, {"queries": 4}),
        ({"heads": -6}, {"heads": 6}),
    ],
    Status.HEADS: [
        ({"heads": 5}, {"heads": 4}),
        ({"heads": 1}, {"heads": 2}),
        ({"heads": 6, "kv_heads": 4}, {"heads": 6, "kv_heads": 3}),
        ({"heads": 3, "kv_heads": 6}, {"heads": 6, "kv_heads": 6}),
    ],
    Status.DIMENSION: [
        ({"dimension": bad}, {"dimension": good})
        for bad, good in ((0, 8), (-8, 8), (4, 8), (12, 16), (17, 16), (24, 16))
    ],
    Status.FORMAT: [({"output_bits": bits}, {"output_bits": 16}) for bits in (0, 8, 15, 17)]
    + [({"kv_bits": bits}, {"kv_bits": good}) for bits, good in ((1, 0), (3, 4), (5, 4), (7, 8), (16, 8))]
    + [({"slopes": 0x80000}, {"sinks": 0x80000}), (SCALED, {})],
    Status.POSITION: [
        ({"start": POSITIONS - 3, "mask": mask}, {"start": POSITIONS - 4, "mask": mask}) for mask in (CAUSAL, FULL)
    ],
    Status.MASK: [
        *(({"mask": Mask(window=wrong)}, {"mask": Mask(window=1)}) for wrong in (-1, 0, POSITIONS + 1)),
        *(({"mask": Mask(ahead=wrong)}, {"mask": FULL}) for wrong in (-1, POSITIONS + 1)),
        *(({"mask": Mask(chunk=wrong)}, {"mask": Mask(chunk=1 << 19)}) for wrong in (-8, 3, 12, POSITIONS, 1 << 20)),
        *(({"mask": Mask(prefix=wrong)}, {"mask": Mask(prefix=POSITIONS)}) for wrong in (-1, POSITIONS + 1)),
    ],
    Status.BATCH: [
        ({**BATCH, "sequences": MAX_SEQUENCES + 1}, {**BATCH, "sequences": MAX_SEQUENCES}),
        ({**BATCH, "start": 1}, BATCH),
        ({**BATCH, "mask": FULL}, BATCH),
    ],
    Status.PAGING: [
        *(({"pages": replace(PAGES, tokens=bad)}, {"pages": PAGES}) for bad in (0, 1, 3, 6, 512)),
        ({"pages": replace(PAGES, tokens=258)}, {"pages": replace(PAGES, tokens=256)}),
        ({"pages": replace(PAGES, count=0)}, {"pages": replace(PAGES, count=1)}),
        (
            {"pages": replace(PAGES, count=POSITIONS + 1, k_pitch=0, v_pitch=0)},
            {"pages": replace(PAGES, count=POSITIONS, k_pitch=0, v_pitch=0)},
        ),
    ],
    Status.ALIGNMENT: [
        *(({"sequences": 1, "table": 0x60000 + off}, {"sequences": 1, "table": 0x60040}) for off in (1, 8, 32)),
        *(({"intervals": 0x70000 + off}, {"intervals": 0x70008}) for off in (1, 4)),
        *(
            ({"pages": replace(PAGES, **{name: value + 4})}, {"pages": replace(PAGES, **{name: value + 8})})
            for name, value in (("list", 0x50000), ("k_pitch", 64), ("v_pitch", 64))
        ),
        # What has no meaning is held to the rule all the same.
        ({"table": 32}, {"table": 64}),
        ({"sinks": 0x80004}, {"sinks": 0x80008}),
        *(({"lse": HeadTensor(address=0x90000 + off, pitch=48)}, SUMS) for off in (1, 4)),
        ({"lse": HeadTensor(address=0x90000, pitch=52)}, SUMS),
    ]
    + [
        ({name: value + off}, {name: value + 8})
        for name, value in (
            *((f"{tensor}_address", start) for tensor, start in (*STARTS.items(), ("o", 0x1000)) if tensor != "scales"),
            *(("scales", 0x40000), ("q_pitch", 16), ("k_pitch", 16), ("v_pitch", 16)),
            *(("q_head_pitch", 64), ("k_head_pitch", 96), ("v_head_pitch", 96), ("o_head_pitch", 160)),
        )
        for off in (1, 4, 7)
    ]
    + [({"o_pitch": 32 + off, "o_head_pitch": 512}, {"o_pitch": 40, "o_head_pitch": 512}) for off in (1, 4, 7)],
    Status.ADDRESS: [
        ({f"{name}_address": SPACE - SIZES[name] + 8}, {f"{name}_address": SPACE - SIZES[name]}) for name in "qkvo"
    ]
    + [
        ({"scales": SPACE - 24 + 8}, {"scales": SPACE - 24}),
        ({"scales": SPACE}, {"scales": SPACE - 24}),
        ({**BATCH, "table": SPACE - 128}, {**BATCH, "table": SPACE - 192}),
        ({"intervals": SPACE - 24}, {"intervals": SPACE - 32}),
        ({"sinks": SPACE - 16}, {"sinks": SPACE - 24}),
        *(
            ({"lse": HeadTensor(address=SPACE - 88, pitch=pitch)}, {"lse": HeadTensor(address=SPACE - 96, pitch=pitch)})
            for pitch in (48,)
        ),
        ({"pages": replace(PAGES, list=SPACE - 8)}, {"pages": replace(PAGES, list=SPACE - 16)}),
        ({"pages": PAGES, "k_address": SPACE - 376}, {"pages": PAGES, "k_address": SPACE - 384}),
        ({"pages": PAGES, "v_address": SPACE - 376}, {"pages": PAGES, "v_address": SPACE - 384}),
        ({"pages": replace(PAGES, k_pitch=1 << 30)}, {"pages": replace(PAGES, k_pitch=1 << 29)}),
        ({"dimension": 8, "q_address": SPACE - 368}, {"dimension": 8, "q_address": SPACE - 376}),
        ({"q_pitch": (1 << 31) - 64, "queries": 3}, {"q_pitch": (1 << 31) - 64, "queries": 2}),
        # Sums far beyond 2^32 do not come round again.
        ({"k_pitch": (1 << 32) - 16, "keys": 1 << 19, "v_pitch": 0}, {"k_pitch": 0, "keys": 1 << 19, "v_pitch": 0}),
        ({"v_head_pitch": 1 << 32}, {"v_head_pitch": 1 << 31}),
        ({"o_head_pitch": (1 << 32) - 8}, {"o_head_pitch": 1 << 29, "o_address": 0x50000}),
    ],
    Status.OVERLAP: [
        *(({"o_address": start}, {"o_address": start + SIZES[name]}) for name, start in STARTS.items()),
        *(({"o_address": start + SIZES[name] - 8}, {"o_address": start - 768}) for name, start in STARTS.items()),
        *(({"o_address": start - 768 + 8}, {"o_address": start - 768}) for start in STARTS.values()),
        *(({**TABLES, "o_address": start}, {**TABLES, "o_address": start + 192}) for start in (0x60000, 0x60080)),
        *(({**TABLES, "o_address": start}, {**TABLES, "o_address": start + 16}) for start in (0x50000, 0x70010)),
        *(({**TABLES, "o_address": start + 376}, {**TABLES, "o_address": start + 384}) for start in (0x20000, 0x30000)),
        # The log-sum-exp is an output, too.
        ({"lse": HeadTensor(address=0x90000, pitch=40)}, SUMS),
        *(
            ({"lse": HeadTensor(address=start - 88, pitch=48)}, {"lse": HeadTensor(address=start - 96, pitch=48)})
            for start in (0x10000, 0x20000, 0x30000, 0x40000, 0x1000)
        ),
        ({"lse": HeadTensor(address=0x12F8, pitch=48)}, {"lse": HeadTensor(address=0x1300, pitch=48)}),
        ({"sinks": 0x90058, **SUMS}, {"sinks": 0x90060, **SUMS}),
        ({"sinks": 0x12F8}, {"sinks": 0x1300}),
        # Operands inside the output, and the output inside a gap of an operand, which counts as its own.
        ({"q_address": 0x1100}, {"q_address": 0x1300}),
        ({"scales": 0x1000 + 768 - 8}, {"scales": 0x1000 + 768}),
        ({"k_address": 0, "k_head_pitch": 4008}, {"k_address": 0, "k_head_pitch": 4000}),
    ],
}


@pytest.mark.parametrize(
    ("status", "bad", "good"),
    [(status, bad, good) for status, cases in RULES.items() for bad, good in cases],
)
def test_a_broken_rule_is_named_and_its_limit_is_accepted(status, bad, good):
    assert changed(**bad).status(TINY) == status
    assert changed(**good).status(TINY) == Status.OK


@pytest.mark.parametrize(
    ("status", "bad", "good"),
    [
        (Status.POSITION, {"slopes": 0x70000, "start": SLOPE_POSITIONS - 3}, {"slopes": 0x70000, "start": 9}),
        (Status.POSITION, {"slopes": 0x70000, "keys": SLOPE_POSITIONS + 1}, {"keys": SLOPE_POSITIONS + 1}),
        (Status.ALIGNMENT, {"token_scales": HeadTensor(address=0x80010, pitch=32)}, SCALED),
        (Status.ALIGNMENT, {"token_scales": HeadTensor(address=0x80000, pitch=48)}, SCALED),
        (
            Status.ALIGNMENT,
            {"pages": replace(PAGES, tokens=4, k_pitch=80), **SCALED},
            {"pages": replace(PAGES, tokens=4, k_pitch=80)},
        ),
        (Status.ALIGNMENT, {"slopes": 0x70004}, {"slopes": 0x70008}),
        (
            Status.ADDRESS,
            {"token_scales": HeadTensor(address=SPACE - 32, pitch=32)},
            {"token_scales": HeadTensor(address=SPACE - 64, pitch=32)},
        ),
        (Status.OVERLAP, {"o_address": 0x80020, **SCALED}, {"o_address": 0x80040, **SCALED}),
        (
            Status.OVERLAP,
            {"lse": HeadTensor(address=0x80030, pitch=48), **SCALED},
            {"lse": HeadTensor(address=0x80040, pitch=48), **SCALED},
        ),
    ],
)
def test_what_a_chip_has_besides_has_rules_too(status, bad, good):
    far_apart = {"k_head_pitch": 0, "v_head_pitch": 0, "k_pitch": 0, "v_pitch": 0}
    assert changed(**(far_apart | bad)).status(RICH) == status
    assert changed(**(far_apart | good)).status(RICH) == Status.OK


def test_sequences_with_token_scales_begin_at_whole_blocks_and_with_slopes_are_not_far():
    batch = changed(keys=20, **BATCH, **SCALED)
    parts = tuple(Sequence(queries=1, keys=1, first_row=n, first_key=4 * n) for n in range(3))
    ok, bad = Status.OK, Status.SEQUENCE
    assert Work(job=batch, sequences=parts).statuses() == [ok, bad, ok]
    assert Work(job=changed(keys=20, **BATCH), sequences=parts).statuses() == [ok, ok, ok]
    far = [Sequence(queries=1, keys=1, start=start) for start in (SLOPE_POSITIONS - 1, SLOPE_POSITIONS)]
    for part, status in zip(far, (ok, Status.POSITION), strict=True):
        job = changed(**{**BATCH, "sequences": 1}, slopes=0x70000)
        assert job.status(RICH) == Status.OK
        assert Work(job=job, sequences=(part,)).statuses() == [status]


def test_packed_keys_and_values_take_half():
    packed = changed(kv_bits=4)
    assert (packed.query_bytes(TINY), packed.key_bytes(TINY), packed.value_bytes(TINY)) == (16, 8, 8)
    assert changed(packed, k_address=SPACE - 184).status(TINY) == Status.OK
    assert changed(packed, k_address=SPACE - 176).status(TINY) == Status.ADDRESS


@pytest.mark.parametrize(
    ("largest", "more"),
    [
        ({"queries": POSITIONS}, {"queries": POSITIONS + 1}),
        ({"keys": POSITIONS}, {"keys": POSITIONS + 1}),
        ({"heads": MAX_HEADS}, {"heads": MAX_HEADS + 1}),
        (
            {"heads": MAX_HEADS, "kv_heads": MAX_HEADS},
            {"heads": MAX_HEADS, "kv_heads": MAX_HEADS + 1},
        ),
    ],
)
def test_the_largest_sizes_are_accepted_and_one_more_is_not(largest, more):
    assert (POSITIONS, MAX_HEADS) == ((1 << 20) - 1, 256)
    assert far(**largest).status(TINY) == Status.OK
    assert far(**more).status(TINY) == Status.SIZE


def test_the_first_and_the_last_position_are_accepted():
    assert far(queries=1, start=POSITIONS - 1).status(TINY) == Status.OK
    assert far(queries=1, start=POSITIONS).status(TINY) == Status.POSITION
    assert far(queries=POSITIONS, start=0).status(TINY) == Status.OK
    assert far(queries=POSITIONS, start=1).status(TINY) == Status.POSITION
    # Queries behind the last key are no reason to refuse a job.
    assert changed(keys=1, start=900).status(TINY) == Status.OK


def test_operands_may_overlap_each_other_and_themselves():
    assert changed(k_address=0x10000, v_address=0x10000).status(TINY) == Status.OK
    assert changed(q_pitch=0, q_head_pitch=0, k_pitch=8, v_head_pitch=0).status(TINY) == Status.OK
    assert changed(scales=0x10000).status(TINY) == Status.OK


def test_a_scale_table_is_its_own_entries_and_not_the_rest_of_their_beat():
    one = changed(heads=1, kv_heads=1, scales=0x50000)
    assert changed(one, o_address=0x50000).status(TINY) == Status.OVERLAP
    assert changed(one, o_address=0x50008).status(TINY) == Status.OK
    assert changed(one, scales=SPACE - 8).status(TINY) == Status.OK


BREAKS = {
    Status.SIZE: {"queries": 0},
    Status.HEADS: {"heads": 7},
    Status.DIMENSION: {"dimension": 64},
    Status.FORMAT: {"output_bits": 8},
    Status.MASK: {"mask": Mask(window=0)},
    Status.POSITION: {"start": POSITIONS},
    Status.BATCH: {"sequences": MAX_SEQUENCES + 1},
    Status.PAGING: {"pages": replace(PAGES, tokens=3)},
    Status.ALIGNMENT: {"k_pitch": 20},
    Status.ADDRESS: {"v_address": SPACE - 8},
    Status.OVERLAP: {"o_address": 0x10000},
}


def test_the_first_rule_that_is_broken_is_the_one_that_counts():
    for count in range(len(BREAKS) + 1):
        for broken in combinations(BREAKS, count):
            job = JOB
            for status in broken:
                job = changed(job, **BREAKS[status])
            assert job.status(TINY) == next(iter(broken), Status.OK), broken


@pytest.mark.parametrize("name", PRESETS)
def test_the_rules_are_those_of_the_chip(name):
    chip = PRESETS[name]
    vector, row, beat, space = chip.vector_bytes, chip.output_bytes, chip.bus_bytes, 1 << chip.address_bits
    job = Descriptor(
        q=Tensor(address=0, pitch=vector, head_pitch=vector),
        k=Tensor(address=vector, pitch=vector, head_pitch=vector),
        v=Tensor(address=2 * vector, pitch=vector, head_pitch=vector),
        scales=3 * vector,
        o=Tensor(address=3 * vector + beat, pitch=row, head_pitch=row),
        **dict.fromkeys(("queries", "keys", "heads", "kv_heads"), 1),
        dimension=chip.engine.columns,
        output_bits=chip.engine.output_bits,
    )
    assert job.status(chip) == Status.OK
    assert changed(job, o_address=3 * vector).status(chip) == Status.OVERLAP
    assert changed(job, o_address=space - row).status(chip) == Status.OK
    assert changed(job, o_address=space - row + beat).status(chip) == Status.ADDRESS
    assert changed(job, q_address=space - vector).status(chip) == Status.OK
    assert changed(job, q_pitch=vector + chip.alignment // 2).status(chip) == Status.ALIGNMENT
    assert changed(job, queries=2, o_pitch=row - beat).status(chip) == Status.OVERLAP
    assert changed(job, output_bits=24 - chip.engine.output_bits).status(chip) == Status.FORMAT
    assert changed(job, q_pitch=vector + chip.alignment).status(chip) == Status.OK
    assert changed(job, dimension=chip.engine.columns + 8).status(chip) == Status.DIMENSION
    # Half as long, the output fits where it did not: its rows are half as long too.
    short = changed(job, dimension=chip.engine.columns // 2, o_address=3 * vector - row // 2, k_address=0, v_address=0)
    assert (short.query_bytes(chip), short.row_bytes(chip)) == (vector // 2, row // 2)
    assert changed(short, q_address=3 * vector - row // 2 - vector // 2).status(chip) == Status.OK
    assert changed(short, q_address=3 * vector - row // 2 - vector // 2 + beat).status(chip) == Status.OVERLAP


# Words.


def test_every_status_has_words_and_a_code_of_its_own():
    assert [int(status) for status in Status] == list(range(22))
    assert max(Status) < 1 << STATUS_BITS
    words = [status.words for status in Status]
    assert len(set(words)) == len(words)
    assert all(text and text[-1] not in ".: " for text in words)
    refusals = {
        *(status for status in Status if Status.OK < status < Status.READ_ERROR),
        Status.MASK,
        Status.BATCH,
        Status.PAGING,
    }
    assert set(BREAKS) == set(RULES) == refusals


@pytest.mark.parametrize("status", BREAKS)
def test_check_refuses_what_has_a_status_in_its_words(status):
    job = changed(**BREAKS[status])
    with pytest.raises(InputError) as error:
        job.check(TINY)
    assert str(error.value) == f"{status.words}, in {job}"


def test_check_accepts_a_good_job():
    JOB.check(TINY)
    assert (JOB.start, JOB.mask, JOB.output_bits) == (0, CAUSAL, 16)


# The output.

LAYOUTS = {
    # pitch, head_pitch of 4 queries, 6 heads, rows of 32 bytes; refused, accepted
    "heads of tokens": ((32, 120), (32, 128)),
    "tokens of heads": ((184, 32), (192, 32)),
    "heads of tokens, padded": ((48, 168), (48, 176)),
    "tokens of heads, padded": ((224, 40), (232, 40)),
    "rows too short": ((24, 128), (32, 136)),
    "heads too short": ((192, 24), (192, 32)),
    "all at one place": ((0, 0), (192, 32)),
    "tokens at one place": ((0, 128), (32, 128)),
    "heads at one place": ((32, 0), (32, 4096)),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_output_may_not_overlap_itself(name):
    refused, accepted = LAYOUTS[name]
    for (pitch, head_pitch), status in ((refused, Status.OVERLAP), (accepted, Status.OK)):
        assert changed(o_pitch=pitch, o_head_pitch=head_pitch).status(TINY) == status


def test_a_pitch_that_is_never_stepped_does_not_matter():
    assert changed(queries=1, o_pitch=0, o_head_pitch=32).status(TINY) == Status.OK
    assert changed(heads=1, kv_heads=1, o_pitch=32, o_head_pitch=0).status(TINY) == Status.OK
    assert changed(queries=1, heads=1, kv_heads=1, o_pitch=0, o_head_pitch=0).status(TINY) == Status.OK
    assert changed(queries=1, o_pitch=4).status(TINY) == Status.ALIGNMENT


def places(tensor, vectors, heads, vector_bytes):
    """Every byte of a tensor, once for each vector that has it."""
    starts = [
        tensor.address + n * tensor.pitch + h * tensor.head_pitch for n, h in product(range(vectors), range(heads))
    ]
    return [start + byte for start in starts for byte in range(vector_bytes)]


def share_no_byte(tensor, *shape):
    found = places(tensor, *shape)
    return len(set(found)) == len(found)


def usual(tensor, vectors, heads, vector_bytes):
    """Whether a tensor has one of the layouts that a runtime uses, with room between vectors or not."""
    within = tensor.pitch >= vector_bytes and tensor.head_pitch >= vectors * tensor.pitch
    across = tensor.head_pitch >= vector_bytes and tensor.pitch >= heads * tensor.head_pitch
    return within or across


def check_disjoint(tensor, *shape):
    accepted = tensor.disjoint(*shape)
    if accepted:
        assert share_no_byte(tensor, *shape), (tensor, shape)
    if usual(tensor, *shape):
        assert accepted, (tensor, shape)
    found = places(tensor, *shape)
    assert tensor.end(*shape) == max(found) + 1
    return accepted


@pytest.mark.parametrize("vector_bytes", [1, 2, 3])
def test_no_small_tensor_that_overlaps_itself_is_accepted(vector_bytes):
    accepted = conservative = 0
    for vectors, heads, pitch, head_pitch in product(range(1, 4), range(1, 4), range(10), range(10)):
        tensor = Tensor(address=5, pitch=pitch, head_pitch=head_pitch)
        if check_disjoint(tensor, vectors, heads, vector_bytes):
            accepted += 1
        else:
            conservative += share_no_byte(tensor, vectors, heads, vector_bytes)
    assert accepted > 400
    # Such as vectors of 1 byte at 0, 2, 4 and 3, 5, 7: nothing lies inside of anything.
    assert conservative < accepted // 10


def test_heads_that_lie_neither_inside_nor_outside_of_vectors_are_refused():
    tensor = Tensor(address=0, pitch=3, head_pitch=2)
    assert sorted(places(tensor, 2, 3, 1)) == [0, 2, 3, 4, 5, 7]
    assert not tensor.disjoint(2, 3, 1)


@given(*(st.integers(1, 9) for _ in range(3)), st.integers(0, 60), st.integers(0, 60))
def test_no_tensor_that_overlaps_itself_is_accepted(vectors, heads, vector_bytes, pitch, head_pitch):
    check_disjoint(Tensor(address=3, pitch=pitch, head_pitch=head_pitch), vectors, heads, vector_bytes)


@given(*(st.integers(1, 9) for _ in range(3)), st.integers(0, 5), st.integers(0, 5))
def test_the_usual_layouts_are_accepted(vectors, heads, vector_bytes, gap, outer_gap):
    inner = vector_bytes + gap
    for_heads = Tensor(address=0, pitch=inner, head_pitch=vectors * inner + outer_gap)
    for_tokens = Tensor(address=0, pitch=heads * inner + outer_gap, head_pitch=inner)
    assert check_disjoint(for_heads, vectors, heads, vector_bytes)
    assert check_disjoint(for_tokens, vectors, heads, vector_bytes)


beats = st.integers(0, 40).map(lambda n: 8 * n)
tensors = st.builds(Tensor, address=beats, pitch=beats, head_pitch=beats)
jobs = st.builds(
    replace,
    st.just(JOB),
    **dict.fromkeys(("q", "k", "v"), tensors),
    o=st.builds(Tensor, address=st.integers(0, 300).map(lambda n: 8 * n), pitch=beats, head_pitch=beats),
    scales=beats,
    queries=st.integers(1, 3),
    keys=st.integers(1, 3),
    heads=st.sampled_from([2, 4]),
    kv_heads=st.sampled_from([1, 2]),
    dimension=st.sampled_from([8, 16]),
    table=st.integers(0, 30).map(lambda n: 64 * n),
    sequences=st.integers(0, 2),
    intervals=beats,
    pages=st.none()
    | st.builds(Pages, list=beats, tokens=st.just(2), count=st.integers(1, 3), k_pitch=beats, v_pitch=beats),
)


def read_by(job):
    """Every byte that a job may read, once for each vector or entry that has it."""
    size, pages = job.dimension, job.pages
    keys = pages.tokens if pages else job.keys
    moved = [
        replace(tensor, address=tensor.address + page * pitch)
        for tensor, pitch in ((job.k, pages.k_pitch if pages else 0), (job.v, pages.v_pitch if pages else 0))
        for page in range(pages.count if pages else 1)
    ]
    tables = [(job.scales, 4 * job.heads), (job.table, 64 * job.sequences)]
    tables += [(job.intervals, 8 * job.queries)] if job.intervals else []
    tables += [(pages.list, 4 * -(-job.keys // 2))] if pages else []
    return [
        *places(job.q, job.queries, job.heads, size),
        *(byte for tensor in moved for byte in places(tensor, keys, job.kv_heads, size)),
        *(byte for start, length in tables for byte in range(start, start + length)),
    ]


@given(jobs)
def test_a_job_that_is_accepted_writes_every_byte_once_and_none_that_it_reads(job):
    status = job.status(TINY)
    assert status in (Status.OK, Status.OVERLAP)
    written = places(job.o, job.queries, job.heads, 2 * job.dimension)
    read = read_by(job)
    good = len(set(written)) == len(written) and not set(written) & set(read)
    if status == Status.OK:
        assert good
    # The rule counts the gaps of a tensor as its own, and nothing else.
    elif min(written) > max(read) or max(written) < min(read):
        assert not job.o.disjoint(job.queries, job.heads, 2 * job.dimension)


# Sequences.

SEQUENCE = Sequence(queries=4, keys=6)  # all that JOB has
ALL = Bounds(queries=4, keys=6)
SEQUENCE_RULES = {
    Status.MASK: [
        ({"mask": Mask(window=0)}, {"mask": Mask(window=1)}),
        ({"mask": Mask(chunk=3)}, {"mask": Mask(chunk=4)}),
    ],
    Status.POSITION: [({"start": POSITIONS - 3}, {"start": POSITIONS - 4})],
    Status.SEQUENCE: [
        ({"queries": 5}, {"queries": 0}),
        ({"queries": -1}, {"queries": 1}),
        ({"first_row": 1}, {"first_row": 1, "queries": 3}),
        ({"first_row": 5, "queries": 0}, {"first_row": 4, "queries": 0}),
        ({"keys": 7}, {"keys": 0}),
        ({"keys": -1}, {"keys": 1}),
        ({"first_key": 1}, {"first_key": 1, "keys": 5}),
        ({"first_key": -1}, {"first_key": 6, "keys": 0}),
    ],
}


@pytest.mark.parametrize(
    ("status", "bad", "good"),
    [(status, bad, good) for status, cases in SEQUENCE_RULES.items() for bad, good in cases],
)
def test_a_rule_of_sequences_is_named_and_its_limit_is_accepted(status, bad, good):
    assert statuses([replace(SEQUENCE, **bad)], ALL) == [status]
    assert statuses([replace(SEQUENCE, **good)], ALL) == [Status.OK]


def test_a_sequence_begins_at_a_page():
    for first_key in range(9):
        (found,) = statuses([Sequence(queries=1, keys=2, first_key=first_key)], Bounds(queries=4, keys=10, step=4))
        assert found == (Status.OK if first_key in (0, 4, 8) else Status.SEQUENCE)
    parts = tuple(Sequence(queries=1, keys=1, first_row=n, first_key=n) for n in range(3))
    ok, bad = Status.OK, Status.SEQUENCE
    assert Work(job=changed(**BATCH), sequences=parts).statuses() == [ok, ok, ok]
    assert Work(job=changed(**BATCH, pages=PAGES), sequences=parts).statuses() == [ok, bad, ok]


def test_rows_go_up_but_keys_lie_where_they_will():
    def row(first_row, queries=2, **more):
        return Sequence(queries=queries, keys=2, first_row=first_row, **more)

    ok, bad, bounds = Status.OK, Status.SEQUENCE, Bounds(queries=7, keys=9)
    assert statuses([row(0), row(2), row(5)], bounds) == [ok, ok, ok]
    assert statuses([row(0), row(1), row(2)], bounds) == [ok, bad, ok]
    assert statuses([row(5), row(0), row(7, queries=0)], bounds) == [ok, bad, ok]
    # The rows of one that is refused are free.
    assert statuses([row(0, mask=Mask(window=0)), row(0), row(1)], bounds) == [Status.MASK, ok, bad]
    # Keys may be shared.
    assert statuses([row(0, first_key=7), row(2, first_key=0), row(4, first_key=7)], bounds) == [ok, ok, ok]


def test_a_job_without_a_table_is_one_sequence():
    job = changed(start=3, mask=FULL)
    work = Work(job=job, sequences=(Sequence(queries=9, keys=9),))
    assert work.parts == (Sequence(queries=4, keys=6, start=3, mask=FULL),)
    assert work.statuses() == [Status.OK]


def test_work_comes_back_from_json():
    sequences = (SEQUENCE, replace(SEQUENCE, first_row=4, mask=Mask(window=3, chunk=8)))
    for work in (
        Work(job=JOB),
        Work(job=changed(**TABLES), sequences=sequences, page_list=(4, 0, 2)),
        Work(job=changed(sinks=64, slopes=128, kv_bits=4, **SCALED, **SUMS)),
    ):
        assert Work.from_dict(json.loads(json.dumps(asdict(work)))) == work
