from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim_golden.config import Config
from fusioncim_golden.normalizer import NO_KEY, guard_bits, log_sum_exp, normalize, reciprocal, with_sink
from fusioncim_golden.sinks import PRESENT

# No bit dropped, 9 fraction bits of the row sum.
C24 = Config(probability_bits=8, accumulator_bits=24, slack=4, update_rank=4, flush=14)
INT8 = C24.override(output_bits=8)

configs = st.builds(
    Config,
    probability_bits=st.integers(6, 12),
    accumulator_bits=st.integers(16, 32),
    slack=st.integers(0, 6),
    update_rank=st.sampled_from([1, 4, 8]),
    flush=st.integers(1, 2),
    output_bits=st.sampled_from([8, 16]),
)


def test_every_mantissa_has_the_14_bit_reciprocal_of_its_definition():
    mantissa = np.arange(1 << 13, 1 << 14)
    inverse, length = reciprocal(mantissa)
    assert np.array_equal(inverse, ((1 << 27) - 1) // mantissa)
    assert (inverse.min(), inverse.max()) == (1 << 13, (1 << 14) - 1)
    assert set(length) == {14}


@given(st.integers(1, 2**48 - 1))
def test_the_reciprocal_is_within_one_in_2_to_the_13(row_sum):
    inverse, length = reciprocal(np.array([row_sum]))
    assert length[0] == row_sum.bit_length()
    ratio = Fraction(int(inverse[0]) * row_sum, 2 ** (13 + row_sum.bit_length()))
    assert abs(ratio - 1) <= Fraction(1, 2**13) + Fraction(1, 2**27)


@pytest.mark.parametrize("row_sum", [1, 2, 3, 5, 0x1FFF, 0x2000, 0x3FFF, 0x4000, 0x7FFF, 2**40, 2**40 - 1])
def test_the_reciprocal_uses_the_top_14_bits(row_sum):
    inverse, _ = reciprocal(np.array([row_sum]))
    top = int(bin(row_sum)[2:].ljust(14, "0")[:14], 2)
    assert inverse[0] == (2**27 - 1) // top


@given(st.data(), configs)
def test_the_output_is_the_exact_quotient_within_its_bound(data, config):
    row_sum = data.draw(st.integers(1, (1 << config.row_sum_bits) - 1))
    largest = (1 << (config.accumulator_bits - 1)) - 1
    # Any O that the row sum allows: |O| is at most the largest |V| times the row sum.
    limit = min((row_sum << (config.operand_bits - 1)) >> (config.row_sum_fraction + config.dropped_bits), largest)
    o = data.draw(st.integers(-limit, limit))
    fraction = 8 if config.output_bits == 16 else 0
    exact = Fraction(o * 2 ** (config.row_sum_fraction + config.dropped_bits + fraction), row_sum)
    out = int(normalize(config, np.array([[o]]), np.array([row_sum]))[0, 0])
    low, high = -(1 << (config.output_bits - 1)), (1 << (config.output_bits - 1)) - 1
    bound = (
        Fraction(1, 2) + Fraction(1, 2 ** guard_bits(config)) + abs(exact) * (Fraction(1, 2**13) + Fraction(1, 2**27))
    )
    assert abs(out - min(max(exact, low), high)) <= bound


@pytest.mark.parametrize(
    ("config", "o", "row_sum", "expected"),
    [
        (C24, 0, 1, 0),
        (C24, 100, 1, 25598),  # 100 / 1 with 8 fraction bits; the reciprocal of 1 is 2^14 - 1
        (C24, -100, 1, -25598),
        (C24, 127, 1, 32510),
        (C24, 128, 1, 32766),
        (C24, 5000, 1, 32767),
        (C24, -128, 1, -32766),
        (C24, -129, 1, -32768),
        (C24, -5000, 1, -32768),
        (C24, 1000, 300, 853),  # 3.3333 * 256 = 853.33
        (C24, -1000, 300, -853),
        (C24, 999, 7, 32767),  # 142.7
        (C24, 600, 7, 21942),  # 85.714 * 256 = 21942.9
        (INT8, 1000, 300, 3),
        (INT8, 1100, 300, 4),  # 3.67
        (INT8, -1000, 300, -3),
        (INT8, 200, 1, 127),
        (INT8, -200, 1, -128),
        (C24, 7, 0, 0),
        (INT8, -7, 0, 0),
    ],
)
def test_output_vectors(config, o, row_sum, expected):
    assert normalize(config, np.array([[o]]), np.array([row_sum << config.row_sum_fraction])).tolist() == [[expected]]


@pytest.mark.parametrize(("acc", "dropped"), [(24, 0), (23, 1), (20, 4)])
def test_dropped_bits_come_back(acc, dropped):
    config = C24.override(accumulator_bits=acc, flush=9)
    assert config.dropped_bits == dropped
    assert normalize(config, np.array([[1600 >> dropped]]), np.array([100 << config.row_sum_fraction])).tolist() == [
        [16 * 256]
    ]


def test_rows_and_heads_keep_their_places():
    o = np.arange(24).reshape(2, 3, 4) * 64
    row_sum = np.array([[1, 2, 0], [4, 8, 16]]) << 20
    out = normalize(C24, o, row_sum)
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.where(row_sum[..., None] > 0, o * 256.0 / (row_sum[..., None] >> C24.row_sum_fraction), 0)
    assert np.abs(out - exact).max() <= 1
    assert not out[0, 2].any()


@given(st.data(), configs)
def test_a_sink_adds_its_weight(data, config):
    """Against exact sums: half of the last bit of l' for what is rounded, and no overflow."""
    unit = config.row_sum_fraction + config.probability_bits - 1
    row_sum = data.draw(st.one_of(st.just(0), st.integers(1 << unit, 3 * (1 << config.row_sum_bits) // 4)))
    reference = data.draw(st.integers(-(1 << 19), (1 << 19) - 1))
    if data.draw(st.booleans()):
        reference = data.draw(st.integers(-160, 160))
    code = data.draw(st.integers(-(1 << 15), (1 << 15) - 1))
    sink = PRESENT | code & 0xFFFF
    moved_to, total, moved = (int(x[0]) for x in with_sink(config, *map(np.array, ([reference], [row_sum], [sink]))))
    mantissa = config.lut[(code & 0xFF) * config.lut_size >> 8]
    exponent = code >> 8
    assert 0 < total < 1 << config.row_sum_bits
    assert moved_to == (max(reference, exponent) if row_sum else exponent)
    assert moved == (max(exponent - reference, 0) if row_sum or exponent > reference else 0)
    step = min(max(moved_to - reference, 0), 200)
    exact = Fraction(row_sum, 1 << step) + Fraction(mantissa << config.row_sum_fraction) / (
        1 << min(moved_to - exponent, 200)
    )
    assert abs(total - exact) <= Fraction(1, 2)


def test_without_a_sink_nothing_moves():
    row_sum, reference = np.array([0, 1 << 17, 12345678]), np.array([5, -3, 100])
    found = with_sink(C24, reference, row_sum, np.zeros(3, np.int64))
    assert [x.tolist() for x in found] == [reference.tolist(), row_sum.tolist(), [0, 0, 0]]


@pytest.mark.parametrize("moved", [0, 1, 5, 17, 40, 300])
def test_o_counts_less_when_a_sink_leads(moved):
    o, row_sum = np.array([[30000, -30000, -1]]), np.array([1 << 20])
    once = o * 2.0 ** (8 + C24.row_sum_fraction - 20 - moved)
    assert np.abs(normalize(C24, o, row_sum, np.array([moved])) - once).max() <= 1


@given(st.data(), configs)
def test_log_sum_exp_is_cut_off_behind_12_bits(data, config):
    row_sum = data.draw(st.integers(1, (1 << config.row_sum_bits) - 1))
    reference = data.draw(st.integers(-1000, 1000))
    word = int(log_sum_exp(config, np.array([reference]), np.array([row_sum]))[0])
    exponent = (word >> 12) - (1 << 20 if word >> 31 else 0)
    exact = Fraction(row_sum) * Fraction(2) ** (reference - config.row_sum_fraction - (config.probability_bits - 1))
    found = (1 + Fraction(word & 4095, 4096)) * Fraction(2) ** exponent
    assert found <= exact < found + Fraction(2) ** exponent / 4096


def test_log_sum_exp_at_its_ends():
    row_sum = np.array([0, (1 << C24.row_sum_bits) - 1, 1])
    words = log_sum_exp(C24, np.array([0, (1 << 19) - 1, -(1 << 19)]), row_sum)
    assert words.tolist() == [NO_KEY, 0x7FFFFFFF, NO_KEY]
