from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.op_cim import accumulate, update
from fusioncim_golden.softmax import Block, Rows, Update, merge, probabilities

LOAD, ADD, RESCALE = Update.LOAD, Update.ADD, Update.RESCALE


def widest(config):
    """The same configuration with the largest flush that it allows."""
    for flush in range(20, 0, -1):
        try:
            return config.override(flush=flush)
        except InputError:
            continue
    raise AssertionError("flush 1 is always allowed")


@st.composite
def any_config(draw):
    config = Config(
        probability_bits=draw(st.integers(6, 12)),
        operand_bits=draw(st.sampled_from([4, 8])),
        accumulator_bits=draw(st.integers(16, 32)),
        update_rank=draw(st.sampled_from([1, 2, 4, 8, 16])),
        columns=128,
        slack=draw(st.integers(0, 6)),
        seed=draw(st.booleans()),
        flush=1,
        softmax_lanes=8,
    )
    largest = widest(config)
    return largest.override(flush=draw(st.just(largest.flush) | st.integers(1, largest.flush)))


class Play:
    """Rows of one tile fed block by block; every step checks that neither O nor the row sum overflows.

    Members: rows, o [rows, columns], peak (largest |O| as a share of 2^(accumulator_bits - 1)), kinds seen, alone (what
    the row sum counts and O does not have), error (of O against the rest of the row sum).
    """

    def __init__(self, config, rows, columns, centred):
        self.config, self.rows, self.centred = config, Rows.fresh((rows,)), centred
        self.o, self.peak = np.zeros((rows, columns), np.int64), 0.0
        self.error, self.alone = np.zeros(rows), np.zeros(rows)
        self.kinds, self.halvings = set(), 0

    def step(self, p, exponent, visible, v, total=None):
        config = self.config
        total = p.sum(axis=-1) if total is None else total
        before = self.rows.row_sum
        block = Block(*(x[:, None] for x in (p, exponent, visible, total)))
        u = merge(config, self.rows, block, centred=self.centred)
        kind, shift, halve = u.kind[:, 0], u.shift[:, 0], u.halve[:, 0]
        (row,) = np.nonzero(kind)
        self.o[row] = update(config, self.o[row], p[row] @ v, kind[row], shift[row], halve[row])
        self.kinds |= set(kind.tolist())
        self.halvings += int(halve.sum())
        # Rounding error of O against the row sum: half an LSB per rounding, the row sum's own floor in its last bit.
        last = 2.0 ** (-config.row_sum_fraction - config.dropped_bits)
        kept = np.where(kind == RESCALE, 0.5 ** np.minimum(shift, 60), np.where(halve, 0.5, 1.0)) * (kind != LOAD)
        moved = (kept < 1) * (kind != LOAD) * (0.5 + last)
        self.error = np.where(kind == 0, self.error, self.error * kept + moved + 0.5 + last)
        self.alone = self.alone * kept + np.where(kind == 0, (self.rows.row_sum - before) * last, 0)
        assert self.centred or not self.alone.any()
        self.peak = max(self.peak, np.abs(self.o).max() / 2.0 ** (config.accumulator_bits - 1))
        assert self.o.min() > -(1 << (config.accumulator_bits - 1)), f"O overflows: {config}"
        assert self.o.max() < 1 << (config.accumulator_bits - 1), f"O overflows: {config}"
        assert self.rows.row_sum.max() < 1 << config.row_sum_bits, f"the row sum overflows: {config}"
        assert np.all((shift >= 0) & (shift <= config.shift_max))


def rounded(x):
    return floor(x + Fraction(1, 2))


@given(st.data(), any_config(), st.sampled_from([LOAD, ADD, RESCALE]), st.booleans())
def test_an_update_is_its_formula(data, config, kind, halve):
    halve &= kind == ADD
    shift = data.draw(st.integers(1, config.accumulator_bits - 1) if kind == RESCALE else st.integers(0, 26))
    o = data.draw(st.integers(-(1 << (config.accumulator_bits - 1)) + 1, (1 << (config.accumulator_bits - 1)) - 1))
    d = data.draw(st.integers(-(1 << (config.dot_bits - 1)), (1 << (config.dot_bits - 1)) - 1))
    align = config.dropped_bits + (0 if kind == RESCALE else shift - config.slack)
    old = {LOAD: 0, ADD: o >> halve, RESCALE: rounded(Fraction(o, 2**shift))}[kind]
    arrays = [np.array(x) for x in ([[o]], [[d]], [kind], [shift], [halve])]
    assert update(config, *arrays) == old + rounded(Fraction(d) / Fraction(2) ** align)


@pytest.mark.parametrize(
    ("kind", "shift", "halve", "o", "d", "expected"),
    [
        # slack 4, no bit dropped: D aligns by shift - 4.
        (LOAD, 4, False, 99, 10, 10),
        (LOAD, 5, False, 99, 5, 3),
        (LOAD, 5, False, 99, -5, -2),
        (LOAD, 0, False, 99, -5, -80),
        (ADD, 4, False, 100, -5, 95),
        (ADD, 6, False, 100, 6, 102),
        (ADD, 6, False, 100, -6, 99),
        (ADD, 4, True, -7, 1, -3),  # floor(-7 / 2) + 1
        (ADD, 5, True, 7, 7, 7),
        (RESCALE, 1, False, 7, 3, 7),
        (RESCALE, 1, False, -7, 3, 0),
        (RESCALE, 3, False, -12, 0, -1),
        (RESCALE, 23, False, 2**22, -3, -2),
        (RESCALE, 23, False, -(2**22), -3, -3),
    ],
)
def test_update_vectors(kind, shift, halve, o, d, expected):
    config = Config(probability_bits=8, accumulator_bits=24, slack=4, update_rank=4)
    arrays = [np.array(x) for x in ([[o]], [[d]], [kind], [shift], [halve])]
    assert update(config, *arrays).item() == expected


def test_dropped_bits_shift_every_contribution():
    config = Config(probability_bits=8, accumulator_bits=22, slack=4, update_rank=4)
    assert config.dropped_bits == 2
    for kind, shift in ((LOAD, 4), (ADD, 4), (RESCALE, 1)):
        arrays = [np.array(x) for x in ([[0]], [[10]], [kind], [shift], [False])]
        assert update(config, *arrays).item() == 3


@st.composite
def streams(draw, rows=6, columns=5, blocks=40):
    """Log2 scores, visible keys and values of a whole tile, from patterns that strain the accumulator."""
    config = draw(any_config())
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = rows, blocks, config.update_rank
    steps = [0, 0, 1, -1, config.slack, config.slack + 1, -config.flush, -config.flush - 1, config.accumulator_bits]
    steps += [-config.sum_flush, -config.sum_flush - 1]
    pattern = draw(st.sampled_from(["flat", "climb", "steps", "random"]))
    whole = {
        "flat": np.zeros(shape[:2], np.int64),
        "climb": np.cumsum(random.integers(0, 2, shape[:2]), axis=1),
        "steps": random.choice(steps, shape[:2]),
        "random": random.integers(-config.sum_flush - 2, config.flush, shape[:2]),
    }[pattern]
    top = draw(st.booleans())
    fraction = np.full(shape, (1 << config.fraction_bits) - 1) if top else random.integers(0, 16, shape)
    x = (whole[..., None] << config.fraction_bits) + fraction
    visible = random.random(shape) < draw(st.sampled_from([1.0, 0.9, 0.3]))
    low = -(1 << (config.operand_bits - 1))
    v = random.integers(low, -low, (blocks, config.update_rank, columns))
    v[..., 0], v[..., 1], v[..., 2] = low, -low - 1, 1
    return config, x, visible, v


@given(
    streams(), st.sampled_from([1, 8]), st.sampled_from([0x7F, 0xFF, 0x7FF]), st.booleans(), st.integers(0, 2**32 - 1)
)
@settings(max_examples=150)
def test_nothing_overflows_with_scales_per_token_and_o_is_at_most_the_row_sum(stream, bits, code, centred, seed):
    config, x, visible, v = stream
    config = config.override(token_scale_bits=bits)
    random = np.random.default_rng(seed)
    # Some tokens with the largest of all scales, the others with smaller ones.
    codes = np.where(random.random(x.shape[1:]) < 0.5, 0x7F, random.integers(code + 1, size=x.shape[1:]))
    block = probabilities(config, x, visible, codes)
    play = Play(config, x.shape[0], v.shape[-1], centred)
    for t in range(x.shape[1]):
        play.step(block.p[:, t], block.exponent[:, t], block.visible[:, t], v[t], block.total[:, t])
    row_sum = play.rows.row_sum / 2.0 ** (config.row_sum_fraction + config.dropped_bits)
    assert np.all(play.o[:, 2] <= row_sum - play.alone + play.error + 1e-9)
    assert np.all(play.o[:, 2] >= -play.error - 1e-9)
    together = merge(config, Rows.fresh((x.shape[0],)), block, centred=centred)
    assert np.array_equal(accumulate(config, block.p, together, v), play.o)


@given(streams(), st.booleans())
@settings(max_examples=150)
def test_nothing_overflows_and_o_is_the_row_sum_of_what_it_added(stream, centred):
    config, x, visible, v = stream
    block = probabilities(config, x, visible)
    play = Play(config, x.shape[0], v.shape[-1], centred)
    for t in range(x.shape[1]):
        play.step(block.p[:, t], block.exponent[:, t], block.visible[:, t], v[t])
    # Column 2 of V is 1, so O there is the row sum but for the roundings.
    row_sum = play.rows.row_sum / 2.0 ** (config.row_sum_fraction + config.dropped_bits)
    assert np.all(np.abs(play.o[:, 2] - (row_sum - play.alone)) <= play.error + 1e-9)
    together = merge(config, Rows.fresh((x.shape[0],)), block, centred=centred)
    assert np.array_equal(accumulate(config, block.p, together, v), play.o)


def values(config, random, t):
    """One block's V [rank, 6]: most negative, most positive, alternating, both at random, 1, random."""
    low, high, rank = -(1 << (config.operand_bits - 1)), (1 << (config.operand_bits - 1)) - 1, config.update_rank
    columns = np.empty((rank, 6), np.int64)
    columns[:, :3] = low, high, low if t & 1 else high
    columns[:, 3] = random.choice([low, high], rank)
    columns[:, 4] = 1
    columns[:, 5] = random.integers(low, high + 1, rank)
    return columns


def adversary(config, steps, centred):
    """Rows that choose each block from their own state: every exponent rule with every kind of probability."""
    lut = np.array(config.lut)
    align = (config.centred_flush if centred else config.flush) + config.dropped_bits

    def most_biased(value, count):
        exact = np.abs(lut * value * count) / 2.0**align
        gain = np.floor(exact + 0.5 - (value < 0) * 1e-9) - exact
        return int(lut[np.argmax(gain / exact)])

    low, high = -(1 << (config.operand_bits - 1)), (1 << (config.operand_bits - 1)) - 1
    # p of the block's first key, and whether the others have it too.
    weights = [(lut[-1], True), (lut[0], False)]
    weights += [(most_biased(low, 1), False), (most_biased(high, 1), False)]
    weights += [(most_biased(low, config.update_rank), True)]
    rules = ["slack", "equal", "flush", "alternate", "climb", "flush_then_largest", "largest_then_flush"]
    rules += ["halve_for_nothing", "random"]
    rule = np.repeat(np.arange(len(rules)), len(weights))
    p = np.zeros((len(rule), config.update_rank), np.int64)
    p[:, 0] = np.tile([w for w, _ in weights], len(rules))
    p[:, 1:] = np.tile([w * everywhere for w, everywhere in weights], len(rules))[:, None]
    random = np.random.default_rng(config.accumulator_bits)
    play = Play(config, len(rule), 6, centred)
    flush = config.centred_flush if centred else config.flush
    yes = np.ones(len(rule), bool)
    half = 1 << (config.row_sum_bits - 1)
    block = (config.update_rank * ((1 << config.probability_bits) - 1)) << (config.slack + config.row_sum_fraction)
    for t in range(steps):
        row_sum = play.rows.row_sum
        full = row_sum >= half
        weakest = ((1 << config.probability_bits) * config.update_rank << config.row_sum_fraction) >> flush
        largest = (rule == 5) & (row_sum >= half - weakest) & ~full
        e = np.select(
            [rule == n for n in range(8)],
            [
                config.slack,
                0,
                -flush,
                config.slack if t & 1 else -flush,
                config.slack + (t % 17 == 16),
                np.where(largest, config.slack, -flush),
                np.where(row_sum < half - block, config.slack, -flush),
                np.where(full, -config.sum_flush, config.slack),
            ],
            random.integers(-flush - 2, config.slack + 1 + (t % 29 == 28), len(rule)),
        )
        now = np.where(largest[:, None], lut[-1], p)
        play.step(now, play.rows.reference + full + e, yes, values(config, random, t))
    return play


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("operand_bits", [4, 8])
@pytest.mark.parametrize("slack", [0, 4, 6])
@pytest.mark.parametrize(("p", "acc", "rank"), [(6, 16, 8), (8, 16, 4), (12, 16, 1), (9, 20, 4), (9, 24, 4)])
def test_no_adversary_makes_an_accumulator_overflow(p, acc, rank, slack, operand_bits, centred):
    config = Config(
        probability_bits=p,
        accumulator_bits=acc,
        update_rank=rank,
        slack=slack,
        operand_bits=operand_bits,
        flush=1,
        softmax_lanes=8,
    )
    play = adversary(widest(config), 400, centred)
    assert play.kinds >= {LOAD, ADD, RESCALE}
    assert play.halvings > 0
    assert play.peak > 0.5, "the adversary is too weak to test anything"


@pytest.mark.parametrize(
    ("p", "acc", "rank", "slack", "steps", "peak"),
    [
        # Thousands of blocks at the flush limit, each rounded away from zero, then the largest block of all.
        (12, 16, 1, 0, 6800, 0.80),
        (8, 16, 1, 6, 6800, 0.80),
        # Where only the number of keys limits the roundings.
        (6, 20, 8, 0, 2000, 0.50),
    ],
)
def test_thousands_of_biased_roundings_do_not_overflow(p, acc, rank, slack, steps, peak):
    config = Config(probability_bits=p, accumulator_bits=acc, update_rank=rank, slack=slack, flush=1, softmax_lanes=8)
    assert adversary(widest(config), steps, centred=False).peak > peak


def test_a_zero_probability_adds_nothing():
    config = Config(update_rank=4)
    p = np.zeros((1, 2, 4), np.int64)
    p[0, :, 0] = 100
    v = np.zeros((2, 4, 3), np.int64)
    v[:, 0], v[:, 1:] = 7, 127
    block = Block(p, np.zeros((1, 2), np.int64), np.ones((1, 2), bool), p.sum(axis=-1))
    updates = merge(config, Rows.fresh((1,)), block)
    assert accumulate(config, p, updates, v).tolist() == [[1400 >> config.dropped_bits] * 3]


def test_a_row_that_skips_every_block_keeps_zero():
    config = Config(update_rank=4)
    zero = np.zeros((1, 2), np.int64)
    block = Block(np.zeros((1, 2, 4), np.int64), zero, np.zeros((1, 2), bool), zero)
    updates = merge(config, Rows.fresh((1,)), block)
    assert not accumulate(config, np.full((1, 2, 4), 99), updates, np.full((2, 4, 3), 99)).any()
