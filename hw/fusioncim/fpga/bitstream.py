"""Bitstreams: Yosys maps a design on an FPGA, nextpnr places and routes it, IceStorm or Trellis packs it.

All tools come through pip. A build is found again by what it is made from; its directory keeps all reports.
"""

import importlib.metadata
import json
import re
import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from fusioncim.asic.yosys import run_yosys
from fusioncim.build.cache import build_root, filled_once, kept_json, short_hash
from fusioncim.build.workers import run_all
from fusioncim.fpga.boards import Board
from fusioncim.fpga.families import ADDERS, FAMILIES, FPGA_SRAM, synthesis
from fusioncim.fpga.place_and_route import place_and_route, route_options, run_tool
from fusioncim.fpga.pll import Pll
from fusioncim_golden.errors import InputError


@dataclass(frozen=True)
class Build:
    """A build.

    Members:
        place: its directory, with top.* and the mapped netlist netlist.v.
        suffix: of the bitstream.
        used: cells by kind, used and available.
        mhz: clock frequency that was asked for.
        reached_mhz: what the slowest path allows.
        cpu_s: processor time by step.
    """

    place: Path
    suffix: str
    used: Mapping[str, tuple[int, int]]
    mhz: float
    reached_mhz: float
    cpu_s: Mapping[str, float]

    @property
    def bitstream(self) -> bytes:
        """What is loaded into the FPGA."""
        return (self.place / f"top.{self.suffix}").read_bytes()

    def require_clock(self) -> None:
        """Refuse a clock that is not reached."""
        if self.reached_mhz < self.mhz:
            raise InputError(
                f"the clock must be at most the {self.reached_mhz:.2f} MHz that the slowest path allows, not "
                f"{self.mhz:g} MHz"
            )


def require_tools(board: Board) -> None:
    """Refuse to start without the tools for a board."""
    for package in ("amaranth_boards", "pyosys", FAMILIES[board.family].tools):
        if find_spec(package) is None:
            raise InputError(f"{package.replace('_', '-')} is missing: install it with pip install 'fusioncim[fpga]'")


def build(board: Board, design: wiring.Component, mhz: float) -> Build:
    """The bitstream of a design, see `Board.plan`; it may be slower than asked for (see `Build.require_clock`).

    Errors: the clock cannot be made; the design does not fit; it cannot be placed or routed.
    """
    clock = board.clock(mhz)
    require_tools(board)
    family = FAMILIES[board.family]
    texts = plan(board, design, clock)
    commands = json.loads(texts["build_top.json"])["commands"]
    script = synthesis(family)
    options = route_options(mhz)
    versions = [importlib.metadata.version(name.replace("_", "-")) for name in ("pyosys", family.tools)]
    place = (
        build_root() / "designs" / f"{board.name}-{short_hash(*texts.values(), *script, ADDERS, *options, *versions)}"
    )
    with filled_once(place) as scratch:
        if scratch:
            for name, text in texts.items():
                (scratch / name).write_text(text, encoding="utf-8")
            _, route, pack = commands
            cpu = run_all(
                {
                    "synthesis": timed(lambda: run_yosys(board.name, script, scratch / "synth.log")),
                    "place and route": timed(lambda: place_and_route(board, family.tools, scratch, [*route, *options])),
                    "bitstream": timed(lambda: run_tool(family.tools, pack, scratch, "top.pack")),
                },
                jobs=1,
                title=board.name,
            )
            (scratch / "cpu.json").write_text(json.dumps(cpu), encoding="utf-8")
    report = kept_json(place / "report.json")
    return Build(
        place=place,
        suffix=family.suffix,
        used={kind: (n["used"], n["available"]) for kind, n in report["utilization"].items() if n["used"]},
        mhz=mhz,
        reached_mhz=min(one["achieved"] for one in report["fmax"].values()),
        cpu_s=kept_json(place / "cpu.json"),
    )


def plan(board: Board, design: wiring.Component, clock: Pll | None) -> dict[str, str]:
    """The files of a build by name, without the places in the source code that Amaranth writes into them."""
    files = board.plan(design, clock).files
    texts = {name: text if isinstance(text, str) else text.decode() for name, text in files.items()}
    texts["top.il"] = re.sub(r"(?m)^\s*attribute \\src .*\n", "", texts["top.il"])
    return texts | {"adders.v": ADDERS, "sram_fpga.v": FPGA_SRAM.read_text(encoding="utf-8")}


def timed(step: Callable[[], object]) -> Callable[[], float]:
    """A step that gives the processor time of the programs that it runs, in s."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def run() -> float:
        start = spent()
        step()
        return round(spent() - start, 1)

    return run


def figures(done: Build) -> dict[str, Any]:
    """A build in numbers, for a file."""
    return {
        "clock_mhz": done.mhz,
        "reached_mhz": round(done.reached_mhz, 2),
        "used": {kind: {"used": used, "available": there} for kind, (used, there) in sorted(done.used.items())},
        "bitstream_bytes": len(done.bitstream),
        "cpu_s": dict(done.cpu_s),
    }
