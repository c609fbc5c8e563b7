"""A memory at the AXI port of a design: cocotbext-axi's slave, with pauses, errors and checks of our own.

The slave drives all channels. It refuses a burst that crosses 4 KB and a last beat in the wrong place; the checks here
add what it takes on trust: the fields of every address, strobes, and payloads that stand still until taken.
"""

import itertools
import logging
import mmap
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge, Timer
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiBus, AxiReadBus, AxiResp, AxiSlave, AxiSlaveRead

from fusioncim.chip.axi import BURST_BEATS, DATA_NONSECURE, INCREMENTING, NORMAL_BUFFERABLE
from fusioncim_sim.rtl.sparse_file import mapped
from fusioncim_sim.rtl.stream import CLOCK_NS, STALLS, Stall

PAGE_BYTES = 4096
SHORTEST_LATENCY = 2
"""Cycles from an address to its first beat that the slave takes by itself."""
ADDRESS_FIELDS = ("addr", "len")
DATA_FIELDS = ("data", "strb", "last")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Beats at start <= address < stop fail, in these directions."""

    start: int
    stop: int
    response: AxiResp = AxiResp.SLVERR
    directions: tuple[str, ...] = ("read", "write")


class AxiMemory:
    """Memory of `size` bytes from address 0 at the ports PREFIX_* of a design, or the contents of a file.

    more: prefixes of further read ports. stall: pauses of every channel, a pattern of `stream.STALLS`, another seed on
    each. latency: cycles from an address to its first beat; bursts overlap. share: part of the cycles in which a data
    channel may move a beat. faults: beats that fail; all beyond the memory fail too, with DECERR. resets: the design's
    reset is the memory's too. To be made before the reset.

    Members:
        bytes: the contents, uint8 (size,); pages that nothing touched cost nothing.
        bursts: bursts so far, by direction, "read" or "write".
        transferred: bytes of good beats so far, by direction.
    """

    def __init__(
        self,
        dut: Any,
        *,
        size: int = 0,
        file: Path | None = None,
        prefix: str = "m_axi",
        more: Sequence[str] = (),
        stall: str = "never",
        seed: int = 1,
        latency: int = SHORTEST_LATENCY,
        share: float = 1.0,
        faults: Sequence[Fault] = (),
        resets: bool = True,
    ) -> None:
        self._memory = mapped(file) if file else mmap.mmap(-1, size)
        self.bytes = np.frombuffer(self._memory, np.uint8)
        self.bursts = {"read": 0, "write": 0}
        self.transferred = {"read": 0, "write": 0}
        self._faults = [*faults, Fault(start=len(self._memory), stop=1 << 64, response=AxiResp.DECERR)]
        self._channels: dict[str, Any] = {}
        numbers = itertools.count()
        reset = dut.rst if resets else None

        # The slaves tell of every burst and warn of every fault.
        for each in (prefix, *more):
            logging.getLogger(f"cocotb.{dut._name}.{each}").setLevel(logging.ERROR)
            port = _Port(self, latency)
            if each == prefix:
                slave = AxiSlave(AxiBus.from_prefix(dut, each), dut.clk, reset, target=port)
                reads, writes = slave.read_if, slave.write_if
            else:
                reads, writes = AxiSlaveRead(AxiReadBus.from_prefix(dut, each), dut.clk, reset, target=port), None
            port.say_which_error(reads.r_channel, "rresp", "read")
            port.delay(reads.ar_channel, dut.clk)
            channels = {"ar": reads.ar_channel, "r": reads.r_channel}
            checks = [("ar", "read")]
            if writes:
                port.say_which_error(writes.b_channel, "bresp", "write")
                channels |= {"aw": writes.aw_channel, "w": writes.w_channel, "b": writes.b_channel}
                checks.append(("aw", "write"))
                cocotb.start_soon(watch(dut, f"{each}_w", DATA_FIELDS, strobe_check(dut, f"{each}_w")))
            for name, channel in channels.items():
                part = share if name in ("r", "w") else 1.0
                number = next(numbers)
                if stall != "never" or part < 1:
                    channel.set_pause_generator(iter(slowed(STALLS[stall](5 * seed + number), part), None))
            for channel, direction in checks:
                place = f"{each}_{channel}"
                check = port.count(address_check(dut, place, reads.byte_lanes), direction)
                cocotb.start_soon(watch(dut, place, ADDRESS_FIELDS, check))
            self._channels |= {f"{each.removeprefix(prefix)}_{name}".strip("_"): x for name, x in channels.items()}

    def stand_still(self, *channels: str) -> None:
        """From now on nothing moves on these channels, of ar, r, aw, w and b, of a further port PREFIX_v v_ar and v_r.

        Only without a pattern of stalls.
        """
        for name, channel in self._channels.items():
            channel.pause = name in channels

    async def answer_unasked(self, direction: str, answers: int = 1, *, last: bool = True, port: str = "") -> None:
        """Give beats or responses that nothing asks for; last: the beats say that they are the last of their bursts.

        port: "v_" for a further port PREFIX_v.
        """
        channel = self._channels[port + ("r" if direction == "read" else "b")]
        for n in range(answers):
            item = channel._transaction_obj()
            if direction == "read":
                item.rid, item.rdata, item.rresp, item.rlast = 0, 0x5A5A + n, AxiResp.OKAY, int(last)
            else:
                item.bid, item.bresp = 0, AxiResp.OKAY
            await channel.send(item)

    def meet(self, address: int, length: int, direction: str) -> AxiResp | None:
        """Count a beat, or say how it fails where a fault is."""
        for fault in self._faults:
            if fault.start <= address < fault.stop and direction in fault.directions:
                return fault.response
        self.transferred[direction] += length
        return None

    def at(self, address: int, length: int) -> bytes:
        """The bytes there."""
        return self._memory[address : address + length]

    def put(self, address: int, data: bytes) -> None:
        """Change the bytes there."""
        self._memory[address : address + len(data)] = data


class _Port:
    """The memory as the slave of one port sees it."""

    def __init__(self, memory: AxiMemory, latency: int) -> None:
        self._memory, self._late = memory, latency - SHORTEST_LATENCY
        self._responses: dict[str, AxiResp] = {}
        self._taken: deque[float] = deque()

    async def read(self, address: int, length: int) -> bytes:
        """For the slave: a beat."""
        self._meet(address, length, "read")
        return self._memory.at(address, length)

    async def write(self, address: int, data: bytes) -> None:
        """For the slave: the bytes of a beat."""
        self._meet(address, len(data), "write")
        self._memory.put(address, data)

    def _meet(self, address: int, length: int, direction: str) -> None:
        response = self._memory.meet(address, length, direction)
        if response is not None:
            self._responses[direction] = response
            raise OSError(f"{direction} of {address:#x} fails")

    def count(self, check: Callable[[], None], direction: str) -> Callable[[], None]:
        """Check a burst and count it."""

        def taken() -> None:
            check()
            self._memory.bursts[direction] += 1
            if self._late > 0 and direction == "read":
                self._taken.append(get_sim_time("ns"))

        return taken

    def say_which_error(self, channel: Any, field: str, direction: str) -> None:
        """The slave answers every failure with SLVERR: put the fault's own response in its place."""
        send = channel.send

        async def answer(item: Any) -> None:
            if getattr(item, field) != AxiResp.OKAY:
                setattr(item, field, self._responses.pop(direction))
            await send(item)

        channel.send = answer

    def delay(self, channel: Any, clock: Any) -> None:
        """Show the slave an address only that many cycles after it was taken."""
        if self._late <= 0:
            return
        receive = channel.recv
        channel.queue_occupancy_limit = self._late + SHORTEST_LATENCY

        async def late() -> Any:
            address = await receive()
            if not self._taken:  # taken at this very edge
                await RisingEdge(clock)
            due = self._taken.popleft() + (self._late + 0.5) * CLOCK_NS
            if due > get_sim_time("ns"):
                await Timer(due - get_sim_time("ns"), "ns")
            return address

        channel.recv = late


def address_check(dut: Any, port: str, bus_bytes: int) -> Callable[[], None]:
    """The fields of an address keep the rules of AXI4 and of the masters."""
    address_signal, length_signal = (getattr(dut, f"{port}{name}") for name in ADDRESS_FIELDS)
    constants = {"id": 0, "size": (bus_bytes - 1).bit_length(), "burst": INCREMENTING, "lock": 0}
    constants |= {"cache": NORMAL_BUFFERABLE, "prot": DATA_NONSECURE}
    pairs = [(getattr(dut, f"{port}{name}"), value) for name, value in constants.items()]

    def check() -> None:
        for signal, value in pairs:
            assert signal.value == value, f"{port}: {signal._name} is not {value}"
        address, length = int(address_signal.value), int(length_signal.value)
        assert address % bus_bytes == 0, f"{port}: {address:#x} is not a multiple of {bus_bytes}"
        assert length < BURST_BEATS, f"{port}: {length + 1} beats are too many"
        assert address % PAGE_BYTES + (length + 1) * bus_bytes <= PAGE_BYTES, f"{port}: {address:#x} crosses 4 KB"

    return check


def strobe_check(dut: Any, port: str) -> Callable[[], None]:
    """What a burst writes has no hole: bytes are left out before its first one and behind its last one only."""
    strobes, last = getattr(dut, f"{port}strb"), getattr(dut, f"{port}last")
    top = 1 << len(strobes)
    goes_on = False

    def check() -> None:
        nonlocal goes_on
        written = int(strobes.value)
        least = written & -written  # of the strobes, the first
        ends = int(last.value) == 1
        inside = not written or (written + least) & written
        between = (goes_on and least != 1) or (not ends and written + least != top)
        assert not any((inside, between)), f"{port}: a byte is left out"
        goes_on = not ends

    return check


async def watch(dut: Any, port: str, fields: Sequence[str], check: Callable[[], None]) -> None:
    """Hold a channel to the handshake, valid and payload stay until they are taken, and check what is taken.

    Sleeps while nothing is valid.
    """
    valid, ready = getattr(dut, f"{port}valid"), getattr(dut, f"{port}ready")
    payload = [getattr(dut, f"{port}{name}") for name in fields]
    rise, edge = RisingEdge(valid), RisingEdge(dut.clk)
    held = None
    while True:
        if held is None and valid.value != 1:
            await rise
        await edge
        if dut.rst.value == 1:
            held = None
            continue
        if valid.value != 1:
            assert held is None, f"{port}: valid was withdrawn"
            continue
        taken = ready.value == 1
        if held is not None or not taken:
            now = [str(field.value) for field in payload]
            assert held in (None, now), f"{port}: the payload changed before it was taken"
            held = None if taken else now
        if taken:
            check()


def slowed(stall: Stall, share: float) -> Stall:
    """The same pauses, and more, so that no more than that share of the cycles is free."""
    credit = 0.0

    def pause() -> bool:
        nonlocal credit
        credit = min(credit + share, 1.0)
        if stall() or credit < 1:
            return True
        credit -= 1
        return False

    return pause
