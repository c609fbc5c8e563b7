"""Published figures: levels stay apart, every row has a source."""

from dataclasses import replace

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_sim.system.published import a100_seconds, ratio
from fusioncim_sim.system.published_designs import PUBLISHED, published_design, published_table


def test_levels_are_not_mixed():
    paper, *others = PUBLISHED
    macro = next(each for each in others if each.level == "macro")
    with pytest.raises(InputError, match="figures of a system are not compared with those of a macro"):
        ratio(paper, macro, "tops_per_w")
    trancim = published_design("TranCIM")
    assert ratio(paper, trancim, "tops_per_w") == pytest.approx(2.0)
    assert ratio(paper, replace(trancim, tops_per_w=None), "tops_per_w") is None
    with pytest.raises(InputError, match="level must be one of macro, core, system, tool, not chip"):
        replace(paper, level="chip")
    with pytest.raises(InputError, match="basis must be one of measured, simulated, not stated, not guessed"):
        replace(paper, basis="guessed")


def test_every_published_row_has_a_source():
    assert all(each.source and each.dataflow for each in PUBLISHED)
    assert len({each.name for each in PUBLISHED}) == len(PUBLISHED) == 19


def test_a_design_has_a_figure_or_the_reason_why_not():
    for each in PUBLISHED:
        figures = any((each.tops_per_w, each.tops_per_mm2, each.mhz))
        if each.level == "tool":
            assert not figures
        else:
            assert figures or each.other or "no figure found" in each.source


def test_the_table_says_what_was_not_found():
    rows = {row.split(" | ")[0].strip("| "): row for row in published_table().splitlines()}
    assert rows["TP-DCIM"].count("not found") == 3
    assert "not found" not in rows["AutoDCIM"]
    assert " 4.05 " in rows["SysCIM"]


def test_a_roofline():
    assert a100_seconds(312e12, 0) == 1
    assert a100_seconds(1, 2039e9) == 1
