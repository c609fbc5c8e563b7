"""The stored figures of libraries: every bit right, and the factor is that of the figures."""

import json
from pathlib import Path

from fusioncim_sim.studies.library import library_table
from fusioncim_sim.studies.library.timed import BENCH, CHIPS

STORED = json.loads((Path(__file__).parents[3] / "measurements" / "library.json").read_text(encoding="utf-8"))


def test_libraries_are_exact_and_faster_than_the_bench():
    assert set(STORED["chips"]) <= set(CHIPS)
    assert all(run["bit_exact"] for each in STORED["chips"].values() for run in each.values())
    library, bench = (STORED["chips"][BENCH][name] for name in ("a library", "the bench"))
    ratio = library["cycles_per_processor_second"] / bench["cycles_per_processor_second"]
    assert STORED["factor"] == round(ratio, 1)
    assert ratio > 5


def test_the_table_has_a_row_for_every_run():
    rows = library_table(STORED).splitlines()
    for chip, each in STORED["chips"].items():
        for name, run in each.items():
            (row,) = (row for row in rows if row.startswith(f"| {chip} | {name} |"))
            assert f"{run['cycles_per_second']:,}" in row
