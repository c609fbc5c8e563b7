"""Key and value fetcher: reads the blocks of a pass from memory into the global buffer, in the schedule's order.

The order is the record of the golden `key_order`: `KeyOrder.blocks` of the pass's span.

It runs ahead of the engines as far as the buffer has room, across passes and jobs. A block's keys are one request if
they are neighbours of whole beats in memory, else one per key; positions at or beyond the last key are not read.

Throughput: two requests per block of neighbours. Latency: about 45 cycles for a pass and for a jump of the order; in a
triangle two places are kept, and taking turns is no jump, and neither is a step by a stride.
"""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.axi import MOST_BEATS, beats_touched, read_request_layout
from fusioncim.chip.descriptor import PITCH_BITS, vector_bytes
from fusioncim.chip.planner import planned_pass_layout
from fusioncim.chip.read_arbiter import ReadKind, read_tag_layout
from fusioncim.engine.tile_loader import block_shape
from fusioncim.lib.arith import fits
from fusioncim.lib.bank import address_shape
from fusioncim.lib.serial_multiplier import Multiplier
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS


def place_layout(chip: ChipConfig) -> data.StructLayout:
    """A block, and the addresses of its first key and value."""
    bits = chip.address_bits
    return data.StructLayout({"block": block_shape(chip.engine), "k_address": bits, "v_address": bits})


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
                "i": In(stream.Signature(planned_pass_layout(config))),
                "o_read": Out(stream.Signature(read_request_layout(config, read_tag_layout(config)))),
                "room": In(1),
                "entry": In(address_shape(config.buffer_blocks)),
                "reserve": Out(1),
                "block": Out(block_shape(config.engine)),
                "rows": Out(fits(config.engine.update_rank)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip, config = self.config, self.config.engine
        order, rank = config.key_order(), config.rank_bits
        multiplier = Multiplier(POSITION_BITS, PITCH_BITS, chip.address_bits)
        m.submodules.multiplier = once(platform, multiplier)
        current = Signal(planned_pass_layout(chip), reset_less=True)
        pitch = {"k": current.k_pitch, "v": current.v_pitch}
        block = block_shape(config)
        sent = Signal(block, reset_less=True)
        here = Signal(place_layout(chip), reset_less=True)  # of the block that is due, or went last
        there = Signal(place_layout(chip), reset_less=True)  # the other end of a triangle, or where the strides began
        stride = {half: Signal(chip.address_bits, name=f"{half}_stride", reset_less=True) for half in pitch}  # in bytes
        measures = Signal()  # the strides are multiplied, else a jump's addresses
        due = Signal(block, reset_less=True)  # where a jump leads
        second = Signal()  # values
        row = Signal(fits(config.update_rank), reset_less=True)
        row_address = Signal(chip.address_bits, reset_less=True)
        entry = Signal(address_shape(chip.buffer_blocks), reset_less=True)
        rows = Signal(fits(config.update_rank), reset_less=True)

        length = vector_bytes(chip, current.dimension)
        byte_bits = chip.bus_bytes.bit_length() - 1
        whole = Signal()  # the vectors are neighbours of whole beats
        count, strided = current.high - current.low, (current.stride != 0) if order.folded else Const(0, 1)
        row_pitch = Mux(second, pitch["v"], pitch["k"])
        if config.update_rank * chip.vector_bytes // chip.bus_bytes <= MOST_BEATS:
            m.d.comb += whole.eq((row_pitch == length) & ~(length | row_address)[:byte_bits].any())
        request = self.o_read.payload
        last_row = Signal()
        m.d.comb += [
            *(self.block.eq(here.block), last_row.eq(whole | (row + 1 == rows))),
            request.address.eq(row_address),
            request.beats.eq(
                Mux(whole, rows * (length >> byte_bits), beats_touched(chip, row_address, length)),
            ),
            *(request.tag.slot.eq(current.slot), request.tag.kind.eq(Mux(second, ReadKind.VALUE, ReadKind.KEY))),
            *(request.tag.row.eq((entry << rank) + row), request.tag.last.eq(second & last_row)),
        ]
        with m.FSM():
            with m.State("PASS"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [current.eq(self.i.payload), sent.eq(0), second.eq(0)]
                begin = self.i.payload.diagonal if order.diagonal_first else self.i.payload.low
                m.d.sync += due.eq(begin)
                if order.folded:
                    m.d.sync += measures.eq(self.i.payload.stride != 0)
                    with m.If(self.i.payload.stride != 0):
                        m.d.sync += due.eq(self.i.payload.high - 1)
                with m.If(self.i.valid):
                    m.next = "JUMP"
            with m.State("JUMP"):
                m.d.comb += [
                    *(multiplier.go.eq(1), multiplier.step.eq(row_pitch)),
                    multiplier.count.eq(Mux(measures, current.stride, due) << rank),
                    multiplier.start.eq(Mux(measures, 0, Mux(second, current.v_address, current.k_address))),
                ]
                m.next = "MULTIPLY"
            with m.State("MULTIPLY"):
                with m.If(~multiplier.busy):
                    m.d.sync += second.eq(~second)
                    m.next = "JUMP"
                    with m.If(measures):
                        for half, bytes_ in stride.items():
                            with m.If(second == (half == "v")):
                                m.d.sync += bytes_.eq(multiplier.total)
                        with m.If(second):
                            m.d.sync += measures.eq(0)
                    with m.Else():
                        for place, arrives in [(here, Const(1, 1)), (there, strided)][: 1 + order.folded]:
                            with m.If(arrives & ~second):
                                m.d.sync += [place.block.eq(due), place.k_address.eq(multiplier.total)]
                            with m.Elif(arrives):
                                m.d.sync += place.v_address.eq(multiplier.total)
                        with m.If(second):
                            m.next = "BLOCK"
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
                with m.If(sent == count):
                    m.next = "PASS"
                with m.Else():
                    if order.folded:
                        with m.If(strided):
                            self._stride(m, current, here, there, stride)
                        with m.Else():
                            self._step(m, current, sent, here, there, due)
                    else:
                        self._step(m, current, sent, here, there, due)
        return m

    def _stride(
        self, m: Module, current: data.View, here: data.View, there: data.View, stride: dict[str, Signal]
    ) -> None:
        """The block a stride below the one that went, or the one below that from which the strides began."""
        rank = self.config.engine.rank_bits
        with m.If(here.block >= current.low + current.stride):
            m.d.sync += [
                *(here.block.eq(here.block - current.stride), here.k_address.eq(here.k_address - stride["k"])),
                here.v_address.eq(here.v_address - stride["v"]),
            ]
        with m.Else():
            below = {
                "block": there.block - 1,
                "k_address": there.k_address - (current.k_pitch << rank),
                "v_address": there.v_address - (current.v_pitch << rank),
            }
            m.d.sync += [place[name].eq(value) for name, value in below.items() for place in (here, there)]
        m.next = "BLOCK"

    def _step(
        self, m: Module, current: data.View, sent: Signal, here: data.View, there: data.View, due: Signal
    ) -> None:
        """The block behind the one that went: a neighbour, the other end of a triangle, or a jump."""
        order, rank = self.config.engine.key_order(), self.config.engine.rank_bits
        falls = Signal(init=1)  # in a triangle: this is its upper end
        down = falls if order.backward else Const(0, 1)
        neighbour = Signal(place_layout(self.config))
        for name, one in (("block", 1), ("k_address", current.k_pitch << rank), ("v_address", current.v_pitch << rank)):
            m.d.comb += neighbour[name].eq(Mux(down, here[name] - one, here[name] + one))

        following = Signal(neighbour.block.shape())
        m.d.comb += following.eq(neighbour.block)
        sink = int(order.sink_first)  # block low has gone: the walk backward passes over it
        triangle = current.high - current.common
        if order.backward:
            with m.If(here.block == current.low + sink):
                m.d.comb += following.eq(current.high - 1)
        if order.folded:
            with m.If(sent == triangle + 1):
                m.d.comb += following.eq(current.common - 1)
        if order.sink_first:
            with m.If(sent == 1):
                top = (current.diagonal == current.low) | (triangle != 0 if order.folded else 0)
                m.d.comb += following.eq(Mux(top, current.high - 1, current.diagonal))
        turns: Value = Const(0, 1)
        if order.folded:
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
