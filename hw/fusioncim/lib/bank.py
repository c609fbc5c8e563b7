"""Memory banks behind one interface: one write port and any number of synchronous read ports.

A read port with `enable` shows the word one cycle later and holds it until the next enabled read. Undefined are a word
before it is written, what a port shows before its first read, and a word that is written in the cycle in which it is
read. Every array that a foundry memory can replace is a `Bank`: in the Verilog it is an instance of the one macro
`fusioncim_sram`, whose behavioural model is `sram.v`.
"""

from pathlib import Path

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Shape, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fusioncim.verilog.emit import Modules

SRAM = Path(__file__).with_name("sram.v")
"""Model of the macro: every generated design is compiled together with it."""
MACRO = "fusioncim_sram"
"""Its name."""
READ_LATENCY = 1
"""Cycles from an enabled read to its word."""


class Bank(wiring.Component):
    """`depth` words of `width` bits with `reads` read ports.

    array: the bank is the memory of one row of a compute array, its cells beside the gates that take `read_data` (see
    fusioncim.asic.memory.memory_array). Undefined is then also what a port shows after a write to the word that it
    showed, until its next enabled read.

    Members:
        write_enable, write_address, write_data: written at the end of the cycle.
        read_enable, read_address, read_data: one of each per read port; latency 1 cycle.
    """

    def __init__(self, *, depth: int, width: int, reads: int = 1, array: bool = False) -> None:
        self.depth, self.width, self.reads, self.array = depth, width, reads, array
        self.parameters = (f"{depth}x{width}", f"r{reads}", *(["array"] if array else []))
        address = address_shape(depth)
        super().__init__(
            {
                "write_enable": In(1),
                "write_address": In(address),
                "write_data": In(width),
                "read_enable": In(1).array(reads),
                "read_address": In(address).array(reads),
                "read_data": Out(width).array(reads),
            }
        )

    def macro(self) -> Instance:
        """What stands for the bank in the Verilog."""
        return Instance(
            MACRO,
            p_DEPTH=self.depth,
            p_WIDTH=self.width,
            p_READS=self.reads,
            **({"p_ARRAY": 1} if self.array else {}),
            i_clk=ClockSignal(),
            i_write_enable=self.write_enable,
            i_write_address=self.write_address,
            i_write_data=self.write_data,
            i_read_enable=Cat(self.read_enable),
            i_read_address=Cat(self.read_address),
            o_read_data=Cat(self.read_data),
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if isinstance(platform, Modules):
            m.submodules.macro = self.macro()
            return m
        m.submodules.memory = memory = Memory(shape=self.width, depth=self.depth, init=[])
        write = memory.write_port()
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
        ]
        for n in range(self.reads):
            read = memory.read_port(domain="sync")
            m.d.comb += [
                read.en.eq(self.read_enable[n]),
                read.addr.eq(self.read_address[n]),
                self.read_data[n].eq(read.data),
            ]
        return m


def address_shape(depth: int) -> Shape:
    """Unsigned shape of an index below depth; one bit for a single word, so that every port exists."""
    return unsigned(max((depth - 1).bit_length(), 1))
