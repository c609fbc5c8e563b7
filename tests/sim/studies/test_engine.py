"""The stored cycles of single engines: within the bounds, and what the code measures now."""

import json
from pathlib import Path

from fusioncim_sim.studies.engine import INT4, STEADY, steady

STORED = json.loads((Path(__file__).parents[3] / "measurements" / "engine.json").read_text(encoding="utf-8"))


def test_cycles_reach_their_targets():
    for case in STORED["steady"].values():
        assert case["bit_exact"] is True
        assert case["cycles_per_vector_and_word"] <= case["operand_bits"] * 1.001
        assert case["mac_cycle_percent"] >= 99.9
    assert STORED["causal"]["bit_exact"] is True
    assert STORED["causal"]["utilization_percent"] >= 85


def test_a_steady_state_is_as_stored():
    assert STEADY["int4_one_word"][0] == INT4
    assert steady(*STEADY["int4_one_word"]) == STORED["steady"]["int4_one_word"]
