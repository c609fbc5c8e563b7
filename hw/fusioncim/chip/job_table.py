"""Job table: which sequences are under way, how many of their output rows are still to be written, how they ended.

Sequences enter in order and end in order. A refused one ends without a row, and so does one without a query. A job ends
with its last sequence, as the first one of them that failed.
"""

from amaranth.hdl import Array, Module, Mux, Shape, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.descriptor import ROW_BITS, SEQUENCE_BITS, STATUS_BITS, job_layout, result_layout
from fusioncim.lib.arith import pick
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.status import Status

SLOTS = 4
"""Sequences under way: one loads, one computes, one drains, one waits to be planned."""


def slot_shape() -> Shape:
    """Index of a sequence under way."""
    return unsigned((SLOTS - 1).bit_length())


def write_tag_layout() -> data.StructLayout:
    """What a write belongs to: a sequence, and whether it is an output row of it; else it is log-sum-exp."""
    return data.StructLayout({"slot": slot_shape(), "row": 1})


class JobTable(wiring.Component):
    """Follows the sequences under way.

    Throughput: a sequence per cycle in and out. Latency: 1 cycle from a job's last row to its result.

    Members:
        i: checked sequences.
        o: those of them that are good and have rows.
        slot: the slot of the sequence at o.
        row_written, row_slot: the write of an output row is answered.
        write_error: a write for the sequence at row_slot failed, of an output row or of log-sum-exp.
        read_error, read_slot: a beat could not be read, at every read port.
        scale_error, scale_slot: a row has a scale that is none.
        page_failed: slots of sequences of which a block's page is none of the pool.
        interval_error, interval_slot: a query has an interval that is none.
        refused, refused_slot: the guard did not let a write pass.
        writes: slots of sequences that have rows to be written.
        failed: slots of sequences that met an error.
        o_result: outcomes of jobs, in order.
        running: a job is under way.
        more: the job that entered last has further sequences.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(job_layout(config))),
                "o": Out(stream.Signature(job_layout(config))),
                "slot": Out(slot_shape()),
                "row_written": In(1),
                "row_slot": In(slot_shape()),
                "write_error": In(1),
                "read_error": In(1).array(config.read_ports),
                "read_slot": In(slot_shape()).array(config.read_ports),
                "scale_error": In(1),
                "scale_slot": In(slot_shape()),
                "page_failed": In(SLOTS),
                "interval_error": In(1),
                "interval_slot": In(slot_shape()),
                "refused": In(1),
                "refused_slot": In(slot_shape()),
                "writes": Out(SLOTS),
                "failed": Out(SLOTS),
                "o_result": Out(stream.Signature(result_layout())),
                "running": Out(1),
                "more": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        active = Signal(SLOTS)
        rows = [Signal(ROW_BITS, name=f"rows_{n}", reset_less=True) for n in range(SLOTS)]
        status = [Signal(STATUS_BITS, name=f"status_{n}", reset_less=True) for n in range(SLOTS)]
        newest = Signal(slot_shape())
        oldest = Signal(slot_shape())
        last = Signal(SLOTS, reset_less=True)
        skips = Signal()
        taken = Signal()
        free = Signal()
        opened = Signal()  # some sequence of the job was planned
        m.d.comb += [
            *(self.slot.eq(newest), self.o.payload.eq(self.i.payload), self.o.payload.opens.eq(~opened)),
            *(self.running.eq(active.any() | self.more), free.eq(~pick(active, newest))),
            skips.eq((self.i.payload.status != Status.OK) | (self.i.payload.rows == 0)),
            *(self.o.valid.eq(self.i.valid & free & ~skips), self.i.ready.eq(free & (skips | self.o.ready))),
            taken.eq(self.i.valid & self.i.ready),
        ]
        with m.If(taken):
            m.d.sync += [self.more.eq(~self.i.payload.last), opened.eq(~self.i.payload.last & (opened | ~skips))]

        # The oldest one ends. What the job comes to so far is kept.
        ends, ended = Signal(), Signal()
        number = Signal(SEQUENCE_BITS)
        so_far, outcome = Signal(result_layout()), Signal(result_layout())
        judged, fails = Signal(STATUS_BITS), so_far.status != Status.OK
        m.d.comb += [
            *(judged.eq(Array(status)[oldest]), ends.eq(pick(active, oldest) & (Array(rows)[oldest] == 0))),
            outcome.status.eq(Mux(fails, so_far.status, judged)),
            outcome.sequence.eq(Mux(fails, so_far.sequence, Mux(judged == Status.OK, 0, number))),
            *(self.o_result.valid.eq(ends & pick(last, oldest)), self.o_result.payload.eq(outcome)),
            ended.eq(ends & (~pick(last, oldest) | self.o_result.ready)),
        ]
        m.d.sync += [newest.eq(newest + taken), oldest.eq(oldest + ended)]
        with m.If(ended):
            m.d.sync += [number.eq(number + 1), so_far.eq(outcome)]
            with m.If(pick(last, oldest)):
                m.d.sync += [number.eq(0), so_far.eq(0)]
        for n in range(SLOTS):
            m.d.comb += [
                self.failed[n].eq(active[n] & (status[n] != Status.OK)),
                self.writes[n].eq(active[n] & (rows[n] != 0)),
            ]
            with m.If(taken & (newest == n)):
                m.d.sync += [
                    *(active[n].eq(1), status[n].eq(self.i.payload.status)),
                    *(rows[n].eq(self.i.payload.rows), last[n].eq(self.i.payload.last)),
                ]
                with m.If(skips):
                    m.d.sync += rows[n].eq(0)
            with m.Else():
                with m.If(self.row_written & (self.row_slot == n)):
                    m.d.sync += rows[n].eq(rows[n] - 1)
                with m.If(status[n] == Status.OK):
                    with m.If(self.write_error & (self.row_slot == n)):
                        m.d.sync += status[n].eq(Status.WRITE_ERROR)
                    with m.If(self.scale_error & (self.scale_slot == n)):
                        m.d.sync += status[n].eq(Status.SCALE)
                    with m.If(self.interval_error & (self.interval_slot == n)):
                        m.d.sync += status[n].eq(Status.INTERVAL)
                    with m.If(self.page_failed[n]):
                        m.d.sync += status[n].eq(Status.PAGE)
                    for error, slot in zip(self.read_error, self.read_slot, strict=True):
                        with m.If(error & (slot == n)):
                            m.d.sync += status[n].eq(Status.READ_ERROR)
                    with m.If(self.refused & (self.refused_slot == n)):
                        m.d.sync += status[n].eq(Status.GUARD)
                with m.If(ended & (oldest == n)):
                    m.d.sync += active[n].eq(0)
        return m
