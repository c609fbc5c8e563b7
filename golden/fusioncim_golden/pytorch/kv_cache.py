"""A KV cache that is quantized once, when a token is written: integers, and scales of K and V per token and key head.

    stored K = round((K - mean_k) / (f * scale)),   stored V = round((V - mean_v) / (g * scale))

f and g are those of `equalize`, scale is a code of `token_scale` times a unit, rounded up. All but the code are
`Factors`, which are fixed before the first token. They are constants of a key head: q f takes the factor f, q times the
mean key is a constant of a row, g and V's unit are factors of the outputs, and the mean value is a constant of them, so
that all can be folded into the projections of the model. A token that is larger than V's unit allows is clipped.

A stored token is a row of bytes: its operands, 4-bit ones two to a byte with the lower one in the low bits, then the
code in two bytes, the lower one first. An INT4 operand counts as 16 times itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicLayer

from fusioncim_golden.errors import InputError
from fusioncim_golden.pytorch.token_scale import codes_up, scales_of
from fusioncim_golden.quantize import operand_max

OPERAND_BITS = 8
"""Bits of an operand of the engine, of which one of fewer bits is the upper part."""
CODE_BYTES = 2
STORED = torch.int8
"""What tells stored keys and values from those of a model."""


@dataclass(frozen=True)
class Factors:
    """What is fixed of a layer, float64.

    Members:
        mean_k: [key heads, columns], taken off every key.
        mean_v: [key heads, columns of v], taken off every value.
        factor_k: f [key heads, columns].
        factor_v: g [key heads, columns of v].
        unit_k, unit_v: [key heads], of the scales per token.
    """

    mean_k: Tensor
    mean_v: Tensor
    factor_k: Tensor
    factor_v: Tensor
    unit_k: Tensor
    unit_v: Tensor

    @property
    def centred(self) -> bool:
        """Whether a mean value was taken off."""
        return bool(self.mean_v.any())

    def check(self, key: Tensor, value: Tensor) -> None:
        """Refuse keys and values of other heads or columns."""
        for name, x, factor in (("keys", key, self.factor_k), ("values", value, self.factor_v)):
            own, given = tuple(factor.shape), (x.shape[1], x.shape[3])
            if own != given:
                raise InputError(f"{name} must have the key heads and columns of the calibration = {own}, not {given}")


class Format(NamedTuple):
    """Bits of a stored operand, and `Config.token_scale_bits`."""

    bits: int
    token_scale_bits: int

    @property
    def step(self) -> int:
        """What an operand of 1 counts."""
        return 1 << (OPERAND_BITS - self.bits)

    def largest(self) -> int:
        """The largest operand, as it counts."""
        return operand_max(self.bits) * self.step

    def columns(self, size: int) -> int:
        """Columns of a token of so many bytes."""
        return (size - CODE_BYTES) * OPERAND_BITS // self.bits

    def write(self, x: Tensor, unit: Tensor) -> Tensor:
        """Tokens float64 [batch, key heads, tokens, columns] as bytes [batch, key heads, tokens, size]."""
        if x.shape[-1] * self.bits % OPERAND_BITS:
            raise InputError(f"the head dimension of an INT{self.bits} cache must be even, not {x.shape[-1]}")
        unit = unit[:, None]
        codes = codes_up(x.abs().amax(dim=-1) / (self.largest() * unit), self.token_scale_bits)
        scale = scales_of(codes, self.token_scale_bits).value() * unit * self.step
        limit = operand_max(self.bits)
        operands = (x / scale[..., None]).round_().clamp_(-limit, limit).to(torch.int32)
        if self.bits < OPERAND_BITS:
            operands = operands[..., ::2] & (1 << self.bits) - 1 | operands[..., 1::2] << self.bits
        return torch.cat([operands, (codes & 0xFF)[..., None], (codes >> 8)[..., None]], dim=-1).to(STORED)

    def read(self, stored: Tensor) -> tuple[Tensor, Tensor]:
        """Operands as they count, float32 [.., tokens, columns], and codes int32 [.., tokens]."""
        operands, code = stored[..., :-CODE_BYTES], stored[..., -CODE_BYTES:].to(torch.int32) & 0xFF
        if self.bits < OPERAND_BITS:
            operands = torch.stack([operands << self.bits, operands & -self.step], dim=-1).flatten(-2)
        return operands.float(), code[..., 0] | code[..., 1] << 8


def written(form: Format, factors: Factors, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values of a model [batch, key heads, tokens, columns] as they are stored."""
    factors.check(key, value)
    k = (key.double() - factors.mean_k[:, None]) / factors.factor_k[:, None]
    v = (value.double() - factors.mean_v[:, None]) / factors.factor_v[:, None]
    for name, x in (("k", k), ("v", v)):
        if not x.isfinite().all():
            raise InputError(f"{name} must be finite, but it holds {x[~x.isfinite()][0]:g}")
    return form.write(k, factors.unit_k), form.write(v, factors.unit_v)


class WrittenLayer(DynamicLayer):
    """A layer whose tokens are stored when they come, and given as they are stored."""

    supports_early_init = False

    def __init__(self, write: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.write = write

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """All tokens after these new ones."""
        keys, values = super().update(*self.write(key_states, value_states))
        return keys, values


def empty_cache(form: Format, factors: Mapping[int, Factors]) -> Cache:
    """A cache for `past_key_values`; factors by layer."""

    def layer(own: Factors) -> WrittenLayer:
        return WrittenLayer(lambda key, value: written(form, own, key, value))

    return Cache(layers=[layer(factors[n]) for n in sorted(factors)])
