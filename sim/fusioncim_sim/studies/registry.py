"""All studies: what `fusioncim measure` offers, and the tables that it fills.

A subject is the name of a module or package of this folder, and of the file in measurements/ that it writes.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from fusioncim_sim.studies.study import Study


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a user is told about a study.

    Members:
        about: what it measures
        time: how long that takes, roughly, on two cores
        extra: what it needs beside a base install, as `pip install fusioncim[...]` takes it
        parts: what its parts are, if it has any that `--part` can name
        source: what `--source` must be, if it reads another design
    """

    about: str
    time: str
    extra: str = ""
    parts: str = ""
    source: str = ""

    def __str__(self) -> str:
        return f"{self.about} ({self.time}{f'; extra {self.extra}' if self.extra else ''})"


SUBJECTS: Mapping[str, Subject] = {
    "engine": Subject(about="cycles of single engines, on the RTL", time="minutes", extra="sim"),
    "accuracy": Subject(about="error of captured heads", time="seconds"),
    "centred": Subject(about="what may be left out of heads whose values are centred", time="minutes"),
    "rescales": Subject(about="how often captured heads move the reference of a row", time="minutes"),
    "chip": Subject(
        about="utilization and traffic of whole chips, cost of generating them, speed of simulation",
        time="a quarter of an hour",
        extra="sim",
        parts="a job, whose figures are printed and not stored",
    ),
    "library": Subject(
        about="chips as libraries: their speed beside the bench, what building them takes",
        time="half an hour",
        extra="sim",
    ),
    "parameters": Subject(
        about="alternatives to the default parameters in area, error and rescales", time="minutes", extra="synth"
    ),
    "banks": Subject(
        about="banks as macros, latches and flip-flops in area and energy", time="many minutes", extra="sim,synth"
    ),
    "cost": Subject(
        about="area and power of every part of the published chip, from gates",
        time="an hour",
        extra="place,sim,synth",
    ),
    "sizes": Subject(
        about="energy of engines with other columns, bits and rank, from gates",
        time="a quarter of an hour",
        extra="place,sim,synth",
    ),
    "formats": Subject(
        about="what numbers of real caches cost an engine in area and energy", time="many minutes", extra="sim,synth"
    ),
    "exponential": Subject(
        about="the published exponential beside that of a lane in area, energy and error",
        time="minutes",
        extra="sim,synth",
    ),
    "freeze": Subject(
        about="what rows would save that hold still for keys that are masked or can no longer matter",
        time="half an hour",
        extra="llm,place,sim,synth",
    ),
    "ita": Subject(
        about="the accelerator ITA of the PULP platform beside the published chip's engine",
        time="an hour",
        extra="place,sim,synth",
        source="the folder with the clones ITA and common_cells",
    ),
    "timing": Subject(
        about="all presets against the clock, engines of the published chip with their wires",
        time="half an hour",
        extra="place,sim,synth",
        parts="presets or wires",
    ),
    "calibration": Subject(
        about="counters of the RTL, to which the model behind evaluate is held", time="minutes", extra="sim"
    ),
    "system": Subject(about="what evaluate says about whole language models", time="minutes"),
    "serving": Subject(about="requests of two public traces served on the published chip", time="minutes"),
    "roofline": Subject(
        about="short prompts, decode steps and batches over the least cycles that they can take", time="a minute"
    ),
    "reproduction": Subject(about="the published figures and claims beside ours", time="a minute"),
    "masks": Subject(about="what windows, chunks and other masks cost", time="minutes"),
    "paging": Subject(about="what keys and values in pages cost", time="minutes"),
    "sensitivity": Subject(about="how the comparison depends on what it assumes", time="minutes"),
    "fpga": Subject(about="bitstreams of all boards", time="half an hour", extra="fpga,sim"),
    "formal": Subject(about="proofs about the RTL, each broken once", time="a quarter of an hour", extra="formal"),
    "soak": Subject(about="random jobs on random chips, bit against bit", time="hours", extra="library"),
    "coverage": Subject(
        about="what recorded tests reach of the RTL and of the plan", time="a minute", parts="plan or rtl"
    ),
    "mutants": Subject(
        about="which faults of the RTL and of the golden model the tests miss",
        time="an hour",
        extra="dev,sim",
        parts="rtl, golden or a unit of these",
    ),
    "quality": Subject(
        about="what the arithmetic does to a language model",
        time="an hour",
        extra="llm",
        parts="a part of the file",
    ),
    "caches": Subject(
        about="what quantized caches do to a language model",
        time="half an hour",
        extra="llm",
        parts="a part of the file",
    ),
    "chat": Subject(
        about="a language model whose attention the chip's Verilog computes, beside the golden model",
        time="minutes",
        extra="llm,sim",
    ),
}
"""All subjects, in the order in which the help lists them."""
DEFAULT = ("engine", "accuracy", "rescales")
"""What is measured unless something else is named: single engines."""


def study(name: str) -> Study:
    """The study of that subject; its module is imported now."""
    found: Study = import_module(f"{__package__}.{name}").STUDY
    return found


def pages() -> Mapping[str, Mapping[str, Callable[[Path], str]]]:
    """What makes the tables of the pages from the directory of the JSON files, by page and mark."""
    from fusioncim_sim.studies.measured import MEASURED

    found: dict[str, dict[str, Callable[[Path], str]]] = defaultdict(dict)
    for table in (MEASURED, *(table for name in SUBJECTS for table in study(name).tables)):
        found[table.page][table.mark] = table.text
    return found
