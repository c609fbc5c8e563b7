"""Design-space exploration: space, objectives, Pareto front, resuming, and a real Dask cluster."""

import json
import os
import time
from multiprocessing import parent_process
from pathlib import Path

import pytest
from distributed import LocalCluster
from typer.testing import CliRunner

from fusioncim.asic.scaling import scale
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.cli.app import app
from fusioncim_sim.system.axes import AXES, chip_of, parse_axes, points
from fusioncim_sim.system.energy_table import corner
from fusioncim_sim.system.explore import RESULTS, Question, _numbers, area, explore, judge, quality
from fusioncim_sim.system.pareto import OBJECTIVES, front

PAPER = PRESETS["paper"]
SHORT = Question(tokens=64)
LAST = {"rows": 128, "engines": 8, "buffer_bytes": 1 << 20}
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


def fits(point, question):
    """Objectives of a point at no cost, of large chips only."""
    if point["engines"] < 8:
        raise InputError(f"engines must be at least 8, not {point['engines']}")
    return cheap(point, question)


def dies_at_last(point, question):
    """End the process where the point is the last one, unless it is the process that asks."""
    if parent_process() and point == LAST:
        time.sleep(3)
        os._exit(1)
    return cheap(point, question)


def test_the_space_is_of_chips_only():
    every = points(AXES)
    assert len(every) == 1536
    assert all(chip_of(point).engine.rows_per_lane == point["operand_bits"] for point in every)
    assert len(points({"rows": (8, 1024), "softmax_lanes": (1, 128)})) == 2


ILLEGAL = {
    "rows=8,x": r"no chip of the space has rows = 'x': rows must be of type int, not 'x'",
    "operand_bits=x": r"operand_bits must be of type int, not 'x'",
    "operand_bits=8,0": r"no chip of the space has operand_bits = 0: operand_bits must be one of 4, 8, not 0",
    "operand_bits=-8": r"operand_bits must be one of 4, 8, not -8",
    "rows=NaN": r"rows must be of type int, not nan",
    "rows=1e3": r"rows must be of type int, not 1000.0",
    "rows=true": r"rows must be of type int, not True",
    "rows=null": r"rows must be of type int, not None",
    "columns=100,128": r"no chip of the space has columns = 100: columns must be a multiple of .*, not 100",
    "schedule=random": r"schedule must be one of .*, not random",
    "softmax_lanes=0": r"softmax_lanes must be from 1 to 128, not 0",
}


@pytest.mark.parametrize("text", ILLEGAL)
def test_a_value_that_no_chip_can_have_shows_its_rule(text):
    with pytest.raises(InputError, match=ILLEGAL[text]):
        points(parse_axes([text]))


def test_axes_from_the_command_line():
    assert parse_axes(["rows=64,128", "schedule=in_order", "seed=true,false"]) == {
        "rows": (64, 128),
        "schedule": ("in_order",),
        "seed": (True, False),
    }
    for texts, message in (
        (["rows"], "must be KEY=V1"),
        (["rows="], "must be KEY=V1"),
        (["depth=3"], "not depth"),
        (["rows=8", "rows=16"], "every parameter once, not again rows"),
        (["rows=8,8"], "every value once, not rows=8,8"),
    ):
        with pytest.raises(InputError, match=message):
            parse_axes(texts)


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
    for changes in ({"words": 8}, {"rows": 256, "softmax_lanes": 32}, {"buffer_bytes": 1 << 21}, {"drain_rows": 4}):
        assert area(PAPER.override(**changes), "28 nm, 0.9 V") > here
    assert area(PAPER.override(engines=8), "28 nm, 0.9 V") < here


def test_area_of_a_row_more_that_leaves_is_that_of_the_mapped_chip():
    """Of `paper` 265,600 um2 in Nangate 45 nm."""
    one, two = (area(PAPER.override(drain_rows=n), "28 nm, 0.9 V") for n in (1, 2))
    assert two - one == pytest.approx(0.2656 * scale(corner("28 nm, 0.9 V")).area, rel=0.02)


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
    assert (len(every.chips), every.refused) == (8, [])
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


def test_what_was_finished_before_a_worker_died_is_kept(tmp_path):
    with pytest.raises(InputError, match="a worker died; what was finished is kept, run the same command again"):
        explore(tmp_path, FEW, SHORT, jobs=2, judge=dies_at_last)
    assert len((tmp_path / RESULTS).read_text(encoding="utf-8").splitlines()) == 1 + 7
    assert len(explore(tmp_path, FEW, SHORT, jobs=1, judge=cheap).chips) == 8


@pytest.mark.parametrize("jobs", [1, 2])
def test_chips_that_cannot_do_the_work_are_named_and_the_others_kept(jobs, tmp_path):
    for _ in range(2):  # the second one takes all of them from the file
        found = explore(tmp_path, FEW, SHORT, jobs=jobs, judge=fits)
        assert [each["point"]["engines"] for each in found.chips] == [8] * 4
        assert {(each["point"]["engines"], each["refused"]) for each in found.refused} == {
            (4, "engines must be at least 8, not 4")
        }
        assert len((tmp_path / RESULTS).read_text(encoding="utf-8").splitlines()) == 1 + 8


def test_a_space_without_a_chip_that_can_do_the_work_writes_nothing(tmp_path):
    with pytest.raises(InputError, match="columns must be at least as many"):
        explore(tmp_path / "out", {"columns": (64,)}, SHORT, jobs=1)
    assert not (tmp_path / "out").exists()


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
    axes = ["--axis", "engines=4,8", "--axis", "columns=64,128"]
    arguments = ["explore", "--output", str(tmp_path), *axes, "--tokens", "64", "--jobs", "1"]
    result = CliRunner(env={"COLUMNS": None}).invoke(app, arguments, prog_name="fusioncim")
    assert result.exit_code == 0, result.output
    best = json.loads((tmp_path / "front.json").read_text(encoding="utf-8"))["front"]
    assert f"{len(best)} of 2 chips" in result.stdout
    assert "refused: engines 4, columns 64 and 1 others: the vectors of llama3-8b have 128" in result.stdout
    assert {each["point"]["engines"] for each in best} <= {4, 8}
