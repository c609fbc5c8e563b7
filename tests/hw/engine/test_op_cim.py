from dataclasses import dataclass
from pathlib import Path

import cocotb
import numpy as np
import pytest

from fusioncim.engine.op_cim import OpCim, column_command_layout, drain_layout, load_layout
from fusioncim_golden.op_cim import update
from fusioncim_golden.presets import preset
from fusioncim_golden.softmax import Update
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import pack, unpack_vector
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run

NARROW = {"accumulator_bits": 16, "flush": 6, "slack": 4, "probability_bits": 8}
CASES = {
    "tiny": {"config": {}, "gaps": "never", "values": "random"},
    "gaps": {"config": {"columns": 32}, "gaps": "between", "values": "random"},
    "gaps between columns": {"config": {}, "gaps": "anywhere", "values": "random"},
    "up to the limits": {"config": {}, "gaps": "never", "values": "extreme"},
    "dropped bits": {"config": NARROW, "gaps": "never", "values": "random"},
    "dropped bits, up to the limits": {"config": NARROW, "gaps": "between", "values": "extreme"},
    "INT4, rank 1, three words": {
        "config": {"rows": 6, "operand_bits": 4, "update_rank": 1, "softmax_lanes": 2, "words": 3, "columns": 8},
        "gaps": "never",
        "values": "random",
    },
    "rank 4, one word, wide probabilities": {
        "config": {"update_rank": 4, "columns": 32, "words": 1, "softmax_lanes": 2, "probability_bits": 12, "slack": 0},
        "gaps": "never",
        "values": "random",
    },
    "INT4, rank 8, no slack": {
        "config": {
            "rows": 4, "operand_bits": 4, "update_rank": 8, "columns": 32, "probability_bits": 6, "slack": 0,
            "accumulator_bits": 16, "flush": 6,
        },
        "gaps": "anywhere",
        "values": "random",
    },
    "two rows leave": {"config": {"drain_rows": 2}, "gaps": "between", "values": "random"},
    "four of twelve rows leave": {
        "config": {"rows": 12, "softmax_lanes": 2, "drain_rows": 4, "words": 3}, "gaps": "never", "values": "random"
    },
}  # fmt: skip


@pytest.mark.parametrize("this", CASES.values(), ids=CASES)
def test_op_cim(this):
    config = preset("tiny").alone().override(**this["config"])
    run(OpCim(config), Path(__file__).stem, "matches_golden", this, path=Path(__file__).parent)


@dataclass
class Slot:
    """A block past one word: cycles of its columns, v [rank, columns], p [rows, rank], updates [rows], O after it."""

    cycles: list[int]
    word: int
    v: np.ndarray
    p: np.ndarray
    kind: np.ndarray
    shift: np.ndarray
    halve: np.ndarray
    o: np.ndarray


def random_update(rng, config, o, v, extreme, first):
    """An update of one row that keeps O [columns] within the accumulator: p, kind, shift, halve, the new O.

    first: O is not defined yet.
    """
    limit = 1 << (config.accumulator_bits - 1)
    for _ in range(8):
        top = (1 << config.probability_bits) - 1
        p = np.full(config.update_rank, top) if extreme else rng.integers(top + 1, size=config.update_rank)
        kind = rng.choice([Update.SKIP, Update.LOAD, Update.ADD, Update.ADD, Update.ADD, Update.RESCALE])
        if kind == Update.SKIP and not first:
            # The row stays still, whatever the other fields are.
            return 0 * p, kind, rng.integers(config.shift_max + 1), int(rng.integers(2)), o
        if kind == Update.RESCALE:
            shift = rng.integers(1, config.accumulator_bits)
        else:
            shift = rng.choice(
                [0, config.slack, config.slack + config.flush, rng.integers(config.slack + config.flush)]
            )
        halve = int(kind == Update.ADD and rng.random() < 0.3)
        if first:
            kind, halve = Update.LOAD, 0
        elif extreme and kind != Update.RESCALE:
            kind, shift, halve = (kind, 0, halve) if rng.random() < 0.1 else (Update.ADD, 0, 0)
        new = update(config, o[None], (p @ v)[None], np.array([kind]), np.array([shift]), np.array([halve], bool))[0]
        if np.abs(new).max() < limit:
            return p, kind, shift, halve, new
    return 0 * p, Update.SKIP, 0, 0, o


def plan(rng, config, this):
    """Slots in order, from cycle 4 on."""
    rank, columns, count = config.update_rank, config.columns, 24 if config.block_cycles > 8 else 60
    low, high = -(1 << (config.operand_bits - 1)), (1 << (config.operand_bits - 1)) - 1
    o = np.zeros((config.words, config.rows, columns), np.int64)
    slots, cycle = [], 4
    for n in range(count):
        if this["gaps"] != "never":
            cycle += int(rng.choice([0, 1, 2, 5, config.rows_per_lane + 4]))
        wait = rng.choice([1, 1, 1, 2, 4], config.block_cycles) if this["gaps"] == "anywhere" else 1
        cycles = cycle + np.cumsum(wait * np.ones(config.block_cycles, int)) - 1
        cycle = int(cycles[-1]) + 1
        first = n < config.words
        word = n if first else int(rng.integers(config.words))
        extreme = this["values"] == "extreme"
        v = rng.integers(low, high + 1, (rank, columns))
        if extreme:  # a column keeps its sign, so that its sum grows to the limit
            v = np.broadcast_to(np.where(np.arange(columns) % 2, low, high), v.shape)
        rows = [random_update(rng, config, o[word, i], v, extreme, first) for i in range(config.rows)]
        p, kind, shift, halve, o[word] = (np.array(field) for field in zip(*rows, strict=True))
        slots.append(Slot(cycles.tolist(), word, v, p, kind, shift, halve, o[word].copy()))
    return slots


def loads(rng, config, slots):
    """The load port of every lane, {cycle: (row of the lane, slot)}: anywhere between the columns of two slots."""
    ports = [{} for _ in range(config.softmax_lanes)]
    free = 0
    for slot in slots:
        for port in ports:
            base = int(rng.integers(free, slot.cycles[0] + 1))
            port.update({base + j: (j, slot) for j in range(config.rows_per_lane)})
        free = slot.cycles[-1] + 1
    return ports


def commands(rng, config, slots, end):
    """The command port, with garbage while it is not enabled."""
    layout, units = column_command_layout(config), config.units
    steps = {n: (slot, step) for slot in slots for step, n in enumerate(slot.cycles)}
    for n in range(end):
        slot, step = steps.get(n, (None, 0))
        values = rng.integers(-4, 4, (config.update_rank, units)) if slot is None else slot.v
        yield pack(
            layout,
            {
                "enable": int(slot is not None),
                "word": slot.word if slot else int(rng.integers(config.words)),
                "column": step if slot else int(rng.integers(config.block_cycles)),
                "value": values[:, step * units : (step + 1) * units].tolist(),
            },
        )


def load_values(rng, config, port, lane, end):
    """One lane's load port, with garbage while it is not enabled."""
    for n in range(end):
        j, slot = port.get(n, (int(rng.integers(config.rows_per_lane)), None))
        i = lane * config.rows_per_lane + j
        fields = {"p": [1] * config.update_rank, "kind": int(rng.integers(4)), "shift": 1, "halve": 1}
        if slot:
            fields = {name: getattr(slot, name)[i].tolist() for name in fields}
        yield pack(load_layout(config), {"enable": int(slot is not None), "row": j, "update": fields})


@cocotb.test()
async def matches_golden(dut):
    this = case()
    config = preset("tiny").alone().override(**this["config"])
    rng = np.random.default_rng(6)
    slots = plan(rng, config, this)
    kinds = np.concatenate([slot.kind for slot in slots])
    assert {int(kind) for kind in kinds} == set(Update)
    assert any(slot.halve[slot.kind == Update.ADD].any() for slot in slots)
    peak = max(np.abs(slot.o).max() for slot in slots)
    assert this["values"] != "extreme" or peak > 0.8 * (1 << (config.accumulator_bits - 1))

    # Reads at random while slots run, but not of a word that accumulates; then every element.
    many = config.drain_rows
    all_elements = [
        (i, w, s) for i in range(0, config.rows, many) for w in range(config.words) for s in range(config.block_cycles)
    ]  # of the first row of a band; the others' are read with them
    full = slots[-1].cycles[-1] + config.rows_per_lane + 4
    end = full + len(all_elements) + 2
    history = {}
    for slot in slots:
        for step, n in enumerate(slot.cycles):
            part = slice(step * config.units, (step + 1) * config.units)
            for i in range(config.rows):
                element, since = (i, slot.word, step), n + i % config.rows_per_lane + 3
                history.setdefault(element, []).append((since, slot.o[i, part].tolist()))
    busy = [set() for _ in range(end)]
    for slot in slots:
        for n in range(slot.cycles[0], slot.cycles[-1] + config.rows_per_lane + 4):
            busy[n].add(slot.word)
    drains = []
    for n in range(full):
        element = all_elements[rng.integers(len(all_elements))]
        rows = int(rng.integers(1, 1 << many))
        drains.append(None if element[1] in busy[n] or rng.random() < 0.2 else (*element, rows))
    drains += [*((*element, (1 << many) - 1) for element in all_elements), None, None]

    inputs = {"command": list(commands(rng, config, slots, end)), "drain": []}
    shows = (rng.random(end) < 0.8) | (np.arange(end) >= full)
    for drain, show in zip(drains, shows.tolist(), strict=True):
        i, w, s, rows = drain or (*all_elements[rng.integers(len(all_elements))], 0)
        fields = {"enable": rows, "band": i // many, "word": w, "column": s, "show": int(show)}
        inputs["drain"].append(pack(drain_layout(config), fields))
    for lane, port in enumerate(loads(rng, config, slots)):
        inputs[f"load__{lane}"] = list(load_values(rng, config, port, lane, end))
    seen = await play(dut, inputs, [f"drain_data__{n}" for n in range(many)])

    compared, expected, shown = 0, [None] * many, None
    for n in range(end):
        if n and shown in busy[n - 1]:  # the bank was read for something else
            expected = [None] * many
        for row, values in enumerate(expected):
            found = seen[f"drain_data__{row}"][n]
            assert shows[n] or found == 0, (n, row)
            if shows[n] and values is not None:
                assert found is not None, (n, row, drains[n - 1])
                assert unpack_vector(found, config.accumulator_bits, config.units) == values, (n, row, drains[n - 1])
                compared += 1
        if drains[n] is not None:
            i, shown, s, rows = drains[n]
            for row in range(many):
                values = [o for since, o in history.get((i + row, shown, s), ()) if since <= n]
                # An element that was never written, or is not read, is undefined.
                expected[row] = values[-1] if values and rows >> row & 1 else None
    assert compared > many * len(all_elements) + 100 * (config.words > 1)
