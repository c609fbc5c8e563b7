"""The configurations of the proofs: as small as the units allow, so that every state is in reach."""

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config

ENGINE = Config(rows=2, columns=16, words=2, operand_bits=4, softmax_lanes=1, update_rank=2, lut_size=8, output_bits=8)
CHIP = ChipConfig(engine=ENGINE, engines=2, streams=2, buffer_bytes=128, bus_bits=64)
