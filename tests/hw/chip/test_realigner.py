"""The realigner alone: random vectors of random jobs at every place, against the bytes in memory."""

from pathlib import Path

import cocotb
import numpy as np
import pytest

from fusioncim.chip.axi import memory_beat_layout
from fusioncim.chip.job_table import SLOTS
from fusioncim.chip.read_arbiter import ReadKind, read_tag_layout
from fusioncim.chip.realigner import VECTORS, Realigner
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import pack
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run

SHAPES = [(64, 8, 16), (64, 8, 8), (64, 4, 32), (128, 8, 64), (128, 4, 64), (256, 8, 64), (256, 4, 64), (512, 8, 128)]
SHAPES += [(512, 8, 64), (512, 4, 256), (1024, 8, 256), (1024, 8, 128), (1024, 4, 256)]
"""bus_bits, operand_bits, columns: one word in a vector and several, one place in a beat and several."""
REQUESTS = 400


def shaped(bus_bits, operand_bits, columns):
    engine = Config(operand_bits=operand_bits, columns=columns, update_rank=1, rows=4, softmax_lanes=4, output_bits=8)
    return ChipConfig(
        engine=engine, engines=1, bus_bits=bus_bits, buffer_bytes=8 * columns * operand_bits // 8 * engine.update_rank
    )


def beats_of(chip, rng, dimensions, value_dimensions, packed):
    """Beats of random requests, with pauses: (beat or None, (vector that ends or None, whether it is packed))."""
    size = chip.bus_bytes
    for n in range(REQUESTS):
        slot = int(rng.integers(SLOTS))
        kind = ReadKind(int(rng.choice([ReadKind.SCALE, ReadKind.TABLE, *VECTORS * 3])))
        bits = 4 if packed[slot] and kind != ReadKind.QUERY else chip.engine.operand_bits
        length = (value_dimensions if kind == ReadKind.VALUE else dimensions)[slot] * bits // 8
        offset = int(rng.integers(size // chip.alignment)) if rng.random() < 0.7 else 0
        begin = offset * chip.alignment
        vectors = int(rng.integers(1, 4)) if not begin and length % size == 0 else 1
        beats = -(-(begin + vectors * length) // size)
        if kind not in VECTORS:
            beats = int(rng.integers(1, 4))
        memory = rng.integers(256, size=beats * size, dtype=np.uint8)
        wanted = [memory[begin + k * length :][:length].tobytes() for k in range(vectors)]
        for k in range(beats):
            while rng.random() < 0.2 * (n % 2):
                yield None, (None, False)
            tag = {"kind": kind, "slot": slot, "row": 0, "last": 0, "offset": offset}
            word = int.from_bytes(memory[k * size :][:size].tobytes(), "little")
            beat = {"data": word, "tag": tag, "last": int(k == beats - 1), "error": 0}
            whole, rest = divmod((k + 1) * size, length)  # vectors that have come, were they all in whole beats
            ends = kind in VECTORS and (k == beats - 1 or (vectors > 1 and rest == 0))
            done = wanted[whole - 1 if vectors > 1 else 0] if ends else None
            halves = bits < chip.engine.operand_bits
            yield pack(memory_beat_layout(chip, read_tag_layout(chip)), beat), (done, halves)


@cocotb.test()
async def puts_vectors_together(dut):
    this = case()
    chip = shaped(*this["shape"])
    rng = np.random.default_rng(this["seed"])
    most = chip.engine.columns
    dimensions = [most, 8, max(most - 8, 8), 8 * int(rng.integers(1, most // 8 + 1))]
    assert len(dimensions) == SLOTS
    value_dimensions = [dimensions[n] for n in (0, 3, 1, 2)]
    packed = [int(chip.packs and n != 3) for n in range(SLOTS)]
    table = [(None, (None, False))] * SLOTS + list(beats_of(chip, rng, dimensions, value_dimensions, packed))
    slots = [*range(SLOTS), *[0] * (len(table) - SLOTS)]
    inputs = {
        "slot": slots,
        "dimension": [dimensions[slot] for slot in slots],
        "value_dimension": [value_dimensions[slot] for slot in slots],
        "packed": [packed[slot] for slot in slots],
        "beat_valid": [int(beat is not None) for beat, _ in table],
        "beat": [beat or 0 for beat, _ in table],
    }
    seen = await play(dut, inputs, ["words", "write", "ends", "halves"])
    count, held, vectors = chip.vector_bytes // chip.bus_bytes, {}, 0
    for (beat, (done, halves)), words, write, ends, says in zip(table, *seen.values(), strict=True):
        if beat is None:
            assert (write, ends) == (0, 0)
            continue
        parts = words.to_bytes(chip.vector_bytes, "little")
        for n in range(count):
            if write >> n & 1:
                held[n] = parts[n * chip.bus_bytes :][: chip.bus_bytes]
        assert ends == (done is not None)
        if chip.packs and done is not None:
            assert says == halves
        if done is not None:
            assert b"".join(held.pop(n) for n in range(count)) == done.ljust(chip.vector_bytes, b"\0")
            assert not held
            vectors += 1
    assert vectors > REQUESTS // 2


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape)))
def test_vectors_are_put_together_with_zeros_behind(shape):
    this = {"shape": shape, "seed": 7}
    run(Realigner(shaped(*shape)), Path(__file__).stem, "puts_vectors_together", this, path=Path(__file__).parent)
