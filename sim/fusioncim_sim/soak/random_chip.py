"""Draws a small legal chip: every parameter from its whole range, as far as a chip of seconds allows."""

from collections.abc import Sequence
from typing import TypeVar

from numpy.random import Generator

from fusioncim_golden.chip_config import TOKEN_SCALE_RANKS, ChipConfig
from fusioncim_golden.config import DRAIN_ROWS, RANKS, Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.key_order import ORDERS

MOST_CELLS = 512
"""Rows times columns of all engines together: compiled in a minute, ten thousands of cycles a second."""
MOST_BITS = 2048
"""The same times the words of a row: the banks."""
TRIES = 100_000
T = TypeVar("T")


def random_chip(rng: Generator) -> ChipConfig:
    """A chip that `ChipConfig` accepts, of at most MOST_CELLS."""
    for _ in range(TRIES):
        try:
            chip = _drawn(rng)
        except InputError:
            continue
        if cells(chip) <= MOST_CELLS and cells(chip) * chip.engine.words <= MOST_BITS:
            return chip
    raise AssertionError


def cells(chip: ChipConfig) -> int:
    """Rows times columns of all engines."""
    return chip.engines * chip.engine.rows * chip.engine.columns


def _drawn(rng: Generator) -> ChipConfig:
    """A chip, or an error where what was drawn does not go together."""
    bits = pick(rng, (8, 8, 4))
    rank = pick(rng, RANKS)
    tokens = pick(rng, (0, 0, 1, 8)) if rank in TOKEN_SCALE_RANKS else 0
    rows = pick(rng, (1, 2, 3, 4, 4, 6, 8, 8, 12, 16))
    step = rank * bits
    columns = step * pick(rng, (1, 1, 2, 2, 3, 4))
    fraction = int(rng.integers(4, 11))
    engine = Config(
        rows=rows,
        columns=columns,
        words=pick(rng, (1, 2, 2, 3, 4, 4, 8)),
        operand_bits=bits,
        probability_bits=int(rng.integers(6, 13)),
        accumulator_bits=int(rng.integers(16, 33)),
        fraction_bits=fraction,
        lut_size=1 << int(rng.integers(3, fraction + 1)),
        softmax_lanes=pick(rng, [n for n in range(1, rows + 1) if rows % n == 0]),
        update_rank=rank,
        slack=int(rng.integers(0, 7)),
        seed=bool(rng.random() < 0.4),
        flush=int(rng.integers(1, 21)),
        schedule=pick(rng, (*ORDERS, "folded")),
        output_bits=pick(rng, (8, 16, 16)),
        drain_rows=pick(rng, DRAIN_ROWS),
        token_scale_bits=tokens,
        alibi=bool(rng.random() < 0.4),
    )
    engines = pick(rng, (1, 2, 2, 4, 4, 8))
    block = 2 * rank * columns * bits // 8
    return ChipConfig(
        engine=engine,
        engines=engines,
        streams=int(rng.integers(1, engines + 1)),
        walks=pick(rng, (1, 2)),
        buffer_bytes=block << int(rng.integers(2, 7)),
        bus_bits=pick(rng, (64, 64, 128, 128, 256, 512, 1024)),
        read_ports=pick(rng, (1, 1, 2)),
        address_bits=pick(rng, (32, 32, 33, 40, 48, 57, 64)),
    )


def pick(rng: Generator, choices: Sequence[T]) -> T:
    """One of these."""
    return choices[int(rng.integers(len(choices)))]
