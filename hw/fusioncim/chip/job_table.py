"""Job table: which jobs are under way, how many of their output rows are still to be written, and how they ended.

Jobs enter in order and end in order. A refused job ends without a row.
"""

from amaranth.hdl import Array, Module, Shape, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.descriptor import STATUS_BITS, result_layout
from fusioncim.chip.descriptor_checker import ROW_BITS, job_layout
from fusioncim.lib.arith import pick
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.descriptor import Status

SLOTS = 4
"""Jobs under way: one loads, one computes, one drains, one waits to be planned."""


def slot_shape() -> Shape:
    """Index of a job under way."""
    return unsigned((SLOTS - 1).bit_length())


class JobTable(wiring.Component):
    """Follows the jobs under way.

    Throughput: a job per cycle in and out. Latency: 1 cycle from a job's last row to its result.

    Members:
        i: checked jobs.
        o: those of them that are good.
        slot: the slot of the job at o.
        row_written, row_slot, row_error: the write of an output row is answered.
        read_error, read_slot: a beat could not be read.
        scale_error, scale_slot: a row has a scale that is none.
        page_error, page_slot: a block's page is none of the pool.
        interval_error, interval_slot: a query has an interval that is none.
        failed: slots of jobs that met an error.
        o_result: outcomes, in order.
        running: a job is under way.
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
                "row_error": In(1),
                "read_error": In(1),
                "read_slot": In(slot_shape()),
                "scale_error": In(1),
                "scale_slot": In(slot_shape()),
                "page_error": In(1),
                "page_slot": In(slot_shape()),
                "interval_error": In(1),
                "interval_slot": In(slot_shape()),
                "failed": Out(SLOTS),
                "o_result": Out(stream.Signature(result_layout())),
                "running": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        active = Signal(SLOTS)
        rows = [Signal(ROW_BITS, name=f"rows_{n}", reset_less=True) for n in range(SLOTS)]
        status = [Signal(STATUS_BITS, name=f"status_{n}", reset_less=True) for n in range(SLOTS)]
        newest = Signal(slot_shape())
        oldest = Signal(slot_shape())
        refused = Signal()
        taken = Signal()
        free = Signal()
        m.d.comb += [
            *(self.slot.eq(newest), self.o.payload.eq(self.i.payload), self.running.eq(active.any())),
            *(refused.eq(self.i.payload.status != Status.OK), free.eq(~pick(active, newest))),
            *(self.o.valid.eq(self.i.valid & free & ~refused), self.i.ready.eq(free & (refused | self.o.ready))),
            taken.eq(self.i.valid & self.i.ready),
            self.o_result.valid.eq(pick(active, oldest) & (Array(rows)[oldest] == 0)),
            self.o_result.payload.status.eq(Array(status)[oldest]),
        ]
        ended = Signal()
        m.d.comb += ended.eq(self.o_result.valid & self.o_result.ready)
        m.d.sync += [newest.eq(newest + taken), oldest.eq(oldest + ended)]
        for n in range(SLOTS):
            m.d.comb += self.failed[n].eq(active[n] & (status[n] != Status.OK))
            with m.If(taken & (newest == n)):
                m.d.sync += [
                    *(active[n].eq(1), status[n].eq(self.i.payload.status)),
                    rows[n].eq(self.i.payload.rows),
                ]
                with m.If(refused):
                    m.d.sync += rows[n].eq(0)
            with m.Else():
                with m.If(self.row_written & (self.row_slot == n)):
                    m.d.sync += rows[n].eq(rows[n] - 1)
                with m.If(status[n] == Status.OK):
                    with m.If(self.row_written & self.row_error & (self.row_slot == n)):
                        m.d.sync += status[n].eq(Status.WRITE_ERROR)
                    with m.If(self.scale_error & (self.scale_slot == n)):
                        m.d.sync += status[n].eq(Status.SCALE)
                    with m.If(self.interval_error & (self.interval_slot == n)):
                        m.d.sync += status[n].eq(Status.INTERVAL)
                    with m.If(self.page_error & (self.page_slot == n)):
                        m.d.sync += status[n].eq(Status.PAGE)
                    with m.If(self.read_error & (self.read_slot == n)):
                        m.d.sync += status[n].eq(Status.READ_ERROR)
                with m.If(ended & (oldest == n)):
                    m.d.sync += active[n].eq(0)
        return m
