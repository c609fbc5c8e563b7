"""The global buffer alone: keys, values and codes of scales go in with beats of blocks, and come out by vectors."""

from pathlib import Path

import cocotb
import numpy as np
import pytest

from fusioncim.chip.global_buffer import GlobalBuffer
from fusioncim.chip.read_arbiter import ReadKind, read_tag_layout
from fusioncim.engine.kv_buffer import pair_layout
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.limits import TOKEN_SCALE_BYTES
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import pack
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run

SHAPES = [(64, 4, 8), (64, 8, 1), (128, 4, 8), (128, 8, 8), (256, 4, 1), (512, 8, 8)]
"""bus_bits, update_rank, token_scale_bits: codes of a block in several beats, in one, in a part of one."""
BLOCKS = 60
KEPT = {1: 0x780, 8: 0x7FF}
"""Bits of a code that count."""


def shaped(bus_bits, rank, bits, read_ports=1):
    engine = Config(rows=8, columns=64, softmax_lanes=1, update_rank=rank, token_scale_bits=bits)
    size = 4 * 2 * rank * 64
    return ChipConfig(engine=engine, engines=1, streams=1, bus_bits=bus_bits, buffer_bytes=size, read_ports=read_ports)


def member(chip, pair, name):
    """The bits of a member of a pair."""
    field = pair_layout(chip.engine)[name]
    low = field.offset
    return pair[len(pair) - low - field.width : len(pair) - low]


@cocotb.test()
async def shows_the_codes_of_a_vector(dut):
    this = case()
    _, rank, bits = this["shape"]
    chip, rng = shaped(*this["shape"]), np.random.default_rng(5)
    size = TOKEN_SCALE_BYTES * rank
    beats, parts = max(size // chip.bus_bytes, 1), max(chip.bus_bytes // size, 1)
    table, reads = [], []
    for _ in range(BLOCKS):
        entry, part = int(rng.integers(chip.buffer_blocks)), int(rng.integers(parts))
        codes = rng.integers(0, 1 << 32, rank)
        memory = rng.integers(256, size=max(size, chip.bus_bytes), dtype=np.uint8)
        memory[part * size :][:size] = codes.astype("<u4").view(np.uint8)
        for n in range(beats):
            table += [{}] * int(rng.integers(2))
            offset = part * size // chip.alignment if parts > 1 else 0
            tag = {"kind": ReadKind.TOKEN_SCALE, "slot": 0, "row": entry * rank, "last": 0, "offset": offset}
            word = int.from_bytes(memory[n * chip.bus_bytes :][: chip.bus_bytes].tobytes(), "little")
            table.append({"tag": pack(read_tag_layout(chip), tag), "beat": word, "last": int(n == beats - 1)})
        scaled = int(rng.random() < 0.8)
        for row in rng.permutation(rank):
            reads.append((len(table) + 1, int(codes[row]) if scaled else None))
            table += [{"row": entry * rank + int(row), "scaled": scaled}, {}]
    inputs = {
        "scales_valid": [int("tag" in each) for each in table],
        "scales_beat": [each.get("beat", 0) for each in table],
        "beat_tag__0": [each.get("tag", 0) for each in table],
        "beat_last__0": [each.get("last", 0) for each in table],
        "read_enable": [int("row" in each) for each in table],
        "read_row": [each.get("row", 0) for each in table],
        "read_scaled": [each.get("scaled", 0) for each in table],
    }
    seen = await play(dut, inputs, [], bits=["pair"])
    for cycle, word in reads:
        pair = seen["pair"][cycle]
        assert member(chip, pair, "scaled") == str(int(word is not None))
        if word is not None:
            key, value = (word >> at & KEPT[bits] for at in (0, 16))
            width = pair_layout(chip.engine)["scales"].width // 2
            down = 11 - width
            assert int(member(chip, pair, "scales"), 2) == (key >> down | value >> down << width)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape)))
def test_codes_of_blocks(shape):
    run(
        GlobalBuffer(shaped(*shape)),
        Path(__file__).stem,
        "shows_the_codes_of_a_vector",
        {"shape": shape},
        path=Path(__file__).parent,
    )


def half_block(chip, rng, kind, entry, *, last):
    """Cycles in which the vectors of one half of a block come, word by word, and these vectors."""
    rank, count = chip.engine.update_rank, chip.vector_bytes // chip.bus_bytes
    vectors, cycles = [], []
    for row in range(rank):
        words = [int.from_bytes(rng.bytes(chip.bus_bytes), "little") for _ in range(count)]
        vectors.append(sum(word << chip.bus_bits * n for n, word in enumerate(words)))
        for n in range(count):
            cycles += [{}] * int(rng.random() < 0.2)
            tag = {"kind": kind, "slot": 0, "row": entry * rank, "last": int(last), "offset": 0}
            ends = int(n == count - 1)
            noise = [int.from_bytes(rng.bytes(chip.bus_bytes), "little") for _ in range(count)]
            noise[n] = words[n]
            cycles.append(
                {
                    "beat_valid": 1,
                    "beat_tag": pack(read_tag_layout(chip), tag),
                    "words": sum(word << chip.bus_bits * k for k, word in enumerate(noise)),
                    "write": 1 << n,
                    "ends": ends,
                    "beat_last": int(ends and row == rank - 1),
                }
            )
    return cycles, vectors


@cocotb.test()
async def keeps_keys_and_values(dut):
    """Entries are filled anew in any order, and others are read meanwhile; two ports fill a block at the same time."""
    this = case()
    chip, rng = shaped(*this["shape"], this["ports"]), np.random.default_rng(6)
    entries, rank, value_port = chip.buffer_blocks, chip.engine.update_rank, this["ports"] - 1
    table, whole, held, reads = [], [], {}, []
    for _ in range(BLOCKS):
        entry, alone = int(rng.integers(entries)), bool(rng.random() < 0.3)
        keys, key = half_block(chip, rng, ReadKind.KEY, entry, last=alone or value_port)
        values, value = ([], key) if alone else half_block(chip, rng, ReadKind.VALUE, entry, last=True)
        others = [n for n in held if n != entry]
        length = len(keys) + len(values) if not value_port else max(len(keys), len(values))
        cycles = [{"keys_alone": int(alone and value_port)} for _ in range(length)]
        for port, begin, half in ((0, 0, keys), (value_port, 0 if value_port else len(keys), values)):
            for n, each in enumerate(half, begin):
                cycles[n] |= {f"{name}__{port}": x for name, x in each.items()}
        for n, each in enumerate(cycles):
            if others and rng.random() < 0.5:
                seen, row = int(rng.choice(others)), int(rng.integers(rank))
                each |= {"read_enable": 1, "read_row": seen * rank + row, "read_shared": int(held[seen][2])}
                reads.append((len(table) + n + 1, held[seen][0][row], held[seen][1][row]))
        whole.append(len(table) + length - 1)
        held[entry] = (key, value, alone)
        table += cycles
    table.append({})
    ports = [f"{name}__{n}" for name in keys[-1] for n in range(value_port + 1)]
    names = [*ports, "read_enable", "read_row", "read_shared", "keys_alone"]
    inputs = {name: [each.get(name, 0) for each in table] for name in names}
    seen = await play(dut, inputs, ["written"], bits=["pair"])
    assert seen["written"] == [int(n in whole) for n in range(len(table))]
    for cycle, key, value in reads:
        pair = seen["pair"][cycle]
        assert (int(member(chip, pair, "key"), 2), int(member(chip, pair, "value"), 2)) == (key, value), cycle


@pytest.mark.parametrize("ports", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape)))
def test_keys_and_values(shape, ports):
    run(
        GlobalBuffer(shaped(*shape, ports)),
        Path(__file__).stem,
        "keeps_keys_and_values",
        {"shape": shape, "ports": ports},
        path=Path(__file__).parent,
    )
