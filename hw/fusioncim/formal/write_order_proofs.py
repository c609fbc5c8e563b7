"""Proofs that every row that is finished is asked to be written once, in its turn and at its place.

The queue of the places inside of a packer is replaced by what every queue does, which a proof of its own says: its
words leave as they came, in order. So the proofs are by induction, and hold in every cycle.
"""

from collections.abc import Mapping
from itertools import pairwise

from amaranth.hdl import Array, Cat, Module, Mux, ShapeLike, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from fusioncim.chip.descriptor import DIMENSION_BITS, HEAD_BITS
from fusioncim.chip.job_table import SLOTS, slot_shape
from fusioncim.chip.output_packer import ROWS_PACKED, row_tile_layout
from fusioncim.chip.output_place import tiles_placed
from fusioncim.chip.output_writer import OutputWriter
from fusioncim.formal.bench import Bench
from fusioncim.formal.mutant import Mutant
from fusioncim.formal.proof import Proof
from fusioncim.formal.small import CHIP, ENGINE
from fusioncim.formal.streams import carried, neighbours

BEATS_OF_ROW = CHIP.output_bytes * 8 // CHIP.output_beat_bits
"""Beats in which an engine gives a row."""
TILES = tiles_placed(CHIP) + 1
"""Of an engine, that have a row that is not asked for."""
LOW = CHIP.bus_bytes.bit_length() - 1
"""Bits of an address inside of a beat."""


class Queue(wiring.Component):
    """The queue that the units use, of words of a bit: it does not look at them."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        super().__init__({"i": In(stream.Signature(1)), "o": Out(stream.Signature(1))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=1, depth=self.depth)
        wiring.connect(m, wiring.flipped(self.i), fifo.w_stream)
        wiring.connect(m, fifo.r_stream, wiring.flipped(self.o))
        return m


def queue(b: Bench) -> None:
    """Words leave as they came."""
    i, o = b.unit.i, b.unit.o
    carried(b, i.valid & i.ready, i.payload, o.valid & o.ready, o.payload, most=b.unit.depth)


def output_writer(b: Bench) -> None:
    """The rows of an arbitrary engine, and of them those of an arbitrary slot."""
    neighbours(b)
    unit = b.unit
    engine, slot = b.symbol(1, "engine"), b.symbol(slot_shape(), "of_slot")
    write = unit.o_write

    # What is written of the slot. It begins anew once its rows are asked for.
    steps = dict.fromkeys(("head", "query"), CHIP.address_bits)
    numbers = data.StructLayout({**steps, "group": HEAD_BITS, "bytes": DIMENSION_BITS})
    job, begun, this = Signal(numbers, reset_less=True), Signal(), unit.job.descriptor
    begins = unit.begins & (unit.slot == slot)
    with b.m.If(begins):
        b.m.d.sync += [
            *(job.head.eq(this.o.head_pitch), job.query.eq(this.o.pitch + this.o.head_pitch - unit.job.o_group)),
            *(job.group.eq(unit.job.group), job.bytes.eq(this.value_dimension), begun.eq(1)),
        ]
    # As the check of a descriptor sees to.
    aligned = (this.o.pitch, this.o.head_pitch, unit.job.o_group, this.value_dimension, unit.place.address)
    b.given(*(value[:LOW] == 0 for value in aligned))
    b.given((this.value_dimension != 0) & (this.value_dimension <= ENGINE.columns))

    # The places of its tiles in turn: of the oldest one, that of the next row.
    layout = row_tile_layout(CHIP)
    tiles, held = [Signal(layout, name=f"tile_{n}") for n in range(TILES)], Signal(range(TILES + 1))
    place, oldest = unit.place, tiles[0]
    enters = (unit.place_valid & unit.place_ready).bit_select(engine, 1)
    asked = write.valid & write.ready & write.payload.tag.row & (b.inner("chosen", 1) == engine)
    ends, wraps = asked & (oldest.rows == 1), oldest.head + 1 == job.group
    b.given(~enters | ((place.rows != 0) & (place.rows <= ENGINE.rows)), ~enters | (place.slot != slot) | begun)
    b.m.d.sync += held.eq(held + enters - ends)
    with b.m.If(ends):
        b.m.d.sync += [tile.eq(behind) for tile, behind in pairwise(tiles)]
    with b.m.Elif(asked):
        b.m.d.sync += [
            *(oldest.address.eq(oldest.address + Mux(wraps, job.query, job.head)), oldest.rows.eq(oldest.rows - 1)),
            oldest.head.eq(Mux(wraps, 0, oldest.head + 1)),
        ]
    for n, tile in enumerate(tiles):
        with b.m.If(enters & (held - ends == n)):
            b.m.d.sync += [tile[name].eq(place[name]) for name in layout.members]

    # Rows that came whole.
    beat, whole = Signal(range(BEATS_OF_ROW)), Signal(range(ROWS_PACKED + 2))
    comes = Array(port.valid & port.ready for port in unit.i)[engine]
    b.m.d.sync += [beat.eq(beat + comes), whole.eq(whole + (comes & (beat == BEATS_OF_ROW - 1)) - asked)]

    of_slot = Cat((n < held) & (tile.slot == slot) for n, tile in enumerate(tiles)).any()
    b.given(~begins | ~of_slot)
    own = asked & (oldest.slot == slot)
    b.claim(~asked | (held != 0), ~asked | (whole != 0), ~asked | (write.payload.tag.slot == oldest.slot))
    b.claim(~own | (write.payload.address == oldest.address))
    end = oldest.address + job.bytes - 1
    b.claim(~own | (write.payload.beats == (end >> LOW) - (oldest.address >> LOW) + 1))
    b.claim(~asked | (write.payload.drop == unit.failed.bit_select(oldest.slot, 1)))

    # Whence that follows: the unit has the same.
    def of_engine(path: str, shape: ShapeLike) -> Value:
        return Array(b.inner(f"packer_{n}.{path}", shape) for n in range(CHIP.engines))[engine]

    walks = ~of_engine("places.r_en", 1)
    walked = data.View(layout, of_engine("place", layout.size))
    level, stored, full = (
        of_engine(f"places.{name}", bits) for name, bits in (("level", 3), ("inner_level", 2), ("r_rdy", 1))
    )
    first = Array(b.cut(f"packer_{n}.places.r_data", layout.size) for n in range(CHIP.engines))[engine]
    b.given(walks | ~full | (first == oldest.as_value()))
    rows = of_engine("rows", 2)
    b.given(rows <= ROWS_PACKED)
    b.claim(held == level + walks, level == stored + full, stored <= TILES - 2, rows == whole)
    b.claim(beat == Cat(of_engine("held", 2), of_engine("beat", 1)))
    b.claim(~walks | ((walked.slot == oldest.slot) & (walked.rows == oldest.rows) & (oldest.rows != 0)))
    b.claim(~walks | (oldest.slot != slot) | (walked == oldest))
    kept = data.View(numbers, Array(b.inner(f"job_{n}", numbers.size) for n in range(SLOTS))[slot])
    b.claim(~begun | (kept == job), ~of_slot | begun)
    b.claim(~begun | (Cat(job[name][:LOW] for name in ("head", "query", "bytes")) == 0))
    b.claim(~begun | ((job.bytes != 0) & (job.bytes <= ENGINE.columns)))
    for n, tile in enumerate(tiles):
        b.claim((n >= held) | ((tile.rows != 0) & (tile.rows <= ENGINE.rows)))
        b.claim((n >= held) | (tile.slot != slot) | (tile.address[:LOW] == 0))
    offers, mine = b.inner("held", 1), b.inner("chosen", 1) == engine
    of_lse = b.inner("of_lse", 1)
    b.claim(~(offers & mine) | Mux(of_lse, of_engine("offers", 1), walks & (whole != 0)))

    # It comes to its turn: a row whose place is known, and behind the log-sum-exp that goes before it.
    passed, due = Signal(2), walks & (whole != 0) & ~of_engine("waits", 1) & ~asked
    b.m.d.sync += passed.eq(Mux(due, passed + (write.valid & write.ready), 0))
    b.claim(~b.began | ~b.past(due) | offers, passed <= 1, (passed == 0) | (offers & mine))


PROOFS: Mapping[str, Proof] = {
    "queue": Proof(
        unit=lambda: Queue(tiles_placed(CHIP)),
        says="what a queue is given leaves as it came, in order",
        properties=queue,
        mutant=Mutant(
            "formal.write_order_proofs:Queue.elaborate",
            "wiring.connect(m, fifo.r_stream, wiring.flipped(self.o))",
            "wiring.connect(m, fifo.r_stream, wiring.flipped(self.o)); m.d.comb += self.i.ready.eq(1)",
        ),
    ),
    "output-writer-rows": Proof(
        unit=lambda: OutputWriter(CHIP),
        says="every finished row is asked to be written once, in turn, at the place of its tile, head and query",
        properties=output_writer,
        steps=1,
        mutant=Mutant(
            "chip.output_writer:OutputWriter.elaborate", "row.head + 1 == job.group", "row.head == job.group"
        ),
    ),
}
