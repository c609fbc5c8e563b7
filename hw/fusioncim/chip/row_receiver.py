"""Row receiver: the rows of queries that come from memory, with what belongs to each of them.

A row is noted when it is asked for, in order. What its head has comes from the `head_tables`; the keys that it sees are
those of its note, as far as the interval that came last leaves them.
"""

from amaranth.hdl import Array, Cat, Const, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from fusioncim.chip import mask
from fusioncim.chip.descriptor import HEAD_BITS, descriptor_layout
from fusioncim.chip.head_tables import HeadTables
from fusioncim.chip.job_table import slot_shape
from fusioncim.chip.realigner import vector_words_layout
from fusioncim.engine.tile_loader import query_row_layout
from fusioncim.lib.arith import one_hot
from fusioncim.lib.bank import address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS, SLOPE_POSITION_BITS
from fusioncim_golden.limits import INTERVAL_BYTES, POSITIONS

ROWS_IN_FLIGHT = 32
"""Rows that memory may owe: about as many bursts as the read master keeps outstanding, and some in its queue."""


def note_layout(chip: ChipConfig) -> data.StructLayout:
    """What is kept of a row until it comes.

    Members:
        engine: where it goes.
        head: whose row it is.
        keys: those that it sees.
        position: of its query, on a chip with alibi.
        final: the last row of a pass.
    """
    position = {"position": SLOPE_POSITION_BITS} if chip.engine.alibi else {}
    return data.StructLayout(
        {
            "engine": address_shape(chip.engines),
            "head": HEAD_BITS,
            "keys": mask.interval_layout(),
            "final": 1,
            **position,
        }
    )


def interval_entry_layout() -> data.StructLayout:
    """An entry of the table of intervals."""
    return data.StructLayout({"low": 32, "high": 32})


class RowReceiver(wiring.Component):
    """Delivers rows.

    Throughput: a row per cycle for each of its beats. Latency: 1 cycle from the last beat of a row.

    Members:
        i: notes of the rows that are asked for.
        opens, job: the tables of a job are asked for from now on; all rows before are delivered.
        complete: they are there.
        beat_valid, beat, beat_last, beat_scale, beat_error, beat_slot: what memory returns.
        entry_valid, entry: an entry of the table of intervals comes, in the beat of that cycle, at this place of it.
        words, write: the words of a row, as of the realigner.
        query, query_valid: rows to the engines.
        scale_error, scale_slot: a row is delivered whose head has a word that is illegal, for this sequence.
        interval_error, interval_slot: an entry that is no interval has come, for this sequence.
        loaded: the last row of a pass is delivered.
        busy: a row is on its way.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(note_layout(config))),
                "opens": In(1),
                "job": In(descriptor_layout(config)),
                "complete": Out(1),
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
                "query": Out(query_row_layout(config.engine)),
                "query_valid": Out(config.engines),
                "scale_error": Out(1),
                "scale_slot": Out(slot_shape()),
                "interval_error": Out(1),
                "interval_slot": Out(slot_shape()),
                "loaded": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip = self.config
        tables = HeadTables(chip)
        m.submodules.tables = once(platform, tables)
        m.submodules.notes = notes = SyncFIFOBuffered(width=note_layout(chip).size, depth=ROWS_IN_FLIGHT)
        wiring.connect(m, wiring.flipped(self.i), notes.w_stream)
        interval = Signal(mask.interval_layout(), reset_less=True)  # of the rows that come
        with m.If(self.opens):
            m.d.sync += interval.eq(Cat(Const(0, POSITION_BITS), Const(POSITIONS, POSITION_BITS)))
        m.d.comb += [
            *(tables.opens.eq(self.opens), tables.job.eq(self.job), self.complete.eq(tables.complete)),
            *(tables.beat.eq(self.beat), tables.beat_valid.eq(self.beat_valid & self.beat_scale)),
            *(tables.beat_last.eq(self.beat_last), tables.beat_error.eq(self.beat_error)),
            self.busy.eq(notes.r_rdy | self.query_valid.any()),
        ]
        self._receive_interval(m, interval)
        self._deliver(m, notes, tables, interval)
        return m

    def _receive_interval(self, m: Module, interval: data.View) -> None:
        """The interval of the rows that come behind it."""
        size = interval_entry_layout().size
        entries = Array(self.beat.word_select(n, size) for n in range(len(self.beat) // size))
        entry = data.View(interval_entry_layout(), entries[self.entry])
        m.d.sync += [
            self.interval_error.eq(self.entry_valid & ((entry.low > entry.high) | (entry.high > POSITIONS))),
            self.interval_slot.eq(self.beat_slot),
        ]
        with m.If(self.entry_valid):
            m.d.sync += [interval.low.eq(entry.low), interval.high.eq(entry.high)]

    def _deliver(self, m: Module, notes: SyncFIFOBuffered, tables: HeadTables, interval: data.View) -> None:
        """The beats of a row, and one cycle after the last one the row with its scale."""
        chip = self.config
        note = note_layout(chip)
        coming = data.View(note, notes.r_data)
        vector = Signal(vector_words_layout(chip), reset_less=True)
        complete = Signal()
        kept = {name: shape for name, shape in note.members.items() if name != "head"}
        now = Signal(data.StructLayout(kept), reset_less=True)
        is_row = Signal()
        m.d.comb += [
            is_row.eq(self.beat_valid & ~self.beat_scale),
            *(complete.eq(is_row & self.beat_last), notes.r_en.eq(complete)),
            *(tables.read_enable.eq(complete), tables.head.eq(coming.head)),
        ]
        with m.If(is_row):
            for n, word in enumerate(self.words):
                with m.If(self.write[n]):
                    m.d.sync += vector[n].eq(word)
        with m.If(complete):
            m.d.sync += [
                *(now[name].eq(coming[name]) for name in kept if name != "keys"),
                self.scale_slot.eq(self.beat_slot),
                now.keys.low.eq(mask.larger(coming.keys.low, interval.low)),
                now.keys.high.eq(mask.smaller(coming.keys.high, interval.high)),
            ]
        slope: dict[str, Value] = {}
        if chip.engine.alibi:
            slope = {"slope": tables.slope.mantissa, "slope_shift": tables.slope.shift, "position": now.position}
        m.d.sync += self.query_valid.eq(one_hot(complete, coming.engine, chip.engines))
        m.d.comb += [
            *(self.query.data.as_value().eq(vector.as_value()), self.query.query.low.eq(now.keys.low)),
            self.query.query.high.eq(now.keys.high),
            *(self.query.query[name].eq(getattr(tables, name)) for name in ("mantissa", "shift", "centred")),
            self.query.sink.eq(tables.sink),
            *(self.query.query[name].eq(value) for name, value in slope.items()),
            self.loaded.eq(self.query_valid.any() & now.final),
            self.scale_error.eq(self.query_valid.any() & ~tables.legal),
        ]
