"""Jobs in memory: how operands are packed, where every vector lies, and what is left alone."""

import json
import mmap
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim_golden.descriptor import Sequence, Work
from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, FULL
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.record import job_record, sequence_table
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.job_places import LAYOUTS, JobOptions, Paging
from fusioncim_sim.rtl.memory_image import Image, place_job
from fusioncim_sim.rtl.tensor_bytes import pack_integers, unpack_integers, view

TINY = PRESETS["tiny"]
CHIPS = {
    "tiny": TINY,
    "4 bits": TINY.override(operand_bits=4, softmax_lanes=2),
    "8-bit outputs": TINY.override(output_bits=8),
    "1024-bit bus": PRESETS["paper"].override(bus_bits=1024),
}
FILL = 0xA5


def operands(chip=TINY, *, kv_heads=2, group=3, queries=4, keys=5, seed=0, dimension=None):
    """Random operands of all bits, one `Heads` per key and value head, and another scale for every head."""
    rng = np.random.default_rng(seed)
    limit = 1 << (chip.engine.operand_bits - 1)
    groups = []
    for _ in range(kv_heads):
        shapes = (group, queries), (keys,), (keys,)
        parts = [rng.integers(-limit, limit, (*shape, dimension or chip.engine.columns)) for shape in shapes]
        mantissa, shift = rng.integers(128, 256, (group, 1)), rng.integers(16, 32, (group, 1))
        scales = {"mantissa": mantissa.repeat(queries, axis=1), "shift": shift.repeat(queries, axis=1)}
        groups.append(replace(from_integers(*parts, scale_q=1e-3), **scales))
    return groups


def placed(chip, memory, groups, **options):
    return place_job(chip, memory, groups, JobOptions(**options))


def fill(size=1 << 16):
    return np.full(size, FILL, np.uint8)


def vector(memory, tensor, n, h, size):
    """The bytes of vector n of head h."""
    first = tensor.address + n * tensor.pitch + h * tensor.head_pitch
    return memory[first : first + size].tobytes()


def integers_of(data, bits):
    """Signed integers from bytes, one by one: the first one is lowest."""
    word, count = int.from_bytes(data, "little"), 8 * len(data) // bits
    raw = [word >> (n * bits) & ((1 << bits) - 1) for n in range(count)]
    return [x - (x >> (bits - 1) << bits) for x in raw]


# Packing.


@pytest.mark.parametrize(
    ("bits", "values", "packed"),
    [
        (4, [1, 2, -1, -8, 7, 0], "21 8f 07"),
        (8, [1, -1, -128, 127], "01 ff 80 7f"),
        (16, [1, -2, -32768, 0x1234], "01 00 fe ff 00 80 34 12"),
    ],
)
def test_the_first_element_is_lowest(bits, values, packed):
    assert pack_integers(np.array(values), bits).tobytes() == bytes.fromhex(packed)
    assert pack_integers(np.array([[values, values]] * 3), bits).shape == (3, 2, len(bytes.fromhex(packed)))


@given(st.sampled_from([4, 8, 16]), st.integers(1, 3), st.integers(1, 2), st.integers(1, 6), st.integers(0, 99))
def test_packed_integers_are_the_integers(bits, outer, inner, pairs, seed):
    limit = 1 << (bits - 1)
    values = np.random.default_rng(seed).integers(-limit, limit, (outer, 2 * inner, 2 * pairs))
    for x in (values, values.transpose(1, 0, 2), values.transpose(0, 2, 1)):  # whatever their order in memory
        packed = pack_integers(x, bits)
        assert packed.dtype == np.uint8
        assert packed.shape == (*x.shape[:2], x.shape[2] * bits // 8)
        for where in np.ndindex(x.shape[:2]):
            assert integers_of(packed[where].tobytes(), bits) == x[where].tolist()
        if bits > 4:
            for data in (packed, np.asfortranarray(packed)):
                assert np.array_equal(unpack_integers(data, bits), x)
                assert unpack_integers(data, bits).dtype == np.int64


def test_bytes_with_gaps_are_unpacked():
    memory = pack_integers(np.arange(-20, 20), 16)
    assert unpack_integers(memory.reshape(10, 8)[::3, :4], 16).tolist() == [[-20, -19], [-8, -7], [4, 5], [16, 17]]


# Places.


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
@pytest.mark.parametrize(("kv_heads", "group"), [(1, 1), (1, 4), (3, 1), (2, 3)])
def test_every_vector_lies_where_the_descriptor_says(layout, chip, kv_heads, group):
    groups = operands(chip, kv_heads=kv_heads, group=group)
    memory = fill()
    job = placed(chip, memory, groups, layout=layout).descriptor
    bits, size = chip.engine.operand_bits, chip.vector_bytes
    for h in range(kv_heads * group):
        heads, member = groups[h // group], h % group
        for n in range(4):
            assert integers_of(vector(memory, job.q, n, h, size), bits) == heads.q[member, n].tolist()
            assert not any(vector(memory, job.o, n, h, chip.output_bytes))
        word = int.from_bytes(memory[job.scales + 4 * h :][:4].tobytes(), "little")
        assert word == heads.mantissa[member, 0] + (heads.shift[member, 0] << 8) < 1 << 13
    for h, heads in enumerate(groups):
        for n in range(5):
            assert integers_of(vector(memory, job.k, n, h, size), bits) == heads.k[n].tolist()
            assert integers_of(vector(memory, job.v, n, h, size), bits) == heads.v[n].tolist()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layouts_are_those_of_dense_arrays(layout):
    groups = operands()
    memory = fill()
    job = placed(TINY, memory, groups, layout=layout).descriptor
    q = np.concatenate([heads.q for heads in groups])
    k = np.stack([heads.k for heads in groups])
    for tensor, x in ((job.q, q), (job.k, k)):
        dense = (x if layout == "head" else x.transpose(1, 0, 2)).astype(np.int8).tobytes()
        assert memory[tensor.address :][: len(dense)].tobytes() == dense
    strides = {"head": ((16, 64), (32, 128), (16, 80)), "token": ((96, 16), (192, 32), (32, 16))}
    tensors = (job.q, job.o, job.k)
    assert tuple((tensor.pitch, tensor.head_pitch) for tensor in tensors) == strides[layout]


shapes = st.fixed_dictionaries(
    {"kv_heads": st.integers(1, 3), "group": st.integers(1, 3), "queries": st.integers(1, 9), "keys": st.integers(1, 9)}
)


@given(st.sampled_from(list(CHIPS)), shapes, st.sampled_from(LAYOUTS), st.integers(0, 5000))
def test_a_job_stands_alone_behind_its_base(name, shape, layout, base):
    chip, memory = CHIPS[name], fill(1 << 17)
    groups = operands(chip, **shape)
    image = placed(chip, memory, groups, layout=layout, base=base)
    job = image.descriptor
    assert job.status(chip) == Status.OK
    heads, kv_heads = shape["kv_heads"] * shape["group"], shape["kv_heads"]
    assert (job.heads, job.kv_heads, job.queries, job.keys) == (heads, kv_heads, shape["queries"], shape["keys"])
    # No byte belongs to two tensors, none lies before the base or behind the end.
    parts = [
        (job.q.address, shape["queries"] * heads * chip.vector_bytes),
        (job.k.address, shape["keys"] * kv_heads * chip.vector_bytes),
        (job.v.address, shape["keys"] * kv_heads * chip.vector_bytes),
        (job.o.address, shape["queries"] * heads * chip.output_bytes),
        (job.scales, 4 * heads),
        (image.address, 256),
    ]
    owners = np.zeros(len(memory), int)
    for address, size in parts:
        owners[address : address + size] += 1
    assert owners.max() == 1
    assert not owners[:base].any()
    assert np.flatnonzero(owners)[-1] + 1 == image.end
    # Everything else is as it was: a job comes behind another one.
    assert (memory[owners == 0] == FILL).all()
    behind = placed(chip, memory, groups, layout=layout, base=image.end)
    assert min(behind.descriptor.q.address, behind.descriptor.scales) >= image.end
    assert behind.descriptor.q.address - image.end < max(chip.bus_bytes, 64)


@pytest.mark.parametrize("base", [0, 1, 63, 64, 65, 1000])
def test_a_job_begins_at_the_next_line_after_its_base(base):
    job = placed(TINY, fill(), operands(), base=base).descriptor
    assert job.q.address == -(-base // 64) * 64
    assert all(
        address % 64 == 0 for address in (job.q.address, job.k.address, job.v.address, job.o.address, job.scales)
    )


def test_the_descriptor_says_how_the_job_is_to_be_run():
    chip, memory = CHIPS["8-bit outputs"], fill()
    job = placed(chip, memory, operands(chip, queries=2, keys=9)).descriptor
    assert (job.dimension, job.output_bits, job.start, job.mask) == (16, 8, 7, CAUSAL)
    job = placed(chip, memory, operands(chip, queries=9, keys=2), mask=FULL).descriptor
    assert (job.start, job.mask) == (0, FULL)
    job = placed(TINY, memory, operands(), start=33).descriptor
    assert (job.output_bits, job.start) == (16, 33)


# Pages, sequences, intervals, dimensions, gaps.


def key_vector(memory, work, name, n, h, size):
    """The bytes of key, or value, n of head h: in its page if there are pages."""
    job, pages = work.job, work.job.pages
    tensor = getattr(job, name)
    if not pages:
        return vector(memory, tensor, n, h, size)
    page, token = work.page_list[n // pages.tokens], n % pages.tokens
    there = replace(tensor, address=tensor.address + page * getattr(pages, f"{name}_pitch"))
    return vector(memory, there, token, h, size)


def written(image):
    """Which bytes of the memory are the job's: (address, bytes) of every vector and table."""
    job, chip = image.descriptor, image.chip
    vectors = [
        (job.q, job.queries, job.heads, job.query_bytes(chip)),
        (job.o, job.queries, job.heads, job.row_bytes(chip)),
    ]
    for tensor, count, heads, size in vectors:
        yield from (
            (tensor.address + n * tensor.pitch + h * tensor.head_pitch, size)
            for n in range(count)
            for h in range(heads)
        )
    for name in ("k", "v"):
        tensor, pages = getattr(job, name), job.pages
        for n in range(job.keys):
            page = image.work.page_list[n // pages.tokens] * getattr(pages, f"{name}_pitch") if pages else 0
            place = tensor.address + page + (n % pages.tokens if pages else n) * tensor.pitch
            yield from ((place + h * tensor.head_pitch, job.query_bytes(chip)) for h in range(job.kv_heads))
    yield from [(job.scales, 4 * job.heads), (job.table, 64 * job.sequences), (image.address, 256)]
    yield job.intervals, 8 * job.queries if job.intervals else 0
    if job.pages:
        yield job.pages.list, 4 * len(image.work.page_list)


pagings = st.builds(
    Paging,
    tokens=st.sampled_from([2, 4, 8]),
    layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 9),
    spare=st.integers(0, 3),
)
FREE = {name: chip for name, chip in CHIPS.items() if name != "1024-bit bus"}


@given(
    st.sampled_from(list(FREE)),
    shapes,
    st.sampled_from(LAYOUTS),
    st.sampled_from([8, 16]),
    st.none() | pagings,
    st.integers(0, 3),
    st.booleans(),
    st.integers(0, 3),
    st.integers(0, 5000),
)
def test_all_that_a_job_needs_lies_where_its_record_says(
    name, shape, layout, dimension, paging, parts, ragged, gap, base
):
    chip, memory = FREE[name], fill(1 << 17)
    groups = operands(chip, dimension=dimension, **shape)
    queries, keys = shape["queries"], shape["keys"]
    sequences = [Sequence(queries=queries if n == 0 else 0, keys=keys, first_row=n and queries) for n in range(parts)]
    intervals = np.sort(np.random.default_rng(1).integers(0, 99, (queries, 2)), axis=1) if ragged else None
    image = placed(
        chip,
        memory,
        groups,
        base=base,
        layout=layout,
        paging=paging,
        sequences=sequences,
        intervals=intervals,
        gap=8 * gap,
    )
    job = image.descriptor
    assert job.status(chip) == Status.OK
    assert set(image.work.statuses()) == {Status.OK}
    assert (job.dimension, job.sequences, job.intervals > 0, job.pages is None) == (
        dimension,
        parts,
        ragged,
        paging is None,
    )
    bits, size, group = chip.engine.operand_bits, job.query_bytes(chip), shape["group"]
    for h, heads in enumerate(groups):
        for n in range(keys):
            for name in ("k", "v"):
                expected = getattr(heads, name)[n].tolist()
                assert integers_of(key_vector(memory, image.work, name, n, h, size), bits) == expected
        for n in range(queries):
            for member in range(group):
                there = vector(memory, job.q, n, h * group + member, size)
                assert integers_of(there, bits) == heads.q[member, n].tolist()
    record = job_record(job)
    assert image.address % 256 == 0
    assert memory[image.address :][:256].tobytes() == record
    assert memory[job.table :][: 64 * parts].tobytes() == sequence_table(sequences)
    if ragged:
        words = memory[job.intervals :][: 8 * queries].view("<u4").reshape(queries, 2)
        assert np.array_equal(words, intervals)
    if paging:
        count = -(-keys // paging.tokens)
        assert memory[job.pages.list :][: 4 * count].view("<u4").tolist() == list(image.work.page_list)
        assert (job.pages.tokens, job.pages.count) == (paging.tokens, count + paging.spare)
        assert len(set(image.work.page_list)) == count
    # No byte has two meanings, and all others are as they were.
    owners = np.zeros(len(memory), int)
    for address, length in written(image):
        owners[address : address + length] += 1
    assert owners.max() == 1
    assert not owners[:base].any()
    assert np.flatnonzero(owners)[-1] + 1 == image.end
    assert (memory[owners == 0] == FILL).all()


def test_the_layouts_of_pages_are_those_of_dense_arrays():
    (heads,) = operands(kv_heads=1, keys=7)
    groups = [heads, replace(heads, k=heads.v, v=heads.k)]
    k = np.zeros((8, 2, 16), np.int8)
    k[:7] = np.stack([heads.k, heads.v], axis=1)
    for layout, axes in (("token", (0, 1, 2, 3)), ("head", (0, 2, 1, 3))):
        memory = fill() * 0
        image = placed(TINY, memory, groups, paging=Paging(tokens=4, layout=layout, seed=3))
        pages, address = image.descriptor.pages, image.descriptor.k.address
        assert pages.k_pitch == pages.v_pitch == 4 * 2 * 16
        for number, page in zip(image.work.page_list, k.reshape(2, 4, 2, 16), strict=True):
            dense = page[None].transpose(axes).tobytes()
            assert memory[address + number * pages.k_pitch :][: len(dense)].tobytes() == dense


def test_pages_are_shuffled_by_their_seed():
    lists = [
        placed(TINY, fill(), operands(keys=40), paging=Paging(tokens=4, seed=seed)).work.page_list for seed in (1, 1, 2)
    ]
    assert lists[0] == lists[1] != lists[2]
    assert list(lists[0]) != sorted(lists[0])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("paging", [None, Paging(tokens=8), Paging(tokens=8, layout="head")])
def test_with_a_gap_nothing_lies_where_it_did(layout, paging):
    chip = PRESETS["small"]
    image = placed(
        chip, fill(1 << 18), operands(chip), layout=layout, paging=paging, gap=16, intervals=np.zeros((4, 2), np.int64)
    )
    job, pages = image.descriptor, image.descriptor.pages
    assert job.status(chip) == Status.OK
    places = [*(getattr(job, name).address for name in "qkvo"), job.scales, job.intervals]
    steps = [min(getattr(job, name).pitch, getattr(job, name).head_pitch) for name in "qkvo"]
    assert {place % 64 for place in places + ([pages.list] if pages else [])} == {16}
    assert steps == [80, 80, 80, 144]
    assert all(place % 32 == 16 for place in steps + ([pages.k_pitch, pages.v_pitch] if pages else []))


RICH = TINY.override(update_rank=4, columns=32, token_scale_bits=8, alibi=True, buffer_bytes=1 << 13)


def rich(seed=3, keys=21, queries=3):
    """Two KV heads of three query heads with scales per token, sinks and slopes; their operands are multiples of 16."""
    rng = np.random.default_rng(seed)
    return [
        replace(
            group,
            k=group.k // 16 * 16,
            v=group.v // 16 * 16,
            token_scales=rng.integers(0, 1 << 16, (keys, 2)),
            sinks=1 << 16 | rng.integers(0, 1 << 16, 3),
            slopes=rng.integers(128, 256, 3) | 9 << 8,
        )
        for group in operands(RICH, keys=keys, queries=queries)
    ]


@pytest.mark.parametrize("gap", [0, 8])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("tokens", [0, 4, 16])
def test_what_a_job_may_have_besides_lies_where_its_record_says(tokens, layout, gap):
    groups, memory = rich(), fill(1 << 17)
    paging = Paging(tokens=tokens, layout=layout) if tokens else None
    image = placed(RICH, memory, groups, kv_bits=4, lse=True, paging=paging, layout=layout, gap=gap)
    job = image.descriptor
    assert job.status(RICH) == Status.OK
    assert job.kv_bits == 4
    for h, heads in enumerate(groups):
        for n in range(21):
            for name in ("k", "v"):
                data = key_vector(memory, image.work, name, n, h, 16)
                assert [16 * x for x in integers_of(data, 4)] == getattr(heads, name)[n].tolist()
            page = image.work.page_list[n // tokens] * job.pages.k_pitch if tokens else 0
            place = job.token_scales.address + page + h * job.token_scales.pitch + 4 * (n % tokens if tokens else n)
            assert memory[place : place + 4].view("<u2").tolist() == heads.token_scales[n].tolist()
        for member in range(3):
            for name in ("sinks", "slopes"):
                place = getattr(job, name) + 4 * (3 * h + member)
                assert memory[place : place + 4].view("<u4")[0] == getattr(heads, name)[member]
    assert (image.lse(memory) == 0x80000000).all()
    for h, n in np.ndindex(6, 3):
        place = job.lse.address + h // 3 * job.lse.pitch + 4 * (3 * n + h % 3)
        memory[place : place + 4].view("<u4")[0] = 100 * h + n
    assert image.lse(memory).tolist() == [[100 * h + n for n in range(3)] for h in range(6)]
    assert not image.outputs(memory).any()


def test_packed_operands_are_multiples_of_16():
    groups = [replace(group, v=group.v + 1) for group in rich()]
    with pytest.raises(InputError, match=r"^keys and values of 4 bits must be multiples of 16, and are not$"):
        placed(RICH, fill(1 << 17), groups, kv_bits=4)


def test_short_vectors_lie_as_far_apart_as_places_must():
    chip = CHIPS["1024-bit bus"]
    job = placed(chip, fill(), operands(chip, dimension=8), layout="token").descriptor
    assert (job.query_bytes(chip), job.row_bytes(chip)) == (8, 16)
    assert (job.q.pitch, job.q.head_pitch, job.o.head_pitch) == (6 * 16, 16, 16)
    assert job.status(chip) == Status.OK


def test_a_job_may_lie_beyond_32_bits_of_address():
    chip = TINY.override(address_bits=40)
    memory = np.frombuffer(mmap.mmap(-1, (1 << 33) + (1 << 16)), np.uint8)
    groups = operands(chip, queries=4, keys=9)
    image = placed(chip, memory, groups, base=1 << 33, paging=Paging(tokens=4))
    job = image.descriptor
    assert job.q.address == 1 << 33
    assert job.status(chip) == Status.OK
    assert job.status(TINY) == Status.ADDRESS
    assert memory[image.address :][:256].tobytes() == job_record(job)
    assert integers_of(key_vector(memory, image.work, "v", 8, 1, 16), 8) == groups[1].v[8].tolist()
    assert not image.outputs(memory).any()


def test_another_record_may_take_its_place():
    memory = fill()
    image = placed(TINY, memory, operands())
    other = replace(image.descriptor, queries=3, scales=1 << 40)
    before = memory.copy()
    image.write_record(memory, other)
    assert memory[image.address :][:256].tobytes() == job_record(other)
    image.write_record(memory)
    assert np.array_equal(memory, before)


def test_an_image_comes_back_from_json():
    sequences = [Sequence(queries=4, keys=5, mask=FULL)]
    image = placed(TINY, fill(), operands(), sequences=sequences, paging=Paging(tokens=2), gap=8, base=5000)
    assert Image.from_dict(TINY, json.loads(json.dumps(image.as_dict()))) == image


# Outputs.


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
def test_outputs_are_read_from_where_the_chip_writes_them(layout, chip):
    memory = fill()
    image = placed(chip, memory, operands(chip), layout=layout, base=77)
    assert not image.outputs(memory).any()
    bits = chip.engine.output_bits
    rng = np.random.default_rng(1)
    out = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), (6, 4, chip.engine.columns))
    o = image.descriptor.o
    for h in range(6):
        for n in range(4):
            first = o.address + n * o.pitch + h * o.head_pitch
            data = out[h, n].astype(f"<i{bits // 8}").tobytes()
            memory[first : first + len(data)] = np.frombuffer(data, np.uint8)
    assert np.array_equal(image.outputs(memory), out)
    assert image.outputs(memory).dtype == np.int64


def test_a_view_writes_into_the_memory():
    memory = fill()
    job = placed(TINY, memory, operands(), layout="token").descriptor
    view(memory, job.o, 4, 6, 32)[2, 5, 31] = 7
    assert memory[job.o.address + 2 * 192 + 5 * 32 + 31] == 7


# Refusals.


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_memory_that_is_too_small_is_refused_and_left_alone(layout):
    groups = operands()
    memory = fill()
    end = placed(TINY, memory, groups, layout=layout, base=128).end
    whole = fill(end)
    exact = placed(TINY, whole, groups, layout=layout, base=128)
    assert np.array_equal(whole, memory[:end])
    small = fill(end + 64)
    message = rf"^the memory must have at least the {end} bytes of the job, not {end - 1}$"
    with pytest.raises(InputError, match=message):
        placed(TINY, small[: end - 1], groups, layout=layout, base=128)
    assert (small == FILL).all()
    with pytest.raises(InputError, match=message):
        exact.outputs(small[: end - 1])


def test_an_unknown_layout_is_refused():
    with pytest.raises(InputError, match=r"^layout must be one of token, head, not column$"):
        placed(TINY, fill(), operands(), layout="column")


def test_operands_that_no_job_can_have_are_refused():
    memory = fill()
    with pytest.raises(InputError, match=r"^all groups must have the same shapes of q, k and v, "):
        placed(TINY, memory, [*operands(), *operands(keys=6)])
    with pytest.raises(InputError, match=r"^a job needs at least one key and value head$"):
        placed(TINY, memory, [])
    assert (memory == FILL).all()


def test_an_image_ends_behind_its_last_tensor_and_its_record():
    job = placed(TINY, fill(), operands()).descriptor
    for name in ("q", "k", "v", "o"):
        size = {"q": 4 * 6 * 16, "o": 4 * 6 * 32}.get(name, 5 * 2 * 16)
        far = replace(job, **{name: replace(getattr(job, name), address=1 << 20)})
        assert Image(work=Work(job=far), chip=TINY, address=0).end == (1 << 20) + size
    assert Image(work=Work(job=job), chip=TINY, address=0).end == job.scales + 24
    assert Image(work=Work(job=job), chip=TINY, address=1 << 20).end == (1 << 20) + 256
