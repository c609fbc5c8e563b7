"""Two runs of ITA become one, and a source is needed."""

from pathlib import Path

import pytest

from fusioncim.asic.power.power import Energy
from fusioncim_golden.errors import InputError
from fusioncim_sim.studies.ita.measure import measure, run_figures
from fusioncim_sim.studies.ita.names import DOT_PRODUCTS, SOFTMAX
from fusioncim_sim.studies.ita.run import ItaRun
from fusioncim_sim.studies.study import Request


def run(mismatches, cycles, **energies):
    phases = {phase: (cycles, {name: Energy(**each) for name, each in energies.items()}) for phase in ("scores",)}
    return ItaRun(mismatches, 128, phases)


DOTS = run(1, 100, **{DOT_PRODUCTS: {"switching": 80, "leakage": 20}})


def test_dot_products_leak_while_they_wait():
    rest = run(2, 150, **{DOT_PRODUCTS: {"switching": 3}, SOFTMAX: {"clock": 7}})
    found = run_figures(DOTS, rest)
    phase = found["phases"]["scores"]
    assert found["mismatches"] == 3
    assert (found["scores"], found["macs"]) == (64 * 128, 64 * 64 * 128)
    assert phase["cycles"] == 150
    assert phase["fj"][DOT_PRODUCTS]["switching"] == 83
    assert phase["fj"][DOT_PRODUCTS]["leakage"] == 30
    assert phase["fj"][SOFTMAX]["clock"] == 7


def test_dot_products_may_stand_alone():
    phase = run_figures(DOTS, None)["phases"]["scores"]
    assert phase["cycles"] == 100
    assert set(phase["fj"]) == {DOT_PRODUCTS}
    assert phase["fj"][DOT_PRODUCTS]["leakage"] == 20


def test_a_source_is_needed():
    with pytest.raises(InputError, match="ita must have --source, a folder with the clones ITA and common_cells"):
        next(iter(measure(Request(output=Path("measurements"), jobs=1))))
