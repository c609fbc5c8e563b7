"""Whole chips with a fault where addresses are made: nothing is written elsewhere, the job says so, others go on."""

from contextlib import ExitStack

import numpy as np
import pytest
from tests.cases import one_in
from tests.hw.chip.test_chip_sinks import job

from fusioncim.chip.chip import Chip
from fusioncim.formal.mutant import Mutant
from fusioncim.lib.bank import SRAM
from fusioncim.verilog.emit import verilog
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.chip_run import simulate_chip
from fusioncim_sim.rtl.programs import compile_icarus
from fusioncim_sim.rtl.runner import Program

TINY = PRESETS["tiny"]
LOADER = "chip.query_loader:QueryLoader.elaborate"
PACKER = "chip.output_packer:OutputPacker._walk"
FAULTS = {
    # in the second sequence under way: its first rows, far away and a row before its output
    "place, far": Mutant(
        LOADER, "self.place.address.eq(o_address)", "self.place.address.eq(o_address ^ ((self.slot == 1) << 20))"
    ),
    "place, a row before": Mutant(
        LOADER, "self.place.address.eq(o_address)", "self.place.address.eq(o_address - Mux(self.slot == 1, 32, 0))"
    ),
    # its walk, from the second row on
    "walk": Mutant(PACKER, "place.address + self.step", "place.address + (self.step << Mux(place.slot == 1, 12, 0))"),
    # its log-sum-exp
    "log-sum-exp": Mutant(
        LOADER, "self.place.lse.eq(l_address)", "self.place.lse.eq(l_address ^ ((self.slot == 1) << 16))"
    ),
}


def jobs():
    return [job(TINY, n, 2, 9, 12, lse=True) for n in range(4)]


def faulty(place, *faults):
    """A chip with these faults; it is not kept by the text of the sources, which do not have them."""
    with ExitStack() as stack:
        for fault in faults:
            stack.enter_context(fault.applied())
        (place / "chip.v").write_text(verilog(Chip(TINY)), encoding="utf-8")
    compile_icarus(place, "chip", (str(SRAM),))
    return Program(place, "chip")


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", one_in(2, FAULTS))
def test_a_wrong_address_is_stopped_and_reported(tmp_path, name):
    """The fault is in one of four jobs; the other three have every bit."""
    work = jobs()
    run = simulate_chip(TINY, work, cycles=60_000, program=faulty(tmp_path, FAULTS[name]))
    assert run.statuses == [Status.OK, Status.GUARD, Status.OK, Status.OK]
    assert run.stray == 0
    for n in (0, 2, 3):
        assert np.array_equal(work[n].golden(TINY), run.outputs[n])
        assert np.array_equal(work[n].result(TINY).lse, run.lse[n])


@pytest.mark.long
@pytest.mark.timeout(900)
def test_without_the_guard_it_would_be_written(tmp_path):
    off = Mutant("chip.write_guard:WriteGuard.elaborate", "request.drop | ~inside", "request.drop")
    run = simulate_chip(TINY, jobs(), cycles=60_000, program=faulty(tmp_path, FAULTS["place, a row before"], off))
    assert run.statuses[1] == Status.GUARD
    assert run.stray > 0
