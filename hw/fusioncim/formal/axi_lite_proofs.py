"""Proofs of the register port, against the rules of AXI4-Lite (ARM IHI 0022)."""

from collections.abc import Mapping

from amaranth.hdl import Cat, Signal

from fusioncim.chip.registers import RegisterFile
from fusioncim.formal.axi_proofs import channel, offered
from fusioncim.formal.bench import Bench
from fusioncim.formal.mutant import Mutant
from fusioncim.formal.proof import Proof


def register_port(b: Bench) -> None:
    """An answer for every write and every read, none without, each stable until it is taken."""
    unit = b.unit
    ports = {name: channel(unit, name, "s_axil_") for name in ("aw", "w", "b", "ar", "r")}
    moved = {name: port["valid"] & port["ready"] for name, port in ports.items()}
    for name in ("aw", "w", "ar"):
        port = ports[name]
        payload = Cat(signal for each, signal in port.items() if each not in ("valid", "ready"))
        held = b.past(port["valid"] & ~port["ready"])
        b.given(~b.began | ~held | (port["valid"] & (payload == b.past(payload))))
    offered(b, ports["b"])
    offered(b, ports["r"])
    counts = {name: Signal(3, name=f"open_{name}") for name in ("aw", "w", "ar")}
    for name, count in counts.items():
        done = moved["r" if name == "ar" else "b"]
        b.m.d.sync += count.eq(count + moved[name] - done)
        b.claim(~ports["r" if name == "ar" else "b"]["valid"] | (count != 0), count <= 2)


def register_port_moves(b: Bench) -> None:
    """Every channel has transfers, two behind each other too, good and bad answers."""
    unit = b.unit
    for name in ("aw", "w", "b", "ar", "r"):
        port = channel(unit, name, "s_axil_")
        moved = port["valid"] & port["ready"]
        b.reached(b.began & moved, b.began & moved & b.past(b.past(moved)))
        if "resp" in port:
            b.reached(moved & (port["resp"] == 0), moved & (port["resp"] == 2))


PROOFS: Mapping[str, Proof] = {
    "register-port": Proof(
        unit=RegisterFile,
        says="every write and every read is answered once, none without; answers stay until taken",
        properties=register_port,
        mutant=Mutant("chip.registers:RegisterFile._reads", "with m.Elif(self.s_axil_rready)", "with m.Else()"),
    ),
    "register-channels": Proof(
        unit=RegisterFile,
        says="all five channels have transfers, good and bad answers",
        properties=register_port_moves,
        covers=True,
        mutant=Mutant("chip.registers:RegisterFile._writes", "error.eq(~Cat(writes.values()).any())", "error.eq(1)"),
    ),
}
