"""The files of a generated engine: Verilog, file list and configuration."""

import json

from fusioncim.emit import verilog
from fusioncim.engine import Engine
from fusioncim_golden.config import Config


def to_toml(config: Config) -> str:
    """The configuration as TOML: `load_toml` makes the same one of it. Integers, booleans and names are JSON too."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in config.as_dict().items())


def engine_files(config: Config, text: str | None = None) -> dict[str, bytes]:
    """Content by file name; text: the engine's Verilog if it was made before."""
    return {
        "engine.v": (verilog(Engine(config)) if text is None else text).encode(),
        "engine.f": b"engine.v\n",
        "config.toml": to_toml(config).encode(),
    }
