"""Scales per token as they travel through an engine: the bits of the codes that its lanes use. See the golden one."""

from amaranth.hdl import Cat, Value
from amaranth.lib import data

from fusioncim_golden.config import Config
from fusioncim_golden.token_scale import CODE_BITS, FRACTION_BITS, TOKEN_SHIFT_BITS


def code_layout(config: Config) -> data.StructLayout:
    """A code: fraction f (not where scales are powers of two) and shift e, scale = (128 + f) / 2^(8 + e)."""
    fraction = {"fraction": FRACTION_BITS} if config.token_scale_bits > 1 else {}
    return data.StructLayout({**fraction, "shift": TOKEN_SHIFT_BITS})


def scales_layout(config: Config) -> data.StructLayout:
    """The codes of a token."""
    return data.StructLayout({"key": code_layout(config), "value": code_layout(config)})


def kept_scales(config: Config, word: Value) -> Value:
    """The `scales_layout` of a token's word of 32 bits in memory."""
    size = code_layout(config).size
    end = FRACTION_BITS + TOKEN_SHIFT_BITS
    key, value = word[end - size : end], word[CODE_BITS + end - size : CODE_BITS + end]
    return Cat(key, value)


def scale_members(config: Config) -> dict[str, data.StructLayout | int]:
    """Members of a layout on a chip that has scales per token, none on others.

    scales: the codes; scaled: whether the job has scales, without which the codes mean nothing.
    """
    return {"scales": scales_layout(config), "scaled": 1} if config.token_scale_bits else {}
