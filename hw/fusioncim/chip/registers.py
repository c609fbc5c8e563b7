"""The register map: `registers.rdl` as data, and as AXI4-Lite hardware. `software.register_files` makes its files.

The map is written once, in SystemRDL; no offset or position of it is repeated here.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from systemrdl.compiler import RDLCompiler
from systemrdl.node import AddrmapNode, FieldNode, Node, RegNode
from systemrdl.rdltypes.builtin_enums import OnWriteType

SOURCE = Path(__file__).with_suffix(".rdl")
REGISTER_ADDRESS_BITS = 12
"""Bits of a byte address: the window is 4 KB."""
OKAY, SLVERR = 0, 2
"""Responses of AXI4-Lite."""
KINDS = {
    (False, False, False, False, None): "constant",
    (False, True, False, False, None): "input",
    (True, False, False, False, None): "storage",
    (True, False, True, False, None): "pulse",
    (True, False, False, True, OnWriteType.woclr): "sticky",
}
"""Kind of a field by: written by software, by hardware, singlepulse, hwset, onwrite."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field: its lowest bit, its bits, what it says, its value after reset (None: undefined) and its kind.

    constant: always the reset value; input: driven by the hardware; storage: written by software; pulse: writing 1 acts
    once, reads as 0; sticky: set by the hardware, cleared by writing 1, set if both happen at once.
    """

    low: int
    width: int
    desc: str
    reset: int | None
    kind: str


@dataclass(frozen=True, kw_only=True)
class Register:
    """A register: name, byte offset, what it says, fields by name, the register whose value is latched when it is read.

    The name is the path below the map, joined by underscores; an element of an array is NAME[i].
    """

    name: str
    offset: int
    desc: str
    fields: Mapping[str, Field]
    latches: str | None = None

    @property
    def writable(self) -> bool:
        """Software can write some field."""
        return any(field.kind in ("storage", "pulse", "sticky") for field in self.fields.values())

    def member(self, field: str) -> str:
        """Name of a field in hardware: <register>_<field> in lower case, NAME[i] as name_i."""
        return re.sub(r"\[(\d+)\]", r"_\1", f"{self.name}_{field}").lower()


@functools.cache
def model() -> AddrmapNode:
    """The compiled map."""
    compiler = RDLCompiler()
    compiler.compile_file(str(SOURCE))
    return compiler.elaborate().top


@functools.cache
def registers() -> dict[str, Register]:
    """The registers by name, in the order of their offsets."""
    return read(model())


def read(top: AddrmapNode) -> dict[str, Register]:
    """The registers of a compiled map."""
    nodes = [node for node in top.descendants(unroll=True) if isinstance(node, RegNode)]
    found = [
        Register(
            name=_name(node),
            offset=node.absolute_address,
            desc=sentence(node),
            fields={field.inst_name: _field(field) for field in node.fields()},
            latches=_name(node.get_property("latches")) if "latches" in node.list_properties() else None,
        )
        for node in nodes
    ]
    return {register.name: register for register in found}


def sentence(node: Node) -> str:
    """The description of a node, on one line."""
    return " ".join(str(node.get_property("desc")).split())


def _name(node: RegNode) -> str:
    return "_".join(node.get_path_segments(array_suffix="[{index:d}]")[1:])


def _field(node: FieldNode) -> Field:
    written = (node.is_sw_writable, node.is_hw_writable)
    properties = (*written, *map(node.get_property, ("singlepulse", "hwset", "onwrite")))
    if properties not in KINDS:
        raise ValueError(f"a field must be of a kind that registers.rdl lists, not {node.get_path()}")
    reset = node.get_property("reset")
    assert reset is None or isinstance(reset, int)
    return Field(low=node.low, width=node.width, desc=sentence(node), reset=reset, kind=KINDS[properties])


def axil_members() -> dict[str, wiring.Member]:
    """An AXI4-Lite subordinate's ports, by their usual flat names."""
    address = {"addr": In(REGISTER_ADDRESS_BITS), "prot": In(3), "valid": In(1), "ready": Out(1)}
    channels = {
        "aw": address,
        "w": {"data": In(32), "strb": In(4), "valid": In(1), "ready": Out(1)},
        "b": {"resp": Out(2), "valid": Out(1), "ready": In(1)},
        "ar": address,
        "r": {"data": Out(32), "resp": Out(2), "valid": Out(1), "ready": In(1)},
    }
    return {f"s_axil_{channel}{name}": port for channel, ports in channels.items() for name, port in ports.items()}


class RegisterFile(wiring.Component):
    """The registers as an AXI4-Lite subordinate.

    A write acts in the cycle after the later one of its address and its data, and is answered in the cycle behind. The
    address and the data come in either order. A read samples in the cycle after its address and is answered in the
    cycle behind. Each takes two cycles, and reads pass writes. SLVERR, without effect: no register at the address, an
    unaligned address, or a write to a register without a field that software can write.

    Members:
        s_axil_*: the bus.
        <field>: a field of the map, by `Register.member`. Input: its value. Storage and sticky: its value, changed in
            the cycle after the write acts. Pulse: 1 in the cycle in which the write acts.
        <field>_set: sets a sticky field.
    """

    def __init__(self) -> None:
        members = axil_members()
        for register in registers().values():
            for name, field in register.fields.items():
                if field.kind != "constant":
                    flow = In if field.kind == "input" else Out
                    members[register.member(name)] = flow(field.width)
                if field.kind == "sticky":
                    members[f"{register.member(name)}_set"] = In(1)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        writes, data, mask = self._writes(m)
        words = {}
        for register in registers().values():
            write = writes.get(register.name, Const(0))
            words[register.name] = word = Signal(32, name=register.member("word"))
            for name, field in register.fields.items():
                bits = slice(field.low, field.low + field.width)
                m.d.comb += word[bits].eq(self._field(m, register.member(name), field, write, data[bits], mask[bits]))
        self._reads(m, words)
        return m

    def _writes(self, m: Module) -> tuple[dict[str, Signal], Signal, Signal]:
        """Channels of a write: when each register is written, the bits written, and which."""
        address = Signal(REGISTER_ADDRESS_BITS, reset_less=True)
        addressed = Signal()
        word = Signal(32, reset_less=True)
        strobe = Signal(4, reset_less=True)
        given = Signal()
        act = Signal()
        error = Signal(reset_less=True)
        data = Signal(32)
        mask = Signal(32)
        writes = {
            name: Signal(name=register.member("write")) for name, register in registers().items() if register.writable
        }
        m.d.comb += [
            *(self.s_axil_awready.eq(~addressed), self.s_axil_wready.eq(~given)),
            *(act.eq(addressed & given & ~self.s_axil_bvalid), self.s_axil_bresp.eq(Mux(error, SLVERR, OKAY))),
            *(mask.eq(Cat(bit.replicate(8) for bit in strobe)), data.eq(word & mask)),
            *(write.eq(act & (address == registers()[name].offset)) for name, write in writes.items()),
        ]
        with m.If(self.s_axil_awvalid & ~addressed):
            m.d.sync += [addressed.eq(1), address.eq(self.s_axil_awaddr)]
        with m.If(self.s_axil_wvalid & ~given):
            m.d.sync += [given.eq(1), word.eq(self.s_axil_wdata), strobe.eq(self.s_axil_wstrb)]
        with m.If(act):
            m.d.sync += [addressed.eq(0), given.eq(0), self.s_axil_bvalid.eq(1)]
            m.d.sync += error.eq(~Cat(writes.values()).any())
        with m.Elif(self.s_axil_bready):
            m.d.sync += self.s_axil_bvalid.eq(0)
        return writes, data, mask

    def _field(self, m: Module, member: str, field: Field, write: Value, data: Value, mask: Value) -> Value:
        """A field's hardware; returns its value as it reads."""
        if field.kind == "constant":
            return Const(field.reset, field.width)
        port = getattr(self, member)
        if field.kind == "input":
            return port
        written = Mux(write, data, 0)
        if field.kind == "pulse":
            m.d.comb += port.eq(written)
            return Const(0)
        value = Signal(field.width, name=f"{member}_value", init=field.reset or 0, reset_less=field.reset is None)
        m.d.comb += port.eq(value)
        if field.kind == "sticky":
            m.d.sync += value.eq((value & ~written) | getattr(self, f"{member}_set"))
        else:
            with m.If(write):
                m.d.sync += value.eq((value & ~mask) | data)
        return value

    def _reads(self, m: Module, words: Mapping[str, Signal]) -> None:
        """Channels of a read."""
        address = Signal(REGISTER_ADDRESS_BITS, reset_less=True)
        addressed = Signal()
        data = Signal(32, reset_less=True)
        error = Signal(reset_less=True)
        latched = Signal(32)
        act = Signal()
        m.d.comb += [
            *(self.s_axil_arready.eq(~addressed), act.eq(addressed & ~self.s_axil_rvalid)),
            *(self.s_axil_rdata.eq(data), self.s_axil_rresp.eq(Mux(error, SLVERR, OKAY))),
        ]
        with m.If(self.s_axil_arvalid & ~addressed):
            m.d.sync += [addressed.eq(1), address.eq(self.s_axil_araddr)]
        with m.If(act):
            m.d.sync += [addressed.eq(0), self.s_axil_rvalid.eq(1), error.eq(1), data.eq(0)]
            late = {register.latches for register in registers().values()}
            with m.Switch(address):
                for name, register in registers().items():
                    with m.Case(register.offset):
                        m.d.sync += [error.eq(0), data.eq(latched if name in late else words[name])]
                        if register.latches:
                            m.d.sync += latched.eq(words[register.latches])
        with m.Elif(self.s_axil_rready):
            m.d.sync += self.s_axil_rvalid.eq(0)
