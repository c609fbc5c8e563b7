"""Write guard: the last unit before the write master. It lets a request pass only inside of the outputs of its job.

The bounds come from the check of the job's descriptor, not from the walk that made the address: the first byte is the
descriptor's own, the end is the one by which the job was judged. So a fault in the walk, the packers or the writer does
not reach memory. What is refused goes on as dropped: its data is taken, and it is answered.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.axi import BEAT_BITS, write_request_layout
from fusioncim.chip.job_table import SLOTS, slot_shape, write_tag_layout
from fusioncim.lib.arith import pick
from fusioncim_golden.chip_config import ChipConfig


def region_layout(chip: ChipConfig) -> data.StructLayout:
    """The beats of a region of memory.

    Members:
        first: the beat with its first byte.
        end: twice the whole beats before its end, and 1 more where it ends inside of a beat; 0: there is none.
    """
    bits = chip.address_bits - (chip.bus_bytes.bit_length() - 1)
    return data.StructLayout({"first": bits, "end": bits + 2})


def write_bounds_layout(chip: ChipConfig) -> data.StructLayout:
    """Where a job may write: its output, and its log-sum-exp."""
    return data.StructLayout(dict.fromkeys(("o", "lse"), region_layout(chip)))


def region(chip: ChipConfig, address: Value, end: Value) -> Value:
    """The `region_layout` of the bytes from address to end - 1."""
    low = chip.bus_bytes.bit_length() - 1
    return Cat(address[low : chip.address_bits], end[:low].any(), end[low : chip.address_bits + 1])


class WriteGuard(wiring.Component):
    """Compares every request with the bounds of its job.

        passes = writes[slot] and first <= beat and 2 * (beat + beats - 1) < end

    with beat = address / bytes of a beat, of the output or of the log-sum-exp as the request's tag says.

    Throughput: a request per cycle. Latency: none.

    Members:
        i: requests.
        o: the same; those outside are dropped.
        begins, slot, bounds: a sequence takes this slot, and where its job may write.
        writes: slots of sequences that have rows to be written.
        refused, refused_slot: a request was outside.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        request = stream.Signature(write_request_layout(config, write_tag_layout()))
        super().__init__(
            {
                "i": In(request),
                "o": Out(request),
                "begins": In(1),
                "slot": In(slot_shape()),
                "bounds": In(write_bounds_layout(config)),
                "writes": In(SLOTS),
                "refused": Out(1),
                "refused_slot": Out(slot_shape()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip, request = self.config, self.i.payload
        bounds = [Signal(write_bounds_layout(chip), name=f"bounds_{n}", reset_less=True) for n in range(SLOTS)]
        for n, each in enumerate(bounds):
            with m.If(self.begins & (self.slot == n)):
                m.d.sync += each.eq(self.bounds)
        own = Signal(write_bounds_layout(chip))
        allowed = Signal(region_layout(chip))
        beat = request.address[chip.bus_bytes.bit_length() - 1 :]
        more = Signal(BEAT_BITS)  # beats behind the first one, as the master counts them
        inside = Signal()
        m.d.comb += [
            own.eq(Array(each.as_value() for each in bounds)[request.tag.slot]),
            allowed.eq(Mux(request.tag.row, own.o.as_value(), own.lse.as_value())),
            more.eq(request.beats - 1),
            inside.eq(
                pick(self.writes, request.tag.slot)
                & (beat >= allowed.first)
                & (Cat(Const(0, 1), beat + more) < allowed.end)
            ),
            *(self.o.payload.eq(request), self.o.payload.drop.eq(request.drop | ~inside)),
            *(self.o.valid.eq(self.i.valid), self.i.ready.eq(self.o.ready)),
            *(self.refused.eq(self.i.valid & self.o.ready & ~inside), self.refused_slot.eq(request.tag.slot)),
        ]
        return m
