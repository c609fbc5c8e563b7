"""Expressions: each is computed once, in one piece, and stands where it is used if that is a single place."""

import re

from fusioncim.verilog.module_text import NAME, OPERAND, PLAIN, ModuleText
from fusioncim.verilog.names import UNNAMED

LONGEST = 60
"""Characters of an expression that may be written inside another one."""

BIT = re.compile(rf"{PLAIN}\[\d+\]")
COMPARISON = re.compile(rf"{OPERAND} [=!<>]=? {OPERAND}|\$signed\({OPERAND}\) [<>]=? \$signed\({OPERAND}\)")
REDUCTION = re.compile(rf"(?:&|\||\^|~\|) {OPERAND}")


def join_parts(text: ModuleText) -> None:
    """Assign a wire once, where its parts were assigned one by one: `x[3:1] = a`, `x[0] = b` -> `x = { a, b }`."""
    wires: dict[str, list[tuple[int, int, str]]] = {}
    for left, right in text.assigned:
        if match := re.fullmatch(rf"({PLAIN})\[(\d+)(?::(\d+))?\]", left):
            name, high, low = match.groups()
            wires.setdefault(name, []).append((int(high), int(low or high), right))
    for name, parts in wires.items():
        parts.sort(reverse=True)
        bits = [bit for high, low, _ in parts for bit in (high, low - 1)]
        whole = bits[1:-1:2] == bits[2::2] and bits[-1] == -1 and text.declared[name].bits == f"[{bits[0]}:0] "
        if whole and all(re.fullmatch(OPERAND, right) for *_, right in parts):
            text.assigned = [(left, right) for left, right in text.assigned if not left.startswith(f"{name}[")]
            text.assigned.append((name, f"{{ {', '.join(right for *_, right in parts)} }}"))


def drop_unused(text: ModuleText) -> None:
    """Remove the wires that nothing reads."""
    while True:
        uses = text.uses()
        assigned = {left for left, _ in text.assigned}
        inside = [name for name, this in text.declared.items() if not this.direction]
        unused = {name for name in inside if uses[name] == (name in assigned)}
        if not unused:
            return
        text.remove(unused)


def drop_equal(text: ModuleText) -> None:
    """Compute equal expressions once."""
    names: dict[str, str] = {}
    first: dict[tuple[str, str], str] = {}
    for left, right in text.ordered():
        if UNNAMED.fullmatch(left):
            key = (NAME.sub(lambda match: names.get(match[0], match[0]), right), text.declared[left].bits)
            if first.setdefault(key, left) != left:
                names[left] = first[key]
    text.remove(set(names))
    text.rename(names)


def use_inside(text: ModuleText) -> None:
    """Write an unnamed expression of one bit where it is used, if that is a single place.

    Only what has the same value in an expression of any width: comparisons, reductions, operations on single bits.
    """
    uses = text.uses()
    bits = {name for name, this in text.declared.items() if not this.bits}
    inside: dict[str, str] = {}

    def put(part: str) -> str:
        """Parentheses around an expression, unless it stands in some or alone."""
        part = re.sub(r"(?<=\()_\d+(?=\))|(?<== )_\d+(?=;)", lambda match: inside.get(match[0], match[0]), part)
        return NAME.sub(lambda match: f"({inside[match[0]]})" if match[0] in inside else match[0], part)

    def single(text: str) -> bool:
        return text in bits or bool(BIT.fullmatch(text))

    def fits_anywhere(right: str) -> bool:
        logic = all(single(operand) for operand in re.split(r" [&|^] ", right.removeprefix("!")))
        return logic or bool(COMPARISON.fullmatch(right) or REDUCTION.fullmatch(right))

    assigned = []
    for left, old in text.ordered():
        right = f"!{old[2:]}" if left in bits and old.startswith("~ ") and single(old[2:]) else old
        new = put(right)
        if UNNAMED.fullmatch(left) and left in bits and uses[left] == 2 and fits_anywhere(right) and len(new) < LONGEST:
            inside[left] = new
        else:
            assigned.append((left, new))
    text.assigned = assigned
    text.blocks = [put(block) for block in text.blocks]
    text.remove(set(inside))
