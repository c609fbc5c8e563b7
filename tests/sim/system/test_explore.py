"""Design-space exploration: space, objectives, Pareto front, resuming, and a real Dask cluster."""

import json
import os
from multiprocessing import parent_process
from pathlib import Path

import pytest
from distributed import LocalCluster
from typer.testing import CliRunner

from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.cli.app import app
from fusioncim_sim.system.explore import (
    AXES,
    OBJECTIVES,
    RESULTS,
    Question,
    _numbers,
    area,
    chip_of,
    explore,
    front,
    judge,
    parse_axes,
    points,
    quality,
)

PAPER = PRESETS["paper"]
SHORT = Question(tokens=64)
FEW = {"rows": (64, 128), "engines": (4, 8), "buffer_bytes": (1 << 18, 1 << 20)}


def cheap(point, question):
    """Objectives of a point at no cost."""
    cost = point["engines"] * point["rows"]
    return {
        "point": dict(point),
        "mm2": cost,
        "mj": 1.0,
        "ms": 1 / cost,
        "loss_db": 0.0,
        "working": 0.5,
        "estimated": [],
    }


def dies(point, question):
    """End the process, unless it is the one that asks."""
    if parent_process():
        os._exit(1)
    return {"point": dict(point)}


def test_the_space_is_of_chips_only():
    every = points(AXES)
    assert len(every) == 1536
    assert all(chip_of(point).engine.rows_per_lane == point["operand_bits"] for point in every)
    assert len(points({"columns": (100, 128)})) == 1
    with pytest.raises(InputError, match="must have a combination that makes a chip, not so columns"):
        points({"columns": (100,)})


def test_axes_from_the_command_line():
    assert parse_axes(["rows=64,128", "schedule=in_order", "seed=true,false"]) == {
        "rows": (64, 128),
        "schedule": ("in_order",),
        "seed": (True, False),
    }
    for text, message in (("rows", "must be KEY=V1"), ("rows=", "must be KEY=V1"), ("depth=3", "not depth")):
        with pytest.raises(InputError, match=message):
            parse_axes([text])


def test_objectives_of_the_measured_chip():
    found = judge({"rows": 128}, SHORT)
    assert found["estimated"] == []
    stored = json.loads((Path(__file__).parents[3] / "measurements" / "cost.json").read_text(encoding="utf-8"))
    assert found["mm2"] == pytest.approx(stored["table"]["system"]["28 nm, 0.9 V"]["mm2"], rel=0.02)
    assert found["loss_db"] == -quality(_numbers(PAPER.engine))
    assert judge({"words": 8}, SHORT)["estimated"] == ["words"]


def test_a_model_may_be_a_file_with_layers_of_two_kinds(tmp_path):
    config = {"model_type": "mistral", "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_size": 4096}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**config, "num_hidden_layers": 2, "sliding_window": None}), encoding="utf-8")
    same = judge({"rows": 128}, Question(model=str(path), tokens=64))
    named = judge({"rows": 128}, SHORT)
    assert {name: same[name] for name in OBJECTIVES} == pytest.approx({name: named[name] for name in OBJECTIVES})
    assert same["working"] == pytest.approx(named["working"])
    path.write_text(json.dumps({**config, "num_hidden_layers": 2, "num_key_value_heads": [8, 32]}), encoding="utf-8")
    two = judge({"rows": 128}, Question(model=str(path), tokens=64))
    assert two["mj"] > named["mj"]


def test_area_grows_with_what_is_there():
    here = area(PAPER, "28 nm, 0.9 V")
    for changes in ({"words": 8}, {"rows": 256, "softmax_lanes": 32}, {"buffer_bytes": 1 << 21}):
        assert area(PAPER.override(**changes), "28 nm, 0.9 V") > here
    assert area(PAPER.override(engines=8), "28 nm, 0.9 V") < here


def test_fewer_bits_cost_quality():
    small = PRESETS["small"].engine
    assert quality(small.override(operand_bits=4, softmax_lanes=8)) < quality(small) - 5


def test_pareto_front():
    def at(a, b):
        return {"mm2": a, "ms": b}

    found = [at(1, 4), at(2, 2), at(4, 1), at(3, 3), at(2, 2), at(1, 5)]
    assert front(found, ("mm2", "ms")) == [at(1, 4), at(2, 2), at(4, 1), at(2, 2)]


def test_an_exploration_goes_on_where_it_ended(tmp_path):
    seen = []

    def watched(point, question):
        seen.append(point)
        return cheap(point, question)

    every = explore(tmp_path, FEW, SHORT, jobs=1, judge=watched)
    assert len(every) == 8
    path = tmp_path / RESULTS
    text = path.read_text(encoding="utf-8")
    cut = text.splitlines(keepends=True)
    path.write_text("".join(cut[:4]) + cut[4][:20], encoding="utf-8")  # three points, and a line that was cut off
    seen.clear()
    assert explore(tmp_path, FEW, SHORT, jobs=1, judge=watched) == every
    assert len(seen) == 1 + 5  # the first one is looked at before anything is written
    assert sorted(path.read_text(encoding="utf-8").splitlines()) == sorted(text.splitlines())


def test_results_of_another_exploration_are_refused(tmp_path):
    explore(tmp_path, FEW, SHORT, jobs=1, judge=cheap)
    before = (tmp_path / RESULTS).read_text(encoding="utf-8")
    with pytest.raises(InputError, match="are of another exploration"):
        explore(tmp_path, FEW, Question(tokens=65), jobs=1, judge=cheap)
    with pytest.raises(InputError, match="are of another exploration"):
        explore(tmp_path, {**FEW, "rows": (64,)}, SHORT, jobs=1, judge=cheap)
    assert (tmp_path / RESULTS).read_text(encoding="utf-8") == before
    (tmp_path / RESULTS).write_text("no results\n", encoding="utf-8")
    with pytest.raises(InputError, match="the file of results is damaged"):
        explore(tmp_path, FEW, SHORT, jobs=1, judge=cheap)


def test_bad_input_writes_nothing(tmp_path):
    with pytest.raises(InputError, match="not llama9"):
        explore(tmp_path / "out", FEW, Question(model="llama9"), jobs=1)
    assert not (tmp_path / "out").exists()


def test_a_dead_worker_loses_a_batch(tmp_path):
    with pytest.raises(InputError, match="a worker died; what was finished is kept, run the same command again"):
        explore(tmp_path, FEW, SHORT, jobs=2, judge=dies)
    assert len((tmp_path / RESULTS).read_text(encoding="utf-8").splitlines()) == 1
    assert len(explore(tmp_path, FEW, SHORT, jobs=1, judge=cheap)) == 8


def test_a_dask_cluster_finds_the_same(tmp_path):
    axes = {"engines": (4, 8), "rows": (64, 128)}
    here = explore(tmp_path / "here", axes, SHORT, jobs=1)
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        there = explore(tmp_path / "there", axes, SHORT, jobs=1, scheduler=cluster.scheduler_address)
    assert there == here


def test_no_scheduler_answers(tmp_path):
    with pytest.raises(InputError, match=r"no Dask scheduler answers .*: nowhere"):
        explore(tmp_path, FEW, SHORT, jobs=1, scheduler="nowhere", judge=cheap)


def test_the_command(tmp_path):
    arguments = ["explore", "--output", str(tmp_path), "--axis", "engines=4,8", "--tokens", "64", "--jobs", "1"]
    result = CliRunner(env={"COLUMNS": None}).invoke(app, arguments, prog_name="fusioncim")
    assert result.exit_code == 0, result.output
    best = json.loads((tmp_path / "front.json").read_text(encoding="utf-8"))["front"]
    assert f"{len(best)} of 2 chips" in result.stdout
    assert {each["point"]["engines"] for each in best} <= {4, 8}
