"""Proofs of the masters of the memory edge, against the rules of AXI4 (ARM IHI 0022)."""

from collections.abc import Mapping

from amaranth.hdl import Cat, Mux, Signal, unsigned
from amaranth.lib import data, wiring

from fusioncim.chip.axi import ReadMaster, WriteMaster, burst_layout
from fusioncim.formal.bench import Bench
from fusioncim.formal.mutant import Mutant
from fusioncim.formal.proof import Proof
from fusioncim.formal.small import CHIP
from fusioncim.formal.streams import carried, neighbours

TAG = unsigned(1)
OUTSTANDING = 2
"""Bursts ahead, in the proofs that follow them."""
FEW = {"chip.axi:OUTSTANDING": OUTSTANDING, "chip.axi:BURST_BEATS": 4}
PAGE = 1 << 12
"""Bytes whose multiples a burst must not cross."""


def channel(unit: wiring.Component, name: str, prefix: str = "m_axi_") -> dict[str, Signal]:
    """The ports of a channel by their short names."""
    begin = prefix + name
    return {
        member[len(begin) :]: getattr(unit, member) for member in unit.signature.members if member.startswith(begin)
    }


def offered(b: Bench, port: Mapping[str, Signal]) -> None:
    """What a channel offers stays until it is taken (A3.2.1)."""
    payload = Cat(signal for name, signal in port.items() if name not in ("valid", "ready"))
    held = b.began & b.past(port["valid"] & ~port["ready"])
    b.claim(~held | port["valid"], ~held | (payload == b.past(payload)))


def address_rules(b: Bench, port: Mapping[str, Signal]) -> None:
    """Incrementing bursts of whole beats, which cross no 4 KB (A3.4.1)."""
    size = CHIP.bus_bytes.bit_length() - 1
    end = port["addr"][:12] + ((port["len"] + 1) << size)
    b.claim(
        ~port["valid"] | (end <= PAGE), ~port["valid"] | (port["burst"] == 1), ~port["valid"] | (port["size"] == size)
    )
    b.claim(~port["valid"] | (port["addr"][:size] == 0), ~port["valid"] | ((port["id"] == 0) & (port["lock"] == 0)))


def as_split(b: Bench, port: Mapping[str, Signal], *, drops: bool = False) -> None:
    """Every burst of the splitter stands on the channel once, as it was given; the splitter has proofs of its own."""
    layout = burst_layout(CHIP, data.StructLayout({"tag": TAG, "drop": 1}) if drops else TAG)
    payload = data.View(layout, b.inner("splitter.o__payload", layout.size))
    given = b.inner("splitter.o__valid", 1) & b.inner("splitter.o__ready", 1)
    if drops:
        given &= ~payload.tag.drop
    word = Cat(payload.address, payload.length)
    carried(b, given, word, port["valid"] & port["ready"], Cat(port["addr"], port["len"]), most=1)


def requests(b: Bench) -> None:
    """The requests of the unit keep to their rules: a beat at least."""
    neighbours(b)
    b.given(~b.unit.i.valid | (b.unit.i.payload.beats != 0))


def read_addresses(b: Bench) -> None:
    """The read address channel."""
    requests(b)
    ar = channel(b.unit, "ar")
    offered(b, ar)
    address_rules(b, ar)
    as_split(b, ar)


def read_answers(b: Bench) -> None:
    """A memory that gives every burst its beats, in order, the last one marked: nothing is broken, all beats go on."""
    requests(b)
    unit = b.unit
    ar, r = channel(unit, "ar"), channel(unit, "r")
    beat = r["valid"] & r["ready"]
    # The memory's own book: lengths of the bursts that it owes, the oldest one first.
    book, owed, number = Signal(data.ArrayLayout(2, OUTSTANDING + 1)), Signal(range(OUTSTANDING + 2)), Signal(2)
    b.given(~r["valid"] | (owed != 0), ~r["valid"] | (r["last"] == (number == book[0])))
    ends = beat & r["last"]
    with b.m.If(beat):
        b.m.d.sync += number.eq(Mux(r["last"], 0, number + 1))
    with b.m.If(ends):
        b.m.d.sync += [book[n].eq(book[n + 1]) for n in range(OUTSTANDING)]
    asks = ar["valid"] & ar["ready"]
    b.m.d.sync += owed.eq(owed + asks - ends)
    for n in range(OUTSTANDING + 1):
        with b.m.If(asks & (owed - ends == n)):
            b.m.d.sync += book[n].eq(ar["len"])
    b.claim(r["ready"], unit.o_valid == r["valid"], ~unit.o_valid | (unit.o.data == r["data"]), owed <= OUTSTANDING)
    b.claim(~unit.broken, ~unit.o_valid | (unit.o.error == r["resp"][1]))


def read_order(b: Bench) -> None:
    """Beats come back to their requests in order: the last one of each has its tag. The memory keeps its rules."""
    requests(b)
    unit = b.unit
    b.given(~unit.broken)
    ends = unit.o_valid & unit.o.last
    inside = carried(b, unit.i.valid & unit.i.ready, unit.i.payload.tag, ends, unit.o.tag, most=OUTSTANDING + 2)
    b.claim(~unit.o_valid | (inside != 0), ~unit.idle | (inside == 0))


def write_addresses(b: Bench) -> None:
    """The write address channel. What is dropped is not seen there."""
    requests(b)
    aw = channel(b.unit, "aw")
    offered(b, aw)
    address_rules(b, aw)
    as_split(b, aw, drops=True)


def write_data(b: Bench) -> None:
    """Data follows the addresses, burst by burst, each with its beats and the last one marked."""
    requests(b)
    unit = b.unit
    aw, w = channel(unit, "aw"), channel(unit, "w")
    offered(b, w)
    appears = aw["valid"] & (b.past(~aw["valid"] | aw["ready"]) | ~b.began)
    ends = w["valid"] & w["ready"] & w["last"]
    beats = Signal(8)
    with b.m.If(w["valid"] & w["ready"]):
        b.m.d.sync += beats.eq(Mux(w["last"], 0, beats + 1))
    inside = carried(b, appears, aw["len"], ends, beats, most=OUTSTANDING + 1, at_once=True)
    b.claim(~w["valid"] | (inside != 0) | appears)
    b.claim(
        ~w["valid"] | unit.i_data.valid, ~(unit.i_data.valid & w["valid"]) | (w["data"] == unit.i_data.payload.data)
    )


def write_answers(b: Bench) -> None:
    """Every request is answered once, in order; only what was not owed is broken; so many bursts wait at most."""
    requests(b)
    unit = b.unit
    aw, w, bb = channel(unit, "aw"), channel(unit, "w"), channel(unit, "b")
    full, waiting = Signal(range(OUTSTANDING + 2)), Signal(range(OUTSTANDING + 3))
    ends, answer = w["valid"] & w["ready"] & w["last"], bb["valid"] & bb["ready"]
    appears = aw["valid"] & (b.past(~aw["valid"] | aw["ready"]) | ~b.began)
    owed = full != 0
    b.m.d.sync += [full.eq(full + ends - (answer & owed)), waiting.eq(waiting + appears - (answer & owed))]
    b.claim(bb["ready"], unit.broken == (bb["valid"] & ~owed), full <= OUTSTANDING, waiting <= OUTSTANDING + 1)
    tag = unit.i.payload.tag
    inside = carried(b, unit.i.valid & unit.i.ready, tag, unit.o_valid, unit.o.tag, most=OUTSTANDING + 2)
    b.claim(~unit.idle | (inside == 0))


def transfers(b: Bench) -> None:
    """Every channel has transfers, the long and the last ones too."""
    requests(b)
    unit = b.unit
    for name in ("ar", "r", "aw", "w", "b"):
        port = channel(unit, name)
        if port:
            moved = port["valid"] & port["ready"]
            b.reached(b.began & moved)
            if "len" in port:
                b.reached(moved & (port["len"] == 31), moved & (port["len"] == 1))
            if "last" in port:
                b.reached(moved & port["last"] & b.began & b.past(moved & ~port["last"]))
    b.reached(unit.o_valid & unit.o.error, b.past(~unit.idle) & unit.idle & b.began)


def _read() -> ReadMaster:
    return ReadMaster(CHIP, TAG)


def _write() -> WriteMaster:
    return WriteMaster(CHIP, TAG)


PROOFS: Mapping[str, Proof] = {
    "read-addresses": Proof(
        unit=_read,
        says="addresses stay until taken, bursts cross no 4 KB, each of the splitter is asked for once, as it came",
        properties=read_addresses,
        mutant=Mutant("chip.axi:ReadMaster.elaborate", "free & pending.w_rdy", "pending.w_rdy"),
    ),
    "read-answers": Proof(
        unit=_read,
        says="beats go on as they come, in the bursts that were asked for; at most OUTSTANDING bursts wait",
        properties=read_answers,
        constants=FEW,
        mutant=Mutant(
            "chip.axi:ReadMaster.elaborate",
            "self.o.error.eq(self.m_axi_rresp[1])",
            "self.o.error.eq(self.m_axi_rresp[0])",
        ),
    ),
    "read-order": Proof(
        unit=_read,
        says="the beats of a request end once and with its tag, in the order of the requests",
        properties=read_order,
        constants=FEW,
        mutant=Mutant(
            "chip.axi:ReadMaster.elaborate", "(self.m_axi_rlast | ends) & head.last", "(self.m_axi_rlast | ends)"
        ),
    ),
    "read-channels": Proof(
        unit=_read,
        says="both channels have transfers, long and short, good and failed",
        properties=transfers,
        covers=True,
        mutant=Mutant("chip.axi:ReadMaster.elaborate", "self.m_axi_rready.eq(1)", "self.m_axi_rready.eq(0)"),
    ),
    "write-addresses": Proof(
        unit=_write,
        says="addresses stay until taken, bursts cross no 4 KB, each of the splitter is asked for once, as it came",
        properties=write_addresses,
        mutant=Mutant("chip.axi:WriteMaster.elaborate", "burst, issue & ~drop", "burst, issue"),
    ),
    "write-data": Proof(
        unit=_write,
        says="data stays until taken, comes with or behind its address, and its last beat, no other, is marked",
        properties=write_data,
        constants=FEW,
        mutant=Mutant("chip.axi:WriteMaster.elaborate", "sent == this.length", "sent >= this.length[1:]"),
    ),
    "write-answers": Proof(
        unit=_write,
        says="every request is answered once, in order; at most OUTSTANDING bursts wait for their answer",
        properties=write_answers,
        constants=FEW,
        mutant=Mutant("chip.axi:WriteMaster.elaborate", "pending.level == 0, pending.w_rdy", "1, pending.w_rdy"),
    ),
    "write-channels": Proof(
        unit=_write,
        says="all three channels have transfers, long and short, good and failed",
        properties=transfers,
        covers=True,
        mutant=Mutant("chip.axi:WriteMaster.elaborate", "self.m_axi_bready.eq(1)", "self.m_axi_bready.eq(0)"),
    ),
}
