"""Tile loader: a job's queries into the banks, tile by tile, one pass ahead of the computation.

    item i of a job: tile i div heads of head i mod heads, in word i mod words
    visible(query) = min(start + query + 1, keys) if causal, keys if not, 0 for padding

The order, the words and the masks are those of the golden `schedule`.

Throughput: one query per cycle, 2 cycles more per tile and 1 per pass. Latency: 2 cycles from a job to its first query.
"""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim import ip_cim, softmax
from fusioncim.arith import fits, one_hot, pick
from fusioncim.bank import address_shape
from fusioncim.normalizer import tile_layout
from fusioncim_golden.config import POSITION_BITS, SCALE_BITS, SCALE_SHIFT_BITS, Config

HEAD_BITS = 9


def job_layout(config: Config) -> data.StructLayout:
    """A job as the golden `schedule.Job` states it; start: position of the first query, group: words per pass."""
    return data.StructLayout(
        {
            "queries": POSITION_BITS,
            "keys": POSITION_BITS,
            "heads": HEAD_BITS,
            "start": POSITION_BITS,
            "causal": 1,
            "group": fits(config.words),
        }
    )


def query_row_layout(config: Config) -> data.StructLayout:
    """One query: signed operands in two's complement and its score scale mantissa / 2^shift."""
    return data.StructLayout(
        {
            "data": data.ArrayLayout(config.operand_bits, config.columns),
            "mantissa": SCALE_BITS,
            "shift": SCALE_SHIFT_BITS,
        }
    )


def pass_layout(config: Config) -> data.StructLayout:
    """A loaded pass: its first word, how many words, how many key blocks, the block of its last query's position."""
    return data.StructLayout(
        {
            "word": address_shape(config.words),
            "count": fits(config.words),
            "blocks": POSITION_BITS,
            "diagonal": POSITION_BITS,
        }
    )


def word_after(config: Config, word: Signal, count: Signal | int) -> Signal:
    """(word + count) mod words, count <= words."""
    total = word + count
    if config.words == 1 << (config.words - 1).bit_length() and config.words > 1:
        return total[: address_shape(config.words).width]
    return Mux(total >= config.words, total - config.words, total)[: address_shape(config.words).width]


class TileLoader(wiring.Component):
    """Loads queries tile by tile.

    Members: i_job; i_q: the job's queries, tile after tile, head after head inside a tile, rows in order, padding left
    out; o_pass; o_tile: every loaded tile, in order, for the drain; write, query_*: ports of the macros; release: words
    that may be loaded again; visible, fresh: per word, largest number of keys that a row may see, and whether the
    word's previous tile belongs to another job.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i_job": In(stream.Signature(job_layout(config))),
                "i_q": In(stream.Signature(query_row_layout(config))),
                "o_pass": Out(stream.Signature(pass_layout(config))),
                "o_tile": Out(stream.Signature(tile_layout(config))),
                "write": Out(ip_cim.write_layout(config)),
                "query_enable": Out(1),
                "query": Out(softmax.query_layout()),
                "release": In(config.words),
                "visible": Out(POSITION_BITS).array(config.words),
                "fresh": Out(1).array(config.words),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        job = Signal(job_layout(config))
        loaded = Signal(config.words)
        used = Signal(config.words)
        word = Signal(address_shape(config.words))
        first_word = Signal(address_shape(config.words))
        count = Signal(fits(config.words))
        first = Signal(POSITION_BITS)
        head = Signal(HEAD_BITS)
        left = Signal(POSITION_BITS)  # queries of the job from this tile's first on
        rows = Signal(fits(config.rows))
        row = Signal(address_shape(config.rows))
        end = Signal(POSITION_BITS + 1)
        seen = Signal(POSITION_BITS)

        real = Signal()
        step = Signal()
        last_row = Signal()
        tile_done = Signal()
        m.d.comb += [
            *(real.eq(row < rows), last_row.eq(row == config.rows - 1)),
            end.eq(job.start + first + row + 1),
            seen.eq(Mux(job.causal & (end < job.keys), end, job.keys)),
            *(self.write.enable.eq(step & real), self.write.row.eq(row), self.write.word.eq(word)),
            self.write.data.eq(self.i_q.payload.data),
            self.query_enable.eq(step),
            *(self.query.mantissa.eq(self.i_q.payload.mantissa), self.query.shift.eq(self.i_q.payload.shift)),
            self.query.visible.eq(Mux(real, seen, 0)),
            *(self.o_tile.payload.word.eq(word), self.o_tile.payload.rows.eq(rows)),
        ]
        rank = config.rank_bits
        last_visible = Signal(POSITION_BITS)
        last_position = Signal(POSITION_BITS)
        blocks = Signal(POSITION_BITS)
        diagonal = Signal(POSITION_BITS)
        m.d.comb += [
            *(blocks.eq((last_visible + (config.update_rank - 1)) >> rank), diagonal.eq(last_position >> rank)),
            *(self.o_pass.payload.word.eq(first_word), self.o_pass.payload.count.eq(count)),
            self.o_pass.payload.blocks.eq(blocks),
            self.o_pass.payload.diagonal.eq(Mux(diagonal >= blocks, blocks - 1, diagonal)),
        ]
        m.d.sync += loaded.eq((loaded & ~self.release) | one_hot(tile_done, word, config.words))

        with m.FSM():
            with m.State("JOB"):
                m.d.comb += self.i_job.ready.eq(1)
                m.d.sync += [
                    *(job.eq(self.i_job.payload), left.eq(self.i_job.payload.queries)),
                    *(first.eq(0), head.eq(0), count.eq(0), first_word.eq(word), used.eq(0)),
                ]
                with m.If(self.i_job.valid):
                    m.next = "WAIT"
            with m.State("WAIT"):
                m.d.sync += [rows.eq(Mux(left < config.rows, left, config.rows)), row.eq(0)]
                with m.If(~pick(loaded, word)):
                    m.next = "LOAD"
            with m.State("LOAD"):
                m.d.comb += [self.i_q.ready.eq(real), step.eq(self.i_q.valid | ~real)]
                with m.If(step):
                    m.d.sync += row.eq(row + 1)
                    with m.If(real):
                        m.d.sync += [last_visible.eq(seen), last_position.eq(end - 1)]
                    with m.If(last_row):
                        m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += [self.o_tile.valid.eq(1), tile_done.eq(self.o_tile.ready)]
                with m.If(tile_done):
                    m.d.sync += [
                        Array(self.visible)[word].eq(last_visible),
                        Array(self.fresh)[word].eq(~pick(used, word)),
                        *(used.eq(used | (1 << word)), word.eq(word_after(config, word, 1)), count.eq(count + 1)),
                    ]
                    with m.If(head + 1 == job.heads):
                        m.d.sync += [head.eq(0), first.eq(first + config.rows), left.eq(left - rows)]
                    with m.Else():
                        m.d.sync += head.eq(head + 1)
                    with m.If((count + 1 == job.group) | ((head + 1 == job.heads) & (left == rows))):
                        m.next = "PASS"
                    with m.Else():
                        m.next = "WAIT"
            with m.State("PASS"):
                m.d.comb += self.o_pass.valid.eq(1)
                with m.If(self.o_pass.ready):
                    m.d.sync += [count.eq(0), first_word.eq(word)]
                    with m.If(left == 0):
                        m.next = "JOB"
                    with m.Else():
                        m.next = "WAIT"
        return m
