"""The command that runs random chips, jobs and memories, as long as asked."""

from pathlib import Path
from typing import Annotated

import typer

from fusioncim_sim.cli.options import Jobs, JsonOut
from fusioncim_sim.cli.results import Results

MOST = 1 << 31
"""Numbers of chips, and jobs of each."""


def soak(
    cases: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[CASE]...", help="Stored cases to run, not random ones.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(min=1, max=MOST, help="Number of the first chip; it is the seed of all.")] = 1,
    chips: Annotated[int, typer.Option(min=1, max=MOST, help="Chips, numbered from there on.")] = 2,
    chip_jobs: Annotated[int, typer.Option(min=1, max=MOST, help="Jobs of each chip, about.")] = 200,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, max=1e6, help="Begin nothing after so many minutes.", show_default=False)
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Directory of what each chip did, and of failing cases.")
    ] = Path("build/soak"),
    jobs: Jobs = None,
    json_out: JsonOut = None,
) -> None:
    """Run random jobs on random chips with random memories, faults, aborts and resets, bit against bit.

    Every chip is compiled and runs many small jobs. Exit status 1 if a byte, a status or a counter is not that of the
    golden model, or a chip hangs: the case is made small and stored. A soak that is run again goes on. Needs Verilator.

    Example: fusioncim soak --seed 7 --chips 1 --chip-jobs 20 --minutes 5
    """
    from fusioncim.build.c_compiler import require

    require("C++", "library")
    from fusioncim_sim.library.build import require_compiler

    results = Results(json_out, "chips", "seeds", "failures")
    if cases:
        from fusioncim_sim.screen.soak import cases_page
        from fusioncim_sim.soak.stored import read_case, run_stored

        stored = {path: read_case(path) for path in cases}
        require_compiler(trace=False)
        said = {str(path): run_stored(case) for path, case in stored.items()}
        cases_page(results.console, said)
        results.write({"chips": 0, "seeds": [], "failures": {path: text for path, text in said.items() if text}})
        if any(said.values()):
            raise typer.Exit(1)
        return
    from fusioncim.build.workers import cores
    from fusioncim_sim.screen.soak import soak_page

    require_compiler(trace=False)
    from fusioncim_sim.soak.soak import run_soak
    from fusioncim_sim.soak.totals import totals

    found = run_soak(seed=seed, chips=chips, jobs=chip_jobs, folder=output, processes=jobs or cores(), minutes=minutes)
    figures = totals(found)
    soak_page(results.console, figures, output)
    results.write(figures)
    if figures["failures"]:
        raise typer.Exit(1)
