"""A row of the OP-CIM with and without the gate at its choices: the same elements, as the golden model has them."""

from pathlib import Path

import cocotb
import numpy as np
import pytest

from fusioncim.comparison.open_row import OpenRow
from fusioncim.engine.op_cim import OpCimRow
from fusioncim_golden.op_cim import update
from fusioncim_golden.presets import preset
from fusioncim_golden.softmax import Update
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import unpack_vector
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.studies.freeze.op_rows import PlayedBlock, column_table

UNITS = {"gated": OpCimRow, "open": OpenRow}
CHANGES = {"pairs": {"columns": 32, "update_rank": 4}, "one key": {"columns": 16, "update_rank": 1}}
SETTLE = 3


def config_of(name):
    return preset("tiny").alone().override(**CHANGES[name])


def blocks_of(config):
    """Blocks of random values, and O after them."""
    rng = np.random.default_rng(2)
    o = np.zeros((1, config.columns), np.int64)
    blocks = []
    for n in range(40):
        kind = Update.LOAD if n == 0 else rng.choice([Update.SKIP, Update.SKIP, Update.ADD, Update.RESCALE])
        shift = int(rng.integers(1, 4)) + (config.slack + 4 if kind != Update.RESCALE else 0)
        v = rng.integers(-128, 128, (config.update_rank, config.columns))
        p = rng.integers(0, 1 << config.probability_bits, config.update_rank)
        blocks.append(PlayedBlock(v, p, int(kind), shift, False))
        if kind != Update.SKIP:
            o = update(config, o, (p @ v)[None], *(np.array([x]) for x in (kind, shift, False)))
    return blocks, o[0]


@pytest.mark.parametrize("changes", CHANGES)
@pytest.mark.parametrize("name", UNITS)
def test_rows(name, changes):
    config = config_of(changes)
    this = {"changes": changes}
    run(UNITS[name](config), Path(__file__).stem, "adds_blocks", this, path=Path(__file__).parent)


@cocotb.test()
async def adds_blocks(dut):
    config = config_of(case()["changes"])
    blocks, o = blocks_of(config)
    assert {each.kind for each in blocks} == {*Update}
    inputs = {name: [int(value, 16) for value in values] for name, values in column_table(config, blocks).items()}
    steps = config.block_cycles
    inputs["load"][-1] = 0
    before = len(inputs["load"])
    for name, values in inputs.items():
        values += [values[-1] if name == "write_column" else 0] * (SETTLE + steps + 1)
    inputs["write_column"][before] = steps - 1  # the last column is written in the cycle after its command
    drains = range(before + SETTLE, before + SETTLE + steps)
    cycles = range(len(inputs["load"]))
    inputs["drain_enable"] = [int(n in drains) for n in cycles]
    inputs["drain_column"] = [n - drains.start if n in drains else 0 for n in cycles]
    inputs["show"] = [1 for _ in cycles]
    seen = await play(dut, inputs, ["drain_data"])
    found = [unpack_vector(seen["drain_data"][n + 1], config.accumulator_bits, config.units) for n in drains]
    assert np.concatenate(found).tolist() == o.tolist()
