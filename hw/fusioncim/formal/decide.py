"""Whether claims hold: the RTL becomes an and-inverter graph, which ABC's property-directed reachability decides.

A proof is an invariant that ABC finds and then verifies: it is for every number of cycles. Yosys and ABC come with the
package pyosys.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyosys
from amaranth.back import rtlil

from fusioncim.asic.yosys import run_yosys
from fusioncim.build.program import run_program
from fusioncim.formal.bench import FIRST, Bench

ABC = Path(pyosys.__file__).with_name("yosys-abc")
MOST_CYCLES = 200
"""So far a search goes where a proof has no cycles of its own."""
Answer = Literal["proved", "refuted", "open"]


@dataclass(frozen=True)
class Verdict:
    """What was found out.

    Members:
        answer: every claim holds; some do not; some were not decided in time.
        claims: how many there are.
        refuted: how many do not hold.
        cycle: the first one in which one does not hold, counted from the reset, if any does not.
    """

    answer: Answer
    claims: int
    refuted: int
    cycle: int | None


READ = ("read_rtlil bench.il", "hierarchy -top bench", "proc -noopt", "flatten")
FORGET = ("delete t:$meminit*",)
"""Memories begin with anything."""
COMMANDS = (
    # So do registers.
    f"setattr -unset init w:* w:{FIRST} %d",
    *("chformal -lower", "async2sync", "opt_expr -mux_undef", "opt_merge", "opt_clean"),
    *("memory_map", "opt_expr", "opt_merge", "opt_clean", "setundef -undriven -anyseq"),
    *("techmap", "opt_clean", "dffunmap", "aigmap", "opt_clean"),
    "write_aiger -I -B -zinit -no-startoffset bench.aig",
)


def decide(
    bench: Bench,
    directory: Path,
    *,
    limit_s: int,
    prepare: str = "",
    steps: int = 0,
    cycles: int = 0,
    search: bool = False,
    stored: bool = False,
) -> Verdict:
    """Decide the claims of a bench.

    limit_s: of seconds for ABC. prepare: its commands before. steps: prove all claims together by induction over so
    many cycles, instead of with an invariant that ABC finds. cycles: only in so many, the reset's among them. search:
    only for what refutes them, cycle by cycle, in the same cycles. stored: memories are not written, they have their
    contents.
    """
    module = bench.build()
    text = rtlil.convert(module, ports=bench.ports, name="bench", emit_src=False)
    (directory / "bench.il").write_text(text, encoding="utf-8")
    inner = [
        command
        for port, path in bench.inners.items()
        for command in (f"delete -input bench/w:{port}", f"connect -set {port} unit.{path}")
    ]
    cuts = [f"cutpoint bench/w:unit.{path}" for path in sorted(bench.cuts)]
    run_yosys("bench", [*READ, *cuts, *inner, *(() if stored else FORGET), *COMMANDS], directory / "yosys.log")
    if search or cycles:
        engine = f"bmc3 -F {cycles or MOST_CYCLES} -T {limit_s}"
    elif steps:
        engine = f"orpos; strash; bmc3 -F {steps + 2} -T {limit_s}; ind -F {steps + 1} -T {limit_s}"
    else:
        engine = f"pdr -a -T {limit_s}"
    script = f"read_aiger bench.aig; fold -s; strash; {prepare} {engine}"
    done = run_program([str(ABC), "-c", script], directory=directory, limit_s=2 * limit_s + 600)
    return verdict(done.stdout, bench.claims, cycles)


def verdict(text: str, claims: int, cycles: int = 0) -> Verdict:
    """Read what ABC says."""
    frames = [int(frame) for frame in re.findall(r"^Output +\d+ .*was asserted in frame +(\d+)", text, re.MULTILINE)]
    cycle = min(frames, default=None)
    if frames:
        return Verdict("refuted", claims, len(frames), cycle)
    found = re.search(r"Properties: +All = (\d+)\. Proved = (\d+)\. Disproved = 0\. Undecided = 0", text)
    proved = found[1] == found[2] if found else "Networks are equivalent" in text and "No output" in text
    proved |= cycles > 0 and f"No output asserted in {cycles} frames" in text
    return Verdict("proved" if proved else "open", claims, 0, cycle)
