"""Proofs of the registers against their SystemRDL: what the compiled properties of every field say is what it does.

The bus is followed by its own rules: a write acts once its address and its data are there and the answer before is
taken; a read samples in the same way.
"""

from collections.abc import Mapping

from amaranth.hdl import Cat, Const, Mux, Signal, Value
from systemrdl.node import FieldNode, RegNode
from systemrdl.rdltypes.builtin_enums import OnWriteType

from fusioncim.chip.registers import RegisterFile, model
from fusioncim.formal.bench import Bench
from fusioncim.formal.mutant import Mutant
from fusioncim.formal.proof import Proof

SLVERR = 2


def nodes() -> dict[int, RegNode]:
    """The registers of the map by their byte offset."""
    return {node.absolute_address: node for node in model().descendants(unroll=True) if isinstance(node, RegNode)}


def member(field: FieldNode) -> str:
    """The port of a field: its path, with underscores."""
    return "_".join(field.get_path_segments(array_suffix="_{index:d}")[1:]).lower()


class Write:
    """The write that acts, if any: where, and which bits it sets and which it clears."""

    def __init__(self, b: Bench) -> None:
        unit = b.unit
        self.address, self.acts = Signal(12, reset_less=True), Signal()
        word, strobe = Signal(32, reset_less=True), Signal(4, reset_less=True)
        addressed, given = Signal(), Signal()
        mask = Cat(bit.replicate(8) for bit in strobe)
        self.ones, self.zeros = word & mask, ~word & mask
        b.m.d.comb += self.acts.eq(addressed & given & ~unit.s_axil_bvalid)
        with b.m.If(self.acts):
            b.m.d.sync += [addressed.eq(0), given.eq(0)]
        with b.m.If(unit.s_axil_awvalid & unit.s_axil_awready):
            b.m.d.sync += [addressed.eq(1), self.address.eq(unit.s_axil_awaddr)]
        with b.m.If(unit.s_axil_wvalid & unit.s_axil_wready):
            b.m.d.sync += [given.eq(1), word.eq(unit.s_axil_wdata), strobe.eq(unit.s_axil_wstrb)]


def value(b: Bench, field: FieldNode, write: Write, *, claims: bool = False) -> Value:
    """What a field reads as; claims: and the claim that its port shows what its properties say."""
    unit, width = b.unit, field.width
    if not field.is_sw_writable:
        return getattr(unit, member(field)) if field.is_hw_writable else Const(field.get_property("reset"), width)
    here = write.acts & (write.address == field.parent.absolute_address)
    ones = Mux(here, write.ones[field.low : field.high + 1], 0)
    zeros = Mux(here, write.zeros[field.low : field.high + 1], 0)
    port = getattr(unit, member(field))
    if field.get_property("singlepulse"):
        if claims:
            b.claim(port == ones)
        return Const(0, width)
    kept = Signal(width, name=f"kept_{member(field)}", init=field.get_property("reset"))
    if claims:
        b.claim(port == kept)
    if field.get_property("onwrite") == OnWriteType.woclr:
        b.m.d.sync += kept.eq((kept & ~ones) | getattr(unit, f"{member(field)}_set"))
    else:
        b.m.d.sync += kept.eq((kept & ~zeros) | ones)
    return kept


def fields_written(b: Bench) -> None:
    """What software writes."""
    write = Write(b)
    for node in nodes().values():
        for field in node.fields():
            value(b, field, write, claims=True)
    writable = [at for at, node in nodes().items() if any(field.is_sw_writable for field in node.fields())]
    known = Cat(write.address == at for at in writable).any()
    acted = b.began & b.past(write.acts)
    b.claim(~acted | b.unit.s_axil_bvalid, ~acted | (b.unit.s_axil_bresp == b.past(Mux(known, 0, SLVERR))))


def fields_read(b: Bench) -> None:
    """What software reads."""
    unit, write = b.unit, Write(b)
    words = {at: _word(b, node, write) for at, node in nodes().items()}
    address, addressed, samples = Signal(12, reset_less=True), Signal(), Signal()
    b.m.d.comb += samples.eq(addressed & ~unit.s_axil_rvalid)
    with b.m.If(samples):
        b.m.d.sync += addressed.eq(0)
    with b.m.If(unit.s_axil_arvalid & unit.s_axil_arready):
        b.m.d.sync += [addressed.eq(1), address.eq(unit.s_axil_araddr)]

    latched, shown, good = Signal(32), Signal(32), Signal()
    late = {node.get_property("latches").absolute_address for node in nodes().values() if _latches(node)}
    with b.m.Switch(address):
        for at, node in nodes().items():
            with b.m.Case(at):
                b.m.d.comb += [good.eq(1), shown.eq(latched if at in late else words[at])]
                if _latches(node):
                    with b.m.If(samples):
                        b.m.d.sync += latched.eq(words[node.get_property("latches").absolute_address])
    sampled = b.began & b.past(samples)
    b.claim(~sampled | unit.s_axil_rvalid, ~sampled | (unit.s_axil_rdata == b.past(shown)))
    b.claim(~sampled | (unit.s_axil_rresp == b.past(Mux(good, 0, SLVERR))))


def _latches(node: RegNode) -> bool:
    return "latches" in node.list_properties()


def _word(b: Bench, node: RegNode, write: Write) -> Signal:
    word = Signal(32, name=f"word_{node.absolute_address:x}")
    for field in node.fields():
        b.m.d.comb += word[field.low : field.high + 1].eq(value(b, field, write))
    return word


PROOFS: Mapping[str, Proof] = {
    "registers-written": Proof(
        unit=RegisterFile,
        says="every field is stored, cleared, set or pulsed as its properties in SystemRDL say, and nothing else is",
        properties=fields_written,
        mutant=Mutant("chip.registers:RegisterFile._field", "(value & ~written) |", "(value & ~data) |"),
    ),
    "registers-read": Proof(
        unit=RegisterFile,
        says="every register reads as its fields, the upper half of a counter as latched with the lower one",
        properties=fields_read,
        prepare="scorr;",
        mutant=Mutant("chip.registers:RegisterFile._reads", "latched if name in late else words", "words"),
    ),
}
