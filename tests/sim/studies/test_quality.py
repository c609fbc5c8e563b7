"""The stored figures of docs/quality.md: within the bounds, and what the page shows; without PyTorch."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fusioncim_golden.errors import InputError
from fusioncim_sim.cli.app import app
from fusioncim_sim.llm import language_model
from fusioncim_sim.llm.language_model import read_text, windows
from fusioncim_sim.pages.fill import TABLES, marked
from fusioncim_sim.studies.preset_candidates import CANDIDATES, PAPER, candidate
from fusioncim_sim.studies.quality_summary import (
    CHIP_ORDER,
    FEWER,
    candidates_table,
    lost_of,
    percent,
    targets_table,
    verdict,
    write_picture,
)

ROOT = Path(__file__).parents[3]
MEASUREMENTS = ROOT / "measurements"
PAGE = (ROOT / "docs/quality.md").read_text(encoding="utf-8")
MEASURED = (ROOT / "docs/measured.md").read_text(encoding="utf-8"), "quality", targets_table
QUALITY = TABLES["docs/quality.md"]
SMOLLM2 = json.loads((MEASUREMENTS / "quality.json").read_text(encoding="utf-8"))
MODELS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in MEASUREMENTS.glob("quality*.json")}


@pytest.mark.parametrize(("page", "name", "table"), [(PAGE, *each) for each in QUALITY.items()] + [MEASURED])
def test_tables_are_the_stored_figures(page, name, table):
    shown = re.search(rf"<!-- {name}: begin -->\n(.*)\n<!-- {name}: end -->", page, re.DOTALL)
    assert shown is not None
    assert shown[1] == table(MEASUREMENTS)


def test_every_table_of_the_page_is_made():
    assert marked(PAGE) == QUALITY.keys()


@pytest.mark.parametrize(
    ("loss", "interval", "same", "tokens", "lost"),
    [
        (-0.001, 0.0004, 0.995, 10_000, ("nothing", "nothing", "nothing")),
        (-0.0015, 0.0006, 0.992, 10_000, ("nothing", "nothing", "loss")),
        (0.0015, 0.0006, 0.992, 5_000, ("nothing", "nothing", "loss and tokens")),
        (0.0023, 0.0006, 0.992, 10_000, ("nothing", "loss", "loss")),
        (-0.003, 0.0006, 0.988, 10_000, ("loss", "loss and tokens", "loss and tokens")),
        (0.001, 0.0006, 0.987, 10_000, ("tokens", "tokens", "tokens")),
    ],
)
def test_a_verdict_names_what_is_lost(loss, interval, same, tokens, lost):
    one = {"difference": loss, "interval": interval, "top1": same, "tokens": tokens}
    assert tuple(verdict(lost_of(one, intervals)) for intervals in (-1, 0, 1)) == lost


@pytest.mark.parametrize("name", MODELS)
def test_rescales_are_rare_by_default(name):
    patterns = MODELS[name]["patterns"]
    assert patterns["default"] == {"schedule": "sink_first", "rule": "slack 6"}
    for order in ("sink_first", CHIP_ORDER):
        assert patterns["total"]["rules"][order]["slack 6"]["below_exact_in_order_percent"] >= FEWER


def test_paper_is_the_cheapest_candidate_within_all_bounds():
    rows = [row.split(" | ") for row in candidates_table(MEASUREMENTS).splitlines()[2:]]
    cost = [tuple(float(figure.replace(",", "")) for figure in row[1:3]) for row in rows]
    assert cost == sorted(cost)
    within = [row[0].strip("| ") for row in rows if row[-1] == "nothing |"]
    assert within[0] == f"**{next(name for name in CANDIDATES if candidate(name) == PAPER)}**"


def test_the_default_configuration_loses_nothing():
    default = SMOLLM2["default"]
    assert default["tokens"] >= 20_000
    arithmetic, engine = default["arithmetic"]["float"], default["engine"]["float"]
    assert lost_of(arithmetic, 1) == []
    assert engine["difference"] <= 0.01
    assert engine["top1"] >= 0.97


def test_the_backend_is_fast():
    speed = SMOLLM2["speed"]
    assert speed["ratio"] <= 10
    assert speed["whole_minutes"] + speed["load_minutes"] <= 20
    assert speed["quick_minutes"] + speed["load_minutes"] <= 2


def test_the_picture_is_drawn(tmp_path):
    (tmp_path / "quality.json").write_bytes((MEASUREMENTS / "quality.json").read_bytes())
    write_picture(tmp_path)
    assert (tmp_path / "quality.png").read_bytes().startswith(b"\x89PNG")


def test_fewer_is_negative():
    assert [percent(below) for below in (58.5, -20.0, 0.0, None)] == ["-58.5 %", "+20.0 %", "0 %", ""]


def test_the_novel_is_long_enough():
    text = read_text(None)
    assert text.startswith("Call me Ishmael.")
    assert len(text) > 110_000


def test_windows_spread_over_the_text():
    chosen = windows(np.arange(107), 10, 4)
    assert chosen[:, 0].tolist() == [0, 20, 50, 70]
    assert windows(chosen.reshape(-1), 10, None).shape == (4, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nowhere"], "the model must be smollm2, a directory or a GGUF file, not nowhere"),
        (["--set", "slack=9"], "slack must be from 0 to 6, not 9"),
    ],
)
def test_errors_are_one_line(arguments, message, monkeypatch):
    monkeypatch.setattr(language_model, "find_spec", lambda name: name)
    result = CliRunner().invoke(app, ["quality", *arguments])
    assert result.exit_code == 2
    assert result.stderr == f"error: {message}\n"


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(language_model, "find_spec", lambda name: None if name == "torch" else name)
    result = CliRunner().invoke(app, ["quality"])
    assert (result.exit_code, result.stderr) == (
        2,
        "error: language models need pip install 'fusioncim[llm]', not found: torch\n",
    )


def test_a_text_shorter_than_a_window_is_refused():
    with pytest.raises(InputError, match="at least one window of 10 tokens, not 9 tokens"):
        windows(np.arange(9), 10, None)


def test_texts_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"must be UTF-8 \(unexpected end of data at byte 3\)"):
        read_text(tmp_path / "latin")
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path / "no")
