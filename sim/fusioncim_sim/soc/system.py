"""The system: core, program memory, serial line, and the chip, which shares the memory with the core.

    core -- program memory, serial line, end of the simulation
      |---- AXI4-Lite: registers of the chip -- interrupt to the core
      '---- AXI4 to the memory, of which the chip has ports of its own

The chip is the module that `fusioncim generate` writes; nothing in it knows of the system.
"""

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.axi import MEMORY, connect_ports, read_members, write_members
from fusioncim.chip.chip import Chip
from fusioncim.verilog.emit import module_name, once, port_name, used
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.soc.devices import Finisher, Uart
from fusioncim_sim.soc.memory_map import FINISHER, PROGRAM, PROGRAM_BYTES, REGION_BITS, REGISTERS, SHARED, UART
from fusioncim_sim.soc.ports import ALL_ONES, MemoryPort, RegisterPort, manager_members
from fusioncim_sim.soc.processor import Processor
from fusioncim_sim.soc.word_bus import WORD_BUS, word_bus

DIVISOR = 4
"""Cycles of a bit on the serial line: few, as a simulation counts them."""
CORE = "m_axi_core_"
"""Prefix of the core's port to the memory."""


class ProgramMemory(wiring.Component):
    """The module of word_ram.v.

    Members:
        valid, address, write_data, strobes, ready, read_data: see `word_bus`.
    """

    def __init__(self) -> None:
        super().__init__(word_bus(In))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = Instance(
            "word_ram",
            p_WORDS=PROGRAM_BYTES // 4,
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            **{f"i_{name}": getattr(self, name) for name in WORD_BUS},
            o_ready=self.ready,
            o_read_data=self.read_data,
        )
        return m


def memory_members(chip: Chip) -> dict[str, wiring.Member]:
    """The ports of a chip to the memory."""
    return {name: member for name, member in chip.signature.members.items() if name.startswith(MEMORY)}


class System(wiring.Component):
    """The system on chip.

    Members:
        m_axi_*, m_axi_v_*: the chip's ports to the memory.
        m_axi_core_*: that of the core, of the same width.
        tx: the serial line.
        finished, code: the program ended, and with what.
        trap: the core stands still.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        self.chip = Chip(config)
        used(self.chip)
        core = {**read_members(config), **write_members(config)}
        super().__init__(
            {
                **memory_members(self.chip),
                **{CORE + name.removeprefix(MEMORY): member for name, member in core.items()},
                "tx": Out(1, init=1),
                "finished": Out(1),
                "code": Out(8),
                "trap": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        core, program = Processor(), ProgramMemory()
        registers, memory = RegisterPort(), MemoryPort(self.config)
        uart, finisher = Uart(divisor=DIVISOR), Finisher()
        units = {"core": core, "program": program, "registers": registers, "memory": memory}
        units |= {"uart": uart, "finisher": finisher}
        for name, unit in units.items():
            m.submodules[name] = once(platform, unit)

        self._chip(m, registers, core.interrupt)
        regions = {PROGRAM: program, REGISTERS: registers, UART: uart, FINISHER: finisher, SHARED: memory}
        self._decode(m, core, regions)
        connect_ports(m, self, memory, read_members(self.config) | write_members(self.config), CORE)
        m.d.comb += [
            *(self.tx.eq(uart.tx), self.trap.eq(core.trap)),
            *(self.finished.eq(finisher.finished), self.code.eq(finisher.code)),
        ]
        return m

    def _chip(self, m: Module, registers: RegisterPort, interrupt: Value) -> None:
        """The chip between the core and the memory."""
        sources = {f"s_{name.removeprefix('m_')}": getattr(registers, name) for name in manager_members()}
        sources |= {name: getattr(self, name) for name in memory_members(self.chip)} | {"irq": interrupt}
        ports: dict[str, object] = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for path, member, _ in self.chip.signature.flatten(self.chip):
            name = port_name(path)
            ports[f"{'i' if member.flow == In else 'o'}_{name}"] = sources[name]
        m.submodules.chip = Instance(module_name(self.chip), **ports)

    def _decode(self, m: Module, core: Processor, regions: dict[int, wiring.Component]) -> None:
        """Each access goes to the region that its address is in; where there is none, ALL_ONES are read at once."""
        m.d.comb += [core.ready.eq(core.valid), core.read_data.eq(ALL_ONES)]
        for first, unit in regions.items():
            chosen = Signal(name=f"chosen_{first >> REGION_BITS}")
            high = core.address[REGION_BITS:]
            # The memory has all addresses from its first one on.
            m.d.comb += chosen.eq((high == first >> REGION_BITS) if first != SHARED else high[-1])
            m.d.comb += [getattr(unit, name).eq(getattr(core, name)) for name in WORD_BUS if name != "valid"]
            m.d.comb += unit.valid.eq(core.valid & chosen)
            with m.If(chosen):
                m.d.comb += [core.ready.eq(unit.ready), core.read_data.eq(unit.read_data)]
