"""The top of a design with a reset port of another kind than inside, where it is active high and called rst."""

from amaranth.hdl import ClockDomain, Elaboratable, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import AsyncFFSynchronizer

from fusioncim.verilog.reset import CLOCK, Reset


class ResetPort(Elaboratable):
    """A component as the top of a design, with a reset of that kind.

    An asynchronous reset lasts longer inside than outside. Until it ends no ready is high, so that nothing is lost that
    a neighbour sends which has left its reset before.

    Members: the component's by their names in the Verilog, clk, and the reset by the name of its kind.
    """

    def __init__(self, component: wiring.Component, reset: Reset) -> None:
        self.component, self.reset = component, reset
        self.domain = ClockDomain("sync", async_reset=reset.asynchronous)
        plain = reset == Reset.ACTIVE_HIGH_SYNC
        ports = {CLOCK: self.domain.clk, reset.port: self.domain.rst if plain else Signal(name=reset.port)}
        members = dict.fromkeys(ports, wiring.In(1))
        self.ready: list[tuple[Signal, Signal]] = []
        if reset.asynchronous:
            self.domain.rst.name = "reset"
        for path, member, value in component.signature.flatten(component):
            name = "__".join(map(str, path))
            members[name], ports[name] = member, value
            if reset.asynchronous and name.endswith("ready") and member.flow == wiring.Out:
                value.name = f"{name}_inside"
                ports[name] = Signal(name=name)
                self.ready.append((ports[name], value))
        self.signature = wiring.Signature(members)
        for name, value in ports.items():
            setattr(self, name, value)

    def elaborate(self, platform: object) -> Module:
        m: Module = self.component.elaborate(platform)
        m.domains.sync = self.domain
        port = getattr(self, self.reset.port)
        if self.reset.asynchronous:
            edge = "pos" if self.reset.level else "neg"
            m.submodules.reset_synchronizer = AsyncFFSynchronizer(port, ResetSignal(), async_edge=edge)
        elif not self.reset.level:
            m.d.comb += ResetSignal().eq(~port)
        m.d.comb += [outside.eq(inside & ~ResetSignal()) for outside, inside in self.ready]
        return m
