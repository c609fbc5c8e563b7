"""AXI4 masters of the memory edge: requests become bursts; beats and answers come back in the order of the requests.

Bursts are incrementing, of full-width beats and all of ID 0, so that a memory answers them in order (ARM IHI 0022). A
request is cut at the multiples of BURST_BEATS beats and nowhere else, so that no burst crosses a multiple of 4 KB.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig

Tag: TypeAlias = data.Layout | Shape
"""What a request carries and its beats or answer bring back."""
BEAT_BITS = 8
"""Bits of a request's number of beats."""
MOST_BEATS = (1 << BEAT_BITS) - 1
"""Most beats of a request."""
BURST_BEATS = 32
"""Most beats of a burst, a power of two: what 4 KB hold on the widest bus, of 1024 bits, so that one constant keeps the
rule of AXI4 that no burst crosses a multiple of 4 KB. An address then costs at most a cycle in 32."""
OUTSTANDING = 16
"""Bursts that may wait for their data or answer."""
ADDRESS_CHANNEL = {"id": 1, "len": 8, "size": 3, "burst": 2, "lock": 1, "cache": 4, "prot": 3}
"""Fields of an address channel and their bits, but the address itself."""
MEMORY, VALUES = "m_axi_", "m_axi_v_"
"""Prefixes of the ports: of memory, of the second read port."""
INCREMENTING = 1
NORMAL_BUFFERABLE = 0b0011
DATA_NONSECURE = 0b010


def read_request_layout(chip: ChipConfig, tag: Tag) -> data.StructLayout:
    """A read of 1 to MOST_BEATS beats, from that which has the address; the tag comes back with every beat."""
    return data.StructLayout({"address": chip.address_bits, "beats": BEAT_BITS, "tag": tag})


def memory_beat_layout(config: ChipConfig, tag: Tag) -> data.StructLayout:
    """A beat that was read; last: of its request; error: the memory could not read it."""
    return data.StructLayout({"data": config.bus_bits, "tag": tag, "last": 1, "error": 1})


def write_request_layout(chip: ChipConfig, tag: Tag) -> data.StructLayout:
    """A write, as `read_request_layout`; drop: its data is taken, but nothing goes to memory."""
    return data.StructLayout({"address": chip.address_bits, "beats": BEAT_BITS, "tag": tag, "drop": 1})


def write_data_layout(chip: ChipConfig) -> data.StructLayout:
    """A beat to write; strobes: which of its bytes."""
    return data.StructLayout({"data": chip.bus_bits, "strobes": chip.bus_bytes})


def answer_layout(tag: Tag) -> data.StructLayout:
    """The outcome of a write; error: the memory could not write all of it."""
    return data.StructLayout({"tag": tag, "error": 1})


def beats_touched(chip: ChipConfig, address: Value, length: Value) -> Value:
    """Beats that have one of so many bytes from that address on, a multiple of the chip's alignment."""
    return ((beat_offset(chip, address) * chip.alignment + length - 1) >> (chip.bus_bytes.bit_length() - 1)) + 1


def beat_offset(chip: ChipConfig, address: Value) -> Value:
    """How far behind the begin of its beat an address is, in units of the chip's alignment."""
    return address[chip.alignment.bit_length() - 1 : chip.bus_bytes.bit_length() - 1]


def burst_layout(chip: ChipConfig, tag: Tag) -> data.StructLayout:
    """A burst of length + 1 beats; last: of its request."""
    return data.StructLayout({"address": chip.address_bits, "length": BEAT_BITS, "last": 1, "tag": tag})


def read_members(chip: ChipConfig, prefix: str = MEMORY) -> dict[str, wiring.Member]:
    """The read channels as members of a master."""
    return {
        **_channel_members(f"{prefix}ar", {**ADDRESS_CHANNEL, "addr": chip.address_bits}, Out),
        **_channel_members(f"{prefix}r", {"id": 1, "data": chip.bus_bits, "resp": 2, "last": 1}, In),
    }


def write_members(chip: ChipConfig) -> dict[str, wiring.Member]:
    """The write channels as members of a master."""
    return {
        **_channel_members(f"{MEMORY}aw", {**ADDRESS_CHANNEL, "addr": chip.address_bits}, Out),
        **_channel_members(f"{MEMORY}w", {"data": chip.bus_bits, "strb": chip.bus_bytes, "last": 1}, Out),
        **_channel_members(f"{MEMORY}b", {"id": 1, "resp": 2}, In),
    }


def _channel_members(channel: str, widths: Mapping[str, int], flow: wiring.Flow) -> dict[str, wiring.Member]:
    """A channel whose payload flows that way."""
    payload = {f"{channel}{name}": flow(width) for name, width in widths.items()}
    return {**payload, f"{channel}valid": flow(1), f"{channel}ready": flow.flip()(1)}


def connect_ports(
    m: Module, outer: wiring.Component, inner: wiring.Component, names: Iterable[str], prefix: str = ""
) -> None:
    """Make ports of a submodule those around it, of the same names, or of names with another prefix than MEMORY."""
    for name in names:
        around = prefix + name.removeprefix(MEMORY) if prefix else name
        sides = getattr(outer, around), getattr(inner, name)
        target, source = sides if inner.signature.members[name].flow == Out else reversed(sides)
        m.d.comb += target.eq(source)


class BurstSplitter(wiring.Component):
    """Cuts requests into bursts at the multiples of BURST_BEATS beats.

    Throughput: a burst per cycle, so a cycle for a request that is not cut. Latency: 1 cycle.

    Members:
        i: requests, as of the read master.
        stop: take no new one.
        o: bursts.
    """

    def __init__(self, config: ChipConfig, tag: Tag) -> None:
        self.config, self.tag = config, tag
        self.parameters = (f"tag{Shape.cast(tag).width}",)
        super().__init__(
            {
                "i": In(stream.Signature(read_request_layout(config, tag))),
                "stop": In(1),
                "o": Out(stream.Signature(burst_layout(config, tag))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        request, burst = self.i.payload, self.o.payload
        byte_bits = (self.config.bus_bytes - 1).bit_length()
        burst_bits = (BURST_BEATS - 1).bit_length()
        busy = Signal()
        beat = Signal(self.config.address_bits - byte_bits, reset_less=True)
        rest = Signal(BEAT_BITS, reset_less=True)
        tag = Signal(self.tag, reset_less=True)
        room = Signal(burst_bits)
        m.d.comb += [
            room.eq(~beat[:burst_bits]),
            burst.last.eq(rest <= room),
            burst.length.eq(Mux(burst.last, rest, room)),
            *(burst.address.eq(Cat(Const(0, byte_bits), beat)), burst.tag.eq(tag), self.o.valid.eq(busy)),
            self.i.ready.eq(~self.stop & (~busy | (self.o.ready & burst.last))),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [busy.eq(1), beat.eq(request.address >> byte_bits), rest.eq(request.beats - 1)]
            m.d.sync += tag.eq(request.tag)
        with m.Elif(busy & self.o.ready):
            m.d.sync += [busy.eq(~burst.last), rest.eq(rest - room - 1)]
            m.d.sync += beat.eq(Cat(Const(0, burst_bits), beat[burst_bits:] + 1))
        return m


class ReadMaster(wiring.Component):
    """Reads requests from memory, OUTSTANDING bursts ahead.

    Beats come back in order and cannot be stalled: whoever asks has room for them. A beat that no taken address asks
    for is dropped. A burst ends with its last beat or with the one that memory calls the last, whichever comes first.

    Throughput: a beat per cycle, and a burst's address per cycle. Latency: 2 cycles from a request to its address, none
    from a beat to `o`.

    Members:
        i: requests.
        stop: take no new one; those taken are completed.
        o_valid, o: a beat.
        idle: nothing taken is left to come.
        broken: a beat that was not asked for, or one that is wrongly the last or not the last of its burst.
        m_axi_ar*, m_axi_r*: the read channels.
    """

    def __init__(self, config: ChipConfig, tag: Tag) -> None:
        self.config, self.tag = config, tag
        self.parameters = (f"tag{Shape.cast(tag).width}",)
        super().__init__(
            {
                "i": In(stream.Signature(read_request_layout(config, tag))),
                "stop": In(1),
                "o_valid": Out(1),
                "o": Out(memory_beat_layout(config, tag)),
                "idle": Out(1),
                "broken": Out(1),
                **read_members(config),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        splitter = BurstSplitter(self.config, self.tag)
        m.submodules.splitter = once(platform, splitter)
        burst = splitter.o.payload
        entry = data.StructLayout({"last": 1, "tag": self.tag, "length": range(BURST_BEATS)})
        m.submodules.pending = pending = SyncFIFOBuffered(width=entry.size, depth=OUTSTANDING)
        head = data.View(entry, pending.r_data)
        issue = Signal()
        arrived = Signal(range(BURST_BEATS))
        ends = Signal()
        beat = Signal()
        free = address_channel(m, self, "ar", burst, issue)
        wiring.connect(m, wiring.flipped(self.i), splitter.i)
        m.d.comb += [
            *(splitter.stop.eq(self.stop), splitter.o.ready.eq(free & pending.w_rdy)),
            issue.eq(splitter.o.valid & splitter.o.ready),
            *(pending.w_en.eq(issue), pending.w_data.eq(Cat(burst.last, burst.tag, burst.length[: len(arrived)]))),
            # The address of the youngest burst may still wait to be taken.
            beat.eq(self.m_axi_rvalid & (pending.level > self.m_axi_arvalid)),
            *(ends.eq(arrived == head.length), pending.r_en.eq(beat & (self.m_axi_rlast | ends))),
            *(self.m_axi_rready.eq(1), self.broken.eq(self.m_axi_rvalid & (~beat | (self.m_axi_rlast != ends)))),
            *(self.o_valid.eq(beat), self.o.data.eq(self.m_axi_rdata), self.o.tag.eq(head.tag)),
            *(self.o.last.eq((self.m_axi_rlast | ends) & head.last), self.o.error.eq(self.m_axi_rresp[1])),
            self.idle.eq(~splitter.o.valid & (pending.level == 0)),
        ]
        with m.If(beat):
            m.d.sync += arrived.eq(Mux(pending.r_en, 0, arrived + 1))
        return m


class WriteMaster(wiring.Component):
    """Writes requests to memory, OUTSTANDING bursts ahead of their answers.

    Answers come in the order of the requests and cannot be stalled. A dropped request therefore waits until all before
    it are answered. A response is dropped while every burst that memory has in full is answered.

    Throughput: a beat per cycle, and a burst's address per cycle. Latency: 2 cycles from a request to its address, 3 to
    its first beat, none from a response to `o`.

    Members:
        i: requests.
        stop: take no new one; those taken are completed, with their data.
        i_data: the beats of the requests, in their order. They do not wait for anything.
        o_valid, o: an answer.
        idle: nothing taken is left to complete.
        broken: a response that was not asked for.
        m_axi_aw*, m_axi_w*, m_axi_b*: the write channels.
    """

    def __init__(self, config: ChipConfig, tag: Tag) -> None:
        self.config, self.tag = config, tag
        self.parameters = (f"tag{Shape.cast(tag).width}",)
        super().__init__(
            {
                "i": In(stream.Signature(write_request_layout(config, tag))),
                "stop": In(1),
                "i_data": In(stream.Signature(write_data_layout(config))),
                "o_valid": Out(1),
                "o": Out(answer_layout(tag)),
                "idle": Out(1),
                "broken": Out(1),
                **write_members(config),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        outcome = data.StructLayout({"tag": self.tag, "drop": 1})
        splitter = BurstSplitter(self.config, outcome)
        m.submodules.splitter = once(platform, splitter)
        burst, drop = splitter.o.payload, splitter.o.payload.tag.drop
        run = data.StructLayout({"length": BEAT_BITS, "drop": 1})
        entry = data.StructLayout({"last": 1, "tag": self.tag})
        m.submodules.runs = runs = SyncFIFOBuffered(width=run.size, depth=OUTSTANDING)
        m.submodules.pending = pending = SyncFIFOBuffered(width=entry.size, depth=OUTSTANDING)
        this, head = data.View(run, runs.r_data), data.View(entry, pending.r_data)

        issue = Signal()
        free = address_channel(m, self, "aw", burst, issue & ~drop)
        # A burst's entry in `runs` leaves before the one in `pending`, so there is room in both. It comes with the
        # address, not after it: a memory may want to see data before it takes the address.
        m.d.comb += [
            *(splitter.i.valid.eq(self.i.valid), self.i.ready.eq(splitter.i.ready)),
            splitter.i.payload.eq(self.i.payload),
            splitter.stop.eq(self.stop),
            splitter.o.ready.eq(free & Mux(drop, pending.level == 0, pending.w_rdy)),
            issue.eq(splitter.o.valid & splitter.o.ready),
            *(runs.w_en.eq(issue), runs.w_data.eq(Cat(burst.length, drop))),
            *(pending.w_en.eq(issue), pending.w_data.eq(Cat(burst.last, burst.tag.tag))),
        ]

        sent = Signal(BEAT_BITS)
        last = Signal()
        take = Signal()
        m.d.comb += [
            *(self.m_axi_wdata.eq(self.i_data.payload.data), self.m_axi_wstrb.eq(self.i_data.payload.strobes)),
            self.m_axi_wlast.eq(last),
            self.m_axi_wvalid.eq(self.i_data.valid & runs.r_rdy & ~this.drop),
            self.i_data.ready.eq(runs.r_rdy & (self.m_axi_wready | this.drop)),
            *(take.eq(self.i_data.valid & self.i_data.ready), last.eq(sent == this.length), runs.r_en.eq(take & last)),
        ]
        with m.If(take):
            m.d.sync += sent.eq(Mux(last, 0, sent + 1))

        failed = Signal()
        owed = Signal(range(OUTSTANDING + 1))  # bursts that memory has in full
        response = Signal()
        answered = Signal()
        m.d.comb += [
            *(self.m_axi_bready.eq(1), response.eq(self.m_axi_bvalid & (owed != 0))),
            *(self.broken.eq(self.m_axi_bvalid & ~response), answered.eq(response | (runs.r_en & this.drop))),
            *(pending.r_en.eq(answered), self.o_valid.eq(answered & head.last), self.o.tag.eq(head.tag)),
            self.o.error.eq(failed | (response & self.m_axi_bresp[1])),
            self.idle.eq(~splitter.o.valid & (pending.level == 0)),
        ]
        m.d.sync += owed.eq(owed + (runs.r_en & ~this.drop) - response)
        with m.If(answered):
            m.d.sync += failed.eq(~head.last & self.o.error)
        return m


def address_channel(m: Module, unit: wiring.Component, channel: str, burst: data.View, issue: Value) -> Value:
    """Drive an address channel of a master: a burst that is issued stands there from the next cycle until it is taken.

    The value says whether a burst may be issued; it depends on the channel's ready.
    """

    def port(name: str) -> Signal:
        return getattr(unit, f"m_axi_{channel}{name}")

    address = Signal(unit.config.address_bits, name=f"{channel}_address", reset_less=True)
    length = Signal(BEAT_BITS, name=f"{channel}_length", reset_less=True)
    valid = Signal(name=f"{channel}_valid")
    with m.If(issue):
        m.d.sync += [valid.eq(1), address.eq(burst.address), length.eq(burst.length)]
    with m.Elif(port("ready")):
        m.d.sync += valid.eq(0)
    m.d.comb += [
        *(port("addr").eq(address), port("len").eq(length), port("valid").eq(valid)),
        *(port("size").eq((unit.config.bus_bytes - 1).bit_length()), port("burst").eq(INCREMENTING)),
        *(port("cache").eq(NORMAL_BUFFERABLE), port("prot").eq(DATA_NONSECURE), port("id").eq(0), port("lock").eq(0)),
    ]
    return ~valid | port("ready")
