"""Cases in files: read and run again."""

from pathlib import Path

from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import read_json
from fusioncim_sim.library.build import build_library
from fusioncim_sim.soak.case import Case, case_from_dict
from fusioncim_sim.soak.run import WrongError, run_case

ABOUT = ("kind", "seeds", "about")
"""What a file may say of its case besides: what was wrong, from which seeds it is, what it shows."""


def read_case(path: Path) -> Case:
    """The case of a file. Errors: it is none."""
    values = read_json("the case", path)
    try:
        case = case_from_dict({name: value for name, value in values.items() if name not in ABOUT})
        case.config()
    except (TypeError, AttributeError, ValueError) as error:
        raise InputError(f"the case is damaged ({error}): {path}") from error
    return case


def run_stored(case: Case) -> str:
    """What is wrong in a case, or nothing."""
    try:
        run_case(case, build_library(case.config()))
    except WrongError as wrong:
        return str(wrong)
    return ""
