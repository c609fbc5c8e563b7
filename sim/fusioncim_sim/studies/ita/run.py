"""A tile of queries of a head on the mapped netlist of ITA: outputs compared bit by bit, energy by phase and unit.

64 queries stay at the input while 16 keys, or 16 columns of values, stay in the weight buffer for 64 cycles. First come
all scores of the tile, which leave, and then come back for the outputs, as in its own test bench.
"""

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from fusioncim.asic.delays import delays
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.netlist.net_delays import Delays
from fusioncim.asic.netlist.netlist import Flat
from fusioncim.asic.power.activity import Activity
from fusioncim.asic.power.power import Energy, PowerModel
from fusioncim.build.cache import build_root
from fusioncim.comparison.ita import ROWS
from fusioncim_golden.arith import Int
from fusioncim_sim.gates.gate_level import build_gates, counting, read_activities
from fusioncim_sim.rtl.ita_bench import PHASES
from fusioncim_sim.rtl.runner import run_bench
from fusioncim_sim.rtl.stream import pack_vector
from fusioncim_sim.studies.ita.model import BLOCK, ItaHead, attention
from fusioncim_sim.studies.ita.names import DOT_PRODUCTS, REST, UNITS
from fusioncim_sim.studies.ita.sample import (
    MODELS,
    SAMPLED,
    box_loads,
    dot_product,
    own_lengths,
    rest,
    rest_lengths,
    wire_loads,
)

TILE = 64
"""Queries of a tile, keys of a tile, columns of a head."""
SCORES, OUTPUTS = 3, 4
"""Numbers of the two steps in ITA's tables of scales."""
SINGLE_ATTENTION = 3
"""Its layer of one head alone, whose operands are there already."""
WORD = 16
"""Bytes of weights that come in a cycle."""
LIMIT = 4
"""Cycles, in multiples of those without a stall, after which a run has failed."""


@dataclass(frozen=True)
class ItaRun:
    """A run.

    Members:
        mismatches: outputs that are not those of `model`.
        keys: of the head.
        phases: cycles and energies by unit of each of `ita_bench.PHASES`.
    """

    mismatches: int
    keys: int
    phases: Mapping[str, tuple[int, Mapping[str, Energy]]]


def unit_of(path: Sequence[str]) -> str:
    """The unit of a module by its path in the top."""
    return UNITS.get(path[0], REST) if path else REST


def streams(head: ItaHead) -> tuple[Int, Int, Int]:
    """Rows of inputs [n, 64], words of weights [n, 16], and outputs [n, 16], for the first tile of queries.

    A part of the next tile follows, so that nothing stands still at the end.
    """
    done = attention(head)
    q, weights, v = head.q[:TILE], done.scores[:TILE], head.v.T
    inputs: list[Int] = []
    given: list[Int] = []
    outputs: list[Int] = []
    tiles, blocks = range(0, len(head.k), TILE), range(0, TILE, BLOCK)
    for first in tiles:
        for block in blocks:
            inputs.append(q)
            given.append(head.k[first + block : first + block + BLOCK])
            outputs.append(done.scores[:TILE, first + block : first + block + BLOCK])
    for first in tiles:
        for block in blocks:
            inputs.append(weights[:, first : first + TILE])
            given.append(v[block : block + BLOCK, first : first + TILE])
    outputs += [done.out[:TILE, block : block + BLOCK] for block in blocks]
    following = head.q[TILE : 2 * TILE] if len(head.q) > TILE else q
    inputs.append(following)
    given += [head.k[:BLOCK], head.k[BLOCK : 2 * BLOCK]]
    words = np.concatenate([each.reshape(-1, WORD) for each in given])
    return np.concatenate(inputs), words, np.concatenate(outputs)


def run_rest(head: ItaHead, design: Design, period_ns: float) -> ItaRun:
    """Run the first tile of queries of a head with all its keys on everything but the dot products.

    These gates have no delay: their glitches count as none, in favour of ITA.
    """
    inputs, words, expected = streams(head)
    steps = len(inputs) // TILE // 2 * TILE
    library, flat = design.library, rest(design)
    loads = wire_loads(rest_lengths(design, flat, own_lengths(dot_product(design), library)), library)
    held = {
        "layer": SINGLE_ATTENTION,
        "activation": 0,
        "mult": head.score.mult << 8 * SCORES | head.output.mult << 8 * OUTPUTS,
        "shift": head.score.shift << 8 * SCORES | head.output.shift << 8 * OUTPUTS,
        "tile_s": len(head.k) // TILE,
        **dict.fromkeys(("tile_e", "tile_p", "tile_f"), 1),
        **dict.fromkeys(("add", "gelu_b", "gelu_c", "activation_mult", "activation_shift", "activation_add"), 0),
    }
    case = {
        "inp": [f"{pack_vector(row, 8):x}" for row in inputs],
        "weight": [f"{pack_vector(word, 8):x}" for word in words],
        "starts": [0, steps, 2 * steps],
        "held": held,
        "outputs": len(expected),
        "rows": BLOCK,
        "cycles": LIMIT * len(inputs),
    }
    found, activities = _simulate(build_gates(design, flat, boxes=MODELS), flat, None, "attends", case)
    model = PowerModel(flat, library, box_loads(design), loads)
    phases = {}
    for name, activity in zip(PHASES, activities, strict=True):
        energies: dict[str, Energy] = defaultdict(Energy)
        for path, energy in model.energies(activity, period_ns).items():
            energies[unit_of(path)] += energy
        phases[name] = (activity.cycles, dict(energies))
    return ItaRun(int(np.count_nonzero(found != expected)), len(head.k), phases)


def run_dot_products(head: ItaHead, design: Design, period_ns: float) -> ItaRun:
    """Run the dot products SAMPLED of that tile, with delays; energies, but not cycles, are those of all."""
    inputs, words, _ = streams(head)
    weights = words.reshape(-1, BLOCK, TILE)
    steps = len(inputs) // TILE // 2 * TILE
    done = attention(head)
    tiles = range(0, len(head.k), TILE)
    softmax = [done.weights[:TILE, first : first + TILE] for first in tiles for _ in range(0, TILE, BLOCK)]
    rows = {PHASES[1]: inputs[:steps], PHASES[2]: np.concatenate(softmax)}
    library, flat = design.library, dot_product(design)
    loads = wire_loads(own_lengths(flat, library), library)
    timed = delays(flat, library, loads)
    program = build_gates(design, flat, timed)
    outputs = {port: each for port, each in flat.ports.items() if each[0] == "output"}
    model = PowerModel(replace(flat, ports=outputs), library, wires=loads)  # `run_rest` has what drives the inputs
    mismatches, phases = 0, {}
    for number, (name, row) in enumerate(rows.items()):
        energy, cycles = Energy(), 0
        for sample in SAMPLED:
            column = np.repeat(weights[number * steps // TILE : (number + 1) * steps // TILE, sample], TILE, axis=0)
            case = {
                "inp1_i": [f"{pack_vector(x, 9):x}" for x in row],
                "inp2_i": [f"{pack_vector(x, 8):x}" for x in column],
            }
            found, (activity,) = _simulate(program, flat, timed, "multiplies", case)
            mismatches += int(np.count_nonzero(found != (row * column).sum(axis=1)))
            energy += sum(model.energies(activity, period_ns).values(), Energy())
            cycles += activity.cycles
        scaled = {field.name: getattr(energy, field.name) * ROWS / len(SAMPLED) for field in fields(Energy)}
        phases[name] = (cycles // len(SAMPLED), {DOT_PRODUCTS: Energy(**scaled)})
    return ItaRun(mismatches, len(head.k), phases)


def _simulate(
    program: Path, flat: Flat, timed: Delays | None, coroutine: str, case: Mapping[str, object]
) -> tuple[Int, list[Activity]]:
    """Outputs and activities of a run of a coroutine of `ita_bench`."""
    with (
        tempfile.TemporaryDirectory(dir=build_root()) as scratch,
        counting(program, flat) as (counted_program, counted),
    ):
        run_bench(
            counted_program, "fusioncim_sim.rtl.ita_bench", coroutine, {**case, "out": "out.npz"}, results=Path(scratch)
        )
        with np.load(Path(scratch) / "out.npz") as file:
            found: Int = file["outputs"]
        return found, read_activities(counted, flat.nets, timed)
