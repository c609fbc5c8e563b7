"""What heads and language models add to O, and the line of the energy over that."""

import json
from pathlib import Path

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_sim.studies.cost.additions import added_per_key, read_additions
from fusioncim_sim.system.energy_table import Line

MEASUREMENTS = Path(__file__).parents[4] / "measurements"
STORED = json.loads((MEASUREMENTS / "cost.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", ["logic", "banks"])
def test_the_rows_of_the_op_cim_take_energy_for_what_they_add(kind: str) -> None:
    """Two runs give the line; others, with other rows, are on it, and near it with other heads."""
    deviations = STORED["deviation_percent"][f"OP-CIM rows, {kind}"]
    assert deviations.keys() == {"8 rows", "24 rows", "other heads"}
    assert all(abs(deviations[f"{rows} rows"]) <= 1 for rows in (8, 24))
    assert abs(deviations["other heads"]) <= 7
    line = Line(**STORED["additions"]["fj_per_row_and_cycle"][kind])
    assert abs(line.a) < line.at(1 / 64) / 10


def test_heads_add_what_the_golden_model_adds() -> None:
    """The stored shares are those of the captured heads; a block is eight keys, partly masked on the diagonal."""
    stored = STORED["additions"]["heads"]
    added = added_per_key()
    assert {name: one["per_key"] for name, one in stored.items()} == pytest.approx(added, abs=1e-4)
    assert all(0 < each < 1.05 / 8 for each in added.values())


def quality_file(path: Path, model: str, per_key: dict[str, float], **changes: object) -> None:
    uncentred = {"flush": 11, "per_key": {name: 2 * each for name, each in per_key.items()}}
    additions = {"flush": 9, "per_key": per_key, "uncentred": uncentred, **changes}
    path.write_text(json.dumps({"model": model, "additions": additions}), encoding="utf-8")


def test_what_models_add_is_read_from_all_quality_files(tmp_path: Path) -> None:
    quality_file(tmp_path / "quality.json", "a", {"512": 0.12, "4096": 0.06})
    quality_file(tmp_path / "quality_b.json", "b", {"4096": 0.08})
    (tmp_path / "quality_c.json").write_text('{"model": "c"}', encoding="utf-8")
    assert read_additions(tmp_path) == {"a": {"512": 0.12, "4096": 0.06}, "b": {"4096": 0.08}}
    assert read_additions(tmp_path, centred=False) == {"a": {"512": 0.24, "4096": 0.12}, "b": {"4096": 0.16}}


def test_additions_of_another_preset_or_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must hold what a model adds to O .*, not so in"):
        read_additions(tmp_path)
    quality_file(tmp_path / "quality.json", "a", {"512": 0.12})
    with pytest.raises(InputError, match="of 4096 tokens among others, not of flush 9, of 512 tokens"):
        read_additions(tmp_path)
    quality_file(tmp_path / "quality.json", "a", {"4096": 0.06}, flush=14)
    with pytest.raises(InputError, match=r"of flush 9, .* not of flush 14"):
        read_additions(tmp_path)
    quality_file(tmp_path / "quality.json", "a", {"4096": 0.06}, uncentred={"flush": 9, "per_key": {"4096": 0.1}})
    with pytest.raises(InputError, match=r"of flush 11, .* not of flush 9"):
        read_additions(tmp_path, centred=False)


def test_the_table_is_of_the_mean_of_the_models_at_its_length() -> None:
    additions = STORED["additions"]
    mean = sum(each["4096"] for each in additions["models"].values()) / len(additions["models"])
    assert STORED["keys_per_tile"] == 2048
    assert additions["lengths"]["4096"]["per_key"] == pytest.approx(mean, abs=1e-4)
    for kind in ("logic", "banks"):
        line = Line(**additions["fj_per_row_and_cycle"][kind])
        assert additions["lengths"]["4096"]["fj_per_mac"][kind] == pytest.approx(line.at(mean / 8) / 16, rel=0.01)
    files = ("quality.json", "quality_qwen2.5-coder-1.5b-instruct-q4_k_m.json")
    found = [json.loads((MEASUREMENTS / name).read_text(encoding="utf-8"))["additions"] for name in files]
    for tokens, added in additions["uncentred"].items():
        assert added == pytest.approx(sum(one["uncentred"]["per_key"][tokens] for one in found) / 2, abs=1e-4)
        assert added > additions["lengths"][tokens]["per_key"]
    shares = [additions["lengths"][tokens]["per_key"] for tokens in ("512", "1024", "2048", "4096")]
    assert shares == sorted(shares, reverse=True)
