r"""Names: one for every wire, taken from the source, without an escape.

Yosys writes what Amaranth calls it: `\@release ` for a submodule's port, `\command.word ` for the field of a layout,
`\$12 ` for what has no name.
"""

import re
from collections.abc import Mapping

from fusioncim.verilog.module_text import NAME, PLAIN, ModuleText

PORT = "@"
"""First character of the name of a signal that is only a submodule's port."""

UNNAMED = re.compile(r"_\d+")
"""The new name of a signal that has none."""

INSTANCE = re.compile(rf"^  (?:\)|{PLAIN}) ({NAME.pattern}) \($", re.MULTILINE)
CONNECTION = re.compile(r"^    \.(\S+?) ?\((.*)\),?$", re.MULTILINE)
SLICE = re.compile(rf"(?<![\w$'.\\]){PLAIN}\[[\d:]+\]")
ASSIGNMENT = re.compile(rf"^( +(?:\\\S+ |{PLAIN})(?:\[[^\]]+\])? <?= )(.*)$", re.MULTILINE)


def drop_second_names(text: ModuleText) -> dict[str, str]:
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


def make_names_plain(text: ModuleText, signals: Mapping[str, str]) -> set[str]:
    r"""Rename everything that has an escaped name, but ports; returns the names of the fields of layouts.

    `\@read_data ` -> `bank_read_data`, `\command.word ` -> `command_word`, `\$12 ` -> `_12`, `\new ` -> `new_`.
    signals: what became of names, of whose fields some may be left.
    """
    instances, owners = _instances(text)
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


def _instances(text: ModuleText) -> tuple[set[str], dict[str, str]]:
    """Names of the instances; and by the name of a wire the instance that it belongs to, rather as its port."""
    instances: set[str] = set()
    owners: dict[str, str] = {}
    for block in text.blocks:
        if match := INSTANCE.search(block):
            instances.add(match[1])
            for port, value in CONNECTION.findall(block):
                for name in NAME.findall(value):
                    if name not in owners or name.startswith(f"\\{PORT}{port}"):
                        owners[name] = re.findall(r"\w+", match[1])[0] + "_"
    return instances, owners


def use_fields(text: ModuleText, fields: set[str]) -> None:
    """Read the fields of layouts under their names: `command[2:1]` -> `command_word`."""
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
