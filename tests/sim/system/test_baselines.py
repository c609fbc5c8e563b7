"""The baselines: their arithmetic on hand-made sizes, and their bounds."""

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, FULL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.system.baselines import (
    BASELINES,
    Attention,
    _blocked,
    _spilled,
    baseline,
    conventional,
    energy_of,
    pipelined,
)
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.effort import AGAIN, KINDS, ONCE, PARTIAL_SUMS, SCORES, Effort
from fusioncim_sim.system.energy_table import corner, default_table, read_table
from fusioncim_sim.system.models import changed, model

PAPER = PRESETS["paper"]
TABLE = read_table(default_table())
ONE = changed(model("llama3-8b"), {"heads": 4, "kv_heads": 1, "layers": 1})


def attention(queries, *, start=0, this=ONE, memory="hbm2", chip=PAPER, mask=CAUSAL):
    return Attention(
        chip=chip,
        model=changed(this, {"mask": mask}),
        dram=dram(memory),
        clock_mhz=400.0,
        queries=queries,
        start=start,
        keys=start + queries,
    )


def test_a_phase_is_bound_by_the_slowest():
    effort = Effort()
    effort.phase("one", 10, 64, 0, 32)
    effort.phase("two", 1, 64, 320, 32)
    assert effort.phases == {"one": 10, "two": 10}
    assert (effort.cycles, effort.memory) == (20, 448)


def test_rows_of_a_tile():
    """Four heads; the queries at positions 256 and later see key 256."""
    causal, full = attention(512), attention(512, mask=FULL)
    assert [causal.rows_of_tile(first) for first in (0, 256, 511, 512)] == [2048, 1024, 4, 0]
    assert full.rows_of_tile(256) == 2048
    assert attention(16, start=500).rows_of_tile(256) == 64


def test_windows_and_tiles():
    """Full attention over 4,096 keys: 16 engines hold 2,048 of them at 128 each, so every row passes two windows."""
    engines, windows, tiles = attention(4096, mask=FULL).tiled(128)
    assert (engines, windows, tiles) == (16, 2 * 16384, 32 * 16384)
    engines, windows, tiles = attention(256).tiled(128)
    assert (engines, windows, tiles) == (2, 1024, 1024 + 512)
    assert attention(256).parallel(2) == 1
    assert attention(256, this=model("llama3-8b")).parallel(2) == 8


def test_the_pipeline_takes_eight_cycles_per_row_and_window():
    this = attention(1024, mask=FULL)
    effort = pipelined(this)
    assert effort.phases == {"pipeline": 4096 * 8 + 128}
    assert effort.array == 2 * 8 * 4096 * 8
    assert effort.values == 8 * 4096 * 8
    assert effort.softmax == 4096 * 1024 / 16
    assert effort.weights == 2 * 1024
    assert effort.memory == 4096 * (128 + 256) + 2 * 1024 * 128


def test_partial_sums_that_do_not_fit_read_the_keys_again():
    short, long = (pipelined(attention(n, mask=FULL)) for n in (2048, 4096))
    assert short.weights == 2 * 2048
    held = PAPER.buffer_bytes // (128 * 3 + 8 + 128)
    assert long.weights == -(-4 * 4096 // held) * 2 * 4096


def test_three_phases_follow_each_other():
    this = attention(1024, mask=FULL)
    effort = _spilled(this)
    pairs = 4096 * 1024
    assert list(effort.phases) == ["scores", "softmax", "values"]
    assert effort.phases["softmax"] == max(pairs / 16 / 4, 2 * pairs / PAPER.bus_bytes)
    assert effort.memory == 4096 * 384 + 2 * 1024 * 128 + 6 * pairs
    assert effort.array == 2 * 4 * 4096 * 8 + 8 * 4096 * 8
    assert effort.values == 8 * 4096 * 8


def test_blocks_keep_scores_inside_and_read_keys_again():
    this = attention(1024, mask=FULL)
    effort = _blocked(this)
    blocks = -(-4096 // (PAPER.buffer_bytes // 2048))
    assert effort.memory == 4096 * 384 + blocks * 2 * 1024 * 128
    assert effort.buffer > 6 * 4096 * 1024
    assert effort.transposed == blocks * 1024 * 128


@pytest.mark.parametrize("queries", [64, 512, 4096])
def test_the_faster_way_counts(queries):
    this = attention(queries)
    assert conventional(this).cycles == min(_blocked(this).cycles, _spilled(this).cycles)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("queries", [100, 1024, 4096])
@pytest.mark.parametrize("memory", ["hbm2", "lpddr4"])
def test_bytes_by_what_they_are_add_up(name, queries, memory):
    this = attention(queries, this=model("llama3-8b"), memory=memory)
    effort = baseline(name, this)
    assert set(effort.memory_by) == set(effort.buffer_by) <= set(KINDS)
    assert sum(effort.memory_by.values()) == pytest.approx(effort.memory)
    assert sum(effort.buffer_by.values()) == pytest.approx(effort.buffer)
    assert min(effort.memory_by.values()) >= 0
    for kind in (ONCE, AGAIN):  # into the buffer and out of it
        assert effort.buffer_by[kind] == 2 * effort.memory_by[kind]
    assert effort.memory_by[ONCE] <= 2 * 8 * queries * 128
    assert effort.compute <= effort.cycles
    assert 0 <= effort.waiting < 1


def test_what_is_read_again_and_what_waits():
    """All keys fit into the arrays of a pipeline at 1,024 tokens: nothing again, no partial sums. Not so at 4,096."""
    short, long = (pipelined(attention(n, mask=FULL)) for n in (1024, 4096))
    assert short.buffer_by[AGAIN] == short.buffer_by[PARTIAL_SUMS] == 0
    assert long.buffer_by[AGAIN] > long.buffer_by[ONCE]
    assert long.buffer_by[PARTIAL_SUMS] > 0
    assert _spilled(attention(1024)).buffer_by[SCORES] == _blocked(attention(1024)).memory_by[SCORES] == 0
    fast, slow = (_spilled(attention(1024, memory=memory)) for memory in ("hbm2", "lpddr4"))
    assert fast.compute == slow.compute
    assert fast.waiting < slow.waiting


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("queries", [100, 1024, 4096])
def test_no_multiplier_does_more_than_it_can(name, queries):
    """Unmasked work fits into the busy array cycles, and those into all cycles."""
    this = attention(queries, this=model("llama3-8b"))
    effort = baseline(name, this)
    arrays = 2 * PAPER.engines  # of rows x columns: one twice as large, or two
    macs = 2 * this.pairs * this.model.kv_heads * 128
    assert macs <= effort.array * PAPER.engine.macs_per_cycle
    assert effort.array <= arrays * effort.cycles
    assert effort.softmax <= PAPER.engines * effort.cycles


def test_energy_of_an_effort():
    this, at = attention(64), corner("45 nm, 1.1 V")
    event = TABLE.engine["IP-CIM"]
    found = energy_of(Effort(array=1000.0), TABLE, this, at)
    assert found["IP-CIM"] == pytest.approx(1000 * (event.stream.at(128) + event.idle.at(128)) * 1e-15)
    few, many = (TABLE.seeing(attention(tokens).keys_per_row).added for tokens in (8192, 64))
    assert few < 0.4 < many < 0.7
    less = energy_of(Effort(array=1000.0, values=500.0), TABLE, this, at)["IP-CIM"]
    assert less == pytest.approx((0.5 + 0.5 * many) * found["IP-CIM"])
    assert sum(found.values()) == pytest.approx(found["IP-CIM"])
    assert energy_of(Effort(memory=100.0), TABLE, this, at)["DRAM"] == pytest.approx(800 * 3.97e-12)
    assert energy_of(Effort(cycles=400e6), TABLE, this, at)["leakage"] == pytest.approx(TABLE.leakage(PAPER) * 1e-3)
    more = energy_of(Effort(cycles=400e6), TABLE, attention(64, chip=PAPER.override(words=8)), at)["leakage"]
    assert more > TABLE.leakage(PAPER) * 1e-3


def test_a_second_read_port_is_refused():
    with pytest.raises(InputError, match="a baseline reads over one port: read_ports must be 1, not 2"):
        attention(1024, chip=PAPER.override(read_ports=2))


def test_a_window_is_refused():
    with pytest.raises(InputError, match="a baseline's mask must be causal or full, not a window of 64 tokens"):
        attention(1024, mask=Mask(window=64))
