"""One module of Yosys' Verilog as a structure: ports, declarations, assignments and blocks, and how they are printed.

Taken for granted is the form of what `write_verilog -norename -noattr` makes of Amaranth's RTLIL: one statement per
line, two spaces per level. Expressions stay text; `NAME` finds the names in them.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

PLAIN = r"[A-Za-z_]\w*"
NAME = re.compile(rf"(?<![\w$'.\\])(?:\\\S+ |{PLAIN})")
"""A name, an escaped one with the space that ends it; not a digit of a number, a port of an instance or a $function."""
OPERAND = rf"(?:{PLAIN}(?:\[[\d:]+\])?|\d+'[bdh][\da-fx]+|\{{[^{{}}]*\}})"
"""A wire, a part of it, a number or a concatenation."""

FIRST = ("clk", "rst", "aresetn")
"""Ports that come before all others."""

DECLARATION = re.compile(rf"  (input|output|wire|reg) (\[\S+\] )?({NAME.pattern})( ?\[\S+\])?;")
NOT_ZERO = re.compile(r"'(?:h0*[1-9a-f]|d0*[1-9])")
"""A number that is not zero."""


@dataclass
class Declared:
    """What a name is: wire or reg, the direction of a port, its bits and, for a memory, its depth."""

    kind: str = "wire"
    direction: str = ""
    bits: str = ""
    depth: str = ""

    def named(self, name: str) -> str:
        """The declaration without its semicolon."""
        return f"{self.direction}{self.kind} {self.bits}{name}{self.depth}"


class ModuleText:
    """A module, cut into its parts.

    Members:
        name: of the module.
        ports: names in the order of the header, clock and reset first.
        declared: what every name is.
        assigned: left and right sides of `assign`.
        blocks: everything else: `always`, `initial` and instances, each with its lines.
    """

    def __init__(self, text: str) -> None:
        head, _, body = text.partition(");\n")
        self.name, _, ports = head.removeprefix("module ").partition("(")
        first, *others = reversed(NAME.findall(ports))  # Yosys counts from 1, Amaranth from 0
        self.ports = sorted([first, *reversed(others)], key=lambda port: port not in FIRST)
        self.declared: dict[str, Declared] = {}
        self.assigned: list[tuple[str, str]] = []
        self.blocks: list[str] = []
        for line in body.removesuffix("endmodule\n").splitlines():
            if match := DECLARATION.fullmatch(line):
                self._declare(*match.groups(default=""))
            elif line.startswith("  assign "):
                left, _, right = line.removeprefix("  assign ").removesuffix(";").partition(" = ")
                self.assigned.append((left, right))
            elif re.match(r"  (?! |end|\))", line):
                self.blocks.append(f"{line}\n")
            elif line:
                self.blocks[-1] += f"{line}\n"
        self.blocks = [block for block in self.blocks if not _is_cleared_memory(block)]

    def _declare(self, kind: str, bits: str, name: str, depth: str) -> None:
        """Take one declaration; a port has two, its direction and its kind."""
        this = self.declared.setdefault(name, Declared(bits=bits))
        if kind in ("wire", "reg"):
            this.kind, this.depth = kind, depth
        else:
            this.direction = f"{kind} "

    def __str__(self) -> str:
        """Ports, what is read before it is defined, assignments in an order in which nothing else is, blocks."""
        ordered = self.ordered()
        defined = {left for left, _ in ordered if left in self.declared and not self.declared[left].direction}
        ports = ",\n".join(f"  {self.declared[port].named(port)}" for port in self.ports)
        early = [name for name, this in self.declared.items() if not this.direction and name not in defined]
        early.sort(key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)])
        return "".join(
            [
                f"module {self.name}(\n{ports}\n);\n",
                *(f"  {self.declared[name].named(name)};\n" for name in early),
                *(
                    f"  {self.declared[left].named(left) if left in defined else f'assign {left}'} = {right};\n"
                    for left, right in ordered
                ),
                *self.blocks,
                "endmodule\n",
            ]
        )

    def ordered(self) -> list[tuple[str, str]]:
        """The assignments, each behind those of the wires that it reads."""
        places = {left: n for n, (left, _) in enumerate(self.assigned)}
        order: dict[int, None] = {}
        started: set[int] = set()
        stack = list(reversed(range(len(self.assigned))))
        while stack:
            n = stack[-1]
            reads = () if n in started else NAME.findall(self.assigned[n][1])
            started.add(n)
            needed = [places[name] for name in reads if name in places and places[name] not in started]
            if needed:
                stack.extend(reversed(needed))
            else:
                order.setdefault(stack.pop())
        return [self.assigned[n] for n in order]

    def uses(self) -> Counter[str]:
        """How often every name occurs in assignments and blocks."""
        texts = [*self.blocks, *(f"{left} {right}" for left, right in self.assigned)]
        return Counter(name for text in texts for name in NAME.findall(text))

    def rename(self, names: Mapping[str, str]) -> None:
        """Give names other names."""

        def renamed(text: str) -> str:
            return NAME.sub(lambda match: names.get(match[0], match[0]), text)

        self.declared = {names.get(name, name): this for name, this in self.declared.items()}
        self.assigned = [(renamed(left), renamed(right)) for left, right in self.assigned]
        self.blocks = [renamed(block) for block in self.blocks]

    def remove(self, names: set[str]) -> None:
        """Remove wires and their assignments."""
        self.declared = {name: this for name, this in self.declared.items() if name not in names}
        self.assigned = [(left, right) for left, right in self.assigned if left not in names]


def _is_cleared_memory(block: str) -> bool:
    """Whether a block only gives the words of a memory the value zero."""
    return block.startswith("  initial ") and not NOT_ZERO.search(block)
