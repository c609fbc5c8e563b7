"""The cycle model held to the RTL: the same jobs on both, counter by counter (calibration.json).

The stored counters are the RTL's, of simulations in which every output bit was compared. The tests run the model on the
same jobs and hold every counter to them, and run some of the jobs on the RTL again.

Of a memory that moves no beat in some cycles, Verilator and Icarus Verilog see the writes a cycle apart (its coroutines
wake in another order), and the end of a job with them: one cycle is all by which their counters of the same job differ.
Such cases run under Icarus, whose phase the model has.
"""

from collections.abc import Iterable

from fusioncim_sim.studies.calibration.comparison import comparison
from fusioncim_sim.studies.study import Request, Stored, Study


def _measure(request: Request) -> Iterable[tuple[str, Stored]]:
    from fusioncim_sim.studies.calibration import measure

    return measure.measure(request)


STUDY = Study(files={"calibration.json": ("cases",)}, measure=_measure, show=comparison)
