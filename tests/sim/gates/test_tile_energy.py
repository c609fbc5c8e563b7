"""A tile of real attention on the mapped engine: bits and energy by unit."""

import numpy as np
import pytest

from fusioncim_golden.config import Config
from fusioncim_golden.engine import run
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import preset
from fusioncim_golden.schedule import Job
from fusioncim_sim.gates import tile_energy as tile
from fusioncim_sim.gates.gate_level import IDLE
from fusioncim_sim.gates.tile_energy import last_queries, run_tile
from fusioncim_sim.gates.units import UNITS, unit_of
from fusioncim_sim.heads.captured import captured_heads
from fusioncim_sim.heads.read import Head
from fusioncim_sim.rtl.engine_bench import PHASES

TINY, SMALL = preset("tiny").alone(), Config()


def narrow(head, columns):
    """Some columns of a captured head."""
    return Head(head.name, head.q[:, :columns], head.k[:, :columns], head.v[:, :columns])


@pytest.mark.timeout(600)
def test_gates_give_the_bits_of_the_golden_model(library, monkeypatch):
    heads = [narrow(head, 8) for head in captured_heads(SMALL.override(columns=128))]
    result = run_tile(TINY, library, heads, 24, 2.5, jobs=2)
    assert result.bit_exact
    assert (result.mismatches, result.queries, result.tokens) == (0, TINY.rows, 24)
    assert result.heads == ("group0", "group1")
    visible = sum(range(24 - TINY.rows + 1, 24 + 1))
    assert result.macs == visible * TINY.columns
    assert result.cycles <= result.clock_cycles <= result.cycles + 20
    assert tuple(result.phases) == PHASES
    cycles = {name: each for name, (each, _) in result.phases.items()}
    energies = {name: each for name, (_, each) in result.phases.items()}
    assert cycles["load"] > TINY.rows
    assert cycles["stream"] >= 24 * TINY.operand_bits
    assert cycles["drain"] >= TINY.rows * TINY.block_cycles
    assert IDLE <= cycles["idle"] <= IDLE + 2
    busy = [name for name in PHASES if name != "idle"]
    assert sum(cycles[name] for name in busy) == result.clock_cycles
    for unit in UNITS:
        assert result.energies[unit].total == pytest.approx(sum(energies[name][unit].total for name in busy))
        assert energies["idle"][unit].switching <= 0.1 * result.energies[unit].switching
    assert energies["stream"]["IP-CIM rows"].switching > 10 * energies["drain"]["IP-CIM rows"].switching
    assert energies["drain"]["normalizer"].switching > 10 * energies["load"]["normalizer"].switching
    assert 0 < result.utilization < 1
    assert tuple(result.energies) == UNITS
    assert all(energy.total > 0 for energy in result.energies.values())
    assert result.energies["IP-CIM rows"].memory > 0
    assert all(energy.glitches >= 0 for energy in result.energies.values())
    assert 0.05 * result.energy.logic < result.energy.glitches < 0.5 * result.energy.logic
    assert result.energy.total == pytest.approx(sum(energy.total for energy in result.energies.values()))
    assert result.power_mw == pytest.approx(result.energy.total / (result.clock_cycles * 2.5) * 1e-3)

    right = tile.simulate_gates

    def wrong(*arguments):
        run, activity = right(*arguments)
        run.outputs[0][0, 3, 5] ^= 1
        return run, activity

    monkeypatch.setattr(tile, "simulate_gates", wrong)
    differing = run_tile(TINY, library, heads, 24, 2.5)
    assert (differing.mismatches, differing.bit_exact) == (1, False)
    assert differing.energies == result.energies


@pytest.mark.timeout(600)
def test_columns_of_zeros_are_no_multiply_accumulates(library):
    """One query of a head that is narrower than the engine, at the last of many keys."""
    rng = np.random.default_rng(1)
    head = Head("mine", *(rng.normal(size=(n, 10)) for n in (1, 24, 24)))
    result = run_tile(TINY, library, [head], 24, 2.5)
    assert result.bit_exact
    assert (result.queries, result.columns, result.macs) == (1, 10, 24 * 10)
    with pytest.raises(InputError, match="first tokens must hold a query of mine, from token 24 on, not 23"):
        run_tile(TINY, library, [head], 23, 2.5)


def test_units_are_found_by_path():
    paths = {
        ("ip_cim", "row_3"): "IP-CIM rows",
        ("ip_cim", "row_3", "deeper"): "IP-CIM rows",
        ("ip_cim",): "IP-CIM broadcast and correction",
        ("ip_cim", "correction"): "IP-CIM broadcast and correction",
        ("softmax", "lane_0", "queries"): "softmax",
        ("op_cim", "row_0"): "OP-CIM rows",
        ("op_cim",): "OP-CIM broadcast",
        ("kv_buffer", "keys"): "key/value buffer",
        ("controller", "sequencer"): "controller",
        ("normalizer",): "normalizer",
        (): "engine",
        ("row_1",): "engine",
    }
    assert {path: unit_of(path) for path in paths} == paths
    assert set(paths.values()) == set(UNITS)


def test_the_last_queries_are_those_of_all():
    (head,) = captured_heads(SMALL, ["mixed"])
    whole = head.first(100).quantized(SMALL)
    part = last_queries(whole, 32)
    all_rows, rows = (run(SMALL, heads, Job(queries=heads.q.shape[1], keys=100)).out for heads in (whole, part))
    assert np.array_equal(rows, all_rows[:, 68:])
    assert last_queries(whole, 200).q.shape == whole.q.shape


@pytest.mark.parametrize("tokens", [0, 513])
def test_tokens_are_those_of_the_heads(tokens, library):
    with pytest.raises(InputError, match=f"tokens must be 1 to 512, the length of the heads, not {tokens}"):
        run_tile(SMALL, library, captured_heads(SMALL), tokens, 2.5)
