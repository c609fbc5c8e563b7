"""What the recorded runs reach of the RTL: lines, branches, and the bits that change, as Verilator counts them.

A configuration is a Verilog of its own. Points of several are the same where their unit, their statement and their kind
are: a unit is the class that a module was made from, and numbers in a statement do not count. A point is reached if it
is in any configuration. Toggles are those of every bit of a signal, up and down.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusioncim.build.cache import build_root, kept_text
from fusioncim.build.sources import file_of
from fusioncim.lib.bank import SRAM
from fusioncim_sim.coverage import record

KINDS = ("line", "branch", "toggle")
CLASS = re.compile(r"(?m)^class (\w+)\(")
NUMBER = re.compile(r"\d+'s?[bdho][0-9a-fxz?]+|\b\d+\b")
BIT = re.compile(r"^(.*?)(?:\[(\d+)\])?:(0->1|1->0)$")


@dataclass(frozen=True, order=True)
class Point:
    """A line, a branch, or a direction of a bit.

    Members:
        unit: the component in lower case, as in the name of its module.
        kind: of KINDS.
        text: the statement with its numbers left out, or the signal.
        part: which part of the statement, or the bit and where it goes.
        turn: which of the points with the same text.
    """

    unit: str
    kind: str
    text: str
    part: str
    turn: int = 0

    @property
    def place(self) -> str:
        """The statement, or the signal with the bit in brackets."""
        return f"{self.text}[{self.part.split()[0]}]" if self.kind == "toggle" else self.text


@dataclass
class Reached:
    """Points, and how many runs and designs they are of.

    Members:
        points: whether a run reached them.
        designs, runs: how many there are.
    """

    points: dict[Point, bool] = field(default_factory=dict)
    designs: int = 0
    runs: int = 0


def reached() -> Reached:
    """What all recorded runs reach."""
    found = Reached()
    units = component_files()
    for folder in sorted((record.place() / "rtl").glob("*")):
        counts: Counter[str] = Counter()
        for file in sorted(folder.glob("*.dat.gz")):
            counts.update(_counts(file))
            found.runs += 1
        verilog = next((build_root() / "designs" / folder.name).glob("*.v"), None)
        if not counts or verilog is None:
            continue
        found.designs += 1
        for point, count in _points(counts, kept_text(verilog).splitlines(), units):
            found.points[point] = found.points.get(point, False) or count > 0
    return found


def _counts(file: Path) -> dict[str, int]:
    """Counts of a run by point, as Verilator names it."""
    found = {}
    for line in kept_text(file).splitlines():
        if line.startswith("C '"):
            name, _, count = line[3:].rpartition("' ")
            found[name] = int(count)
    return found


def _points(counts: Mapping[str, int], lines: list[str], units: Mapping[str, str]) -> Iterator[tuple[Point, int]]:
    """The points of a design, and how often each was reached; memories are left out."""
    met: Counter[tuple[str, str, str, str]] = Counter()
    rows = []
    for name, count in counts.items():
        fields = dict(item.split("\2", 1) for item in name.split("\1") if "\2" in item)
        if not fields["f"].endswith(SRAM.name):
            rows.append((int(fields["l"]), int(fields["n"]), fields, count))
    for line, _, fields, count in sorted(rows, key=lambda row: row[:2]):
        kind, module = fields["page"].removeprefix("v_").split("/")
        unit = unit_of(re.sub(r"__[A-Z]\w*$", "", module), units)
        if kind == "toggle":
            said = BIT.match(fields["o"].replace("__05F", "_"))
            if said:
                bit = f"{said[2] or 0} {'up' if said[3] == '0->1' else 'down'}"
                yield Point(unit, kind, said[1], bit), count
        elif kind in KINDS:
            text = NUMBER.sub("#", lines[line - 1].strip())
            key = (module, kind, text, fields["o"])
            yield Point(unit, kind, text, fields["o"], met[key]), count
            met[key] += 1


def component_files() -> dict[str, str]:
    """The source file of every class of the generator, by its name in the name of a module."""
    root = file_of("fusioncim").parent
    found = {}
    for file in sorted(root.rglob("*.py")):
        for name in CLASS.findall(file.read_text(encoding="utf-8")):
            found[re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()] = file.relative_to(root).as_posix()
    return found


def unit_of(module: str, units: Iterable[str]) -> str:
    """The component of a module: the longest name that its name begins with."""
    fits = [name for name in units if module == name or module.startswith(f"{name}_")]
    return max(fits, key=len, default=module)


def gaps(points: Iterable[Point]) -> list[str]:
    """Points in few words: a statement and its part, or a signal with its bits."""
    bits: dict[tuple[str, str], list[int]] = defaultdict(list)
    said = []
    for point in sorted(points):
        if point.kind == "toggle":
            number, way = point.part.split()
            bits[point.text, way].append(int(number))
        else:
            said.append(f"{point.kind} {point.text} ({point.part})")
    for (signal, way), numbers in bits.items():
        said.append(f"toggle {signal}[{ranges(numbers)}] {way}")
    return said


def ranges(numbers: Iterable[int]) -> str:
    """Numbers as ranges."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in found)


def figures(found: Reached, reasons: Mapping[Point, str]) -> dict[str, Any]:
    """By unit of the generator and kind: points, those reached, those left out with a reason, and the gaps."""
    files = component_files()
    by_unit: dict[str, dict[str, list[Point]]] = defaultdict(lambda: {kind: [] for kind in KINDS})
    for point in found.points:
        if point.unit in files:
            by_unit[point.unit][point.kind].append(point)
    units = {}
    for unit, kinds in sorted(by_unit.items()):
        told: dict[str, Any] = {"file": files[unit]}
        open_points: list[Point] = []
        for kind, points in kinds.items():
            missed = [point for point in points if not found.points[point]]
            open_points += [point for point in missed if point not in reasons]
            told[kind] = {
                "points": len(points),
                "reached": len(points) - len(missed),
                "left_out": sum(point in reasons for point in missed),
            }
        units[unit] = told | {"gaps": gaps(open_points)}
    return units
