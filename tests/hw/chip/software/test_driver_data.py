"""What the C driver writes into memory and reads from it: bytes and words as the golden model and the simulations."""

import ctypes
from dataclasses import replace

import numpy as np
import pytest
from tests.hw.chip.software.compiled import library

from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import JOB_BYTES, POSITIONS, SEQUENCE_BYTES
from fusioncim_golden.lse import log_sum_exp
from fusioncim_golden.mask import Mask
from fusioncim_golden.normalizer import NO_KEY
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import LOG2_E, from_integers, scale_for, snap_scale, to_integer
from fusioncim_golden.record import JOB_FIELDS, SEQUENCE_FIELDS, job_values, packed, sequence_values
from fusioncim_golden.scale_table import legal_scales, pack_scales
from fusioncim_golden.sinks import legal_sinks, sinks_of
from fusioncim_golden.slopes import legal_slopes, slope_words
from fusioncim_golden.status import Status
from fusioncim_golden.token_scale import code_values, pack_codes, to_codes, unit_for
from fusioncim_sim.rtl.job_places import JobOptions, Paging
from fusioncim_sim.rtl.memory_image import place_job

TINY = PRESETS["tiny"]
WITH_ALL = TINY.override(update_rank=4, columns=32, buffer_bytes=1 << 14, token_scale_bits=8, alibi=True)
CHIPS = {
    "tiny": TINY,
    "token scales, slopes": WITH_ALL,
    "powers of two": WITH_ALL.override(token_scale_bits=1, alibi=False),
    "4 bits": TINY.override(operand_bits=4, softmax_lanes=2, output_bits=8),
}
DONE, OUT_OF_RANGE, OUTSIDE = 0, 10, 11
NEAREST, UP = 0, 1
FLOATS = ("scale_value", "token_unit", "token_value", "operand_scale", "output_scale", "log_sum_exp")


class Memory(ctypes.Structure):
    """`fusioncim_memory_t`."""

    _fields_ = [("bytes", ctypes.c_void_p), ("address", ctypes.c_uint64), ("size", ctypes.c_uint64)]


@pytest.fixture(scope="module", params=CHIPS)
def made(request, tmp_path_factory):
    """A chip and the driver that was generated for it."""
    driver = library(tmp_path_factory.mktemp("driver"), CHIPS[request.param])
    for name in FLOATS:
        getattr(driver, f"fusioncim_{name}").restype = ctypes.c_double
    driver.fusioncim_operand.restype = ctypes.c_int8
    driver.fusioncim_token_word.restype = ctypes.c_uint32
    return CHIPS[request.param], driver


def given(function, *arguments):
    """The word that a function gives; None where it refuses and leaves the word as it was."""
    word = ctypes.c_uint32(0xDEADBEEF)
    converted = [ctypes.c_double(x) if isinstance(x, float) else x for x in arguments]
    result = function(*converted, ctypes.byref(word))
    assert result in (DONE, OUT_OF_RANGE)
    assert result == DONE or word.value == 0xDEADBEEF
    return word.value if result == DONE else None


def golden(rule, *arguments, **options):
    """What a golden rule gives; None where it refuses."""
    try:
        return rule(*arguments, **options)
    except InputError:
        return None


def numbers(generator, count, low, high):
    """Numbers whose log2 is from low to high, some at ends of the grid and in the middle between two of its values."""
    yield from (0.0, -0.0, -1.0, float("inf"), -float("inf"), float("nan"), 5e-324, 2.0**-1022, 1.7e308)
    yield from (mantissa * 0.5**shift for mantissa in (127.5, 128.0, 255.0, 255.5, 256.0) for shift in (0, 7, 31, 32))
    root = float(np.sqrt(0.5))
    yield from (root / 8, root / 8, float(np.nextafter(root, 0)) / 8, float(np.nextafter(root, 0)) / 8)
    for n in range(count):
        x = 2.0 ** generator.uniform(low, high)
        if n % 2:
            x = float(generator.integers(256, 514)) / 2 * 2.0 ** int(generator.integers(low - 8, high - 7))
        yield float(np.nextafter(x, (0, x, np.inf)[generator.integers(3)]))


def score_word(scale, up):
    mantissa, shift = snap_scale(np.array(scale), up=up)
    return int(pack_scales(mantissa, shift))


def test_score_scales_are_the_golden_ones(made):
    _, driver = made
    found = set()
    for scale in numbers(np.random.default_rng(1), 4000, -28, 10):
        for up in (False, True):
            word = given(driver.fusioncim_score_scale, scale, UP if up else NEAREST)
            assert word == golden(score_word, scale, up), (scale.hex(), up)
            found.add(word)
            if word is not None:
                mantissa, shift = word & 255, word >> 8
                assert driver.fusioncim_scale_value(word) == mantissa * 0.5**shift
    assert {None, 128, 255, 128 | 31 << 8, 255 | 31 << 8} <= found


def test_a_scale_of_queries_is_taken_from_its_word(made):
    """As `quantize` does: the score scale falls on the grid."""
    _, driver = made
    unit = 0.031 / 4 * LOG2_E
    word = given(driver.fusioncim_score_scale, 0.017 * unit, UP)
    mantissa, shift = snap_scale(np.array(0.017 * unit), up=True)
    assert driver.fusioncim_scale_value(word) / unit == mantissa * 0.5**shift / unit


def test_slopes_and_sinks_are_the_golden_ones(made):
    _, driver = made
    generator = np.random.default_rng(2)
    slopes, sinks = set(), set()
    for slope in numbers(generator, 1500, -28, 3):
        word = given(driver.fusioncim_slope, slope)
        assert word == golden(lambda x: int(slope_words(np.array([x]))[0]), slope), slope.hex()
        slopes.add(word)
    for sink in (*numbers(generator, 300, -20, 8), *generator.uniform(-90, 90, 1500), *np.arange(-9, 9) / LOG2_E / 512):
        word = given(driver.fusioncim_sink, float(sink))
        assert word == golden(lambda x: int(sinks_of(np.array([x]))[0]), float(sink)), sink
        sinks.add(word)
    assert {None, 0} <= slopes
    assert None in sinks
    assert min(map(len, (slopes, sinks))) > 500


def test_token_scales_are_the_golden_ones(made):
    chip, driver = made
    bits = chip.engine.token_scale_bits
    if not bits:
        assert given(driver.fusioncim_token_code, 1.0, 1.0, UP) is None
        return
    generator = np.random.default_rng(3)
    assert driver.fusioncim_token_unit(ctypes.c_double(0.37)) == unit_for(np.array(0.37), bits)
    found = set()
    for n, scale in enumerate(numbers(generator, 2000, -18, 1)):
        unit = 1.0 if n % 2 else float(generator.uniform(0.3, 3))
        for up in (False, True):
            code = given(driver.fusioncim_token_code, scale, unit, UP if up else NEAREST)
            wanted = golden(to_codes, np.array([scale]), unit, bits, up=up)
            assert code == (None if wanted is None else wanted[0]), (scale.hex(), unit, up)
            found.add(code)
            if code is not None:
                value = driver.fusioncim_token_value(code)
                assert value == code_values(np.array(code), bits)
                assert not up or value * unit >= scale
    for unit in (0.0, -1.0, float("inf"), float("nan")):
        assert given(driver.fusioncim_token_code, 1.0, unit, UP) is None
    assert {None, 0, 15 << 7} <= found
    assert driver.fusioncim_token_word(0x123, 0x456) == pack_codes(np.array([0x123, 0x456]))


def test_operands_are_the_golden_ones(made):
    chip, driver = made
    generator = np.random.default_rng(4)
    for bits in {chip.engine.operand_bits, 4}:
        x = np.concatenate([generator.normal(size=400), np.arange(-300, 300) / 2, [0.0, -0.0, 1e300, -1e300]])
        for scale in (1.0, float(scale_for(x[:400], bits)), 1e-5):
            wanted = to_integer(x, scale, bits)
            real = ctypes.c_double(scale)
            found = [driver.fusioncim_operand(ctypes.c_double(each), real, bits) for each in x]
            assert found == wanted.tolist()
        largest = float(np.abs(x).max())
        assert driver.fusioncim_operand_scale(ctypes.c_double(largest), bits) == scale_for(x, bits)
        assert driver.fusioncim_operand_scale(ctypes.c_double(0.0), bits) == 1.0


def test_results_are_the_golden_numbers(made):
    chip, driver = made
    fraction = 8 if chip.engine.output_bits == 16 else 0
    assert driver.fusioncim_output_scale(ctypes.c_double(0.3)) == 0.3 / 2**fraction
    words = [*np.random.default_rng(5).integers(0, 1 << 32, 1000).tolist(), 0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000001]
    found = [driver.fusioncim_log_sum_exp(ctypes.c_uint32(word)) for word in words]
    np.testing.assert_allclose(found, log_sum_exp(np.array(words)), rtol=4e-16, atol=1e-15)
    assert driver.fusioncim_log_sum_exp(ctypes.c_uint32(NO_KEY)) == -np.inf


def test_words_of_tables_are_judged_as_by_the_golden_rules(made):
    chip, driver = made
    generator = np.random.default_rng(6)
    words = [*range(0, 1 << 14, 3), *(128 << n for n in range(25)), *generator.integers(0, 1 << 32, 300).tolist()]
    words += [(128 + n) | shift << 8 | high << 13 for n in (0, 1, 127) for shift in range(32) for high in (0, 1, 2)]
    words += [0x1FFFF, 0x10000, 0xFFFF, 0x20000]
    every = np.array(words)
    good = {True: Status.OK, False: Status.SCALE}
    for slopes in (False, True):
        job = packed(JOB_FIELDS, {"slopes": 64 * slopes}, JOB_BYTES)
        found = [driver.fusioncim_check_score_scale(job, ctypes.c_uint32(word)) for word in words]
        assert found == [good[legal] for legal in legal_scales(chip.engine, every, slopes=slopes).tolist()]
        assert {*found} == {*good.values()}
    for name, rule in (("sink", legal_sinks), ("slope", legal_slopes)):
        found = [getattr(driver, f"fusioncim_check_{name}")(ctypes.c_uint32(word)) for word in words]
        assert found == [good[legal] for legal in rule(every).tolist()]
        assert {*found} == {*good.values()}
    job, scale = packed(JOB_FIELDS, {}, JOB_BYTES), 200 | 31 << 8
    for centred, word, sink, legal in (
        (0, scale, 0x10005, True), (1, scale, 0, True), (1, scale, 0x10005, False), (0, scale, 0x20000, False),
        (0, 0, 0, False), (1, 0, 0x10005, False),
    ):  # fmt: skip
        judged = driver.fusioncim_check_score_scale_and_sink(job, word | centred << 13, sink)
        assert judged == good[legal], (centred, word, sink)
    for low, high in ((0, 0), (3, POSITIONS), (4, 3), (0, POSITIONS + 1)):
        legal = low <= high <= POSITIONS
        assert driver.fusioncim_check_interval(low, high) == (Status.OK if legal else Status.INTERVAL)
    job = packed(JOB_FIELDS, {"pages": 5}, JOB_BYTES)
    assert [driver.fusioncim_check_page(job, page) for page in (0, 4, 5)] == [Status.OK, Status.OK, Status.PAGE]


BATCH = (
    Sequence(queries=4, keys=8, start=4),
    Sequence(queries=3, keys=13, first_row=4, first_key=8, mask=Mask(window=9)),
)
OPTIONS = {
    "one": JobOptions(),
    "lse, gaps": JobOptions(lse=True, gap=32, layout="token", base=4096),
    "batch in pages": JobOptions(sequences=BATCH, paging=Paging(tokens=8), lse=True),
    "intervals": JobOptions(
        intervals=np.array([[0, 3], [1, 9], [2, 2], [0, 21], [5, 6], [7, 8], [0, 1]]), layout="token"
    ),
    "packed": JobOptions(kv_bits=4, paging=Paging(tokens=4, layout="head")),
}
GROUP, QUERIES, KEYS = 2, 7, 21


def operands(chip, packs, kv_heads=2):
    """Heads with all tables that a chip takes."""
    generator = np.random.default_rng(7)
    engine, step = chip.engine, 16 if packs and chip.engine.operand_bits == 8 else 1
    most = (1 << engine.operand_bits - 1) // step
    groups = []
    for _ in range(kv_heads):
        q = generator.integers(-(1 << engine.operand_bits - 1), 1 << engine.operand_bits - 1, (GROUP, QUERIES, 16))
        k, v = (generator.integers(-most, most, (KEYS, columns)) * step for columns in (16, 8))
        heads = from_integers(q, k, v, scale_q=1 / 127, scale_k=4 / 127)
        codes = generator.integers(0, 1 << 11, (KEYS, 2)) if engine.token_scale_bits else None
        slopes = slope_words(np.array([0.5, 0.0])) if engine.alibi else None
        sinks = sinks_of(generator.normal(size=GROUP))
        groups.append(replace(heads, token_scales=codes, slopes=slopes, sinks=sinks, centred=False))
    return groups


def write_by_the_driver(driver, image, groups, options, memory):
    """Everything that `place_job` writes, by the driver."""
    job, work = image.descriptor, image.work
    native = packed(JOB_FIELDS, job_values(job), JOB_BYTES)
    lent = Memory(memory.ctypes.data, 0, len(memory))
    at = memory.ctypes.data
    driver.fusioncim_write_job(ctypes.c_void_p(at + image.address), native)
    for n, entry in enumerate(work.sequences):
        record = packed(SEQUENCE_FIELDS, sequence_values(entry), SEQUENCE_BYTES)
        driver.fusioncim_write_sequence(ctypes.c_void_p(at + job.table), n, record)
    words = {job.scales: [int(w) for g in groups for w in pack_scales(g.mantissa, g.shift)[:, 0]]}
    words |= {job.pages.list: work.page_list} if job.pages else {}
    for name in ("sinks", "slopes"):
        if getattr(job, name):
            words[getattr(job, name)] = np.concatenate([getattr(group, name) for group in groups]).tolist()
    for place, table in words.items():
        for n, word in enumerate(table):
            driver.fusioncim_write_word(ctypes.c_void_p(at + place), n, word)
    for n, (low, high) in enumerate([] if options.intervals is None else options.intervals.tolist()):
        driver.fusioncim_write_interval(ctypes.c_void_p(at + job.intervals), n, low, high)
    shift = 4 if job.kv_bits == 4 and image.chip.engine.operand_bits == 8 else 0
    results = set()
    for h, group in enumerate(groups):
        for head in range(GROUP):
            for n, row in enumerate(group.q[head]):
                place = n, h * GROUP + head
                results.add(driver.fusioncim_write_query(ctypes.byref(lent), native, *place, native_of(row)))
        for n in range(KEYS):
            for name, vectors in (("key", group.k), ("value", group.v)):
                write = getattr(driver, f"fusioncim_write_{name}")
                results.add(write(ctypes.byref(lent), native, n, h, native_of(vectors[n] >> shift)))
            if job.token_scales:
                word = int(pack_codes(group.token_scales[n]))
                results.add(driver.fusioncim_write_token_scales(ctypes.byref(lent), native, n, h, word))
    assert results == {DONE}
    return lent, native


def native_of(values):
    """Integers as a C array of int8_t."""
    return values.astype(np.int8).tobytes()


@pytest.mark.parametrize("name", OPTIONS)
def test_jobs_lie_in_memory_as_the_simulations_have_them(made, name):
    """All bytes of operands, tables and record; then all outputs."""
    chip, driver = made
    options = OPTIONS[name]
    groups = operands(chip, options.kv_bits == 4)
    wanted, found = np.zeros(1 << 16, np.uint8), np.zeros(1 << 16, np.uint8)
    image = place_job(chip, wanted, groups, options)
    lent, native = write_by_the_driver(driver, image, groups, options, found)
    assert driver.fusioncim_check_job(native) == Status.OK
    image.clear_outputs(found)
    assert np.array_equal(wanted, found)

    generator = np.random.default_rng(8)
    for first, end in image.descriptor.results(chip):
        found[first:end] = generator.integers(0, 256, end - first)
    row, word = (ctypes.c_int16 * image.descriptor.outputs)(), ctypes.c_uint32()
    outputs, lse = image.outputs(found), image.lse(found)
    for head in range(2 * GROUP):
        for n in range(QUERIES):
            assert driver.fusioncim_read_output(ctypes.byref(lent), native, n, head, row) == DONE
            assert list(row) == outputs[head, n].tolist()
            result = driver.fusioncim_read_lse(ctypes.byref(lent), native, n, head, ctypes.byref(word))
            assert result == (OUT_OF_RANGE if lse is None else DONE)
            assert lse is None or word.value == lse[head, n]


@pytest.mark.parametrize("name", OPTIONS)
def test_a_memory_that_ends_before_a_tensor_is_refused(made, name):
    chip, driver = made
    options = OPTIONS[name]
    memory = np.zeros(1 << 16, np.uint8)
    image = place_job(chip, memory, operands(chip, options.kv_bits == 4), options)
    native = packed(JOB_FIELDS, job_values(image.descriptor), JOB_BYTES)
    places = image.descriptor.operands(chip) + image.descriptor.results(chip)
    first, end = min(each for each, _ in places), max(each for _, each in places)

    def check(address, size):
        return driver.fusioncim_check_memory(ctypes.byref(Memory(memory.ctypes.data, address, size)), native)

    assert check(first, end - first) == check(0, end) == check(0, (1 << 64) - 1) == DONE
    assert check(0, end - 1) == check(first + 1, end - first) == check(end, 1 << 20) == check(0, 0) == OUTSIDE
    short = Memory(memory.ctypes.data, 0, image.descriptor.o.address)
    row = (ctypes.c_int16 * 32)()
    assert driver.fusioncim_read_output(ctypes.byref(short), native, 0, 0, row) == OUTSIDE


def test_what_the_job_has_not_is_refused(made):
    """And nothing is written for it."""
    chip, driver = made
    memory = np.zeros(1 << 16, np.uint8)
    image = place_job(chip, memory, operands(chip, True), OPTIONS["packed"])
    native = packed(JOB_FIELDS, job_values(image.descriptor), JOB_BYTES)
    lent, before = ctypes.byref(Memory(memory.ctypes.data, 0, len(memory))), memory.copy()
    good, large = native_of(np.zeros(16)), native_of(np.full(16, 8))
    calls = [("write_query", QUERIES, 0), ("write_query", 0, 4), ("write_key", KEYS, 0), ("write_key", 0, 2)]
    for name, n, head in (*calls, ("write_value", KEYS, 0), ("write_value", 0, 2)):
        assert getattr(driver, f"fusioncim_{name}")(lent, native, n, head, good) == OUT_OF_RANGE, name
    assert driver.fusioncim_write_key(lent, native, 0, 0, large) == OUT_OF_RANGE
    assert driver.fusioncim_write_token_scales(lent, native, KEYS, 0, 0) == OUT_OF_RANGE
    assert driver.fusioncim_read_output(lent, native, 0, 4, (ctypes.c_int16 * 32)()) == OUT_OF_RANGE
    pages = image.descriptor.pages
    memory[pages.list] = before[pages.list] = pages.count
    assert driver.fusioncim_write_key(lent, native, 0, 0, good) == OUT_OF_RANGE
    assert np.array_equal(memory, before)
