"""Verilog in which no unknown value can hide, and in which each that matters is told of.

    if (x) q <= a;      Verilog takes the else branch where x is unknown: the unknown is gone
    q <= x ? a : q      what this text has instead: q becomes unknown, unless a and q are equal

Nothing has a value at power-up but the tables. Told of is an unknown, at a rising edge of the clock outside the reset,

- in a register that the reset clears, but those of DATA: so none reaches control,
- in a handshake, an enable or the interrupt at the ports of any module,
- in the write enable of a memory, in the address of what is written to it,
- in what a chip or an engine sends at its ports, while its valid is 1.

Registers without a reset, words of memories and what computes with them may be unknown. So may the read enable of a
bank: then the word is, too.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from amaranth.lib import wiring

from fusioncim.build.cache import build_root, filled_once, kept_text, short_hash
from fusioncim.build.sources import DESIGN, text_hash
from fusioncim.verilog.cached import design_key
from fusioncim.verilog.emit import Modules, module_name, used
from fusioncim.verilog.flip_flops import FlipFlops, flip_flops
from fusioncim.verilog.module_text import Declared

SRAM = Path(__file__).with_name("watched_sram.v")
"""The memory macro, watched in the same way."""

FOUND = "UNKNOWN"
"""First word of a line that tells of an unknown."""

WHOLE = ("chip", "engine")
"""Tops whose payloads are watched. A unit's may hold undefined fields, which its neighbours know not to use."""

DATA = {"network": ("block_last",), "row_receiver": ("interval_slot",), "read_arbiter": ("o__payload",)}
"""Registers that the reset clears though they only carry data: by module, each taken with a valid of its own."""

CONTROL = ("valid", "ready", "enable", "rdy", "irq")
"""Ends of the names of the outputs that are watched."""


def watched_verilog(component: wiring.Component) -> tuple[str, str]:
    """Name of the top module, and the text of a component and of everything below it."""
    used(component)
    name = module_name(component)
    made_by = text_hash((Path(__file__),), (*DESIGN, "fusioncim_sim"))
    place = build_root() / "verilog" / f"{name}-watched-{short_hash(design_key(component), made_by)}"
    with filled_once(place) as scratch:
        if scratch:
            modules = Modules()
            top = modules.add(component)
            texts = [watched(module, payloads=module.text.name == top in WHOLE) for module in flip_flops(modules.texts)]
            (scratch / f"{name}.v").write_text("\n".join(texts), encoding="utf-8")
    return name, kept_text(place / f"{name}.v")


def watched(module: FlipFlops, *, payloads: bool) -> str:
    """The text of a module with what watches it; payloads: those of its ports, too."""
    text = module.text
    if "rst" in text.ports and "clk" in text.ports:
        text.declared["told_of"] = Declared("reg")
        checks = "".join(
            f'      if ({condition}) begin told_of = 1; $display("{FOUND} %m: {what}"); end\n'
            for what, condition in _checks(module, payloads)
        )
        text.blocks.append("  initial told_of = 0;\n")
        text.blocks.append(f"  always @(posedge clk)\n    if (rst === 1'b0 && !told_of) begin\n{checks}    end\n")
    return str(text)


def _checks(module: FlipFlops, payloads: bool) -> Iterator[tuple[str, str]]:
    """What is looked at, and the condition that it is unknown."""
    for register in module.cleared:
        if register in DATA.get(module.text.name, ()):
            continue
        yield f"register {_plain(register)}", _unknown(register)
    for enable, address in module.writes:
        yield f"write enable {_plain(enable)}", _unknown(enable)
        yield f"write address {_plain(address)}", f"{enable} === 1'b1 && {_unknown(address)}"
    for enable in module.reads:
        yield f"read enable {_plain(enable)}", _unknown(enable)
    outputs = [name for name in module.text.ports if module.text.declared[name].direction == "output "]
    for name in outputs:
        if re.sub(r"\W", "", name).endswith(CONTROL):
            yield f"output {_plain(name)}", _unknown(name)
    if payloads:
        for valid in outputs:
            if valid.endswith("valid"):
                for name in outputs:
                    if name.startswith(valid.removesuffix("valid")) and name != valid:
                        yield f"payload {_plain(name)}", f"{valid} === 1'b1 && {_unknown(name)}"


def _unknown(name: str) -> str:
    return f"^{name} === 1'bx"


def _plain(name: str) -> str:
    return re.sub(r"[^\w.$\[\]]", "", name)


def found_in(log: Path) -> str:
    """The lines of a log that tell of unknowns."""
    if not log.exists():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(line for line in lines if line.startswith(FOUND))
