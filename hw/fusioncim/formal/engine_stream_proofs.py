"""Proofs of the contract of streams, of every unit of an engine, of its self-check and of the serial line."""

from collections.abc import Mapping

from amaranth.hdl import Const, Mux, Signal

from fusioncim.engine.controller import Controller
from fusioncim.engine.kv_buffer import VectorRing, ring_blocks, ring_depth
from fusioncim.engine.normalizer import Normalizer
from fusioncim.engine.reciprocal import Reciprocal
from fusioncim.engine.sequencer import Sequencer
from fusioncim.engine.tile_loader import TileLoader
from fusioncim.formal.bench import Bench
from fusioncim.formal.mutant import Mutant
from fusioncim.formal.proof import Proof
from fusioncim.formal.small import ENGINE
from fusioncim.formal.streams import STAYS, carried, neighbours, offers_stay, own_offers
from fusioncim.fpga.self_check import WordSource
from fusioncim.lib.uart import FRAME_BITS, Transmitter

DIVISOR = 2
"""Cycles per bit of the serial line."""
WORDS = (3, 1, 4, 1, 5, 9, 2, 6)


def tile_loader(b: Bench) -> None:
    """Every tile that enters is given to the drain once, with its rows, and takes so many queries."""
    own_offers(b)
    unit = b.unit
    carried(
        b,
        unit.i_tile.valid & unit.i_tile.ready,
        unit.i_tile.payload.rows,
        unit.o_tile.valid & unit.o_tile.ready,
        unit.o_tile.payload.rows,
        most=1,
    )
    b.given((unit.i_tile.payload.rows != 0) & (unit.i_tile.payload.rows <= ENGINE.rows))
    taken = Signal(3)
    with b.m.If(unit.i_tile.valid & unit.i_tile.ready):
        b.m.d.sync += taken.eq(0)
    with b.m.Elif(unit.i_q.valid & unit.i_q.ready):
        b.m.d.sync += taken.eq(taken + 1)
    b.claim(~unit.o_tile.valid | (taken == unit.o_tile.payload.rows))
    b.claim(unit.write.enable == (unit.i_q.valid & unit.i_q.ready))


def vector_ring(b: Bench) -> None:
    """The ring takes no vector without room, and offers a block only once all of its vectors are there."""
    unit, depth, rank = b.unit, ring_depth(ENGINE), ENGINE.update_rank
    held, waiting = Signal(range(depth + 2)), Signal(range(depth + 2))
    taken = unit.i.valid & unit.i.ready
    b.given(~unit.claim | unit.available, ~unit.release | (held - waiting >= rank))
    b.m.d.sync += held.eq(held + taken - Mux(unit.release, rank, 0))
    b.m.d.sync += waiting.eq(waiting + taken - Mux(unit.claim, rank, 0))
    b.claim(held <= depth, waiting <= held, unit.available == (waiting >= rank), unit.i.ready == (held != depth))


def vector_ring_data(b: Bench) -> None:
    """The n-th vector that enters stands at place n of the ring until its block is released."""
    unit, depth, rank = b.unit, ring_depth(ENGINE), ENGINE.update_rank
    vector_ring(b)
    place, bit = b.symbol(range(depth), "place"), b.symbol(range(len(unit.i.payload.as_value())), "bit")
    number, kept, written = Signal(range(depth)), Signal(), Signal()
    taken = unit.i.valid & unit.i.ready
    with b.m.If(taken):
        b.m.d.sync += number.eq(number + 1)
        with b.m.If(number == place):
            b.m.d.sync += [kept.eq(unit.i.payload.as_value().bit_select(bit, 1)), written.eq(1)]
    read = b.past(unit.read_enable & (unit.read_address == place) & written & ~(taken & (number == place)))
    shown = unit.read_data[0].as_value().bit_select(bit, 1)
    b.claim(~b.began | ~read | (shown == b.past(kept)))
    assert ring_blocks(ENGINE) * rank == depth


def sequencer(b: Bench) -> None:
    """A block is claimed once at most, and only if it is there; its values are released once."""
    neighbours(b)
    kv, taken = b.unit.kv, b.unit.i.valid & b.unit.i.ready
    claimed, opened = Signal(), Signal(3)
    b.m.d.sync += [claimed.eq((claimed | kv.claim) & ~taken), opened.eq(opened + kv.claim - kv.values_release)]
    b.claim(~kv.claim | kv.available, ~kv.claim | b.unit.i.valid, ~(kv.claim & claimed))
    b.claim(~kv.values_release | (opened != 0), opened <= 3)


def word_source(b: Bench) -> None:
    """The words in their order, none twice, and nothing behind the last one."""
    offers_stay(b)
    unit, number = b.unit, Signal(range(len(WORDS) + 2))
    with b.m.If(unit.o.valid & unit.o.ready):
        b.m.d.sync += number.eq(number + 1)
    for n, word in enumerate(WORDS):
        b.claim(~(unit.o.valid & (number == n)) | (unit.o.payload == word))
    b.claim(~unit.o.valid | (number < len(WORDS)), ~unit.done | (number == len(WORDS)))


def transmitter(b: Bench) -> None:
    """A byte that is taken goes out as start bit, eight bits and stop bit, each for its cycles; then the line rests."""
    neighbours(b)
    unit = b.unit
    word, cycle = Signal(8, reset_less=True), Signal(range(DIVISOR * FRAME_BITS + 1), init=DIVISOR * FRAME_BITS)
    with b.m.If(unit.i.valid & unit.i.ready):
        b.m.d.sync += [word.eq(unit.i.payload), cycle.eq(0)]
    with b.m.Elif(cycle != DIVISOR * FRAME_BITS):
        b.m.d.sync += cycle.eq(cycle + 1)
    for n, bit in enumerate([Const(0), *word, Const(1)]):
        b.claim(~((cycle >= DIVISOR * n) & (cycle < DIVISOR * (n + 1))) | (unit.tx == bit))
    b.claim(~(cycle == DIVISOR * FRAME_BITS) | unit.tx, unit.i.ready == (cycle == DIVISOR * FRAME_BITS))


PROOFS: Mapping[str, Proof] = {
    "tile-loader": Proof(
        unit=lambda: TileLoader(ENGINE),
        says="every tile is handed on once, in order, behind as many queries as it has",
        properties=tile_loader,
        mutant=Mutant("engine.tile_loader:TileLoader.elaborate", "row == config.rows - 1", "row == config.rows - 2"),
    ),
    "controller": Proof(
        unit=lambda: Controller(ENGINE),
        says=STAYS,
        properties=own_offers,
        mutant=Mutant(
            "engine.controller:Controller.elaborate", "tile.ready.eq(handed)", "tile.ready.eq(self.o_tile.valid)"
        ),
    ),
    "reciprocal": Proof(
        unit=lambda: Reciprocal(ENGINE),
        says=STAYS,
        properties=own_offers,
        mutant=Mutant(
            "engine.reciprocal:Reciprocal.elaborate", "with m.If(self.o.ready):", "with m.If(self.o.ready | ~last):"
        ),
    ),
    "normalizer": Proof(
        unit=lambda: Normalizer(ENGINE),
        says=STAYS,
        properties=own_offers,
        mutant=Mutant(
            "engine.normalizer:Normalizer.elaborate", "advance.eq(~self.o.valid | self.o.ready)", "advance.eq(1)"
        ),
    ),
    "vector-ring": Proof(
        unit=lambda: VectorRing(ENGINE, banks=1, keys=True),
        says="the ring never overflows, and offers a block only once it is whole",
        properties=vector_ring,
        mutant=Mutant("engine.kv_buffer:VectorRing.elaborate", "held < depth", "held <= depth"),
    ),
    "vector-ring-data": Proof(
        unit=lambda: VectorRing(ENGINE, banks=1, keys=True),
        says="vectors stand in the ring as they came, in order",
        properties=vector_ring_data,
        mutant=Mutant(
            "engine.kv_buffer:VectorRing.elaborate",
            "bank.write_enable.eq(taken &",
            "bank.write_enable.eq(self.i.valid &",
        ),
    ),
    "sequencer": Proof(
        unit=lambda: Sequencer(ENGINE),
        says="a block is claimed once at most, and only if it is there; its values are released once",
        properties=sequencer,
        mutant=Mutant(
            "engine.sequencer:Sequencer._pick", "found & idle & (claimed | self.kv.available)", "found & idle"
        ),
    ),
    "word-source": Proof(
        unit=lambda: WordSource(WORDS, width=8),
        says="the words leave in their order, each once",
        properties=word_source,
        stored=True,
        mutant=Mutant("fpga.self_check:WordSource.elaborate", "read.en.eq(advance)", "read.en.eq(1)"),
    ),
    "transmitter": Proof(
        unit=lambda: Transmitter(divisor=DIVISOR),
        says="a byte leaves as start bit, its bits and stop bit, each as long as it should be",
        properties=transmitter,
        mutant=Mutant("lib.uart:Transmitter.elaborate", "cycle == self.divisor - 1", "cycle == 0"),
    ),
}
