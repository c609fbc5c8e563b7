"""FPGA boards: what is on them, the largest engine that fits, and the design around it that reaches clock and pins.

The resources of a board (pins, clock, lights, serial port) are those of the package amaranth-boards.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from amaranth.build.run import BuildPlan
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Module, ResetSignal, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import Out

from fusioncim.fpga import pll
from fusioncim.verilog.emit import Modules
from fusioncim_golden.config import Config, check_choice
from fusioncim_golden.errors import InputError

RESET_US = 15
"""Block RAM of an iCE40 reads as zero for some 3 us after configuration; amaranth.vendor takes the same margin."""
HIGHEST_MHZ = 1000
"""No FPGA here comes near it."""

Light = tuple[str, int] | tuple[str, int, str]
"""Name and number of a resource, and of which part of it."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board.

    Members:
        platform: module and class of amaranth-boards.
        config: the largest engine that was routed (docs/fpga.md).
        tokens: of the job of that engine.
        clock_mhz: a frequency that the engine reaches.
        lights: which tell that the check passed, failed, runs.
        loader: command that loads a bitstream.
    """

    name: str
    platform: str
    config: Config
    tokens: int
    clock_mhz: float
    lights: Mapping[str, Light]
    loader: str

    def make_platform(self) -> Any:
        """The platform of amaranth-boards, for one build."""
        module, _, name = self.platform.partition(":")
        try:
            return getattr(importlib.import_module(f"amaranth_boards.{module}"), name)()
        except ModuleNotFoundError as error:
            raise InputError("amaranth-boards is missing: install it with pip install 'fusioncim[fpga]'") from error

    @cached_property
    def device(self) -> str:
        """The FPGA."""
        return str(self.make_platform().device)

    @property
    def family(self) -> str:
        """ecp5 or ice40."""
        return "ecp5" if self.device.startswith("LFE5") else "ice40"

    @cached_property
    def clock_pin(self) -> str:
        """Resource that brings the board's clock."""
        return str(self.make_platform().default_clk)

    @property
    def pin_file(self) -> str:
        """Name of the file of the board's pins."""
        return f"{self.name}.{'lpf' if self.family == 'ecp5' else 'pcf'}"

    def pins(self) -> str:
        """The pins and the clock of a self-check on the board, as nextpnr reads them."""
        text = self.plan(Outputs(), None).files[f"top.{self.pin_file.partition('.')[2]}"]
        lines = (text if isinstance(text, str) else text.decode()).splitlines()
        kept = [line for line in lines if not line.startswith("#")]
        return "\n".join(
            [f"# Self-check on {self.name}, pins of amaranth-boards. Written by fusioncim measure fpga.", *kept, ""]
        )

    @cached_property
    def crystal_mhz(self) -> float:
        """The clock that the board brings."""
        return float(self.make_platform().default_clk_frequency) / 1e6

    def clock(self, mhz: float) -> pll.Pll | None:
        """How a clock is made: None if it is the board's own."""
        if not 0 < mhz < HIGHEST_MHZ:
            raise InputError(f"the clock frequency must be above 0 and below {HIGHEST_MHZ} MHz, not {mhz}")
        return None if mhz == self.crystal_mhz else pll.nearest(self.family, self.crystal_mhz, mhz)

    def plan(self, design: wiring.Component, clock: pll.Pll | None) -> BuildPlan:
        """The files of a build, called top.*, and its script.

        design: with outputs tx, passed, failed and running.
        """
        return self.make_platform().prepare(BoardTop(self, design, clock), "top")


class Outputs(wiring.Component):
    """The outputs of a design, driven by nothing."""

    def __init__(self) -> None:
        super().__init__({"tx": Out(1), "passed": Out(1), "failed": Out(1), "running": Out(1)})

    def elaborate(self, platform: object) -> Module:
        return Module()


class BoardTop(Elaboratable):
    """A design on a board: clock and reset in, lights and serial line out.

    The RTLIL of the design becomes an extra file of the build, so that every distinct module is there once.
    """

    def __init__(self, board: Board, design: wiring.Component, clock: pll.Pll | None) -> None:
        self.board, self.design, self.clock = board, design, clock

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self._clock(m, platform)
        modules = Modules()
        m.submodules.design = modules.instance(self.design)
        platform.add_file("design.il", "\n".join(modules.texts.values()))

        def drive(name: str, port: io.SingleEndedPort, value: Signal) -> None:
            m.submodules[name] = buffer = io.Buffer("o", port)
            m.d.comb += buffer.o.eq(value)

        drive("tx", platform.request("uart", 0, dir="-").tx, self.design.tx)
        requested: dict[tuple[str, int], Any] = {}
        for name, (resource, number, *part) in self.board.lights.items():
            if (resource, number) not in requested:
                requested[resource, number] = platform.request(resource, number, dir="-")
            port = requested[resource, number]
            drive(name, getattr(port, part[0]) if part else port, getattr(self.design, name))
        return m

    def _clock(self, m: Module, platform: Any) -> None:
        """The domain sync, in reset for RESET_US after the clock is there."""
        pin = platform.request(platform.default_clk, 0, dir="-")
        clock, locked = Signal(), Signal(init=1)
        if self.clock and self.clock.family == "ice40":
            m.submodules.pll = pll.instance(self.clock, pin.io, clock, locked)
        else:
            m.submodules.clock = buffer = io.Buffer("i", pin)
            if self.clock:
                m.submodules.pll = pll.instance(self.clock, buffer.i, clock, locked)
            else:
                m.d.comb += clock.eq(buffer.i)
        mhz = self.clock.output_mhz if self.clock else self.board.crystal_mhz
        m.domains.start = ClockDomain(local=True, reset_less=True)
        m.domains.sync = ClockDomain()
        cycles = int(RESET_US * mhz)
        elapsed = Signal(range(cycles + 1))
        ready = Signal()
        m.d.comb += [ClockSignal("start").eq(clock), ClockSignal().eq(clock), ResetSignal().eq(~ready)]
        with m.If(elapsed == cycles):
            m.d.start += ready.eq(1)
        with m.Elif(locked):
            m.d.start += elapsed.eq(elapsed + 1)


def named(leds: int, *numbers: int) -> dict[str, Light]:
    """Lights that are single ones, by number: passed, failed and, if it has a third, running."""
    assert max(numbers) < leds
    return {name: ("led", number) for name, number in zip(("passed", "failed", "running"), numbers, strict=False)}


UP5K = Config(rows=3, columns=8, words=1, softmax_lanes=1, update_rank=1)

BOARDS = {
    board.name: board
    for board in (
        Board(
            name="icebreaker",
            platform="icebreaker:ICEBreakerPlatform",
            config=UP5K,
            tokens=9,
            clock_mhz=12.0,
            lights=named(2, 1, 0),
            loader="iceprog",
        ),
        Board(
            name="ulx3s",
            platform="ulx3s:ULX3S_85F_Platform",
            config=Config(rows=18, columns=64, words=2, softmax_lanes=3, update_rank=4),
            tokens=20,
            clock_mhz=25.0,
            lights=named(8, 0, 1, 2),
            loader="openFPGALoader -b ulx3s",
        ),
    )
}


def board(name: str) -> Board:
    """The board of that name."""
    check_choice("board", name, tuple(BOARDS))
    return BOARDS[name]
