"""Energy per event: its arithmetic, the stored table, and tables that are refused."""

import json
from dataclasses import asdict, replace

import pytest

from fusioncim.flow.memory_model import Macro
from fusioncim.flow.power import Energy
from fusioncim.flow.scaling import Point, scale
from fusioncim_golden.chip import CHIP_PRESETS
from fusioncim_golden.errors import InputError
from fusioncim_sim.cost import PAPER, ROWS
from fusioncim_sim.system import measure_energy
from fusioncim_sim.system.cycles import Counters
from fusioncim_sim.system.dram import DRAMS, dram
from fusioncim_sim.system.energy import (
    COMPONENTS,
    CORNERS,
    ENGINE_PARTS,
    EnergyTable,
    Event,
    corner,
    default_table,
    energy,
    read_table,
)
from fusioncim_sim.tile import UNITS, TileResult

TABLE = read_table(default_table())
COUNTERS = Counters(
    cycles=1000,
    mac_cycles=6000,
    bytes_query=10 * PAPER.vector_bytes,
    bytes_key=4096,
    bytes_value=4096,
    bytes_scale=32,
    bytes_output=2048,
    buffer_reads=50,
)


def joules(table=TABLE, chip=PAPER, counters=COUNTERS, at="45 nm, 1.1 V"):
    return energy(table, chip, counters, dram("lpddr4"), 400.0, corner(at))


def table(**changed):
    parts = {name: Event(0.0, 0.0, 0.0, 0.0) for name in ENGINE_PARTS}
    around = dict.fromkeys(TABLE.around, (0.0, 0.0))
    leaks = dict.fromkeys(TABLE.leakage_mw, 0.0)
    return replace(EnergyTable(PAPER.as_dict(), parts, around, leaks, "test"), **changed)


def test_an_engine_part_per_event():
    """6,000 busy cycles of 7 + 2 rows, 10 rows loaded, 10,000 idle cycles of 16 engines."""
    parts = {name: Event(0.0, 0.0, 0.0, 0.0) for name in ENGINE_PARTS} | {"softmax": Event(7.0, 2.0, 100.0, 3.0)}
    found = joules(table(engine=parts))
    assert found["softmax"] == pytest.approx((6000 * (7 + 2 * 128) + 10 * 100 + 10_000 * 3) * 1e-15)
    assert all(found[name] == 0 for name in COMPONENTS if name not in ("softmax", "global buffer", "DRAM"))


def test_around_the_engines_per_cycle():
    found = joules(table(around={**table().around, "network": (5.0, 2.0)}))
    assert found["network"] == pytest.approx(1000 * (5 + 2 * 16) * 1e-15)


def test_the_global_buffer_per_access():
    bank = Macro(1024 * 4, 256)
    expected = 50 * 4 * 8 * bank.read_energy_fj + 256 * bank.write_energy_fj + 1000 * 8 * bank.idle_energy_fj
    assert joules(table())["global buffer"] == pytest.approx(expected * 1e-15)


def test_leakage_is_power_times_time():
    """1,000 cycles at 400 MHz are 2.5 us; the arrays leak by their rows, the buffer by its bytes."""
    leaks = dict.fromkeys(TABLE.leakage_mw, 0.0)
    assert joules(table(leakage_mw={**leaks, "IP-CIM": 2.0}))["leakage"] == pytest.approx(16 * 2e-3 * 2.5e-6)
    half = PAPER.override(rows=64, softmax_lanes=8, buffer_bytes=PAPER.buffer_bytes // 2)
    assert joules(table(leakage_mw={**leaks, "IP-CIM": 2.0}), half)["leakage"] == pytest.approx(16 * 1e-3 * 2.5e-6)
    assert joules(table(leakage_mw={**leaks, "global buffer": 2.0}), half)["leakage"] == pytest.approx(1e-3 * 2.5e-6)


def test_memory_by_the_bit():
    assert joules()["DRAM"] == pytest.approx((1280 + 4096 * 2 + 32 + 2048) * 8 * 13.0e-12)


@pytest.mark.parametrize("name", CORNERS)
def test_corners_scale_everything_but_memory(name):
    here, there = joules(), joules(at=name)
    factor = scale(CORNERS[name]).energy
    for part in COMPONENTS:
        assert there[part] == pytest.approx(here[part] * (1 if part == "DRAM" else factor))
    assert corner("28 nm, 0.72 V") == Point(28, 0.72)


def test_the_stored_table_is_of_the_published_chip():
    assert TABLE.configuration == PAPER.as_dict()
    data = json.loads(default_table().read_bytes())
    assert data["mismatches"] == 0
    assert all(abs(part["deviation_percent"]) < 5 for part in data["engine"].values())
    found = joules(counters=replace(COUNTERS, mac_cycles=16_000))
    assert found.keys() == set(COMPONENTS)
    assert max(found, key=found.get) == "OP-CIM"


def test_the_stored_table_agrees_with_the_cost_table():
    """A busy cycle of a whole engine, load and drain not included, against the cost table's, which has them in it."""
    cost = json.loads((default_table().parent / "cost.json").read_bytes())["table"]
    for name in ("IP-CIM", "OP-CIM", "softmax"):
        event, row = TABLE.engine[name], cost[name]["measured"]
        per_cycle = (row["logic_mw"] + row["bank_mw"]) / (1e-6 * 400)
        assert event.a + 128 * event.b == pytest.approx(per_cycle, rel=0.3), name


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"columns": 256}, "another configuration: columns must be 128, not 256"),
        ({"words": 8}, "another configuration: words must be 4, not 8"),
        ({"bus_bits": 512}, "another configuration: bus_bits must be 256, not 512"),
        ({"rows": 64}, "holds for softmax_lanes = rows / operand_bits, not for 16"),
    ],
)
def test_another_configuration_is_refused(changes, text):
    with pytest.raises(InputError, match=text):
        joules(chip=PAPER.override(**changes))


def test_what_the_table_is_a_line_over_is_not():
    joules(chip=PAPER.override(engines=4, rows=64, softmax_lanes=8, buffer_bytes=1 << 18, schedule="in_order"))


BAD = {
    "no json": ("{", "is no energy table"),
    "another file": ('{"table": {}}', "is no energy table"),
    "a list": ("[]", "is no energy table"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables(name, tmp_path):
    text, message = BAD[name]
    (tmp_path / "energy.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "energy.json")


def test_a_table_without_a_part(tmp_path):
    data = json.loads(default_table().read_bytes())
    del data["engine"]["softmax"]
    (tmp_path / "energy.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="must have every part of the chip, softmax, not so"):
        read_table(tmp_path / "energy.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "none.json")


# The measurement.


def tile_of(rows, tokens):
    """A run whose energies are known: 5 + 2 rows per busy cycle, 70 per row, a clock of 3 per cycle."""
    config = PAPER.engine.override(rows=rows, softmax_lanes=rows // 8)
    cycles = tokens * 8 + 40 + 10 * rows
    energy = Energy(
        switching=(5 + 2 * rows) * tokens * 8 + 70 * rows, clock=3 * cycles, leakage=1e6, memory_leakage=5e5
    )
    return TileResult(
        config=config,
        heads=("one",),
        tokens=tokens,
        queries=rows,
        period_ns=2.5,
        cycles=cycles,
        clock_cycles=cycles,
        macs=1,
        mismatches=0,
        energies=dict.fromkeys(UNITS, energy),
    )


def test_events_are_found_again():
    runs = {(rows, tokens): tile_of(rows, tokens) for rows in (8, 16) for tokens in (64, 128, 256)}
    for name, units in ROWS.items():
        found = measure_energy.events(runs, name)
        n = len(units)
        assert found["busy"] == {"a": pytest.approx((5 + 3) * n), "b": pytest.approx(2 * n)}
        assert found["row"] == pytest.approx(70 * n)
        assert found["idle"] == pytest.approx(3 * n)
        assert found["deviation_percent"] == 0


def test_a_cost_table_of_another_chip(tmp_path):
    path = tmp_path / "cost.json"
    with pytest.raises(InputError, match="must be measured first, with 'fusioncim measure --cost'"):
        measure_energy.read_cost(path)
    path.write_text(json.dumps({"chip": {"engines": 16, "rows": 64, "columns": 128}}))
    with pytest.raises(InputError, match="rows of the cost table must be 128, as of the measured chip, not 64"):
        measure_energy.read_cost(path)


# Memories.


def test_memories_have_sources_and_figures():
    for each in DRAMS.values():
        assert len(each.sources) >= 2
        assert each.pj_per_bit > 0
    with pytest.raises(InputError, match="dram must be one of lpddr4, gddr5, hbm2, not core"):
        dram("core")


def test_a_memory_behind_a_bus():
    """The 256 bits of the published chip at 400 MHz are 12.8 GB/s in each direction; more than memory gives waits."""
    assert asdict(dram("lpddr4").behind(PAPER, 400.0)) == {"latency": 31, "period": 1}
    assert dram("lpddr4").behind(PAPER.override(bus_bits=512), 400.0).period == 2
    assert dram("hbm2").behind(PAPER.override(bus_bits=1024), 400.0).period == 1
    assert dram("lpddr4").behind(CHIP_PRESETS["tiny"], 10.0).latency == 16
