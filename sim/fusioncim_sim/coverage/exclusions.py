"""Points of the RTL that need not be reached, from exclusions.toml, each with its reason."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from fusioncim_golden.errors import InputError
from fusioncim_sim.coverage.rtl import Point

FILE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Points that are left out.

    Members:
        unit, kind: of the points, * for all.
        match: a regular expression of the whole `place` of a point.
        reason: why no test reaches them.
    """

    unit: str
    kind: str
    match: str
    reason: str

    def fits(self, point: Point) -> bool:
        """Whether it leaves a point out."""
        return (
            fnmatch(point.unit, self.unit)
            and fnmatch(point.kind, self.kind)
            and re.fullmatch(self.match, point.place) is not None
        )


def exclusions(file: Path = FILE) -> list[Exclusion]:
    """All of them. Errors: one without a reason."""
    found = [Exclusion(**values) for values in tomllib.loads(file.read_text(encoding="utf-8")).get("excluded", [])]
    for one in found:
        if not one.reason.strip():
            raise InputError(f"an exclusion must have a reason, not {one}")
    return found


def reasons(points: Iterable[Point], excluded: Iterable[Exclusion]) -> dict[Point, str]:
    """The points that are left out, with the reasons."""
    excluded = list(excluded)
    return {point: one.reason for point in points for one in excluded if one.fits(point)}


def stale(points: Iterable[Point], excluded: Iterable[Exclusion]) -> list[Exclusion]:
    """Those that leave out nothing."""
    points = list(points)
    return [one for one in excluded if not any(one.fits(point) for point in points)]
