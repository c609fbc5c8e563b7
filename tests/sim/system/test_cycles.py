"""The cycle model against the RTL: stored counters of all calibration cases, and some of them on the RTL again."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fusioncim_golden.chip_config import chip_from_dict
from fusioncim_golden.descriptor import Work
from fusioncim_golden.errors import InputError
from fusioncim_golden.job import traffic
from fusioncim_golden.mask import Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.studies.calibration.case import Case
from fusioncim_sim.studies.calibration.cases import CASES
from fusioncim_sim.studies.calibration.comparison import COUNTERS, differences
from fusioncim_sim.studies.calibration.measure import simulated
from fusioncim_sim.system import cycles
from fusioncim_sim.system.cycles import Memory, run

FILE = Path(__file__).parents[3] / "measurements" / "calibration.json"
STORED = json.loads(FILE.read_text(encoding="utf-8"))["cases"]
TINY = PRESETS["tiny"]


def test_every_case_is_stored():
    assert STORED.keys() == CASES.keys()
    assert len(STORED) >= 12
    for name, case in CASES.items():
        assert STORED[name]["chip"] == case.chip.as_dict()
        assert STORED[name]["memory"] == asdict(case.memory)
        jobs = [job["job"] for job in STORED[name]["jobs"]]
        assert len(jobs) == case.jobs
        assert {(job["queries"], job["keys"], job["heads"], job["kv_heads"], Mask(**job["mask"])) for job in jobs} == {
            (case.queries, case.keys, case.group * case.kv_heads, case.kv_heads, case.mask)
        }
        assert {len(work["page_list"]) for work in STORED[name]["jobs"]} == {
            -(-case.keys // case.paging.tokens) if case.paging else 0
        }
        assert {len(work["sequences"]) for work in STORED[name]["jobs"]} == {len(case.sequences)}
        assert {job["intervals"] > 0 for job in jobs} == {case.intervals}


@pytest.mark.parametrize("name", CASES)
def test_all_counters_are_those_of_the_rtl(name):
    """The figure to reach is 1 %; the model has to be exact."""
    assert STORED[name]["counters"].keys() == set(COUNTERS)
    assert differences(STORED[name]) == {}


@pytest.mark.parametrize("name", ["chunk beyond the keys", "one query"])
def test_the_rtl_still_counts_what_is_stored(name):
    found = simulated(CASES[name], simulator="icarus")
    assert json.loads(json.dumps(found)) == STORED[name]


def test_a_case_that_is_not_stored_on_the_rtl():
    case = Case(kv_heads=2, group=3, queries=3, keys=21, jobs=2, latency=70, share=0.4, layout="token")
    assert differences(simulated(case, simulator="icarus")) == {}


def test_lanes_with_a_longer_pipeline_on_the_rtl():
    case = Case(chip=TINY.override(alibi=True), kv_heads=2, queries=20, keys=20)
    assert differences(simulated(case, simulator="icarus")) == {}


def test_a_difference_shows():
    changed = {**STORED["prefill"], "memory": {"latency": 31, "period": 1}}
    assert "cycles" in differences(changed)


@pytest.mark.parametrize("name", ["prefill", "decode", "chunk"])
def test_bytes_and_engine_cycles_add_up(name):
    case = STORED[name]
    chip, job = chip_from_dict(case["chip"]), Work.from_dict(case["jobs"][0])
    counters = run(chip, [job], Memory(**case["memory"]))
    for item, value in asdict(traffic(chip, job)).items():
        assert getattr(counters, item) == value, item
    idle = counters.idle_load + counters.idle_memory + counters.idle_drain + counters.idle_imbalance
    assert counters.mac_cycles == counters.slots * chip.engine.block_cycles
    assert counters.mac_cycles + idle == counters.cycles * chip.engines


def test_memory_is_checked():
    with pytest.raises(InputError, match="latency in cycles must be from 16 to 1048576, not 5"):
        Memory(latency=5)
    with pytest.raises(InputError, match="cycles per beat must be from 1 to 1048576, not 0"):
        Memory(period=0)


def test_a_job_that_the_chip_would_refuse():
    job = Work.from_dict(STORED["prefill"]["jobs"][0]).job
    with pytest.raises(InputError, match="dimension must be a multiple of 8, from that to the columns of the chip"):
        run(TINY, [replace(job, dimension=12)])


def test_no_compiler(monkeypatch, tmp_path):
    def missing(command, **_):
        raise FileNotFoundError(2, "No such file", command[0])

    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path))
    monkeypatch.setattr(cycles, "run_program", missing)
    cycles._library.cache_clear()
    with pytest.raises(InputError, match="needs a C compiler: install it with 'apt-get install gcc'"):
        run(TINY, [Work.from_dict(STORED["one query"]["jobs"][0])])
    assert not list(tmp_path.glob("cycles-*/chip.so"))
    cycles._library.cache_clear()
