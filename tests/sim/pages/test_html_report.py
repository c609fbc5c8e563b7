"""The report: whole, self-contained, and rendered by a browser."""

import json
import re
import shutil
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest
from matplotlib.image import imread

from fusioncim_golden.errors import InputError
from fusioncim_sim.pages import charts
from fusioncim_sim.pages.html_report import INPUTS, MARK, PLACEMENT, table, write_report
from fusioncim_sim.studies.cost.tables import HEADS
from fusioncim_sim.system.explore import RESULTS

ROOT = Path(__file__).parents[3]
MEASUREMENTS = ROOT / "measurements"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
SECTIONS = (
    *("Architecture", "Cost", "Models", "Baselines", "Reproduction", "Claims", "Ablation", "Sensitivity"),
    *("Pareto front", "Calibration", "Sources"),
)


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    """Results of an exploration."""
    folder = tmp_path_factory.mktemp("explored")
    points = [
        {"point": {"rows": rows}, "mm2": rows / 10, "mj": 200 / rows, "ms": 1.0, "loss_db": -50.0, "working": 0.5}
        | {"estimated": []}
        for rows in (64, 128)
    ]
    (folder / RESULTS).write_text(
        "".join(json.dumps(line) + "\n" for line in [{"axes": {}, "question": {}}, *points]), encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory, explored):
    """The report of the stored measurements."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, MEASUREMENTS, explored)
    return path


def test_every_section_is_there_with_its_link(report):
    text = report.read_text(encoding="utf-8")
    assert re.findall(r'<h2 id="[\w-]+">([^<]+)</h2>', text) == list(SECTIONS)
    links = re.findall(r'<a href="#([\w-]+)">', text)
    assert links == re.findall(r'<h2 id="([\w-]+)">', text)
    assert text.count("<svg") == 6
    assert "2 of 2 chips are beaten by no other one" in text


def test_the_placed_engine_is_shown_if_it_was_drawn(report, tmp_path):
    picture = re.search(r'<img src="data:image/png;base64,([^"]+)"', report.read_text(encoding="utf-8"))
    assert b64decode(picture[1]) == (MEASUREMENTS / PLACEMENT).read_bytes()
    for name in INPUTS:
        shutil.copy(MEASUREMENTS / f"{name}.json", tmp_path)
    write_report(tmp_path / "report.html", tmp_path, None)
    assert "<img" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_nothing_is_loaded_from_elsewhere(report):
    text = report.read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', text)
    assert "@import" not in text
    assert "<script" not in text


def test_identifiers_of_pictures_do_not_lead_elsewhere(report):
    """Every reference inside of a picture is to something in the file."""
    text = report.read_text(encoding="utf-8")
    known = set(re.findall(r'id="([^"]+)"', text))
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= known
    assert set(re.findall(r'xlink:href="#([^"]+)"', text)) <= known


def test_the_same_measurements_make_the_same_report(report, explored, tmp_path):
    write_report(tmp_path / "again.html", MEASUREMENTS, explored)
    assert (tmp_path / "again.html").read_bytes() == report.read_bytes()


def test_tables():
    made = table("| a | b |\n| --- | ---: |\n| *x* & y | 3 |")
    assert '<td class="text">x* &amp; y</td>' in made
    assert "<td>3</td>" in made
    assert '<th class="text">a</th><th>b</th>' in made


def test_it_says_what_the_heads_of_the_cost_table_are(report):
    assert HEADS in report.read_text(encoding="utf-8")
    assert HEADS in " ".join((MEASUREMENTS.parent / "docs/cost.md").read_text(encoding="utf-8").split())


def test_without_an_exploration(tmp_path):
    write_report(tmp_path / "report.html", MEASUREMENTS, None)
    assert "No exploration was given" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_bars_add_up():
    system = json.loads((MEASUREMENTS / "system.json").read_text(encoding="utf-8"))
    for bars in (charts.by_length(system), charts.by_mechanism(system)):
        ours = [sum(parts.values()) for name, parts in bars if name.endswith(("ours", "pattern"))]
        assert ours[-1] == pytest.approx(1)


def test_what_is_refused(tmp_path, explored):
    other = tmp_path / "other.html"
    other.write_text("<p>mine</p>", encoding="utf-8")
    with pytest.raises(InputError, match="exists and is no report"):
        write_report(other, MEASUREMENTS, None)
    assert other.read_text(encoding="utf-8") == "<p>mine</p>"
    with pytest.raises(InputError, match="the directory of the output file must exist"):
        write_report(tmp_path / "none" / "report.html", MEASUREMENTS, None)
    with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\)"):
        write_report(tmp_path / "report.html", tmp_path, None)
    with pytest.raises(InputError, match="the file of results cannot be read"):
        write_report(tmp_path / "report.html", MEASUREMENTS, tmp_path)
    assert not (tmp_path / "report.html").exists()
    assert set(INPUTS) <= {path.stem for path in MEASUREMENTS.iterdir()}


@pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium")
@pytest.mark.parametrize("width", [400, 1200])
def test_a_browser_renders_it(report, width, tmp_path):
    picture = tmp_path / "report.png"
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={tmp_path}",
    ]
    subprocess.run(
        [*command, f"--window-size={width},1600", f"--screenshot={picture}", report.as_uri()],
        check=True,
        capture_output=True,
        timeout=120,
    )
    pixels = imread(picture)
    assert pixels.shape[:2] == (1600, width)
    dark = (pixels[..., :3].max(axis=-1) < 0.5).mean()
    assert 0.005 < dark < 0.4
    assert (pixels[:, -4:, :3] > 0.9).all()  # nothing runs out of the page
    assert MARK in report.read_text(encoding="utf-8")
