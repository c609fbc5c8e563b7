"""The curves of the paper's figures of latency, energy and access at every length, with absolute numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

from fusioncim.package import CLOCK_MHZ
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Stored


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A figure.

    Members:
        key: of `system.compared`
        unit: of `scale` times that
        against_b1: what the paper says of B1 by length
        against_b2: of B2
    """

    key: str
    unit: str
    scale: float
    against_b1: Mapping[int, str]
    against_b2: Mapping[int, str]


CURVES: Mapping[str, Curve] = {
    "latency": Curve(
        key="cycles",
        unit="ms",
        scale=1e-3 / CLOCK_MHZ,
        against_b1={4096: "1.98 times"},
        against_b2={4096: "21 to 40 % less, by length"},
    ),
    "energy": Curve(key="joules", unit="mJ", scale=1e3, against_b1={4096: "3.85 times"}, against_b2={}),
    "off-chip access": Curve(
        key="memory_bytes",
        unit="MB",
        scale=1e-6,
        against_b1={256: "46.2 % less", 4096: "58.9 % less"},
        against_b2={},
    ),
    "on-chip access": Curve(
        key="buffer_bytes",
        unit="MB",
        scale=1e-6,
        against_b1={},
        against_b2={256: "64.3 % less", 4096: "71.0 % less"},
    ),
}
"""What the text and the marks of the figures say; other points of the curves have no number in the paper."""


def curves_table(system: Stored) -> str:
    """A row for every figure and length: the chip, both baselines, their ratios, and what the paper says."""
    head = ["a layer of LLaMA-3-8B", "tokens", "ours", "B1", "B2", "B1 over ours", "paper", "B2 over ours", "paper"]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, curve in CURVES.items():
        for tokens in sorted(system["baselines"], key=int):
            found = system["baselines"][tokens]
            ours, *theirs = (found[design][curve.key] * curve.scale for design in ("ours", "B1", "B2"))
            cells = [f"{each:,.3g}" if each < 1000 else f"{each:,.0f}" for each in (ours, *theirs)]
            said = (curve.against_b1.get(int(tokens), ""), curve.against_b2.get(int(tokens), ""))
            ratios = [cell for each, word in zip(theirs, said, strict=True) for cell in (_ratio(each / ours), word)]
            rows.append([f"{name}, {curve.unit}", f"{int(tokens):,}", *cells, *ratios])
    return markdown(rows)


def _ratio(over: float) -> str:
    """As a factor, and as what the chip has less or more."""
    less = 1 - 1 / over
    share = f"{abs(less):.0%}"
    return f"{over:.2f}" if share == "0%" else f"{over:.2f} ({share} {'less' if less > 0 else 'more'})"
