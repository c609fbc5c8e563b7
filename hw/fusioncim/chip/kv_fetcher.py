"""Key and value fetcher: reads the blocks of a pass from memory into the global buffer, in the schedule's order.

The order is the record of the golden `key_order`: `KeyOrder.blocks` of the pass's blocks, diagonal and common.

It runs ahead of the engines as far as the buffer has room, across passes and jobs. A block's keys are one request if
they are neighbours in memory, else one per key; positions at or beyond the last key are not read.

Throughput: two requests per block of neighbours. Latency: about 45 cycles for a pass and for a jump of the order; in a
triangle two places are kept, and taking turns is no jump.
"""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.axi import MOST_BEATS, read_request_layout
from fusioncim.chip.descriptor import ADDRESS_BITS
from fusioncim.chip.planner import planned_pass_layout
from fusioncim.chip.read_arbiter import ReadKind, read_tag_layout
from fusioncim.lib.arith import fits
from fusioncim.lib.bank import address_shape
from fusioncim.lib.serial_multiplier import Multiplier
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS


def place_layout() -> data.StructLayout:
    """A block, and the addresses of its first key and value."""
    return data.StructLayout({"block": POSITION_BITS, "k_address": ADDRESS_BITS, "v_address": ADDRESS_BITS})


class KvFetcher(wiring.Component):
    """Fetches pass after pass, a block when the buffer has room for it.

    Throughput: two requests per block of neighbours. Latency: about 45 cycles for a pass and for a jump of the order.

    Members:
        i: passes.
        o_read: requests.
        room: the buffer has room for a block.
        entry: where in the buffer, in blocks.
        reserve: take it.
        block, rows: for this block, with so many keys and values.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(planned_pass_layout())),
                "o_read": Out(stream.Signature(read_request_layout(read_tag_layout(config)))),
                "room": In(1),
                "entry": In(address_shape(config.buffer_blocks)),
                "reserve": Out(1),
                "block": Out(POSITION_BITS),
                "rows": Out(fits(config.engine.update_rank)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip, config = self.config, self.config.engine
        order, rank = config.key_order(), config.rank_bits
        beats = chip.vector_bytes // chip.bus_bytes
        multiplier = Multiplier(POSITION_BITS, ADDRESS_BITS)
        m.submodules.multiplier = once(platform, multiplier)
        current = Signal(planned_pass_layout(), reset_less=True)
        pitch = {"k": current.k_pitch, "v": current.v_pitch}
        sent = Signal(POSITION_BITS, reset_less=True)
        here = Signal(place_layout(), reset_less=True)  # of the block that is due, or went last
        due = Signal(POSITION_BITS, reset_less=True)  # where a jump leads
        second = Signal()  # values
        row = Signal(fits(config.update_rank), reset_less=True)
        row_address = Signal(ADDRESS_BITS, reset_less=True)
        entry = Signal(address_shape(chip.buffer_blocks), reset_less=True)
        rows = Signal(fits(config.update_rank), reset_less=True)

        whole = Signal()
        row_pitch = Mux(second, pitch["v"], pitch["k"])
        if config.update_rank * beats <= MOST_BEATS:
            m.d.comb += whole.eq(row_pitch == chip.vector_bytes)
        request = self.o_read.payload
        last_row = Signal()
        m.d.comb += [
            *(self.block.eq(here.block), last_row.eq(whole | (row + 1 == rows))),
            *(request.address.eq(row_address), request.beats.eq(Mux(whole, rows * beats, beats))),
            *(request.tag.slot.eq(current.slot), request.tag.kind.eq(Mux(second, ReadKind.VALUE, ReadKind.KEY))),
            *(request.tag.row.eq((entry << rank) + row), request.tag.last.eq(second & last_row)),
        ]
        with m.FSM():
            with m.State("PASS"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [current.eq(self.i.payload), sent.eq(0), second.eq(0)]
                m.d.sync += due.eq(self.i.payload.diagonal if order.diagonal_first else 0)
                with m.If(self.i.valid):
                    m.next = "JUMP"
            with m.State("JUMP"):
                m.d.comb += [
                    *(multiplier.go.eq(1), multiplier.count.eq(due << rank), multiplier.step.eq(row_pitch)),
                    multiplier.start.eq(Mux(second, current.v_address, current.k_address)),
                ]
                m.next = "MULTIPLY"
            with m.State("MULTIPLY"):
                with m.If(~multiplier.busy):
                    m.d.sync += [here.block.eq(due), second.eq(~second)]
                    with m.If(second):
                        m.d.sync += here.v_address.eq(multiplier.total)
                        m.next = "BLOCK"
                    with m.Else():
                        m.d.sync += here.k_address.eq(multiplier.total)
                        m.next = "JUMP"
            with m.State("BLOCK"):
                left = current.keys - (here.block << rank)
                m.d.sync += [*(entry.eq(self.entry), row.eq(0)), row_address.eq(here.k_address), rows.eq(self.rows)]
                m.d.comb += self.rows.eq(Mux(left < config.update_rank, left, config.update_rank))
                with m.If(self.room):
                    m.d.comb += self.reserve.eq(1)
                    m.next = "ROWS"
            with m.State("ROWS"):
                m.d.comb += self.o_read.valid.eq(1)
                with m.If(self.o_read.ready):
                    m.d.sync += [row.eq(row + 1), row_address.eq(row_address + row_pitch)]
                    with m.If(last_row):
                        m.d.sync += [second.eq(~second), row.eq(0), row_address.eq(here.v_address)]
                        with m.If(second):
                            m.d.sync += sent.eq(sent + 1)
                            m.next = "STEP"
            with m.State("STEP"):
                with m.If(sent == current.blocks):
                    m.next = "PASS"
                with m.Else():
                    self._step(m, current, sent, here, due)
        return m

    def _step(self, m: Module, current: data.View, sent: Signal, here: data.View, due: Signal) -> None:
        """The block behind the one that went: a neighbour, the other end of a triangle, or a jump."""
        order, rank = self.config.engine.key_order(), self.config.engine.rank_bits
        falls = Signal(init=1)  # in a triangle: this is its upper end
        down = falls if order.backward else Const(0, 1)
        neighbour = Signal(place_layout())
        for name, one in (("block", 1), ("k_address", current.k_pitch << rank), ("v_address", current.v_pitch << rank)):
            m.d.comb += neighbour[name].eq(Mux(down, here[name] - one, here[name] + one))

        following = Signal(POSITION_BITS)
        m.d.comb += following.eq(neighbour.block)
        sink = int(order.sink_first)  # block 0 has gone: the walk backward passes over it
        triangle = current.blocks - current.common
        if order.backward:
            with m.If(here.block == sink):
                m.d.comb += following.eq(current.blocks - 1)
        if order.folded:
            with m.If(sent == triangle + 1):
                m.d.comb += following.eq(current.common - 1)
        if order.sink_first:
            with m.If(sent == 1):
                m.d.comb += following.eq(Mux(current.diagonal == 0, current.blocks - 1, current.diagonal))
        turns: Value = Const(0, 1)
        if order.folded:
            there = Signal(place_layout(), reset_less=True)
            turns = (sent > 1) & (sent <= triangle)
            with m.If(turns):
                m.d.sync += [there.eq(neighbour), here.eq(there), falls.eq(~falls)]
                m.next = "BLOCK"
                with m.If(sent == 2):
                    m.d.sync += due.eq(current.common)
                    m.next = "JUMP"
            with m.Else():
                m.d.sync += falls.eq(1)
        with m.If(~turns):
            with m.If(following == neighbour.block):
                m.d.sync += here.eq(neighbour)
                m.next = "BLOCK"
            with m.Else():
                m.d.sync += due.eq(following)
                m.next = "JUMP"
