"""The pictures of the pages are those of the stored figures."""

from pathlib import Path

import pytest

from fusioncim_sim.pages.pictures import PICTURES, PLACE, picture, write_pictures

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", PICTURES)
def test_stored_pictures_are_those_of_the_figures(name):
    assert (ROOT / PLACE / name).read_text(encoding="utf-8") == picture(name, ROOT / "measurements")


def test_every_stored_picture_is_made_and_shown():
    assert {path.name for path in (ROOT / PLACE).iterdir()} == set(PICTURES)
    page = (ROOT / "docs/pictures.md").read_text(encoding="utf-8")
    assert all(f"](pictures/{name})" in page for name in PICTURES)


def test_they_are_written_beside_the_measurements(tmp_path, capsys):
    (tmp_path / "docs").mkdir()
    (tmp_path / "measurements").symlink_to(ROOT / "measurements")
    write_pictures(tmp_path / "measurements")
    assert {path.name for path in (tmp_path / PLACE).iterdir()} == set(PICTURES)
    assert capsys.readouterr().out.count("wrote ") == len(PICTURES)
