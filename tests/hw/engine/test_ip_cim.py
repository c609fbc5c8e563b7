from pathlib import Path

import cocotb
import numpy as np
import pytest

from fusioncim.engine.ip_cim import (
    IpCim,
    plane_command_layout,
    query_write_layout,
    take_layout,
)
from fusioncim_golden.ip_cim import offset_scores, resident
from fusioncim_golden.presets import preset
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import pack, pack_vector, unpack_vector
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run

INT4 = {"operand_bits": 4, "softmax_lanes": 2}
CASES = {
    "without gaps": {"config": {}, "gaps": "never", "operands": "mixed"},
    "gaps between keys": {"config": {}, "gaps": "between", "operands": "mixed"},
    "gaps between planes": {"config": {}, "gaps": "anywhere", "operands": "mixed"},
    "most negative": {"config": {}, "gaps": "between", "operands": "smallest"},
    "one word, one lane per row": {
        "config": {"rows": 3, "columns": 48, "words": 1, "softmax_lanes": 3},
        "gaps": "between",
        "operands": "mixed",
    },
    "INT4, three words": {"config": {**INT4, "words": 3}, "gaps": "never", "operands": "mixed"},
    "INT4, gaps between planes": {"config": {**INT4, "words": 3}, "gaps": "anywhere", "operands": "mixed"},
}
KEYS = 40


@pytest.mark.parametrize("this", CASES.values(), ids=CASES)
def test_ip_cim(this):
    config = preset("tiny").alone().override(**this["config"])
    run(IpCim(config), Path(__file__).stem, "matches_golden", this, path=Path(__file__).parent)


def operand_vectors(rng, config, kind, count):
    """Vectors of operands: one kind, or a mixture of random ones and corners."""
    low, high = -(1 << (config.operand_bits - 1)), (1 << (config.operand_bits - 1)) - 1
    shape = (count, config.columns)
    kinds = {
        "random": rng.integers(low, high + 1, shape),
        "smallest": np.full(shape, low),
        "largest": np.full(shape, high),
        "zeros": np.zeros(shape, np.int64),
        "extremes": rng.choice([low, high], shape),
        "sparse": rng.integers(low, high + 1, shape) * (rng.random(shape) < 0.1),
    }
    if kind != "mixed":
        return kinds[kind]
    return np.stack(list(kinds.values()))[rng.integers(len(kinds), size=count), np.arange(count)]


def key_cycles(rng, config, gaps, start):
    """Cycles of every plane of every key [keys, operand_bits]."""
    wait = np.ones((KEYS, config.operand_bits), np.int64)
    if gaps != "never":
        wait[:, 0] += rng.choice([0, 0, 1, 2, 7, config.rows_per_lane + 8], KEYS)
    if gaps == "anywhere":
        wait += rng.choice([0, 0, 0, 1, 3], wait.shape)
    return start + np.cumsum(wait).reshape(wait.shape)


@cocotb.test()
async def matches_golden(dut):
    this = case()
    config = preset("tiny").alone().override(**this["config"])
    rng = np.random.default_rng(5)
    bits, per_lane = config.operand_bits, config.rows_per_lane
    entries = config.words * config.rows
    keys = operand_vectors(rng, config, this["operands"], KEYS)
    word = rng.integers(config.words, size=KEYS)
    cycle = key_cycles(rng, config, this["gaps"], entries + 1)
    first, last = cycle[:, 0], cycle[:, -1]
    end = int(last[-1]) + config.operand_bits + per_lane + 8
    # The resident word is fetched again when it changes or was written, and sometimes when it was not.
    fetched = np.concatenate([[True], (word[1:] != word[:-1]) | (rng.random(KEYS - 1) < 0.5)])

    # Every word is written first; later, while a key computes, only words that no row multiplies or fetches then.
    busy = np.zeros((end, config.words), bool)
    for n in range(KEYS):
        busy[first[n] - 1 : last[n] + per_lane + 3, word[n]] = True
    writes = {n: (n % config.rows, n // config.rows) for n in range(entries)}
    for n in range(entries, end):
        free = np.flatnonzero(~busy[n])
        if len(free) and rng.random() < 0.3:
            writes[n] = (int(rng.integers(config.rows)), int(rng.choice(free)))
    for n in range(1, KEYS):
        fetched[n] |= any(writes.get(at, (0, None))[1] == word[n] for at in range(last[n - 1], first[n]))
    data = operand_vectors(rng, config, this["operands"], end)

    planes = {int(cycle[n, b]): (n, b) for n in range(KEYS) for b in range(bits)}
    fetches = {int(first[n]) - 1: n for n in range(KEYS) if fetched[n]}
    takes = {int(last[n]) + 3 + j: (j, n) for n in range(KEYS) for j in range(per_lane)}
    command, write, take = [], [], []
    for n in range(end):
        key, b = planes.get(n, (None, None))
        plane = rng.integers(2, size=config.columns) if key is None else keys[key] >> (bits - 1 - b) & 1
        fetch = fetches.get(n)
        fields = {
            "enable": int(key is not None),
            "first": int(rng.integers(2)) if key is None else int(b == 0),
            "plane": pack_vector(plane, 1),
            "read": int(fetch is not None),
            "word": int(rng.integers(config.words) if fetch is None else word[fetch]),
        }
        command.append(pack(plane_command_layout(config), fields))
        row, place = writes.get(n, (int(rng.integers(config.rows)), int(rng.integers(config.words))))
        fields = {"enable": int(n in writes), "row": row, "word": place, "data": pack_vector(data[n], bits)}
        write.append(pack(query_write_layout(config), fields))
        j, key = takes.get(n, (int(rng.integers(per_lane)), None))
        place = int(rng.integers(config.words)) if key is None else int(word[key])
        take.append(pack(take_layout(config), {"enable": int(key is not None), "row": j, "word": place}))
    outputs = [
        *(f"correction__{lane}" for lane in range(config.softmax_lanes)),
        *(f"score__{lane}" for lane in range(config.softmax_lanes)),
    ]
    seen = await play(dut, {"command": command, "write": write, "take": take}, outputs)

    def shown(lane, n):
        return unpack_vector(seen[f"score__{lane}"][n], config.score_bits, 1)[0]

    stored = np.zeros((config.words, config.rows, config.columns), np.int64)
    queries = None
    written, later = 0, 0
    for n in range(KEYS):
        while written < first[n]:
            if written in writes:
                row, place = writes[written]
                later += place != word[n] and written > entries
                stored[place, row] = resident(data[written], bits)
            written += 1
        if fetched[n]:
            queries = stored[word[n]].copy()
        sums, correction = offset_scores(queries, keys[n : n + 1], bits)
        score = queries @ keys[n]
        for i in range(config.rows):
            lane, j = divmod(i, per_lane)
            taken = int(last[n]) + 3 + j
            assert shown(lane, taken) == sums[i, 0], (n, i)
            assert seen[f"correction__{lane}"][taken + 1] == correction[i], (n, i)
            assert shown(lane, taken) - correction[i] == score[i], (n, i)
    for n in set(range(end)) - set(takes):
        assert not any(shown(lane, n) for lane in range(config.softmax_lanes)), n
    assert later > 20 or config.words == 1
