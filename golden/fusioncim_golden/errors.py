"""The one error that a user's input can raise."""

from collections.abc import Iterable
from difflib import get_close_matches

LIKE = 0.7
"""How like a name must be to one that is known, of 1, to be taken for it."""


class InputError(ValueError):
    """Something that the user gave breaks a rule; the message states the rule and ends with the offending value."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What an error says of a name that is not known: the one that is like it; nothing if none is."""
    return "".join(f" (did you mean {near}?)" for near in get_close_matches(name, known, n=1, cutoff=LIKE))


def unknown_key(name: str, known: Iterable[str]) -> InputError:
    """The error for a parameter that there is not."""
    names = list(known)
    hint = did_you_mean(name, names)
    return InputError(f"unknown configuration key{hint}: the keys are {', '.join(names)}, not {name}")
