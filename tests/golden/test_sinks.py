from dataclasses import replace

import numpy as np
import pytest

from fusioncim_golden.config import Config
from fusioncim_golden.engine import check_operands, run
from fusioncim_golden.errors import InputError
from fusioncim_golden.lse import log_sum_exp
from fusioncim_golden.normalizer import NO_KEY
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.schedule import Job
from fusioncim_golden.sinks import PRESENT, legal_sinks, sink_weight, sinks_of

SMALL = Config()


def test_a_word_is_a_sink_if_it_says_so_and_nothing_stands_above():
    words = np.array([0, PRESENT, PRESENT | 0xFFFF, 1, 0xFFFF, PRESENT << 1, PRESENT << 1 | PRESENT, (1 << 32) - 1])
    assert legal_sinks(words).tolist() == [True, True, True, False, False, False, False, False]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 88.73, -88.74, 1e30])
def test_a_sink_beyond_range_is_named(value):
    with pytest.raises(InputError) as error:
        sinks_of(np.array([0.0, value]))
    assert str(error.value) == f"a sink must be a number from -88.72 to 88.72, not {value:g}"


@pytest.mark.parametrize("config", [SMALL, SMALL.override(lut_size=8), SMALL.override(fraction_bits=10, lut_size=1024)])
def test_weights_are_those_of_the_model(config):
    sinks = np.concatenate([np.linspace(-88.72, 88.72, 5001), [0.0, -1e-9, 1e-9]])
    mantissa, exponent = sink_weight(config, sinks_of(sinks))
    assert mantissa.min() >= 1 << (config.probability_bits - 1)
    exact = sinks / np.log(2)
    found = np.log2(mantissa) - (config.probability_bits - 1) + exponent
    # Half a step of the word, a step of the table, and its rounding.
    assert np.abs(found - exact).max() <= 2**-9 + 1 / config.lut_size + 1.5 * 0.5**config.probability_bits


def test_without_a_sink_there_is_no_weight():
    assert sink_weight(SMALL, np.array([0, PRESENT]))[0].tolist() == [0, SMALL.lut[0]]


def heads_with(sinks, *, queries=5, keys=6):
    random = np.random.default_rng(4)
    q, k, v = (random.integers(-9, 9, shape) for shape in ((2, queries, 64), (keys, 64), (keys, 64)))
    return replace(from_integers(q, k, v, scale_q=0.1), sinks=sinks)


def test_a_head_with_a_sink_must_not_be_centred():
    job = Job(queries=5, keys=6, heads=2)
    run(SMALL, replace(heads_with(np.array([0, 0])), centred=True), job)
    with pytest.raises(InputError) as error:
        run(SMALL, replace(heads_with(np.array([0, PRESENT | 3])), centred=True), job)
    assert str(error.value) == "a head with a sink must have values that are not centred, not so 0x10003"


def test_every_head_has_its_own_sink_and_rows_without_a_key_have_theirs():
    words = np.array([sinks_of(np.array(1.0)), 0])
    job = Job(queries=5, keys=6, heads=2, intervals=np.array([[0, 6], [0, 0], [2, 2], [0, 6], [1, 3]]))
    found, without = (run(SMALL, heads_with(each), job) for each in (words, None))
    assert found.lse[1].tolist() == without.lse[1].tolist()
    assert np.array_equal(found.out[1], without.out[1])
    assert not found.out[:, 1:3].any()
    assert set(without.lse[:, 1:3].flat) == {NO_KEY} == set(found.lse[1, 1:3])
    assert np.allclose(log_sum_exp(found.lse[0, 1:3]), 1.0, atol=0.012)
    assert (np.abs(found.out[0]).sum(axis=-1) <= np.abs(without.out[0]).sum(axis=-1)).all()
    assert found.events == without.events


@pytest.mark.parametrize(
    ("sinks", "message"),
    [
        (np.zeros(3, np.int64), "sinks must be [heads] = (2,), not (3,)"),
        (np.array([0, 5]), "a sink's word must be 0 or from 0x10000 to 0x1ffff, not 0x5"),
    ],
)
def test_operands_with_other_sinks_are_refused(sinks, message):
    with pytest.raises(InputError) as error:
        check_operands(SMALL, heads_with(sinks))
    assert str(error.value) == message
