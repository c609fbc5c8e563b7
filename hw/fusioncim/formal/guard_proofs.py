"""Proofs that no write leaves the chip outside of the outputs of its job, whatever asks for it.

Requests are arbitrary: their addresses, beats and tags are those of a chip that may have any fault before the guard.
The bounds are stated in bytes, and independently of the units: a beat is inside if one of its bytes is.
"""

from collections.abc import Mapping

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.axi import (
    WriteMaster,
    answer_layout,
    connect_ports,
    write_data_layout,
    write_members,
    write_request_layout,
)
from fusioncim.chip.job_table import SLOTS, slot_shape, write_tag_layout
from fusioncim.chip.write_guard import WriteGuard, region, write_bounds_layout
from fusioncim.formal.bench import Bench
from fusioncim.formal.mutant import Mutant
from fusioncim.formal.proof import Proof
from fusioncim.formal.small import CHIP
from fusioncim.formal.streams import neighbours

BEAT = CHIP.bus_bytes
LOW = BEAT.bit_length() - 1
"""Bits of an address inside of a beat."""
MOST = 1 << CHIP.address_bits
"""Bytes that addresses reach."""
JOB = data.StructLayout({"start": CHIP.address_bits, "end": CHIP.address_bits + 1})
"""A region of a job's outputs: its first byte, and the one behind its last one; end 0: there is none."""


class WriteEdge(wiring.Component):
    """The guard and the write master, connected as in a chip.

    Members:
        i, begins, slot, bounds, writes, refused, refused_slot: of the guard.
        i_data, stop, o_valid, o, idle, broken, m_axi_*: of the master.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(write_request_layout(CHIP, write_tag_layout()))),
                "begins": In(1),
                "slot": In(slot_shape()),
                "bounds": In(write_bounds_layout(CHIP)),
                "writes": In(SLOTS),
                "refused": Out(1),
                "refused_slot": Out(slot_shape()),
                "i_data": In(stream.Signature(write_data_layout(CHIP))),
                "stop": In(1),
                "o_valid": Out(1),
                "o": Out(answer_layout(write_tag_layout())),
                "idle": Out(1),
                "broken": Out(1),
                **write_members(CHIP),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        guard, master = WriteGuard(CHIP), WriteMaster(CHIP, write_tag_layout())
        m.submodules.guard, m.submodules.master = guard, master
        wiring.connect(m, wiring.flipped(self.i), guard.i)
        wiring.connect(m, guard.o, master.i)
        wiring.connect(m, wiring.flipped(self.i_data), master.i_data)
        connect_ports(m, self, guard, ("begins", "slot", "bounds", "writes", "refused", "refused_slot"))
        connect_ports(m, self, master, ("stop", "o_valid", "o", "idle", "broken", *write_members(CHIP)))
        return m


def jobs(b: Bench, guard: str | None = None) -> tuple[Signal, Value, data.View]:
    """An arbitrary slot, whether its sequence has rows to be written, and the region that a request of it may write.

    The bounds that are given with a sequence are those of regions in bytes that end inside of the addresses. A slot has
    rows to be written only once a sequence has taken it. guard: where that is inside of the unit; it keeps what it was
    given.
    """
    unit, slot = b.unit, b.symbol(slot_shape(), "followed")
    kept, begun = {}, Signal()
    begins = unit.begins & (unit.slot == slot)
    with b.m.If(begins):
        b.m.d.sync += begun.eq(1)
    writes = unit.writes.bit_select(slot, 1)
    b.given(~writes | begun)
    for name in ("o", "lse"):
        given = data.View(JOB, b.free(JOB, name))
        b.given(unit.bounds[name].as_value() == region(CHIP, given.start, given.end))
        b.given(given.end <= MOST)
        kept[name] = Signal(JOB, name=f"region_{name}")
        with b.m.If(begins):
            b.m.d.sync += kept[name].eq(given)
    if guard is not None:
        bounds = Array(b.inner(f"{guard}bounds_{n}", len(unit.bounds.as_value())) for n in range(SLOTS))[slot]
        b.claim(~begun | (bounds == Cat(region(CHIP, each.start, each.end) for each in kept.values())))
        b.claim(*(each.end <= MOST for each in kept.values()))
    allowed = Signal(JOB)
    b.m.d.comb += allowed.eq(Mux(unit.i.payload.tag.row, kept["o"].as_value(), kept["lse"].as_value()))
    return slot, writes, allowed


def within(allowed: data.View, address: Value, more: Value) -> Value:
    """The beat of the address and `more` behind it have each a byte of the region."""
    first = (address >> LOW) << LOW
    return (first >= (allowed.start >> LOW) << LOW) & (first + (more << LOW) < allowed.end)


def guard(b: Bench) -> None:
    """Requests go on as they come. They are dropped if they were before, or are outside; the latter is told."""
    unit = b.unit
    slot, writes, allowed = jobs(b, "")
    request, passed = unit.i.payload, unit.o.payload
    own = unit.i.valid & (request.tag.slot == slot)
    inside = writes & within(allowed, request.address, (request.beats - 1)[: len(request.beats)])
    b.claim(unit.o.valid == unit.i.valid, unit.i.ready == unit.o.ready)
    b.claim(passed.address == request.address, passed.beats == request.beats)
    b.claim(passed.tag.as_value() == request.tag.as_value())
    b.claim(~own | (passed.drop == (request.drop | ~inside)))
    b.claim(~own | (unit.refused == (unit.o.ready & ~inside)), ~unit.refused | unit.i.valid)
    b.claim(~unit.refused | (unit.refused_slot == request.tag.slot))


def edge(b: Bench) -> None:
    """Every burst on the address channel is inside of the region of the request that it is of."""
    neighbours(b)
    unit = b.unit
    slot, writes, allowed = jobs(b, "guard.")
    request = unit.i.payload
    # Of the request that was taken last, and of the one whose burst stands on the channel.
    state = data.StructLayout({"own": 1, "writes": 1, "region": JOB})
    last, shown = Signal(state), Signal(state)
    with b.m.If(unit.i.valid & unit.i.ready):
        b.m.d.sync += last.eq(Cat(request.tag.slot == slot, writes, allowed))
    with b.m.If(~unit.m_axi_awvalid | unit.m_axi_awready):
        b.m.d.sync += shown.eq(last)
    own = unit.m_axi_awvalid & shown.own
    b.claim(~own | shown.writes, ~own | within(shown.region, unit.m_axi_awaddr, unit.m_axi_awlen))
    # Whence that follows: what the splitter has left of a request is inside.
    splitter = {
        name: b.inner(f"master.splitter.{name}", bits)
        for name, bits in (("busy", 1), ("beat", CHIP.address_bits - LOW), ("rest", len(request.beats)))
    }
    drop = b.inner("master.splitter.tag", len(request.tag.as_value()) + 1)[-1]
    left = splitter["busy"] & last.own & ~drop
    b.claim(
        last.region.end <= MOST,
        ~left | last.writes,
        ~left | within(last.region, splitter["beat"] << LOW, splitter["rest"]),
    )


def edge_moves(b: Bench) -> None:
    """Outputs and log-sum-exp are written, up to the last byte of their regions; what is outside is told."""
    neighbours(b)
    unit = b.unit
    slot, writes, allowed = jobs(b)
    request = unit.i.payload
    taken = unit.i.valid & unit.i.ready & (request.tag.slot == slot)
    inside = writes & within(allowed, request.address, (request.beats - 1)[: len(request.beats)]) & ~request.drop
    appears = unit.m_axi_awvalid & unit.m_axi_awready
    for kind in (request.tag.row, ~request.tag.row):
        b.reached(appears & b.past(b.past(taken & inside & kind)), taken & ~inside & kind & unit.refused)
    b.reached(appears & (unit.m_axi_awaddr == (1 << CHIP.address_bits) - BEAT), unit.o_valid & ~unit.o.error)


PROOFS: Mapping[str, Proof] = {
    "guard-requests": Proof(
        unit=lambda: WriteGuard(CHIP),
        says="a request passes if it is inside of its job's outputs, as it came; else it is dropped, and that is told",
        properties=guard,
        steps=1,
        mutant=Mutant("chip.write_guard:WriteGuard.elaborate", "beat + more", "beat"),
    ),
    "guarded-writes": Proof(
        unit=WriteEdge,
        says="every address is, with all of its beats, inside of the outputs of its job, whatever is asked for",
        properties=edge,
        steps=1,
        mutant=Mutant("chip.write_guard:WriteGuard.elaborate", "beat >= allowed.first", "beat + 1 >= allowed.first"),
    ),
    "guarded-splits": Proof(
        unit=WriteEdge,
        says="every burst into which the write master cuts a request is inside of the outputs of its job",
        properties=edge,
        steps=1,
        mutant=Mutant("chip.axi:BurstSplitter.elaborate", "Mux(burst.last, rest, room)", "room"),
    ),
    "guard-passes": Proof(
        unit=WriteEdge,
        says="outputs and log-sum-exp are written up to the bounds, and what is outside is told",
        properties=edge_moves,
        covers=True,
        mutant=Mutant("chip.write_guard:WriteGuard.elaborate", "request.drop | ~inside", "1"),
    ),
}
