"""Boolean functions of a Liberty file: their normal form in Verilog, and their truth tables.

liberty-parser reads a function into a tree of sympy, which also evaluates it. The normal form is that tree as text: the
operators ~ & ^ | of Verilog, every operation in parentheses, operands sorted.
"""

import re
from collections.abc import Mapping
from functools import cache
from itertools import product
from typing import Any

SIGNS = {"And": " & ", "Or": " | ", "Xor": " ^ "}
CONSTANTS = {"BooleanTrue": "1'b1", "BooleanFalse": "1'b0"}


@cache
def normal_form(text: str) -> str:
    """A function in the operators of Liberty as one in those of Verilog; "" stays "".

    In Liberty ^ binds closer than &, and & closer than |.
    """
    from liberty.boolean_functions import parse_boolean_function

    return _verilog(parse_boolean_function(text)) if text.strip() else ""


@cache
def truth_table(function: str, pins: tuple[str, ...]) -> tuple[bool, ...]:
    """Values of a function in normal form; the first pin changes slowest."""
    from sympy import Symbol
    from sympy.logic.boolalg import truth_table as evaluated

    return tuple(bool(value) for value in evaluated(_tree(function), [Symbol(pin) for pin in pins], input=False))


@cache
def minterms(condition: str) -> tuple[tuple[str, ...], tuple[tuple[bool, ...], ...]]:
    """The pins of a condition in normal form, sorted, and the values of them for which it holds; "" always holds."""
    if not condition:
        return (), ((),)
    pins = tuple(sorted(str(symbol) for symbol in _tree(condition).free_symbols))
    rows = zip(product((False, True), repeat=len(pins)), truth_table(condition, pins), strict=True)
    return pins, tuple(row for row, holds in rows if holds)


def substituted(function: str, nets: Mapping[str, str]) -> str:
    """A function in normal form over nets instead of pins."""
    return re.sub(r"(?<!')\b[A-Za-z_]\w*", lambda pin: nets[pin[0]], function)


def _tree(function: str) -> Any:
    """The tree of a function in normal form."""
    from liberty.boolean_functions import parse_boolean_function

    return parse_boolean_function(re.sub(r"1'b([01])", r"\1", function).replace("~", "!"))


def _verilog(tree: Any) -> str:
    kind = type(tree).__name__
    if kind in SIGNS:
        return f"({SIGNS[kind].join(sorted(_verilog(each) for each in tree.args))})"
    if kind == "Not":
        return f"(~{_verilog(tree.args[0])})"
    return CONSTANTS.get(kind, str(tree))
