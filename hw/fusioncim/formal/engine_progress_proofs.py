"""Proofs that no unit of an engine stands still, see `progress`: each is asked about with neighbours that do not."""

from collections.abc import Mapping

from amaranth.hdl import Signal

from fusioncim.engine.normalizer import Normalizer
from fusioncim.engine.reciprocal import Reciprocal
from fusioncim.engine.sequencer import Sequencer, rhythm
from fusioncim.engine.tile_loader import TileLoader
from fusioncim.formal.bench import Bench
from fusioncim.formal.mutant import Mutant
from fusioncim.formal.progress import PATIENCE, fair, moves_on, soon, streams_alone, within
from fusioncim.formal.proof import Proof
from fusioncim.formal.small import ENGINE


def tile_loader(b: Bench) -> None:
    """Tiles have a row at least; words are released soon."""
    moved = fair(b)
    loaded, rows = b.inner("loaded", ENGINE.words), b.unit.i_tile.payload.rows
    soon(b, *(loaded[word] & ~b.unit.release[word] for word in range(ENGINE.words)))
    b.given((rows != 0) & (rows <= ENGINE.rows))
    moves_on(b, moved, 2 * PATIENCE + ENGINE.rows + 2)


def sequencer(b: Bench) -> None:
    """Keys and values come soon, and a finished word drains soon; a slot that runs counts as moving."""
    unit = b.unit
    moved = fair(b)
    waits = Signal(ENGINE.words)
    b.m.d.sync += waits.eq((waits | unit.finished) & ~unit.drained)
    b.given((unit.drained & ~waits) == 0)
    soon(b, ~unit.kv.available, *(waits[word] & ~unit.drained[word] for word in range(ENGINE.words)))
    moves_on(b, moved | unit.kv.claim | b.inner("active", 1), rhythm(ENGINE).finished + 2 * PATIENCE + 8)


PROOFS: Mapping[str, Proof] = {
    "tile-loader-moves": Proof(
        unit=lambda: TileLoader(ENGINE),
        says=within(2 * PATIENCE + ENGINE.rows + 2),
        properties=tile_loader,
        mutant=Mutant("engine.tile_loader:TileLoader.elaborate", "self.i_q.valid | ~real", "self.i_q.valid & real"),
    ),
    "sequencer-moves": Proof(
        unit=lambda: Sequencer(ENGINE),
        says=within(rhythm(ENGINE).finished + 2 * PATIENCE + 8),
        properties=sequencer,
        tried="an invariant, a minute: a long rhythm",
        mutant=Mutant(
            "engine.sequencer:Sequencer._pick", "(claimed | self.kv.available)", "self.kv.available & claimed"
        ),
    ),
    "reciprocal-moves": Proof(
        unit=lambda: Reciprocal(ENGINE),
        says=within(40),
        properties=streams_alone(40),
        mutant=Mutant(
            "engine.reciprocal:Reciprocal.elaborate", "with m.If(self.o.ready):", "with m.If(self.o.ready | ~last):"
        ),
    ),
    "normalizer-moves": Proof(
        unit=lambda: Normalizer(ENGINE),
        says=within(60),
        properties=streams_alone(60),
        mutant=Mutant(
            "engine.normalizer:Normalizer.elaborate",
            "advance.eq(~self.o.valid | self.o.ready)",
            "advance.eq(0)",
        ),
    ),
}
