"""Tests that need the extra `llm`, in one thread: operations are small, and the tests run beside each other."""

import numpy as np
import pytest

from fusioncim_golden import engine as golden
from fusioncim_golden.equalize import equalize
from fusioncim_golden.mask import CAUSAL
from fusioncim_golden.metrics import in_lsb
from fusioncim_golden.presets import preset
from fusioncim_golden.quantize import quantize
from fusioncim_golden.schedule import Job

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
torch.set_grad_enabled(False)


@pytest.fixture
def recorded():
    """Queries, keys, values and outputs of every call of an attention that is registered as `recorded`."""
    from fusioncim_golden.pytorch import huggingface as hf

    calls = []
    attention = hf.Attention()

    def record(module, query, key, value, mask, **rest):
        out, _ = attention(module, query, key, value, mask, **rest)
        calls.append(tuple(x.clone() for x in (query, key, value, out)))  # caches write into theirs
        return out, None

    hf.register("recorded", record)
    return calls


def golden_outputs(q, k, v, scaling, config=None, engines=1, mask=CAUSAL, start=None):
    """The golden model on one sequence: q [heads, queries, columns], k and v [key heads, keys, columns]."""
    from fusioncim_golden.pytorch.huggingface import fitting

    columns, group = q.shape[-1], len(q) // len(k)
    config = fitting(preset("paper").alone() if config is None else config, columns)
    wide = ((0, 0), (0, 0), (0, config.columns - columns))
    job = Job(queries=q.shape[1], keys=k.shape[1], heads=group, mask=mask, start=start)
    outs = []
    for n in range(len(k)):
        parts = equalize(*(x.astype(np.float64) for x in (q[n * group : (n + 1) * group], k[n], v[n])))
        heads = quantize(*parts[:3], softmax_scale=scaling)
        padded = {"q": np.pad(heads.q, wide), "k": np.pad(heads.k, wide[1:]), "v": np.pad(heads.v, wide[1:])}
        heads = type(heads)(**vars(heads) | padded)
        out = golden.run(config, heads, job, engines).out[..., :columns]
        outs.append(in_lsb(config, out) * (parts[3] * heads.scale_v))
    return np.concatenate(outs)


def check_sequence(call, sequence, queries, keys, scaling, mask=CAUSAL, start=None):
    """A call's outputs on one sequence of its batch; queries and keys: slices without padding."""
    q, k, v, out = (x[sequence].numpy() for x in call)
    same = golden_outputs(q[:, queries], k[:, keys], v[:, keys], scaling, mask=mask, start=start)
    assert out.swapaxes(0, 1)[:, queries] == pytest.approx(same, rel=1e-6, abs=1e-12)


@pytest.fixture(scope="session")
def expected():
    """The golden model on one sequence."""
    return golden_outputs


@pytest.fixture(scope="session")
def assert_sequence():
    """Holds a recorded call to the golden model."""
    return check_sequence
