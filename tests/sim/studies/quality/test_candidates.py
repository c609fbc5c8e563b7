"""The candidates for the preset."""

from pathlib import Path

from fusioncim_sim.studies.preset_candidates import CANDIDATES, PAPER, candidate
from fusioncim_sim.studies.quality.candidates import candidates_table
from fusioncim_sim.studies.study import read

MEASUREMENTS = Path(__file__).parents[4] / "measurements"


def test_paper_is_the_cheapest_candidate_within_all_bounds():
    rows = [
        row.split(" | ")
        for row in candidates_table(read(MEASUREMENTS, "quality*"), read(MEASUREMENTS, "parameters")).splitlines()[2:]
    ]
    cost = [tuple(float(figure.replace(",", "")) for figure in row[1:3]) for row in rows]
    assert cost == sorted(cost)
    within = [row[0].strip("| ") for row in rows if row[-1] == "nothing |"]
    assert within[0] == f"**{next(name for name in CANDIDATES if candidate(name) == PAPER)}**"
