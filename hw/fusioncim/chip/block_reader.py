"""Reads of a block: the requests of its keys and values, vector by vector or as a whole.

The keys of a block are one request if they are neighbours of whole beats in memory, else one per key, and so are its
values. Positions at or beyond the last key are not read. A value that lies where its key lies is not, either.
"""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.axi import MOST_BEATS, beat_offset, beats_touched, read_request_layout
from fusioncim.chip.descriptor import DIMENSION_BITS, PITCH_BITS, key_bytes
from fusioncim.chip.job_table import slot_shape
from fusioncim.chip.read_arbiter import ReadKind, read_tag_layout
from fusioncim.engine.tile_loader import block_shape
from fusioncim.lib.arith import fits
from fusioncim.lib.bank import address_shape
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.limits import TOKEN_SCALE_BYTES


def block_place_layout(chip: ChipConfig) -> data.StructLayout:
    """A block of a pass and its place in memory.

    Members:
        block, rows: its number, its keys.
        stream, final: which head of the pass it is of; the last of them.
        k_address, v_address: of its first key and value.
        scales_address, scaled: of the scales of its keys and values, and whether it has any; on a chip that takes them.
        k_pitch, v_pitch, dimension, value_dimension, packed, shared, slot: as of the pass.
    """
    return data.StructLayout(
        {
            "block": block_shape(chip.engine),
            "rows": fits(chip.engine.update_rank),
            "stream": address_shape(chip.streams),
            "final": 1,
            "k_address": chip.address_bits,
            "v_address": chip.address_bits,
            **({"scales_address": chip.address_bits, "scaled": 1} if chip.engine.token_scale_bits else {}),
            "k_pitch": PITCH_BITS,
            "v_pitch": PITCH_BITS,
            **dict.fromkeys(("dimension", "value_dimension"), DIMENSION_BITS),
            "packed": 1,
            "shared": 1,
            "slot": slot_shape(),
        }
    )


def scale_beats(chip: ChipConfig) -> int:
    """Beats of the scales of a block, of which one may have those of several."""
    return max(TOKEN_SCALE_BYTES * chip.engine.update_rank // chip.bus_bytes, 1)


class BlockReader(wiring.Component):
    """Asks for the scales of a block, its keys, then its values; for the values alone where these have their own port.

    Throughput: a request per cycle, one for neighbours. Latency: 1 cycle.

    Members:
        i: blocks; what is theirs of the pass stays while `busy`.
        entry: where in the buffer the block goes, in blocks.
        busy: not all of the block is asked for.
        o: requests.
    """

    def __init__(self, config: ChipConfig, *kinds: ReadKind) -> None:
        self.config, self.kinds = config, kinds
        self.parameters = tuple(kind.name.lower() for kind in kinds)
        super().__init__(
            {
                "i": In(stream.Signature(block_place_layout(config))),
                "entry": In(address_shape(config.buffer_blocks)),
                "busy": Out(1),
                "o": Out(stream.Signature(read_request_layout(config, read_tag_layout(config)))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip, config = self.config, self.config.engine
        block, request = self.i.payload, self.o.payload
        byte_bits = chip.bus_bytes.bit_length() - 1
        both = len(self.kinds) > 1
        half = Signal() if both else Const(self.kinds[0] == ReadKind.VALUE, 1)  # values
        length = key_bytes(chip, Mux(half, block.value_dimension, block.dimension), block.packed)
        row = Signal(fits(config.update_rank), reset_less=True)
        address = Signal(chip.address_bits, reset_less=True)  # of the row
        values = Signal(chip.address_bits, reset_less=True)
        entry = Signal(address_shape(chip.buffer_blocks), reset_less=True)
        rows = Signal(fits(config.update_rank), reset_less=True)
        pitch = Mux(half, block.v_pitch, block.k_pitch)
        whole = Signal()  # the vectors are neighbours of whole beats
        if config.update_rank * chip.vector_bytes // chip.bus_bytes <= MOST_BEATS:
            m.d.comb += whole.eq((pitch == length) & ~(length | address)[:byte_bits].any())
        last_row, ends = Signal(), Signal()  # of this half; of the block
        scaled = config.token_scale_bits > 0 and ReadKind.KEY in self.kinds
        asks = Signal() if scaled else Const(0, 1)  # for scales
        taken = self.busy & self.o.ready & ~asks if scaled else self.busy & self.o.ready
        at_end = whole | (row + 1 == rows)
        m.d.comb += [
            *(
                last_row.eq(at_end & ~asks if scaled else at_end),
                self.i.ready.eq(~self.busy),
                self.o.valid.eq(self.busy),
            ),
            ends.eq(last_row & (half | block.shared) if both else last_row),
            *(request.address.eq(address), request.tag.slot.eq(block.slot)),
            request.tag.offset.eq(beat_offset(chip, address)),
            request.beats.eq(Mux(whole, rows * (length >> byte_bits), beats_touched(chip, address, length))),
            request.tag.kind.eq(Mux(half, ReadKind.VALUE, ReadKind.KEY)),
            *(request.tag.row.eq((entry << config.rank_bits) + row), request.tag.last.eq(ends)),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                *(self.busy.eq(1), row.eq(0), rows.eq(block.rows), entry.eq(self.entry), values.eq(block.v_address)),
                address.eq(block.k_address if ReadKind.KEY in self.kinds else block.v_address),
            ]
        with m.Elif(taken):
            m.d.sync += [row.eq(row + 1), address.eq(address + pitch)]
            with m.If(last_row):
                m.d.sync += [self.busy.eq(~ends), row.eq(0), address.eq(values)]
                if both:
                    m.d.sync += half.eq(~ends)
        if scaled:
            self._scales(m, asks, address)
        return m

    def _scales(self, m: Module, asks: Signal, address: Signal) -> None:
        """The scales of the block go first, in one request; asks: they do now."""
        block, request = self.i.payload, self.o.payload
        keys = Signal.like(address, name="keys", reset_less=True)
        with m.If(asks):
            m.d.comb += [
                *(request.tag.kind.eq(ReadKind.TOKEN_SCALE), request.tag.last.eq(0)),
                request.beats.eq(scale_beats(self.config)),
            ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [asks.eq(block.scaled), keys.eq(block.k_address)]
            with m.If(block.scaled):
                m.d.sync += address.eq(block.scales_address)
        with m.Elif(asks & self.o.ready):
            m.d.sync += [asks.eq(0), address.eq(keys)]
