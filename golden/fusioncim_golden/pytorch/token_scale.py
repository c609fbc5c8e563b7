"""Scales per token of K and V in a batch: codes as of `fusioncim_golden.token_scale`."""

from typing import NamedTuple

import torch
from torch import Tensor

from fusioncim_golden.scale_table import LEAST_MANTISSA
from fusioncim_golden.token_scale import FRACTION_BITS, LEAST_SHIFT, MOST_E


class KeyScales(NamedTuple):
    """Mantissas 128 + f and shifts e of keys, int32 tensors of one shape; scale = mantissa / 2^(8 + e)."""

    mantissa: Tensor
    shift: Tensor

    def value(self) -> Tensor:
        """The scales as float64."""
        return self.mantissa * torch.exp2(-(self.shift.double() + LEAST_SHIFT))


def scales_of(codes: Tensor, bits: int) -> KeyScales:
    """What codes say; bits: `Config.token_scale_bits`."""
    codes = codes.to(torch.int32)
    fraction = codes & (LEAST_MANTISSA - 1) if bits > 1 else torch.zeros_like(codes)
    return KeyScales(LEAST_MANTISSA + fraction, codes >> FRACTION_BITS & MOST_E)


def codes_up(scales: Tensor, bits: int) -> Tensor:
    """The codes of the least scales that are at least these, int32; of the largest one where none is.

    scales: float64 >= 0, relative to the unit.
    """
    fraction, exponent = torch.frexp(scales)
    steps = LEAST_MANTISSA if bits > 1 else 1
    above = (fraction * (2 * steps)).ceil_().to(torch.int32) - steps  # 0 to steps, below 0 for a scale of 0
    e = torch.where(scales > 0, -exponent - (above == steps).to(torch.int32), MOST_E)
    above = torch.where((e > MOST_E) | (above == steps), 0, above.clamp(min=0))
    return e.clamp(0, MOST_E) << FRACTION_BITS | torch.where(e < 0, steps - 1, above)
