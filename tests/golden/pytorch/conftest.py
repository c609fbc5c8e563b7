"""Tests that need the extra `llm`, in one thread: operations are small, and the tests run beside each other."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.equalize import equalize
from fusioncim_golden.job import run_batch
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


def batch_outputs(q, k, v, scaling, parts, config=None, engines=1):
    """The golden model on a row of a batch: q [heads, queries, columns], k and v [key heads, keys, columns].

    parts: of each sequence the places of its queries and keys, and the rest of its job.
    """
    from fusioncim_golden.pytorch.huggingface import fitting

    columns, group = max(q.shape[-1], v.shape[-1]), len(q) // len(k)
    config = fitting(preset("paper").alone() if config is None else config, columns)
    sequences, tables, seen, row, key = [], [], [], 0, 0
    for queries, keys, rest in parts:
        job = Job(queries=len(queries), keys=len(keys), **rest)
        tables.append(np.tile([0, job.keys], (job.queries, 1)) if job.intervals is None else job.intervals)
        seen.append(np.less(*job.interval(np.arange(job.queries))))
        sequences.append(
            Sequence(
                queries=job.queries,
                keys=job.keys,
                first_row=row,
                first_key=key,
                start=job.first_position(),
                mask=job.mask,
            )
        )
        row, key = row + job.queries, key + job.keys
    real_q, real_k = (np.concatenate([part[n] for part in parts]) for n in range(2))
    groups, scales, means = [], [], []
    for n in range(len(k)):
        own = q[n * group : (n + 1) * group, real_q], k[n][real_k], v[n][real_k]
        *floats, factor, mean = equalize(*(x.astype(np.float64) for x in own))
        groups.append(quantize(*floats, softmax_scale=scaling, bits=config.operand_bits, centred=True))
        scales += [factor * groups[-1].scale_v] * group
        means += [mean] * group
    chip = SimpleNamespace(engine=config, engines=engines)  # a model may have heads that no chip is made for
    made = run_batch(chip, groups, sequences, intervals=np.concatenate(tables)).out
    out = np.zeros((*q.shape[:-1], v.shape[-1]))
    taken = np.array(means)[:, None] * np.concatenate(seen)[:, None]
    out[:, real_q] = in_lsb(config, made) * np.array(scales)[:, None] + taken
    return out


def golden_outputs(q, k, v, scaling, config=None, engines=1, lengths=None, **rest):
    """The same on a sequence that fills its row, or on sequences of these lengths that do."""
    parts = [(np.arange(q.shape[1]), np.arange(k.shape[1]), rest)]
    if lengths:
        ends = np.cumsum([0, *lengths])
        parts = [(np.arange(*each), np.arange(*each), rest) for each in pairwise(ends)]
    return batch_outputs(q, k, v, scaling, parts, config, engines)


def check_sequence(call, sequence, queries, keys, scaling, **rest):
    """A call's outputs on one row of its batch; queries and keys: slices without padding."""
    q, k, v, out = (x[sequence].numpy() for x in call)
    same = golden_outputs(q[:, queries], k[:, keys], v[:, keys], scaling, **rest)
    assert out.swapaxes(0, 1)[:, queries] == pytest.approx(same, rel=1e-6, abs=1e-12)


@pytest.fixture(scope="session")
def expected():
    """The golden model on one sequence."""
    return golden_outputs


@pytest.fixture(scope="session")
def expected_of_batch():
    """The golden model on one row of a batch."""
    return batch_outputs


@pytest.fixture(scope="session")
def assert_sequence():
    """Holds a recorded call to the golden model."""
    return check_sequence
