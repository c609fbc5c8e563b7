"""Whether carry-save trees compute the sums that they stand for: an identity of polynomials modulo 2^width.

A sum is a polynomial in the bits of its operands. So is a tree: a full adder's sum and twice its carry are the three
bits that enter it, an inverted bit is 1 less the bit, and an AND is a product. Both have to have the same coefficients.
That holds for all operands, and no search is needed.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from fusioncim.asic.synthesis.carry_save import CELL

Bit = int | str
Monomial = frozenset[int]
"""Nets that are multiplied; none of them for a constant."""


def differing_sums(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The sums of a module that are not the same behind it.

    before, after: modules in Yosys' JSON, whose sums are cells of the type CELL and trees. A sum's output nets stay.
    """
    added = {name: cell for name, cell in after["cells"].items() if name not in before["cells"]}
    by_output = {bit: cell for cell in added.values() for port in ("X", "Y") for bit in _bits(cell, port)}
    sums = {name: cell for name, cell in before["cells"].items() if cell["type"] == CELL}
    return [name for name, cell in sums.items() if _wanted(cell) != _found(cell, by_output)]


def _bits(cell: Mapping[str, Any], port: str) -> list[Bit]:
    return list(cell["connections"].get(port, []))


def _wanted(cell: Mapping[str, Any]) -> dict[Monomial, int]:
    """The polynomial of a sum."""
    width = len(_bits(cell, "Y"))
    total: dict[Monomial, int] = defaultdict(int)
    for addend, sign in _operands(cell, "C", "ADDEND_NEGATED"):
        for bit, value in addend:
            _add(total, [bit], sign * value)
    products = zip(_operands(cell, "A", "PRODUCT_NEGATED"), _operands(cell, "B", "PRODUCT_NEGATED"), strict=True)
    for (first, sign), (second, _) in products:
        for a, x in first:
            for b, y in second:
                _add(total, [a, b], sign * x * y)
    return _modulo(total, width)


def _operands(cell: Mapping[str, Any], port: str, negated: str) -> Iterator[tuple[list[tuple[Bit, int]], int]]:
    """Operands of a sum: bits with what they are worth, and 1 or -1."""
    parameters, bits = cell["parameters"], _bits(cell, port)
    widths = parameters[f"{port}_WIDTHS"]
    count = int(parameters["NADDENDS" if port == "C" else "NPRODUCTS"], 2)
    for n in range(count):
        width = int(widths[len(widths) - 16 * (n + 1) : len(widths) - 16 * n], 2)
        operand, bits = bits[:width], bits[width:]
        values = [1 << k for k in range(width)]
        if parameters[f"{port}_SIGNED"][-1 - n] == "1":
            values[-1] = -values[-1]
        yield list(zip(operand, values, strict=True)), -1 if parameters[negated][-1 - n] == "1" else 1


def _found(cell: Mapping[str, Any], by_output: Mapping[Bit, Mapping[str, Any]]) -> dict[Monomial, int]:
    """The polynomial of the tree whose last adder has the outputs of a sum."""
    outputs = _bits(cell, "Y")
    width, last = len(outputs), by_output.get(outputs[0])
    if last is None or last["type"] != "$add" or _bits(last, "Y") != outputs:
        return {}
    linear: dict[Bit, int] = defaultdict(int)
    for port in ("A", "B"):
        for n, bit in enumerate(_bits(last, port)):
            linear[bit] += 1 << n
    total: dict[Monomial, int] = defaultdict(int)
    for adder in reversed(_adders(linear, by_output)):
        (out,), (carry,) = _bits(adder, "Y"), _bits(adder, "X")
        weight = linear.pop(out, 0)
        if (linear.pop(carry, 0) - 2 * weight) % (1 << width):
            return {}
        for port in ("A", "B", "C"):
            linear[_bits(adder, port)[0]] += weight
    for bit, weight in linear.items():
        _expand(total, bit, weight, by_output)
    return _modulo(total, width)


def _adders(linear: Mapping[Bit, int], by_output: Mapping[Bit, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The full adders behind some bits, each after those whose outputs it adds."""
    found: dict[int, Mapping[str, Any]] = {}
    stack: list[tuple[Bit, bool]] = [(bit, False) for bit in linear]
    while stack:
        bit, done = stack.pop()
        cell = by_output.get(bit)
        if cell is None or cell["type"] != "$fa" or id(cell) in found:
            continue
        if done:
            found[id(cell)] = cell
            continue
        stack.append((bit, True))
        stack.extend((_bits(cell, port)[0], False) for port in ("A", "B", "C"))
    return list(found.values())


def _expand(total: dict[Monomial, int], bit: Bit, weight: int, by_output: Mapping[Bit, Mapping[str, Any]]) -> None:
    """Add a bit that is an operand's, an inverted one or a product."""
    cell = by_output.get(bit)
    if cell is None:
        _add(total, [bit], weight)
    elif cell["type"] == "$not":
        _add(total, ["1"], weight)
        _expand(total, _bits(cell, "A")[0], -weight, by_output)
    else:
        _add(total, [_bits(cell, "A")[0], _bits(cell, "B")[0]], weight)


def _add(total: dict[Monomial, int], factors: list[Bit], value: int) -> None:
    """Add a product of bits."""
    if "0" not in factors:
        total[frozenset(bit for bit in factors if isinstance(bit, int))] += value


def _modulo(total: Mapping[Monomial, int], width: int) -> dict[Monomial, int]:
    """The coefficients that are not 0 modulo 2^width."""
    return {key: value % (1 << width) for key, value in total.items() if value % (1 << width)}
