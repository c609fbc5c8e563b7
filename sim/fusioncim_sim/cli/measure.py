"""The command that makes the stored figures again."""

from pathlib import Path
from typing import Annotated

import typer

from fusioncim_sim.cli.options import Jobs, Model
from fusioncim_sim.studies.registry import DEFAULT, SUBJECTS

TABLES = "tables"
NAMES = (*SUBJECTS, TABLES)
HELP = "\n\n".join(
    (
        "What to measure; may be several.",
        *(f"{name}: {subject}." for name, subject in SUBJECTS.items()),
        f"{TABLES}: nothing new, but the pages that show all this are written again.",
    )
)
PART_HELP = "; ".join(f"of {name} {subject.parts}" for name, subject in SUBJECTS.items() if subject.parts)

SOURCE_HELP = "; ".join(f"of {name} {subject.source}" for name, subject in SUBJECTS.items() if subject.source)


def measure(
    subjects: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SUBJECT]...", help=HELP, autocompletion=lambda: list(NAMES), show_default=False),
    ] = None,
    part: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help=f"Only this part: {PART_HELP}. May be repeated.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option(metavar="DIR", help=f"RTL of another design: {SOURCE_HELP}.", show_default=False)
    ] = None,
    model: Model = "smollm2",
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory of the JSON files.")] = Path("measurements"),
    jobs: Jobs = None,
) -> None:
    """Measure the design again: write measurements/*.json.

    Example: fusioncim measure system sensitivity tables
    """
    from fusioncim.build.workers import cores
    from fusioncim_golden.config import check_choice
    from fusioncim_golden.errors import InputError
    from fusioncim_sim.pages.fill import write_tables
    from fusioncim_sim.studies.registry import study
    from fusioncim_sim.studies.study import Request, run

    chosen = subjects or DEFAULT
    for name in chosen:
        check_choice("subject", name, NAMES)
        if part and not (name in SUBJECTS and SUBJECTS[name].parts):
            raise InputError(f"--part must be of a subject that has parts, not of {name}")
    if source and not any(name in SUBJECTS and SUBJECTS[name].source for name in chosen):
        raise InputError(f"--source must be of a subject that reads another design, not of {' '.join(chosen)}")
    for name in chosen:
        if name == TABLES:
            write_tables(output)
        else:
            run(study(name), Request(output=output, jobs=jobs or cores(), parts=part or (), model=model, source=source))
