from dataclasses import asdict, fields, replace
from functools import cache
from time import process_time

import numpy as np
import pytest

from fusioncim_golden.config import REFERENCE_BITS, SEED_LIMIT, Config
from fusioncim_golden.engine import Events, check_operands, run, trace
from fusioncim_golden.errors import InputError
from fusioncim_golden.key_order import ORDERS
from fusioncim_golden.limits import SLOPE_POSITIONS
from fusioncim_golden.mask import CAUSAL, FULL, Mask
from fusioncim_golden.metrics import in_lsb, max_error, sqnr_db
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import LOG2_E, Heads, from_integers, quantize
from fusioncim_golden.reference import dequantized_attention
from fusioncim_golden.schedule import Job
from fusioncim_golden.slopes import slope_words
from fusioncim_golden.softmax import Rows, Update, exact_rescales, merge
from fusioncim_sim.heads.read import fixture, load_heads

NAMES = ("group0", "group1", "group2", "local", "mixed", "sink", "wide")
SMALL = Config()
TINY = PRESETS["tiny"].alone()


@cache
def captured(name):
    heads = {head.name: head for head in load_heads(fixture(), SMALL)}
    return heads[name].quantized(SMALL)


@cache
def captured_run(name):
    return run(SMALL, captured(name), Job(queries=512, keys=512))


def gaussian(seed, *, heads=1, queries=40, keys=40, columns=64, size=1.0, bits=8):
    random = np.random.default_rng(seed)
    q = random.normal(0, size, (heads, queries, columns))
    k, v = random.normal(0, 1, (2, keys, columns))
    return quantize(q, k, v, bits=bits)


def errors(config, heads, job):
    out, exact = in_lsb(config, run(config, heads, job).out), dequantized_attention(heads, job)
    return sqnr_db(out, exact), max_error(out, exact)


def one_head(heads, h):
    return replace(
        heads, q=heads.q[h : h + 1], **{n: getattr(heads, n)[h : h + 1] for n in ("mantissa", "shift", "scale_q")}
    )


@pytest.mark.parametrize("name", NAMES)
def test_captured_heads_are_within_40_db_and_one_lsb_of_float(name):
    heads = captured(name)
    out = in_lsb(SMALL, captured_run(name).out)
    exact = dequantized_attention(heads, Job(queries=512, keys=512))
    assert sqnr_db(out, exact) >= 40
    assert max_error(out, exact) <= 1


def test_the_default_rescales_90_percent_less_than_exact_attention_in_order():
    exact = events = 0
    for name in NAMES:
        heads = captured(name)
        scores = heads.q[0] @ heads.k.T
        exact += exact_rescales(scores, np.tri(512, dtype=bool))
        counters = captured_run(name).events
        events += counters.rescales + counters.halvings
    assert events <= 0.1 * exact
    assert exact > 1000


@pytest.mark.parametrize(
    ("config", "options"),
    [
        (TINY, {"columns": 16, "queries": 100, "keys": 100}),
        (SMALL, {"columns": 64, "queries": 200, "keys": 200}),
        (SMALL, {"columns": 64, "queries": 64, "keys": 64, "size": 4}),
        (PRESETS["paper"].alone(), {"columns": 128, "queries": 130, "keys": 300}),
        (SMALL.override(operand_bits=4, softmax_lanes=8), {"columns": 64, "bits": 4}),
        (SMALL.override(probability_bits=12, accumulator_bits=32, seed=True), {"columns": 64, "queries": 200}),
        (SMALL.override(slack=0, schedule="in_order"), {"columns": 64}),
    ],
)
@pytest.mark.parametrize("mask", [CAUSAL, FULL, Mask(window=30), Mask(chunk=32, prefix=9)])
def test_random_heads_are_near_float(config, options, mask):
    heads = gaussian(1, **options)
    job = Job(queries=heads.q.shape[1], keys=len(heads.k), mask=mask)
    sqnr, worst = errors(config, heads, job)
    assert sqnr >= 38
    assert worst <= 1


@pytest.mark.parametrize("schedule", ORDERS)
@pytest.mark.parametrize("name", PRESETS)
def test_flat_scores_of_2048_keys_weigh_1_in_sum(name, schedule):
    config = PRESETS[name].alone().override(schedule=schedule)
    zero = np.zeros((1, config.rows, config.columns))
    for value in (100, -100, 1):
        heads = from_integers(zero, zero[0, :1].repeat(2048, axis=0), np.full((2048, config.columns), value))
        out = in_lsb(config, run(config, heads, Job(queries=config.rows, keys=2048, mask=FULL)).out)
        assert np.abs(out / value - 1).max() <= 0.01


def test_the_three_orders_give_nearly_the_same_output():
    heads, job = gaussian(2, queries=90, keys=90), Job(queries=90, keys=90)
    out = [in_lsb(SMALL, run(SMALL.override(schedule=order), heads, job).out) for order in ORDERS]
    assert max_error(out[0], out[1]) <= 1
    assert max_error(out[0], out[2]) <= 1
    assert not np.array_equal(out[0], out[1])


OF_ROWS = [name for name, order in ORDERS.items() if not order.folded]
"""Orders in which a row sees its keys whichever pass it is in; the folded one is that of the pass."""


@pytest.mark.parametrize("schedule", OF_ROWS)
def test_heads_together_are_the_heads_alone(schedule):
    config = SMALL.override(schedule=schedule, slack=1)
    heads = gaussian(3, heads=3, queries=70, keys=70)
    job = Job(queries=70, keys=70, heads=3)
    together = run(config, heads, job)
    alone = [run(config, one_head(heads, h), replace(job, heads=1)) for h in range(3)]
    assert np.array_equal(together.out, np.concatenate([result.out for result in alone]))
    total = Events()
    for result in alone:
        total.add(result.events)
    # What rows do is the same. How they are packed is not: 210 rows are 7 tiles, and a head alone is 3.
    assert of_rows(together.events) == of_rows(total)
    assert total.rescales > 0
    assert total.slots == 3 * (8 + 16 + 18)
    assert together.events.slots == 3 + 6 + 8 + 11 + 14 + 16 + 18


def of_rows(events):
    """The events that belong to single rows: they do not depend on the rows that share a tile."""
    added = events.row_updates - events.skipped_row_updates
    return events.scores, events.rescales, events.halvings, events.zero_probabilities, added


@pytest.mark.parametrize(
    ("schedule", "mask"), [*((order, CAUSAL) for order in OF_ROWS), ("in_order", FULL), ("in_order", Mask(window=9))]
)
def test_engines_and_words_per_pass_change_no_bit(schedule, mask):
    # In a causal job every row sees its keys in the same order, whichever pass it is in.
    heads = gaussian(4, heads=3, queries=50, keys=50, columns=16, size=3)
    config = TINY.override(schedule=schedule, words=4, slack=1)
    results = [
        run(config, heads, Job(queries=50, keys=50, heads=3, mask=mask, words_per_pass=n), engines)
        for engines, n in [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2), (3, 4), (16, 2)]
    ]
    assert results[0].events.rescales > 0
    for result in results[1:]:
        assert np.array_equal(result.out, results[0].out)
        assert result.events == results[0].events


def test_rows_that_decode_together_fill_a_tile():
    # 4 heads x 8 tokens are the 32 rows of one tile, and all 25 blocks pass it once.
    heads, job = gaussian(5, heads=4, queries=8, keys=100), Job(queries=8, keys=100, heads=4)
    (step,) = trace(SMALL, heads, job)
    assert step.tile.count == SMALL.rows
    result = run(SMALL, heads, job)
    assert result.events.slots == 25
    assert result.events.row_updates == 25 * SMALL.rows
    assert result.events.scores == 4 * sum(range(93, 101))
    alone = [run(SMALL, one_head(heads, h), replace(job, heads=1)) for h in range(4)]
    assert np.array_equal(result.out, np.concatenate([one.out for one in alone]))
    assert sum(one.events.slots for one in alone) == 4 * 25


@pytest.mark.parametrize(
    ("queries", "keys", "start"), [(1, 1, None), (1, 50, None), (7, 50, None), (50, 7, None), (8, 9, 0), (9, 40, 13)]
)
@pytest.mark.parametrize("mask", [CAUSAL, FULL, Mask(window=5), Mask(window=3, ahead=2)])
def test_ragged_decode_and_chunked_jobs_are_near_float(queries, keys, start, mask):
    heads = gaussian(6, heads=2, queries=queries, keys=keys, columns=16)
    sqnr, worst = errors(TINY, heads, Job(queries=queries, keys=keys, heads=2, start=start, mask=mask))
    assert worst <= 1
    assert sqnr >= 38


@pytest.mark.parametrize("schedule", ORDERS)
def test_one_visible_key_gives_its_value(schedule):
    heads = gaussian(7, queries=1, keys=20, columns=16)
    out = in_lsb(TINY, run(TINY.override(schedule=schedule), heads, Job(queries=1, keys=20, start=0)).out)
    assert max_error(out[0, 0], heads.v[0].astype(float)) <= 0.01


@pytest.mark.parametrize("schedule", ORDERS)
def test_keys_that_are_masked_do_not_matter(schedule):
    config = TINY.override(schedule=schedule)
    heads, job = gaussian(8, queries=20, keys=40, columns=16), Job(queries=20, keys=40, start=5)
    k, v = heads.k.copy(), heads.v.copy()
    k[25:], v[25:] = 127, -128
    assert np.array_equal(run(config, heads, job).out, run(config, replace(heads, k=k, v=v), job).out)


@pytest.mark.parametrize(
    ("words", "words_per_pass", "engines", "before"),
    [
        # before: of the twelve tiles, which tile had the word last.
        (1, 1, 1, [None, *range(11)]),
        (1, 1, 2, [None, None, *range(10)]),
        (3, 2, 2, [None] * 6 + [1, 0, 3, 2, 5, 4]),  # engine 0: 0 3, 4 7, 8 11; engine 1: 1 2, 5 6, 9 10
    ],
)
def test_a_reference_is_seeded_by_the_tile_before_in_the_same_word(words, words_per_pass, engines, before):
    config = TINY.override(seed=True, words=words)
    heads = gaussian(9, heads=2, queries=48, keys=48, columns=16, size=3)
    job = Job(queries=48, keys=48, heads=2, words_per_pass=words_per_pass)
    ended, changed = [], []
    plain = trace(config.override(seed=False), heads, job, engines)
    for last, step, unseeded in zip(before, trace(config, heads, job, engines), plain, strict=True):
        rows = Rows.fresh((8,)) if last is None else ended[last].next_tile()
        merge(config, rows, step.block)
        assert np.array_equal(rows.reference, step.rows.reference)
        assert np.array_equal(rows.row_sum, step.rows.row_sum)
        ended.append(rows)
        changed.append(not np.array_equal(rows.reference, unseeded.rows.reference))
    assert not any(change for change, last in zip(changed, before, strict=True) if last is None)
    assert sum(changed) >= 4


@pytest.mark.parametrize(("engines", "words_per_pass"), [(1, 1), (1, 2), (2, 1), (4, 2)])
def test_the_events_of_a_job_are_those_of_its_tiles(engines, words_per_pass):
    heads = gaussian(10, heads=2, queries=45, keys=45, columns=16, size=4)
    job = Job(queries=45, keys=45, heads=2, words_per_pass=words_per_pass)
    config = TINY.override(slack=0)
    steps = list(trace(config, heads, job, engines))
    events = run(config, heads, job, engines).events
    assert events.scores == 2 * 45 * 46 // 2
    assert events.rescales == sum(int(step.updates.rescale.sum()) for step in steps) > 0
    assert events.halvings == sum(int(step.updates.halve.sum()) for step in steps)
    # Twelve tiles of 4 tokens x 2 heads, each passed by the blocks of 2 that its last row sees.
    slots = 2 * sum(range(1, 12)) + 23
    assert events.slots == slots
    assert events.row_updates == 8 * slots
    added = sum(int((step.updates.kind != Update.SKIP).sum()) for step in steps)
    assert events.skipped_row_updates == 8 * slots - added
    used = sum(int(((step.block.p > 0) & (step.updates.kind != Update.SKIP)[..., None]).sum()) for step in steps)
    assert events.zero_probabilities == events.scores - used > 0


def test_slots_in_which_no_row_adds_anything_are_counted():
    # Scores fall by 2.54 powers of two per block of 2 keys: after six blocks all are below 2^-14 of the first.
    config = TINY.override(schedule="in_order", words=4)
    q, k, v = np.full((1, 12, 16), 127), -np.arange(40)[:, None].repeat(16, axis=1), np.full((40, 16), 99)
    heads = from_integers(q, k, v, scale_q=0.01, scale_k=0.25 / LOG2_E)
    # The first tile sees 18 blocks, the second one all 20; they pass together.
    events = run(config, heads, Job(queries=12, keys=40, words_per_pass=2)).events
    assert (events.slots, events.zero_slots) == (18 + 20, 12 + 14)
    assert events.skipped_row_updates == 8 * 12 + 8 * 14 + 4 * 6


def test_events_add_field_by_field():
    names = [item.name for item in fields(Events)]
    total = Events(*range(1, len(names) + 1))
    total.add(Events(*(100 * n for n in range(1, len(names) + 1))))
    assert list(asdict(total).values()) == [101 * n for n in range(1, len(names) + 1)]


def test_halvings_are_counted():
    config = TINY.override(probability_bits=8, accumulator_bits=16, flush=3, slack=0)
    heads = from_integers(np.zeros((1, 8, 16)), np.zeros((256, 16)), np.full((256, 16), 127))
    result = run(config, heads, Job(queries=8, keys=256, mask=FULL))
    assert result.events.halvings > 0
    assert result.events.rescales == 0
    assert np.abs(in_lsb(config, result.out) - 127).max() <= 1.27


@pytest.mark.parametrize("schedule", ORDERS)
def test_a_head_of_the_paper_runs_within_a_second(schedule):
    config = PRESETS["paper"].alone().override(schedule=schedule)
    heads = gaussian(11, queries=128, keys=4096, columns=128)

    def seconds():
        start = process_time()
        run(config, heads, Job(queries=128, keys=4096))
        return process_time() - start

    assert any(seconds() < 1 for _ in range(3))


def integers(q=0, k=0, v=0, queries=3, keys=5, columns=16, **others):
    arrays = (
        np.full(shape, x) for shape, x in (((1, queries, columns), q), ((keys, columns), k), ((keys, columns), v))
    )
    return from_integers(*arrays, **others)


@pytest.mark.parametrize(
    ("heads", "changes", "message"),
    [
        (integers(columns=17), {}, "the head dimension of q must be columns = 16, not 17"),
        (integers(q=128), {}, "q must be 8-bit integers from -128 to 127, not 128"),
        (integers(k=-129), {}, "k must be 8-bit integers from -128 to 127, not -129"),
        (integers(v=200), {}, "v must be 8-bit integers from -128 to 127, not 200"),
        (integers(v=8), {"operand_bits": 4, "softmax_lanes": 2}, "v must be 4-bit integers from -8 to 7, not 8"),
        (
            integers(scale_q=128.0),
            {},
            (
                "the score scale q_scale * k_scale * softmax_scale * log2(e) must be below 2 "
                "for this operand width and head dimension, not 46.25"
            ),
        ),
    ],
)
def test_operands_that_do_not_fit_are_refused(heads, changes, message):
    with pytest.raises(InputError) as error:
        run(TINY.override(**changes), heads, Job(queries=3, keys=5))
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("q", "k", "v"),
    [((3, 16), (5, 16), (5, 16)), ((1, 3, 16), (5, 16), (6, 16)), ((1, 3, 16), (1, 5, 16), (1, 5, 16))],
)
def test_operands_of_a_wrong_shape_are_refused(q, k, v):
    heads = Heads(
        **{name: np.zeros(shape, np.int64) for name, shape in (("q", q), ("k", k), ("v", v))},
        mantissa=np.full((1, 3), 128),
        shift=np.full((1, 3), 7),
        scale_q=np.ones((1, 3)),
        scale_k=1.0,
        scale_v=1.0,
        softmax_scale=1.0,
    )
    with pytest.raises(InputError, match=r"^q must be \[heads, queries, columns\], k and v "):
        check_operands(TINY, heads)


@pytest.mark.parametrize("other", [{"heads": 2}, {"queries": 5}, {"keys": 9}])
def test_operands_of_another_job_are_refused(other):
    rng = np.random.default_rng(1)
    heads = quantize(rng.normal(size=(1, 4, 16)), *rng.normal(size=(2, 8, 16)), bits=8)
    assert run(TINY, heads, Job(queries=4, keys=8)).out.any()
    with pytest.raises(InputError, match=r"^heads, queries and keys must be those of the job, .* not \(1, 4, 8\)$"):
        run(TINY, heads, Job(**{"queries": 4, "keys": 8, **other}))


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("columns", [32, 64, 96, 160, 512, 992, 1024])
def test_no_accepted_scale_moves_a_reference_out_of_its_bits(bits, columns):
    config = Config(columns=columns, operand_bits=bits, softmax_lanes=8)
    accepted = []
    for mantissa in range(128, 256):
        for shift in range(24):
            heads = replace(integers(columns=columns), mantissa=np.array([[mantissa]]), shift=np.array([[shift]]))
            try:
                check_operands(config, heads)
            except InputError:
                continue
            accepted.append(mantissa / 2**shift)
    largest = (columns << (2 * bits - 2)) * max(accepted)
    # Halvings lift a reference to at most flush above the largest score, and a seed by SEED_LIMIT.
    assert largest + 20 + SEED_LIMIT < 1 << (REFERENCE_BITS - 1)
    assert bits == 4 or largest > 1 << (REFERENCE_BITS - 2), "half of the range is never used"


def test_the_most_negative_operands_give_the_exact_weights():
    config = TINY.override(probability_bits=12, accumulator_bits=32)
    heads = integers(q=-128, k=-128, v=-128, queries=8, keys=9, scale_q=0.01, scale_k=0.001)
    out = in_lsb(config, run(config, heads, Job(queries=8, keys=9)).out)
    assert np.abs(out + 128).max() <= 0.01


# Scales per token, and slopes.

SCALED = SMALL.override(token_scale_bits=8, alibi=True)


def uneven(seed, config, *, heads=2, queries=40, keys=40, spread=5):
    """Float heads whose tokens differ in size by 2^spread, quantized token by token."""
    random = np.random.default_rng(seed)
    q = random.normal(0, 1, (heads, queries, config.columns))
    k, v = random.normal(0, 1, (2, keys, config.columns)) * 2.0 ** random.uniform(-spread, 0, (2, keys, 1))
    return quantize(q, k, v, bits=config.operand_bits, token_scale_bits=config.token_scale_bits)


@pytest.mark.parametrize("mask", [CAUSAL, FULL, Mask(window=9, ahead=3)])
@pytest.mark.parametrize(
    "config",
    [
        SCALED,
        SCALED.override(token_scale_bits=1),
        SCALED.override(update_rank=8, schedule="folded"),
        SCALED.override(operand_bits=4, softmax_lanes=8, seed=True),
        SCALED.override(update_rank=1, probability_bits=12, accumulator_bits=32),
    ],
)
def test_scales_per_token_and_slopes_are_near_float(config, mask):
    heads, job = uneven(12, config), Job(queries=40, keys=40, heads=2, mask=mask)
    steep = slope_words(np.array([0.5, 0.02]))
    plain = dequantized_attention(heads, job)
    for each in (heads, replace(heads, slopes=steep), replace(heads, token_scales=None, slopes=steep)):
        sqnr, worst = errors(config, each, job)
        assert sqnr >= 37
        assert worst <= 1
    assert sqnr_db(dequantized_attention(replace(heads, slopes=steep), job), plain) < 20


def test_a_slope_of_0_changes_nothing():
    heads, job = uneven(13, SCALED), Job(queries=40, keys=40, heads=2)
    flat, steep = (replace(heads, slopes=np.array(words)) for words in ([0, 0], [0, 200 | 7 << 8]))
    assert np.array_equal(run(SCALED, flat, job).out, run(SCALED, heads, job).out)
    assert np.array_equal(run(SCALED, steep, job).out[0], run(SCALED, heads, job).out[0])
    assert not np.array_equal(run(SCALED, steep, job).out[1], run(SCALED, heads, job).out[1])


def test_a_job_without_either_is_that_of_an_engine_without_them():
    heads, job = gaussian(14), Job(queries=40, keys=40)
    assert np.array_equal(run(SCALED, heads, job).out, run(SMALL, heads, job).out)


@pytest.mark.parametrize("exponent", [1, 2, 4])
def test_equal_scales_of_all_values_are_a_factor_of_the_output(exponent):
    heads, job = gaussian(15, queries=8, keys=64), Job(queries=8, keys=64)
    codes = np.zeros((64, 2), np.int64)
    codes[:, 1] = (exponent - 1) << 7
    found = run(SCALED, replace(heads, token_scales=codes, shift=heads.shift - 1), job)
    exact = in_lsb(SCALED, run(SMALL, heads, job).out) / 2**exponent
    # The score scale made up for that of the keys, 1/2.
    assert max_error(in_lsb(SCALED, found.out), exact) <= 1 / 2**exponent + 1 / 256


def test_the_smallest_scales_of_all_tokens_make_weights_equal_and_outputs_0():
    heads = replace(gaussian(16, queries=8, keys=64), token_scales=np.full((64, 2), 0x780))
    out = run(SCALED, heads, Job(queries=8, keys=64)).out
    assert np.abs(out).max() <= 1


TWO = np.zeros((5, 2), np.int64)
WORD = "a slope must be 0, or have a mantissa from 128 to 255, a shift from 7 to 31 and 0 above"


@pytest.mark.parametrize(
    ("heads", "changes", "message"),
    [
        (
            {"token_scales": TWO},
            {"token_scale_bits": 0},
            "scales per token need an engine with token_scale_bits = 1 or 8, not 0",
        ),
        ({"token_scales": TWO[:4]}, {}, "token_scales must be [keys, 2] = (5, 2), not (4, 2)"),
        ({"token_scales": TWO - 1}, {}, "a code of token_scales must be from 0 to 65535, not -1"),
        ({"token_scales": TWO + 65536}, {}, "a code of token_scales must be from 0 to 65535, not 65536"),
        ({"slopes": TWO[0, :1]}, {"alibi": False}, "slopes need an engine with alibi = true, not false"),
        ({"slopes": TWO[0]}, {}, "slopes must be [heads] = (1,), not (2,)"),
        *(
            (
                {"slopes": np.array([word])},
                {},
                f"{WORD}, not {word:#x}",
            )
            for word in (0x6FF, 0x77F, 0x2880, 0xFFFFFFFF)
        ),
        (
            {"slopes": TWO[0, :1], "shift": np.full((1, 3), 6), "mantissa": np.full((1, 3), 128)},
            {},
            (
                "the score scale q_scale * k_scale * softmax_scale * log2(e) must be below 1 "
                "for this operand width and head dimension with slopes, not 2"
            ),
        ),
    ],
)
def test_scales_and_slopes_that_do_not_fit_are_refused(heads, changes, message):
    config = TINY.override(**{"token_scale_bits": 8, "alibi": True, **changes})
    with pytest.raises(InputError) as error:
        run(config, replace(integers(), **heads), Job(queries=3, keys=5))
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            {"keys": 5, "start": SLOPE_POSITIONS - 2},
            "start + queries in a job with slopes must be from 1 to 131071, not ",
        ),
        ({"keys": SLOPE_POSITIONS + 1, "start": 0}, "keys in a job with slopes must be from 0 to 131071, not 131072"),
    ],
)
def test_positions_beyond_those_of_slopes_are_refused(shape, message):
    heads = replace(integers(keys=shape["keys"]), slopes=TWO[0, :1])
    job = Job(queries=3, **shape)
    with pytest.raises(InputError) as error:
        run(TINY.override(alibi=True), heads, job)
    assert str(error.value).startswith(message)
