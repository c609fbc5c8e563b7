"""Descriptor checker: the rules of the golden `descriptor`, and what the schedule needs to know about a good job.

One serial multiplier works off all products: the ends of the tensors, the steps from one group of query heads to the
next, the number of rows. Divisions are repeated subtractions.
"""

from collections.abc import Iterable

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip import mask
from fusioncim.chip.descriptor import HEAD_BITS, PITCH_BITS, STATUS_BITS, descriptor_layout, row_bytes, vector_bytes
from fusioncim.lib.arith import fits
from fusioncim.lib.serial_multiplier import Multiplier
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS
from fusioncim_golden.descriptor import MAX_HEADS, POSITIONS, SCALE_BYTES, Status

ROW_BITS = POSITION_BITS + HEAD_BITS
"""Bits of the number of rows of a job, queries * heads."""


def job_layout(chip: ChipConfig) -> data.StructLayout:
    """A checked job.

    Members:
        descriptor: the job.
        status: outcome if the job is refused.
        group: query heads per key and value head.
        tile_queries, tile_heads: rows of a tile divided by group, quotient and remainder.
        rows: queries * heads.
        group_rows: queries * group.
        q_group, o_group: bytes from the first query head of a group to that of the next.
        first_row, first_page: where its sequence begins in the table of intervals, in the page list.
    """
    return data.StructLayout(
        {
            "descriptor": descriptor_layout(chip),
            "status": STATUS_BITS,
            "group": HEAD_BITS,
            "tile_queries": fits(chip.engine.rows),
            "tile_heads": HEAD_BITS,
            "rows": ROW_BITS,
            "group_rows": ROW_BITS,
            "q_group": chip.address_bits,
            "o_group": chip.address_bits,
            "first_row": POSITION_BITS,
            "first_page": POSITION_BITS,
        }
    )


class DescriptorChecker(wiring.Component):
    """Checks one descriptor after the other. It works while earlier jobs run.

    Latency: about 250 cycles and heads / kv_heads + rows / (heads / kv_heads) more.

    Members:
        i: descriptors.
        o: every job, good or refused.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {"i": In(stream.Signature(descriptor_layout(config))), "o": Out(stream.Signature(job_layout(config)))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip = self.config
        job = Signal(job_layout(chip), reset_less=True)
        this = job.descriptor
        multiplier = Multiplier(POSITION_BITS, PITCH_BITS)
        m.submodules.multiplier = once(platform, multiplier)
        m.d.comb += self.o.payload.eq(job)

        remainder = Signal(max(HEAD_BITS, fits(chip.engine.rows).width), reset_less=True)
        size = Signal()
        m.d.comb += size.eq(
            this.wide.size
            | (this.queries == 0)
            | (this.keys == 0)
            | (this.heads == 0)
            | (this.heads > MAX_HEADS)
            | (this.kv_heads == 0)
            | (this.kv_heads > MAX_HEADS)
        )
        tensors = ("q", "k", "v", "o")
        vectors = {"q": this.queries, "k": this.keys, "v": this.keys, "o": this.queries}
        heads = {"q": this.heads, "k": this.kv_heads, "v": this.kv_heads, "o": this.heads}
        vector, out_row = vector_bytes(chip, this.dimension), row_bytes(chip, this.dimension)
        bytes_of = {name: out_row if name == "o" else vector for name in tensors}
        # Products in their order: spans of vectors and of heads, then the steps between groups and the rows.
        products: list[tuple[Value, Value, Value | int]] = []
        for name in tensors:
            products.append((vectors[name] - 1, this[name].pitch, bytes_of[name]))
            products.append((heads[name] - 1, this[name].head_pitch, bytes_of[name]))
        products += [(job.group, this.q.head_pitch, 0), (job.group, this.o.head_pitch, 0)]
        products += [(this.heads, this.queries, 0), (job.group, this.queries, 0)]
        spans = [Signal(multiplier.total.shape(), name=f"span_{n}", reset_less=True) for n in range(len(products))]
        step = Signal(range(len(products)))

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [
                    *(job.descriptor.eq(self.i.payload), job.group.eq(0), job.tile_queries.eq(0), step.eq(0)),
                    remainder.eq(self.i.payload.heads),
                ]
                with m.If(self.i.valid):
                    m.next = "SIZE"
            with m.State("SIZE"):
                with m.If(size):
                    m.d.sync += job.status.eq(Status.SIZE)
                    m.next = "DONE"
                with m.Else():
                    m.next = "GROUP"
            with m.State("GROUP"):
                with m.If(remainder >= this.kv_heads):
                    m.d.sync += [remainder.eq(remainder - this.kv_heads), job.group.eq(job.group + 1)]
                with m.Elif(remainder != 0):
                    m.d.sync += job.status.eq(Status.HEADS)
                    m.next = "DONE"
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
                m.d.comb += [
                    *(multiplier.go.eq(1), multiplier.count.eq(Array(count for count, _, _ in products)[step])),
                    multiplier.step.eq(Array(value for _, value, _ in products)[step]),
                    multiplier.start.eq(Array(Value.cast(start) for _, _, start in products)[step]),
                ]
                m.next = "WAIT"
            with m.State("WAIT"):
                with m.If(~multiplier.busy):
                    for n, span in enumerate(spans):
                        with m.If(step == n):
                            m.d.sync += span.eq(multiplier.total)
                    m.d.sync += step.eq(step + 1)
                    m.next = "MULTIPLY"
                    with m.If(step == len(products) - 1):
                        m.next = "JUDGE"
            with m.State("JUDGE"):
                m.d.sync += [
                    *(job.q_group.eq(spans[8]), job.o_group.eq(spans[9]), job.rows.eq(spans[10])),
                    job.group_rows.eq(spans[11]),
                    job.status.eq(self._judge(m, this, spans)),
                ]
                m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "IDLE"
        return m

    def _judge(self, m: Module, this: data.View, spans: list[Signal]) -> Value:
        """The first rule that the descriptor breaks, of those after HEADS."""
        chip = self.config
        tensors = (this.q, this.k, this.v, this.o)
        low = [*(tensor.address for tensor in tensors[:3]), this.scales, this.o.address]
        bits = max(len(spans[0]), chip.address_bits) + 2
        high = [Signal(bits, name=f"end_{name}") for name in ("q", "k", "v", "scales", "o")]
        for n, tensor in zip((0, 1, 2, 4), tensors, strict=True):
            index = min(n, 3)
            length = (row_bytes if n == 4 else vector_bytes)(chip, this.dimension)
            m.d.comb += high[n].eq(tensor.address + spans[2 * index] + spans[2 * index + 1] - length)
        m.d.comb += high[3].eq(this.scales + this.heads * SCALE_BYTES)

        unaligned = Signal()
        places = [place for tensor in tensors for place in (tensor.address, tensor.pitch, tensor.head_pitch)]
        low_bits = chip.alignment.bit_length() - 1
        m.d.comb += unaligned.eq(_any(x[:low_bits] for x in [*places, this.scales]))

        dimension = (this.dimension == 0) | this.dimension[:3].any() | (this.dimension > chip.engine.columns)
        overlap = Signal()
        m.d.comb += overlap.eq(
            _any((low[n] < high[4]) & (low[4] < high[n]) for n in range(4)) | ~self._disjoint(this, spans[6], spans[7])
        )
        status: Value = Const(Status.OK, STATUS_BITS)
        for broken, code in reversed(
            (
                (this.wide.dimension | dimension, Status.DIMENSION),
                (this.wide.format | (this.output_bits != chip.engine.output_bits), Status.FORMAT),
                (this.wide.mask | ~mask.legal(this), Status.MASK),
                (this.wide.position | (this.start + this.queries > POSITIONS), Status.POSITION),
                (unaligned, Status.ALIGNMENT),
                (_any(end > 1 << chip.address_bits for end in high), Status.ADDRESS),
                (overlap, Status.OVERLAP),
            )
        ):
            status = Mux(broken, code, status)
        return status

    def _disjoint(self, this: data.View, vectors_span: Signal, heads_span: Signal) -> Value:
        """No two output rows share a byte: heads inside vectors, or vectors inside heads."""
        row = row_bytes(self.config, this.dimension)
        one, alone = this.queries == 1, this.heads == 1
        pitch, head_pitch = this.o.pitch, this.o.head_pitch
        return ((alone | (head_pitch >= row)) & (one | (pitch >= heads_span))) | (
            (one | (pitch >= row)) & (alone | (head_pitch >= vectors_span))
        )


def _any(conditions: Iterable[Value]) -> Value:
    """Whether one of the values is not 0."""
    return Cat(condition.any() for condition in conditions).any()
