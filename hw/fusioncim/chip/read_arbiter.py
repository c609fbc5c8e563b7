"""Read arbiter: the reads of the checker, of the query loader and of the key and value fetcher through one master.

Records come first, of which there are few, then queries: an engine waits for them, while keys and values are fetched
far ahead. Whoever asks has reserved room for what comes back, so beats are never held up and no reader can block
another.
"""

from enum import IntEnum

from amaranth.hdl import Module, Shape, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.axi import beat_offset, read_request_layout
from fusioncim.chip.job_table import slot_shape
from fusioncim_golden.chip_config import ChipConfig


class ReadKind(IntEnum):
    """Destination of what is read."""

    SCALE = 0
    QUERY = 1
    KEY = 2
    VALUE = 3
    TABLE = 4
    PAGE = 5
    INTERVAL = 6
    TOKEN_SCALE = 7


def buffer_row_shape(chip: ChipConfig) -> Shape:
    """Index of a vector in one half of the global buffer."""
    return unsigned((chip.buffer_blocks * chip.engine.update_rank - 1).bit_length())


def read_tag_layout(chip: ChipConfig) -> data.StructLayout:
    """What a read request says of its beats.

    Members:
        kind: what is read.
        slot: of the job.
        row: row of the global buffer for the first vector of the request; of an interval, the bit of its address that
            tells two of 16 bytes apart; of a word of the page list, the walk that asks for it.
        last: the block is whole with it.
        offset: of the address in its beat, in units of the chip's alignment; at the first port the arbiter says it.
    """
    offset = (chip.bus_bytes // chip.alignment).bit_length() - 1
    return data.StructLayout(
        {"kind": 3, "slot": slot_shape(), "row": buffer_row_shape(chip), "last": 1, "offset": offset}
    )


class ReadArbiter(wiring.Component):
    """Three streams of read requests into one, without taking back what was offered.

    Throughput: a request per cycle. Latency: 1 cycle.

    Members:
        i_table: requests of the descriptor checker.
        i_query: requests of the query loader.
        i_kv: requests of the key and value fetcher.
        o: all requests.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        request = stream.Signature(read_request_layout(config, read_tag_layout(config)))
        super().__init__({"i_table": In(request), "i_query": In(request), "i_kv": In(request), "o": Out(request)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        free = ~self.o.valid | self.o.ready
        offered = self.i_table.valid | self.i_query.valid
        first = Signal(read_request_layout(self.config, read_tag_layout(self.config)))
        m.d.comb += [
            *(self.i_table.ready.eq(free), self.i_query.ready.eq(free & ~self.i_table.valid)),
            *(self.i_kv.ready.eq(free & ~offered), first.eq(self.i_kv.payload)),
        ]
        for each in (self.i_query, self.i_table):
            with m.If(each.valid):
                m.d.comb += first.eq(each.payload)
        with m.If(free):
            m.d.sync += [
                *(self.o.valid.eq(offered | self.i_kv.valid), self.o.payload.eq(first)),
                self.o.payload.tag.offset.eq(beat_offset(self.config, first.address)),
            ]
        return m
