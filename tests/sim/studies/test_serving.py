"""Requests that were served, as stored: of the sample traces, and what the code finds now."""

import json
from pathlib import Path

import pytest

from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.studies import serving
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.energy_table import ENGINE_PARTS, corner
from fusioncim_sim.system.models import model
from fusioncim_sim.system.serving.closed_loop import closed_loop
from fusioncim_sim.system.serving.serve import layer_steps
from fusioncim_sim.system.serving.trace import read_trace
from fusioncim_sim.system.workload import Cache

STORED = json.loads((Path(__file__).parents[3] / "measurements" / "serving.json").read_text(encoding="utf-8"))
RUNS = serving.RUNS.values()


def test_every_trace_is_served_from_every_memory():
    assert STORED["runs"].keys() == serving.RUNS.keys()


@pytest.mark.parametrize(("trace", "memory"), RUNS)
def test_stored_figures_fit_each_other(trace, memory):
    run, requests = STORED["runs"][f"{trace}, {memory}"], read_trace(trace).requests
    assert run["prompt_tokens"] == sum(each.context for each in requests)
    assert run["generated"] == sum(each.generated for each in requests)
    assert run["seconds"] == pytest.approx(run["cycles"] / (CLOCK_MHZ * 1e6))
    assert run["generated_per_s"] == pytest.approx(run["generated"] / run["seconds"])
    assert run["roofline"]["over"] == pytest.approx(run["cycles"] / run["roofline"]["cycles"])
    assert run["roofline"]["over"] >= 1
    assert sum(run["energy_per_token_j"].values()) * run["generated"] == pytest.approx(sum(run["energy_j"].values()))


@pytest.mark.parametrize(("trace", "memory"), RUNS)
def test_the_first_steps_are_found_again(trace, memory):
    steps = [tuple(share.size for share in step) for step in closed_loop(read_trace(trace).requests)[: serving.FIRST]]
    this, at = model(serving.MODEL), corner(serving.CORNER)
    cache = Cache(page_tokens=serving.PAGE_TOKENS)
    layers = layer_steps(PRESETS[serving.CHIP], this, steps, dram(memory), None, at, CLOCK_MHZ, cache)
    found = [this.layers * each.counters.cycles for each in layers]
    assert found == STORED["runs"][f"{trace}, {memory}"]["cycles_of_first_steps"]


@pytest.mark.parametrize("name", serving.DECODES)
def test_steps_of_decode_are_found_again(name):
    found, stored = serving.decode(serving.DECODES[name]), STORED["decodes"][name]
    assert {kind: pytest.approx(joules) for kind, joules in stored.items()} == found


def test_engines_without_work_are_a_part_of_the_energy():
    for case in (*STORED["runs"].values(), *STORED["decodes"].values()):
        energy, idle = case["energy_per_token_j"], case["idle_engines_per_token_j"]
        assert sum(each for kind, each in idle.items() if kind.startswith("leakage")) < energy["leakage"]
        assert sum(each for kind, each in idle.items() if kind.startswith("clock,")) < sum(
            energy[part] for part in ENGINE_PARTS
        )
