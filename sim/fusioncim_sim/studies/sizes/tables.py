"""The table of sizes in docs/cost.md."""

from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Stored

PARTS = ("IP-CIM", "OP-CIM", "softmax", "normalizer", "key/value buffer", "control", "wires", "engine")


def sizes_table(sizes: Stored) -> str:
    """Every array, and how far what is said about it is from what was measured."""
    rows = [("array", "weights are made from it", *PARTS), ("---", "---", *("---:" for _ in PARTS))]
    for name, array in sizes["arrays"].items():
        errors = sizes["deviation_percent"][name]
        rows.append((name, "yes" if array["used"] else "no", *(f"{errors[part]:+.1f} %" for part in PARTS)))
    return markdown(rows)
