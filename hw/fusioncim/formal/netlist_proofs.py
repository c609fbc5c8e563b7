"""Proofs that the mapped netlist of an engine does what its RTL does, module by module.

ABC finds the signals of both sides that are always the same, by induction, and merges them: nothing is left of what
compares the outputs.
"""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.netlist.netlist import ONE, ZERO, Netlist
from fusioncim.asic.synthesis.synth import design_texts, instances, stub, synthesize
from fusioncim.build.program import run_program
from fusioncim.engine.engine import Engine
from fusioncim.formal.decide import ABC, Answer, Verdict, verdict
from fusioncim.formal.netlist_miter import port_directions, write_miter
from fusioncim.formal.proof import LIMIT_S
from fusioncim_golden.presets import preset

TREES = frozenset({"softmax_lane", "ip_cim_row", "correction", "op_cim_row", "normalizer_unit"})
"""Modules that are mostly sums and products."""


def tiny() -> Engine:
    """The engine of the preset `tiny`."""
    return Engine(preset("tiny").alone())


@cache
def mapped() -> tuple[Design, Mapping[str, str]]:
    """The engine on the cells of Nangate 45 nm, and the RTLIL of its modules."""
    return synthesize(tiny(), load(default_liberty())), design_texts(tiny())[1]


@dataclass(frozen=True)
class Gate:
    """The fault of a netlist.

    Members:
        target: what it is about, in words.
    """

    target: str = "an input of a gate in every module, stuck at 0"


@dataclass(frozen=True, kw_only=True)
class NetlistProof:
    """Claims about mapped modules, one each; run as a `Proof` is.

    Members:
        trees: of the modules in TREES, else of all others.
        says, mutant, tried, covers, cycles: as of a `Proof`.
    """

    trees: bool
    says: str
    mutant: Gate = Gate()
    tried: str = ""
    covers: bool = False
    cycles: int = 0

    @property
    def unit_name(self) -> str:
        """Class of the unit."""
        return Engine.__name__

    def run(self, *, mutated: bool = False, limit_s: int = LIMIT_S) -> tuple[bool | None, Verdict, float]:
        """Whether all modules are the same, or none of them is if mutated; None if that is not known."""
        begin = time.perf_counter()
        design, texts = mapped()
        verdicts = [
            same(name, design, texts, trees=self.trees, mutated=mutated, limit_s=limit_s)
            for name in design.order
            if (name in TREES) == self.trees
        ]
        refuted, claims = sum(each.refuted for each in verdicts), sum(each.claims for each in verdicts)
        cycle = max((each.cycle for each in verdicts if each.cycle is not None), default=None)
        holds = True if all(each.answer == "proved" for each in verdicts) else None
        if refuted:
            holds = False if refuted == claims or not mutated else None
        answers: dict[bool | None, Answer] = {True: "proved", False: "refuted", None: "open"}
        return holds, Verdict(answers[holds], claims, refuted, cycle), time.perf_counter() - begin


def same(name: str, design: Design, texts: Mapping[str, str], *, trees: bool, mutated: bool, limit_s: int) -> Verdict:
    """Whether a mapped module is its RTL."""
    below = [stub(each, texts[each]) for each in sorted(instances(texts[name]) & texts.keys())]
    netlist = design.netlist(name)
    if mutated:
        netlist = with_fault(netlist, design.library)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        directions = port_directions(texts)
        if write_miter(place, texts[name], below, netlist, design.library, directions, trees=trees):
            return Verdict("refuted", 1, 1, None)
        how = "bmc3 -F 20" if trees and mutated else "scorr -C 10000; orpos; strash; pdr -a"
        script = f"read_aiger miter.aig; strash; orpos; strash; {how} -T {limit_s}"
        done = run_program([str(ABC), "-c", script], directory=place, limit_s=2 * limit_s + 600)
    return verdict(done.stdout, 1)


def with_fault(netlist: Netlist, library: Library) -> Netlist:
    """An input of a gate is stuck at 0, or a bit of an output where there is no gate."""
    gates = [n for n, part in enumerate(netlist.parts) if part.kind in library.cells and _is_gate(library, part.kind)]
    if gates:
        number = gates[len(gates) // 2]
        parts = list(netlist.parts)
        pin = library.cells[parts[number].kind].inputs[0]
        parts[number] = replace(parts[number], pins={**parts[number].pins, pin: [ZERO]})
        return replace(netlist, parts=parts)
    port, bits = next(
        (port, bits) for port, (side, bits) in netlist.ports.items() if side == "output" and bits[0] not in (ZERO, ONE)
    )
    return replace(netlist, ports={**netlist.ports, port: ("output", (ZERO, *bits[1:]))})


def _is_gate(library: Library, kind: str) -> bool:
    cell = library.cells[kind]
    return cell.kind == "comb" and len(cell.inputs) > 0


PROOFS: Mapping[str, NetlistProof] = {
    "netlist-words": NetlistProof(trees=False, says="every other mapped module does what its RTL does"),
    "netlist-trees": NetlistProof(
        trees=True,
        says="a mapped module of sums and products does what its RTL does; a carry-save tree is the sum it stands for",
    ),
}
