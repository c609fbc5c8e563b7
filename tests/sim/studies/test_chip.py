"""The stored figures of whole chips: within the bounds."""

import json
from pathlib import Path

from fusioncim_golden.schedule import Job, passes
from fusioncim_sim.studies.chip.workloads import WORKLOADS

STORED = json.loads((Path(__file__).parents[3] / "measurements" / "chip.json").read_text(encoding="utf-8"))


def test_chips_reach_their_targets():
    assert set(STORED["workloads"]) == set(WORKLOADS)
    for one in STORED["workloads"].values():
        assert one["bit_exact"] is True
        assert one["keys_and_values_once"] is True
    used = {name: one["utilization_percent"] for name, one in STORED["workloads"].items()}
    assert used["causal prefill, grouped"] >= 90
    assert used["full prefill, grouped"] >= 95
    folded, unfolded = (f"causal prefill, one head, 16 engines{order}" for order in ("", ", diagonal first"))
    assert used[folded] > used[unfolded] > 53
    for name in ("decode of 8 tokens", "decode of 8 tokens, slow memory"):
        decode = STORED["workloads"][name]
        assert decode["cycles"] <= 1.05 * decode["read_bus_cycles"]
    paper = STORED["generate"]["paper"]
    assert paper["bytes"] < 5_000_000
    assert paper["seconds"] < 60
    assert paper["memory_mb"] < 2000
    assert STORED["speed"]["ratio"] >= 20


def test_a_decode_step_fills_the_rows():
    workload = WORKLOADS["decode of 8 tokens"]
    job = Job(queries=workload.queries, keys=workload.keys, heads=workload.group)
    (resident,) = passes(workload.chip.engine, job, workload.chip.engines)
    assert [tile.count for tile in resident.tiles] == [workload.chip.engine.rows]
