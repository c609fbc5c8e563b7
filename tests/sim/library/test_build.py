"""Libraries of several threads and with a trace, and what is missing for one."""

import contextlib
import os
from pathlib import Path

import pytest
from tests.cases import ALL
from tests.sim.library.fst import VALUES, blocks, signals, times
from tests.sim.library.test_run import ONE, TINY, assert_golden, jobs_of

from fusioncim.build.workers import cores
from fusioncim_golden.errors import InputError
from fusioncim_sim.library import build
from fusioncim_sim.library.binding import ChipModel
from fusioncim_sim.library.build import build_library
from fusioncim_sim.library.run import run_jobs
from fusioncim_sim.library.trace import check_trace

pytestmark = pytest.mark.timeout(1200)  # it may compile a chip

LONG = pytest.mark.skipif(not ALL, reason="takes minutes: make test-chips")
THREADS = Path("/proc/self/task")
RESET_CYCLES, CYCLE_NS = 3, 10


def has_trace():
    """What a trace needs is installed."""
    try:
        build.require_compiler(trace=True)
    except InputError:
        return False
    return True


@LONG
def test_threads_compute_the_same():
    jobs, library = jobs_of(TINY), build_library(TINY, threads=2)
    with one_core(), pytest.raises(InputError, match=r"^a library of 2 threads needs as many cores, not 1$"):
        ChipModel(library)
    if cores() > 1:
        one, two = run_jobs(TINY, jobs), run_jobs(TINY, jobs, library=library)
        assert_golden(TINY, jobs, two)
        assert (two.counters, two.cycles) == (one.counters, one.cycles)


@contextlib.contextmanager
def one_core():
    """This process may use one core alone."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def test_a_chip_of_one_thread_starts_no_other():
    library = build_library(TINY)
    before = len(list(THREADS.iterdir()))
    with ChipModel(library) as model:
        model.run(10)
        assert len(list(THREADS.iterdir())) == before


@LONG
@pytest.mark.skipif(ALL and not has_trace(), reason="no LZ4 or zlib: apt-get install liblz4-dev zlib1g-dev")
def test_a_trace_has_all_cycles_and_the_names_of_the_signals(tmp_path):
    jobs, trace = jobs_of(ONE), tmp_path / "new.fst"
    run = run_jobs(ONE, jobs, trace=trace)
    assert_golden(ONE, jobs, run)
    assert times(trace) == (0, CYCLE_NS * (run.cycles + RESET_CYCLES))
    assert {"chip.clk", "chip.irq", "chip.m_axi_araddr", "chip.s_axil_awvalid"} <= signals(trace)
    assert any(".core.engine_0." in name for name in signals(trace))
    assert any(kind == VALUES for kind, _ in blocks(trace))
    check_trace(trace)  # it may be written again


def test_a_library_is_found_again(monkeypatch):
    place = build_library(TINY)

    def verilate(*_, **__):
        raise AssertionError

    monkeypatch.setattr(build, "verilate", verilate)
    assert build_library(TINY) == place
    with pytest.raises(AssertionError):
        build_library(TINY, threads=3)


def test_what_a_trace_needs_is_named(tmp_path, monkeypatch):
    (tmp_path / "lz4.h").write_text("#error none\n", encoding="utf-8")
    monkeypatch.setenv("CPATH", str(tmp_path))
    with pytest.raises(InputError, match=r"a trace needs the headers lz4\.h and zlib\.h: .* liblz4-dev zlib1g-dev"):
        build_library(TINY, trace=True)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("new.vcd", b"", "the trace must end in .fst, not"),
        ("new.fst", b"mine", "exists and was not written by this command"),
        ("none/new.fst", None, "the directory of the output file must exist"),
    ],
)
def test_a_place_that_cannot_hold_a_trace_is_refused(name, content, said, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        check_trace(tmp_path / name)
