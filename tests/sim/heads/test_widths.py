"""Heads narrower than an engine or a chip: columns of zeros change no bit, and the error of a wider one helps."""

import shlex

import numpy as np
import pytest

from fusioncim_golden import engine as golden
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.cli.options import choose_chip, choose_config
from fusioncim_sim.heads.grouping import jobs_of
from fusioncim_sim.heads.judge import job_of, judge_golden, operands_of
from fusioncim_sim.heads.read import Head
from fusioncim_sim.heads.widths import check_width, job_dimension

WIDE = Config(columns=128)


def head(dimension, queries=6, keys=9, dtype=np.float64):
    rng = np.random.default_rng(dimension)
    factor = 1 if dtype is np.float64 else 30
    return Head("a", *((factor * rng.normal(size=(n, dimension))).astype(dtype) for n in (queries, keys, keys)))


@pytest.mark.parametrize("dtype", [np.float64, np.int8])
@pytest.mark.parametrize("dimension", [64, 96])
def test_more_columns_change_no_bit(dimension, dtype):
    """Those of an engine of the head's own width, whose score scale is 1 / sqrt of that width."""
    narrow, one = Config(columns=dimension), head(dimension, dtype=dtype)
    own, wide = (golden.run(config, operands_of(config, one), job_of(one)).out for config in (narrow, WIDE))
    assert np.array_equal(wide[..., :dimension], own)
    assert not wide[..., dimension:].any()
    alone, judged = (judge_golden(config, one) for config in (narrow, WIDE))
    assert judged.sqnr_integers_db == alone.sqnr_integers_db
    assert judged.sqnr_floats_db == alone.sqnr_floats_db
    assert judged.outputs == 6 * 128


@pytest.mark.parametrize("dimension", [1, 5, 17, 80, 127])
def test_any_width_up_to_the_columns_is_near_float_attention(dimension):
    judged = judge_golden(WIDE, head(dimension, 40, 40))
    assert judged.dimension == dimension
    assert judged.sqnr_integers_db > 40
    assert judged.sqnr_floats_db > 25


@pytest.mark.parametrize(("dimension", "expected"), [(1, 8), (8, 8), (10, 16), (64, 64)])
def test_a_job_has_the_next_dimension_that_a_chip_takes(dimension, expected):
    assert job_dimension(dimension) == expected
    (((group,),),) = [jobs_of(Config(), [head(dimension)])]
    (own,) = group.each
    assert own.q.shape[-1] == own.v.shape[-1] == group.operands.k.shape[-1] == expected
    assert own.softmax_scale == pytest.approx(dimension**-0.5)


def test_heads_of_other_score_scales_are_other_jobs():
    one, other = head(9), head(10)
    assert len(jobs_of(Config(), [one, other])) == 2


@pytest.mark.parametrize("dimension", [17, 24, 65, 80, 100, 127, 129, 300, 1024])
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("chosen", [choose_chip, choose_config])
def test_the_options_of_the_error_make_one_that_is_wide_enough(dimension, preset, chosen):
    config = chosen(preset, None, None)
    engine = config.engine if isinstance(config, ChipConfig) else config
    if dimension <= engine.columns:
        check_width("q", dimension, config)
        return
    with pytest.raises(InputError) as error:
        check_width("q", dimension, config)
    said = str(error.value)
    assert said.startswith(f"the dimension of q must be at most columns = {engine.columns} (try --set columns=")
    assert said.endswith(f"), not {dimension}")
    changes = shlex.split(said[said.index("(try ") + 5 : said.rindex(")")])
    assert set(changes[::2]) == {"--set"}
    check_width("q", dimension, chosen(preset, None, changes[1::2]))


def test_no_engine_is_wide_enough_for_everything():
    with pytest.raises(InputError, match=r"at most columns = 64 \(none has more than 1,024\), not 1025$"):
        check_width("q", 1025, Config())
