"""Masks and padded batches on PyTorch against the NumPy model: every bit and every event, whatever the order is."""

import numpy as np
import pytest
import torch

from fusioncim_golden import engine as golden
from fusioncim_golden.config import Config
from fusioncim_golden.key_order import ORDERS
from fusioncim_golden.mask import EVERY, FULL, Mask
from fusioncim_golden.pytorch import engine, parts
from fusioncim_golden.pytorch.events import Events
from fusioncim_golden.pytorch.quantize import Padded
from fusioncim_golden.pytorch.quantize import quantize as quantize_batch
from fusioncim_golden.quantize import quantize
from fusioncim_golden.schedule import Job

MASKS = {
    "causal": Mask(),
    "full": FULL,
    "window": Mask(window=7),
    "window_of_one": Mask(window=1),
    "both_sides": Mask(window=6, ahead=9),
    "window_and_full": Mask(window=11, ahead=EVERY),
    "chunk": Mask(chunk=16),
    "chunk_both_sides": Mask(chunk=8, ahead=EVERY),
    "window_in_chunk": Mask(window=5, chunk=16, ahead=2),
    "prefix": Mask(prefix=21),
    "prefix_and_window": Mask(prefix=13, window=9),
}
SMALL = {"rows": 8, "columns": 64, "softmax_lanes": 1, "words": 4, "slack": 1, "flush": 5}


def same_as_golden(config, batch, engines):
    """Each of (heads, Padded), padded to the longest, gives what the golden model gives alone."""
    queries = max(each.first + each.job.queries for _, each in batch)
    keys = max(each.job.keys for _, each in batch)
    q, k, v = ([], [], [])
    for (a, b, c), each in batch:
        behind = queries - each.first - each.job.queries
        q.append(np.pad(a, ((0, 0), (each.first, behind), (0, 0)), constant_values=np.nan))
        k.append(np.pad(b, ((0, keys - len(b)), (0, 0)), constant_values=np.nan)[None])
        v.append(np.pad(c, ((0, keys - len(c)), (0, 0)), constant_values=np.nan)[None])
    operands = quantize_batch(
        *(torch.from_numpy(np.stack(x)) for x in (q, k, v)),
        [each for _, each in batch],
        softmax_scale=config.columns**-0.5,
        subtract_mean_k=False,
    )
    events, total = Events(), golden.Events()
    out = engine.attend(config, operands, engines=engines, events=events)
    assert engine.count(config, operands, engines=engines) == events
    for n, (heads, each) in enumerate(batch):
        rows = out[n].unflatten(0, (-1, each.job.heads)).transpose(0, 1).numpy()
        real = slice(each.first, each.first + each.job.queries)
        expected = golden.run(config, quantize(*heads), each.job, engines)
        assert np.array_equal(rows[:, real], expected.out)
        assert not np.delete(rows, real, axis=1).any()
        total.add(expected.events)
    for name in ("scores", "rescales", "halvings", "zero_probabilities", "slots", "additions"):
        assert getattr(events, name) == getattr(total, name), name


def made(random, job):
    """Float heads of a job, with an offset and a few large columns, as real keys have."""
    q = random.normal(0, 2, (job.heads, job.queries, 64)) * np.exp(random.normal(0, 1, 64))
    k = random.normal(0, 1, (job.keys, 64)) + random.normal(0, 2, 64)
    return q, k, random.normal(0, 1, (job.keys, 64))


@pytest.mark.parametrize("schedule", ORDERS)
@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("seed", [False, True], ids=["", "seed"])
def test_every_mask_in_every_order(name, schedule, seed):
    config = Config(**SMALL, schedule=schedule, seed=seed)
    random = np.random.default_rng(len(name))
    for engines, job in (
        (1, Job(queries=45, keys=45, mask=MASKS[name])),
        (3, Job(queries=40, keys=70, heads=3, mask=MASKS[name])),
        (2, Job(queries=30, keys=50, heads=2, mask=MASKS[name], start=33)),  # beyond the keys
    ):
        same_as_golden(config, [(made(random, job), Padded(job))], engines)


@pytest.mark.parametrize("number", range(30))
def test_padded_batches_of_random_masks(number):
    random = np.random.default_rng(number)
    config = Config(
        **SMALL | {"words": int(random.integers(1, 7))},
        schedule=str(random.choice(list(ORDERS))),
        seed=bool(random.integers(2)),
        update_rank=int(random.choice([1, 2, 4, 8])),
    )
    heads, batch = int(random.integers(1, 4)), []
    for _ in range(4):
        keys = int(random.integers(1, 70))
        mask = Mask(
            window=int(random.choice([EVERY, random.integers(1, 40)])),
            ahead=int(random.choice([0, EVERY, random.integers(1, 20)])),
            chunk=int(random.choice([0, 4, 16])),
            prefix=int(random.choice([0, random.integers(1, 40)])),
        )
        job = Job(
            queries=int(random.integers(1, 50)), keys=keys, heads=heads, mask=mask, start=int(random.integers(0, 60))
        )
        batch.append((made(random, job), Padded(job, int(random.integers(0, 9)))))
    same_as_golden(config, batch, int(random.integers(1, 4)))


@pytest.mark.parametrize("rows", [1, 40])
def test_how_many_rows_pass_together_changes_nothing(rows, monkeypatch):
    monkeypatch.setattr(parts, "ROWS", rows)
    job = Job(queries=45, keys=45, mask=MASKS["window"])
    same_as_golden(Config(**SMALL), [(made(np.random.default_rng(1), job), Padded(job))], 1)


def chunks_of(config, job):
    """Rows and keys of every chunk that passes."""
    operands = quantize_batch(
        *(torch.ones(1, 1, n, 64) for n in (job.queries, job.keys, job.keys)), [Padded(job)], softmax_scale=1.0
    )
    (part,) = parts.parts(config, operands, 1)
    return part, [(each.rows, each.keys.shape) for each in parts.chunks(config, part)]


@pytest.mark.parametrize("schedule", ["in_order", "diagonal_first"])
def test_rows_outside_of_a_window_and_keys_outside_of_all_are_left_out(schedule):
    part, found = chunks_of(Config(**SMALL, schedule=schedule), Job(queries=300, keys=900, mask=Mask(window=100)))
    assert part.lines is None
    assert len(found) < 900 // 64 - 5  # the first 500 keys are outside of every window
    assert max(rows.stop - rows.start for rows, _ in found) <= 100 + 64


def test_no_events_and_no_outputs_of_padding_alone():
    operands = quantize_batch(
        *(torch.full((1, 2, 3, 64), torch.nan) for _ in range(3)), [Padded(Job(queries=0, keys=0))], softmax_scale=1.0
    )
    events = Events()
    assert not engine.attend(Config(**SMALL), operands, events=events).any()
    assert events == Events()
