"""A unit with nothing around it but what is assumed of its neighbours, and claims about it."""

from collections.abc import Callable, Iterator

from amaranth.hdl import (
    Assert,
    Assume,
    ClockDomain,
    ClockSignal,
    Module,
    ResetSignal,
    Shape,
    ShapeLike,
    Signal,
    Value,
    ValueLike,
)
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

FIRST = "first"
"""Name of the one register that has a value at power-up: that the first cycle is the one of the reset."""


class Bench:
    """A unit whose inputs are arbitrary in every cycle.

    The first cycle is a reset; all registers and memories begin with arbitrary contents, so that a proof also shows
    that nothing depends on them. Claims and assumptions hold from the second cycle on.

    Members:
        unit: what is proved.
        m: the module around it, for state that a property keeps of it.
        began: this is the third cycle or a later one, so that `past` is of a cycle after the reset.
        ports: the free inputs, once built.
        inners: places of the signals inside of the unit that are looked at, by their ports.
        cuts: those of them that are arbitrary instead of what the unit makes of them.
        claims: how many claims there are.
    """

    def __init__(self, unit: wiring.Component, properties: Callable[["Bench"], None]) -> None:
        self.unit, self.properties = unit, properties
        self.ports: list[Signal] = []
        self.inners: dict[str, str] = {}
        self.cuts: set[str] = set()
        self.claims = 0

    def build(self) -> Module:
        """The module with the unit, the assumptions and the claims."""
        self.m = m = Module()
        m.domains.sync = sync = ClockDomain()
        m.domains.start = ClockDomain(reset_less=True)
        m.submodules.unit = self.unit
        self.first, self.began = Signal(init=1, name=FIRST), Signal()
        m.d.comb += [ClockSignal("start").eq(ClockSignal()), ResetSignal().eq(self.first)]
        m.d.start += self.first.eq(0)
        m.d.sync += self.began.eq(1)
        self.ports = [sync.clk]
        for path, member, value in self.unit.signature.flatten(self.unit):
            if member.flow == In:
                port = Value.cast(value)
                m.d.comb += port.eq(self.free(port.shape(), "__".join(map(str, path))))
        self.properties(self)
        return m

    def claim(self, *conditions: ValueLike) -> None:
        """What is to be proved."""
        for condition in conditions:
            self.claims += 1
            self.m.d.comb += Assert(self.first | Value.cast(condition).bool())

    def given(self, *conditions: ValueLike) -> None:
        """What is assumed."""
        for condition in conditions:
            self.m.d.comb += Assume(self.first | Value.cast(condition).bool())

    def reached(self, *conditions: ValueLike) -> None:
        """What is to be shown to happen: the claim that it never does has to fail."""
        self.claim(*(~Value.cast(condition).bool() for condition in conditions))

    def free(self, shape: ShapeLike, name: str) -> Signal:
        """An arbitrary value in every cycle."""
        port = Signal(Shape.cast(shape), name=f"free_{name}_{len(self.ports)}")
        self.ports.append(port)
        return port

    def symbol(self, shape: ShapeLike, name: str) -> Signal:
        """An arbitrary value that stays."""
        value = Signal(Shape.cast(shape), name=name, reset_less=True)
        self.m.d.sync += value.eq(value)
        return value

    def inner(self, path: str, shape: ShapeLike) -> Signal:
        """A signal inside of the unit, by its place: names of submodules and its own, joined by points."""
        port = self.free(shape, "inner")
        self.inners[port.name] = path
        return port

    def cut(self, path: str, shape: ShapeLike) -> Signal:
        """A signal inside of the unit that is arbitrary in every cycle; what it is, another proof says."""
        self.cuts.add(path)
        return self.inner(path, shape)

    def past(self, value: ValueLike) -> Signal:
        """A value as of the cycle before; it means something once `began` is set."""
        value = Value.cast(value)
        before = Signal(value.shape(), name=f"past_{len(value)}", reset_less=True)
        self.m.d.sync += before.eq(value)
        return before

    def streams(self, flow: wiring.Flow) -> Iterator[tuple[str, stream.Interface]]:
        """The unit's streams that flow that way, by name."""
        for name, member in self.unit.signature.members.items():
            if member.is_signature and isinstance(member.signature, stream.Signature) and member.flow == flow:
                port = getattr(self.unit, name)
                for n, each in enumerate(port if member.dimensions else [port]):
                    yield f"{name}_{n}" if member.dimensions else name, each
