"""Sums as full adders: the same number modulo 2^width for every kind of operand, and a short tree."""

import json
import random

import pytest

from fusioncim.asic.synthesis.carry_save import CELL, rewrite

ADDENDS = [(4, False, False), (5, True, False), (3, True, True), (6, False, True), (1, False, False), (2, True, False)]
PRODUCTS = [(4, True, 3, True, False), (3, False, 2, False, True), (1, True, 5, True, True)]
"""Bits of an operand, whether it is signed, the same of the other one, whether it is subtracted."""


def chunks(values, size):
    """A parameter that is an array; "x" without elements, as Yosys writes it."""
    return "".join(f"{value:0{size}b}" for value in reversed(values)) or "x"


def module_of(sums, *, constants=()):
    """A module with sums: of each its addends, products and width; the first addends' bits may be constants."""
    cells, next_net = {}, 2
    for n, (addends, products, width) in enumerate(sums):
        widths = {"C": [w for w, _, _ in addends], "A": [p[0] for p in products], "B": [p[2] for p in products]}
        bits = {}
        for port, all_widths in widths.items():
            bits[port] = list(range(next_net, next_net + sum(all_widths)))
            next_net += sum(all_widths)
        bits["C"][: len(constants)] = constants
        bits["Y"] = list(range(next_net, next_net + width))
        next_net += width
        signs = {"C": [s for _, s, _ in addends], "A": [p[1] for p in products], "B": [p[3] for p in products]}
        cells[f"sum_{n}"] = {
            "type": CELL,
            "parameters": {
                **{f"{port}_WIDTHS": chunks(each, 16) for port, each in widths.items()},
                **{f"{port}_SIGNED": chunks(each, 1) for port, each in signs.items()},
                "ADDEND_NEGATED": chunks([negated for _, _, negated in addends], 1),
                "PRODUCT_NEGATED": chunks([p[4] for p in products], 1),
                "NADDENDS": f"{len(addends):032b}",
                "NPRODUCTS": f"{len(products):032b}",
                "Y_WIDTH": f"{width:032b}",
            },
            "connections": bits,
        }
    return {"cells": cells, "ports": {}, "netnames": {}}


def rewritten(tmp_path, module):
    """The module after `rewrite`."""
    path = tmp_path / "sums.json"
    path.write_text(json.dumps({"modules": {"top": module}}))
    rewrite(path)
    return json.loads(path.read_text())["modules"]["top"]


def evaluate(cells, nets):
    """Values of all nets, from those of the inputs."""
    nets = {"0": 0, "1": 1, **nets}
    left = list(cells.values())
    while left:
        ready = [c for c in left if all(b in nets for p in "ABC" for b in c["connections"].get(p, []))]
        assert ready, "a net without a driver"
        left = [cell for cell in left if cell not in ready]
        for cell in ready:
            ends = cell["connections"]
            a, b, c = ([nets[bit] for bit in ends.get(port, [])] for port in "ABC")
            if cell["type"] == "$not":
                nets[ends["Y"][0]] = 1 - a[0]
            elif cell["type"] == "$and":
                nets[ends["Y"][0]] = a[0] & b[0]
            elif cell["type"] == "$fa":
                nets[ends["Y"][0]], nets[ends["X"][0]] = (a[0] + b[0] + c[0]) & 1, (a[0] + b[0] + c[0]) >> 1
            else:
                assert cell["type"] == "$add"
                total = sum(bit << n for n, bit in enumerate(a)) + sum(bit << n for n, bit in enumerate(b))
                nets.update((net, total >> n & 1) for n, net in enumerate(ends["Y"]))
    return nets


def number(bits, signed):
    """Of bits, the lowest first."""
    value = sum(bit << n for n, bit in enumerate(bits))
    return value - (bits[-1] << len(bits)) if signed else value


def expected(cell, nets):
    """A sum by its definition, modulo 2^width."""
    values = {}
    for port in "ABC":
        bits, values[port] = list(cell["connections"][port]), []
        text, signs = cell["parameters"][f"{port}_WIDTHS"], cell["parameters"][f"{port}_SIGNED"]
        for n in range(len(text) // 16):
            width = int(text[len(text) - 16 * (n + 1) : len(text) - 16 * n], 2)
            values[port].append(number([nets[bit] for bit in bits[:width]], signs[-1 - n] == "1"))
            del bits[:width]
    minus = {name: cell["parameters"][f"{name}_NEGATED"][::-1] for name in ("ADDEND", "PRODUCT")}
    total = sum(-x if minus["ADDEND"][n] == "1" else x for n, x in enumerate(values["C"]))
    pairs = zip(values["A"], values["B"], strict=True)
    total += sum(-x * y if minus["PRODUCT"][n] == "1" else x * y for n, (x, y) in enumerate(pairs))
    return total % (1 << len(cell["connections"]["Y"]))


@pytest.mark.parametrize("width", [3, 8, 12])
@pytest.mark.parametrize("constants", [(), ("1", "0", "1", "1")])
def test_sums_are_the_same(tmp_path, width, constants):
    """Signed, unsigned, subtracted, products, constant bits; two sums in a module."""
    module = module_of([(ADDENDS, [], width), (ADDENDS[:2], PRODUCTS, width)], constants=constants)
    cells = rewritten(tmp_path, module)["cells"]
    assert not any(cell["type"] == CELL for cell in cells.values())
    inputs = {bit for cell in module["cells"].values() for port in "ABC" for bit in cell["connections"][port]} - {*"01"}
    source = random.Random(1)
    for _ in range(200):
        nets = {net: source.randrange(2) for net in inputs}
        found = evaluate(cells, nets)
        for cell in module["cells"].values():
            total = sum(found[net] << n for n, net in enumerate(cell["connections"]["Y"]))
            assert total == expected(cell, {"0": 0, "1": 1, **nets})


def test_a_tree_is_short_and_has_no_spare_adder(tmp_path):
    """A full adder takes one bit away; 27 bits of a weight pass seven, and those of a level together."""
    module = module_of([([(1, False, False)] * 27, [], 5)])
    cells = rewritten(tmp_path, module)["cells"]
    adders = [cell["connections"] for cell in cells.values() if cell["type"] == "$fa"]
    (last,) = (cell["connections"] for cell in cells.values() if cell["type"] == "$add")
    left = sum(bit != "0" for port in "AB" for bit in last[port])
    assert len(adders) >= 27 - left
    depth = {}

    def deep(bit):
        if bit not in depth:
            above = [ends for ends in adders if bit in (*ends["X"], *ends["Y"])]
            depth[bit] = 1 + max(deep(each) for each in (above[0][p][0] for p in "ABC")) if above else 0
        return depth[bit]

    assert max(deep(bit) for port in "AB" for bit in last[port]) <= 7
    levels = [[deep(ends[port][0]) for port in "ABC"] for ends in adders]
    assert max(max(each) - min(each) for each in levels) <= 2
