"""A tile of queries of a head on the mapped netlist of ITA: outputs compared bit by bit, energy by phase and unit.

64 queries stay at the input while 16 keys, or 16 columns of values, stay in the weight buffer for 64 cycles. First come
all scores of the tile, which leave, and then come back for the outputs, as in its own test bench.
"""

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fusioncim.asic.cells.table_lookup import Floats
from fusioncim.asic.delays import delays
from fusioncim.asic.power.power import Energy, PowerModel
from fusioncim.build.cache import build_root
from fusioncim_golden.arith import Int
from fusioncim_sim.gates.gate_level import build_gates, counting, read_activities
from fusioncim_sim.rtl.ita_bench import PHASES
from fusioncim_sim.rtl.runner import run_bench
from fusioncim_sim.rtl.stream import pack_vector
from fusioncim_sim.studies.ita.model import BLOCK, ItaHead, attention
from fusioncim_sim.studies.ita.sample import MODEL, SHARE, Sample, wire_loads

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
UNITS: Mapping[str, str] = {
    "i_ita.i_sumdotp": "dot products",
    "i_ita.i_softmax_top": "softmax",
    "i_ita.i_weight_buffer": "weight buffer",
    "i_ita.i_accumulator": "accumulator",
    "i_ita.i_requantizer": "requantizer",
    "i_ita.i_activation": "GELU and ReLU",
    "i_ita.i_controller": "controller",
}
"""Units by their instance in the top; all else is REST."""
REST = "registers, FIFO, streams"


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


def times(energy: Energy, count: int) -> Energy:
    """So many of it."""
    return sum([energy] * count, Energy())


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


def run_head(head: ItaHead, sample: Sample, wires: Floats, period_ns: float) -> ItaRun:
    """Run the first tile of queries of a head with all its keys, on gates with delays; wires: see `wire_lengths`."""
    inputs, words, expected = streams(head)
    steps = len(inputs) // TILE // 2 * TILE
    flat, library = sample.flat, sample.design.library
    loads = wire_loads(wires, library)
    timed = delays(flat, library, loads, sample.netlists)
    held = {
        "layer": SINGLE_ATTENTION,
        "activation": 0,
        "mult": head.score.mult << 8 * SCORES | head.output.mult << 8 * OUTPUTS,
        "shift": head.score.shift << 8 * SCORES | head.output.shift << 8 * OUTPUTS,
        "tile_s": len(head.k) // TILE,
        **dict.fromkeys(("tile_e", "tile_p", "tile_f"), 1),
        **dict.fromkeys(("add", "gelu_b", "gelu_c", "activation_mult", "activation_shift", "activation_add"), 0),
    }
    with (
        tempfile.TemporaryDirectory(dir=build_root()) as scratch,
        counting(build_gates(sample.design, flat, timed, MODEL), flat) as (program, counted),
    ):
        case = {
            "inp": [f"{pack_vector(row, 8):x}" for row in inputs],
            "weight": [f"{pack_vector(word, 8):x}" for word in words],
            "starts": [0, steps, 2 * steps],
            "held": held,
            "outputs": len(expected),
            "rows": BLOCK,
            "cycles": LIMIT * len(inputs),
            "out": "out.npz",
        }
        run_bench(program, "fusioncim_sim.rtl.ita_bench", "attends", case, results=Path(scratch))
        with np.load(Path(scratch) / "out.npz") as file:
            found = file["outputs"]
        activities = dict(zip(PHASES, read_activities(counted, flat.nets, timed), strict=True))
    model = PowerModel(flat, library, sample.box_loads, loads)
    phases = {}
    for name, activity in activities.items():
        energies: dict[str, Energy] = defaultdict(Energy)
        for path, energy in model.energies(activity, period_ns).items():
            energies[unit_of(path)] += energy if len(path) < 2 else times(energy, SHARE)
        phases[name] = (activity.cycles, dict(energies))
    return ItaRun(int(np.count_nonzero(found != expected)), len(head.k), phases)
