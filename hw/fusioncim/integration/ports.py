"""The ports of a design: direction, bits, meaning, and to which group they belong.

A group is a clock, a reset, an AXI interface (`s_axil`, `m_axi`, `m_axi_v`), a stream or a port alone.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from amaranth.hdl import Shape, ShapeCastable
from amaranth.lib import data, stream, wiring

from fusioncim.verilog.emit import module_name, port_name
from fusioncim.verilog.reset import CLOCK, Reset

CLOCKED = "Clock; everything happens at its rising edge."
HANDSHAKE = {
    "valid": "{name}__payload holds a value; it stays until it is taken.",
    "ready": "{name}__payload is taken at the end of the cycle if {name}__valid is high, too.",
}
AXI = re.compile(r"(?P<group>[sm]_axi(?P<lite>l?)(?:_\w+?)?)_(?P<signal>(?:aw|ar|w|b|r)[a-z]+)")
"""A port of an AXI interface: the interface, l for AXI4-Lite, the signal by AXI's name."""


@dataclass(frozen=True)
class Port:
    """A port of the top.

    Members:
        fields: of a layout: name, highest and lowest bit.
        group: name of the group that it belongs to.
        kind: of the group: clock, reset, axi4, axi4lite, stream or signal.
    """

    name: str
    direction: str
    width: int
    meaning: str
    fields: tuple[tuple[str, int, int], ...] = ()
    group: str = ""
    kind: str = "signal"

    @property
    def pins(self) -> str:
        """As a pattern of a Tcl tool."""
        return self.name if self.width == 1 else f"{self.name}[*]"


def ports_of(
    component: wiring.Component, meanings: Mapping[str, str], reset: Reset = Reset.ACTIVE_HIGH_SYNC
) -> list[Port]:
    """Clock, reset, other inputs, outputs; a port without a meaning and a meaning without a port are refused."""
    top = module_name(component)
    found = [
        Port(CLOCK, "input", 1, CLOCKED, group=CLOCK, kind="clock"),
        Port(reset.port, "input", 1, reset.meaning, group=reset.port, kind="reset"),
    ]
    used = set()
    for path, member, _ in component.signature.flatten(component):
        name = port_name(path)
        prefix = max((prefix for prefix in meanings if name.startswith(prefix)), key=len, default=None)
        if prefix is None:
            raise ValueError(f"every port of {top} must have a meaning, not so {name}")
        used.add(prefix)
        meaning = meanings[prefix]
        group, kind = name, "signal"
        if isinstance(_inner(component.signature, path[:-1]), stream.Signature):
            group, kind = port_name(path[:-1]), "stream"
            if path[-1] in HANDSHAKE:
                meaning = HANDSHAKE[path[-1]].format(name=group)
        elif axi := AXI.fullmatch(name):
            group, kind = axi["group"], "axi4lite" if axi["lite"] else "axi4"
        direction = "input" if member.flow == wiring.In else "output"
        width, fields = Shape.cast(member.shape).width, tuple(_fields(member.shape, 0))
        found.append(Port(name, direction, width, meaning, fields, group, kind))
    if unused := [prefix for prefix in meanings if prefix not in used]:
        raise ValueError(f"every meaning must be that of a port of {top}, not so {', '.join(unused)}")
    return [*(port for port in found if port.direction == "input"), *(p for p in found if p.direction == "output")]


def _inner(signature: wiring.Signature, path: Iterable[str | int]) -> wiring.Signature | None:
    """The signature of an inner interface."""
    for step in path:
        if isinstance(step, str):
            member = signature.members[step]
            if not member.is_signature:
                return None
            signature = member.signature
    return signature


def _fields(shape: Shape | ShapeCastable, offset: int, prefix: str = "") -> Iterator[tuple[str, int, int]]:
    """The fields of a layout; arrays stay whole."""
    if isinstance(shape, data.StructLayout):
        for name, field in shape:
            inner = offset + field.offset
            yield f"{prefix}{name}", inner + field.width - 1, inner
            yield from _fields(field.shape, inner, f"{prefix}{name}.")


def groups(ports: Iterable[Port]) -> dict[str, list[Port]]:
    """The ports by the name of their group."""
    found: dict[str, list[Port]] = {}
    for port in ports:
        found.setdefault(port.group, []).append(port)
    return found


def axi_signal(port: Port) -> str:
    """AXI's name of a port of an AXI interface."""
    match = AXI.fullmatch(port.name)
    assert match
    return match["signal"].upper()


def explained(top: str, text: str, ports: Iterable[Port]) -> str:
    """The Verilog with the meaning of the ports above the top module."""
    comment = ["Ports:"]
    for port in ports:
        comment += textwrap.wrap(f"{port.name}: {port.meaning}", 112, initial_indent="  ", subsequent_indent="    ")
    lines = "".join(f"// {line}\n" for line in comment)
    return re.sub(rf"(?m)((?:^//.*\n)*)^module {top}\(", lambda head: _joined(head[1], lines) + f"module {top}(", text)


def _joined(above: str, below: str) -> str:
    return f"{above}//\n{below}" if above else below
