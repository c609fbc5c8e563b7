"""From the core's words to the buses: AXI4-Lite to the chip's registers, and single beats of AXI4 to the memory."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from fusioncim.chip.axi import (
    DATA_NONSECURE,
    INCREMENTING,
    NORMAL_BUFFERABLE,
    read_members,
    write_members,
)
from fusioncim.chip.registers import REGISTER_ADDRESS_BITS, axil_members
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.soc.word_bus import word_bus

ALL_ONES = 0xFFFFFFFF
"""What the core reads where nothing answers."""


def manager_members() -> dict[str, wiring.Member]:
    """The ports of `axil_members` from the other side."""
    return {f"m_{name.removeprefix('s_')}": member.flip() for name, member in axil_members().items()}


class RegisterPort(wiring.Component):
    """Accesses of a word as AXI4-Lite, one at a time.

    Where the chip has no register, a read gives ALL_ONES.

    Members:
        valid, address, write_data, strobes, ready, read_data: see `word_bus`.
        m_axil_*: to the chip's registers.
    """

    def __init__(self) -> None:
        super().__init__({**word_bus(In), **manager_members()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        write = self.strobes.any()
        for channel in ("ar", "aw"):
            m.d.comb += [
                getattr(self, f"m_axil_{channel}addr").eq(self.address[:REGISTER_ADDRESS_BITS]),
                getattr(self, f"m_axil_{channel}prot").eq(DATA_NONSECURE),
            ]
        m.d.comb += [
            *(self.m_axil_wdata.eq(self.write_data), self.m_axil_wstrb.eq(self.strobes)),
            *(self.m_axil_rready.eq(1), self.m_axil_bready.eq(1)),
            self.ready.eq((self.m_axil_rvalid & ~write) | (self.m_axil_bvalid & write)),
            self.read_data.eq(self.m_axil_rdata | self.m_axil_rresp[1].replicate(32)),
        ]
        once_each(m, self, "m_axil_", write)
        return m


class MemoryPort(wiring.Component):
    """Accesses of a word as bursts of one beat of the chip's width, one at a time.

    A write is complete when the memory has answered it: whoever reads the memory then sees it.

    Members:
        valid, address, write_data, strobes, ready, read_data: see `word_bus`.
        m_axi_*: to the memory.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__({**word_bus(In), **read_members(config), **write_members(config)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        write = self.strobes.any()
        beat_bits = (self.config.bus_bytes - 1).bit_length()
        lane = Signal(range(self.config.bus_bytes // 4))
        m.d.comb += lane.eq(self.address[2:beat_bits])
        for channel in ("ar", "aw"):
            fields = {
                "addr": Cat(Const(0, beat_bits), self.address[beat_bits:]),
                "size": beat_bits,
                "burst": INCREMENTING,
                "cache": NORMAL_BUFFERABLE,
                "prot": DATA_NONSECURE,
            }
            m.d.comb += [getattr(self, f"m_axi_{channel}{name}").eq(value) for name, value in fields.items()]
        m.d.comb += [
            *(self.m_axi_wdata.eq(self.write_data.replicate(self.config.bus_bytes // 4)), self.m_axi_wlast.eq(1)),
            self.m_axi_wstrb.eq(self.strobes << Cat(Const(0, 2), lane)),
            *(self.m_axi_rready.eq(1), self.m_axi_bready.eq(1)),
            self.ready.eq((self.m_axi_rvalid & ~write) | (self.m_axi_bvalid & write)),
            self.read_data.eq(self.m_axi_rdata.word_select(lane, 32)),
        ]
        once_each(m, self, "m_axi_", write)
        return m


def once_each(m: Module, port: wiring.Component, prefix: str, write: Signal) -> None:
    """Give each channel of an access once: its `valid` falls when it is taken, until the access is complete."""
    for channel, wanted in (("ar", ~write), ("aw", write), ("w", write)):
        valid, ready = (getattr(port, f"{prefix}{channel}{name}") for name in ("valid", "ready"))
        given = Signal(name=f"{channel}_given")
        m.d.comb += valid.eq(port.valid & wanted & ~given)
        with m.If(port.ready):
            m.d.sync += given.eq(0)
        with m.Elif(valid & ready):
            m.d.sync += given.eq(1)
