"""The system's own devices: a serial line, and what ends the simulation."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim.lib.uart import Transmitter
from fusioncim.verilog.emit import once
from fusioncim_sim.soc.word_bus import word_bus

UART_DATA, UART_STATUS = 0x0, 0x4
"""Offsets: a byte to send, which waits until there is room; bit 0: there is room."""


class Uart(wiring.Component):
    """Bytes that the core writes, on a serial line.

    Members:
        valid, address, write_data, strobes, ready, read_data: see `word_bus`.
        tx: the line.
    """

    def __init__(self, *, divisor: int) -> None:
        self.divisor = divisor
        self.parameters = (divisor,)
        super().__init__({**word_bus(In), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        transmitter = Transmitter(divisor=self.divisor)
        m.submodules.transmitter = once(platform, transmitter)
        send = self.valid & self.strobes[0] & (self.address[2] == UART_DATA >> 2)
        m.d.comb += [
            *(transmitter.i.valid.eq(send), transmitter.i.payload.eq(self.write_data[:8])),
            self.ready.eq(~send | transmitter.i.ready),
            self.read_data.eq(transmitter.i.ready),
            self.tx.eq(transmitter.tx),
        ]
        return m


class Finisher(wiring.Component):
    """Ends the simulation with the number that the core writes.

    Members:
        valid, address, write_data, strobes, ready, read_data: see `word_bus`.
        finished: a number was written; code: the first one, of 8 bits.
    """

    def __init__(self) -> None:
        super().__init__({**word_bus(In), "finished": Out(1), "code": Out(8)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.ready.eq(1)
        with m.If(self.valid & self.strobes[0] & ~self.finished):
            m.d.sync += [self.finished.eq(1), self.code.eq(self.write_data[:8])]
        return m
