"""Random chips and cases: what is drawn, that a fault of a chip is found, made small and kept, and the kept cases."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.cases import ALL

from fusioncim.formal.mutant import Mutant
from fusioncim.verilog.emit import module_name, verilog
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.record import JOB_FIELDS, job_of, job_values
from fusioncim_golden.status import Status
from fusioncim_sim.library import build
from fusioncim_sim.library.build import build_library
from fusioncim_sim.soak import soak
from fusioncim_sim.soak.case import Case, JobCase, case_from_dict, differing
from fusioncim_sim.soak.features import features
from fusioncim_sim.soak.minimize import minimized
from fusioncim_sim.soak.place import PlacedJob, place
from fusioncim_sim.soak.random_chip import MOST_CELLS, cells, random_chip
from fusioncim_sim.soak.random_job import random_case
from fusioncim_sim.soak.run import MEMORY_BYTES, WrongError, run_case
from fusioncim_sim.soak.soak import cases_of, chip_of, run_soak, soak_chip
from fusioncim_sim.soak.stored import read_case, run_stored
from fusioncim_sim.soak.totals import totals

pytestmark = pytest.mark.timeout(1800)  # it may compile a chip

TINY = PRESETS["tiny"]
LONG = pytest.mark.skipif(not ALL, reason="compiles other chips: make test-chips")
CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
EVERY = 400 if ALL else 25
"""Cases of the chip tiny."""


def cases(count, chip=TINY, seed=0):
    return [random_case(np.random.default_rng([seed, n]), chip) for n in range(count)]


# What is drawn.


def test_chips_have_every_value_of_their_parameters():
    chips = [random_chip(np.random.default_rng(n)) for n in range(300)]
    assert max(map(cells, chips)) <= MOST_CELLS
    seen = {name: {chip.as_dict()[name] for chip in chips} for name in TINY.as_dict()}
    for name, values in {
        "engines": {1, 2, 4, 8},
        "operand_bits": {4, 8},
        "update_rank": {1, 2, 4, 8, 16},
        "output_bits": {8, 16},
        "drain_rows": {1, 2, 4},
        "token_scale_bits": {0, 1, 8},
        "read_ports": {1, 2},
        "walks": {1, 2},
        "alibi": {False, True},
        "seed": {False, True},
        "slack": set(range(7)),
        "schedule": {"in_order", "diagonal_first", "sink_first", "folded"},
        "bus_bits": {64, 128, 256, 512, 1024},
    }.items():
        assert seen[name] == values, name
    assert chip_of(7) == chip_of(7) != chip_of(8)


def test_cases_have_every_option_and_are_the_same_again():
    chip = TINY.override(alibi=True, token_scale_bits=8, update_rank=4, columns=32)
    drawn = cases(300, chip)
    assert drawn == cases(300, chip)
    found = Counter()
    for case in drawn:
        found.update(features(case))
        assert case_from_dict(json.loads(json.dumps(case.as_dict()))).as_dict() == as_json(case)
    least = {name: found[name] for name in found if not name.startswith(("engines", "bus", "address"))}
    for name in (
        *("shared", "lse", "intervals", "sinks", "slopes", "token scales", "centred", "pages", "batch", "gaps"),
        *("window", "chunks", "prefix", "full", "ahead", "causal", "grouped heads", "packed keys and values"),
        *("changed record", "bad entry", "fault of the memory", "abort", "reset", "hang", "pauses", "slow memory"),
        *("sequence without queries", "sequence without keys", "registers read meanwhile", "memory not at 0"),
    ):
        assert least[name] >= 20, name


def as_json(case):
    return json.loads(json.dumps(case.as_dict()))


def test_a_changed_record_is_one_that_the_rules_refuse_or_as_it_was():
    statuses = Counter()
    for case in cases(150):
        for job in place(case, MEMORY_BYTES).jobs:
            assert job_of(job.values).status(TINY) == job.status
            changed = {name for name in JOB_FIELDS if job.values[name] != moved(job, case)[name]}
            assert bool(changed) == bool(job.status)
            statuses[job.status] += 1
    assert len(statuses) > 8


def moved(job, case):
    """The record's values where the memory is."""
    values = job_values(job.image.descriptor)
    tables = ("scales", "table", "intervals", "list", "sinks", "slopes", "token_scales", "lse")
    return {
        name: values.get(name, 0)
        + (case.base if name.endswith("_address") or (name in tables and values.get(name)) else 0)
        for name in JOB_FIELDS
    }


def test_rows_add_rescale_and_skip():
    """A softmax that sees one key alone would show little."""
    events = Counter()
    for case in cases(60):
        for job in place(replace(case, base=0), MEMORY_BYTES).jobs:
            if not job.status:
                events.update(vars(job.result.events))
    assert events["row_updates"] - events["skipped_row_updates"] > events["row_updates"] / 3
    assert events["rescales"] > 300
    assert events["zero_probabilities"] < events["scores"] / 2


# Runs.


def test_random_cases_of_a_chip_are_right():
    library, statuses = build_library(TINY), Counter()
    for case in cases(EVERY, seed=22):
        statuses += run_case(case, library).statuses
    assert statuses["OK"] > EVERY
    assert len(statuses) > 5


def test_a_wrong_bit_a_stray_byte_a_status_and_a_hang_are_told(monkeypatch):
    library = build_library(TINY)
    case = Case(chip=differing(TINY), jobs=[JobCase(queries=3, keys=9, dimension=16, value_dimension=16)])
    assert run_case(case, library).exact == 1
    for name, change, said in (
        ("place.PlacedJob.put", lambda job, memory, **_: None, "stray: "),
        ("place.PlacedJob.put", one_bit, "bytes: 1 bytes, the first at"),
        ("place.PlacedJob.first", property(lambda job: (Status.SIZE, 0)), "status: job 0 ended as OK"),
        ("run.most_cycles", lambda *_, **__: 0, "hang: no room in the job queue within 0 polls"),
        ("run.traffic", lambda *_: Wrong(), "counter: bytes_key is 144, not 1"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f"fusioncim_sim.soak.{name}", change)
            with pytest.raises(WrongError, match=f"^{said}"):
                run_case(case, library)


class Wrong:
    def __init__(self):
        self.bytes_key = 1


def one_bit(job, memory, *, mark=None, put=PlacedJob.put):
    put(job, memory, mark=mark)
    if mark is None:
        memory[job.image.descriptor.o.address + 5] ^= 4


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_that_once_failed_is_right(path):
    case = read_case(path)
    if not ALL and case.config() != TINY:
        pytest.skip("compiles another chip: make test-chips")
    assert run_stored(case) == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "the case is no JSON"),
        ("[]", "the case must be a JSON object"),
        ("{}", "a case must have the keys chip and jobs"),
        ('{"chip": {}, "jobs": [{"colour": 3}]}', "no unknown ones .*colour"),
        ('{"chip": {"rows": 0}, "jobs": []}', "rows must be from 1 to 1024, not 0"),
    ],
)
def test_a_file_that_is_no_case_is_refused(content, said, tmp_path):
    (tmp_path / "case.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_case(tmp_path / "case.json")


# What fails is made small.


def test_a_failing_case_is_made_small():
    jobs = [JobCase(queries=9, keys=n, sinks=True, lse=True, sequences=[[1, 2, 0, 0, 1, 5, 0, 0, 0]]) for n in (5, 30)]
    case = Case(chip={}, jobs=[*jobs, *jobs], base=4096, pauses=(1, 0.5, 3), stop=("abort", 900), share=0.3)
    tried = []

    def fails(smaller):
        tried.append(smaller)
        return any(job.lse and job.keys >= 11 for job in smaller.jobs)

    small = minimized(case, fails, seconds=60)
    assert small == Case(chip={}, jobs=[JobCase(keys=11, lse=True)])
    assert len(tried) < 150
    few = minimized(case, fails, seconds=60, tries=3)
    assert fails(few)
    assert len(few.jobs) <= len(case.jobs)


@LONG
def test_a_fault_of_a_chip_is_found_made_small_and_kept(tmp_path, monkeypatch):
    """An OP-CIM that keeps O where it must not, and the other way round."""
    chip = TINY.override(engines=1, streams=1, rows=4)
    monkeypatch.setattr(build, "cached_verilog", lambda component: (module_name(component), verilog(component)))
    fault = Mutant("engine.op_cim:OpCimRow.elaborate", "& ~block.halve", "& block.halve")
    with fault.applied():
        monkeypatch.setattr(soak, "chip_of", lambda _: chip)
        (found,) = run_soak(seed=3, chips=1, jobs=60, folder=tmp_path, processes=1)
        failures = found["failures"]
        assert len(failures) == soak.MOST_FAILURES
        assert {each["kind"] for each in failures} <= {"bytes"}
        for each in failures:
            case = read_case(tmp_path / each["file"])
            (job,) = case.jobs
            assert (case.stop, case.pauses, case.latency, case.base, case.share) == (None, None, 30, 0, 1.0)
            assert job.queries * job.group * job.kv_heads == 1
            assert job.keys <= 4 * chip.engine.update_rank
            assert job.dimension == job.value_dimension == 8
            assert not any((job.sinks, job.lse, job.intervals, job.page_tokens, job.shared, job.gap, job.kv_bits))
            assert "bytes: " in run_stored(case)


def test_a_soak_that_is_run_again_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "chip_of", lambda _: TINY)
    (first,) = run_soak(seed=5, chips=1, jobs=6, folder=tmp_path, processes=1)
    assert first["jobs"] >= 6
    assert not first["failures"]
    monkeypatch.setattr(soak, "run_case", None)
    again = soak_chip(5, jobs=6, folder=tmp_path)
    assert again == first
    assert totals([first, {**again, "seed": 6}])["jobs"] == 2 * first["jobs"]
    assert soak_chip(5, jobs=6, folder=tmp_path, end=0.0) is None
    assert len(list(zip(range(3), cases_of(5, TINY), strict=False))) == 3
