"""Output in every locale: what its character set lacks is written with other signs instead of ending in an error."""

import codecs
import io
import os
import sys

STDERR = 2
"""Number of the standard error."""

SIGNS = {
    "\N{PLUS-MINUS SIGN}": "+-",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{MICRO SIGN}": "u",
    "\N{EN DASH}": "-",
    "\N{HORIZONTAL ELLIPSIS}": "~",
    "\N{RIGHTWARDS ARROW}": "->",
}
"""What stands for a sign in a character set without it; `?` for all others."""


def use_any_locale() -> None:
    """Let the standard streams write every text, and let Python programs that are started from here use UTF-8."""
    _open_closed()
    codecs.register_error("fusioncim.signs", _other_signs)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="fusioncim.signs")
    os.environ["PYTHONUTF8"] = "1"


def _open_closed() -> None:
    """Where standard streams are closed, let no file that is opened later take their place."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass
    os.close(number)
    if sys.stderr is None:
        sys.stderr = io.StringIO()


def _other_signs(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(SIGNS.get(sign, "?") for sign in error.object[error.start : error.end]), error.end
