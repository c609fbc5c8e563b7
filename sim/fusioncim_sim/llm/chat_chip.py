"""The chip that speaks unless another one is named: one that is quick to compile and to simulate."""

from collections.abc import Mapping

from fusioncim_golden.presets import PRESETS

SCALES: Mapping[str, int] = {"token_scale_bits": 8}
"""What a chip must have for a cache that is quantized token by token. No preset has it."""
QUICK: Mapping[str, int] = {"rows": 8, "softmax_lanes": 1, "engines": 1, "streams": 1, **SCALES}
"""Changes of the preset `small`. A decoding step has a few rows per key head: more of them would only be simulated."""
CHAT_CHIP = PRESETS["small"].override(**QUICK)
