"""Block fetcher: asks for the key blocks of a pass in the order of the schedule.

    in_order         0 .. blocks - 1
    diagonal_first   diagonal, diagonal - 1, .. 0, then, where keys follow the diagonal, blocks - 1 .. diagonal + 1
    sink_first       0, then as diagonal_first without 0

Throughput: one request per cycle. Latency: 1 cycle from a pass to its first request.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.arith import fits
from fusioncim.bank import address_shape
from fusioncim.loader import pass_layout
from fusioncim_golden.config import POSITION_BITS, Config


def fetch_layout() -> data.StructLayout:
    """Request for the update_rank keys and values of a block; every schedule but in_order takes them descending."""
    return data.StructLayout({"block": POSITION_BITS})


def block_layout(config: Config) -> data.StructLayout:
    """A requested block: index, the pass it belongs to, and whether it is the pass's last."""
    return data.StructLayout(
        {"block": POSITION_BITS, "word": address_shape(config.words), "count": fits(config.words), "last": 1}
    )


class BlockFetcher(wiring.Component):
    """Asks for the key blocks of a pass in the order of the schedule.

    Members: i: passes; o_fetch: requests; o_block: the same blocks, for the sequencer.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(pass_layout(config))),
                "o_fetch": Out(stream.Signature(fetch_layout())),
                "o_block": Out(stream.Signature(block_layout(config))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        schedule = self.config.schedule
        this = self.i.payload
        running = Signal()
        sent = Signal(POSITION_BITS)
        backward = Signal(POSITION_BITS)
        block = Signal(POSITION_BITS)
        last = Signal()
        step = Signal()
        m.d.comb += [
            last.eq(sent + 1 == this.blocks),
            *(self.o_fetch.valid.eq(running & self.o_block.ready), self.o_block.valid.eq(running & self.o_fetch.ready)),
            *(self.o_fetch.payload.block.eq(block), self.o_block.payload.block.eq(block)),
            *(self.o_block.payload.word.eq(this.word), self.o_block.payload.count.eq(this.count)),
            self.o_block.payload.last.eq(last),
            step.eq(running & self.o_fetch.ready & self.o_block.ready),
            self.i.ready.eq(step & last),
        ]
        # The sink block has gone first: the walk backward passes over it.
        end = 1 if schedule == "sink_first" else 0
        if schedule == "in_order":
            m.d.comb += block.eq(sent)
        elif schedule == "diagonal_first":
            m.d.comb += block.eq(backward)
        else:
            m.d.comb += block.eq(Mux(sent == 0, 0, backward))
        with m.If(~running):
            m.d.sync += [running.eq(self.i.valid), sent.eq(0)]
            m.d.sync += backward.eq(Mux(this.diagonal == 0, this.blocks - 1, this.diagonal) if end else this.diagonal)
        with m.Elif(step):
            m.d.sync += [running.eq(~last), sent.eq(sent + 1)]
            with m.If((schedule != "sink_first") | (sent != 0)):
                m.d.sync += backward.eq(Mux(backward == end, this.blocks - 1, backward - 1))
        return m
