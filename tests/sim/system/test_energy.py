"""Energy per event: its arithmetic, the stored table, and tables that are refused."""

import json
from dataclasses import asdict, replace

import pytest

from fusioncim.asic.memory.memory_model import Macro
from fusioncim.asic.scaling import Point, scale
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.studies.cost.rows import PAPER
from fusioncim_sim.system.cycles import Counts
from fusioncim_sim.system.dram import DRAMS, dram
from fusioncim_sim.system.energy import energy
from fusioncim_sim.system.energy_table import (
    COMPONENTS,
    CORNERS,
    ENGINE_PARTS,
    EnergyTable,
    Event,
    Line,
    corner,
    default_table,
    read_table,
)

TABLE = read_table(default_table())
COUNTERS = Counts(
    cycles=1000,
    mac_cycles=6000,
    bytes_query=10 * PAPER.vector_bytes,
    bytes_key=4096,
    bytes_value=4096,
    buffer_writes=4,
    bytes_scale=32,
    bytes_output=2048,
    buffer_reads=50,
)


NOTHING = Event(Line(0.0, 0.0), Line(0.0, 0.0), Line(0.0, 0.0))


def joules(table=TABLE, chip=PAPER, counters=COUNTERS, at="45 nm, 1.1 V", rows=10):
    return energy(table, chip, counters, rows, dram("lpddr4"), 400.0, corner(at))


def table(**changed):
    parts = dict.fromkeys(ENGINE_PARTS, NOTHING)
    around = dict.fromkeys(TABLE.around, Line(0.0, 0.0))
    leaks = dict.fromkeys(TABLE.leakage_mw, 0.0)
    return replace(
        EnergyTable(PAPER.as_dict(), parts, around, leaks, 0.1, {1024.0: 0.1}, {1024.0: 0.1}, 0.0, "test"), **changed
    )


def test_an_engine_part_per_event():
    """6,000 busy cycles of 7 + 2 rows, 10 of 128 rows of a tile, 16,000 cycles of 16 engines."""
    event = Event(Line(7.0, 2.0), Line(128.0, 100.0), Line(3.0, 0.5))
    found = joules(table(engine=dict.fromkeys(ENGINE_PARTS, NOTHING) | {"softmax": event}))
    expected = 6000 * (7 + 2 * 128) + 10 * (128 + 100 * 128) / 128 + 16_000 * (3 + 0.5 * 128)
    assert found["softmax"] == pytest.approx(expected * 1e-15)
    assert event.busy(10) == 27 + 8
    assert (event * 2).row(128) == 202
    assert all(found[name] == 0 for name in COMPONENTS if name not in ("softmax", "global buffer", "DRAM"))


@pytest.mark.parametrize(("keys", "per_key"), [(100, 0.1), (256, 0.1), (512, 0.08), (1024, 0.06), (9999, 0.06)])
def test_additions_follow_the_keys_that_a_row_sees(keys, per_key):
    """Between two lengths by the logarithm, beyond them no more; half an eighth more of them is that of its energy."""
    event = Event(Line(7.0, 2.0), Line(0.0, 0.0), Line(3.0, 0.5))
    parts = dict.fromkeys(ENGINE_PARTS, NOTHING) | {"OP-CIM": event}
    before = table(engine=parts, per_key=0.09, by_keys={1024: 0.06, 256: 0.1}, addition_fj=100.0)
    found = before.seeing(keys)
    assert found.added == pytest.approx(8 * per_key)
    assert found.engine["OP-CIM"].busy(10) == pytest.approx(event.busy(10) + 10 * (per_key - 0.09) / 8 * 100)
    assert found.seeing(256).engine == {**parts, "OP-CIM": before.seeing(256).engine["OP-CIM"]}
    assert all(found.engine[name] == NOTHING for name in ENGINE_PARTS if name != "OP-CIM")


def test_values_that_are_not_centred_have_additions_of_their_own():
    """A model with sinks keeps its mean value: its blocks are added as those of no other model."""
    before = table(by_keys={1024: 0.06, 256: 0.1}, uncentred={1024: 0.08, 256: 0.12}, addition_fj=100.0)
    assert before.seeing(512).per_key == pytest.approx(0.08)
    assert before.seeing(512, centred=False).per_key == pytest.approx(0.1)
    assert all(each > TABLE.by_keys[keys] for keys, each in TABLE.uncentred.items())
    assert TABLE.uncentred.keys() == TABLE.by_keys.keys()


def test_around_the_engines_per_cycle():
    found = joules(table(around={**table().around, "network": Line(5.0, 2.0)}))
    assert found["network"] == pytest.approx(1000 * (5 + 2 * 16) * 1e-15)


def test_the_global_buffer_per_access():
    beats, rank = PAPER.vector_bytes // PAPER.bus_bytes, PAPER.engine.update_rank
    bank = Macro(PAPER.buffer_blocks * rank, PAPER.bus_bits)
    accesses = 50 * rank * 2 * beats * bank.read_energy_fj + 4 * rank * 2 * beats * bank.write_energy_fj
    expected = accesses + 1000 * 2 * beats * bank.idle_energy_fj
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
    found = joules(counters=replace(COUNTERS, mac_cycles=16_000))
    assert found.keys() == set(COMPONENTS)
    arrays = found["IP-CIM"], found["OP-CIM"]
    assert min(arrays) > max(joules for name, joules in found.items() if name not in ("IP-CIM", "OP-CIM"))


def test_energy_of_an_engine_that_always_streams_is_the_cost_tables():
    """With tiles over as many keys as there; a row of a tile is streamed past for 8 cycles per key."""
    data = json.loads(default_table().read_bytes())
    cycles = 10_000_000
    rows = cycles / (data["keys_per_tile"] * 8) * 128
    loaded = replace(COUNTERS, cycles=cycles, mac_cycles=16 * cycles)
    chip = PAPER.override(drain_rows=data["parameters"]["drain_rows"])
    found = joules(chip=chip, counters=loaded, rows=16 * int(rows))
    for name in ENGINE_PARTS:
        row = data["table"][name]["measured"]
        watts = found[name] / (cycles / 400e6) / 16
        assert watts * 1e3 == pytest.approx(row["mw"] - row["leakage_mw"], rel=0.01), name


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"columns": 256}, "another configuration: columns must be 128, not 256"),
        ({"words": 8}, "another configuration: words must be 4, not 8"),
        ({"bus_bits": 256}, "another configuration: bus_bits must be 512, not 256"),
        ({"rows": 64}, "another configuration: softmax_lanes must be rows / 8, not 16"),
    ],
)
def test_another_configuration_is_refused(changes, text):
    with pytest.raises(InputError, match=text):
        joules(chip=PAPER.override(**changes))


def test_what_the_table_is_a_line_over_is_not():
    joules(chip=PAPER.override(engines=4, rows=64, softmax_lanes=8, buffer_bytes=1 << 18, schedule="in_order"))


def test_rows_that_leave_together_have_a_normalizer_each():
    """It idles and leaks; an output takes what it took."""
    one, four = (PAPER.override(drain_rows=n) for n in (1, 4))
    here, there = joules(chip=one), joules(chip=four)
    assert {name for name in here if here[name] != there[name]} == {"normalizer", "leakage"}
    idle = TABLE.engine["normalizer"].idle.at(128) * COUNTERS.cycles * 16
    more = 3 / TABLE.configuration["drain_rows"]
    assert there["normalizer"] - here["normalizer"] == pytest.approx(more * idle * 1e-15, rel=1e-6)
    assert TABLE.leakage(four) - TABLE.leakage(one) == pytest.approx(16 * more * TABLE.leakage_mw["normalizer"])


BAD = {
    "no json": ("{", "the energy table is no JSON"),
    "another file": ('{"table": {}}', "is no cost table"),
    "a list": ("[]", "the energy table must be a JSON object"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables(name, tmp_path):
    text, message = BAD[name]
    (tmp_path / "cost.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "cost.json")


NONSENSE = {
    "leakage": (("table", "softmax", "measured", "leakage_mw"), -2, r"at least 0, not -2 \(softmax\)"),
    "no number": (("table", "softmax", "measured", "leakage_mw"), float("nan"), "finite numbers, not nan"),
    "text": (("events_around", "network", "fj_per_cycle", "a"), "5", "finite numbers, not 5"),
    "endless": (("events", "softmax", "logic", "stream_fj_per_cycle", "b"), float("inf"), "finite numbers, not inf"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_figures_that_make_no_sense(name, tmp_path):
    path, value, message = NONSENSE[name]
    data = json.loads(default_table().read_bytes())
    place = data
    for key in path[:-1]:
        place = place[key]
    assert path[-1] in place
    place[path[-1]] = value
    (tmp_path / "cost.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "cost.json")


def test_a_table_without_a_part(tmp_path):
    data = json.loads(default_table().read_bytes())
    del data["events"]["softmax"]
    (tmp_path / "cost.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(InputError, match="must have every part of the chip, softmax, not so"):
        read_table(tmp_path / "cost.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "none.json")


# Memories.


def test_memories_have_sources_and_figures():
    for each in DRAMS.values():
        assert len(each.sources) >= 2
        assert each.pj_per_bit > 0
    with pytest.raises(InputError, match="dram must be one of lpddr4, lpddr5, gddr5, hbm2, not core"):
        dram("core")


def test_a_memory_behind_a_bus():
    """The 512 bits of the chip at 400 MHz are 25.6 GB/s in each direction; more than memory gives waits."""
    assert asdict(dram("lpddr5").behind(PAPER, 400.0)) == {"latency": 31, "period": 1}
    assert dram("lpddr4").behind(PAPER, 400.0).period == 2
    wide = PAPER.override(bus_bits=1024)
    assert (
        dram("hbm2").behind(wide, 400.0).period == dram("hbm2").behind(wide.override(read_ports=2), 400.0).period == 1
    )
    assert dram("lpddr5").behind(PAPER.override(read_ports=2), 400.0).period == 2
    assert dram("lpddr4").behind(PRESETS["tiny"], 10.0).latency == 16
