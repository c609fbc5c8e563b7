"""Sums as trees of full adders, built by the order in which their bits come.

Bits of one weight may be added in any order. Of all weights, the three bits that come first go to the next full adder;
its sum and its carry come later. So the inputs of an adder come at nearly the same time: it moves once, and the tree is
as short as it can be. An adder of two words takes what is left.

Of V. G. Oklobdzija, D. Villeger and S. S. Liu, "A method for speed optimized partial product reduction", IEEE
Transactions on Computers 45(3), 1996.
"""

import json
from bisect import insort
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Bit = int | str
"""A net's number, or "0" or "1", as Yosys writes them to JSON."""

CELL = "$macc_v2"
"""Of Yosys: a sum of products and addends, each of them signed or not, added or subtracted."""

GATE, SUM, CARRY = 5, 13, 10
"""How much later than its inputs the output of a gate, the sum and the carry of a full adder come."""


class Gates:
    """Cells of one bit that are added to a module."""

    def __init__(self, module: dict[str, Any]) -> None:
        self.cells, self.count = module["cells"], 0
        used = [bits for cell in self.cells.values() for bits in cell["connections"].values()]
        used += [each["bits"] for kind in ("ports", "netnames") for each in module[kind].values()]
        self.nets = 1 + max((bit for bits in used for bit in bits if isinstance(bit, int)), default=1)

    def net(self) -> int:
        """A new one."""
        self.nets += 1
        return self.nets - 1

    def cell(self, kind: str, parameters: dict[str, int], connections: dict[str, list[Bit]]) -> None:
        """Add a cell."""
        self.count += 1
        self.cells[f"$carry_save${self.count}"] = {
            "hide_name": 1,
            "type": kind,
            "parameters": {name: f"{value:032b}" for name, value in parameters.items()},
            "attributes": {},
            "connections": connections,
        }

    def inverted(self, bit: Bit) -> Bit:
        """Not a bit."""
        if isinstance(bit, str):
            return "10"[int(bit)]
        out = self.net()
        self.cell("$not", {"A_SIGNED": 0, "A_WIDTH": 1, "Y_WIDTH": 1}, {"A": [bit], "Y": [out]})
        return out

    def both(self, a: Bit, b: Bit) -> Bit:
        """Two bits and-ed."""
        if isinstance(a, str) or isinstance(b, str):
            return "0" if "0" in (a, b) else b if a == "1" else a
        out = self.net()
        widths = {"A_SIGNED": 0, "B_SIGNED": 0, "A_WIDTH": 1, "B_WIDTH": 1, "Y_WIDTH": 1}
        self.cell("$and", widths, {"A": [a], "B": [b], "Y": [out]})
        return out

    def full_adder(self, a: Bit, b: Bit, c: Bit) -> tuple[int, int]:
        """Sum and carry."""
        out, carry = self.net(), self.net()
        self.cell("$fa", {"WIDTH": 1}, {"A": [a], "B": [b], "C": [c], "X": [carry], "Y": [out]})
        return out, carry


class Sum:
    """Bits that are added modulo 2^width."""

    def __init__(self, gates: Gates, width: int) -> None:
        self.gates, self.width = gates, width
        self.bits: dict[int, list[tuple[int, int, Bit]]] = defaultdict(list)
        self.constant = 0
        self.count = 0

    def add(self, weight: int, bit: Bit, late: int = 0) -> None:
        """Add a bit; bits of a weight are kept by when they come, of those that come together the first one first."""
        if bit == "1":
            self.constant += 1 << weight
        elif bit != "0" and weight < self.width:
            insort(self.bits[weight], (late, self.count, bit))
            self.count += 1

    def subtract(self, weight: int, bit: Bit, late: int = 0) -> None:
        """Subtract a bit: -b = not b - 1; the highest weight has no sign."""
        if weight == self.width - 1:
            self.add(weight, bit, late)
        else:
            self.add(weight, self.gates.inverted(bit), late)
            self.constant -= 1 << weight

    def words(self) -> tuple[list[Bit], list[Bit]]:
        """Two words with the same sum."""
        for weight in range(self.width):
            if self.constant >> weight & 1:
                insort(self.bits[weight], (0, -1, "1"))
        while ready := [(bits[2][0], weight) for weight, bits in self.bits.items() if len(bits) > 2]:
            _, weight = min(ready)
            three, self.bits[weight] = self.bits[weight][:3], self.bits[weight][3:]
            late = three[2][0]
            out, carry = self.gates.full_adder(*(bit for _, _, bit in three))
            self.add(weight, out, late + SUM)
            self.add(weight + 1, carry, late + CARRY)
        bits = [[bit for _, _, bit in self.bits[weight]] + ["0", "0"] for weight in range(self.width)]
        return [each[0] for each in bits], [each[1] for each in bits]


def rewrite(path: Path) -> None:
    """Replace the sums of a module by full adders, in its JSON file as Yosys reads and writes it."""
    design = json.loads(path.read_text(encoding="utf-8"))
    for module in design["modules"].values():
        gates = Gates(module)
        for name in [name for name, cell in module["cells"].items() if cell["type"] == CELL]:
            cell = module["cells"].pop(name)
            _expand(gates, cell)
    path.write_text(json.dumps(design), encoding="utf-8")


def _expand(gates: Gates, cell: dict[str, Any]) -> None:
    """Add what a sum is made of."""
    out = cell["connections"]["Y"]
    total = Sum(gates, len(out))
    for bits, signed, negated in _operands(cell, "C", "ADDEND_NEGATED"):
        for n, bit in enumerate(bits):
            (total.subtract if negated != (signed and n == len(bits) - 1) else total.add)(n, bit)
    pairs = zip(_operands(cell, "A", "PRODUCT_NEGATED"), _operands(cell, "B", "PRODUCT_NEGATED"), strict=True)
    for (a, a_signed, negated), (b, b_signed, _) in pairs:
        for n, x in enumerate(a):
            for k, y in enumerate(b):
                signs = (a_signed and n == len(a) - 1) + (b_signed and k == len(b) - 1) + negated
                (total.subtract if signs % 2 else total.add)(n + k, gates.both(x, y), GATE)
    first, second = total.words()
    widths = {"A_SIGNED": 0, "B_SIGNED": 0, "A_WIDTH": len(out), "B_WIDTH": len(out), "Y_WIDTH": len(out)}
    gates.cell("$add", widths, {"A": first, "B": second, "Y": out})


def _operands(cell: dict[str, Any], port: str, negated: str) -> Iterator[tuple[list[Bit], bool, bool]]:
    """Operands of a sum at one of its ports: bits, whether it is signed, whether it is subtracted."""
    bits, start = cell["connections"][port], 0
    count = int(cell["parameters"]["NADDENDS" if port == "C" else "NPRODUCTS"], 2)
    for n in range(count):
        width = int(_chunk(cell, f"{port}_WIDTHS", n, 16), 2)
        flags = (_chunk(cell, name, n, 1) == "1" for name in (f"{port}_SIGNED", negated))
        yield (bits[start : start + width], *flags)
        start += width


def _chunk(cell: dict[str, Any], name: str, n: int, size: int) -> str:
    """Element n of a parameter that is an array of elements of `size` bits."""
    text = cell["parameters"][name]
    return text[len(text) - size * (n + 1) : len(text) - size * n]
