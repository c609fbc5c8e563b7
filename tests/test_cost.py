"""The cost table: its arithmetic, and that the stored one is consistent."""

import json
from pathlib import Path

import pytest

from fusioncim.flow.scaling import Point, scale
from fusioncim_sim import cost
from fusioncim_sim.summary import costs

STORED = Path(__file__).parents[1] / "measurements" / "cost.json"


def test_line_goes_through_the_first_two_points() -> None:
    """A + b n."""
    line = cost.line((8, 16, 32), (10.0, 14.0, 99.0))
    assert (line.at(8), line.at(16), line.at(32)) == (10.0, 14.0, 22.0)


def test_deviation_is_that_of_the_sum() -> None:
    """Percent of what was measured."""
    lines = [cost.Line(1.0, 1.0), cost.Line(0.0, 2.0)]
    assert cost.deviation(lines, 3, [5.0, 5.0]) == 0.0
    assert cost.deviation(lines, 3, [4.0, 4.0]) == 25.0
    assert cost.deviation(lines, 3, [0.0, 0.0]) == 0.0


def test_entry_in_units_of_the_table() -> None:
    """1,000 fJ per cycle at 400 MHz are 0.4 mW."""
    entry = cost.Entry(logic_um2=1e6, bank_um2=5e5, leakage_mw=0.1, logic_fj=1000.0, bank_fj=500.0)
    row = entry.as_dict("IP-CIM")["measured"]
    assert row["mw"] == pytest.approx(0.4 + 0.2 + 0.1)
    assert row["mm2"] == pytest.approx(1.5)
    assert row["tops"] == pytest.approx(1.6384)
    assert row["fj_per_operation"] == pytest.approx(0.7 / 1.6384, rel=1e-4)
    assert row["um2_per_mac_per_cycle"] == pytest.approx(1e6 / 2048, rel=1e-4)
    factors = scale(Point(28, 0.72))
    scaled = entry.as_dict("IP-CIM")["28 nm, 0.72 V"]
    assert scaled["mw"] == pytest.approx(row["mw"] * factors.energy, rel=1e-4)
    assert scaled["mm2"] == pytest.approx(row["mm2"] * factors.area, rel=1e-4)
    assert "tops" not in entry.as_dict("control")["measured"]


def test_modules_around_the_engines_have_a_row() -> None:
    """By the instance in the chip or in its core."""
    assert cost.row_around(("core", "global_buffer")) == "global buffer"
    assert cost.row_around(("core", "network", "reader_3")) == "network"
    assert cost.row_around(("reader", "splitter")) == "memory interface"
    assert cost.row_around(("core", "planner")) == "chip control"
    assert cost.row_around(()) == "chip control"


@pytest.mark.skipif(not STORED.exists(), reason="cost.json was not measured yet")
def test_stored_table_adds_up_and_is_bit_exact() -> None:
    """The engine is the sum of its parts, the system that of its engines and what is around; no run had a wrong bit."""
    data = json.loads(STORED.read_text())
    table = {name: rows["measured"] for name, rows in data["table"].items()}
    parts = [table[name] for name in cost.ROWS]
    for figure in ("mm2", "mw"):
        assert table["hybrid engine"][figure] == pytest.approx(sum(part[figure] for part in parts), rel=1e-3)
        around = sum(table[name][figure] for name in {*cost.AROUND.values(), "chip control"})
        whole = data["chip"]["engines"] * table["hybrid engine"][figure] + around
        assert table["system"][figure] == pytest.approx(whole, rel=1e-3)
    assert all(size["mismatches"] == 0 for size in data["engine"]["sizes"].values())
    assert all(size["mismatches"] == 0 for size in data["around"].values())


@pytest.mark.skipif(not STORED.exists(), reason="cost.json was not measured yet")
def test_page_shows_the_stored_table() -> None:
    """docs/cost.md."""
    page = (STORED.parents[1] / "docs" / "cost.md").read_text()
    assert costs(json.loads(STORED.read_text())) in page
