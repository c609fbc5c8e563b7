"""Output packer: what leaves an engine becomes words of the bus, and its rows get their places.

A packer has a lane for every row of a band and room for two rows or more, and gathers the log-sum-exp beside them. An
engine gives all its columns: words behind the value dimension of a job leave their lane, one per cycle, for nowhere.
"""

from math import gcd

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from fusioncim.chip.descriptor import HEAD_BITS
from fusioncim.chip.job_table import slot_shape
from fusioncim.chip.lse_packer import LsePacker, lse_word_layout
from fusioncim.chip.output_place import output_place_layout, tiles_placed
from fusioncim.engine.normalizer import output_beat_layout
from fusioncim.engine.reciprocal import place_in_band
from fusioncim.lib.bank import address_shape
from fusioncim_golden.chip_config import ChipConfig

ROWS_PACKED = 2
"""Rows for which a packer has room; several lanes have a row and a word each."""


def words_packed(chip: ChipConfig) -> int:
    """Words of the bus for which a lane of a packer has room: of two rows in all, but a row and a word at least."""
    beats = chip.output_bytes // chip.bus_bytes
    return max(ROWS_PACKED * beats // chip.engine.drain_rows, beats + 1)


def pieces(chip: ChipConfig) -> tuple[int, int]:
    """An output beat and a word of the bus, in pieces of the bits that divide both: 1 and more where it divides it."""
    piece = gcd(chip.output_beat_bits, chip.bus_bits)
    return chip.output_beat_bits // piece, chip.bus_bits // piece


def packed_bits(chip: ChipConfig) -> int:
    """Bits of outputs for which a packer has room: the words of its lanes, and all but a piece of the next ones."""
    _, word = pieces(chip)
    return chip.engine.drain_rows * (words_packed(chip) * chip.bus_bits + (word - 1) * (chip.bus_bits // word))


def lse_request_layout(chip: ChipConfig) -> data.StructLayout:
    """A word of the bus with log-sum-exp: its address, and the slot of its sequence."""
    return data.StructLayout({"address": chip.address_bits, "slot": slot_shape()})


def row_place_layout(chip: ChipConfig) -> data.StructLayout:
    """Where the next row of an engine is, and where it belongs.

    Members:
        address: of the row.
        slot: of its sequence.
        head: that it belongs to, in its group.
        lane: that has it.
    """
    lane = place_in_band(chip.engine)
    return data.StructLayout({"address": chip.address_bits, "slot": slot_shape(), "head": HEAD_BITS, "lane": lane})


def row_tile_layout(chip: ChipConfig) -> data.StructLayout:
    """What the walk of a tile's rows needs of its place."""
    return data.StructLayout(
        {name: shape for name, shape in output_place_layout(chip).members.items() if name != "lse"}
    )


class OutputPacker(wiring.Component):
    """Packs an engine's outputs. An output beat that does not divide a word may end one and begin the next.

    Throughput: an output beat in and a word out per cycle.

    Members:
        i: outputs of the engine.
        i_place: places of its tiles.
        o: words of the bus of every lane, from the begin of a row on.
        ends: the word that o gives is the last one of its row that is written; those behind it are passed over.
        row: a whole row is held that was not taken, and no log-sum-exp has to be asked for before.
        take: take it; its place stays for that cycle.
        next_row: its place.
        step: bytes from it to the row behind.
        wrap: the row behind belongs to another query.
        lse: a word with log-sum-exp is to be written.
        lse_request: it, as long as `lse`.
        take_lse: it is asked for.
        lse_word: it, until `lse_sent`.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(output_beat_layout(config.engine))),
                "i_place": In(stream.Signature(output_place_layout(config))),
                "o": Out(stream.Signature(config.bus_bits)).array(config.engine.drain_rows),
                "ends": In(1),
                "row": Out(1),
                "take": In(1),
                "next_row": Out(row_place_layout(config)),
                "step": In(config.address_bits),
                "wrap": In(1),
                "lse": Out(1),
                "lse_request": Out(lse_request_layout(config)),
                "take_lse": In(1),
                "lse_word": Out(lse_word_layout(config)),
                "lse_sent": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip, config = self.config, self.config.engine
        beats = chip.output_bytes // chip.bus_bytes
        given, size = pieces(chip)
        m.submodules.places = places = SyncFIFOBuffered(width=row_tile_layout(chip).size, depth=tiles_placed(chip))
        m.submodules.lse = lse = LsePacker(chip)

        more = self.i.payload.more
        held = Signal(address_shape(size))  # pieces of the next word
        left = Signal(address_shape(given))  # of a beat, behind the word that it ends
        taken = Signal()
        whole = Signal()  # a word of every row that there is
        m.d.comb += [
            *(taken.eq(self.i.valid & self.i.ready), whole.eq(taken & (held >= size - given))),
            left.eq(held + given - size),
        ]
        with m.If(taken):
            m.d.sync += held.eq(Mux(whole, left, held + given))
        room = [self._lane(m, n, taken, whole & (more >= n) if n else whole, left) for n in range(config.drain_rows)]

        beat = Signal(address_shape(beats))
        begins = Signal()  # a band
        rows = Signal(range(ROWS_PACKED * config.drain_rows + 2))
        complete = Signal()
        m.d.comb += [
            *(complete.eq(whole & (beat == beats - 1)), begins.eq((held == 0) & (beat == 0))),
            self.i.ready.eq(Cat(room).all() & (lse.ready | ~begins)),
            *(lse.band.eq(taken & begins), lse.lse.eq(self.i.payload.lse), lse.more.eq(more)),
            self.row.eq((rows != 0) & self._walk(m, places) & ~lse.waits),
            *(self.lse.eq(lse.offers), self.lse_request.address.eq(lse.address), self.lse_request.slot.eq(lse.slot)),
            *(lse.take.eq(self.take_lse), self.lse_word.eq(lse.word), lse.sent.eq(self.lse_sent)),
        ]
        self._place(m, places, lse)
        with m.If(whole):
            m.d.sync += beat.eq(Mux(beat == beats - 1, 0, beat + 1))
        m.d.sync += rows.eq(rows + (Mux(complete, more + 1, 0) if len(more) else complete) - self.take)
        return m

    def _lane(self, m: Module, n: int, taken: Signal, whole: Value, left: Value) -> Value:
        """Pack the row at place n of every band; returns whether there is room for a word."""
        chip = self.config
        given, size = pieces(chip)
        piece = chip.bus_bits // size
        beats = chip.output_bytes // chip.bus_bytes
        fifo = SyncFIFOBuffered(width=chip.bus_bits, depth=words_packed(chip))
        m.submodules[f"beats_{n}"] = fifo
        value = self.i.payload.data[n].as_value()
        o = self.o[n]
        gone = Signal(address_shape(beats), name=f"gone_{n}")  # words of the row that left
        passes = Signal(name=f"passes_{n}")  # over the words behind the dimension
        m.d.comb += [
            *(o.valid.eq(fifo.r_rdy & ~passes), o.payload.eq(fifo.r_data)),
            *(fifo.r_en.eq(passes | o.ready), fifo.w_en.eq(whole)),
        ]
        with m.If(fifo.r_rdy & fifo.r_en):
            m.d.sync += gone.eq(Mux(gone == beats - 1, 0, gone + 1))
            m.d.sync += passes.eq((passes | self.ends) & (gone != beats - 1))
        kept = Signal(chip.bus_bits - piece, name=f"kept_{n}", reset_less=True)  # what came last
        known = Cat(kept, value)
        ends = [known[piece * (given - 1 - behind) :][: chip.bus_bits] for behind in range(given)]
        m.d.comb += fifo.w_data.eq(Array(ends)[left] if given > 1 else ends[0])
        with m.If(taken):
            m.d.sync += kept.eq(known[len(value) :])
        return fifo.w_rdy

    def _place(self, m: Module, places: SyncFIFOBuffered, lse: LsePacker) -> None:
        """Tiles go to the walk of the rows and to that of the log-sum-exp."""
        tile, taken = self.i_place.payload, Signal()
        kept = data.View(row_tile_layout(self.config), places.w_data)
        m.d.comb += [
            *(
                self.i_place.ready.eq(places.w_rdy & lse.i_place.ready),
                taken.eq(self.i_place.valid & self.i_place.ready),
            ),
            *(kept[name].eq(tile[name]) for name in kept.shape().members),
            *(lse.i_place.payload.address.eq(tile.lse), lse.i_place.payload.rows.eq(tile.rows)),
            *(lse.i_place.payload.slot.eq(tile.slot), places.w_en.eq(taken), lse.i_place.valid.eq(taken)),
        ]

    def _walk(self, m: Module, places: SyncFIFOBuffered) -> Signal:
        """Walk the rows of the oldest tile; returns whether there is one."""
        layout = row_tile_layout(self.config)
        place = Signal(layout, reset_less=True)
        lane = Signal(place_in_band(self.config.engine))
        held = Signal()
        m.d.comb += [
            *(places.r_en.eq(~held), self.next_row.address.eq(place.address), self.next_row.lane.eq(lane)),
            *(self.next_row.slot.eq(place.slot), self.next_row.head.eq(place.head)),
        ]
        with m.If(~held):
            m.d.sync += [place.eq(places.r_data), held.eq(places.r_rdy)]
        with m.Elif(self.take):
            m.d.sync += [
                *(place.address.eq(place.address + self.step), place.head.eq(Mux(self.wrap, 0, place.head + 1))),
                *(place.rows.eq(place.rows - 1), held.eq(place.rows != 1)),
            ]
            m.d.sync += lane.eq(Mux(place.rows == 1, 0, lane + 1))
        return held
