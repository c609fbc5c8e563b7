"""Query loader: reads the rows of every tile from memory and brings them to their engine.

Row r of a group of query heads is head r mod group of query r div group: its address moves by head_pitch, or to head 0
of the next query. The same walk gives the places of the outputs and of the log-sum-exp. A job's tables of scales, sinks
and slopes are read first, see `head_tables`. With a table of intervals, the entry of a query is read before its rows in
a tile, and limits what these see.

A row is asked for only when its engine waits for it, so that what comes back is never held up.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip import mask
from fusioncim.chip.axi import beats_touched, read_request_layout
from fusioncim.chip.descriptor import HEAD_BITS, job_layout, next_query, vector_bytes
from fusioncim.chip.head_tables import tables_of
from fusioncim.chip.job_table import slot_shape
from fusioncim.chip.output_place import LSE_OFFSET_BITS, output_place_layout
from fusioncim.chip.planner import planned_tile_layout
from fusioncim.chip.read_arbiter import ReadKind, read_tag_layout
from fusioncim.chip.realigner import vector_words_layout
from fusioncim.chip.row_receiver import RowReceiver
from fusioncim.engine.tile_loader import query_row_layout, tile_command_layout
from fusioncim.lib.arith import fits, one_hot, selected
from fusioncim.lib.bank import address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS
from fusioncim_golden.limits import INTERVAL_BYTES, SCALE_BYTES


class QueryLoader(wiring.Component):
    """Loads tile by tile.

    Throughput: a row per cycle for each of its beats. Latency: memory latency + 2 cycles.

    Members:
        i: tiles.
        job, slot: of the tile that i shows.
        o_read: requests.
        beat_valid, beat, beat_last, beat_scale, beat_error, beat_slot: what memory returns.
        words, write: the words of a row, as of the realigner.
        entry_valid, entry: an entry of the table of intervals comes, in the beat of that cycle, at this place of it.
        tile, tile_valid, tile_ready: streams of tiles; one payload, a valid and a ready per engine.
        query, query_valid: the same for queries, which are never stalled.
        place, place_valid, place_ready: the same for the output writer.
        begins: the first tile of a sequence is taken up.
        scale_error, scale_slot: a row is delivered whose head has a word that is illegal, for this sequence.
        interval_error, interval_slot: an entry that is no interval has come, for this sequence.
        loaded: the last row of a pass is delivered.
        loading: a row is asked for or on its way.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(planned_tile_layout(config))),
                "job": In(job_layout(config)),
                "slot": In(slot_shape()),
                "o_read": Out(stream.Signature(read_request_layout(config, read_tag_layout(config)))),
                "beat_valid": In(1),
                "beat": In(config.bus_bits),
                "beat_last": In(1),
                "beat_scale": In(1),
                "beat_error": In(1),
                "beat_slot": In(slot_shape()),
                "entry_valid": In(1),
                "entry": In(address_shape(config.bus_bytes // INTERVAL_BYTES)),
                "words": In(vector_words_layout(config)),
                "write": In(vector_words_layout(config).length),
                "tile": Out(tile_command_layout(config.engine)),
                "tile_valid": Out(config.engines),
                "tile_ready": In(config.engines),
                "query": Out(query_row_layout(config.engine)),
                "query_valid": Out(config.engines),
                "place": Out(output_place_layout(config)),
                "place_valid": Out(config.engines),
                "place_ready": In(config.engines),
                "begins": Out(1),
                "scale_error": Out(1),
                "scale_slot": Out(slot_shape()),
                "interval_error": Out(1),
                "interval_slot": Out(slot_shape()),
                "loaded": Out(1),
                "loading": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip = self.config
        this, tile = self.job.descriptor, self.i.payload
        receiver = RowReceiver(chip)
        m.submodules.receiver = once(platform, receiver)
        notes, asked = receiver.i, receiver.i.payload

        q_base, o_base = Signal(chip.address_bits, reset_less=True), Signal(chip.address_bits, reset_less=True)
        q_address, o_address = Signal(chip.address_bits, reset_less=True), Signal(chip.address_bits, reset_less=True)
        l_base, l_address = (
            Signal(self.place.lse.shape(), reset_less=True),
            Signal(self.place.lse.shape(), reset_less=True),
        )
        interval_address = Signal(chip.address_bits, reset_less=True)
        # Bytes of a tile, and rows.
        q_skip, o_skip = Signal(chip.address_bits, reset_less=True), Signal(chip.address_bits, reset_less=True)
        l_skip = Signal(fits(chip.engine.rows), reset_less=True)
        first_head = Signal(HEAD_BITS, reset_less=True)
        head = Signal(HEAD_BITS, reset_less=True)
        position = Signal(POSITION_BITS + 1, reset_less=True)
        row = Signal(fits(chip.engine.rows), reset_less=True)
        limited, has_lse = this.intervals != 0, this.lse != 0
        intervals = Signal(chip.address_bits)  # of the sequence
        m.d.comb += intervals.eq(this.intervals + self.job.first_row * INTERVAL_BYTES)
        entry_bits = INTERVAL_BYTES.bit_length() - 1
        asks = Signal(len(tables_of(chip.engine)))  # tables that are to be asked for
        table = asks & -asks
        table_address = selected(table, [this[name] for name in tables_of(chip.engine)])

        low, high = mask.interval(this, position)
        request = self.o_read.payload
        wrap = Signal()
        step = Signal()
        wanted = one_hot(self.i.valid, tile.engine, chip.engines)
        m.d.comb += [
            wrap.eq(head + 1 == self.job.group),
            *(self.tile.rows.eq(tile.rows), self.tile.fresh.eq(tile.fresh), self.tile.last.eq(tile.last)),
            self.tile.blocks.eq(tile.blocks),
            *(self.place.address.eq(o_address), self.place.head.eq(head), self.place.rows.eq(tile.rows)),
            *(self.place.slot.eq(self.slot), request.tag.slot.eq(self.slot), self.place.lse.eq(l_address)),
            request.tag.row.eq(interval_address[entry_bits]),
            *(asked.engine.eq(tile.engine), asked.head.eq(first_head + head)),
            *(asked.keys.low.eq(low), asked.keys.high.eq(high)),
            asked.final.eq(tile.final & (row + 1 == tile.rows)),
            notes.valid.eq(step),
        ]
        if chip.engine.alibi:
            m.d.comb += asked.position.eq(position)

        with m.FSM() as fsm:
            with m.State("TILE"):
                with m.If(self.i.valid):
                    m.next = "COMMAND"
                    for address, base, skip in (
                        (q_address, q_base, q_skip),
                        (o_address, o_base, o_skip),
                        (l_address, l_base, Mux(has_lse, l_skip, 0)),
                        (interval_address, intervals, self.job.tile_queries * INTERVAL_BYTES),
                        (position, this.start, self.job.tile_queries),
                    ):
                        with m.If(tile.skips | tile.returns):
                            m.d.sync += address.eq(Mux(tile.returns, base, address) + skip)
                    with m.If(tile.first):
                        m.next = "GROUP"
                        with m.If(tile.opens):
                            m.next = "OPEN"
            with m.State("OPEN"):
                # The tables of the job before are in use until its last row has come.
                m.d.comb += receiver.opens.eq(~self.loading)
                m.d.sync += asks.eq(Cat(Const(1, 1), *(this[name] != 0 for name in tables_of(chip.engine)[1:])))
                with m.If(~self.loading):
                    m.next = "TABLES"
            with m.State("TABLES"):
                m.d.comb += [
                    self.o_read.valid.eq(1),
                    *(request.address.eq(table_address), request.tag.kind.eq(ReadKind.SCALE)),
                    request.beats.eq(beats_touched(chip, table_address, this.heads * SCALE_BYTES)),
                ]
                with m.If(self.o_read.ready):
                    m.d.sync += asks.eq(asks & ~table)
                    with m.If(asks == table[: len(asks)]):
                        m.next = "RECEIVE"
            with m.State("RECEIVE"):
                with m.If(receiver.complete):
                    m.next = "GROUP"
            with m.State("GROUP"):
                m.d.comb += self.begins.eq(tile.begins)
                q_next, o_next, l_next = (
                    Mux(tile.begins, start, base + jump)
                    for start, base, jump in (
                        (this.q.address, q_base, self.job.q_group),
                        (this.o.address, o_base, self.job.o_group),
                        (this.lse >> LSE_OFFSET_BITS, l_base, Mux(has_lse, this.lse_pitch >> LSE_OFFSET_BITS, 0)),
                    )
                )
                m.d.sync += [
                    *(q_base.eq(q_next), q_address.eq(q_next), o_base.eq(o_next), o_address.eq(o_next)),
                    *(l_base.eq(l_next), l_address.eq(l_next)),
                    *(first_head.eq(Mux(tile.begins, 0, first_head + self.job.group)), head.eq(0)),
                    *(position.eq(this.start), interval_address.eq(intervals)),
                ]
                m.next = "COMMAND"
            with m.State("COMMAND"):
                both = Signal()
                m.d.comb += [
                    both.eq((wanted & self.tile_ready & self.place_ready).any()),
                    *(self.tile_valid.eq(wanted & self.place_ready), self.place_valid.eq(wanted & self.tile_ready)),
                ]
                m.d.sync += row.eq(0)
                with m.If(both):
                    m.next = "ROWS"
                    with m.If(limited):
                        m.next = "INTERVAL"
            with m.State("INTERVAL"):
                m.d.comb += [
                    *(self.o_read.valid.eq(1), request.address.eq(interval_address), request.beats.eq(1)),
                    request.tag.kind.eq(ReadKind.INTERVAL),
                ]
                with m.If(self.o_read.ready):
                    m.next = "ROWS"
            with m.State("ROWS"):
                m.d.comb += [
                    *(self.o_read.valid.eq(notes.ready), step.eq(notes.ready & self.o_read.ready)),
                    *(request.address.eq(q_address), request.tag.kind.eq(ReadKind.QUERY)),
                    request.beats.eq(beats_touched(chip, q_address, vector_bytes(chip, this.dimension))),
                ]
                with m.If(step):
                    m.d.sync += [
                        *(row.eq(row + 1), head.eq(Mux(wrap, 0, head + 1)), position.eq(position + wrap)),
                    ]
                    for address, base, skip, tensor, group in (
                        (q_address, q_base, q_skip, this.q, self.job.q_group),
                        (o_address, o_base, o_skip, this.o, self.job.o_group),
                    ):
                        following = Signal(chip.address_bits)
                        m.d.comb += following.eq(address + Mux(wrap, next_query(tensor, group), tensor.head_pitch))
                        m.d.sync += address.eq(following)
                        with m.If(tile.first):
                            m.d.sync += skip.eq(following - base)
                    m.d.sync += l_address.eq(l_address + has_lse)
                    with m.If(tile.first):
                        m.d.sync += l_skip.eq(row + 1)
                    with m.If(wrap):
                        m.d.sync += interval_address.eq(interval_address + INTERVAL_BYTES)
                        with m.If(limited):
                            m.next = "INTERVAL"
                    with m.If(row + 1 == tile.rows):
                        m.d.comb += self.i.ready.eq(1)
                        m.next = "TILE"

        beats = ("beat_valid", "beat", "beat_last", "beat_scale", "beat_error", "beat_slot")
        given = (*beats, "entry_valid", "entry", "words", "write")
        made = ("query", "query_valid", "scale_error", "scale_slot", "interval_error", "interval_slot", "loaded")
        m.d.comb += [
            *(getattr(receiver, name).eq(getattr(self, name)) for name in given),
            *(getattr(self, name).eq(getattr(receiver, name)) for name in made),
            receiver.job.eq(this),
            self.loading.eq(~fsm.ongoing("TILE") & ~fsm.ongoing("OPEN") | receiver.busy),
        ]
        return m
