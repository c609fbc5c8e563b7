r"""Yosys' Verilog, rewritten so that people read it easily and tools take it without a remark.

- Ports are declared in the list of ports, a wire where it is defined.
- A register is assigned in one clocked block; its next value has no name of its own.
- Second names of a wire go. The field of a layout has its name where it is read: `command_word`, not `command[9:8]`.
- A submodule's port that has no other name is called INSTANCE_PORT; what has no name at all is `_1`, `_2`, ...
- An expression is computed once; one of a single bit that is used once has no name.
- Nothing has an initial value: a register is undefined until it is reset or written, as in a chip. A memory whose words
  are not all zero keeps them: it is a table.
- Every case has a default, and a vector is compared with zero by a reduction.
- A combinational block runs once at time 0, so that a constant gets through it before any input changes.

Nothing that is computed changes. Taken for granted is the form of what `write_verilog -norename -noattr` makes of
Amaranth's RTLIL: one statement per line, two spaces per level.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

PORT = "@"
"""First character of the name of a signal that is only a submodule's port."""

LONGEST = 60
"""Characters of an expression that may be written inside another one."""

PLAIN = r"[A-Za-z_]\w*"
NAME = re.compile(rf"(?<![\w$'.\\])(?:\\\S+ |{PLAIN})")
"""A name, an escaped one with the space that ends it; not a digit of a number, a port of an instance or a $function."""
UNNAMED = re.compile(r"_\d+")
BIT = re.compile(rf"{PLAIN}\[\d+\]")
SLICE = re.compile(rf"(?<![\w$'.\\]){PLAIN}\[[\d:]+\]")
OPERAND = rf"(?:{PLAIN}(?:\[[\d:]+\])?|\d+'[bdh][\da-fx]+|\{{[^{{}}]*\}})"
COMPARISON = re.compile(rf"{OPERAND} [=!<>]=? {OPERAND}|\$signed\({OPERAND}\) [<>]=? \$signed\({OPERAND}\)")
REDUCTION = re.compile(rf"(?:&|\||\^|~\|) {OPERAND}")

DECLARATION = re.compile(rf"  (input|output|wire|reg) (\[\S+\] )?({NAME.pattern})( ?\[\S+\])?(?: ?= [^;]+)?;")
ASSIGNMENT = re.compile(rf"^( +(?:\\\S+ |{PLAIN})(?:\[[^\]]+\])? <?= )(.*)$", re.MULTILINE)
REGISTER = re.compile(rf"(  always @\(posedge \w+\))\n +({NAME.pattern}) ?<= (_\d+);\n")
INSTANCE = re.compile(rf"^  (?:\)|{PLAIN}) ({NAME.pattern}) \($", re.MULTILINE)
CONNECTION = re.compile(r"^    \.(\S+?) ?\((.*)\),?$", re.MULTILINE)
NOT_ZERO = re.compile(r"'(?:h0*[1-9a-f]|d0*[1-9])")
TRIGGER = re.compile(r"\\\$auto\$verilog_backend\.cc:\d+:dump_module\$\d+ ")
AT_START = "    if (at_start) begin end\n"


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


class Text:
    """A module, cut into its parts: ports, declarations, assignments, and everything else in blocks."""

    def __init__(self, text: str) -> None:
        head, _, body = text.partition(");\n")
        self.name, _, ports = head.removeprefix("module ").partition("(")
        first, *others = reversed(NAME.findall(ports))  # Yosys counts from 1, Amaranth from 0
        self.ports = sorted([first, *reversed(others)], key=lambda port: port not in ("clk", "rst"))
        self.declared: dict[str, Declared] = {}
        self.assigned: list[tuple[str, str]] = []
        self.blocks: list[str] = []
        for line in body.removesuffix("endmodule\n").splitlines():
            if match := DECLARATION.fullmatch(line):
                kind, bits, name, depth = match.groups(default="")
                this = self.declared.setdefault(name, Declared(bits=bits))
                if kind in ("wire", "reg"):
                    this.kind, this.depth = kind, depth
                else:
                    this.direction = f"{kind} "
            elif line.startswith("  assign "):
                left, _, right = line.removeprefix("  assign ").removesuffix(";").partition(" = ")
                self.assigned.append((left, right))
            elif re.match(r"  (?! |end|\))", line):
                self.blocks.append(f"{line}\n")
            elif line:
                self.blocks[-1] += f"{line}\n"
        self.blocks = [block for block in self.blocks if not block.startswith("  initial ") or NOT_ZERO.search(block)]

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


def readable(verilog: str, comments: Mapping[str, str]) -> str:
    """The rewritten text; comments: text to be written above a module."""
    verilog = TRIGGER.sub("at_start", verilog).replace("reg at_start = 0;", "reg at_start;")
    verilog = re.sub(r"= ! (?=[\\\w])", "= ~| ", verilog)
    for name in set(re.findall(r"(?m)^(?:module|  (?:in|out)put(?: \[\S+\])?) (\\\w+[.$]\S* )", verilog)):
        verilog = verilog.replace(name, re.sub(r"\W+", "_", name[1:-1]))
    modules = []
    for module in re.findall(r"(?ms)^module .*?^endmodule\n", verilog):
        text = rewritten(Text(module))
        modules.append("".join(f"// {line}".rstrip() + "\n" for line in comments.get(text.name, "").splitlines()))
        modules[-1] += str(text)
    return "\n".join(modules)


def rewritten(text: Text) -> Text:
    """All steps on one module."""
    fields = make_names_plain(text, drop_second_names(text))
    merge_blocks(text)
    use_fields(text, fields)
    join_parts(text)
    drop_unused(text)
    drop_equal(text)
    use_inside(text)
    text.blocks = [tidy(complete_cases(block)) for block in text.blocks]
    text.remove({"at_start"})
    if text.uses()["at_start"]:
        text.declared["at_start"] = Declared("reg")
        text.blocks.append("  initial at_start = 1'b0;\n")
    return text


def drop_second_names(text: Text) -> dict[str, str]:
    """Where a signal is the same wire as a submodule's port, only the signal has a name; returns it by the port's."""
    marked = f"\\{PORT}"
    names: dict[str, str] = {}
    for left, right in text.assigned:
        port = right.startswith(marked) and right in text.declared
        signal = left in text.declared and not left.startswith(marked) and not text.declared[left].direction
        if port and signal:
            names.setdefault(right, left)
    text.remove(set(names.values()))
    text.rename(names)
    return names


def make_names_plain(text: Text, signals: Mapping[str, str]) -> set[str]:
    """Rename everything that has an escaped name, but ports; returns the names of the fields of layouts.

    signals: what became of names, of whose fields some may be left.
    """
    instances: set[str] = set()
    owners: dict[str, str] = {}
    for block in text.blocks:
        if match := INSTANCE.search(block):
            instances.add(match[1])
            for port, value in CONNECTION.findall(block):
                for name in NAME.findall(value):
                    if name not in owners or name.startswith(f"\\{PORT}{port}"):
                        owners[name] = re.findall(r"\w+", match[1])[0] + "_"
    inside = (name for name, this in text.declared.items() if not this.direction)
    names: dict[str, str] = {}
    fields: set[str] = set()
    taken = {*text.declared, *instances}
    for name in sorted({*inside, *instances}, key=lambda name: ("." in name or "[" in name, name)):
        if not name.startswith("\\"):
            continue
        signal, path = re.findall(r"\\([^.[]*)(.*) ", name)[0]
        if path:
            whole = signals.get(f"\\{signal} ", f"\\{signal} ")
            new = names.get(whole, whole.strip("\\ ")) + re.sub(r"\W+", "_", path).rstrip("_")
            fields.add(new)
        elif signal.startswith(PORT):
            new = owners.get(name, "") + re.sub(r"\$\d+$", "", signal[1:])
        else:
            new = signal.replace("$", "_") if "$" in signal else f"{signal}_"  # a word of the language
        while new in taken:
            new += "_"
        taken.add(new)
        names[name] = new
    text.rename(names)
    return fields


def merge_blocks(text: Text) -> None:
    """Assign a register where its next value is computed, and everything else in a single block, too."""
    uses = text.uses()
    parts: dict[str, list[str]] = {}
    others = []
    for block in text.blocks:
        if block.startswith("  always @*"):
            (target,) = set(re.findall(rf"(?m)^ +({PLAIN})(?:\[[\d:]+\])? = ", block))
            parts.setdefault(target, []).append(re.sub(r"(?m)^  (always.*|end)\n", "", block.replace(AT_START, "")))
        else:
            others.append(block)
    bodies = {target: "".join(blocks) for target, blocks in parts.items()}
    text.blocks = []
    for block in others:
        clocked, register, value = match.groups() if (match := REGISTER.fullmatch(block)) else ("", "", "")
        if value in bodies and NAME.findall(bodies[value]).count(value) + 1 == uses[value]:
            body = re.sub(rf"(?m)^( +){value}((?:\[[\d:]+\])?) = ", rf"\1{register}\2 <= ", bodies.pop(value))
            body = re.sub(r"(?m)^ +(\S+) <= \1;\n", "", body)
            text.remove({value})
            block = f"{clocked} begin\n{body}  end\n"
        text.blocks.append(block)
    text.blocks += [f"  always @* begin\n{AT_START}{body}  end\n" for body in bodies.values()]


def use_fields(text: Text, fields: set[str]) -> None:
    """Read the fields of layouts under their names."""
    names: dict[str, str] = {}
    for left, right in text.assigned:
        if left in fields and SLICE.fullmatch(right):
            names.setdefault(right, left)

    def named(part: str) -> str:
        return SLICE.sub(lambda match: names.get(match[0], match[0]), part)

    def changed(line: str) -> str:
        match = ASSIGNMENT.fullmatch(line)
        return match[1] + named(match[2]) if match else named(line)

    text.assigned = [(left, right if left in fields else named(right)) for left, right in text.assigned]
    text.blocks = ["".join(f"{changed(line)}\n" for line in block.splitlines()) for block in text.blocks]


def join_parts(text: Text) -> None:
    """Assign a wire once, where its parts were assigned one by one."""
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


def drop_unused(text: Text) -> None:
    """Remove the wires that nothing reads."""
    while True:
        uses = text.uses()
        assigned = {left for left, _ in text.assigned}
        inside = [name for name, this in text.declared.items() if not this.direction]
        unused = {name for name in inside if uses[name] == (name in assigned)}
        if not unused:
            return
        text.remove(unused)


def drop_equal(text: Text) -> None:
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


def use_inside(text: Text) -> None:
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


def complete_cases(block: str) -> str:
    """Add a default to every case that has none."""
    lines: list[str] = []
    defaults: list[bool] = []
    for line in block.splitlines(keepends=True):
        word = line.split(maxsplit=1)[0]
        if word in ("case", "casez"):
            defaults.append(False)
        elif word == "default:":
            defaults[-1] = True
        elif word == "endcase" and not defaults.pop():
            lines.append(line.replace("endcase", "  default: ;"))
        lines.append(line)
    return "".join(lines)


def tidy(block: str) -> str:
    """Short statements on one line, no needless begin and end, no empty case."""
    block = re.sub(r"(?<=\)) begin\n +([^\n;]*;)\n +end(?=\n)", r" \1", block)
    block = re.sub(r"(  always .*) begin\n( +[^\n;]*;\n)  end\n", r"\1\n\2", block)
    block = re.sub(r"(?m)^( +\S+:)\n +(.*;)$", r"\1 \2", block)
    overlap = "?" in block or re.search(r"default:(?! ;)", block)
    return block if overlap else re.sub(r"(?m)^ +\d+'h\w+: /\* empty \*/;\n", "", block)
