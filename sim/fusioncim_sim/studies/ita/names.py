"""Units of ITA and names of its runs: the table is made without any extra."""

from collections.abc import Mapping

MACS = 1024
"""Multiply-accumulates per cycle."""
DOT_PRODUCTS, SOFTMAX, REST = "dot products", "softmax", "registers, FIFO, streams"
UNITS: Mapping[str, str] = {
    "i_ita.i_sumdotp": DOT_PRODUCTS,
    "i_ita.i_softmax_top": SOFTMAX,
    "i_ita.i_weight_buffer": "weight buffer",
    "i_ita.i_accumulator": "accumulator",
    "i_ita.i_requantizer": "requantizer",
    "i_ita.i_activation": "GELU and ReLU",
    "i_ita.i_controller": "controller",
}
"""Units by their instance in the top; all else is REST."""
NOT_USED = ("GELU and ReLU",)
"""Units that attention does not need: left out of all sums, in favour of ITA."""
VECTORS = "its test vectors"
"""Name of the run of its generator's head."""
