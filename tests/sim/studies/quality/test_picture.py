"""The picture of quality against bits."""

from pathlib import Path

from fusioncim_sim.studies.quality.picture import write_picture

MEASUREMENTS = Path(__file__).parents[4] / "measurements"


def test_the_picture_is_drawn(tmp_path):
    (tmp_path / "quality.json").write_bytes((MEASUREMENTS / "quality.json").read_bytes())
    write_picture(tmp_path)
    assert (tmp_path / "quality.png").read_bytes().startswith(b"\x89PNG")
