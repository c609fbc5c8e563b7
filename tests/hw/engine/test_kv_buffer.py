from pathlib import Path

import cocotb
import numpy as np
import pytest

from fusioncim.engine.kv_buffer import (
    BitPlanes,
    KvBuffer,
    ValueColumns,
    VectorRing,
    kv_signature,
    pair_layout,
    ring_blocks,
    ring_depth,
)
from fusioncim.engine.token_scale import scale_members
from fusioncim_golden.presets import preset
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import pack_vector
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.rtl.stream import STALLS

CONFIGS = {
    "tiny": {},
    "rank 1 INT4": {"operand_bits": 4, "update_rank": 1, "softmax_lanes": 2},
    "rank 8 INT4": {"operand_bits": 4, "update_rank": 8, "columns": 32, "softmax_lanes": 2},
}
SCALED = {
    "scales": {"token_scale_bits": 8, "update_rank": 4, "columns": 32},
    "powers of two": {"token_scale_bits": 1, "update_rank": 4, "columns": 32},
    "scales, rank 1": {"token_scale_bits": 8, "update_rank": 1},
}
# Configuration; stall patterns of the source, of the claims and of the releases; what the ring runs into.
RINGS = {
    "stream": ("tiny", ("never", "never", "never"), "neither"),
    "slow source": ("tiny", ("mostly", "never", "never"), "empty"),
    "slow claim": ("tiny", ("never", "mostly", "never"), "full"),
    "slow release": ("rank 1 INT4", ("never", "never", "mostly"), "full"),
    "all random": ("rank 1 INT4", ("randomly", "randomly", "randomly"), "neither"),
    "bursts": ("rank 8 INT4", ("bursts", "bursts", "bursts"), "full"),
}


def launch(unit, coroutine, this, **parameters):
    config = preset("tiny").alone().override(**this["config"])
    run(unit(config, **parameters), Path(__file__).stem, coroutine, this, path=Path(__file__).parent)


@pytest.mark.parametrize("whole", [False, True], ids=["vectors", "blocks"])
@pytest.mark.parametrize(("config", "stalls", "runs"), RINGS.values(), ids=RINGS)
def test_vector_ring(config, stalls, runs, whole):
    banks = preset("tiny").alone().override(**CONFIGS[config]).update_rank if whole else 1
    this = {"config": CONFIGS[config], "stalls": stalls, "runs": runs, "banks": banks}
    launch(VectorRing, "keeps_vectors_until_released", this, banks=banks)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_bit_planes(config):
    launch(BitPlanes, "gives_planes_of_vectors", {"config": config})


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_value_columns(config):
    launch(ValueColumns, "gives_columns_of_vectors", {"config": config})


@pytest.mark.parametrize("config", [*CONFIGS.values(), *SCALED.values()], ids=[*CONFIGS, *SCALED])
def test_kv_buffer(config):
    launch(KvBuffer, "serves_blocks", {"config": config})


@cocotb.test()
async def keeps_vectors_until_released(dut):
    this = case()
    config = preset("tiny").alone().override(**this["config"])
    rng = np.random.default_rng(2)
    depth, rank, size = ring_depth(config), config.update_rank, config.columns * config.operand_bits
    banks = this["banks"]
    source, claims, releases = (STALLS[name](seed) for seed, name in enumerate(this["stalls"]))
    names = ("i__valid", "i__payload", "claim", "release", "read_enable", "read_address")
    rows, expected = [], []
    vectors, offered = {}, None
    taken = claimed = released = 0
    shown, full, empty = [None] * banks, 0, 0
    for _ in range(1200):
        ready, available = taken - released * rank < depth, taken - claimed * rank >= rank
        expected.append((ready, available, shown))
        full, empty = full + (not ready), empty + (taken == released * rank)
        if offered is None and not source():
            offered = int.from_bytes(rng.bytes(size // 8), "little")
        claim = bool(available and not claims())
        release = bool(claimed > released and not releases())
        read = None
        if taken > released * rank and rng.random() < 0.8:
            read = int(rng.integers(released * rank, taken)) // banks
            shown = [vectors.get(read * banks + n) for n in range(banks)]
        garbage = int.from_bytes(rng.bytes(size // 8), "little")
        rows.append(
            (
                int(offered is not None),
                garbage if offered is None else offered,
                int(claim),
                int(release),
                int(read is not None),
                int(rng.integers(depth // banks)) if read is None else read % (depth // banks),
            )
        )
        if offered is not None and ready:
            vectors[taken] = offered
            taken, offered = taken + 1, None
        claimed, released = claimed + claim, released + release
    inputs = {name: [row[n] for row in rows] for n, name in enumerate(names)}
    seen = await play(dut, inputs, ["i__ready", "available", *(f"read_data__{n}" for n in range(banks))])

    compared = 0
    for n, (ready, available, shown) in enumerate(expected):
        assert (seen["i__ready"][n], seen["available"][n]) == (ready, available), n
        for bank, vector in enumerate(shown):
            if vector is not None:
                assert seen[f"read_data__{bank}"][n] == vector, n
                compared += 1
    assert compared > 1000
    assert released > 2 * ring_blocks(config)
    assert {"full": full, "empty": empty, "neither": 1200 - full - empty}[this["runs"]] > 20


@cocotb.test()
async def gives_planes_of_vectors(dut):
    config = preset("tiny").alone().override(**case()["config"])
    rng = np.random.default_rng(3)
    bits = config.operand_bits
    x = rng.integers(-(1 << bits - 1), 1 << bits - 1, (40, config.columns))
    x[0], x[1] = -(1 << bits - 1), (1 << bits - 1) - 1
    planes = (x[:, None] >> np.arange(bits)[::-1, None]) & 1
    inputs = {
        "vector": [pack_vector(vector, bits) for vector in x for _ in range(bits)],
        "index": [index for _ in x for index in range(bits)],
    }
    seen = await play(dut, inputs, ["plane"])
    assert seen["plane"] == [pack_vector(plane, 1) for plane in planes.reshape(-1, config.columns)]
    assert len(seen["plane"]) == 40 * bits


@cocotb.test()
async def gives_columns_of_vectors(dut):
    config = preset("tiny").alone().override(**case()["config"])
    rng = np.random.default_rng(4)
    cycles, rank, width = 300, config.update_rank, config.units * config.operand_bits
    column = rng.integers(config.block_cycles, size=cycles)
    x = rng.integers(-(1 << config.operand_bits - 1), 1 << config.operand_bits - 1, (rank, cycles, config.columns))
    vectors = [[pack_vector(vector, config.operand_bits) for vector in bank] for bank in x]
    inputs = {f"vector__{n}": vectors[n] for n in range(rank)}
    seen = await play(dut, {**inputs, "column": column.tolist()}, [f"value__{n}" for n in range(rank)])
    for cycle in range(cycles):
        for n in range(rank):
            value = vectors[n][cycle] >> (int(column[cycle]) * width) & ((1 << width) - 1)
            assert seen[f"value__{n}"][cycle] == value, (cycle, n)


@cocotb.test()
async def serves_blocks(dut):
    """Fill and empty the buffer over and over; the first block waits until its neighbours are there."""
    config = preset("tiny").alone().override(**case()["config"])
    rng = np.random.default_rng(5)
    bits, rank, width = config.operand_bits, config.update_rank, config.units * config.operand_bits
    pair, blocks = pair_layout(config), ring_blocks(config)
    idle = {"i__valid": 0, "i__payload": 0} | {f"kv__{name}": 0 for name in kv_signature(config).members}
    for name in ("available", *scale_members(config)):
        del idle[f"kv__{name}"]
    rows, expected = [], []
    stored = []  # keys, values and scales of every block, all but the keys as integers

    def cycle(shows=(), **fields):
        """One cycle with these inputs, everything else 0; what outputs show in it."""
        expected.extend((len(rows), port, value) for port, value in dict(shows).items())
        rows.append({**idle, **fields})

    def enter():
        """The pairs of another block enter; it is there with its last pair."""
        waits = len(stored) > served
        x = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), (2, rank, config.columns))
        above = rng.integers(1 << sum(pair[name].width for name in scale_members(config)), size=rank).tolist()
        stored.append((x[0], [pack_vector(vector, bits) for vector in x[1]], above))
        for key, value, scales in zip(x[0], stored[-1][1], above, strict=True):
            word = pack_vector(key, bits) << pair["key"].offset | value << pair["value"].offset
            word |= scales << 2 * pair["key"].width
            cycle({"kv__available": int(waits), "i__ready": 1}, i__valid=1, i__payload=word)

    def serve(block):
        """Claim and read a block."""
        keys, values, above = stored[block]
        place = block % blocks * rank
        cycle({"kv__available": 1}, kv__claim=1)
        for n in range(rank):
            cycle(kv__keys_enable=1, kv__keys_address=place + n)
            shows = {}
            if config.token_scale_bits:  # the codes mean nothing without the bit above them
                size = pair["scales"].width
                scaled = above[n] >> size
                shows = {"kv__scales": (above[n] & ((1 << size) - 1)) * scaled, "kv__scaled": scaled}
            for b in range(bits):
                cycle({"plane": pack_vector(keys[n] >> (bits - 1 - b) & 1, 1), **shows}, kv__plane_index=b)
        cycle(kv__values_enable=1, kv__values_address=block % blocks)
        for step in range(config.block_cycles):
            shows = {f"value__{n}": values[n] >> (step * width) & ((1 << width) - 1) for n in range(rank)}
            cycle(shows, kv__value_column=step)

    served = 0
    for fill in (1, blocks, 2, blocks):
        while len(stored) - served < fill:
            enter()
        for _ in range(fill):
            # Nothing enters a full buffer: no key while a value has no room, and no value while a key has none.
            full = int(len(stored) - served == blocks)
            shows = {"i__ready": 1 - full}
            cycle({"kv__available": 1, **shows}, i__valid=full, i__payload=1)
            serve(served)
            first, second = ("values", "keys") if served % 4 == 3 else ("keys", "values")
            cycle(shows, **{f"kv__{first}_release": 1})
            cycle(shows, i__valid=full, i__payload=1)
            cycle(shows, **{f"kv__{second}_release": 1})
            served += 1
            cycle({"kv__available": int(len(stored) > served), "i__ready": 1})
    assert served == len(stored) == 3 + 2 * blocks
    outputs = ["i__ready", "kv__available", "plane", *(f"value__{n}" for n in range(rank))]
    outputs += [f"kv__{name}" for name in scale_members(config)]
    seen = await play(dut, {name: [row[name] for row in rows] for name in idle}, outputs)
    for n, port, value in expected:
        assert seen[port][n] == value, (n, port)
    assert len(expected) > served * rank * (2 + bits + config.block_cycles)
