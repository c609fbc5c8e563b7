"""The files of a generated chip, or of one engine alone."""

from fusioncim.chip import Chip
from fusioncim.delivery import deliver
from fusioncim.engine import Engine
from fusioncim.registers import files as register_files
from fusioncim_golden.chip import ChipConfig
from fusioncim_golden.config import Config


def chip_files(chip: ChipConfig) -> dict[str, bytes]:
    """Content by file name, the register map for software included."""
    registers = {name: content.encode() for name, content in register_files().items()}
    return {**deliver(Chip(chip)), **registers}


def engine_files(config: Config, text: str | None = None) -> dict[str, bytes]:
    """Content by file name; text: the engine's Verilog if it was made before."""
    return deliver(Engine(config), text=text)
