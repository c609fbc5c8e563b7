"""Sink table: the learned sinks of the rows that are loaded, until their tile drains.

While a tile drains, the next one of its word is loaded. So each word has two places, which its tiles take in turn.
"""

from amaranth.hdl import Cat, Module, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.lib.bank import Bank, address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.config import Config
from fusioncim_golden.sinks import SINK_BITS, SINK_FRACTION_BITS, SINK_LOG2_BITS


def sink_layout(config: Config) -> data.StructLayout:
    """What is kept of a golden `sinks` word.

    Members:
        fraction: of the log2 of its weight, the bits that choose an entry of the table of mantissas.
        exponent: the floor of the log2.
        present: there is a sink.
    """
    fraction = min(config.lut_size.bit_length() - 1, SINK_FRACTION_BITS)
    exponent = signed(SINK_LOG2_BITS - SINK_FRACTION_BITS)
    return data.StructLayout({"fraction": fraction, "exponent": exponent, "present": 1})


def kept_sink(config: Config, word: Value) -> Value:
    """What is kept of a word that is a sink."""
    return word[SINK_BITS - sink_layout(config).size : SINK_BITS]


def sink_place_layout(config: Config) -> data.StructLayout:
    """A row of the table.

    Members:
        row, word: of the tile.
        turn: which of the two places of the word; its tiles take them in turn.
    """
    return data.StructLayout({"row": address_shape(config.rows), "turn": 1, "word": address_shape(config.words)})


class SinkTable(wiring.Component):
    """Keeps a sink per row.

    Latency: 1 cycle from `read_enable`; the sink is held until the next read.

    Members:
        write_enable, write_place, write_sink: of a row that is loaded.
        read_enable, read_place, sink: of a row that drains.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        place, sink = sink_place_layout(config), sink_layout(config)
        super().__init__(
            {
                "write_enable": In(1),
                "write_place": In(place),
                "write_sink": In(sink),
                "read_enable": In(1),
                "read_place": In(place),
                "sink": Out(sink),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        row_bits = (config.rows - 1).bit_length()
        bank = Bank(depth=2 * config.words << row_bits, width=sink_layout(config).size)
        m.submodules.bank = once(platform, bank)
        m.d.comb += [
            *(bank.write_enable.eq(self.write_enable), bank.write_data.eq(self.write_sink)),
            *(bank.read_enable[0].eq(self.read_enable), self.sink.eq(bank.read_data[0])),
        ]
        for address, place in ((bank.write_address, self.write_place), (bank.read_address[0], self.read_place)):
            m.d.comb += address.eq(Cat(place.row[:row_bits], place.turn, place.word))
        return m
