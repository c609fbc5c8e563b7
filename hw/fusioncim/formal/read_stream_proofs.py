"""Proofs of the contract of streams, of the units of the chip that ask for what is read."""

from collections.abc import Mapping

from amaranth.hdl import Cat, Const, Mux, Signal, Value, unsigned

from fusioncim.chip.axi import BurstSplitter
from fusioncim.chip.block_reader import BlockReader
from fusioncim.chip.kv_fetcher import KvFetcher
from fusioncim.chip.kv_walker import KvWalker
from fusioncim.chip.query_loader import QueryLoader
from fusioncim.chip.read_arbiter import ReadArbiter, ReadKind
from fusioncim.formal.bench import Bench
from fusioncim.formal.mutant import Mutant
from fusioncim.formal.proof import Proof
from fusioncim.formal.small import CHIP, ENGINE
from fusioncim.formal.streams import STAYS, carried, neighbours, offers_stay, stays

CYCLES = 12
"""Up to which the largest units are proved."""


def splitter(b: Bench) -> None:
    """A request's bursts follow each other in memory and have its beats in all; the last one, and no other, says so."""
    neighbours(b)
    offers_stay(b)
    unit, bytes_ = b.unit, CHIP.bus_bytes
    active, address = Signal(), Signal(CHIP.address_bits, reset_less=True)
    left, tag = Signal(9, reset_less=True), Signal(2, reset_less=True)
    burst = unit.o.payload
    with b.m.If(unit.o.valid & unit.o.ready):
        b.m.d.sync += [active.eq(left != burst.length + 1), left.eq(left - burst.length - 1)]
        b.m.d.sync += address.eq(address + (burst.length + 1) * bytes_)
    with b.m.If(unit.i.valid & unit.i.ready):
        request = unit.i.payload
        b.m.d.sync += [active.eq(1), left.eq(request.beats), tag.eq(request.tag)]
        b.m.d.sync += address.eq(request.address & ~(bytes_ - 1))
    b.given(~unit.i.valid | (unit.i.payload.beats != 0))
    b.claim(unit.o.valid == active, ~active | (burst.address == address), ~active | (burst.tag == tag))
    b.claim(~active | (burst.length < left), ~active | (burst.last == (burst.length + 1 == left)))
    b.claim(~(unit.i.valid & unit.i.ready & unit.o.valid) | (unit.o.ready & burst.last))
    b.claim(~active | (burst.address[:12] + (burst.length + 1) * bytes_ <= 1 << 12))


def arbiter(b: Bench) -> None:
    """One request at a time, as it was given but for the offset, of the table before queries before keys."""
    neighbours(b)
    offers_stay(b)
    unit = b.unit
    sources = [unit.i_table, unit.i_query, unit.i_kv]
    takes = Cat(source.valid & source.ready for source in sources)
    word: Value = Const(0)
    for source in reversed(sources):
        word = Mux(source.valid & source.ready, _plain(source.payload), word)
    carried(b, takes.any(), word, unit.o.valid & unit.o.ready, _plain(unit.o.payload), most=1)
    b.claim(takes & (takes - 1) == 0)
    b.claim(~(unit.i_kv.ready & (unit.i_query.valid | unit.i_table.valid)), ~(unit.i_query.ready & unit.i_table.valid))


def _plain(request: Value) -> Value:
    """A request without the offset, which the arbiter says."""
    return Cat(request.address, request.beats, request.tag.kind, request.tag.slot, request.tag.row, request.tag.last)


def block_reader(b: Bench) -> None:
    """What is of the pass stays while a block is asked for."""
    neighbours(b)
    unit, block = b.unit, b.unit.i.payload
    of_pass = ("k_pitch", "v_pitch", "dimension", "value_dimension", "packed", "shared", "slot")
    stays(b, (unit.busy, Cat(block[name] for name in of_pass)))
    offers_stay(b)


def block_reader_rows(b: Bench) -> None:
    """With vectors apart, a key per request and then a value per request, at their places, the last one marked."""
    block_reader(b)
    unit, block, request = b.unit, b.unit.i.payload, b.unit.o.payload
    row, half = Signal(2), Signal()
    rows, key, value = Signal(2), Signal(CHIP.address_bits), Signal(CHIP.address_bits)
    asks = unit.o.valid & unit.o.ready
    b.given(~unit.i.valid | ((block.rows != 0) & (block.rows <= ENGINE.update_rank)))
    b.given(block.k_pitch == 32, block.v_pitch == 32, block.dimension == 16, block.value_dimension == 16)
    at_end, whole = row + 1 == rows, Signal()
    b.m.d.comb += whole.eq(at_end & (half | block.shared))
    with b.m.If(unit.i.valid & unit.i.ready):
        b.m.d.sync += [row.eq(0), half.eq(0), rows.eq(block.rows), key.eq(block.k_address), value.eq(block.v_address)]
    with b.m.Elif(asks):
        b.m.d.sync += [row.eq(Mux(at_end, 0, row + 1)), half.eq(half | at_end)]
        with b.m.If(half):
            b.m.d.sync += value.eq(value + 32)
        with b.m.Else():
            b.m.d.sync += key.eq(key + 32)
    b.claim(~asks | (request.address == Mux(half, value, key)))
    b.claim(~asks | (request.tag.kind == Mux(half, ReadKind.VALUE, ReadKind.KEY)), ~asks | (request.tag.last == whole))
    b.claim(unit.o.valid == unit.busy, ~b.began | ~b.past(asks & whole) | ~unit.busy)


def query_loader(b: Bench) -> None:
    """A tile's job and slot stay with it."""
    neighbours(b)
    unit = b.unit
    shown = b.past(unit.i.valid & ~unit.i.ready)
    stays(b, (shown, unit.job), (shown, unit.slot))
    offers_stay(b)


def kv_walker(b: Bench) -> None:
    """No pass is taken while a word of the page list is asked for, as the fetcher's reader holds the one before."""
    neighbours(b)
    unit, owed = b.unit, Signal()
    b.given(~(unit.page.valid & unit.i.valid & unit.i.ready), ~unit.page_valid | owed)
    b.m.d.sync += owed.eq((owed & ~unit.page_valid) | (unit.page.valid & unit.page.ready))
    offers_stay(b)


def kv_fetcher(b: Bench) -> None:
    """What the walker is promised is kept."""
    neighbours(b)
    asks, takes = b.inner("page__valid", 1), b.unit.i.valid & b.unit.i.ready
    b.claim(~(asks & takes))
    offers_stay(b)


PROOFS: Mapping[str, Proof] = {
    "burst-splitter": Proof(
        unit=lambda: BurstSplitter(CHIP, unsigned(2)),
        says="a request's bursts follow each other, have its beats in all, end with the marked one and cross no 4 KB",
        properties=splitter,
        mutant=Mutant("chip.axi:BurstSplitter.elaborate", "rest <= room", "rest < room"),
    ),
    "read-arbiter": Proof(
        unit=lambda: ReadArbiter(CHIP),
        says="every request leaves once, as it came and in order; what is offered stays",
        properties=arbiter,
        mutant=Mutant("chip.read_arbiter:ReadArbiter.elaborate", "~self.o.valid | self.o.ready", "~self.o.valid | 1"),
    ),
    "block-reader": Proof(
        unit=lambda: BlockReader(CHIP, ReadKind.KEY, ReadKind.VALUE),
        says=STAYS,
        properties=block_reader,
        prepare="scorr;",
        mutant=Mutant(
            "chip.block_reader:BlockReader.elaborate",
            "self.busy & self.o.ready & ~asks if scaled else self.busy & self.o.ready",
            "self.busy",
        ),
    ),
    "block-reader-rows": Proof(
        unit=lambda: BlockReader(CHIP, ReadKind.KEY, ReadKind.VALUE),
        says="vectors that are apart are asked for one by one, keys before values, at their places",
        properties=block_reader_rows,
        mutant=Mutant("chip.block_reader:BlockReader.elaborate", "half | block.shared", "half"),
    ),
    "query-loader": Proof(
        unit=lambda: QueryLoader(CHIP),
        says=STAYS,
        properties=query_loader,
        mutant=Mutant(
            "chip.query_loader:QueryLoader.elaborate",
            "step.eq(notes.ready & self.o_read.ready)",
            "step.eq(notes.ready)",
        ),
    ),
    "kv-walker": Proof(
        unit=lambda: KvWalker(CHIP),
        says=STAYS,
        properties=kv_walker,
        cycles=CYCLES,
        mutant=Mutant("chip.kv_walker:KvWalker.elaborate", "with m.If(self.o.ready):", "with m.If(1):"),
    ),
    "kv-fetcher": Proof(
        unit=lambda: KvFetcher(CHIP),
        says=STAYS,
        properties=kv_fetcher,
        cycles=CYCLES,
        mutant=Mutant(
            "chip.kv_fetcher:KvFetcher.elaborate", "walker.free.eq(~first.valid | first.ready)", "walker.free.eq(1)"
        ),
    ),
}
