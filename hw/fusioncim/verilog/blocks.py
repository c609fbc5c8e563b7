"""Blocks: a register in one clocked block, a default in every case, no needless lines."""

import re

from fusioncim.verilog.module_text import NAME, PLAIN, Declared, ModuleText

AT_START = "at_start"
"""A constant that combinational blocks read. It is set at time 0, so that each runs before an input changes."""

RUN_AT_START = f"    if ({AT_START}) begin end\n"
REGISTER = re.compile(
    rf"(  always @\(posedge \w+(?:, posedge \w+)?\))\n( +if \(\w+\) .*;\n +else)? +({NAME.pattern}) ?<= (_\d+);\n"
)
"""A register that takes its next value; in the second group what an asynchronous reset does."""


def merge_blocks(text: ModuleText) -> None:
    """Assign a register where its next value is computed, and everything else in a single block, too.

    always @(posedge clk) q <= _1;          always @(posedge clk) begin
    always @* begin _1 = q; ... end    ->   ... q <= ... end
    """
    uses = text.uses()
    parts: dict[str, list[str]] = {}
    others = []
    for block in text.blocks:
        if block.startswith("  always @*"):
            (target,) = set(re.findall(rf"(?m)^ +({PLAIN})(?:\[[\d:]+\])? = ", block))
            parts.setdefault(target, []).append(re.sub(r"(?m)^  (always.*|end)\n", "", block.replace(RUN_AT_START, "")))
        else:
            others.append(block)
    bodies = {target: "".join(blocks) for target, blocks in parts.items()}
    text.blocks = []
    for block in others:
        match = REGISTER.fullmatch(block)
        clocked, clear, register, value = match.groups(default="") if match else ("", "", "", "")
        if value in bodies and NAME.findall(bodies[value]).count(value) + 1 == uses[value]:
            body = re.sub(rf"(?m)^( +){value}((?:\[[\d:]+\])?) = ", rf"\1{register}\2 <= ", bodies.pop(value))
            body = re.sub(r"(?m)^ +(\S+) <= \1;\n", "", body)
            text.remove({value})
            if clear:
                inner = "".join(f"  {line}" for line in body.splitlines(keepends=True))
                body = f"{clear} begin\n{inner}    end\n" if inner else f"{clear.removesuffix('    else')}"
            block = f"{clocked} begin\n{body}  end\n"
        text.blocks.append(block)
    text.blocks += [f"  always @* begin\n{RUN_AT_START}{body}  end\n" for body in bodies.values()]


def set_at_start(text: ModuleText) -> None:
    """Define what combinational blocks read to run at time 0, if there is one.

    By an `initial`: a variable's initial value may be there before a block waits for it.
    """
    text.remove({AT_START})
    if text.uses()[AT_START]:
        text.declared[AT_START] = Declared("reg")
        text.blocks.append(f"  initial {AT_START} = 1'b0;\n")


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
