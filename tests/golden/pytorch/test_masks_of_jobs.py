"""Masks, tables and batches on PyTorch against the NumPy model: every bit and every event, whatever the order is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fusioncim_golden import engine as golden
from fusioncim_golden.config import Config
from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.job import run_batch
from fusioncim_golden.key_order import ORDERS
from fusioncim_golden.mask import EVERY, FULL, Mask
from fusioncim_golden.presets import preset
from fusioncim_golden.pytorch import engine, parts
from fusioncim_golden.pytorch.events import Events
from fusioncim_golden.pytorch.quantize import quantize as quantize_batch
from fusioncim_golden.pytorch.segments import Segment, whole
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
    """Each of (heads, job, padding in front), each a row of a batch, gives what the golden model gives alone."""
    queries = max(first + job.queries for _, job, first in batch)
    keys = max(job.keys for _, job, _ in batch)
    q, k, v, segments = [], [], [], []
    for (a, b, c), job, first in batch:
        behind = queries - first - job.queries
        q.append(np.pad(a, ((0, 0), (first, behind), (0, 0)), constant_values=np.nan))
        k.append(np.pad(b, ((0, keys - len(b)), (0, 0)), constant_values=np.nan)[None])
        v.append(np.pad(c, ((0, keys - len(c)), (0, 0)), constant_values=np.nan)[None])
        segments.append(Segment(job, len(segments), first + np.arange(job.queries), np.arange(job.keys)))
    operands = quantize_batch(
        *(torch.from_numpy(np.stack(x)) for x in (q, k, v)),
        segments,
        softmax_scale=config.columns**-0.5,
        subtract_mean_k=False,
        subtract_mean_v=False,
    )
    events, total = Events(), golden.Events()
    out = engine.attend(config, operands, engines=engines, events=events)
    assert engine.count(config, operands, engines=engines) == events
    for (heads, job, _), made_of in zip(batch, out, strict=True):
        rows = made_of.unflatten(0, (-1, job.heads)).transpose(0, 1).numpy()
        expected = golden.run(config, quantize(*heads), job, engines)
        assert np.array_equal(rows[:, : job.queries], expected.out)
        assert not rows[:, job.queries :].any()
        total.add(expected.events)
    for name in ("scores", "rescales", "halvings", "zero_probabilities", "slots", "additions"):
        assert getattr(events, name) == getattr(total, name), name


def made(random, job):
    """Float heads of a job, with an offset and a few large columns, as real keys have."""
    q = random.normal(0, 2, (job.heads, job.queries, 64)) * np.exp(random.normal(0, 1, 64))
    k = random.normal(0, 1, (job.keys, 64)) + random.normal(0, 2, 64)
    return q, k, random.normal(0, 1, (job.keys, 64))


def random_table(random, queries, keys):
    """Intervals in any order, some of them empty and some beyond the keys."""
    return np.sort(random.integers(0, keys + 4, (queries, 2)), axis=1)


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
        same_as_golden(config, [(made(random, job), job, 0)], engines)


@pytest.mark.parametrize("number", range(30))
def test_padded_batches_of_random_masks_and_tables(number):
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
        queries, start = int(random.integers(1, 50)), int(random.integers(0, 60))
        table = random_table(random, queries, keys) if random.integers(2) else None
        job = Job(queries=queries, keys=keys, heads=heads, mask=mask, start=start, intervals=table)
        batch.append((made(random, job), job, int(random.integers(0, 9))))
    same_as_golden(config, batch, int(random.integers(1, 4)))


def random_segments(random, tokens):
    """Sequences in a row of so many tokens, some of which are in none."""
    segments, row, key = [], 0, 0
    while True:
        row, key = row + int(random.integers(0, 4)), key + int(random.integers(0, 4))
        queries, keys = (int(n) for n in random.integers(1, 30, 2))
        if max(row + queries, key + keys) > tokens:
            return segments
        job = Job(
            queries=queries,
            keys=keys,
            mask=list(MASKS.values())[random.integers(len(MASKS))],
            start=int(random.integers(0, 30)),
            intervals=random_table(random, queries, keys) if random.integers(2) else None,
        )
        segments.append(Segment(job, 0, row + np.arange(queries), key + np.arange(keys)))
        row, key = row + queries, key + keys


@pytest.mark.parametrize("number", range(40))
def test_sequences_that_are_packed_in_a_row_are_a_job_of_the_chip(number):
    random = np.random.default_rng(number)
    chip = replace(
        preset("tiny"),
        engine=Config(
            **SMALL
            | {"operand_bits": int(random.choice([4, 8])), "words": int(random.integers(1, 5)), "softmax_lanes": 2},
            schedule=str(random.choice(list(ORDERS))),
            seed=bool(random.integers(2)),
        ),
        engines=int(random.choice([1, 2, 4])),
        bus_bits=128,
        buffer_bytes=1 << 12,
    )
    tokens, group, columns = 90, int(random.integers(1, 4)), int(random.choice([8, 40, 64]))
    segments = random_segments(random, tokens)
    real_q, real_k = (np.concatenate([getattr(each, name) for each in segments]) for name in ("queries", "keys"))
    q = random.normal(0, 2, (2 * group, tokens, columns))
    k, v = (random.normal(0, 1, (2, tokens, columns)) for _ in range(2))
    floats = [torch.from_numpy(x)[None] for x in (q, k, v)]
    operands = quantize_batch(*floats, segments, softmax_scale=0.125, bits=chip.engine.operand_bits)
    out = engine.attend(chip.engine, operands, engines=chip.engines)
    parts = [
        (q[n * group : (n + 1) * group, real_q], *(x[n, real_k] - x[n, real_k].mean(axis=0) for x in (k, v)))
        for n in range(2)
    ]
    groups = [quantize(*each, softmax_scale=0.125, bits=chip.engine.operand_bits, centred=True) for each in parts]
    table, sequences, row, key = [], [], 0, 0
    for job in (each.job for each in segments):
        table.append(np.tile([0, tokens], (job.queries, 1)) if job.intervals is None else job.intervals)
        ends = {"queries": job.queries, "keys": job.keys, "first_row": row, "first_key": key}
        sequences.append(Sequence(**ends, start=job.start, mask=job.mask))
        row, key = row + job.queries, key + job.keys
    expected = run_batch(chip, groups, sequences, intervals=np.concatenate(table)).out
    by_sequence = out.view(len(segments), 2, -1, group, columns).permute(0, 1, 3, 2, 4).flatten(1, 2).numpy()
    for each, made_of in zip(sequences, by_sequence, strict=True):
        rows = slice(each.first_row, each.first_row + each.queries)
        assert np.array_equal(made_of[:, : each.queries], expected[:, rows])
        assert not made_of[:, each.queries :].any()


@pytest.mark.parametrize("rows", [1, 40])
def test_how_many_rows_pass_together_changes_nothing(rows, monkeypatch):
    monkeypatch.setattr(parts, "ROWS", rows)
    job = Job(queries=45, keys=45, mask=MASKS["window"])
    same_as_golden(Config(**SMALL), [(made(np.random.default_rng(1), job), job, 0)], 1)


def chunks_of(config, job):
    """Rows and keys of every chunk that passes."""
    operands = quantize_batch(
        *(torch.ones(1, 1, n, 64) for n in (job.queries, job.keys, job.keys)), [whole(job)], softmax_scale=1.0
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
    operands = quantize_batch(*(torch.full((1, 2, 3, 64), torch.nan) for _ in range(3)), [], softmax_scale=1.0)
    events = Events()
    assert not engine.attend(Config(**SMALL), operands, events=events).any()
    assert events == Events()
