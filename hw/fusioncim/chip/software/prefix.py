"""The prefix of the user's choice in front of the C files' names and symbols: two chips fit into one program."""

import re
from collections.abc import Mapping

NAME = re.compile(r"\b(?:fusioncim|FUSIONCIM)(?=[_.*])(?!\w*\.md\b)")
"""What every name in C, and of a file in C, begins with; the names of pages stay."""
PAGE = "programming.md"
"""The page that names them."""


def with_c_prefix(files: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The files with the prefix in front of these names, in capitals in front of macros; what is not C stays as it is.

    A program of one's own, `main.c`, keeps its name.
    """

    def longer(text: str) -> str:
        return NAME.sub(lambda name: (prefix.upper() if name[0].isupper() else prefix) + name[0], text)

    changed = {}
    for name, text in files.items():
        code = name.endswith((".c", ".h"))
        changed[longer(name) if code else name] = longer(text) if code or name == PAGE else text
    return changed
