"""A tile of queries of a head on dot products of the mapped ITA: products compared bit by bit, energy by phase.

64 queries stay at the input while 16 keys, or 16 columns of values, stay in the weight buffer for 64 cycles. First come
all scores of the tile, which leave, and then come back for the outputs, as in its own test bench.
"""

import tempfile
from collections.abc import Mapping
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
from fusioncim_sim.rtl.packing import pack_vector
from fusioncim_sim.rtl.runner import run_bench
from fusioncim_sim.studies.ita.model import BLOCK, ItaHead, attention
from fusioncim_sim.studies.ita.names import DOT_PRODUCTS
from fusioncim_sim.studies.ita.sample import SAMPLED, dot_product, own_lengths, wire_loads

TILE = 64
"""Queries of a tile, keys of a tile, columns of a head."""
WORD = 16
"""Bytes of weights that come in a cycle."""
PHASES = ("scores", "outputs")
"""Of a tile: all scores, then all outputs."""


@dataclass(frozen=True)
class ItaRun:
    """A run.

    Members:
        mismatches: products that are wrong.
        keys: of the head.
        phases: cycles and energies by unit of each of PHASES.
    """

    mismatches: int
    keys: int
    phases: Mapping[str, tuple[int, Mapping[str, Energy]]]


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


def run_dot_products(head: ItaHead, design: Design, period_ns: float) -> ItaRun:
    """Run the dot products SAMPLED of that tile, with delays; energies, but not cycles, are those of all."""
    inputs, words, _ = streams(head)
    weights = words.reshape(-1, BLOCK, TILE)
    steps = len(inputs) // TILE // 2 * TILE
    done = attention(head)
    tiles = range(0, len(head.k), TILE)
    softmax = [done.weights[:TILE, first : first + TILE] for first in tiles for _ in range(0, TILE, BLOCK)]
    rows = {PHASES[0]: inputs[:steps], PHASES[1]: np.concatenate(softmax)}
    library, flat = design.library, dot_product(design)
    loads = wire_loads(own_lengths(flat, library), library)
    timed = delays(flat, library, loads)
    program = build_gates(design, flat, timed)
    outputs = {port: each for port, each in flat.ports.items() if each[0] == "output"}
    model = PowerModel(replace(flat, ports=outputs), library, wires=loads)  # what drives the inputs is no part of it
    mismatches, phases = 0, {}
    for number, (name, row) in enumerate(rows.items()):
        energy, cycles = Energy(), 0
        for sample in SAMPLED:
            column = np.repeat(weights[number * steps // TILE : (number + 1) * steps // TILE, sample], TILE, axis=0)
            case = {
                "inp1_i": [f"{pack_vector(x, 9):x}" for x in row],
                "inp2_i": [f"{pack_vector(x, 8):x}" for x in column],
            }
            found, activity = _simulate(program, flat, timed, case)
            mismatches += int(np.count_nonzero(found != (row * column).sum(axis=1)))
            energy += sum(model.energies(activity, period_ns).values(), Energy())
            cycles += activity.cycles
        scaled = {field.name: getattr(energy, field.name) * ROWS / len(SAMPLED) for field in fields(Energy)}
        phases[name] = (cycles // len(SAMPLED), {DOT_PRODUCTS: Energy(**scaled)})
    return ItaRun(mismatches, len(head.k), phases)


def _simulate(program: Path, flat: Flat, timed: Delays, case: Mapping[str, object]) -> tuple[Int, Activity]:
    """Products of a run, and its activity."""
    with (
        tempfile.TemporaryDirectory(dir=build_root()) as scratch,
        counting(program, flat) as (counted_program, counted),
    ):
        this = {**case, "out": "out.npz"}
        run_bench(counted_program, "fusioncim_sim.rtl.ita_bench", "multiplies", this, results=Path(scratch))
        with np.load(Path(scratch) / "out.npz") as file:
            found: Int = file["outputs"]
        (activity,) = read_activities(counted, flat.nets, timed)
        return found, activity
