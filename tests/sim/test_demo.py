"""The demonstration's page and its picture."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from fusioncim_golden.config import Config
from fusioncim_sim.demo import Figures, run_demo
from fusioncim_sim.files import hash_of, to_json
from fusioncim_sim.heads.judge import Run, job_of
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.heads.rescales import Moves, below_exact, count_moves, find_moves, rule_name, total
from fusioncim_sim.pages.picture import PARTS, draw, spans
from fusioncim_sim.rtl.engine_bench import ACTIVITY
from fusioncim_sim.rtl.head_run import evaluate

SMALL = Config()
HEADS = {head.name: head for head in load_heads(fixture(), SMALL)}


def test_demo_compares_and_writes_everything(tmp_path, monkeypatch):
    short = [head.first(24) for head in HEADS.values() if head.name in ("local", "wide")]
    monkeypatch.setattr("fusioncim_sim.demo.load_heads", lambda *_: short)
    with (tmp_path / "page.txt").open("w", encoding="utf-8") as file:
        console = Console(file=file, width=110)
        figures = run_demo(console, tokens=6, names=["wide"], output=tmp_path / "demo", jobs=1)
    page = (tmp_path / "page.txt").read_text(encoding="utf-8")
    assert figures.good, page
    assert "Every output bit equal: yes." in page
    assert "within 40 dB and 1 LSB of float64 on the integers: yes" in page
    assert "all 384" in page  # 6 tokens of 64 outputs
    manifest = json.loads((tmp_path / "demo/manifest.json").read_text(encoding="utf-8"))
    assert {"engine.v", "sram.v", "engine.f", "config.toml", "results.json", "activity.png"} <= set(manifest["files"])
    for name, entry in manifest["files"].items():
        content = (tmp_path / "demo" / name).read_bytes()
        assert hash_of(content) == entry["sha256"]
        assert f"{len(content):,} bytes" in page
    (head,) = json.loads((tmp_path / "demo/results.json").read_text(encoding="utf-8"))["heads"]
    assert head["bit_exact"] is True
    written = json.loads(to_json(figures.as_dict()))
    assert written["heads"] == [head]
    assert [each["name"] for each in written["whole"]] == ["local", "wide"]
    assert written["moves"]["exact"] == figures.moves.exact
    assert written["good"] is True
    assert (tmp_path / "demo/activity.png").read_bytes().startswith(b"\x89PNG")


def test_verdict_follows_bits_and_bounds():
    good, _ = evaluate(SMALL, HEADS["wide"].first(40), rtl=False)
    moves = count_moves(SMALL, HEADS["wide"].first(40))
    run = Run([], [], 0, {})
    places = find_moves(SMALL, HEADS["wide"].first(40).quantized(SMALL), job_of(HEADS["wide"].first(40)))

    def figures(**changed):
        result = replace(good, **changed)
        return Figures(SMALL, {"wide": (result, run)}, [result], moves, places)

    assert figures(bit_exact=True).exact
    assert not figures(bit_exact=False).exact
    assert not figures(bit_exact=None).exact
    assert figures(sqnr_integers_db=40.0, max_error_integers_lsb=1.0).accurate
    assert not figures(sqnr_integers_db=39.9).accurate
    assert not figures(max_error_integers_lsb=1.01).accurate
    assert figures(bit_exact=True).good
    assert not figures(bit_exact=False).good
    assert not figures(bit_exact=True, sqnr_integers_db=39.9).good


@pytest.mark.parametrize("name", ["wide", "sink"])
def test_counts_are_those_of_the_engine(name):
    head = HEADS[name].first(150)
    result, _ = evaluate(SMALL, head, rtl=False)
    moves = count_moves(SMALL, head)
    default = moves.rules[SMALL.schedule][rule_name(SMALL.slack, SMALL.seed)]
    assert default == (result.rescales, result.halvings)
    assert moves.exact["in_order"] == result.rescales_in_order_exact
    for order, slack, seed in (("in_order", 0, False), ("sink_first", 2, True), ("diagonal_first", 5, True)):
        other, _ = evaluate(SMALL.override(schedule=order, slack=slack, seed=seed), head, rtl=False)
        assert moves.rules[order][rule_name(slack, seed)] == (other.rescales, other.halvings)

    places = find_moves(SMALL, head.quantized(SMALL), job_of(head))
    assert (len(places.rescales), len(places.halvings)) == default
    assert len(places.exact) == moves.exact["in_order"]
    assert all((points[:, 1] <= points[:, 0]).all() for points in (places.exact, places.rescales, places.halvings))

    both = total([moves, moves])
    assert both.exact["sink_first"] == 2 * moves.exact["sink_first"]
    assert sum(both.rules["in_order"]["slack 0"]) == 2 * sum(moves.rules["in_order"]["slack 0"])


def test_exact_counts_follow_the_order():
    """Keys of rising scores: every key is a new maximum in order, and only the first one is backwards."""
    k = np.zeros((12, 64), dtype=np.int8)
    k[:, 0] = np.arange(12)
    q = np.zeros((12, 64), dtype=np.int8)
    q[:, 0] = 1
    moves = count_moves(SMALL, replace(HEADS["wide"], q=q, k=k, v=k, scales=(1.0, 1.0, 1.0)))
    assert moves.exact["in_order"] == sum(range(12))
    assert moves.exact["diagonal_first"] == 0
    assert moves.exact["sink_first"] == sum(row > 3 for row in range(12))


def test_percentage_counts_halvings():
    moves = Moves({"in_order": 200}, {"in_order": {"slack 0": (30, 20)}})
    assert below_exact(moves, "in_order", "slack 0") == 75


def test_spans_merge_short_gaps():
    active = np.array([1, 1, 0, 1, 0, 0, 1, 0], dtype=bool)
    assert spans(active) == [(0, 2), (3, 1), (6, 1)]
    assert spans(active, gap=2) == [(0, 4), (6, 1)]
    assert spans(np.zeros(3, dtype=bool)) == []


def test_picture_is_the_same_every_time():
    head = HEADS["wide"].first(40)
    places = find_moves(SMALL, head.quantized(SMALL), job_of(head))
    assert tuple(PARTS) == ACTIVITY
    busy = np.arange(50) % 3 == 0
    run = Run([], [], 50, dict.fromkeys(ACTIVITY, busy))
    pictures = [draw(SMALL, run, "run", places, "places") for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) < 300_000
    assert Path("docs/pipeline.png").stat().st_size < 300_000
