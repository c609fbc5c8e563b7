"""Traces of requests to a language model: the tokens of each prompt, and those generated after it.

    JSON    {"requests": [{"context": 374, "generated": 44}, ...]}
    CSV     a line per request below a line of names, ContextTokens and GeneratedTokens among them, as Azure's traces

Other entries are not looked at. Requests are in the order of the file; when they arrived does not matter.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fusioncim_golden.config import check_range
from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import read_json, read_text
from fusioncim_golden.limits import POSITIONS

DATA = Path(__file__).parent / "data"
SAMPLES: Mapping[str, str] = {"azure-conv": "azure_conv.csv", "azure-code": "azure_code.csv"}
"""Files of this package by the names of their traces."""
SOURCE = "Azure LLM inference trace 2023, P. Patel et al., Splitwise, ISCA 2024, CC-BY 4.0"
COLUMNS = {"context": "ContextTokens", "generated": "GeneratedTokens"}
"""Columns of a CSV file by what they hold."""
INTEGER = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request.

    Members:
        context: tokens of its prompt.
        generated: tokens of its answer.
    """

    context: int
    generated: int

    def __post_init__(self) -> None:
        check_range("context", self.context, 1, POSITIONS)
        check_range("generated", self.generated, 1, POSITIONS)
        if self.positions > POSITIONS:
            raise InputError(f"context + generated - 1 must be at most {POSITIONS}, not {self.positions}")

    @property
    def positions(self) -> int:
        """Keys that its last token sees: of its prompt, and of all its tokens but the last."""
        return self.context + self.generated - 1


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Requests in their order.

    Members:
        name, source: of the trace.
        requests: at least one.
    """

    name: str
    source: str
    requests: tuple[Request, ...]

    def first(self, count: int | None) -> "Trace":
        """Only so many of its requests; None: all."""
        if count is None:
            return self
        check_range("requests", count, 1, len(self.requests))
        return replace(self, requests=self.requests[:count])


def read_trace(name: str) -> Trace:
    """The trace of a name of `SAMPLES`, or of a path."""
    path = DATA / SAMPLES[name] if name in SAMPLES else Path(name)
    if path.suffix not in (".json", ".csv"):
        raise InputError(f"the trace must be {', '.join(SAMPLES)}, or a path that ends in .json or .csv, not {name}")
    rows = _json(path) if path.suffix == ".json" else _csv(path)
    requests = tuple(_request(where, row, path) for where, row in rows)
    if not requests:
        raise InputError(f"the trace must have at least one request, not none: {path}")
    source = SOURCE if name in SAMPLES else path.name
    return Trace(name=name if name in SAMPLES else path.stem, source=source, requests=requests)


def _json(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Where each request is, and its numbers."""
    requests = read_json("the trace", path).get("requests")
    if not isinstance(requests, list):
        raise InputError(f'the trace must have a list "requests", not so {path}')
    for n, request in enumerate(requests, 1):
        if not isinstance(request, dict):
            raise InputError(f"request {n} of the trace must be a JSON object, not {_short(request)}: {path}")
        yield f"request {n}", request


def _csv(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Where each request is, and its numbers."""
    lines: Sequence[str] = read_text("the trace", path).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").splitlines()
    reader = csv.DictReader(lines, strict=True)
    try:
        names = reader.fieldnames or ()
        if missing := [column for column in COLUMNS.values() if column not in names]:
            raise InputError(f"the first line of the trace must have the name {missing[0]}, not so {path}")
        for row in reader:
            values = {name: row[column] for name, column in COLUMNS.items()}
            yield (
                f"line {reader.line_num}",
                {name: int(x) if x and INTEGER.fullmatch(x.strip()) else x for name, x in values.items() if x},
            )
    except csv.Error as error:
        raise InputError(f"the trace is no CSV ({error} in line {reader.line_num}): {path}") from error


def _request(where: str, row: Mapping[str, Any], path: Path) -> Request:
    """A request from its numbers."""
    for name in COLUMNS:
        if name not in row:
            raise InputError(f"{where} of the trace must have context and generated, missing is {name}: {path}")
        if type(row[name]) is not int:
            raise InputError(f"{name} must be a whole number, not {_short(row[name])}, in {where} of {path}")
    try:
        return Request(context=row["context"], generated=row["generated"])
    except InputError as error:
        raise InputError(f"{error}, in {where} of {path}") from error


def _short(value: object) -> str:
    """A value of a file as an error shows it."""
    return json.dumps(value)[:60]
