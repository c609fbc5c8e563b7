"""The cost table: its arithmetic, and that the stored one is consistent."""

import json
from pathlib import Path

import pytest

from fusioncim.asic.scaling import Point, scale
from fusioncim_golden.errors import InputError
from fusioncim_sim.studies import cost

STORED = Path(__file__).parents[3] / "measurements" / "cost.json"


def test_line_goes_through_the_first_two_points() -> None:
    """A + b n."""
    line = cost.line((8, 16, 32), (10.0, 14.0, 99.0))
    assert (line.at(8), line.at(16), line.at(32)) == (10.0, 14.0, 22.0)


def test_deviation_of_a_prediction() -> None:
    """Percent of what was measured."""
    assert cost.deviation(10.0, 10.0) == 0.0
    assert cost.deviation(10.0, 8.0) == 25.0
    assert cost.deviation(1.0, 0.0) == 0.0


def test_an_engine_at_full_use_streams_and_shares_the_rest_of_a_tile() -> None:
    """The tile's load and drain are spread over its keys, of 8 cycles each."""
    energies = {"stream_fj_per_cycle": 5.0, "tile_fj": 2048 * 8 * 3.0, "idle_fj_per_cycle": 1.0}
    assert cost.full_use_of(energies) == 9.0
    assert cost.full_use({name: cost.Line(value, 0.0) for name, value in energies.items()}, 24) == 9.0


def test_a_third_size_confirms_the_lines() -> None:
    """Every part that takes half a percent of the engine's energy, within 3 %; so do the parts around the engines."""
    data = json.loads(STORED.read_text(encoding="utf-8"))
    deviations, whole = data["deviation_percent"], data["table"]["hybrid engine"]["measured"]["mw"]
    for name in cost.ROWS:
        row = data["table"][name]["measured"]
        for kind, mw in (("logic", row["logic_mw"]), ("banks", row["bank_mw"])):
            if mw > whole / 200:
                assert abs(deviations[f"{name}, {kind}"]["full_use"]) <= 3
    assert all(abs(deviations[name]["fj_per_cycle"]) <= 3 for name in {*cost.AROUND.values(), "chip control"})


@pytest.mark.parametrize("kind", ["logic", "banks"])
def test_the_rows_of_the_op_cim_take_energy_for_what_they_add(kind: str) -> None:
    """Two runs give the line; others, with other rows, are on it, and near it with other heads."""
    data = json.loads(STORED.read_text(encoding="utf-8"))
    deviations = data["deviation_percent"][f"OP-CIM rows, {kind}"]
    assert deviations.keys() == {"8 rows", "24 rows", "other heads"}
    assert all(abs(deviations[f"{rows} rows"]) <= 1 for rows in (8, 24))
    assert abs(deviations["other heads"]) <= 7
    line = cost.Line(**data["additions"]["fj_per_row_and_cycle"][kind])
    assert abs(line.a) < line.at(1 / 64) / 10


def test_heads_add_what_the_golden_model_adds() -> None:
    """The stored shares are those of the captured heads; a block is eight keys, partly masked on the diagonal."""
    stored = json.loads(STORED.read_text(encoding="utf-8"))["additions"]["heads"]
    added = cost.added_per_key()
    assert {name: one["per_key"] for name, one in stored.items()} == pytest.approx(added, abs=1e-4)
    assert all(0 < each < 1.05 / 8 for each in added.values())


def quality_file(path: Path, model: str, per_key: dict[str, float], **changes: object) -> None:
    path.write_text(
        json.dumps({"model": model, "additions": {"flush": 11, "per_key": per_key, **changes}}), encoding="utf-8"
    )


def test_what_models_add_is_read_from_all_quality_files(tmp_path: Path) -> None:
    quality_file(tmp_path / "quality.json", "a", {"512": 0.12, "4096": 0.06})
    quality_file(tmp_path / "quality_b.json", "b", {"4096": 0.08})
    (tmp_path / "quality_c.json").write_text('{"model": "c"}', encoding="utf-8")
    assert cost.read_additions(tmp_path) == {"a": {"512": 0.12, "4096": 0.06}, "b": {"4096": 0.08}}


def test_additions_of_another_preset_or_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must hold what a model adds to O .*, not so in"):
        cost.read_additions(tmp_path)
    quality_file(tmp_path / "quality.json", "a", {"512": 0.12})
    with pytest.raises(InputError, match="of 4096 tokens among others, not of flush 11, of 512 tokens"):
        cost.read_additions(tmp_path)
    quality_file(tmp_path / "quality.json", "a", {"4096": 0.06}, flush=14)
    with pytest.raises(InputError, match=r"of flush 11, .* not of flush 14"):
        cost.read_additions(tmp_path)


def test_the_table_is_of_the_mean_of_the_models_at_its_length() -> None:
    data = json.loads(STORED.read_text(encoding="utf-8"))
    additions = data["additions"]
    mean = sum(each["4096"] for each in additions["models"].values()) / len(additions["models"])
    assert data["keys_per_tile"] == 2048
    assert additions["lengths"]["4096"]["per_key"] == pytest.approx(mean, abs=1e-4)
    for kind in ("logic", "banks"):
        line = cost.Line(**additions["fj_per_row_and_cycle"][kind])
        assert additions["lengths"]["4096"]["fj_per_mac"][kind] == pytest.approx(line.at(mean / 8) / 16, rel=0.01)
    shares = [additions["lengths"][tokens]["per_key"] for tokens in ("512", "1024", "2048", "4096")]
    assert shares == sorted(shares, reverse=True)


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


def test_stored_table_adds_up_and_is_bit_exact() -> None:
    """The engine is the sum of its parts, the system that of its engines and what is around; no run had a wrong bit."""
    data = json.loads(STORED.read_text(encoding="utf-8"))
    table = {name: rows["measured"] for name, rows in data["table"].items()}
    parts = [table[name] for name in cost.ROWS]
    for figure in ("mm2", "mw"):
        assert table["hybrid engine"][figure] == pytest.approx(sum(part[figure] for part in parts), rel=1e-3)
        around = sum(table[name][figure] for name in {*cost.AROUND.values(), "chip control"})
        whole = data["chip"]["engines"] * table["hybrid engine"][figure] + around
        assert table["system"][figure] == pytest.approx(whole, rel=1e-3)
    assert all(run["mismatches"] == 0 for run in data["engine"]["sizes"].values())
    assert all(run["mismatches"] == 0 for run in data["additions"]["runs"].values())
    assert all(size["mismatches"] == 0 for size in data["around"].values())
