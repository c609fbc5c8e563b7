"""Proofs that no queue, buffer or table takes more than it has room for, nor gives what it has not."""

from collections.abc import Mapping

from amaranth.hdl import Array, Mux, Signal, unsigned

from fusioncim.chip.axi import WriteMaster
from fusioncim.chip.job_table import SLOTS, JobTable
from fusioncim.chip.network import PASSES_PLANNED, Network
from fusioncim.chip.output_packer import ROWS_PACKED, OutputPacker
from fusioncim.chip.row_receiver import RowReceiver
from fusioncim.engine.controller import Controller
from fusioncim.engine.kv_buffer import KvBuffer, ring_blocks, ring_depth
from fusioncim.formal.bench import Bench
from fusioncim.formal.mutant import Mutant
from fusioncim.formal.proof import Proof
from fusioncim.formal.small import CHIP, ENGINE
from fusioncim.formal.streams import neighbours

DEPTH = CHIP.buffer_blocks
WORDS = CHIP.output_bytes // CHIP.bus_bytes
"""Of an output row."""
ROWS = 4
"""In flight, here."""


def network(b: Bench) -> None:
    """The fetcher reserves where there is room, memory fills that, and planned passes are loaded."""
    neighbours(b)
    unit = b.unit
    reserved, whole, held = Signal(range(DEPTH + 2)), Signal(range(DEPTH + 2)), Signal(range(DEPTH + 2))
    planned, reads = Signal(4), Signal(range(ENGINE.update_rank + 1))
    b.given(~unit.reserve | unit.room, ~unit.written | (reserved != 0))
    takes = unit.i_need.valid & unit.i_need.ready
    begins = b.inner("passes.r_en", 1)
    b.given(~unit.loaded | (planned != 0))
    b.m.d.sync += planned.eq(planned + takes - unit.loaded)
    b.m.d.sync += [
        reserved.eq(reserved + unit.reserve - unit.written),
        whole.eq(whole + unit.written - unit.served),
    ]
    # The last vector of a block is read rank cycles from its first one on; then its place is free.
    with b.m.If(unit.served):
        b.m.d.sync += reads.eq(ENGINE.update_rank - 1)
    with b.m.Elif(reads != 0):
        b.m.d.sync += reads.eq(reads - 1)
    done = reads == 1
    b.m.d.sync += held.eq(held + unit.reserve - done)
    b.claim(held <= DEPTH, whole <= held, ~unit.served | (whole != 0), ~unit.room | (held != DEPTH))
    b.claim(~unit.served | (reads <= 1), ~unit.read_enable | unit.served | (reads != 0))
    b.claim(planned <= PASSES_PLANNED + 1, b.inner("resident", 3) <= PASSES_PLANNED + 1)
    b.claim(~begins | b.inner("passes.r_rdy", 1))


def network_places(b: Bench) -> None:
    """The block that is read is the oldest whole one: places are given and read in turn."""
    network(b)
    unit = b.unit
    given, read = Signal(range(DEPTH)), Signal(range(DEPTH))
    b.m.d.sync += [given.eq(given + unit.reserve), read.eq(read + unit.served)]
    rank = ENGINE.rank_bits
    b.claim(unit.entry == given, ~unit.served | ((unit.read_row >> rank) == read))


def output_packer(b: Bench) -> None:
    """The writer takes rows that are whole, and the words of rows that it took."""
    neighbours(b)
    unit = b.unit
    rows, owed, word = b.inner("rows", 2), Signal(3), Signal(range(WORDS))
    moved = unit.o[0].valid & unit.o[0].ready
    # What the writer holds, it takes; that it is a row, see `write_order_proofs`.
    b.given(~unit.take | (rows != 0), ~unit.take_lse | unit.lse)
    b.given(~unit.o[0].ready | (owed != 0), ~moved | (unit.ends == (word == WORDS - 1)))
    with b.m.If(moved):
        b.m.d.sync += word.eq(Mux(unit.ends, 0, word + 1))
    b.m.d.sync += owed.eq(owed + unit.take - (moved & unit.ends))
    b.claim(rows <= ROWS_PACKED * ENGINE.drain_rows, owed <= ROWS_PACKED)


def write_queues(b: Bench) -> None:
    """What is written into a queue without asking finds room; what is read from it is there."""
    neighbours(b)
    b.given(~b.unit.i.valid | (b.unit.i.payload.beats != 0))
    for name in ("runs", "pending"):
        b.claim(~b.inner(f"{name}.w_en", 1) | b.inner(f"{name}.w_rdy", 1))
        b.claim(~b.inner(f"{name}.r_en", 1) | b.inner(f"{name}.r_rdy", 1))


def controller(b: Bench) -> None:
    """Blocks are accepted while the rings have room, and released as often as they were accepted."""
    neighbours(b)
    rows = b.unit.i_tile.payload.rows
    b.given(~b.unit.i_tile.valid | ((rows != 0) & (rows <= ENGINE.rows)))
    most, width = ring_blocks(ENGINE), range(ring_blocks(ENGINE) + 1)
    for name in ("keys", "values"):
        held = Signal(range(most + 3), name=f"held_{name}")
        released = getattr(b.unit.kv, f"{name}_release")
        taken = b.unit.i_block.valid & b.unit.i_block.ready
        b.m.d.sync += held.eq(held + taken - released)
        b.claim(held <= most, ~released | (held != 0), b.inner(name, width) == held)
    b.claim(~b.inner("blocks.w_en", 1) | b.inner("blocks.w_rdy", 1))


def kv_buffer(b: Bench) -> None:
    """Both rings take the same pairs; neither holds more than its depth."""
    neighbours(b)
    unit, depth, rank = b.unit, ring_depth(ENGINE), ENGINE.update_rank
    taken = unit.i.valid & unit.i.ready
    waiting = Signal(range(depth + 2))
    b.m.d.sync += waiting.eq(waiting + taken - Mux(unit.kv.claim, rank, 0))
    b.given(~unit.kv.claim | unit.kv.available)
    for name in ("keys", "values"):
        held = Signal(range(depth + 2), name=f"held_{name}")
        release = getattr(unit.kv, f"{name}_release")
        b.given(~release | (held - waiting >= rank))
        b.m.d.sync += held.eq(held + taken - Mux(release, rank, 0))
        b.claim((held <= depth) & (waiting <= held) & (b.inner(f"{name}.held", range(depth + 1)) == held))
    b.claim(unit.kv.available == (waiting >= rank))


def job_table(b: Bench) -> None:
    """Rows are written of sequences that have some left; then a slot has what it was given, and none is given twice."""
    neighbours(b)
    unit = b.unit
    taken = unit.i.valid & unit.i.ready
    good = (unit.i.payload.status == 0) & (unit.i.payload.rows != 0)
    slot, left = b.symbol(2, "slot"), Signal(unit.i.payload.rows.shape())
    written = unit.row_written & (unit.row_slot == slot)
    b.given(~written | (left != 0))
    b.given(~(unit.o_result.valid & ~unit.o_result.ready))
    enters = taken & good & (unit.slot == slot)
    with b.m.If(enters):
        b.m.d.sync += left.eq(unit.i.payload.rows)
    with b.m.Elif(written):
        b.m.d.sync += left.eq(left - 1)
    rows = Array(b.inner(f"rows_{n}", left.shape()) for n in range(SLOTS))[slot]
    active = b.inner("active", SLOTS).bit_select(slot, 1)
    b.claim((left == Mux(active, rows, 0)) & (~enters | (left == 0)) & (unit.running | (left == 0)))


def row_receiver(b: Bench) -> None:
    """Rows come that are asked for, and each note leaves with its row."""
    neighbours(b)
    unit = b.unit
    asked, late = Signal(range(ROWS + 3)), Signal()
    comes = unit.beat_valid & ~unit.beat_scale & unit.beat_last
    # Memory takes two cycles at least.
    b.given(~comes | (asked != 0))
    b.m.d.sync += [late.eq(unit.i.valid & unit.i.ready), asked.eq(asked + late - comes)]
    b.claim(asked <= ROWS + 1, (asked == 0) | unit.busy, ~b.inner("notes.r_en", 1) | b.inner("notes.r_rdy", 1))
    delivered = unit.query_valid
    b.claim(delivered & (delivered - 1) == 0, ~b.began | (delivered.any() == b.past(comes)))


PROOFS: Mapping[str, Proof] = {
    "network-buffer": Proof(
        unit=lambda: Network(CHIP),
        says="the buffer never holds more blocks than it has places; only whole blocks are read, each once",
        properties=network,
        mutant=Mutant("chip.network:Network.elaborate", "self.room.eq(taken != depth)", "self.room.eq(1)"),
    ),
    "network-places": Proof(
        unit=lambda: Network(CHIP),
        says="places of the buffer are given in turn, and read in the same turn",
        properties=network_places,
        mutant=Mutant(
            "chip.network:Network.elaborate",
            "self.entry.eq(self.entry + self.reserve)",
            "self.entry.eq(self.entry + self.written)",
        ),
    ),
    "packer-rows": Proof(
        unit=lambda: OutputPacker(CHIP),
        says="a packer never holds more whole rows than it has room for",
        properties=output_packer,
        mutant=Mutant("chip.output_packer:OutputPacker.elaborate", "Cat(room).all() &", "1 &"),
    ),
    "write-queues": Proof(
        unit=lambda: WriteMaster(CHIP, unsigned(1)),
        says="no queue of the write master overflows, and none is read while it is empty",
        properties=write_queues,
        constants={"chip.axi:OUTSTANDING": 2, "chip.axi:BURST_BEATS": 4},
        mutant=Mutant("chip.axi:WriteMaster.elaborate", "pending.level == 0, pending.w_rdy", "1, pending.w_rdy"),
    ),
    "controller-rings": Proof(
        unit=lambda: Controller(ENGINE),
        says="blocks are accepted while the rings have room, and released as often",
        properties=controller,
        cycles=32,
        mutant=Mutant("engine.controller:Controller.elaborate", "(keys != ring_blocks(config)) & ", ""),
    ),
    "kv-buffer": Proof(
        unit=lambda: KvBuffer(ENGINE),
        says="the rings of keys and values take the same pairs and never overflow",
        properties=kv_buffer,
        mutant=Mutant(
            "engine.kv_buffer:KvBuffer.elaborate",
            "keys.i.valid.eq(self.i.valid & values.i.ready)",
            "keys.i.valid.eq(self.i.valid)",
        ),
    ),
    "job-rows": Proof(
        unit=lambda: JobTable(CHIP),
        says="a slot is given anew once all of its rows are written, and the chip runs until then",
        properties=job_table,
        mutant=Mutant(
            "chip.job_table:JobTable.elaborate", "self.row_written & (self.row_slot == n)", "self.row_written"
        ),
    ),
    "row-receiver": Proof(
        unit=lambda: RowReceiver(CHIP),
        says="every row that comes has its note, and goes to one engine a cycle later",
        properties=row_receiver,
        constants={"chip.row_receiver:ROWS_IN_FLIGHT": ROWS},
        mutant=Mutant("chip.row_receiver:RowReceiver._deliver", "notes.r_en.eq(complete)", "notes.r_en.eq(is_row)"),
    ),
}
