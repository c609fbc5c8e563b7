"""The registers of emitted modules: which the reset clears, and which only carry data.

Yosys makes every assignment a multiplexer, so that a register is a flip-flop whose next value has a name. The reset
clears it if that value is `rst ? CONSTANT : ...`, or if the flip-flop has an asynchronous one.
"""

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusioncim.asic.yosys import run_yosys
from fusioncim.verilog.module_text import NAME, ModuleText

COMMANDS = ("proc -norom -noopt", "pmuxtree", "memory_collect", "attrmap -remove init")
"""Of Yosys: a multiplexer takes the place of every `if` and `case`, and nothing has an initial value but tables."""

REGISTER = re.compile(
    rf"  always @\(posedge \w+(?:, posedge \w+)?\)\n( +if \(\w+\).*;\n +else)? +({NAME.pattern}) ?<= (.*);\n"
)
WRITE = re.compile(rf"  always @\(posedge clk\) begin\n +if \((.*)\)\n +({NAME.pattern})\[(.*)\] <= (.*);\n  end\n")
READ = re.compile(rf"  always @\(posedge clk\) begin\n +if \((.*)\) begin\n +({NAME.pattern}) ?<= .*;\n +end\n  end\n")
PART = re.compile(rf"({NAME.pattern})\[[\d:]+\]")
CHOICE = re.compile(rf"({NAME.pattern}) ?\? (\d+'\w+) : .*")
SIGNED = re.compile(r"(?m)^(  wire .*)\bsigned (?=.*$)")
"""What RTLIL says of a signed wire. Verilog would take it for operands; cells say themselves how they take theirs."""

RESET = "rst"
CLOCKED = "  always @(posedge"


@dataclass(frozen=True)
class FlipFlops:
    """What a module keeps, by the names in its text.

    Members:
        text: of the module; every choice in it is a multiplexer.
        cleared: registers that the reset clears.
        data: registers without a reset, the read data of memories included.
        writes: of memories, enable and address.
        reads: enables of synchronous read ports of memories.
    """

    text: ModuleText
    cleared: tuple[str, ...]
    data: tuple[str, ...]
    writes: tuple[tuple[str, str], ...]
    reads: tuple[str, ...]

    def bits(self, names: Iterable[str]) -> int:
        """The bits of registers together."""
        return sum(self._width(name) for name in names)

    def _width(self, name: str) -> int:
        high = re.match(r"\[(\d+):0\]", self.text.declared[name].bits)
        return int(high[1]) + 1 if high else 1


def flip_flops(texts: Mapping[str, str]) -> list[FlipFlops]:
    """The registers of modules, of which the RTLIL is given by name (`emit.Modules.texts`); in order of their names."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "in.il").write_text(SIGNED.sub(r"\1", "\n".join(texts.values())), encoding="utf-8")
        commands = ["read_rtlil in.il", *COMMANDS, "write_verilog -norename -noattr out.v"]
        run_yosys("the netlist", commands, place / "log")
        verilog = (place / "out.v").read_text(encoding="utf-8")
    return [_of_module(ModuleText(module)) for module in re.findall(r"(?ms)^module .*?^endmodule\n", verilog)]


def _of_module(text: ModuleText) -> FlipFlops:
    drivers: dict[str, list[str]] = {}
    for left, right in text.assigned:
        part = PART.fullmatch(left)
        drivers.setdefault(part[1] if part else left, []).append(right)
    cleared: list[str] = []
    data: list[str] = []
    writes: list[tuple[str, str]] = []
    reads: list[str] = []
    for block in text.blocks:
        if not block.startswith(CLOCKED):
            continue
        if register := REGISTER.fullmatch(block):
            asynchronous, name, value = register.groups()
            (cleared if asynchronous or _is_cleared(value, drivers) else data).append(name)
        elif write := WRITE.fullmatch(block):
            writes.append((write[1], write[3]))
        elif read := READ.fullmatch(block):
            reads.append(read[1])
            data.append(read[2])
        else:
            raise ValueError(f"{text.name} must have registers and memory ports only, not\n{block}")
    return FlipFlops(text, tuple(cleared), tuple(data), tuple(writes), tuple(reads))


def _is_cleared(value: str, drivers: Mapping[str, Sequence[str]]) -> bool:
    """Whether every part of a next value is a constant while the reset is 1."""
    origin = _origin(value, drivers)
    parts = drivers.get(origin, ())
    if len(parts) > 1:
        return all(_is_cleared(part, drivers) for part in parts)
    choice = CHOICE.fullmatch(origin)
    return choice is not None and _origin(choice[1], drivers) == RESET


def _origin(name: str, drivers: Mapping[str, Sequence[str]]) -> str:
    """The expression behind second names; or a name whose parts have different ones."""
    while name != RESET and len(drivers.get(name, ())) == 1:
        (name,) = drivers[name]
    return name
