"""Descriptor checker: reads a job's record, judges it by the golden `descriptor`, and hands on its sequences.

One serial multiplier works off all products: the ends of the tensors and tables, the steps from one group of query
heads to the next, and of every sequence its places and the number of its rows. Divisions are repeated subtractions.
"""

from amaranth.hdl import Array, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.axi import read_request_layout
from fusioncim.chip.descriptor import HEAD_BITS, PITCH_BITS, STATUS_BITS, job_layout, record_layout
from fusioncim.chip.descriptor_products import end_bits, follow, product_rules, products, spans_layout
from fusioncim.chip.descriptor_rules import first_broken, job_rules, sequence_rules, shared, size
from fusioncim.chip.read_arbiter import ReadKind, read_tag_layout
from fusioncim.chip.record import JOB_RULES, SEQUENCE_RULES, capture, job_registers, own_layout, sequence_registers
from fusioncim.chip.write_guard import region, write_bounds_layout
from fusioncim.lib.arith import chosen, fits
from fusioncim.lib.serial_multiplier import Multiplier
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS
from fusioncim_golden.limits import JOB_BYTES, PACKED_BITS, SEQUENCE_BYTES, TOKEN_SCALE_BYTES
from fusioncim_golden.record import JOB_FIELDS, SEQUENCE_FIELDS, TENSORS
from fusioncim_golden.status import Status

MADE = ("last", "opens", "first_page")
"""Of a `job_layout`, what is no register."""


class DescriptorChecker(wiring.Component):
    """Checks one job after the other. It works while earlier jobs run.

    Latency: memory latency, about 500 cycles and heads / kv_heads + rows / (heads / kv_heads) more for a job; memory
    latency and about 120 cycles for each of its sequences.

    Members:
        i: addresses of jobs.
        o: every sequence, good or refused; a refused job as one.
        bounds: where the job of a good sequence at o may write.
        o_read: requests.
        beat_valid, beat, beat_last, beat_error: what memory returns.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(record_layout(config))),
                "o": Out(stream.Signature(job_layout(config))),
                "bounds": Out(write_bounds_layout(config)),
                "o_read": Out(stream.Signature(read_request_layout(config, read_tag_layout(config)))),
                "beat_valid": In(1),
                "beat": In(config.bus_bits),
                "beat_last": In(1),
                "beat_error": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip = self.config
        kept = {name: shape for name, shape in job_layout(chip).members.items() if name not in MADE}
        job = Signal(data.StructLayout(kept), reset_less=True)
        own = Signal(own_layout(chip), reset_less=True)
        spans = Signal(spans_layout(chip), reset_less=True)
        this, out = job.descriptor, self.o.payload
        unit = Multiplier(POSITION_BITS, PITCH_BITS, end_bits(chip))
        m.submodules.multiplier = once(platform, unit)
        total = unit.total
        step, done = Signal(6), Signal()
        key, page = Signal(POSITION_BITS + 1), Signal(POSITION_BITS)  # the page in which a key lies
        work, of_job = products(chip, job, own, spans, total, page)
        follow(m, chip, work, step, done, this, spans, total)
        remainder = Signal(max(HEAD_BITS, fits(chip.engine.rows).width), reset_less=True)
        sizes = range(len(this.page_tokens))
        m.d.comb += [
            key.eq(Mux(step < of_job, this.keys + this.page_tokens - 1, own.first_key)),
            page.eq(chosen([this.page_tokens[n] for n in sizes], [(key >> n)[:POSITION_BITS] for n in sizes])),
            *(out[name].eq(job[name]) for name in kept),
            *(out.descriptor[name].address.eq(spans.moved[name]) for name in TENSORS),
            out.descriptor.token_scales.eq(self._token_scales(this, own)),
            out.descriptor.lse.eq(spans.moved.lse),
            self.bounds.o.eq(region(chip, this.o.address, spans.end)),
            self.bounds.lse.eq(region(chip, this.lse, spans.lse_end)),
            *(out.first_page.eq(page), out.last.eq(own.sequences <= 1)),
            unit.count.eq(Array(each.count for each in work)[step]),
            unit.step.eq(Array(each.step for each in work)[step]),
            unit.start.eq(Array(total if each.start is None else each.start for each in work)[step]),
        ]
        arrives, table, failed = Signal(), Signal(), Signal()
        request = self.o_read.payload
        m.d.comb += [
            request.tag.kind.eq(ReadKind.TABLE),
            request.address.eq(Mux(table, own.table, self.i.payload.address)),
            request.beats.eq(Mux(table, -(-SEQUENCE_BYTES // chip.bus_bytes), JOB_BYTES // chip.bus_bytes)),
            arrives.eq(self.beat_valid & self.beat_last),
        ]

        def refuse(status: Value | Status) -> None:
            """End the job."""
            m.d.sync += [job.status.eq(status), own.sequences.eq(0)]
            m.next = "DONE"

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [
                    *(own.wide.eq(0), spans.beyond.eq(0), spans.overlap.eq(0), failed.eq(0), step.eq(0)),
                    *(job.group.eq(0), job.tile_queries.eq(0)),
                ]
                with m.If(self.i.valid):
                    with m.If(self.i.payload.address[: JOB_BYTES.bit_length() - 1].any()):
                        m.d.comb += self.i.ready.eq(1)
                        refuse(Status.ALIGNMENT)
                    with m.Elif(self.i.payload.wide):
                        m.d.comb += self.i.ready.eq(1)
                        refuse(Status.ADDRESS)
                    with m.Else():
                        m.d.comb += [self.o_read.valid.eq(1), self.i.ready.eq(self.o_read.ready)]
                        with m.If(self.o_read.ready):
                            m.next = "RECORD"
            with m.State("RECORD"):
                self._take(m, job, own, failed, of_job=True)
                with m.If(arrives):
                    m.next = "SIZE"
            with m.State("SIZE"):
                m.d.sync += remainder.eq(this.heads)
                with m.If(this.value_dimension == 0):
                    m.d.sync += this.value_dimension.eq(this.dimension)
                m.d.sync += this.packed.eq(own.kv_bits == PACKED_BITS if chip.engine.operand_bits > PACKED_BITS else 0)
                m.next = "GROUP"
                with m.If(failed):
                    refuse(Status.READ_ERROR)
                with m.Elif(size(this, own)):
                    refuse(Status.SIZE)
            with m.State("GROUP"):
                with m.If(remainder >= this.kv_heads):
                    m.d.sync += [remainder.eq(remainder - this.kv_heads), job.group.eq(job.group + 1)]
                with m.Elif(remainder != 0):
                    refuse(Status.HEADS)
                with m.Else():
                    m.d.sync += remainder.eq(chip.engine.rows)
                    m.next = "TILE"
            with m.State("TILE"):
                with m.If(remainder >= job.group):
                    m.d.sync += [remainder.eq(remainder - job.group), job.tile_queries.eq(job.tile_queries + 1)]
                with m.Else():
                    m.d.sync += job.tile_heads.eq(remainder)
                    m.next = "MULTIPLY"
            with m.State("MULTIPLY"):
                m.d.comb += unit.go.eq(1)
                m.next = "WAIT"
            with m.State("WAIT"):
                m.d.comb += done.eq(~unit.busy)
                with m.If(done):
                    m.d.sync += step.eq(step + 1)
                    m.next = "MULTIPLY"
                    with m.If(step == of_job - 1):
                        m.next = "JUDGE"
                    with m.Elif(step == len(work) - 1):
                        m.next = "DONE"
            with m.State("JUDGE"):
                m.d.sync += [
                    *(own.queries.eq(this.queries), own.keys.eq(this.keys), own.row.eq(0), own.wide.eq(0)),
                    *(own.first_key.eq(0), job.first_row.eq(0), job.shared.eq(shared(this))),
                ]
                status = Signal(STATUS_BITS)
                m.d.comb += status.eq(first_broken((*job_rules(chip, this, own), *product_rules(chip, this, spans))))
                m.d.sync += job.status.eq(status)
                with m.If(status != Status.OK):
                    refuse(status)
                with m.Elif(own.sequences == 0):
                    m.next = "MULTIPLY"
                with m.Else():
                    m.next = "ENTRY"
            with m.State("ENTRY"):
                m.d.comb += [table.eq(1), self.o_read.valid.eq(1)]
                m.d.sync += [own.wide.eq(0), failed.eq(0), step.eq(of_job)]
                with m.If(self.o_read.ready):
                    m.next = "SEQUENCE"
            with m.State("SEQUENCE"):
                self._take(m, job, own, failed, of_job=False)
                with m.If(arrives):
                    m.next = "RULES"
            with m.State("RULES"):
                verdict = Signal(STATUS_BITS)
                m.d.comb += verdict.eq(Mux(failed, Status.READ_ERROR, first_broken(sequence_rules(chip, job, own))))
                m.d.sync += job.status.eq(verdict)
                m.next = "DONE"
                with m.If(verdict == Status.OK):
                    m.d.sync += own.row.eq(job.first_row + this.queries)
                    m.next = "MULTIPLY"
            with m.State("DONE"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += [own.table.eq(own.table + SEQUENCE_BYTES), own.sequences.eq(own.sequences - 1)]
                    m.next = "ENTRY"
                    with m.If(out.last):
                        m.next = "IDLE"
        return m

    def _token_scales(self, this: data.View, own: data.View) -> Value:
        """Where those of a sequence begin; without a key it reads those of the first one of all."""
        if not self.config.engine.token_scale_bits:
            return this.token_scales
        moves = (this.token_scales != 0) & (this.page_tokens == 0) & (this.keys != 0)
        return this.token_scales + Mux(moves, own.first_key * TOKEN_SCALE_BYTES, 0)

    def _take(self, m: Module, job: data.View, own: data.View, failed: Signal, *, of_job: bool) -> None:
        """In a state: the beats of a record go to its registers."""
        chip = self.config
        beat = self.beat
        if of_job:
            record = JOB_BYTES, JOB_FIELDS, job_registers(job, own), JOB_RULES
        else:
            record = SEQUENCE_BYTES, SEQUENCE_FIELDS, sequence_registers(job, own), SEQUENCE_RULES
            if chip.bus_bytes > SEQUENCE_BYTES:
                beat = beat.word_select(own.table[SEQUENCE_BYTES.bit_length() - 1], 8 * SEQUENCE_BYTES)
        number = Signal(range(max(record[0] // chip.bus_bytes, 2)), name="beat_of_job" if of_job else "beat_of_entry")
        with m.If(self.beat_valid):
            m.d.sync += [number.eq(Mux(self.beat_last, 0, number + 1)), failed.eq(failed | self.beat_error)]
            capture(m, number, beat, *record, own.wide)
