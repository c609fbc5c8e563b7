"""Log-sum-exp of the rows that leave an engine, gathered into words of the bus.

The rows of a tile are neighbours in memory. A band brings the words of its rows at once; one after the other goes to
its place in a word of the bus, which is written when its last place is taken, or with the last row of the tile.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from fusioncim.chip.job_table import slot_shape
from fusioncim.chip.output_place import LSE_OFFSET_BITS, tiles_placed
from fusioncim.engine import reciprocal
from fusioncim.lib.arith import fits
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.limits import LSE_BYTES


def lse_place_layout(chip: ChipConfig) -> data.StructLayout:
    """Where the log-sum-exp of a tile goes.

    Members:
        address: of its first row, in units of LSE_BYTES; 0: nowhere.
        rows: how many it has.
        slot: of its sequence.
    """
    address = chip.address_bits - LSE_OFFSET_BITS
    return data.StructLayout({"address": address, "rows": fits(chip.engine.rows), "slot": slot_shape()})


def lse_word_layout(chip: ChipConfig) -> data.StructLayout:
    """A word of the bus; present: which of its places are taken."""
    places = chip.bus_bytes // LSE_BYTES
    return data.StructLayout({"data": data.ArrayLayout(8 * LSE_BYTES, places), "present": places})


class LsePacker(wiring.Component):
    """Gathers the log-sum-exp of one engine.

    Throughput: a row per cycle, and a word of the bus from `offers` until `sent`.

    Members:
        i_place: places of the tiles.
        ready: a band may come; where its tile has no place, it always may.
        band, lse, more: the first beat of a band comes, and what it has of its rows.
        waits: some of what came is neither asked to be written nor gathered; rows must wait.
        offers: a word is to be written.
        address, slot: of it: the address in bytes.
        take: it is asked to be written.
        word: it, until `sent`.
        sent: it is written.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        engine = config.engine
        super().__init__(
            {
                "i_place": In(stream.Signature(lse_place_layout(config))),
                "ready": Out(1),
                "band": In(1),
                "lse": In(data.ArrayLayout(reciprocal.LSE_BITS, engine.drain_rows)),
                "more": In(reciprocal.place_in_band(engine)),
                "waits": Out(1),
                "offers": Out(1),
                "address": Out(config.address_bits),
                "slot": Out(slot_shape()),
                "take": In(1),
                "word": Out(lse_word_layout(config)),
                "sent": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip = self.config
        layout = lse_place_layout(chip)
        places = SyncFIFOBuffered(width=layout.size, depth=tiles_placed(chip))
        m.submodules.places = places
        wiring.connect(m, wiring.flipped(self.i_place), places.w_stream)

        tile = Signal(layout, reset_less=True)
        held = Signal()
        waiting = Signal(len(self.lse.as_value()), reset_less=True)
        left = Signal(fits(chip.engine.drain_rows))  # rows in it
        many = chip.bus_bytes // LSE_BYTES
        gathered = Signal(lse_word_layout(chip)["data"].shape)  # what is not written is known all the same
        place = tile.address[: many.bit_length() - 1]
        beat = tile.address[len(place) :]
        ends = Signal()  # the tile has no row behind
        follows = Signal()
        m.d.comb += [
            *(self.ready.eq(held & (left == 0) & (tile.rows != 0)), places.r_en.eq(~held), self.slot.eq(tile.slot)),
            *(self.address.eq(beat << (chip.bus_bytes.bit_length() - 1)), self.word.data.eq(gathered)),
        ]
        with m.If(~held):
            m.d.sync += [tile.eq(places.r_data), held.eq(places.r_rdy)]
        with m.If(self.band):
            m.d.sync += [waiting.eq(self.lse), tile.rows.eq(tile.rows - self.more - 1)]
            with m.If(tile.address != 0):
                m.d.sync += left.eq(self.more + 1)
            with m.Elif(tile.rows == self.more + 1):
                m.d.sync += held.eq(0)
        with m.If(follows):
            m.d.sync += tile.address.eq(tile.address + 1)
            with m.If(ends):
                m.d.sync += held.eq(0)

        with m.FSM() as fsm:
            with m.State("GATHER"):
                with m.If(left != 0):
                    m.d.sync += [waiting.eq(waiting >> reciprocal.LSE_BITS), left.eq(left - 1)]
                    for n in range(many):
                        with m.If(place == n):
                            m.d.sync += [gathered[n].eq(waiting), self.word.present[n].eq(1)]
                    with m.If((place == many - 1) | ((tile.rows == 0) & (left == 1))):
                        m.next = "OFFER"
                    with m.Else():
                        m.d.comb += follows.eq(1)
            with m.State("OFFER"):
                m.d.comb += self.offers.eq(1)
                with m.If(self.take):
                    m.next = "SEND"
            with m.State("SEND"):
                with m.If(self.sent):
                    m.d.comb += [follows.eq(1), ends.eq((tile.rows == 0) & (left == 0))]
                    m.d.sync += self.word.present.eq(0)
                    m.next = "GATHER"
        m.d.comb += self.waits.eq((left != 0) | fsm.ongoing("OFFER"))
        return m
