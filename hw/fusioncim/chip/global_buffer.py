"""Global buffer: blocks of keys and values between memory and the engines.

Each half, keys and values, is as many banks as the longest vector has words of the bus: a word is written into one of
them, a vector is read from all.
"""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.read_arbiter import ReadKind, buffer_row_shape, read_tag_layout
from fusioncim.chip.realigner import vector_words_layout
from fusioncim.engine.kv_buffer import pair_layout
from fusioncim.lib.bank import Bank
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig


class GlobalBuffer(wiring.Component):
    """Keys and values between memory and the engines.

    Throughput: a vector's words of a beat in, a key and a value out per cycle. Latency: 1 cycle for a read.

    Members:
        beat_valid, beat_tag: of a beat from memory; keys and values alone count.
        beat_last: the last beat of its request.
        words, write, ends: as of the realigner.
        written: with the last beat of a block.
        read_enable, read_row: read a key and a value.
        pair: the key and the value one cycle later, held.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {
                "beat_valid": In(1),
                "beat_tag": In(read_tag_layout(config)),
                "beat_last": In(1),
                "words": In(vector_words_layout(config)),
                "write": In(vector_words_layout(config).length),
                "ends": In(1),
                "written": Out(1),
                "read_enable": In(1),
                "read_row": In(buffer_row_shape(config)),
                "pair": Out(pair_layout(config.engine)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip = self.config
        row = Signal(buffer_row_shape(chip))  # within the request
        with m.If(self.beat_valid & self.ends):
            m.d.sync += row.eq(Mux(self.beat_last, 0, row + 1))
        halves = {ReadKind.KEY: self.pair.key, ReadKind.VALUE: self.pair.value}
        for kind, vector in halves.items():
            parts = []
            for n, word in enumerate(self.words):
                bank = Bank(depth=chip.buffer_blocks * chip.engine.update_rank, width=chip.bus_bits)
                m.submodules[f"{kind.name.lower()}_{n}"] = once(platform, bank)
                m.d.comb += [
                    bank.write_enable.eq(self.beat_valid & (self.beat_tag.kind == kind) & self.write[n]),
                    *(bank.write_address.eq(self.beat_tag.row + row), bank.write_data.eq(word)),
                    *(bank.read_enable[0].eq(self.read_enable), bank.read_address[0].eq(self.read_row)),
                ]
                parts.append(bank.read_data[0])
            m.d.comb += vector.as_value().eq(Cat(parts))
        m.d.comb += self.written.eq(
            self.beat_valid & self.beat_last & (self.beat_tag.kind == ReadKind.VALUE) & self.beat_tag.last
        )
        return m
