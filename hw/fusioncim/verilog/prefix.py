"""A prefix of the user's choice in front of the name of every module, so that none meets another one of a whole system.

The text is otherwise the same, so is the order of its modules. The memory macro is renamed too.
"""

import re
from collections.abc import Iterable

from pygments.lexers.hdl import SystemVerilogLexer
from pygments.token import Name

from fusioncim_golden.errors import InputError

LONGEST = 64
"""Characters of a prefix: the names that follow from it also name files."""
MODULE = re.compile(r"(?m)^module (\w+)")
USE = re.compile(r"(?m)^(module |  )(\w+)(?=\(| #\(| (?:\w+|\\\S+ ) ?\($)")
"""A module's name where the module begins, or where it is instantiated."""


def is_keyword(word: str) -> bool:
    """Whether Verilog or SystemVerilog reserves the word."""
    kinds = [kind for kind, text in SystemVerilogLexer().get_tokens(word) if text.strip()]
    return len(kinds) == 1 and kinds[0] not in Name


def check_prefix(prefix: str) -> None:
    """Refuse a prefix that no identifier can begin with, or that is more likely a mistake."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", prefix):
        raise InputError(
            f"the prefix must be letters, digits and underscores, and not begin with a digit, not {prefix!r}"
        )
    if len(prefix) > LONGEST:
        raise InputError(f"the prefix must have at most {LONGEST} characters, not {len(prefix)}")
    if is_keyword(prefix):
        raise InputError(f"the prefix must be no keyword of Verilog or SystemVerilog, not {prefix}")


def module_names(*texts: str) -> list[str]:
    """The modules that the texts define."""
    return [name for text in texts for name in MODULE.findall(text)]


def with_prefix(text: str, prefix: str, names: Iterable[str]) -> str:
    """The Verilog with the prefix in front of these modules; a keyword that comes of it is refused."""
    known = set(names)
    for name in sorted(known):
        if is_keyword(prefix + name):
            raise InputError(f"the prefix must make no keyword of a module's name, as {prefix} does of {name}")
    return USE.sub(lambda use: use[1] + (prefix if use[2] in known else "") + use[2], text)
