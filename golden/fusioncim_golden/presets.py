"""Where a configuration begins: the presets, by name, and files.

A preset is a chip. `ChipConfig.alone` is its engine for commands and studies of one engine.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config, check_choice
from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import MOST_CONFIG_BYTES, read_text

PRESETS: Mapping[str, ChipConfig] = {
    "tiny": ChipConfig(
        engine=Config(rows=8, columns=16, words=2, softmax_lanes=1, update_rank=2),
        engines=2,
        streams=2,
        buffer_bytes=1 << 11,
        bus_bits=64,
    ),
    "small": ChipConfig(
        engine=Config(rows=32, columns=64, words=4, softmax_lanes=4, schedule="folded"),
        engines=4,
        buffer_bytes=1 << 16,
        bus_bits=128,
    ),
    "paper": ChipConfig(
        engine=Config(
            rows=128,
            columns=128,
            words=4,
            softmax_lanes=16,
            update_rank=8,
            probability_bits=7,
            accumulator_bits=23,
            slack=6,
            flush=11,
            schedule="folded",
            drain_rows=2,
        ),
        engines=16,
        streams=8,
        walks=2,
        buffer_bytes=1 << 20,
        bus_bits=512,
        address_bits=40,
    ),
}
"""tiny: seconds under Icarus. small: quick on short jobs. paper: the published 16 engines of 128 x 128 with four words
and 1 MB, and the cheapest numbers that lose nothing measurable (docs/quality.md)."""


def preset(name: str) -> ChipConfig:
    """The preset of that name."""
    check_choice("preset", name, tuple(PRESETS))
    return PRESETS[name]


def read_toml(path: Path) -> dict[str, Any]:
    """The table of a configuration file: an optional `preset` to start from, then any parameter by name."""
    text = read_text("the configuration file", path, MOST_CONFIG_BYTES)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the configuration file is no valid TOML ({error}): {path}") from error
