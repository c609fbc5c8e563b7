"""The engine on PyTorch against the NumPy model: every bit of the outputs, and every event that both count."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fusioncim_golden import engine as golden
from fusioncim_golden.config import Config
from fusioncim_golden.equalize import equalize
from fusioncim_golden.errors import InputError
from fusioncim_golden.pytorch import engine
from fusioncim_golden.pytorch.events import Events
from fusioncim_golden.pytorch.operands import Operands
from fusioncim_golden.pytorch.quantize import quantize as quantize_batch
from fusioncim_golden.pytorch.segments import whole
from fusioncim_golden.quantize import from_integers, quantize
from fusioncim_golden.schedule import Job
from fusioncim_golden.sinks import PRESENT
from fusioncim_sim.heads.read import fixture, load_heads

HEADS = {head.name: head for head in load_heads(fixture(), Config())}
CONFIGS = [
    {},
    {"schedule": "in_order"},
    {"schedule": "sink_first"},
    {"update_rank": 1, "slack": 0},
    {"update_rank": 2, "flush": 20, "slack": 6},
    {"update_rank": 8, "probability_bits": 12, "accumulator_bits": 20},
    {"accumulator_bits": 16, "flush": 5, "probability_bits": 8},
    {"accumulator_bits": 32, "output_bits": 8},
    {"operand_bits": 4, "softmax_lanes": 8},
    {"fraction_bits": 10, "lut_size": 8},
    {"fraction_bits": 4, "lut_size": 16, "flush": 3},
    {"seed": True},
    {"seed": True, "schedule": "in_order", "words": 3, "slack": 1},
    {"update_rank": 8, "probability_bits": 10, "accumulator_bits": 21, "slack": 3},
    {"schedule": "folded"},
    {"schedule": "folded", "seed": True, "rows": 16, "words": 6, "update_rank": 2},
]
SHAPES = [(1, 1, 40, 40, 32), (6, 2, 33, 50, 64), (4, 4, 1, 77, 96), (8, 1, 30, 30, 128), (2, 1, 20, 21, 256)]
"""Query heads, key heads, queries, keys, dimension."""


def random_heads(seed, heads, kv_heads, queries, keys, columns):
    random = np.random.default_rng(seed)
    # A common offset of the keys, and a few large columns, as real keys have.
    q = random.normal(0, 2, (heads, queries, columns)) * np.exp(random.normal(0, 1, columns))
    k = random.normal(0, 1, (kv_heads, keys, columns)) + random.normal(0, 3, (kv_heads, 1, columns))
    return q, k, random.normal(0, 1, (kv_heads, keys, columns))


def operands(heads, job):
    """One job's integers."""
    low, high = (torch.from_numpy(end.repeat(job.heads))[None].int() for end in job.interval(np.arange(job.queries)))
    total = heads.q.shape[0] * heads.q.shape[1]
    rows = {
        name: torch.from_numpy(np.ascontiguousarray(getattr(heads, name).swapaxes(0, 1))).reshape(1, total, *rest)
        for name, rest in (("q", (-1,)), ("mantissa", ()), ("shift", ()), ("scale_q", ()))
    }
    return Operands(
        q=rows["q"].float(),
        k=torch.from_numpy(heads.k)[None].float(),
        v=torch.from_numpy(heads.v)[None].float(),
        mantissa=rows["mantissa"].int(),
        shift=rows["shift"].int(),
        low=low,
        high=high,
        segments=(whole(job),),
        group=len(heads.q),
        scale_q=rows["scale_q"],
        scale_k=torch.tensor([heads.scale_k]),
        scale_v=torch.full((1, heads.v.shape[1]), heads.scale_v),
        mean_v=torch.zeros(1, heads.v.shape[1]),
        centred=heads.centred,
    )


def assert_equal(config, heads, job, engines=1):
    """Also if the values were centred, which is but a rule of what is left out."""
    for centred in (False, True):
        own = replace(heads, centred=centred)
        expected = golden.run(config, own, job, engines)
        events = Events()
        out = engine.attend(config, operands(own, job), engines=engines, events=events)
        assert np.array_equal(out[0].view(job.queries, job.heads, -1).transpose(0, 1).numpy(), expected.out)
        for name in ("scores", "rescales", "halvings", "zero_probabilities", "slots", "additions"):
            assert getattr(events, name) == getattr(expected.events, name), name


def test_centred_values_and_a_sink_are_refused():
    own = operands(HEADS["group0"].first(8).quantized(Config()), Job(queries=8, keys=8))
    words = torch.zeros(1, 8, dtype=torch.int64)
    assert replace(own, sinks=words).centred
    words[0, 3] = PRESENT | 9
    assert not replace(own, sinks=words, centred=False).centred
    with pytest.raises(InputError, match="a head with a sink must have values that are not centred, not so 0x10009"):
        replace(own, sinks=words)


@pytest.mark.parametrize("change", CONFIGS, ids=str)
def test_captured_heads_are_equal(change):
    config = Config(**change)
    q = np.stack([HEADS[f"group{n}"].q[:150] for n in range(3)]).astype(np.float64)
    k, v = (x[:150].astype(np.float64) for x in (HEADS["group0"].k, HEADS["group0"].v))
    assert_equal(config, quantize(q, k, v, bits=config.operand_bits), Job(queries=150, keys=150, heads=3))


@pytest.mark.parametrize("name", ["sink", "local", "mixed", "wide"])
def test_whole_captured_heads_are_equal(name):
    assert_equal(Config(), HEADS[name].quantized(Config()), Job(queries=512, keys=512))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("equal", [False, True], ids=["plain", "equalized"])
def test_floats_give_the_integers_and_outputs_of_numpy(shape, equal):
    heads, kv_heads, queries, keys, columns = shape
    q, k, v = random_heads(1, *shape)
    config, group = Config(columns=columns), heads // kv_heads
    batch = quantize_batch(
        *(torch.from_numpy(x)[None] for x in (q, k, v)),
        [whole(Job(queries=queries, keys=keys))],
        softmax_scale=columns**-0.5,
        subtract_mean_v=equal,
        equal=equal,
    )
    out = engine.attend(config, batch).view(kv_heads, queries, group, columns).transpose(1, 2)
    for n in range(kv_heads):
        parts = q[n * group : (n + 1) * group], k[n], v[n]
        expected = quantize(*equalize(*parts)[:3], centred=True) if equal else quantize(*parts, subtract_mean_k=True)
        assert np.array_equal(batch.k[n].numpy(), expected.k)
        assert np.array_equal(batch.v[n].numpy(), expected.v)
        assert np.array_equal(batch.q[n].view(queries, group, -1).transpose(0, 1).numpy(), expected.q)
        assert np.array_equal(
            out[n].numpy(), golden.run(config, expected, Job(queries=queries, keys=keys, heads=group)).out
        )


def test_a_scale_per_token_is_that_of_numpy():
    q, k, v = random_heads(2, 3, 1, 24, 24, 32)
    batch = quantize_batch(
        *(torch.from_numpy(x)[None] for x in (q, k, v)),
        [whole(Job(queries=24, keys=24))],
        softmax_scale=32**-0.5,
        granularity="token",
        subtract_mean_k=False,
        subtract_mean_v=False,
    )
    expected = quantize(q, k[0], v[0], granularity="token")
    for name in ("mantissa", "shift"):
        rows = getattr(batch, name)[0].view(24, 3).T.numpy()
        assert np.array_equal(rows, getattr(expected, name))
    out = engine.attend(Config(columns=32), batch)[0].view(24, 3, 32).transpose(0, 1)
    assert np.array_equal(out.numpy(), golden.run(Config(columns=32), expected, Job(queries=24, keys=24, heads=3)).out)


@pytest.mark.parametrize("seed", range(6))
def test_integers_of_full_range_are_equal(seed):
    """References that jump by more than the accumulator has bits, and -128 in queries."""
    random = np.random.default_rng(seed)
    q, k, v = (random.integers(-128, 128, shape) for shape in ((2, 60, 64), (60, 64), (60, 64)))
    heads = from_integers(q, k, v, scale_q=0.01 * 2**seed, scale_k=0.02, scale_v=1.0)
    assert_equal(Config(slack=seed), heads, Job(queries=60, keys=60, heads=2))


def test_many_equal_keys_halve_rows():
    heads = from_integers(*(np.ones(shape, dtype=np.int64) for shape in ((1, 4, 64), (400, 64), (400, 64))))
    config = Config(update_rank=1, probability_bits=12, accumulator_bits=23, slack=6)
    job = Job(queries=4, keys=400)
    assert golden.run(config, heads, job).events.halvings > 0
    assert_equal(config, heads, job)


@pytest.mark.parametrize("schedule", ["diagonal_first", "folded"])
@pytest.mark.parametrize("engines", [2, 5])
def test_seeds_and_orders_follow_the_tiles_of_several_engines(schedule, engines):
    head = HEADS["mixed"].first(200)
    config = Config(seed=True, rows=8, softmax_lanes=1, schedule=schedule)
    assert_equal(config, head.quantized(config), Job(queries=200, keys=200), engines=engines)


def test_a_folded_chunk_inside_a_longer_cache_is_equal():
    head = HEADS["local"]
    heads = quantize(head.q[None, 70:200].astype(float), head.k[:200].astype(float), head.v[:200].astype(float))
    assert_equal(Config(schedule="folded"), heads, Job(queries=130, keys=200), engines=3)


def test_a_chunk_inside_a_longer_cache_is_equal():
    head = HEADS["local"]
    heads = quantize(head.q[None, 100:130].astype(float), head.k[:130].astype(float), head.v[:130].astype(float))
    assert_equal(Config(), heads, Job(queries=30, keys=130))


def test_events_without_values_are_those_of_the_outputs():
    part = operands(HEADS["wide"].first(150).quantized(Config()), Job(queries=150, keys=150))
    events = Events()
    engine.attend(Config(), part, events=events)
    assert engine.count(Config(), part) == events
    assert events.row_updates == sum(-(-n // 4) for n in range(1, 151))
    assert 0 < events.moved_slots <= events.rescales + events.halvings
    assert events.slots == sum(-(-min(n + 32, 150) // 4) for n in range(0, 150, 32))


def test_rounded_products_are_computed_in_float64(monkeypatch):
    head = HEADS["wide"].first(40).quantized(Config())
    expected = engine.attend(Config(), operands(head, Job(queries=40, keys=40)))
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "medium")
    assert engine.product_type() == torch.float64
    assert torch.equal(engine.attend(Config(), operands(head, Job(queries=40, keys=40))), expected)


def test_a_head_too_wide_is_refused():
    part = operands(
        from_integers(*(np.ones(s, dtype=np.int64) for s in ((1, 2, 1056), (2, 1056), (2, 1056)))),
        Job(queries=2, keys=2),
    )
    with pytest.raises(InputError, match="head dimension must be at most 1024, not 1056"):
        engine.attend(Config(), part)


@pytest.mark.parametrize("part", range(3))
def test_values_that_are_not_finite_are_refused(part):
    x = [torch.ones(1, 1, 4, 32) for _ in range(3)]
    x[part][0, 0, 1, 2] = torch.nan
    with pytest.raises(InputError, match=f"{'qkv'[part]} must be finite, but it holds nan"):
        quantize_batch(*x, [whole(Job(queries=4, keys=4))], softmax_scale=1.0)
