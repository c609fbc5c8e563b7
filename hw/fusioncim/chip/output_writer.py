"""Output writer: the rows that leave the engines, packed into beats and sent to their places in memory.

Every engine has a packer. Whole rows are written in turn, those of an engine in the order of their tile, one request
per row. A row may begin inside of a beat and end inside of one: its words are shifted, and strobes say which bytes of a
beat are its own. The log-sum-exp of rows goes out before the last of them does, so that it is written when that one is.
"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from fusioncim.chip.axi import beat_offset, beats_touched, write_data_layout, write_request_layout
from fusioncim.chip.descriptor import DIMENSION_BITS, HEAD_BITS, job_layout, next_query, row_bytes
from fusioncim.chip.job_table import SLOTS, slot_shape, write_tag_layout
from fusioncim.chip.lse_packer import lse_word_layout
from fusioncim.chip.output_packer import OutputPacker, lse_request_layout, row_place_layout
from fusioncim.chip.output_place import output_place_layout
from fusioncim.engine.normalizer import output_beat_layout
from fusioncim.engine.reciprocal import place_in_band
from fusioncim.lib.arith import fits, one_hot, pick
from fusioncim.lib.bank import address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.limits import LSE_BYTES

ROWS_AHEAD = 4
"""Rows that are requested before their data goes out."""


def row_layout(chip: ChipConfig) -> data.StructLayout:
    """What is requested of a row, or of a word with log-sum-exp.

    Members:
        lse: it is such a word.
        engine, lane: that have it.
        beats: of its request.
        offset: of its address in its first beat, in units of the chip's alignment.
        end: bytes of its last beat, 0 for all.
        spills: it has a beat more than words.
    """
    beats, lanes = chip.output_bytes // chip.bus_bytes, chip.bus_bytes // chip.alignment
    return data.StructLayout(
        {
            "lse": 1,
            "lane": place_in_band(chip.engine),
            "engine": address_shape(chip.engines),
            "beats": fits(beats + (lanes > 1)),
            "offset": lanes.bit_length() - 1,
            "end": chip.bus_bytes.bit_length() - 1,
            "spills": 1,
        }
    )


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
                "o_write": Out(stream.Signature(write_request_layout(config, write_tag_layout()))),
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
        of_lse = Signal()  # it is a word with log-sum-exp
        last = Signal(address_shape(chip.engines))
        entry = row_layout(chip)
        m.submodules.order = order = SyncFIFOBuffered(width=entry.size, depth=ROWS_AHEAD)
        asked = data.View(entry, order.w_data)
        request = self.o_write.payload
        go = Signal()
        job = Signal(steps)
        row = Signal(row_place_layout(chip))
        lse = Signal(lse_request_layout(chip))
        beats = Signal(entry["beats"].shape)
        wrap = Signal()
        byte_bits = chip.bus_bytes.bit_length() - 1
        length = row_bytes(chip, job.dimension)
        words = (length + (chip.bus_bytes - 1)) >> byte_bits
        m.d.comb += [
            *(self.o_write.valid.eq(held & order.w_rdy), go.eq(self.o_write.valid & self.o_write.ready)),
            row.eq(Array(packer.next_row.as_value() for packer in packers)[chosen]),
            lse.eq(Array(packer.lse_request.as_value() for packer in packers)[chosen]),
            request.address.eq(Mux(of_lse, lse.address, row.address)),
            beats.eq(Mux(of_lse, 1, beats_touched(chip, row.address, length))),
            *(request.tag.slot.eq(Mux(of_lse, lse.slot, row.slot)), request.tag.row.eq(~of_lse)),
            *(request.drop.eq(pick(self.failed, request.tag.slot)), request.beats.eq(beats)),
            *(order.w_en.eq(go), job.eq(Array(jobs)[row.slot]), asked.engine.eq(chosen), asked.lane.eq(row.lane)),
            *(asked.lse.eq(of_lse), asked.beats.eq(beats)),
            asked.offset.eq(Mux(of_lse, 0, beat_offset(chip, row.address))),
            *(asked.end.eq((row.address + length)[:byte_bits]), asked.spills.eq(~of_lse & (beats > words))),
            wrap.eq(row.head + 1 == job.group),
        ]
        rows = Signal(chip.engines)
        m.d.comb += rows.eq(Cat(packer.row | packer.lse for packer in packers) & ~one_hot(held, chosen, chip.engines))
        for n, packer in enumerate(packers):
            m.d.comb += [
                *(packer.take.eq(go & (chosen == n) & ~of_lse), packer.take_lse.eq(go & (chosen == n) & of_lse)),
                packer.wrap.eq(wrap),
                packer.step.eq(Mux(wrap, job.query, job.head)),
            ]
        with m.If(~held | go):
            m.d.sync += held.eq(rows.any())
            # The first behind the one served last, else the first.
            for n in reversed(range(chip.engines)):
                with m.If(rows[n]):
                    m.d.sync += [chosen.eq(n), of_lse.eq(packers[n].lse)]
            for n in reversed(range(1, chip.engines)):
                with m.If(rows[n] & (last < n)):
                    m.d.sync += [chosen.eq(n), of_lse.eq(packers[n].lse)]
        with m.If(go):
            m.d.sync += last.eq(chosen)

        self._send(m, packers, order)
        return m

    def _send(self, m: Module, packers: list[OutputPacker], order: SyncFIFOBuffered) -> None:
        """The beats of what is requested, in that order."""
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
            self.o_data.valid.eq((left != 0) & (row.lse | spilled | Array(lane.valid for lane in lanes)[source])),
            *(moved.eq(self.o_data.valid & self.o_data.ready), order.r_en.eq((left == 0) | (moved & last))),
        ]
        for n, lane in enumerate(lanes):
            m.d.comb += lane.ready.eq(moved & ~row.lse & ~spilled & (source == n))
        for n, packer in enumerate(packers):
            m.d.comb += [
                packer.ends.eq(Mux(row.spills, left == 2, last)),
                packer.lse_sent.eq(moved & row.lse & (row.engine == n)),
            ]
        with m.If(order.r_en):
            m.d.sync += [left.eq(Mux(order.r_rdy, data.View(entry, order.r_data).beats, 0))]
            m.d.sync += [row.eq(order.r_data), first.eq(1)]
        with m.Elif(moved):
            m.d.sync += [left.eq(left - 1), first.eq(0)]

        out = self.o_data.payload
        lse = Signal(lse_word_layout(chip))
        shifted = self._shifted(m, word, row.offset, moved, first, spilled)
        m.d.comb += [
            lse.eq(Array(packer.lse_word.as_value() for packer in packers)[row.engine]),
            out.data.eq(
                Mux(row.lse, Cat(Mux(there, x, 0) for there, x in zip(lse.present, lse.data, strict=True)), shifted)
            ),
        ]
        # As coarse as rows and places are.
        step = min(chip.engine.output_bits, chip.alignment)
        for low in range(0, chip.bus_bytes, step):
            before = first & (low < row.offset * chip.alignment)
            behind = last & (row.end != 0) & (row.end <= low)
            for place in range(low // LSE_BYTES, (low + step) // LSE_BYTES):
                strobe = Mux(row.lse, lse.present[place], ~(before | behind))
                m.d.comb += out.strobes.word_select(place, LSE_BYTES).eq(strobe.replicate(LSE_BYTES))

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
