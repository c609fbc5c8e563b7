"""What the table needs to know about the runs: it is made without any extra."""

MACS = 1024
"""Multiply-accumulates per cycle of ITA."""
SOFTMAX = ("softmax",)
"""Its unit for that."""
ROUNDS = "16 scores per cycle into sums, 64 weights per cycle out of them"
VECTORS = "its test vectors"
"""Name of the run of its generator's head."""
