"""Faults in gates: found, missed, equivalent; and which of them a number chooses."""

import inspect
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.sim.mutation.weak_bench import Gates

from fusioncim_sim.mutation import equivalence
from fusioncim_sim.mutation.netlist import make_mutants
from fusioncim_sim.mutation.recorded import runs_of, texts_of
from fusioncim_sim.mutation.unit_score import key, score, simulate
from fusioncim_sim.rtl.simulators import SimulationError

BENCH = Path(__file__).with_name("weak_bench.py")
COUNT = 20


def line_of(text):
    lines, first = inspect.getsourcelines(Gates)
    return f"{BENCH.name}:{first + next(n for n, line in enumerate(lines) if text in line)}"


SEEN, HIDDEN = line_of("self.same.eq"), line_of("self.other.eq")


@pytest.fixture(scope="module")
def gates(tmp_path_factory):
    """The directory of the mutants, the run, and the faults."""
    folder, place = (tmp_path_factory.mktemp(name) for name in ("runs", "mutants"))
    (run,) = (run for run in runs_of(BENCH, folder) if run.top == "gates")
    return place, run, make_mutants(place, texts_of(run, folder), run.top, ["gates"], count=COUNT, seed=1)


def numbers(faults, place):
    return [n for n, fault in enumerate(faults, 1) if fault.place == place]


def test_runs_are_recorded_and_not_run(tmp_path):
    runs = runs_of(BENCH, tmp_path)
    assert [(run.top, run.coroutine, run.case) for run in runs] == [
        (top, "sees_one_output", {"same": [0, 0, 1, 1]}) for top in ("gates", "unlike")
    ]
    assert not list(tmp_path.rglob("simulation"))
    assert "weak_bench.py:" in texts_of(runs[0], tmp_path)["gates"]


def test_what_a_bench_does_not_see_passes_with_a_fault(gates):
    place, run, faults = gates
    passed = simulate(place, run, range(1, len(faults) + 1), limit_s=20)
    assert numbers(faults, HIDDEN)
    assert passed >= set(numbers(faults, HIDDEN))
    assert not passed >= set(numbers(faults, SEEN))


def test_the_number_chooses_the_fault(gates):
    place, run, faults = gates
    found = next(n for n in numbers(faults, SEEN) if faults[n - 1].port == "Y" and faults[n - 1].mode == "inv")
    missed = numbers(faults, HIDDEN)[0]
    assert simulate(place, run, [found], limit_s=20) == set()
    assert simulate(place, run, [missed], limit_s=20) == {missed}


def test_without_a_fault_the_bench_has_to_pass(gates):
    place, run, _ = gates
    assert simulate(place, run, [], limit_s=20) == set()
    with pytest.raises(SimulationError, match="1 ran, 1 failed"):
        simulate(place, replace(run, case={"same": [0, 0, 0, 1]}), [], limit_s=20)


def test_a_comparison_that_takes_too_long_says_nothing(gates, monkeypatch):
    def endless(command, **_):
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(equivalence, "run_program", endless)
    assert equivalence.compare(gates[0], "gates", 1, limit_s=1) == "open"


def test_a_score_counts_every_fault_once():
    told = score(BENCH, "gates", ["unlike"], count=COUNT, seed=1)
    same, missed = told["equivalent"], told["survivors"]
    assert told["faults"] == told["killed"] + len(same) + len(missed)
    assert {fault["place"] for fault in same} == {SEEN}
    assert {(fault["place"], fault["compared"]) for fault in missed} == {(HIDDEN, "differs")}
    assert told["killed"] > 0


def test_a_key_changes_with_what_is_asked():
    assert len({key(BENCH, count=count, seed=seed) for count in (1, 2) for seed in (1, 2)}) == 4
    assert key(BENCH, count=1, seed=1) == key(BENCH, count=1, seed=1)
