"""Which cases the long tests run: with all tests a part of them, and all of them by targets of their own."""

import os

ALL = os.environ.get("FUSIONCIM_ALL_CASES") == "1"
SHARE = 1 if ALL else 2
"""Of the moments at which a test stops something, every so many are taken."""


def part(cases, *names):
    """The names of all cases, or these of them."""
    assert set(names) <= set(cases)
    return list(cases) if ALL else list(names)


def one_in(number, cases):
    """All cases, or the first of every so many."""
    return list(cases)[:: 1 if ALL else number]
