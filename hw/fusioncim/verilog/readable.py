"""Yosys' Verilog, rewritten so that people read it easily and tools take it without a remark.

- Ports are declared in the list of ports, a wire where it is defined (`module_text`).
- Second names of a wire go. The field of a layout has its name where it is read: `command_word`, not `command[9:8]`.
  A submodule's port that has no other name is called INSTANCE_PORT. What has no name at all is `_1`, `_2`, ...
  (`names`).
- A register is assigned in one clocked block; its next value has no name of its own. Every case has a default. A
  combinational block runs once at time 0, so that a constant gets through it before any input changes (`blocks`).
- An expression is computed once; one of a single bit that is used once has no name (`expressions`).
- Nothing has an initial value: a register is undefined until it is reset or written, as in a chip. A memory whose words
  are not all zero keeps them: it is a table.

Nothing that is computed changes. What Yosys' own passes would do instead is in docs/decisions.md.
"""

import re
from collections.abc import Mapping

from fusioncim.verilog.blocks import AT_START, complete_cases, merge_blocks, set_at_start, tidy
from fusioncim.verilog.expressions import drop_equal, drop_unused, join_parts, use_inside
from fusioncim.verilog.module_text import ModuleText
from fusioncim.verilog.names import drop_second_names, make_names_plain, use_fields

TRIGGER = re.compile(r"\\\$auto\$verilog_backend\.cc:\d+:dump_module\$\d+ ")
"""What Yosys calls the constant that makes combinational blocks run at time 0."""

NOT_A_NAME = re.compile(r"(?m)^(?:module|  (?:in|out)put(?: \[\S+\])?) (\\\w+[.$]\S* )")
"""A module or a port whose name has a point or a dollar inside."""


def readable(verilog: str, comments: Mapping[str, str]) -> str:
    """The rewritten text; comments: text to be written above a module."""
    verilog = TRIGGER.sub(AT_START, verilog).replace(f"reg {AT_START} = 0;", f"reg {AT_START};")
    for name in set(NOT_A_NAME.findall(verilog)):
        verilog = verilog.replace(name, re.sub(r"\W+", "_", name[1:-1]))
    modules = []
    for module in re.findall(r"(?ms)^module .*?^endmodule\n", verilog):
        text = ModuleText(module)
        rewrite(text)
        comment = "".join(f"// {line}".rstrip() + "\n" for line in comments.get(text.name, "").splitlines())
        modules.append(f"{comment}{text}")
    return "\n".join(modules)


def rewrite(text: ModuleText) -> None:
    """All steps on one module, each on what the one before left."""
    fields = make_names_plain(text, drop_second_names(text))
    merge_blocks(text)
    use_fields(text, fields)
    join_parts(text)
    drop_unused(text)
    drop_equal(text)
    use_inside(text)
    text.blocks = [tidy(complete_cases(block)) for block in text.blocks]
    set_at_start(text)
