"""Which arrays are a head's: q, k and v alone, or behind a name, as NAME_q or NAME.q."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fusioncim_golden.errors import InputError

PARTS = ("q", "k", "v")
BESIDE = ("scale", "range", "sequences")
"""What may stand beside q, k and v."""
ENDS = re.compile(rf"((?:.*[_.])?)({'|'.join((*PARTS, *BESIDE))})", re.DOTALL)
PLAIN = "head"
"""The name of heads whose arrays have none."""
SHOWN = 8
"""Names of arrays that an error shows."""


@dataclass(frozen=True)
class Named:
    """The arrays that belong together.

    Members:
        name: of the head or heads.
        before: what stands in the names of the arrays before what they are.
        there: what there is, of PARTS and BESIDE.
    """

    name: str
    before: str
    there: frozenset[str]

    def array(self, part: str) -> str:
        """The name of an array in the file."""
        return self.before + part

    @property
    def labels(self) -> str:
        """The names of q, k and v in a sentence."""
        return ", ".join(map(self.array, PARTS))


def named_arrays(arrays: Iterable[str]) -> list[Named]:
    """The arrays of a file by the names of the heads, in their order; others are left out."""
    there = tuple(arrays)
    known: dict[str, list[str]] = {}
    for array in there:
        if match := ENDS.fullmatch(array):
            known.setdefault(match[1], []).append(match[2])
    found = [_named(before, ends) for before, ends in known.items() if set(PARTS) & set(ends)]
    if not found:
        raise InputError(f"the heads file must hold arrays q, k, v, or NAME_q, NAME_k, NAME_v, not {_some(there)}")
    _check(found, known)
    return sorted(found, key=lambda each: each.name)


def _named(before: str, ends: Iterable[str]) -> Named:
    return Named(before[:-1] if before else PLAIN, before, frozenset(ends))


def _check(found: Iterable[Named], known: Mapping[str, Iterable[str]]) -> None:
    """Refuse heads that are not whole, what stands beside none, and names that cannot be told or shown."""
    names = {each.before: each.name for each in found}
    for before, ends in known.items():
        if before not in names:
            end = next(iter(ends))
            raise InputError(
                f"NAME_{end} must be of a head of the file ({', '.join(names.values())}), not {before}{end}"
            )
    for each in found:
        if not each.name.isprintable() or not each.name.strip():
            raise InputError(f"the name of a head must be of printable signs, not {each.name!r}")
        for part in PARTS:
            if part not in each.there:
                raise InputError(f"a head must have arrays {each.labels}; missing is {each.array(part)}")
    check_different(names.values())


def check_different(names: Iterable[str]) -> None:
    """Refuse two heads of one name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"the names of heads must be different, not {name} twice")
        seen.add(name)


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN:,} others" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "nothing") + more
