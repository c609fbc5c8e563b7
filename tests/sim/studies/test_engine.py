"""The stored figures: within the bounds, and what the code measures now."""

import json
from pathlib import Path

import pytest

from fusioncim_golden.config import Config
from fusioncim_golden.schedule import Job, passes
from fusioncim_sim.files import to_json
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.heads.rescales import as_dict, count_moves
from fusioncim_sim.studies.chip import WORKLOADS
from fusioncim_sim.studies.engine import INT4, STEADY, accuracy, flat, run_measurements, steady

ROOT = Path(__file__).parents[3]
STORED = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "measurements").glob("*.json")}
HEADS = {head.name: head for head in load_heads(fixture(), Config())}


def test_files_are_written_as_stored():
    system = {"calibration", "system", "reproduction", "sensitivity"}
    physical = {"choices", "banks", "cost", "timing", "fpga"}
    models = {"quality", "quality_qwen2.5-coder-1.5b-instruct-q4_k_m"}
    assert set(STORED) == {"engine", "accuracy", "rescales", "chip", *physical, *models, *system}
    for name, data in STORED.items():
        assert (ROOT / "measurements" / f"{name}.json").read_bytes() == to_json(data)


def test_figures_reach_their_targets():
    for case in STORED["engine"]["steady"].values():
        assert case["bit_exact"] is True
        assert case["cycles_per_vector_and_word"] <= case["operand_bits"] * 1.001
        assert case["mac_cycle_percent"] >= 99.9
    assert STORED["engine"]["causal"]["bit_exact"] is True
    assert STORED["engine"]["causal"]["utilization_percent"] >= 85
    for head in STORED["accuracy"]["heads"].values():
        assert head["sqnr_db"] >= 40
        assert head["max_error_lsb"] <= 1
    assert STORED["accuracy"]["flat"]["weight_sum_error_percent"] <= 1
    assert STORED["rescales"]["total"]["below_exact_in_order_percent"]["diagonal_first"]["slack 4"] >= 90


@pytest.mark.parametrize("name", HEADS)
def test_accuracy_is_as_stored(name):
    assert accuracy(HEADS[name]) == pytest.approx(STORED["accuracy"]["heads"][name], abs=0.02)


def test_flat_scores_are_as_stored():
    assert flat() == pytest.approx(STORED["accuracy"]["flat"], abs=0.002)


@pytest.mark.parametrize("name", ["local", "sink"])
def test_rescales_are_as_stored(name):
    counted = as_dict(count_moves(Config(), HEADS[name]))
    assert counted == STORED["rescales"]["heads"][name]


def test_chips_reach_their_targets():
    stored = STORED["chip"]
    assert set(stored["workloads"]) == set(WORKLOADS)
    for one in stored["workloads"].values():
        assert one["bit_exact"] is True
        assert one["keys_and_values_once"] is True
    used = {name: one["utilization_percent"] for name, one in stored["workloads"].items()}
    assert used["causal prefill, grouped"] >= 90
    assert used["full prefill, grouped"] >= 95
    folded, unfolded = (f"causal prefill, one head, 16 engines{order}" for order in ("", ", diagonal first"))
    assert used[folded] > used[unfolded] > 53
    for name in ("decode of 8 tokens", "decode of 8 tokens, slow memory"):
        decode = stored["workloads"][name]
        assert decode["cycles"] <= 1.05 * decode["read_bus_cycles"]
    paper = stored["generate"]["paper"]
    assert paper["bytes"] < 5_000_000
    assert paper["seconds"] < 60
    assert paper["memory_mb"] < 2000
    assert stored["speed"]["ratio"] >= 20


def test_a_decode_step_fills_the_rows():
    workload = WORKLOADS["decode of 8 tokens"]
    job = Job(queries=workload.queries, keys=workload.keys, heads=workload.group)
    (resident,) = passes(workload.chip.engine, job, workload.chip.engines)
    assert [tile.count for tile in resident.tiles] == [workload.chip.engine.rows]


def test_steady_state_is_as_stored():
    assert STEADY["int4_one_word"][0] == INT4
    assert steady(*STEADY["int4_one_word"]) == STORED["engine"]["steady"]["int4_one_word"]


def test_measurements_are_written(tmp_path, monkeypatch, capsys):
    from rich.console import Console

    monkeypatch.setattr("fusioncim_sim.studies.engine.load_heads", lambda *_: [HEADS["wide"].first(40)])
    for _ in range(2):
        run_measurements(Console(), quick=True, output=tmp_path / "new", jobs=1)
    written = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (tmp_path / "new").iterdir()}
    assert set(written) == {"accuracy", "rescales"}
    assert set(written["accuracy"]["heads"]) == {"wide"}
