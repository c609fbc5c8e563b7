"""Head dimensions: an engine or a chip takes those up to its columns, the rest of which are zeros.

A product with zeros adds nothing to a score, and a value of zeros gives zeros. The score scale stays that of the head's
own dimension.
"""

from collections.abc import Iterator
from typing import Any

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import RANKS, Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import DIMENSION_STEP

MOST_COLUMNS = 1024


def check_width(name: str, dimension: int, config: Config | ChipConfig) -> None:
    """Refuse heads with more than the columns; name: of their array. The error says how to get as many."""
    columns = engine_of(config).columns
    if dimension > columns:
        raise InputError(
            f"the dimension of {name} must be at most columns = {columns}{_hint(config, dimension)}, not {dimension}"
        )


def engine_of(config: Config | ChipConfig) -> Config:
    """The engine, alone or of a chip."""
    return config.engine if isinstance(config, ChipConfig) else config


def job_dimension(dimension: int) -> int:
    """The dimension that a job of a chip has for such heads: the next multiple of DIMENSION_STEP."""
    return -(-dimension // DIMENSION_STEP) * DIMENSION_STEP


def _hint(config: Config | ChipConfig, columns: int) -> str:
    """Options that make the narrowest engine or chip of at least so many columns, if there are any."""
    for changes in _wider(config, columns):
        try:
            config.override(**changes)
        except InputError:
            continue
        return f" (try {' '.join(f'--set {name}={value}' for name, value in changes.items())})"
    return f" (none has more than {MOST_COLUMNS:,})"


def _wider(config: Config | ChipConfig, least: int) -> Iterator[dict[str, Any]]:
    """Changes to try, the fewest first."""
    engine = engine_of(config)
    ranks = sorted(RANKS, key=lambda rank: (rank != engine.update_rank, -rank))
    for columns in range(-(-least // engine.operand_bits) * engine.operand_bits, MOST_COLUMNS + 1, engine.operand_bits):
        for rank in ranks:
            changes = {"columns": columns} | ({} if rank == engine.update_rank else {"update_rank": rank})
            yield changes
            if isinstance(config, ChipConfig):
                block = 2 * rank * columns * engine.operand_bits // 8
                blocks = max(config.buffer_bytes // block, config.streams, 4)
                fits = {"buffer_bytes": block << (blocks - 1).bit_length()}
                yield changes | fits
                for bits in (128, 256, 512, 1024):
                    yield changes | {"bus_bits": bits}
                    yield changes | fits | {"bus_bits": bits}
