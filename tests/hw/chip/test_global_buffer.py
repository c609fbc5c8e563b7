"""Scales of tokens in the global buffer: beats of blocks in, the codes of the vector that is read out."""

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


def shaped(bus_bits, rank, bits):
    engine = Config(rows=8, columns=64, softmax_lanes=1, update_rank=rank, token_scale_bits=bits)
    return ChipConfig(engine=engine, engines=1, streams=1, bus_bits=bus_bits, buffer_bytes=4 * 2 * rank * 64)


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
    fields = pair_layout(chip.engine)

    def member(pair, name):
        field = fields[name]
        low = field.offset
        return pair[len(pair) - low - field.width : len(pair) - low]

    for cycle, word in reads:
        pair = seen["pair"][cycle]
        assert member(pair, "scaled") == str(int(word is not None))
        if word is not None:
            key, value = (word >> at & KEPT[bits] for at in (0, 16))
            width = fields["scales"].width // 2
            down = 11 - width
            assert int(member(pair, "scales"), 2) == (key >> down | value >> down << width)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape)))
def test_codes_of_blocks(shape):
    run(
        GlobalBuffer(shaped(*shape)),
        Path(__file__).stem,
        "shows_the_codes_of_a_vector",
        {"shape": shape},
        path=Path(__file__).parent,
    )
