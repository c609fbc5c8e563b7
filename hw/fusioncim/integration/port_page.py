"""ports.md: clock and reset, what each group of ports speaks, every port, the registers, and the memory macro."""

import re
from collections.abc import Iterable, Iterator

from fusioncim.chip.registers import REGISTER_ADDRESS_BITS
from fusioncim.integration.ports import Port, groups
from fusioncim.verilog.reset import CLOCK, Reset

AXI_RULES = (
    "each channel: what it carries moves at a rising edge at which its valid and its ready are 1; valid does not wait "
    "for ready"
)
SPEAKS = {
    ("clock", "input"): ("clock", "rising edge", "none"),
    ("reset", "input"): ("reset", "{level}", "none"),
    ("stream", "input"): ("stream into the design", "1", "`payload` moves at a rising edge with `valid` and `ready` 1"),
    ("stream", "output"): (
        "stream out of the design",
        "1",
        "`payload` moves at a rising edge with `valid` and `ready` 1",
    ),
    ("axi4lite", "input"): ("AXI4-Lite subordinate (slave)", "1", AXI_RULES),
    ("axi4", "input"): ("AXI4 manager (master), one ID, bursts in order", "1", AXI_RULES),
    ("signal", "input"): ("signal", "1", "none: sampled at every rising edge"),
    ("signal", "output"): ("signal", "1", "none: of every cycle"),
}
"""By kind of a group, and the direction of its first port: what it is, at which level it acts, its handshake."""
ONE_CLOCK = (
    f"Every port belongs to the one clock `{CLOCK}`. The design drives its outputs behind a rising edge and samples "
    "its inputs at the next."
)
ENDS = {
    False: "It must begin and end in time for `{clock}`, as every "
    "other input: it is timed, and there is no false path.",
    True: "It acts even if `{clock}` stands still. Nothing outside has "
    "to make its end synchronous: two registers do, in the module `{top}_reset_synchronizer`. Until they have, no "
    "`ready` of the design is 1, so that nothing is lost that comes too early. Keep these two next to each other, and "
    "let no tool retime or copy them. The constraints take the port out of the timing; the paths from the second "
    "register to the resets inside are timed.",
}
REGISTERS = f"""\
## Registers

`s_axil` reaches them: 32-bit words, little endian, at multiples of 4 in a window of {1 << REGISTER_ADDRESS_BITS} bytes.
The address is the offset; the bits above are the business of the interconnect. Reads and writes of whole words are the
rule; a write changes only the bytes that `wstrb` names. SLVERR, without effect: no register there, an address that is
no multiple of 4, a write where nothing can be written. `awprot` and `arprot` are ignored. There is one clock: an
interconnect on another one needs a clock converter.

The map is in `fusioncim_registers.md` for people. For tools it is in `registers.rdl`, `{{prefix}}fusioncim_registers.h`
and `component.xml`. How the chip is programmed is in `programming.md`.
"""


MEMORY = (
    "Every memory is an instance of the one module `{macro}`. Its model in `{source}` is for simulation and for FPGAs. "
    "For a chip leave that file out and give a module of the same name, parameters and ports, which picks a foundry "
    "macro by its parameters. The head of the file says what the ports do, and what they may leave undefined. These "
    "are all the shapes of this design:"
)


def port_page(
    top: str, ports: list[Port], reset: Reset, *, prefix: str, macro: str, source: str, shapes: Iterable[str]
) -> str:
    """Markdown.

    prefix: in front of the files in C. macro, source: name of the memory macro and the file of its model. shapes: rows
    of its parameters.
    """
    lines = [
        f"# Ports of `{top}`",
        "",
        ONE_CLOCK,
        "",
        f"`{reset.port}` is active {'high' if reset.level else 'low'}, "
        f"{'asynchronous' if reset.asynchronous else 'synchronous'}. "
        f"Hold it for at least {reset.held}. "
        + ENDS[reset.asynchronous].format(clock=CLOCK, top=top)
        + " During reset no `valid` of the design is 1.",
        "",
        "| group | what it is | clock | acts at | handshake |",
        "| --- | --- | --- | --- | --- |",
        *_group_rows(ports, reset),
        "",
        "## Every port",
        "",
        "| port | direction | bits | meaning |",
        "| --- | --- | ---: | --- |",
        *_port_rows(ports),
        "",
    ]
    pages = ["\n".join(lines)]
    if any(port.kind == "axi4lite" for port in ports):
        pages.append(REGISTERS.format(prefix=prefix))
    pages.append(_memory_page(macro, source, shapes))
    return "\n".join(pages)


def _group_rows(ports: Iterable[Port], reset: Reset) -> Iterator[str]:
    """A row per group."""
    for name, members in groups(ports).items():
        first = members[0]
        direction = first.direction
        if first.kind == "stream":  # its side is that of the payload
            direction = next(port.direction for port in members if port.name.endswith("payload"))
        if first.kind.startswith("axi"):
            direction = "input"
        what, level, handshake = SPEAKS[first.kind, direction]
        level = level.format(level=reset.level)
        if name == "irq":
            handshake = "a level: it stays until software clears the bit in IRQ_STATUS"
        clock = "" if first.kind == "clock" else "none" if reset.asynchronous and first.kind == "reset" else CLOCK
        pattern = f"{name}__*" if first.kind == "stream" else f"{name}_*" if len(members) > 1 else name
        yield f"| `{pattern}` | {what} | {f'`{clock}`' if clock == CLOCK else clock} | {level} | {handshake} |"


def _port_rows(ports: Iterable[Port]) -> Iterator[str]:
    """A row per port, and one per field of its layout."""
    for port in ports:
        yield f"| `{port.name}` | {port.direction} | {port.width} | {port.meaning} |"
        for name, high, low in port.fields:
            bits = f"{high}:{low}" if high > low else f"{high}"
            yield f"| `{port.name}[{bits}]` | | {high - low + 1} | {name} |"


def macro_shapes(text: str, macro: str) -> list[str]:
    """Rows of a table: the parameters with which the Verilog instantiates the macro, each set once."""
    shapes = set()
    for given in re.findall(rf"(?m)^  {macro} #\(\n((?:    \..*\n)+)", text):
        values = {name: int(value) for name, value in re.findall(r"\.(\w+)\(32'd(\d+)\)", given)}
        shapes.add((values["DEPTH"], values["WIDTH"], values["READS"], values.get("ARRAY", 0)))
    return [f"| {' | '.join(map(str, shape))} |" for shape in sorted(shapes)]


def _memory_page(macro: str, source: str, shapes: Iterable[str]) -> str:
    """How the macro is replaced."""
    return "\n".join(
        [
            "## Memory",
            "",
            MEMORY.format(macro=macro, source=source),
            "",
            "| DEPTH, words | WIDTH, bits | READS, ports | ARRAY |",
            "| ---: | ---: | ---: | ---: |",
            *shapes,
            "",
        ]
    )
