"""The command that makes the stored figures again."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fusioncim_sim.cli.options import Jobs, Model, page


class Subject(StrEnum):
    """What is measured."""

    engine = "engine"
    chip = "chip"
    choices = "choices"
    banks = "banks"
    cost = "cost"
    timing = "timing"
    calibration = "calibration"
    system = "system"
    reproduction = "reproduction"
    sensitivity = "sensitivity"
    fpga = "fpga"
    quality = "quality"
    tables = "tables"


def measure(
    subject: Annotated[Subject, typer.Argument(help="What to measure.")] = Subject.engine,
    quick: Annotated[
        bool, typer.Option("--quick", help="With engine: leave out engine.json, whose simulations take minutes.")
    ] = False,
    part: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="With quality: this part only; may be repeated.")
    ] = None,
    model: Model = "smollm2",
    workload: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="With chip: this job only, printed; may be repeated.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory of the JSON files.")] = Path("measurements"),
    jobs: Jobs = None,
) -> None:
    """Measure the design again: write measurements/*.json.

    engine: engine.json, accuracy.json and rescales.json of single engines, and the README's tables of them (minutes).
    chip: utilization and traffic of whole chips, the cost of generating them, the speed of simulation (a quarter of an
    hour). choices: the alternatives to the default parameters in area, error and rescales. banks: macros, latches and
    flip-flops in area and energy (many minutes). cost: area and power of every part of the published chip, from gates
    (half an hour). timing: all presets against the clock. calibration: counters of the RTL, to which `evaluate` is held
    (minutes). system: what `evaluate` says about whole models; reproduction: the published figures beside ours;
    sensitivity: how these depend on what is assumed. fpga: bitstreams (half an hour). quality: what the arithmetic
    does to a language model; needs the extra llm (an hour). tables: nothing new, but the pages that show all this are
    written again.

    Example: fusioncim measure system -o measurements
    """
    from fusioncim.build.workers import cores
    from fusioncim_sim.pages.fill import write_tables
    from fusioncim_sim.studies.banks import write_banks
    from fusioncim_sim.studies.calibration import write_calibration
    from fusioncim_sim.studies.chip import run_chip_measurements
    from fusioncim_sim.studies.cost import write_cost
    from fusioncim_sim.studies.engine import run_measurements
    from fusioncim_sim.studies.fpga import write_fpga
    from fusioncim_sim.studies.parameters import write_choices
    from fusioncim_sim.studies.reproduction import write_reproduction
    from fusioncim_sim.studies.sensitivity import write_sensitivity
    from fusioncim_sim.studies.system import write_system
    from fusioncim_sim.studies.timing import write_timing

    parallel = jobs or cores()
    if subject == Subject.engine:
        run_measurements(page(), quick=quick, output=output, jobs=parallel)
    elif subject == Subject.chip:
        run_chip_measurements(page(), output=output, jobs=parallel, names=workload or ())
    elif subject == Subject.quality:
        from fusioncim_sim.studies.quality import write_study

        write_study(output, model, None, part or (), parallel)
    elif subject == Subject.tables:
        write_tables(output)
    else:
        write = {
            Subject.choices: write_choices,
            Subject.banks: write_banks,
            Subject.cost: write_cost,
            Subject.timing: write_timing,
            Subject.calibration: write_calibration,
            Subject.system: write_system,
            Subject.reproduction: write_reproduction,
            Subject.sensitivity: write_sensitivity,
            Subject.fpga: write_fpga,
        }[subject]
        write(output, parallel)
