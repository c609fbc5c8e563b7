"""Pictures of the report as SVG: colours that colour-blind readers tell apart, text as text."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fusioncim_sim.studies.system import CASES
from fusioncim_sim.system.ablation import Rescale, combinations, named
from fusioncim_sim.system.energy_table import COMPONENTS
from fusioncim_sim.system.workload import Phase

COLOURS = ("#0072B2", "#D55E00", "#56B4E9", "#CC79A7", "#009E73", "#999999", "#F0E442", "#BBBBBB", "#666666", "#444444")
"""Okabe and Ito's, and greys."""
LARGE = 0.01
"""Components below this share of the largest bar are drawn as one."""
SHARES = {
    "working": "#0072B2",
    "masked": "#56B4E9",
    "load": "#E69F00",
    "memory": "#D55E00",
    "drain": "#CC79A7",
    "imbalance": "#BBBBBB",
}


def _svg(figure: Figure) -> str:
    """The picture without what SVG files have in front, the same for the same data."""
    text = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fusioncim"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return re.sub(r"^.*?(?=<svg)", "", text.getvalue(), flags=re.DOTALL)


Bars = Sequence[tuple[str, Mapping[str, float]]]


def by_length(system: Mapping[str, Any]) -> Bars:
    """Energy by component of the chip and the baselines, over the chip's, by length."""
    bars = []
    for tokens in sorted(system["baselines"], key=int):
        found = system["baselines"][tokens]
        whole = found["ours"]["joules"]
        for name in ("ours", "B1", "B2"):
            energies = {part: value / whole for part, value in found[name]["energy_j"].items()}
            bars.append((f"{int(tokens):,} {name}", energies))
    return bars


def by_mechanism(system: Mapping[str, Any]) -> Bars:
    """Energy by component of every combination of the mechanisms, over that of all of them, of the longest layer."""
    each = system["ablation"][max(system["ablation"], key=int)][Rescale.FREE]["variants"]
    names = [named(chosen) for chosen in combinations()]
    whole = each[names[-1]]["joules"]
    return [(name, {part: x / whole for part, x in each[name]["energy_j"].items()}) for name in names]


def stacked(bars: Bars) -> str:
    """Horizontal bars of components."""
    figure = Figure(figsize=(8, 0.9 + 0.28 * len(bars)), layout="constrained")
    axes = figure.subplots()
    largest = max(sum(parts.values()) for _, parts in bars)
    shown = [part for part in COMPONENTS if max(parts[part] for _, parts in bars) > LARGE * largest]
    left = [0.0] * len(bars)
    for part, colour in zip([*shown, "other"], COLOURS, strict=False):
        width = [
            parts[part] if part in parts else sum(value for name, value in parts.items() if name not in shown)
            for _, parts in bars
        ]
        axes.barh(range(len(bars)), width, left=left, color=colour, label=part)
        left = [a + b for a, b in zip(left, width, strict=True)]
    axes.set_yticks(range(len(bars)), [name for name, _ in bars])
    axes.invert_yaxis()
    axes.axvline(1, color="#222222", linewidth=0.8)
    axes.set_xlabel("energy over the chip's")
    figure.legend(fontsize="small", loc="outside lower center", ncols=len(shown) + 1)
    return _svg(figure)


def shares(system: Mapping[str, Any]) -> str:
    """Engine-cycles of prefills of one model by cause."""
    prefills = [
        name for name, (model, phase) in CASES.items() if (model, phase) == ("llama3-8b", Phase(tokens=phase.tokens))
    ]
    runs = {name: system["runs"][name]["layer"]["shares"] for name in prefills}
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    bottom = [0.0] * len(runs)
    for cause, colour in SHARES.items():
        height = [100 * each[cause] for each in runs.values()]
        axes.bar(range(len(runs)), height, bottom=bottom, color=colour, label=cause)
        bottom = [a + b for a, b in zip(bottom, height, strict=True)]
    axes.set_xticks(range(len(runs)), [name.split(", ", 1)[1] for name in runs])
    axes.set_xlabel("tokens")
    axes.set_ylabel("% of engine-cycles")
    figure.legend(fontsize="small", loc="outside lower center", ncols=len(SHARES))
    return _svg(figure)


def tornado(sensitivity: Mapping[str, Any]) -> str:
    """Both energy headlines at both ends of every assumption, the widest on top."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    for axes, headline in zip(figure.subplots(1, 2, sharey=False), ("B1: energy", "B2: energy"), strict=True):
        base = sensitivity["base"][headline]
        spans = {
            name: sorted([*(end[headline] for end in ends.values()), base])
            for name, ends in sensitivity["ends"].items()
        }
        order = sorted(spans, key=lambda name: spans[name][-1] - spans[name][0])
        for n, name in enumerate(order):
            low, *_, high = spans[name]
            axes.barh(n, high - low, left=low, color=COLOURS[0])
        axes.set_yticks(range(len(order)), order, fontsize="xx-small")
        axes.axvline(base, color="#222222", linewidth=0.8)
        axes.axvline(1, color="#D55E00", linewidth=0.8, linestyle="--")
        axes.set_xlabel(f"{headline.replace(':', '')} over ours")
    return _svg(figure)


def scatter(explored: Sequence[Mapping[str, Any]], best: Sequence[Mapping[str, Any]]) -> str:
    """Latency and energy; those that no other one beats have a ring."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    dots = axes.scatter(
        [each["ms"] for each in explored],
        [each["mj"] for each in explored],
        c=[each["mm2"] for each in explored],
        s=8,
        cmap="viridis",
    )
    axes.scatter(
        [each["ms"] for each in best], [each["mj"] for each in best], s=30, facecolors="none", edgecolors="#D55E00"
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("ms")
    axes.set_ylabel("mJ")
    figure.colorbar(dots, label="mm2")
    return _svg(figure)


BOXES = {
    # name: x, y, width, height, colour
    "DRAM": (0, 3.2, 1.6, 1.6, "#BBBBBB"),
    "query loader": (2.2, 5.2, 2.0, 0.9, "#F0E442"),
    "fetcher": (2.2, 3.6, 2.0, 0.9, "#F0E442"),
    "global buffer": (4.8, 3.6, 1.9, 0.9, "#56B4E9"),
    "network": (7.2, 3.6, 1.5, 0.9, "#56B4E9"),
    "output writer": (2.2, 1.6, 2.0, 0.9, "#F0E442"),
    "jobs, planner": (2.2, 6.8, 2.0, 0.9, "#BBBBBB"),
    "IP-CIM\nqueries stay": (9.6, 4.9, 1.9, 1.2, "#0072B2"),
    "softmax\npowers of two": (9.6, 3.4, 1.9, 1.2, "#009E73"),
    "OP-CIM\noutputs stay": (9.6, 1.9, 1.9, 1.2, "#D55E00"),
}
ARROWS = (
    *(((1.6, 4.4), (2.2, 5.5)), ((1.6, 4.0), (2.2, 4.0)), ((2.2, 2.0), (1.6, 3.5)), ((4.2, 4.0), (4.8, 4.0))),
    *(((6.7, 4.0), (7.2, 4.0)), ((8.7, 4.2), (9.6, 5.2)), ((8.7, 3.9), (9.6, 2.6)), ((4.2, 5.6), (9.6, 5.8))),
    *(((10.55, 4.9), (10.55, 4.6)), ((10.55, 3.4), (10.55, 3.1)), ((9.6, 2.1), (4.2, 2.0)), ((3.2, 6.8), (3.2, 6.1))),
)
LABELS = {
    "Q": (6.2, 5.85),
    "K": (9.0, 4.9),
    "V": (9.0, 3.0),
    "O": (6.8, 1.7),
    "scores": (10.65, 4.68),
    "p": (10.65, 3.18),
}


def architecture() -> str:
    """The chip as boxes."""
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.add_patch(Rectangle((9.2, 1.4), 2.7, 5.1, fill=False, edgecolor="#222222", linestyle="--"))
    axes.text(10.55, 6.65, "16 hybrid engines", ha="center", fontsize=9)
    for name, (x, y, width, height, colour) in BOXES.items():
        axes.add_patch(Rectangle((x, y), width, height, facecolor=colour, edgecolor="#222222", alpha=0.75))
        axes.text(x + width / 2, y + height / 2, name, ha="center", va="center", fontsize=8)
    for start, end in ARROWS:
        axes.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "->", "color": "#222222"})
    for text, (x, y) in LABELS.items():
        axes.text(x, y, text, fontsize=8)
    axes.set_xlim(-0.2, 12.2)
    axes.set_ylim(1, 8)
    axes.axis("off")
    return _svg(figure)
