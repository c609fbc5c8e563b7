"""Proofs that no unit of the chip stands still, see `progress`: each is asked about with neighbours that do not."""

from collections.abc import Mapping

from amaranth.hdl import Cat, Mux, Signal

from fusioncim.chip.axi import BurstSplitter, ReadMaster, WriteMaster
from fusioncim.chip.block_reader import BlockReader
from fusioncim.chip.job_table import SLOTS, JobTable
from fusioncim.chip.kv_fetcher import KvFetcher
from fusioncim.chip.kv_walker import KvWalker
from fusioncim.chip.network import Network
from fusioncim.chip.planner import Planner
from fusioncim.chip.query_loader import QueryLoader
from fusioncim.chip.read_arbiter import ReadArbiter, ReadKind
from fusioncim.formal.axi_proofs import FEW, TAG, channel
from fusioncim.formal.bench import Bench
from fusioncim.formal.mutant import Mutant
from fusioncim.formal.progress import PATIENCE, fair, moves_on, soon, streams_alone, within
from fusioncim.formal.proof import Proof
from fusioncim.formal.small import CHIP, ENGINE
from fusioncim.formal.streams import neighbours, stays

WALK, WALK_DIGITS = 36, 10
"""Cycles from one block of a pass to the next, at most, where a product takes so many bits of a factor per cycle."""
LOAD = 22
"""Cycles in which a job's tables come, at most."""


def splitter(b: Bench) -> None:
    """Requests have a beat at least."""
    moved = fair(b)
    b.given(~b.unit.i.valid | (b.unit.i.payload.beats != 0))
    soon(b, b.unit.stop)
    moves_on(b, moved, 2 * PATIENCE + 3)


def block_reader(b: Bench) -> None:
    """Blocks have a row at least."""
    unit, block = b.unit, b.unit.i.payload
    moved = fair(b)
    b.given(~unit.i.valid | ((block.rows != 0) & (block.rows <= ENGINE.update_rank)))
    moves_on(b, moved, PATIENCE + 2)


def read_master(b: Bench) -> None:
    """Memory takes addresses soon, and its beats come soon while it owes some."""
    unit = b.unit
    neighbours(b)
    ar, r = channel(unit, "ar"), channel(unit, "r")
    asks, ends = ar["valid"] & ar["ready"], r["valid"] & r["ready"] & r["last"]
    owed = Signal(4)
    b.m.d.sync += owed.eq(owed + asks - ends)
    b.given(~unit.i.valid | (unit.i.payload.beats != 0), ~r["valid"] | (owed != 0), ~unit.broken)
    soon(b, unit.stop, ar["valid"] & ~ar["ready"], (owed != 0) & ~r["valid"])
    moved = (unit.i.valid & unit.i.ready) | asks | r["valid"]
    moves_on(b, moved, PATIENCE + 8, busy=unit.i.valid | ~unit.idle)


def write_master(b: Bench) -> None:
    """Memory takes addresses and data soon and answers soon; data comes soon."""
    unit = b.unit
    neighbours(b)
    aw, w, bb = channel(unit, "aw"), channel(unit, "w"), channel(unit, "b")
    ends, answer = w["valid"] & w["ready"] & w["last"], bb["valid"] & bb["ready"]
    owed = Signal(4)
    b.m.d.sync += owed.eq(owed + ends - answer)
    b.given(~unit.i.valid | (unit.i.payload.beats != 0), ~bb["valid"] | (owed != 0))
    soon(
        b,
        unit.stop,
        aw["valid"] & ~aw["ready"],
        w["valid"] & ~w["ready"],
        (owed != 0) & ~bb["valid"],
        ~unit.i_data.valid,
    )
    data = unit.i_data.valid & unit.i_data.ready
    moved = (unit.i.valid & unit.i.ready) | (aw["valid"] & aw["ready"]) | data | answer | unit.o_valid
    moves_on(b, moved, PATIENCE + 8, busy=unit.i.valid | ~unit.idle)


def kv_walker(b: Bench) -> None:
    """Words of the page list come soon; a pass has a block at least."""
    unit, owed, given = b.unit, Signal(), b.unit.i.payload
    moved = fair(b)
    b.given(~(unit.page.valid & unit.i.valid & unit.i.ready), ~unit.page_valid | owed)
    b.given(~unit.i.valid | (given.low < given.high))
    b.m.d.sync += owed.eq((owed & ~unit.page_valid) | (unit.page.valid & unit.page.ready))
    soon(b, owed & ~unit.page_valid, ~unit.free, unit.held)
    moves_on(b, moved | unit.page_valid, WALK)


def kv_fetcher(b: Bench) -> None:
    """The buffer has room soon."""
    unit, owed, given = b.unit, Signal(), b.unit.i.payload
    moved = fair(b)
    page = b.inner("page__valid", 1)
    asks = page & unit.o_read[0].ready
    b.given(~unit.page_valid | owed, ~unit.i.valid | (given.low < given.high))
    b.m.d.sync += owed.eq((owed & ~unit.page_valid) | asks)
    soon(b, owed & ~unit.page_valid, ~unit.room)
    moves_on(b, moved | unit.page_valid | unit.reserve, WALK)


def job_table(b: Bench) -> None:
    """While a sequence has rows left, one of them is written soon."""
    unit = b.unit
    moved = fair(b)
    active = b.inner("active", SLOTS)
    rows = [b.inner(f"rows_{n}", unit.i.payload.rows.shape()) for n in range(SLOTS)]
    open_rows = Cat(active[n] & (rows[n] != 0) for n in range(SLOTS))
    written = unit.row_written & (open_rows.bit_select(unit.row_slot, 1))
    b.given(~unit.row_written | written)
    soon(b, open_rows.any() & ~written)
    moves_on(b, moved | written, PATIENCE + 4)


def network(b: Bench) -> None:
    """The fetcher fills the buffer with the blocks of the passes, which are loaded soon.

    Engines have room soon, and keep it until a block comes.
    """
    unit = b.unit
    neighbours(b)
    need = unit.i_need.payload
    takes = unit.i_need.valid & unit.i_need.ready
    planned, coming = Signal(4), Signal(range(CHIP.buffer_blocks + 1))
    todo, whole = Signal(6), Signal(range(CHIP.buffer_blocks + 1))
    b.given(~unit.i_need.valid | ((need.blocks != 0) & (need.blocks <= 2)))
    b.given(~unit.reserve | (unit.room & (todo != 0)), ~unit.written | (coming != 0), ~unit.loaded | (planned != 0))
    b.m.d.sync += [
        planned.eq(planned + takes - unit.loaded),
        coming.eq(coming + unit.reserve - unit.written),
        whole.eq(whole + unit.written - unit.served),
        todo.eq(todo + Mux(takes, need.blocks, 0) - (unit.reserve & unit.reserve_final)),
    ]
    b.given(~b.began | (b.past(unit.block_ready & ~unit.block_valid) & ~unit.block_ready == 0))
    waits = ((todo != 0) & unit.room & ~unit.reserve, (coming != 0) & ~unit.written, (planned != 0) & ~unit.loaded)
    soon(b, *waits, *(~ready for ready in unit.block_ready))
    moved = takes | unit.served | unit.reserve | unit.written | unit.loaded
    moves_on(b, moved, ENGINE.update_rank + 3 * PATIENCE + 10, busy=(todo != 0) | (whole != 0) | (coming != 0))


def query_loader(b: Bench) -> None:
    """Memory returns tables and rows soon; an engine that is ready for a tile stays so until it gets it."""
    unit = b.unit
    moved = fair(b)
    shown = b.past(unit.i.valid & ~unit.i.ready)
    stays(b, (shown, unit.job), (shown, unit.slot))
    tiles = unit.i.payload.rows
    b.given((tiles != 0) & (tiles <= ENGINE.rows))
    for ready, valid in ((unit.tile_ready, unit.tile_valid), (unit.place_ready, unit.place_valid)):
        b.given(~b.began | (b.past(ready & ~valid) & ~ready == 0))
        soon(b, *(~each for each in ready))
    asks, ends = unit.o_read.valid & unit.o_read.ready, unit.beat_valid & unit.beat_last
    kind = unit.o_read.payload.tag.kind
    # Memory takes two cycles at least.
    tables, rows, table_asked, row_asked = Signal(5), Signal(6), Signal(), Signal()
    table_ends, row_ends = ends & unit.beat_scale, ends & ~unit.beat_scale
    b.given(~unit.beat_valid | Mux(unit.beat_scale, tables != 0, rows != 0))
    b.m.d.sync += [
        *(table_asked.eq(asks & (kind == ReadKind.SCALE)), row_asked.eq(asks & (kind == ReadKind.QUERY))),
        *(tables.eq(tables + table_asked - table_ends), rows.eq(rows + row_asked - row_ends)),
    ]
    soon(b, (tables != 0) & ~table_ends, (rows != 0) & ~row_ends)
    moves_on(b, moved | unit.beat_valid | unit.tile_valid.any(), LOAD)


PROOFS: Mapping[str, Proof] = {
    "splitter-moves": Proof(
        unit=lambda: BurstSplitter(CHIP, TAG),
        says=within(2 * PATIENCE + 3),
        properties=splitter,
        mutant=Mutant("chip.axi:BurstSplitter.elaborate", "~self.stop & (~busy", "self.stop & (~busy"),
    ),
    "arbiter-moves": Proof(
        unit=lambda: ReadArbiter(CHIP),
        says=within(PATIENCE + 3),
        properties=streams_alone(PATIENCE + 3),
        mutant=Mutant(
            "chip.read_arbiter:ReadArbiter.elaborate", "~self.o.valid | self.o.ready", "self.o.valid & self.o.ready"
        ),
    ),
    "read-moves": Proof(
        unit=lambda: ReadMaster(CHIP, TAG),
        says=within(PATIENCE + 8),
        properties=read_master,
        constants=FEW,
        mutant=Mutant("chip.axi:ReadMaster.elaborate", "free & pending.w_rdy", "pending.w_rdy"),
    ),
    "write-moves": Proof(
        unit=lambda: WriteMaster(CHIP, TAG),
        says=within(PATIENCE + 8),
        properties=write_master,
        constants=FEW,
        mutant=Mutant("chip.axi:WriteMaster.elaborate", "pending.level == 0, pending.w_rdy", "1, pending.w_rdy"),
    ),
    "block-reader-moves": Proof(
        unit=lambda: BlockReader(CHIP, ReadKind.KEY, ReadKind.VALUE),
        says=within(PATIENCE + 2),
        properties=block_reader,
        mutant=Mutant(
            "chip.block_reader:BlockReader.elaborate",
            "self.o.valid.eq(self.busy)",
            "self.o.valid.eq(self.busy & ~half)",
        ),
    ),
    "planner-moves": Proof(
        unit=lambda: Planner(CHIP),
        says=within(40),
        properties=streams_alone(40),
        mutant=Mutant("chip.planner:Planner.elaborate", "known.eq(~dealer.step)", "known.eq(0)"),
    ),
    "walker-moves": Proof(
        unit=lambda: KvWalker(CHIP),
        says=within(WALK),
        properties=kv_walker,
        cycles=WALK + 8,
        constants={"chip.kv_walker:DIGIT_BITS": WALK_DIGITS},
        mutant=Mutant(
            "chip.kv_walker:KvWalker.elaborate",
            "with m.If(self.o.ready):",
            "with m.If(self.page.ready & ~self.o.ready):",
        ),
    ),
    "fetcher-moves": Proof(
        unit=lambda: KvFetcher(CHIP),
        says=within(WALK),
        properties=kv_fetcher,
        tried="not run to its end: the walk is the larger part of it",
        mutant=Mutant("chip.kv_fetcher:KvFetcher.elaborate", "(~first.valid | first.ready)", "(0)"),
    ),
    "job-table-moves": Proof(
        unit=lambda: JobTable(CHIP),
        says=within(PATIENCE + 4),
        properties=job_table,
        cycles=16,
        mutant=Mutant("chip.job_table:JobTable.elaborate", "(skips | self.o.ready)", "(self.o.ready & ~skips)"),
    ),
    "network-moves": Proof(
        unit=lambda: Network(CHIP),
        says=within(ENGINE.update_rank + 3 * PATIENCE + 10),
        properties=network,
        cycles=24,
        mutant=Mutant("chip.network:Network.elaborate", "known & (busy == 0)", "known & (busy != 0)"),
    ),
    "query-loader-moves": Proof(
        unit=lambda: QueryLoader(CHIP),
        says=within(LOAD),
        properties=query_loader,
        constants={"chip.row_receiver:ROWS_IN_FLIGHT": 4},
        cycles=30,
        mutant=Mutant(
            "chip.query_loader:QueryLoader.elaborate", "self.o_read.valid.eq(notes.ready)", "self.o_read.valid.eq(0)"
        ),
    ),
}
