"""A row of the cost table in its units; the stored rows add up."""

import json
from pathlib import Path

import pytest

from fusioncim.asic.scaling import Point, scale
from fusioncim_sim.studies.cost.events import KINDS
from fusioncim_sim.studies.cost.rows import AROUND, Entry, row_around
from fusioncim_sim.system.energy_table import LOW_28NM, ROWS

STORED = json.loads((Path(__file__).parents[4] / "measurements" / "cost.json").read_text(encoding="utf-8"))


def test_entry_in_units_of_the_table() -> None:
    """1,000 fJ per cycle at 400 MHz are 0.4 mW."""
    entry = Entry(
        logic_um2=1e6, bank_um2=5e5, leakage_mw=0.1, logic_fj=700.0, wires_fj=200.0, glitches_fj=100.0, banks_fj=500.0
    )
    row = entry.as_dict("IP-CIM")["measured"]
    assert row["mw"] == pytest.approx(0.4 + 0.2 + 0.1)
    assert [row[f"{kind}_mw"] for kind in KINDS] == pytest.approx([0.28, 0.08, 0.04, 0.2])
    assert row["mm2"] == pytest.approx(1.5)
    assert row["tops"] == pytest.approx(1.6384)
    assert row["fj_per_operation"] == pytest.approx(0.7 / 1.6384, rel=1e-4)
    assert row["um2_per_mac_per_cycle"] == pytest.approx(1e6 / 2048, rel=1e-4)
    factors = scale(Point(28, 0.72))
    scaled = entry.as_dict("IP-CIM")[LOW_28NM]
    assert scaled["mw"] == pytest.approx(row["mw"] * factors.energy, rel=1e-4)
    assert scaled["mm2"] == pytest.approx(row["mm2"] * factors.area, rel=1e-4)
    assert "tops" not in entry.as_dict("control")["measured"]


def test_modules_around_the_engines_have_a_row() -> None:
    """By the instance in the chip or in its core."""
    assert row_around(("core", "global_buffer")) == "global buffer"
    assert row_around(("core", "network", "reader_3")) == "network"
    assert row_around(("reader", "splitter")) == "memory interface"
    assert row_around(("core", "planner")) == "chip control"
    assert row_around(()) == "chip control"


def test_stored_table_adds_up_and_is_bit_exact() -> None:
    """The engine is the sum of its parts, the system that of its engines and what is around; no run had a wrong bit."""
    table = {name: rows["measured"] for name, rows in STORED["table"].items()}
    parts = [table[name] for name in ROWS]
    for figure in ("mm2", "mw"):
        assert table["hybrid engine"][figure] == pytest.approx(sum(part[figure] for part in parts), rel=1e-3)
        around = sum(table[name][figure] for name in {*AROUND.values(), "chip control"})
        whole = STORED["chip"]["engines"] * table["hybrid engine"][figure] + around
        assert table["system"][figure] == pytest.approx(whole, rel=1e-3)
    assert all(run["mismatches"] == 0 for run in STORED["engine"]["sizes"].values())
    assert all(run["mismatches"] == 0 for run in STORED["additions"]["runs"].values())
    assert all(size["mismatches"] == 0 for size in STORED["around"].values())
