"""The units of an engine, by which its energy and its wires are told apart."""

from collections.abc import Sequence

UNITS = (
    *("IP-CIM rows", "IP-CIM broadcast and correction", "softmax", "OP-CIM rows", "OP-CIM broadcast"),
    *("key/value buffer", "controller", "normalizer", "engine"),
)
"""Parts of an engine; `engine` is what lies between the others, and the nets of the input ports."""

UNIT_OF_INSTANCE = {
    "ip_cim": "IP-CIM broadcast and correction",
    "softmax": "softmax",
    "op_cim": "OP-CIM broadcast",
    "kv_buffer": "key/value buffer",
    "controller": "controller",
    "normalizer": "normalizer",
}
UNIT_OF_ROWS = {"ip_cim": "IP-CIM rows", "op_cim": "OP-CIM rows"}


def unit_of(path: Sequence[str]) -> str:
    """The unit of `UNITS` that a module belongs to, by its path of instances in an engine."""
    if len(path) > 1 and path[0] in UNIT_OF_ROWS and path[1].startswith("row_"):
        return UNIT_OF_ROWS[path[0]]
    return UNIT_OF_INSTANCE.get(path[0], "engine") if path else "engine"
