"""What the arrays of a head must be: checked by their headers before any is read, and then by their values."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config, check_range
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import MAX_SEQUENCES
from fusioncim_golden.quantize import check_float
from fusioncim_sim.heads.arrays import Header
from fusioncim_sim.heads.axes import Axes, Layout, layout_of
from fusioncim_sim.heads.names import BESIDE, PARTS, Named
from fusioncim_sim.heads.widths import check_width

MOST_BYTES = 1 << 32
"""Of all arrays of heads together."""


def check_headers(
    named: Named, headers: Mapping[str, Header], config: Config | ChipConfig | None, axes: Axes | None
) -> Layout:
    """Refuse arrays by their shapes and types; how they are heads."""
    q, k, v = (headers[named.array(part)] for part in PARTS)
    for part, header in zip(PARTS, (q, k, v), strict=True):
        if not (header.is_float or header.is_integer):
            raise InputError(f"{named.array(part)} must be float or integer, not of type {header.type}")
    layout = layout_of(named, q, k, v, axes)
    if config:
        check_width(named.array("q"), q.shape[-1], config)
    if len({each.is_integer for each in (q, k, v)}) > 1:
        raise InputError(f"{named.labels} must be all float or all integer, not {q.type}, {k.type}, {v.type}")
    if "scale" in named.there:
        _check_scale(named.array("scale"), headers[named.array("scale")], q)
    if "range" in named.there:
        _check_range(named.array("range"), headers[named.array("range")], named.array("q"), q)
    if "sequences" in named.there:
        _check_sequences(named, headers[named.array("sequences")], config, layout)
    return layout


def check_bytes(all_named: list[Named], headers: Mapping[str, Header]) -> None:
    """Refuse arrays that are too large together, before any is read."""
    parts = (each.array(part) for each in all_named for part in (*PARTS, *BESIDE) if part in each.there)
    claimed = sum(headers[name].bytes for name in parts)
    if claimed > MOST_BYTES:
        raise InputError(f"the arrays of heads must have at most {MOST_BYTES:,} bytes together, not {claimed:,}")


def _check_scale(name: str, header: Header, q: Header) -> None:
    if q.is_float:
        raise InputError(f"{name} must stand beside integer heads (float heads are quantized), not {q.type}")
    if header.shape != (3,) or not (header.is_float or header.is_integer):
        raise InputError(
            f"{name} must be three positive scales (q, k, v), not of shape {header.shape} and type {header.type}"
        )


def _check_range(name: str, header: Header, of: str, q: Header) -> None:
    if not q.is_float:
        raise InputError(f"{name} must stand beside float heads (integers are as they are), not {q.type}")
    if header.shape != q.shape or not header.is_float:
        raise InputError(f"{name} must be float of the shape of {of} = {q.shape}, not {header.shape} of {header.type}")


def _check_sequences(named: Named, header: Header, config: Config | ChipConfig | None, layout: Layout) -> None:
    name = named.array("sequences")
    if isinstance(config, Config):
        raise InputError(f"the head must be one sequence without --chip, not those of {name}")
    if layout.axes > 2:
        raise InputError(f"{name} must stand beside arrays [tokens, dimension], not beside those of {layout.axes} axes")
    if len(header.shape) != 2 or header.shape[1] != 2 or not header.is_integer:
        raise InputError(f"{name} must be integers [sequences, 2], not of shape {header.shape} and type {header.type}")
    check_range(f"the sequences of {name}", header.shape[0], 1, MAX_SEQUENCES)


def check_operands(name: str, x: NDArray[Any], bits: int) -> None:
    """Refuse floats that are not finite, and integers that are no operands of so many bits."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if x.dtype.kind == "f":
        check_float(name, x)
    elif x.min() < low or x.max() > high:
        worst = x.min() if x.min() < low else x.max()
        raise InputError(f"{name} must be integers from {low} to {high} (operand_bits), not {worst}")


def check_scales(name: str, scales: NDArray[Any]) -> None:
    """Refuse scales of q, k and v that are none."""
    if not np.all(np.isfinite(scales) & (scales > 0)):
        raise InputError(f"{name} must be three positive scales (q, k, v), not {scales.tolist()}")


def check_ranges(name: str, ranges: NDArray[Any], of: str, largest: NDArray[Any]) -> None:
    """Refuse ranges below the largest magnitudes so far, of the array of that name."""
    check_float(name, ranges)
    if not np.all(below := ranges >= largest):
        place = tuple(int(i) for i in np.argwhere(~below)[0])
        raise InputError(
            f"{name} must be at least the largest magnitudes of {of} so far, "
            f"{largest[place]:g} at {place}, not {ranges[place]:g}"
        )


def check_sequences(name: str, sequences: list[list[int]], q: tuple[str, int], k: tuple[str, int]) -> None:
    """Refuse queries and keys of sequences that do not have the tokens of the arrays, each given by name and tokens."""
    least = min(map(min, sequences))
    if least < 1:
        raise InputError(f"{name} must be at least 1, not {least}")
    for n, (array, there) in enumerate((q, k)):
        said = sum(each[n] for each in sequences)
        if said != there:
            raise InputError(f"{name} must have the {there} tokens of {array} together, not {said}")
