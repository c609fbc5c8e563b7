from dataclasses import FrozenInstanceError
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from fusioncim_golden.config import REFERENCE_BITS, SEED_LIMIT, Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.ip_cim import offset_scores, resident, scores

# Changes to the default, and the whole message.
NARROW = "(a narrow accumulator: widen it, or lower slack or update_rank)"

REFUSED = [
    ({"rows": 8.0}, "rows must be of type int, not 8.0"),
    ({"rows": True}, "rows must be of type int, not True"),
    ({"seed": 1}, "seed must be of type bool, not 1"),
    ({"schedule": 3}, "schedule must be of type str, not 3"),
    ({"flush": "14"}, "flush must be of type int, not '14'"),
    ({"rows": 0}, "rows must be from 1 to 1024, not 0"),
    ({"rows": 1025}, "rows must be from 1 to 1024, not 1025"),
    ({"columns": 3}, "columns must be from 4 to 1024, not 3"),
    ({"columns": 1056}, "columns must be from 4 to 1024, not 1056"),
    ({"words": 0}, "words must be from 1 to 16, not 0"),
    ({"words": 17}, "words must be from 1 to 16, not 17"),
    ({"operand_bits": 6}, "operand_bits must be one of 4, 8, not 6"),
    ({"update_rank": 3}, "update_rank must be one of 1, 2, 4, 8, 16, not 3"),
    (
        {"columns": 48},
        (
            "columns must be a multiple of update_rank * operand_bits = 32 "
            "(the columns that one OP-CIM unit serves), not 48"
        ),
    ),
    (
        {"columns": 40, "update_rank": 2},
        (
            "columns must be a multiple of update_rank * operand_bits = 16 "
            "(the columns that one OP-CIM unit serves), not 40"
        ),
    ),
    ({"softmax_lanes": 0}, "softmax_lanes must be from 1 to 32, not 0"),
    ({"softmax_lanes": 33}, "softmax_lanes must be from 1 to 32, not 33"),
    ({"softmax_lanes": 5}, "softmax_lanes must divide rows = 32, not 5"),
    (
        {"softmax_lanes": 2},
        "softmax_lanes must be at least rows / operand_bits = 4 (a lane serves one row per cycle of a vector), not 2",
    ),
    (
        {"operand_bits": 4},
        "softmax_lanes must be at least rows / operand_bits = 8 (a lane serves one row per cycle of a vector), not 4",
    ),
    ({"probability_bits": 5}, "probability_bits must be from 6 to 12, not 5"),
    ({"probability_bits": 13}, "probability_bits must be from 6 to 12, not 13"),
    ({"accumulator_bits": 15}, "accumulator_bits must be from 16 to 32, not 15"),
    ({"accumulator_bits": 33}, "accumulator_bits must be from 16 to 32, not 33"),
    ({"fraction_bits": 3}, "fraction_bits must be from 4 to 10, not 3"),
    ({"fraction_bits": 11}, "fraction_bits must be from 4 to 10, not 11"),
    (
        {"fraction_bits": 6, "lut_size": 128},
        "lut_size must be a power of two from 8 to 2^fraction_bits = 64, not 128",
    ),
    ({"fraction_bits": 6, "lut_size": 4}, "lut_size must be a power of two from 8 to 2^fraction_bits = 64, not 4"),
    ({"fraction_bits": 6, "lut_size": 48}, "lut_size must be a power of two from 8 to 2^fraction_bits = 64, not 48"),
    ({"slack": -1}, "slack must be from 0 to 6, not -1"),
    ({"slack": 7}, "slack must be from 0 to 6, not 7"),
    ({"schedule": "random"}, "schedule must be one of in_order, diagonal_first, sink_first, folded, not random"),
    ({"output_bits": 12}, "output_bits must be one of 8, 16, not 12"),
    ({"drain_rows": 3}, "drain_rows must be one of 1, 2, 4, not 3"),
    ({"drain_rows": 8}, "drain_rows must be one of 1, 2, 4, not 8"),
    ({"rows": 6, "softmax_lanes": 2, "drain_rows": 4}, "drain_rows must divide rows = 6, not 4"),
    *(({"token_scale_bits": n}, f"token_scale_bits must be one of 0, 1, 8, not {n}") for n in (-1, 2, 7, 9, 16)),
    ({"token_scale_bits": True}, "token_scale_bits must be of type int, not True"),
    ({"alibi": 1}, "alibi must be of type bool, not 1"),
    ({"flush": 0}, "flush must be from 1 to 20, not 0"),
    ({"flush": 21}, "flush must be from 1 to 20, not 21"),
    # A narrow accumulator: p + operand bits - 3 - dropped bits, dropped bits = 8 + 8 + 2 + 4 + 2 - 16 = 8.
    (
        {"probability_bits": 8, "accumulator_bits": 16, "flush": 6},
        f"flush must be from 1 to 5 with accumulator_bits = 16 {NARROW}, not 6",
    ),
    # 21 bits are enough for the rounding of every addition over 2^20 keys, 20 are not.
    ({"probability_bits": 8, "accumulator_bits": 21, "flush": 21}, "flush must be from 1 to 20, not 21"),
    (
        {"probability_bits": 8, "accumulator_bits": 20, "flush": 10},
        f"flush must be from 1 to 9 with accumulator_bits = 20 {NARROW}, not 10",
    ),
    ({"colour": 3}, "unknown configuration key: the keys are "),
]

# Configurations at the ends of every width.
CORNERS = [
    Config(
        probability_bits=p,
        operand_bits=bits,
        accumulator_bits=acc,
        update_rank=rank,
        slack=slack,
        flush=2,
        softmax_lanes=8,
    )
    for p, bits, acc, rank, slack in product((6, 9, 12), (4, 8), (16, 20, 24, 32), (1, 8), (0, 6))
]


def names(c):
    return f"p{c.probability_bits}q{c.operand_bits}a{c.accumulator_bits}r{c.update_rank}s{c.slack}"


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_an_invalid_combination_is_refused_with_rule_and_value(changes, message):
    with pytest.raises(InputError) as error:
        Config().override(**changes)
    if "colour" in changes:
        assert str(error.value).startswith(message)
        assert str(error.value).endswith("not colour")
    else:
        assert str(error.value) == message


@pytest.mark.parametrize(
    "changes",
    [
        {"probability_bits": 8, "accumulator_bits": 16, "flush": 5},
        {"probability_bits": 8, "accumulator_bits": 20, "flush": 9},
        {"probability_bits": 8, "accumulator_bits": 21, "flush": 20},
        {"rows": 1, "softmax_lanes": 1},
        {"token_scale_bits": 1, "alibi": True},
        {"token_scale_bits": 8, "update_rank": 1},
        {"columns": 1024, "words": 16},
        {"rows": 7, "softmax_lanes": 1},
        {"columns": 4, "operand_bits": 4, "update_rank": 1, "softmax_lanes": 8},
    ],
)
def test_the_limits_themselves_are_accepted(changes):
    config = Config().override(**changes)
    assert {name: getattr(config, name) for name in changes} == changes


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("colour", ""),
        ("engines", ""),
        ("Rows", r" \(did you mean rows\?\)"),
        ("colums", r" \(did you mean columns\?\)"),
    ],
)
def test_an_unknown_name_is_refused(name, hint):
    with pytest.raises(InputError, match=rf"^unknown configuration key{hint}: the keys are rows, .* not {name}$"):
        Config().override(**{"rows": 8, name: 4})


def test_a_configuration_never_changes():
    config = Config()
    with pytest.raises(FrozenInstanceError):
        config.rows = 8
    assert config.override(rows=8, softmax_lanes=1) != config
    assert config == Config()


@pytest.mark.parametrize("config", [Config(), Config(rows=6, softmax_lanes=1, seed=True, schedule="folded")])
def test_the_parameters_by_name_make_the_same_configuration(config):
    assert Config(**config.as_dict()) == config


@pytest.mark.parametrize("columns", [32, 64, 96, 128, 992, 1024])
@pytest.mark.parametrize("bits", [4, 8])
def test_every_score_fits_score_bits(bits, columns):
    config = Config(columns=columns, operand_bits=bits, softmax_lanes=8)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    q, k = (np.array([[low] * columns, [high] * columns]) for _ in "qk")
    limit = 1 << (config.score_bits - 1)
    exact = [[low * low * columns, low * high * columns], [low * high * columns, high * high * columns]]
    assert scores(q, k).tolist() == exact
    assert np.abs(exact).max() < limit
    assert np.abs(exact).max() >= limit // 4, "more than one bit is never used"
    offset, _ = offset_scores(resident(q, bits), k, bits)
    assert np.abs(offset).max() < limit


def test_offset_scores_are_the_scores_of_random_operands():
    random = np.random.default_rng(1)
    q, k = random.integers(-128, 128, (2, 5, 64)), random.integers(-128, 128, (7, 64))
    expected = [[[sum(int(a) * int(b) for a, b in zip(i, n, strict=True)) for n in k] for i in head] for head in q]
    assert scores(q, k).tolist() == expected
    offset, correction = offset_scores(q, k, 8)
    assert (offset - correction[..., None]).tolist() == expected
    assert correction.min() >= 0


def test_the_banks_keep_no_most_negative_query():
    assert resident(np.array([-128, -127, 0, 127]), 8).tolist() == [-127, -127, 0, 127]
    assert resident(np.array([-8, -7, 7]), 4).tolist() == [-7, -7, 7]


@pytest.mark.parametrize("config", CORNERS, ids=names)
def test_the_widths_hold_their_largest_operands(config):
    p = (1 << config.probability_bits) - 1
    v = 1 << (config.operand_bits - 1)
    dot = config.update_rank * p * v
    block = dot << config.slack
    assert (1 << (config.dot_bits - 2)) <= dot < 1 << (config.dot_bits - 1)
    # Four of the largest blocks fit the accumulator, and no fewer bits than necessary are dropped.
    room = 1 << (config.accumulator_bits - 1)
    assert 4 * block <= room << config.dropped_bits
    # A row sum at half of its range takes another block of the largest size.
    half, added = 1 << (config.row_sum_bits - 1), (config.update_rank * p) << (config.slack + config.row_sum_fraction)
    assert half - 1 + added < 1 << config.row_sum_bits
    # O of a row whose sum is at half of its range uses half of the accumulator.
    assert v * half >> config.row_sum_fraction == room << config.dropped_bits >> 1
    assert config.shift_max >= max(config.slack + config.flush, config.slack + SEED_LIMIT, config.accumulator_bits - 1)
    assert config.log2_bits == REFERENCE_BITS + config.fraction_bits


@pytest.mark.parametrize(
    ("changes", "dropped"),
    [
        ({"probability_bits": 8, "accumulator_bits": 24}, 0),  # 8 + 8 + 2 + slack 4 + 2 = 24
        ({"probability_bits": 9, "accumulator_bits": 24}, 1),
        ({"probability_bits": 8, "accumulator_bits": 23}, 1),
        ({"probability_bits": 8, "accumulator_bits": 24, "slack": 5}, 1),
        ({"probability_bits": 8, "accumulator_bits": 24, "update_rank": 8}, 1),
        ({"probability_bits": 8, "accumulator_bits": 24, "update_rank": 1}, 0),
        ({"probability_bits": 8, "accumulator_bits": 16, "flush": 5}, 8),
        ({"probability_bits": 12, "accumulator_bits": 16, "flush": 2, "update_rank": 8, "slack": 6}, 15),
        ({"probability_bits": 12, "accumulator_bits": 32}, 0),
    ],
)
def test_dropped_bits_are_those_for_which_the_accumulator_is_too_narrow(changes, dropped):
    assert Config(**changes).dropped_bits == dropped


@pytest.mark.parametrize(
    ("config", "table"),
    [
        # 128 * 2^((2 i + 0.5) / 16), i = 0..7.
        (Config(probability_bits=8, fraction_bits=4, lut_size=8), (131, 143, 156, 170, 185, 202, 220, 240)),
        # 32 * 2^(i / 8): 32 34.9 38.1 41.5 45.3 49.4 53.8 58.7; then fraction 15/16 of 2^6 entries saturates at 63.
        (Config(probability_bits=6, fraction_bits=4, lut_size=16), None),
    ],
)
def test_lut_vectors(config, table):
    if table is None:
        assert config.lut[::2] == (32, 35, 38, 41, 45, 49, 54, 59)
    else:
        assert config.lut == table


@pytest.mark.parametrize("p", range(6, 13))
@pytest.mark.parametrize("fraction_bits", [4, 7, 10])
def test_lut_is_within_half_an_lsb_of_the_middle_of_its_fractions(p, fraction_bits):
    for lut_size in (8, 1 << (fraction_bits - 1), 1 << fraction_bits):
        lut = Config(probability_bits=p, fraction_bits=fraction_bits, lut_size=lut_size).lut
        shared = (1 << fraction_bits) // lut_size
        top = (1 << p) - 1
        assert len(lut) == lut_size
        assert lut == tuple(sorted(lut))
        assert top >= lut[-1]
        assert lut[0] >= 1 << (p - 1)
        for entry, value in enumerate(lut):
            middle = Fraction(sum(range(entry * shared, (entry + 1) * shared)), shared) / (1 << fraction_bits)
            exact = 2.0 ** (p - 1 + float(middle))
            assert abs(value - exact) <= 0.5 or (value == top and exact > top)


def test_lut_saturates_where_two_to_the_f_would_round_to_two():
    assert Config(probability_bits=6, fraction_bits=10, lut_size=1024).lut[-1] == 63
