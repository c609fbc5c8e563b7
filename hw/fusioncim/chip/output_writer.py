"""Output writer: the rows that leave the engines, packed into beats and sent to their places in memory.

Every engine has a packer, with a lane for every row of a band and room for two rows or more. Whole rows are written in
turn, those of an engine in the order of their tile, one request per row. A row may begin inside of a beat and end
inside of one: its words are shifted, and strobes say which bytes of a beat are its own. An engine gives all its
columns: the words behind the value dimension of a job leave their lane, one per cycle, for nowhere.
"""

from math import gcd

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from fusioncim.chip.axi import beat_offset, beats_touched, write_data_layout, write_request_layout
from fusioncim.chip.descriptor import DIMENSION_BITS, HEAD_BITS, job_layout, next_query, row_bytes
from fusioncim.chip.job_table import SLOTS, slot_shape
from fusioncim.chip.query_loader import output_place_layout
from fusioncim.engine.normalizer import output_beat_layout
from fusioncim.engine.reciprocal import place_in_band
from fusioncim.lib.arith import fits, one_hot, pick
from fusioncim.lib.bank import address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig

ROWS_AHEAD = 4
"""Rows that are requested before their data goes out."""
ROWS_PACKED = 2
"""Rows for which a packer has room; several lanes have a row and a word each."""


def tiles_placed(chip: ChipConfig) -> int:
    """Tiles of an engine whose places are known ahead: those of all words, one that leaves, one that loads."""
    return chip.engine.words + 2


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


def row_layout(chip: ChipConfig) -> data.StructLayout:
    """A row that is requested.

    Members:
        engine, lane: that have it.
        beats: of its request.
        offset: of its address in its first beat, in units of the chip's alignment.
        end: bytes of its last beat, 0 for all.
        spills: it has a beat more than words.
    """
    beats, lanes = chip.output_bytes // chip.bus_bytes, chip.bus_bytes // chip.alignment
    return data.StructLayout(
        {
            "lane": place_in_band(chip.engine),
            "engine": address_shape(chip.engines),
            "beats": fits(beats + (lanes > 1)),
            "offset": lanes.bit_length() - 1,
            "end": chip.bus_bytes.bit_length() - 1,
            "spills": 1,
        }
    )


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


class OutputPacker(wiring.Component):
    """Packs an engine's outputs. An output beat that does not divide a word may end one and begin the next.

    Throughput: an output beat in and a word out per cycle.

    Members:
        i: outputs of the engine.
        i_place: places of its tiles.
        o: words of the bus of every lane, from the begin of a row on.
        ends: the word that o gives is the last one of its row that is written; those behind it are passed over.
        row: a whole row is held that was not taken.
        take: take it; its place stays for that cycle.
        next_row: its place.
        step: bytes from it to the row behind.
        wrap: the row behind belongs to another query.
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
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip, config = self.config, self.config.engine
        beats = chip.output_bytes // chip.bus_bytes
        given, size = pieces(chip)
        m.submodules.places = places = SyncFIFOBuffered(width=output_place_layout(chip).size, depth=tiles_placed(chip))

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
        m.d.comb += self.i.ready.eq(Cat(room).all())

        beat = Signal(address_shape(beats))
        rows = Signal(range(ROWS_PACKED * config.drain_rows + 2))
        complete = Signal()
        m.d.comb += [complete.eq(whole & (beat == beats - 1)), self.row.eq((rows != 0) & self._walk(m, places))]
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

    def _walk(self, m: Module, places: SyncFIFOBuffered) -> Signal:
        """Walk the rows of the oldest tile; returns whether there is one."""
        wiring.connect(m, wiring.flipped(self.i_place), places.w_stream)
        layout = output_place_layout(self.config)
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


class OutputWriter(wiring.Component):
    """Packers and the turn they take.

    Throughput: a row per cycle for each of its beats.

    Members:
        i: outputs of every engine.
        place, place_valid, place_ready: places of tiles, from the query loader.
        begins, job, slot: a sequence begins.
        failed: slots whose rows are dropped.
        o_write, o_data: to the write master.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(output_beat_layout(config.engine))).array(config.engines),
                "place": In(output_place_layout(config)),
                "place_valid": In(config.engines),
                "place_ready": Out(config.engines),
                "begins": In(1),
                "job": In(job_layout(config)),
                "slot": In(slot_shape()),
                "failed": In(SLOTS),
                "o_write": Out(stream.Signature(write_request_layout(config, slot_shape()))),
                "o_data": Out(stream.Signature(write_data_layout(config))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip = self.config
        packers = [OutputPacker(chip) for _ in range(chip.engines)]
        for n, packer in enumerate(packers):
            m.submodules[f"packer_{n}"] = once(platform, packer)
            wiring.connect(m, wiring.flipped(self.i[n]), packer.i)
            m.d.comb += [
                *(packer.i_place.payload.eq(self.place), packer.i_place.valid.eq(self.place_valid[n])),
                self.place_ready[n].eq(packer.i_place.ready),
            ]

        # What the walk of a tile needs to know of its sequence.
        steps = data.StructLayout(
            {"head": chip.address_bits, "query": chip.address_bits, "group": HEAD_BITS, "dimension": DIMENSION_BITS}
        )
        jobs = [Signal(steps, name=f"job_{n}", reset_less=True) for n in range(SLOTS)]
        place = self.job.descriptor.o
        for n, job in enumerate(jobs):
            with m.If(self.begins & (self.slot == n)):
                m.d.sync += [
                    *(job.head.eq(place.head_pitch), job.group.eq(self.job.group)),
                    *(
                        job.query.eq(next_query(place, self.job.o_group)),
                        job.dimension.eq(self.job.descriptor.value_dimension),
                    ),
                ]

        # Requests, in turn; the data follows in the same order.
        chosen = Signal(address_shape(chip.engines))
        held = Signal()
        last = Signal(address_shape(chip.engines))
        entry = row_layout(chip)
        m.submodules.order = order = SyncFIFOBuffered(width=entry.size, depth=ROWS_AHEAD)
        asked = data.View(entry, order.w_data)
        request = self.o_write.payload
        go = Signal()
        job = Signal(steps)
        row = Signal(row_place_layout(chip))
        beats = Signal(entry["beats"].shape)
        wrap = Signal()
        byte_bits = chip.bus_bytes.bit_length() - 1
        length = row_bytes(chip, job.dimension)
        words = (length + (chip.bus_bytes - 1)) >> byte_bits
        m.d.comb += [
            *(self.o_write.valid.eq(held & order.w_rdy), go.eq(self.o_write.valid & self.o_write.ready)),
            *(row.eq(Array(packer.next_row.as_value() for packer in packers)[chosen]), request.address.eq(row.address)),
            beats.eq(beats_touched(chip, row.address, length)),
            *(request.tag.eq(row.slot), request.drop.eq(pick(self.failed, row.slot)), request.beats.eq(beats)),
            *(order.w_en.eq(go), job.eq(Array(jobs)[row.slot]), asked.engine.eq(chosen), asked.lane.eq(row.lane)),
            *(asked.offset.eq(beat_offset(chip, row.address)), asked.beats.eq(beats)),
            *(asked.end.eq((row.address + length)[:byte_bits]), asked.spills.eq(beats > words)),
            wrap.eq(row.head + 1 == job.group),
        ]
        rows = Signal(chip.engines)
        m.d.comb += rows.eq(Cat(packer.row for packer in packers) & ~one_hot(held, chosen, chip.engines))
        for n, packer in enumerate(packers):
            m.d.comb += [
                *(packer.take.eq(go & (chosen == n)), packer.wrap.eq(wrap)),
                packer.step.eq(Mux(wrap, job.query, job.head)),
            ]
        with m.If(~held | go):
            m.d.sync += held.eq(rows.any())
            # The first behind the one served last, else the first.
            for n in reversed(range(chip.engines)):
                with m.If(rows[n]):
                    m.d.sync += chosen.eq(n)
            for n in reversed(range(1, chip.engines)):
                with m.If(rows[n] & (last < n)):
                    m.d.sync += chosen.eq(n)
        with m.If(go):
            m.d.sync += last.eq(chosen)

        self._send(m, packers, order)
        return m

    def _send(self, m: Module, packers: list[OutputPacker], order: SyncFIFOBuffered) -> None:
        """The beats of the rows, in the order of their requests."""
        chip = self.config
        entry = row_layout(chip)
        row = Signal(entry, reset_less=True)
        left = Signal(entry["beats"].shape)
        first = Signal(reset_less=True)
        moved, last, spilled = Signal(), Signal(), Signal()
        lanes = [lane for packer in packers for lane in packer.o]
        source = Cat(row.lane, row.engine)
        word = Array(lane.payload for lane in lanes)[source]
        m.d.comb += [
            *(last.eq(left == 1), spilled.eq(last & row.spills)),
            self.o_data.valid.eq((left != 0) & (spilled | Array(lane.valid for lane in lanes)[source])),
            *(moved.eq(self.o_data.valid & self.o_data.ready), order.r_en.eq((left == 0) | (moved & last))),
        ]
        for n, lane in enumerate(lanes):
            m.d.comb += lane.ready.eq(moved & ~spilled & (source == n))
        for packer in packers:
            m.d.comb += packer.ends.eq(Mux(row.spills, left == 2, last))
        with m.If(order.r_en):
            m.d.sync += [left.eq(Mux(order.r_rdy, data.View(entry, order.r_data).beats, 0))]
            m.d.sync += [row.eq(order.r_data), first.eq(1)]
        with m.Elif(moved):
            m.d.sync += [left.eq(left - 1), first.eq(0)]

        out = self.o_data.payload
        m.d.comb += out.data.eq(self._shifted(m, word, row.offset, moved, first, spilled))
        # As coarse as rows and places are.
        step = min(chip.engine.output_bits, chip.alignment)
        for low in range(0, chip.bus_bytes, step):
            before = first & (low < row.offset * chip.alignment)
            behind = last & (row.end != 0) & (row.end <= low)
            m.d.comb += out.strobes[low : low + step].eq((~(before | behind)).replicate(step))

    def _shifted(self, m: Module, word: Value, offset: Value, moved: Value, first: Value, spilled: Value) -> Value:
        """A beat of what is left of the word before and of this one, 0 where neither is."""
        chip = self.config
        bits, lanes = 8 * chip.alignment, chip.bus_bytes // chip.alignment
        if lanes == 1:
            return word
        for n in range(len(offset)):
            word = Mux(offset[n], word.rotate_left(bits << n), word)
        kept = Signal(chip.bus_bits - bits, reset_less=True)
        with m.If(moved & (offset != 0)):
            m.d.sync += kept.eq(word)
        parts = []
        for lane in range(lanes):
            here = Mux(spilled, 0, word[bits * lane : bits * (lane + 1)])
            old = Mux(first, 0, kept[bits * lane : bits * (lane + 1)])
            parts.append(Mux(lane < offset, old, here) if lane < lanes - 1 else here)
        return Cat(parts)
