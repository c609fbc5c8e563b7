"""What is stored of a run of ITA; a source is needed."""

from pathlib import Path

import pytest

from fusioncim.asic.power.power import Energy
from fusioncim_golden.errors import InputError
from fusioncim_sim.studies.ita.measure import measure, run_figures
from fusioncim_sim.studies.ita.names import DOT_PRODUCTS
from fusioncim_sim.studies.ita.run import ItaRun
from fusioncim_sim.studies.study import Request


def test_a_run_counts_all_of_a_tile():
    run = ItaRun(3, 128, {"scores": (100, {DOT_PRODUCTS: Energy(switching=80.4)})})
    found = run_figures(run)
    assert (found["keys"], found["macs"], found["mismatches"]) == (128, 64 * 64 * 128, 3)
    assert found["phases"]["scores"]["cycles"] == 100
    assert found["phases"]["scores"]["fj"][DOT_PRODUCTS]["switching"] == 80


def test_a_source_is_needed():
    with pytest.raises(InputError, match="ita must have --source, a folder with the clones ITA and common_cells"):
        next(iter(measure(Request(output=Path("measurements"), jobs=1))))
