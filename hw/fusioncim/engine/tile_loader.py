"""Tile loader: queries into the banks, tile by tile, one pass ahead of the computation.

Tiles go into words 0, 1, .. words - 1, 0, .. A tile whose `last` is set closes the pass: its tiles compute together.
A tile waits until its word is free. Rows beyond the tile's own see no key.
"""

from amaranth.hdl import Array, Module, Mux, Shape, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.engine import ip_cim
from fusioncim.engine.reciprocal import drained_tile_layout
from fusioncim.engine.sink_table import sink_layout
from fusioncim.engine.softmax_layouts import query_layout
from fusioncim.lib.arith import fits, one_hot, pick
from fusioncim.lib.bank import address_shape
from fusioncim_golden.config import POSITION_BITS, Config


def tile_command_layout(config: Config) -> data.StructLayout:
    """A tile to load.

    Members:
        rows: how many it has, at least one.
        fresh: no earlier tile may seed its references.
        last: it ends a pass.
        blocks: those that pass it.
    """
    return data.StructLayout({"rows": fits(config.rows), "fresh": 1, "last": 1, "blocks": blocks_layout(config)})


def block_shape(config: Config) -> Shape:
    """Number of a block of update_rank keys, and the one behind the last."""
    return unsigned(POSITION_BITS + 1 - config.rank_bits)


def blocks_layout(config: Config) -> data.StructLayout:
    """Blocks of keys, from low to high - 1."""
    return data.StructLayout({"low": block_shape(config), "high": block_shape(config)})


def query_row_layout(config: Config) -> data.StructLayout:
    """One query.

    Members:
        data: signed operands in two's complement.
        query: score scale mantissa / 2^shift, the keys it sees.
        sink: of its head.
    """
    operands = data.ArrayLayout(config.operand_bits, config.columns)
    return data.StructLayout({"data": operands, "query": query_layout(config), "sink": sink_layout(config)})


def loaded_pass_layout(config: Config) -> data.StructLayout:
    """A loaded pass: its first word and how many words."""
    return data.StructLayout({"word": address_shape(config.words), "count": fits(config.words)})


def word_after(config: Config, word: Signal, count: Signal | int) -> Signal:
    """(word + count) mod words, count <= words."""
    total = word + count
    if config.words == 1 << (config.words - 1).bit_length() and config.words > 1:
        return total[: address_shape(config.words).width]
    return Mux(total >= config.words, total - config.words, total)[: address_shape(config.words).width]


class TileLoader(wiring.Component):
    """Loads queries tile by tile.

    Throughput: one query per cycle, 2 cycles more per tile and 1 per pass. Latency: 1 cycle from a tile to its first
    query.

    Members:
        i_tile: tiles to load.
        i_q: the tiles' queries, in order.
        o_pass: loaded passes.
        o_tile: every loaded tile, in order, for the drain.
        write, query_enable, query: a query into the macros.
        turn: of the word that is written, see the sink table.
        sink: of the query.
        release: words that may be loaded again.
        blocks: per word, those that pass its tile.
        fresh: per word, its tile's `fresh`.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i_tile": In(stream.Signature(tile_command_layout(config))),
                "i_q": In(stream.Signature(query_row_layout(config))),
                "o_pass": Out(stream.Signature(loaded_pass_layout(config))),
                "o_tile": Out(stream.Signature(drained_tile_layout(config))),
                "write": Out(ip_cim.query_write_layout(config)),
                "query_enable": Out(1),
                "query": Out(query_layout(config)),
                "turn": Out(1),
                "sink": Out(sink_layout(config)),
                "release": In(config.words),
                "blocks": Out(blocks_layout(config)).array(config.words),
                "fresh": Out(1).array(config.words),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        tile = Signal(tile_command_layout(config), reset_less=True)
        loaded = Signal(config.words)
        word = Signal(address_shape(config.words))
        first_word = Signal(address_shape(config.words))
        count = Signal(fits(config.words))
        row = Signal(address_shape(config.rows), reset_less=True)

        real = Signal()
        step = Signal()
        tile_done = Signal()
        m.d.comb += [
            real.eq(row < tile.rows),
            *(self.write.enable.eq(step & real), self.write.row.eq(row), self.write.word.eq(word)),
            self.write.data.eq(self.i_q.payload.data),
            *(self.query_enable.eq(step), self.query.eq(self.i_q.payload.query)),
            *(self.query[end].eq(Mux(real, self.i_q.payload.query[end], 0)) for end in ("low", "high")),
            *(self.o_tile.payload.word.eq(word), self.o_tile.payload.rows.eq(tile.rows)),
            *(self.o_tile.payload.turn.eq(self.turn), self.sink.eq(self.i_q.payload.sink)),
            *(self.o_pass.payload.word.eq(first_word), self.o_pass.payload.count.eq(count)),
        ]
        m.d.sync += loaded.eq((loaded & ~self.release) | one_hot(tile_done, word, config.words))

        with m.FSM():
            with m.State("TILE"):
                m.d.comb += self.i_tile.ready.eq(~pick(loaded, word))
                m.d.sync += [tile.eq(self.i_tile.payload), row.eq(0)]
                with m.If(self.i_tile.valid & self.i_tile.ready):
                    m.next = "LOAD"
            with m.State("LOAD"):
                m.d.comb += [self.i_q.ready.eq(real), step.eq(self.i_q.valid | ~real)]
                with m.If(step):
                    m.d.sync += row.eq(row + 1)
                    with m.If(row == config.rows - 1):
                        m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += [self.o_tile.valid.eq(1), tile_done.eq(self.o_tile.ready)]
                with m.If(tile_done):
                    m.d.sync += [
                        Array(self.blocks)[word].eq(tile.blocks),
                        Array(self.fresh)[word].eq(tile.fresh),
                        *(word.eq(word_after(config, word, 1)), count.eq(count + 1)),
                        self.turn.eq(self.turn ^ (word == config.words - 1)),
                    ]
                    with m.If(tile.last):
                        m.next = "PASS"
                    with m.Else():
                        m.next = "TILE"
            with m.State("PASS"):
                m.d.comb += self.o_pass.valid.eq(1)
                with m.If(self.o_pass.ready):
                    m.d.sync += [count.eq(0), first_word.eq(word)]
                    m.next = "TILE"
        return m
