"""What is continued from shorter jobs against what is walked through."""

from dataclasses import asdict

import pytest

from fusioncim_golden.mask import FULL as FULL_MASK
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.system import extrapolate
from fusioncim_sim.system.cycles import Memory, run
from fusioncim_sim.system.extrapolate import WAITING, Layer, Size, layer_counters, work
from fusioncim_sim.system.models import changed, model

SMALL, PAPER = PRESETS["small"], PRESETS["paper"]
GROUPED = changed(model("llama3-8b"), {"heads": 24, "kv_heads": 6, "key_size": 64, "value_size": 64})
FULL = changed(GROUPED, {"mask": FULL_MASK})
SIZES = {
    "prefill": (GROUPED, Size(heads=6, queries=1536, before=0)),
    "chunk": (GROUPED, Size(heads=6, queries=512, before=2048)),
    "decode": (GROUPED, Size(heads=6, queries=4, before=60_000)),
    "full": (FULL, Size(heads=6, queries=1024, before=1024)),
    "batch": (GROUPED, Size(sequences=8, heads=6, queries=1, before=6000)),
}


@pytest.mark.parametrize("name", SIZES)
def test_cycles_are_within_a_percent(name, monkeypatch):
    this, size = SIZES[name]
    layer = Layer(chip=SMALL, model=this, memory=Memory())
    whole = run(SMALL, [layer.job(size)], layer.memory)
    monkeypatch.setattr(extrapolate, "EXACT_CYCLES", 0.6 * whole.cycles)
    found, exact = layer_counters(layer, size)
    assert not exact
    assert found.cycles == pytest.approx(whole.cycles, rel=0.01)
    for item, value in asdict(whole).items():
        if item not in (*WAITING, "cycles", "buffer_reads"):
            assert getattr(found, item) == value, item
    idle = sum(getattr(found, item) for item in WAITING)
    assert found.mac_cycles + idle == pytest.approx(found.cycles * SMALL.engines, rel=1e-4)


def test_short_jobs_are_walked_through():
    layer = Layer(chip=SMALL, model=GROUPED, memory=Memory())
    size = Size(heads=2, queries=64, before=64)
    assert layer_counters(layer, size) == (run(SMALL, [layer.job(size)]), True)


@pytest.mark.parametrize("name", SIZES)
def test_the_estimate_is_near(name):
    this, size = SIZES[name]
    layer = Layer(chip=SMALL, model=this, memory=Memory())
    assert layer.estimate(size) == pytest.approx(run(SMALL, [layer.job(size)]).cycles, rel=0.25)


def test_work_is_that_of_the_schedule():
    layer = Layer(chip=SMALL, model=GROUPED, memory=Memory())
    job = layer.job(Size(heads=2, queries=100, before=37))
    counters = asdict(run(SMALL, [job]))
    found = work(SMALL, job)
    assert found == {name: counters[name] for name in found}


def test_the_longest_sequence_ends():
    """A layer of 128K tokens on the published chip, in seconds; the multipliers work almost all the time."""
    layer = Layer(chip=PAPER, model=model("llama3-8b"), memory=Memory(latency=31))
    found, exact = layer_counters(layer, Size(heads=8, queries=1 << 17, before=0))
    assert not exact
    assert 0.99 < found.mac_cycles / (found.cycles * PAPER.engines) <= 1
