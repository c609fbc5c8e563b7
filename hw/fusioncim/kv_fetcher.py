"""Key and value fetcher: reads the blocks of a pass from memory into the global buffer, in the order of the schedule.

    in_order         0 .. blocks - 1
    diagonal_first   diagonal, diagonal - 1, .. 0, then, where keys follow the diagonal, blocks - 1 .. diagonal + 1
    sink_first       0, then as diagonal_first without 0

It runs ahead of the engines as far as the buffer has room, across passes and jobs. A block's keys are one request if
they are neighbours in memory, else one per key; positions at or beyond the last key are not read.

Throughput: two requests per block of neighbours. Latency: about 45 cycles for a pass and for a jump of the order.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.arith import fits
from fusioncim.axi import BEAT_BITS, read_request_layout
from fusioncim.bank import address_shape
from fusioncim.descriptor import ADDRESS_BITS
from fusioncim.emit import once
from fusioncim.memory import ReadKind, read_tag_layout
from fusioncim.multiplier import Multiplier
from fusioncim.planner import pass_layout
from fusioncim_golden.chip import ChipConfig
from fusioncim_golden.config import POSITION_BITS


class KvFetcher(wiring.Component):
    """Fetches pass after pass.

    Members: i: passes; o_read: requests; room: the buffer has room for a block; entry: where in the buffer, in blocks;
    reserve: take it, for `block` with `rows` keys and values.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(pass_layout())),
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
        schedule, rank = config.schedule, config.rank_bits
        beats = chip.vector_bytes // chip.bus_bytes
        multiplier = Multiplier(POSITION_BITS, ADDRESS_BITS)
        m.submodules.multiplier = once(platform, multiplier)
        current = Signal(pass_layout(), reset_less=True)
        sent = Signal(POSITION_BITS, reset_less=True)
        backward = Signal(POSITION_BITS, reset_less=True)
        block = Signal(POSITION_BITS, reset_less=True)  # where the addresses stand
        address = [Signal(ADDRESS_BITS, name=f"{name}_address", reset_less=True) for name in ("k", "v")]
        base, pitch = (current.k_address, current.v_address), (current.k_pitch, current.v_pitch)
        second = Signal()  # values
        row = Signal(fits(config.update_rank), reset_less=True)
        row_address = Signal(ADDRESS_BITS, reset_less=True)
        entry = Signal(address_shape(chip.buffer_blocks), reset_less=True)
        rows = Signal(fits(config.update_rank), reset_less=True)

        # The sink block has gone first: the walk backward passes over it.
        end = 1 if schedule == "sink_first" else 0
        if schedule == "in_order":
            m.d.comb += self.block.eq(sent)
        elif schedule == "diagonal_first":
            m.d.comb += self.block.eq(backward)
        else:
            m.d.comb += self.block.eq(Mux(sent == 0, 0, backward))
        first = self.i.payload

        whole = Signal()
        if config.update_rank * beats < 1 << BEAT_BITS:
            m.d.comb += whole.eq(Mux(second, current.v_pitch, current.k_pitch) == chip.vector_bytes)
        request = self.o_read.payload
        last_row = Signal()
        m.d.comb += [
            last_row.eq(whole | (row + 1 == rows)),
            *(request.address.eq(row_address), request.beats.eq(Mux(whole, rows * beats, beats))),
            *(request.tag.slot.eq(current.slot), request.tag.kind.eq(Mux(second, ReadKind.VALUE, ReadKind.KEY))),
            *(request.tag.row.eq((entry << rank) + row), request.tag.last.eq(second & last_row)),
        ]
        with m.FSM():
            with m.State("PASS"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [current.eq(first), sent.eq(0), second.eq(0)]
                m.d.sync += backward.eq(
                    Mux(first.diagonal == 0, first.blocks - 1, first.diagonal) if end else first.diagonal
                )
                with m.If(self.i.valid):
                    m.next = "JUMP"
            with m.State("JUMP"):
                m.d.comb += [
                    *(multiplier.go.eq(1), multiplier.count.eq(self.block << rank)),
                    *(
                        multiplier.start.eq(Mux(second, *reversed(base))),
                        multiplier.step.eq(Mux(second, *reversed(pitch))),
                    ),
                ]
                m.next = "MULTIPLY"
            with m.State("MULTIPLY"):
                with m.If(~multiplier.busy):
                    m.d.sync += [block.eq(self.block), second.eq(~second)]
                    with m.If(second):
                        m.d.sync += address[1].eq(multiplier.total)
                        m.next = "BLOCK"
                    with m.Else():
                        m.d.sync += address[0].eq(multiplier.total)
                        m.next = "JUMP"
            with m.State("BLOCK"):
                left = current.keys - (block << rank)
                m.d.sync += [
                    *(entry.eq(self.entry), row.eq(0), row_address.eq(address[0])),
                    rows.eq(self.rows),
                ]
                m.d.comb += self.rows.eq(Mux(left < config.update_rank, left, config.update_rank))
                with m.If(self.room):
                    m.d.comb += self.reserve.eq(1)
                    m.next = "ROWS"
            with m.State("ROWS"):
                m.d.comb += self.o_read.valid.eq(1)
                with m.If(self.o_read.ready):
                    m.d.sync += [
                        row.eq(row + 1),
                        row_address.eq(row_address + Mux(second, current.v_pitch, current.k_pitch)),
                    ]
                    with m.If(last_row):
                        m.d.sync += [second.eq(~second), row.eq(0), row_address.eq(address[1])]
                        with m.If(second):
                            m.d.sync += sent.eq(sent + 1)
                            if schedule == "sink_first":
                                with m.If(sent != 0):
                                    m.d.sync += backward.eq(Mux(backward == end, current.blocks - 1, backward - 1))
                            else:
                                m.d.sync += backward.eq(Mux(backward == end, current.blocks - 1, backward - 1))
                            m.next = "STEP"
            with m.State("STEP"):
                m.next = "BLOCK"
                with m.If(sent == current.blocks):
                    m.next = "PASS"
                with m.Elif(self.block == block - 1):
                    m.d.sync += [
                        block.eq(block - 1),
                        *(a.eq(a - (p << rank)) for a, p in zip(address, pitch, strict=True)),
                    ]
                with m.Elif(self.block == block + 1):
                    m.d.sync += [
                        block.eq(block + 1),
                        *(a.eq(a + (p << rank)) for a, p in zip(address, pitch, strict=True)),
                    ]
                with m.Else():
                    m.next = "JUMP"
        return m
