"""Captured heads by name, and side by side with the operands that each has alone."""

import numpy as np
import pytest

from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import preset
from fusioncim_golden.quantize import quantize
from fusioncim_sim.heads.captured import captured, captured_figures, captured_heads, model_of, side_by_side
from fusioncim_sim.heads.read import QWEN, SMOLLM2

SMALL, WIDE = Config(), Config(columns=128)


def names(config, *wanted):
    return [head.name for head in captured_heads(config, wanted)]


def test_every_name_is_of_one_model():
    assert [head.name for head in captured()[QWEN]] == ["qwen_local", "qwen_mixed", "qwen_sink", "qwen_wide"]
    every = captured_figures()
    assert len(every) == sum(map(len, captured().values()))
    assert every["sink"] == {"model": SMOLLM2, "columns": 64, "tokens": 512}
    assert every["qwen_sink"] == {"model": QWEN, "columns": 128, "tokens": 512}
    assert all(model_of(name) == one["model"] for name, one in every.items())


def test_heads_fill_the_columns():
    assert names(SMALL) == ["group0"]
    assert names(WIDE) == ["group0", "group1"]
    assert names(SMALL, "sink") == ["sink"]
    assert names(WIDE, "wide", "sink") == ["sink", "wide"]
    assert names(WIDE, "qwen_mixed") == ["qwen_mixed"]
    assert names(Config(columns=192), "qwen_mixed", "sink") == ["sink", "qwen_mixed"]


COLUMNS = "captured heads side by side must have columns = "
REFUSED = {
    "columns": (SMALL.override(columns=96), (), COLUMNS + "96, not 64 (group0 of 64)"),
    "too few columns": (preset("tiny").alone(), (), COLUMNS + "16, not 64 (group0 of 64)"),
    "too many columns": (SMALL.override(columns=512), (), COLUMNS + "512, not 448"),
    "too many heads": (SMALL, ("sink", "wide"), COLUMNS + "64, not 128 (sink of 64 + wide of 64)"),
    "too few heads": (WIDE, ("sink",), COLUMNS + "128, not 64 (sink of 64)"),
    "another model": (SMALL, ("qwen_sink",), COLUMNS + "64, not 128 (qwen_sink of 128)"),
    "unknown head": (SMALL, ("tail",), "the captured head must be one of group0, "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_heads_that_do_not_fit_are_refused(case):
    config, wanted, message = REFUSED[case]
    with pytest.raises(InputError) as error:
        captured_heads(config, wanted)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("wanted", [["qwen_sink"], ["group0", "group1"], ["local", "mixed"]])
def test_keys_and_values_are_those_of_each_head_alone(wanted):
    heads = captured_heads(WIDE, wanted)
    q, k, v = side_by_side(heads, 300)
    joined = quantize(q, k, v)
    alone = [head.first(300).quantized(WIDE) for head in heads]
    for part in "kv":
        assert np.array_equal(getattr(joined, part), np.concatenate([getattr(one, part) for one in alone], axis=1))
    if len(heads) == 1:
        assert np.array_equal(joined.q, alone[0].q)


def test_scores_are_the_sum_of_those_of_the_heads():
    heads = captured_heads(WIDE, ["sink", "wide"])
    q, k, _ = side_by_side(heads, 100)
    floats = [(head.q[:100].astype(float), head.k[:100].astype(float)) for head in heads]
    expected = sum(own_q @ own_k.T for own_q, own_k in floats)
    assert np.ptp(q[0] @ k.T - expected, axis=1) == pytest.approx(np.zeros(100), abs=1e-9)


@pytest.mark.parametrize("tokens", [0, 513])
def test_tokens_are_those_of_the_heads(tokens):
    with pytest.raises(InputError, match=f"tokens must be 1 to 512, the length of the heads, not {tokens}"):
        side_by_side(captured_heads(SMALL), tokens)
