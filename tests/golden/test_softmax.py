from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim_golden.config import Config
from fusioncim_golden.softmax import Block, Rows, Update, exact_rescales, log2_score, merge, probabilities

SKIP, LOAD, ADD, RESCALE = Update
C8 = Config(probability_bits=8, fraction_bits=7, lut_size=128, accumulator_bits=24, slack=4, flush=14, update_rank=4)

configs = st.builds(
    Config,
    probability_bits=st.integers(6, 12),
    accumulator_bits=st.sampled_from([16, 20, 24, 32]),
    fraction_bits=st.sampled_from([4, 7, 10]),
    lut_size=st.sampled_from([8, 16]),
    update_rank=st.sampled_from([1, 2, 4, 8]),
    slack=st.integers(0, 6),
    flush=st.integers(1, 2),
    seed=st.booleans(),
)


@st.composite
def score_blocks(draw, config, blocks=6):
    """Log2 scores [blocks, rank] that jump between the exponents that matter, and which keys are visible."""
    home = draw(st.sampled_from([0, 0, 0, -(2**19) + 200, 2**19 - 200]))
    near = [-config.flush - 1, -config.flush, -1, 0, 1, config.slack, config.slack + 1, config.accumulator_bits]
    near += [-config.sum_flush - 1, -config.sum_flush, -config.centred_flush, -config.centred_flush - 1]
    jump = st.sampled_from(near) | st.integers(-40, 40)
    unit = 1 << config.fraction_bits
    shape = blocks, config.update_rank
    x = [[(home + draw(jump)) * unit + draw(st.integers(0, unit - 1)) for _ in range(shape[1])] for _ in range(blocks)]
    visible = draw(st.lists(st.booleans() | st.just(True), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    return np.array(x), np.array(visible).reshape(shape)


def rounded(x, shift):
    return floor(Fraction(x) / Fraction(2) ** shift + Fraction(1, 2))


def block_by_hand(config, x, visible, codes=None):
    """The rule of a block, key by key: p, its exponent, None if no key is visible, and S."""
    p, exponent, total = [], None, 0
    for n, (value, sees) in enumerate(zip(x.tolist(), visible.tolist(), strict=True)):
        whole, fraction = divmod(value, 1 << config.fraction_bits)
        mantissa = config.lut[fraction * config.lut_size >> config.fraction_bits]
        scaled, e = mantissa, 0
        if codes is not None:
            f, e = int(codes[n]) % 128 if config.token_scale_bits > 1 else 0, int(codes[n]) // 128 % 16
            scaled = rounded(mantissa * (128 + f), 8)
        if not sees:
            p.append(0)
        elif exponent is None or whole > exponent:
            rise = 0 if exponent is None else whole - exponent
            moved = [rounded(each, rise) if codes is None else each >> rise for each in p]
            p = [*moved, rounded(scaled, e)]
            total = rounded(total, rise) + mantissa
            exponent = whole
        else:
            p.append(rounded(scaled, exponent - whole + e))
            total += rounded(mantissa, exponent - whole)
    return p, exponent, total if codes is not None else sum(p)


def merge_by_hand(config, blocks, seed=None, centred=False):
    """The rule between blocks, each (sum of p, b or None): commands (kind, shift, halve), reference and row sum."""
    commands, reference, row_sum = [], None, 0
    flush = config.centred_flush if centred else config.flush
    reach = max(config.slack + config.flush, config.accumulator_bits - 1) - config.slack
    for total, b in blocks:
        total <<= config.row_sum_fraction
        if b is None:
            commands.append((SKIP, 0, False))
        elif reference is None:
            above = min(max(seed - b, 0), config.seed_limit) if config.seed and seed is not None else 0
            reference, row_sum = b + above, rounded(total, above)
            commands.append((LOAD, config.slack + above, False))
        else:
            halve = row_sum >= 1 << (config.row_sum_bits - 1)
            e = reference + halve - b
            if e < -config.slack:
                rise = b - reference
                wiped = rise >= config.accumulator_bits
                row_sum = (0 if wiped else rounded(row_sum, rise)) + total
                commands.append((LOAD, config.slack, False) if wiped else (RESCALE, rise, False))
                reference = b
            elif e <= flush or (centred and halve and e <= reach):
                row_sum = (row_sum >> halve) + rounded(total, e)
                reference += halve
                commands.append((ADD, config.slack + e, halve))
            else:
                row_sum += rounded(total, e) if centred and e <= reach else 0
                commands.append((SKIP, 0, False))
    return commands, reference, row_sum


def block_of(sums, exponents, rank=4):
    """One row's blocks; an exponent of None is a masked block."""
    p = np.zeros((1, len(sums), rank), np.int64)
    p[0, :, 0] = sums
    return summed(p, np.array([[b or 0 for b in exponents]]), np.array([[b is not None for b in exponents]]))


def summed(p, exponent, visible):
    """A block without scales per token."""
    return Block(p, exponent, visible, p.sum(axis=-1))


def one_row(block):
    """The blocks as those of a tile of one row."""
    return Block(*(getattr(block, name)[None] for name in ("p", "exponent", "visible", "total")))


@given(st.data(), configs)
def test_a_block_follows_its_rule_key_by_key(data, config):
    x, visible = data.draw(score_blocks(config))
    block = probabilities(config, x, visible)
    for n in range(len(x)):
        p, exponent, total = block_by_hand(config, x[n], visible[n])
        assert block.p[n].tolist() == p
        assert block.total[n] == total
        assert block.visible[n] == (exponent is not None)
        assert exponent is None or block.exponent[n] == exponent == max(x[n][visible[n]] >> config.fraction_bits)


CODES = st.just(127) | st.just(0x7FF) | st.just(0) | st.integers(0, 0xFFFF)
"""Codes of scales per token: the largest, the smallest shift and fraction, and any."""


@given(st.data(), configs, st.sampled_from([1, 8]))
def test_a_scale_per_token_is_a_factor_of_its_p_and_not_of_the_sum(data, config, bits):
    config = config.override(token_scale_bits=bits)
    x, visible = data.draw(score_blocks(config))
    codes = np.array(data.draw(st.lists(CODES, min_size=x.size, max_size=x.size))).reshape(x.shape)
    block, plain = probabilities(config, x, visible, codes), probabilities(config, x, visible)
    for n in range(len(x)):
        p, exponent, total = block_by_hand(config, x[n], visible[n], codes[n])
        assert block.p[n].tolist() == p
        assert block.total[n] == total
        assert block.visible[n] == (exponent is not None)
    assert np.array_equal(block.exponent, plain.exponent)
    # Why O never outgrows its row sum, and why a block that adds brings as much as one without scales.
    assert np.all(block.p.sum(axis=-1) <= block.total)
    assert np.all(block.total[block.visible] >= 1 << (config.probability_bits - 1))
    assert np.all(block.total < 1 << (config.probability_bits + config.rank_bits))


@given(st.integers(-(2**27), 2**27), st.integers(128, 255), st.integers(0, 31), CODES, st.sampled_from([1, 8]))
def test_the_scale_of_a_key_is_a_factor_of_its_log2_score(score, mantissa, shift, code, bits):
    config = Config(token_scale_bits=bits)
    x = log2_score(config, *(np.array([value]) for value in (score, mantissa, shift, code)))
    scale = Fraction(128 + (code % 128 if bits > 1 else 0), 2 ** (8 + code // 128 % 16))
    assert x[0] == floor(score * mantissa * scale * Fraction(2**config.fraction_bits, 2**shift))


@given(st.data(), configs, st.none() | st.integers(-30, 30), st.booleans())
def test_rows_follow_the_rule_block_by_block(data, config, seed, centred):
    x, visible = data.draw(score_blocks(config, blocks=20))
    block = probabilities(config, x, visible)
    exponents = [int(b) if seen else None for b, seen in zip(block.exponent, block.visible, strict=True)]
    sums = zip(block.total.tolist(), exponents, strict=True)
    commands, reference, row_sum = merge_by_hand(config, sums, seed, centred)
    rows = Rows.fresh((1,))
    if seed is not None:
        rows = Rows(rows.empty, np.array([seed]), rows.row_sum, np.array([True]))
    updates = merge(config, rows, one_row(block), centred=centred)
    assert list(zip(updates.kind[0], updates.shift[0], updates.halve[0], strict=True)) == commands
    assert rows.empty[0] == (reference is None)
    if reference is not None:
        assert (rows.reference[0], rows.row_sum[0]) == (reference, row_sum)


@given(st.data(), configs, st.integers(0, 2**32 - 1))
def test_a_masked_key_changes_nothing(data, config, seed):
    x, visible = data.draw(score_blocks(config))
    other = np.where(visible, x, np.random.default_rng(seed).integers(-(2**30), 2**30, x.shape))
    results = []
    for scores in (x, other):
        block = probabilities(config, scores, visible)
        rows = Rows.fresh((1,))
        updates = merge(config, rows, one_row(block))
        assert not block.p[~visible].any()
        arrays = (block.p, updates.kind, updates.shift, updates.halve, rows.empty, rows.reference, rows.row_sum)
        results.append([array.tolist() for array in arrays])
    assert results[0] == results[1]


@given(st.data(), configs)
def test_the_exponent_does_not_depend_on_the_order_of_the_keys(data, config):
    x, visible = data.draw(score_blocks(config))
    turned = data.draw(st.permutations(range(config.update_rank)))
    a, b = probabilities(config, x, visible), probabilities(config, x[:, turned], visible[:, turned])
    assert np.array_equal(a.exponent, b.exponent)
    assert np.array_equal(a.visible, b.visible)
    assert np.abs(a.p[:, turned] - b.p).max() <= 1, "only how often p is rounded differs"


@given(st.data(), st.integers(6, 12))
def test_p_is_two_to_the_x_within_its_rounding(data, bits):
    config = Config(probability_bits=bits, fraction_bits=7, lut_size=128, update_rank=4)
    x, visible = data.draw(score_blocks(config))
    block = probabilities(config, x, visible)
    exact = 2.0 ** (np.minimum(x / 128 - block.exponent[:, None], 1) + bits - 1)
    # Half an LSB from the table (one where it saturates), and less than one from all shifts together.
    assert np.all(np.abs(block.p - exact)[visible] < 1.5)
    largest = (x >> 7 == block.exponent[:, None]) & visible
    assert np.all(np.abs(block.p - exact)[largest] <= 0.5 + (exact[largest] > (1 << bits) - 1))


@pytest.mark.parametrize(
    ("x", "visible", "p", "exponent"),
    [
        # 128 is 2^0 with 7 fraction bits.
        ([0, 0, 0, 0], "1111", [128, 128, 128, 128], 0),
        ([0, 128, 256, 384], "1111", [16, 32, 64, 128], 3),
        ([384, 256, 128, 0], "1111", [128, 64, 32, 16], 3),
        ([64, 0, 0, 0], "1000", [181, 0, 0, 0], 0),  # 128 * sqrt(2)
        ([127, 0, 0, 0], "1111", [255, 128, 128, 128], 0),  # 254.6
        ([127, 128, 0, 0], "1100", [128, 128, 0, 0], 1),  # 255 / 2 rounds up
        ([-1, 0, 0, 0], "1000", [255, 0, 0, 0], -1),
        ([999, 0, 999, 999], "0100", [0, 128, 0, 0], 0),
        ([999, 999, 999, 999], "0000", [0, 0, 0, 0], None),
        ([0, 1024, 0, 0], "1111", [1, 128, 1, 1], 8),  # 128 / 2^8 rounds up
        ([0, 1152, 0, 0], "1111", [0, 128, 0, 0], 9),
        ([0, 128, 1152, 0], "1110", [0, 1, 128, 0], 9),
        ([128 * (2**23 - 1) + 127, -128 * 2**23, 0, 0], "1111", [255, 0, 0, 0], 2**23 - 1),
        ([-128 * 2**23, -128 * 2**23, 0, 0], "1100", [128, 128, 0, 0], -(2**23)),
    ],
)
def test_block_vectors(x, visible, p, exponent):
    block = probabilities(C8, np.array(x), np.array([v == "1" for v in visible]))
    assert block.p.tolist() == p
    assert block.visible == (exponent is not None)
    assert exponent is None or block.exponent == exponent


HALF = 1 << (C8.row_sum_bits - 1)
ONE = 1 << C8.row_sum_fraction
LOW = -(2**19)


@pytest.mark.parametrize(
    ("reference", "row_sum", "b", "command", "after"),
    [
        # A block of sum 128 at exponent b comes to a row: command (kind, shift, halve), then reference and row sum.
        (0, 200 * ONE, 0, (ADD, 4, False), (0, 328 * ONE)),
        (0, 200 * ONE, -3, (ADD, 7, False), (0, 216 * ONE)),
        (0, 200 * ONE, -14, (ADD, 18, False), (0, 200 * ONE + 4)),
        (0, 200 * ONE, -15, (SKIP, 0, False), (0, 200 * ONE)),
        (0, 200 * ONE, 4, (ADD, 0, False), (0, (200 + 2048) * ONE)),
        (0, 200 * ONE, 5, (RESCALE, 5, False), (5, (128 * ONE) + 200 * ONE // 32)),
        (0, 200 * ONE + 1, 6, (RESCALE, 6, False), (6, (128 * ONE) + 200 * ONE // 64)),
        (0, 200 * ONE, 23, (RESCALE, 23, False), (23, 128 * ONE)),
        (0, 200 * ONE, 24, (LOAD, 4, False), (24, 128 * ONE)),
        (0, HALF - 1, 24, (LOAD, 4, False), (24, 128 * ONE)),
        (0, HALF - 1, 0, (ADD, 4, False), (0, HALF - 1 + 128 * ONE)),
        (0, HALF, 0, (ADD, 5, True), (1, HALF // 2 + 64 * ONE)),
        (0, HALF + 1, 1, (ADD, 4, True), (1, HALF // 2 + 128 * ONE)),
        (0, HALF, 5, (ADD, 0, True), (1, HALF // 2 + 2048 * ONE)),
        (0, HALF, 6, (RESCALE, 6, False), (6, HALF // 64 + 128 * ONE)),
        (0, HALF, -13, (ADD, 18, True), (1, HALF // 2 + 4)),
        (0, HALF, -14, (SKIP, 0, False), (0, HALF)),
        (0, HALF, None, (SKIP, 0, False), (0, HALF)),
        (LOW, 200 * ONE, -LOW - 1, (LOAD, 4, False), (-LOW - 1, 128 * ONE)),
        (-LOW - 1, 200 * ONE, LOW, (SKIP, 0, False), (-LOW - 1, 200 * ONE)),
        (LOW, 200 * ONE, LOW, (ADD, 4, False), (LOW, 328 * ONE)),
    ],
)
def test_merge_vectors(reference, row_sum, b, command, after):
    rows = Rows(np.array([False]), np.array([reference]), np.array([row_sum]), np.array([False]))
    updates = merge(C8, rows, block_of([128], [b]))
    assert (updates.kind.item(), updates.shift.item(), updates.halve.item()) == command
    assert (rows.reference.item(), rows.row_sum.item()) == after
    assert updates.rescale.item() == (b is not None and b - reference > 4 + (row_sum >= HALF))
    assert not rows.empty.item()


@pytest.mark.parametrize(
    ("seed", "seeded", "earlier", "b", "reference", "shift"),
    [
        (True, True, 3, 3, 3, 4),
        (True, True, 6, 3, 6, 7),
        (True, True, 7, 3, 7, 8),
        (True, True, 8, 3, 7, 8),  # no more than SEED_LIMIT above the block
        (True, True, 2, 3, 3, 4),
        (True, True, -LOW - 1, LOW, LOW + 4, 8),
        (True, False, 7, 3, 3, 4),
        (False, True, 7, 3, 3, 4),
    ],
)
def test_a_seeded_row_starts_from_the_reference_of_the_tile_before(seed, seeded, earlier, b, reference, shift):
    rows = Rows(np.array([True]), np.array([earlier]), np.array([0]), np.array([seeded]))
    updates = merge(C8.override(seed=seed), rows, block_of([128], [b]))
    assert (updates.kind.item(), updates.shift.item(), updates.rescale.item()) == (LOAD, shift, False)
    assert rows.reference.item() == reference
    assert rows.row_sum.item() == 128 * ONE >> (shift - 4)


def test_the_next_tile_keeps_the_reference_of_rows_that_had_keys_now_or_before():
    rows = Rows(np.array([False, True, True]), np.array([5, 6, 7]), np.array([9, 0, 0]), np.array([False, True, False]))
    new = rows.next_tile()
    assert new.empty.all()
    assert new.row_sum.tolist() == [0, 0, 0]
    assert new.reference.tolist() == [5, 6, 7]
    assert new.seeded.tolist() == [True, True, False]


def test_a_row_that_sees_no_key_stays_empty():
    rows = Rows.fresh((2,))
    p = np.zeros((2, 3, 4), np.int64)
    p[1] = 128
    updates = merge(C8, rows, summed(p, np.array([[9, 9, 9], [0, 0, 0]]), np.array([[False] * 3, [True] * 3])))
    assert rows.empty.tolist() == [True, False]
    assert rows.row_sum.tolist() == [0, 3 * 512 * ONE]
    assert updates.kind.tolist() == [[SKIP] * 3, [LOAD, ADD, ADD]]


def test_masked_blocks_before_the_first_key_do_not_move_the_reference():
    rows = Rows.fresh((1,))
    updates = merge(C8, rows, block_of([0, 128, 0, 128], [None, -7, None, -7]))
    assert updates.kind.tolist() == [[SKIP, LOAD, SKIP, ADD]]
    assert rows.reference.tolist() == [-7]
    assert rows.row_sum.tolist() == [256 * ONE]


def test_blocks_one_at_a_time_or_all_at_once_are_the_same():
    config = C8.override(probability_bits=6, accumulator_bits=16, slack=1, flush=6)
    random = np.random.default_rng(1)
    shape = 16, 200
    block = summed(random.integers(0, 64, (*shape, 4)), random.integers(-9, 9, shape), random.random(shape) < 0.8)
    together, single = Rows.fresh((16,)), Rows.fresh((16,))
    updates = merge(config, together, block)
    assert updates.halve.any()
    for t in range(shape[1]):
        now = slice(t, t + 1)
        one = merge(config, single, summed(block.p[:, now], block.exponent[:, now], block.visible[:, now]))
        assert np.array_equal(one.kind[:, 0], updates.kind[:, t])
        assert np.array_equal(one.shift[:, 0], updates.shift[:, t])
    assert np.array_equal(together.row_sum, single.row_sum)
    assert np.array_equal(together.reference, single.reference)


@given(st.integers(-(2**27), 2**27), st.integers(128, 255), st.integers(0, 31), st.integers(4, 10))
def test_the_log2_score_is_the_product_rounded_down(score, mantissa, shift, fraction_bits):
    config = Config(fraction_bits=fraction_bits, lut_size=16)
    x = log2_score(config, *(np.array([value]) for value in (score, mantissa, shift)))
    assert x[0] == floor(Fraction(score * mantissa * 2**fraction_bits, 2**shift))


@given(st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=20))
def test_exact_rescales_are_counted_key_by_key(keys):
    count, best = 0, None
    for score, visible in keys:
        if visible:
            count += best is not None and score > best
            best = score if best is None else max(best, score)
    scores, visible = (np.array(column)[None] for column in zip(*keys, strict=True))
    assert exact_rescales(scores, visible) == count
