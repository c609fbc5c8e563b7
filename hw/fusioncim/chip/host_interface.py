"""The chip's control edge: registers, job queue, results, interrupt and counters behind an AXI4-Lite port."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from fusioncim.chip.counters import Counters, counters, increments_layout
from fusioncim.chip.descriptor import STATUS_BITS, record_layout, result_layout
from fusioncim.chip.registers import RegisterFile, axil_members
from fusioncim.chip.stall_watch import LIMIT_BITS
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import JOB_QUEUE, ChipConfig
from fusioncim_golden.status import Status

JOB_NUMBER_BITS = 16
"""Bits of the numbers of jobs."""
RESULTS = 8
"""Results that software can read: those of the last jobs."""


class HostInterface(wiring.Component):
    """Takes jobs from software and hands them to the chip one by one; tells software how they ended.

    A push enqueues the address of a job's record: o_job offers it 2 cycles after the write acts. It is refused, with
    the sticky error, while the queue is full and during an abort. So a driver never has a job that it cannot account
    for: what was pushed before an abort ends as ABORTED, what was refused has no number. A result is in the registers,
    and in irq if enabled, in the cycle after i_result.

    An abort empties the queue in the cycle of its pulse. A result in that cycle still counts. From the next cycle on
    the jobs that were pushed and are not complete end as ABORTED, one per cycle, in order; results from the chip are
    ignored. The abort is over once none is left and `aborting`, which the chip raises within 2 cycles, is 0: at the
    earliest 3 cycles after the pulse. Until then a further abort does nothing, and o_job is not valid.

    A bus that fails stops the jobs in the same way, as PROTOCOL or STALLED. But pushes are not refused: those that come
    while jobs end do so too, later ones wait until the chip has stopped. `broken` without a job meets the next one.
    Nothing waits while the bus is `stalled`: an abort is over once no job is left, and every job ends as STALLED.

    Members:
        s_axil_*: as of the register file.
        irq: interrupt.
        o_job: where the records of jobs are.
        i_result: one per job taken, in order, never stalled.
        stop: pulse; the jobs that were taken are aborted.
        aborting: the chip still stops.
        broken: pulse; the bus answered what was not asked.
        stalled: the bus stands still.
        stall_limit: cycles until it is called so.
        events: for the counters.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {
                **axil_members(),
                "irq": Out(1),
                "o_job": Out(stream.Signature(record_layout(config))),
                "i_result": In(stream.Signature(result_layout())),
                "stop": Out(1),
                "aborting": In(1),
                "broken": In(1),
                "stalled": In(1),
                "stall_limit": Out(LIMIT_BITS),
                "events": In(increments_layout()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        registers, events = RegisterFile(), Counters()
        queue = SyncFIFOBuffered(width=record_layout(self.config).size, depth=JOB_QUEUE)
        m.submodules.registers = once(platform, registers)
        m.submodules.counters = once(platform, events)
        m.submodules.queue = ResetInserter(self.stop)(queue)
        for name, member in axil_members().items():
            inner, outer = getattr(registers, name), getattr(self, name)
            m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        self._capability(m, registers)
        m.d.comb += [events.events.eq(self.events), events.clear.eq(registers.control_clear_counters)]
        for name in counters():
            halves = Cat(getattr(registers, f"counters_{name}_{half}_value") for half in ("lo", "hi"))
            m.d.comb += halves.eq(getattr(events, name))

        stopping = Signal()
        began = Signal()
        accept = Signal()
        finish = Signal()
        outcome = Signal(result_layout())
        submitted = Signal(JOB_NUMBER_BITS)
        completed = Signal(JOB_NUMBER_BITS)
        results = [Signal(result_layout(), name=f"result_{n}") for n in range(RESULTS)]
        busy = submitted != completed
        address = Cat(registers.job_address_lo_value, registers.job_address_hi_value)
        pushed = Signal(record_layout(self.config))
        abort = Signal()
        faulty = Signal()  # the bus was broken, and no job has ended of it
        reason = Signal(STATUS_BITS, reset_less=True)
        aborts = Signal()  # an abort is under way
        m.d.comb += [
            *(abort.eq(registers.control_abort & ~stopping), aborts.eq(stopping & (reason == Status.ABORTED))),
            self.stop.eq(abort | (busy & ~stopping & (faulty | self.stalled))),
            *(self.i_result.ready.eq(1), self.stall_limit.eq(registers.stall_limit_value)),
            accept.eq(registers.control_push & queue.w_rdy & ~registers.control_abort & ~aborts),
            pushed.address.eq(address),
            pushed.wide.eq(address[self.config.address_bits :].any()),
            *(queue.w_data.eq(pushed), queue.w_en.eq(accept & ~stopping)),
            *(self.o_job.payload.eq(queue.r_data), queue.r_en.eq(self.o_job.valid & self.o_job.ready)),
            self.o_job.valid.eq(queue.r_rdy & ~self.stop & ~stopping & ~self.aborting),
            finish.eq(Mux(stopping, busy, self.i_result.valid & ~self.aborting)),
            outcome.status.eq(Mux(stopping, reason, self.i_result.payload.status)),
            outcome.sequence.eq(Mux(stopping, 0, self.i_result.payload.sequence)),
        ]
        waits = self.aborting & aborts & ~self.stalled
        m.d.sync += [
            *(began.eq(self.stop), stopping.eq(self.stop | (stopping & (began | busy | waits)))),
            *(submitted.eq(submitted + accept), completed.eq(completed + finish)),
        ]
        with m.If(self.stop):
            m.d.sync += reason.eq(Mux(abort, Status.ABORTED, Mux(self.stalled, Status.STALLED, Status.PROTOCOL)))
            m.d.sync += faulty.eq(0)
        with m.Elif(self.broken & ~stopping & ~self.aborting):
            m.d.sync += faulty.eq(1)
        for n, result in enumerate(results):
            with m.If(finish & (completed % RESULTS == n)):
                m.d.sync += result.eq(outcome)

        m.d.comb += [
            *(registers.status_busy.eq(busy), registers.status_aborting.eq(aborts)),
            registers.status_stalled.eq(self.stalled),
            registers.status_queue_free.eq(Mux(aborts, 0, JOB_QUEUE - queue.level)),
            registers.status_queue_full_error_set.eq(registers.control_push & ~accept),
            *(registers.jobs_submitted_count.eq(submitted), registers.jobs_completed_count.eq(completed)),
            *(
                getattr(registers, f"result_{n}_{name}").eq(result[name])
                for n, result in enumerate(results)
                for name in result_layout().members
            ),
            registers.irq_status_done_set.eq(finish),
            registers.irq_status_error_set.eq(finish & (outcome.status != Status.OK)),
            self.irq.eq(
                (registers.irq_status_done & registers.irq_enable_done)
                | (registers.irq_status_error & registers.irq_enable_error)
            ),
        ]
        return m

    def _capability(self, m: Module, registers: RegisterFile) -> None:
        """What chip this is."""
        for name, value in (self.config.capability() | {"job_queue": JOB_QUEUE}).items():
            m.d.comb += getattr(registers, f"capability_{name}_value").eq(value)
