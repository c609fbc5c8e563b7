"""Global buffer: blocks of keys and values between memory and the engines.

Each half, keys and values, is as many banks as the longest vector has words of the bus: a word is written into one of
them, a vector is read from all. A key that is its own value is in the half of keys alone.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.block_reader import scale_beats
from fusioncim.chip.read_arbiter import ReadKind, buffer_row_shape, read_tag_layout
from fusioncim.chip.realigner import vector_words_layout
from fusioncim.engine.kv_buffer import pair_layout
from fusioncim.engine.token_scale import kept_scales, scales_layout
from fusioncim.lib.arith import fits
from fusioncim.lib.bank import Bank
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.limits import TOKEN_SCALE_BYTES


class GlobalBuffer(wiring.Component):
    """Keys and values between memory and the engines.

    Throughput: a vector's words of a beat in, a key and a value out per cycle. Latency: 1 cycle for a read.

    Members:
        beat_valid, beat_tag: of a beat at every read port; keys and values alone count.
        beat_last: the last beat of its request.
        words, write, ends: as of the realigner of the port.
        keys_alone: what comes are keys that are their own values, where values have a port of their own.
        written: with the last beat of a block.
        read_enable, read_row, read_shared: read a key and a value, or a key as both.
        scales_valid: a beat of the scales of a block, of the first port, on a chip that takes scales per token.
        scales_beat: the beat.
        read_scaled: the block that is read has scales.
        pair: the key and the value one cycle later, held, and their scales.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        scales = {"scales_valid": In(1), "scales_beat": In(config.bus_bits), "read_scaled": In(1)}
        if not config.engine.token_scale_bits:
            scales = {}
        super().__init__(
            {
                "beat_valid": In(1).array(config.read_ports),
                "beat_tag": In(read_tag_layout(config)).array(config.read_ports),
                "beat_last": In(1).array(config.read_ports),
                "words": In(vector_words_layout(config)).array(config.read_ports),
                "write": In(vector_words_layout(config).length).array(config.read_ports),
                "ends": In(1).array(config.read_ports),
                "keys_alone": In(1),
                "written": Out(1),
                "read_enable": In(1),
                "read_row": In(buffer_row_shape(config)),
                "read_shared": In(1),
                **scales,
                "pair": Out(pair_layout(config.engine)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip = self.config
        rows = [Signal(buffer_row_shape(chip), name=f"row_{n}") for n in range(chip.read_ports)]  # within the request
        ends = Signal(chip.read_ports)  # of a block, or of the half of it that comes there
        for n, row in enumerate(rows):
            m.d.comb += ends[n].eq(self.beat_valid[n] & self.beat_last[n] & self.beat_tag[n].last)
            with m.If(self.beat_valid[n] & self.ends[n]):
                m.d.sync += row.eq(Mux(self.beat_last[n], 0, row + 1))
        halves = {ReadKind.KEY: (0, Const(1, 1)), ReadKind.VALUE: (chip.read_ports - 1, ~self.read_shared)}
        vectors = {}
        for kind, (port, used) in halves.items():
            parts = []
            tag = self.beat_tag[port]
            for n, word in enumerate(self.words[port]):
                bank = Bank(depth=chip.buffer_blocks * chip.engine.update_rank, width=chip.bus_bits)
                m.submodules[f"{kind.name.lower()}_{n}"] = once(platform, bank)
                m.d.comb += [
                    bank.write_enable.eq(self.beat_valid[port] & (tag.kind == kind) & self.write[port][n]),
                    *(bank.write_address.eq(tag.row + rows[port]), bank.write_data.eq(word)),
                    *(bank.read_enable[0].eq(self.read_enable & used), bank.read_address[0].eq(self.read_row)),
                ]
                parts.append(bank.read_data[0])
            vectors[kind] = Cat(parts)
        shows = Signal()  # the key as the value
        with m.If(self.read_enable):
            m.d.sync += shows.eq(self.read_shared)
        m.d.comb += [
            self.pair.key.as_value().eq(vectors[ReadKind.KEY]),
            self.pair.value.as_value().eq(Mux(shows, vectors[ReadKind.KEY], vectors[ReadKind.VALUE])),
            self.written.eq(self._written(m, ends)),
        ]
        if chip.engine.token_scale_bits:
            self._scales(m, platform)
        return m

    def _scales(self, m: Module, platform: object) -> None:
        """A bank of the scales of blocks, an entry for each of their beats."""
        chip, config = self.config, self.config.engine
        beats, size = scale_beats(chip), scales_layout(config).size
        keys = config.update_rank // beats  # of an entry
        bank = Bank(depth=chip.buffer_blocks * beats, width=keys * size)
        m.submodules.scales = once(platform, bank)
        tag = self.beat_tag[0]
        number, within = Signal(range(beats)), beats.bit_length() - 1
        part, part_bits = self.scales_beat, 8 * TOKEN_SCALE_BYTES * keys
        if len(part) > part_bits:  # a beat has those of several blocks
            places = (part_bits // 8 // chip.alignment).bit_length() - 1
            part = part.word_select(tag.offset >> places, part_bits)
        block = (tag.row >> config.rank_bits) << within
        row = Signal(range(keys))  # of the token that is shown, in its entry
        scaled = Signal()
        place = keys.bit_length() - 1
        m.d.comb += [
            *(bank.write_enable.eq(self.scales_valid), bank.write_address.eq(block | number)),
            bank.write_data.eq(
                Cat(kept_scales(config, part.word_select(n, 8 * TOKEN_SCALE_BYTES)) for n in range(keys))
            ),
            *(
                bank.read_enable[0].eq(self.read_enable & self.read_scaled),
                bank.read_address[0].eq(self.read_row >> place),
            ),
            self.pair.scales.as_value().eq(Mux(scaled, bank.read_data[0].word_select(row, size), 0)),
            self.pair.scaled.eq(scaled),
        ]
        with m.If(self.scales_valid):
            m.d.sync += number.eq(Mux(self.beat_last[0], 0, number + 1))
        with m.If(self.read_enable):
            m.d.sync += [row.eq(self.read_row), scaled.eq(self.read_scaled)]

    def _written(self, m: Module, ends: Value) -> Value:
        """Whether a block is whole: the half that comes at the other port may be blocks ahead, or behind."""
        if self.config.read_ports == 1:
            return ends
        lead = Signal(signed(fits(self.config.buffer_blocks).width + 1))  # of keys over values
        with m.If(~self.keys_alone):
            m.d.sync += lead.eq(lead + ends[0] - ends[1])
        return Mux(self.keys_alone, ends[0], ends.all() | (ends[0] & (lead < 0)) | (ends[1] & (lead > 0)))
