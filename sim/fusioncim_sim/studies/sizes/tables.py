"""The table of sizes in docs/cost.md."""

from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Stored

PARTS = ("IP-CIM", "OP-CIM", "softmax", "normalizer", "key/value buffer", "control")
KINDS = ("logic", "glitches", "wires", "banks")
WHOLE = "engine"


def sizes_table(sizes: Stored) -> str:
    """Every array, and how far what all others say about it is from what was measured."""
    columns = (*PARTS, *KINDS, WHOLE)
    rows = [("array, left out", *columns), ("---", *("---:" for _ in columns))]
    for name, errors in sorted(sizes["deviation_percent"].items(), key=lambda each: int(each[0].split()[0])):
        rows.append((name, *(f"{errors[part]:+.1f} %" for part in columns)))
    return markdown(rows)
