"""Rows that hold still: every score that is taken and every decision against the golden ones."""

from pathlib import Path

import cocotb
import numpy as np
import pytest

from fusioncim.comparison.held_rows import HeldRow, NibbleRow
from fusioncim_golden.ip_cim import offset_scores
from fusioncim_golden.presets import preset
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.studies.freeze.ip_rows import PlayedRow, key_table, nibble_table

UNITS = {"held": HeldRow, "nibbles": NibbleRow}
CHANGES = {"tiny": {}, "INT4": {"operand_bits": 4, "softmax_lanes": 2}}


def config_of(name):
    return preset("tiny").alone().override(**CHANGES[name])


def rows_of(config):
    """Queries, each with keys of which some are masked and some of the others frozen; an even and an odd number."""
    rng = np.random.default_rng(3)
    limit = (1 << (config.operand_bits - 1)) - 1
    rows = []
    for keys in (48, 23, 1):
        q = rng.integers(-limit, limit + 1, config.columns)
        k = rng.integers(-limit - 1, limit + 1, (keys, config.columns))
        visible = rng.random(keys) < 0.7
        high = k >> config.operand_bits // 2
        least = np.full(keys, int(np.median(high @ q)) + int(rng.integers(-9, 9)))
        rows.append(PlayedRow(q, k, visible, visible & (rng.random(keys) < 0.5), least))
    return rows


@pytest.mark.parametrize("changes", CHANGES)
@pytest.mark.parametrize("name", UNITS)
def test_rows(name, changes):
    this = {"name": name, "changes": changes}
    run(UNITS[name](config_of(changes)), Path(__file__).stem, "takes_and_decides", this, path=Path(__file__).parent)


@cocotb.test()
async def takes_and_decides(dut):
    config = config_of(case()["changes"])
    rows, nibbles = rows_of(config), case()["name"] == "nibbles"
    table = nibble_table(config, rows) if nibbles else key_table(config, rows, held=True)
    inputs = {name: [int(value, 16) for value in values] for name, values in table.items()}
    seen = await play(dut, inputs, ["score", *(["frozen"] if nibbles else [])])
    taken = [score for take, score in zip(inputs["take"], seen["score"], strict=True) if take]
    assert all(score == 0 for take, score in zip(inputs["take"], seen["score"], strict=True) if not take)
    expected, decisions = [], []
    for row in rows:
        score, correction = offset_scores(row.q[None], row.k, config.operand_bits)
        expected += score[0][row.visible & ~row.frozen if nibbles else row.visible].tolist()
        high = (row.k >> config.operand_bits // 2) @ row.q
        decisions += (high < row.least)[row.visible].tolist()
        assert correction > 0
    assert taken == [score % (1 << config.score_bits) for score in expected]
    if nibbles:
        found = [bool(seen["frozen"][n + 1]) for n, decides in enumerate(inputs["decide"]) if decides]
        assert found == decisions
        assert {*found} == {False, True}
