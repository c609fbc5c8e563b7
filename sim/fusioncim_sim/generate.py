"""The files of a generated engine."""

from fusioncim.delivery import deliver
from fusioncim.emit import verilog
from fusioncim.engine import Engine
from fusioncim_golden.config import Config

ENGINE_PORTS = {
    "i_tile": "A tile to load. rows: at least 1; fresh: no earlier tile may seed its references; last: it ends a pass.",
    "i_q": "A query of the tile. data: signed operands, column 0 in the low bits; query: its score scale is "
    "mantissa / 2^shift, and it sees the keys below position visible.",
    "i_block": "The next block of keys that passes. block: its number; last: it ends the pass.",
    "i_kv": "A key and a value of the block: signed operands, column 0 in the low bits.",
    "o": "Outputs of a row, neighbouring columns, the lowest in the low bits. last: it ends the tile.",
    "state": "What the engine does. active: it multiplies; loaded: a pass is resident; waits: for words to drain; "
    "starved: at most one block is left.",
    "events": "What the softmax did in this cycle: updates of rows by kind, and slots that ended.",
}
"""What the engine's ports mean, by prefix."""


def engine_files(config: Config, text: str | None = None) -> dict[str, bytes]:
    """Content by file name; text: the engine's Verilog if it was made before."""
    engine = Engine(config)
    return deliver(engine, ENGINE_PORTS, text=verilog(engine) if text is None else text)
