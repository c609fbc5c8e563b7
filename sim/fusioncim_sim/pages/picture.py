"""The picture of a run: which part of the engine works when, and where rows of O were moved."""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from fusioncim_golden.config import Config
from fusioncim_sim.heads.judge import Run
from fusioncim_sim.heads.rescales import Places

# Okabe & Ito's colours, which colour-blind readers tell apart.
PARTS = {
    "load": ("queries in", "#0072B2"),
    "vector": ("keys and values in", "#56B4E9"),
    "qk": ("QK$^T$ (IP-CIM)", "#D55E00"),
    "pv": ("PV (OP-CIM)", "#E69F00"),
    "drain": ("outputs out", "#CC79A7"),
}
INK, LIGHT, DARK, VIVID = "#222222", "#9FB0BD", "#0072B2", "#D55E00"


def spans(active: NDArray[np.bool_], gap: int = 1) -> list[tuple[int, int]]:
    """(first cycle, length) of every stretch of activity; stretches less than `gap` cycles apart are one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    merged: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if merged and start - sum(merged[-1]) < gap:
            start = merged.pop()[0]
        merged.append((start, end - start))
    return merged


def draw(config: Config, run: Run, run_title: str, places: Places, places_title: str) -> bytes:
    """The picture as PNG; run: one job on the RTL; places: of a whole head."""
    figure = Figure(figsize=(9, 10), dpi=110, layout="constrained")
    top, bottom = figure.subplots(2, 1, height_ratios=(1, 2.1))
    _draw_activity(top, run, run_title)
    _draw_places(bottom, config, places, places_title)
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": "FusionCIM"})
    return png.getvalue()


def _draw_activity(axes: Axes, run: Run, title: str) -> None:
    for row, (name, (_, colour)) in enumerate(PARTS.items()):
        axes.broken_barh(spans(run.activity[name]), (row - 0.38, 0.76), facecolors=colour, linewidth=0)
    shares = [run.activity[name].sum() / run.cycles for name in PARTS]
    axes.set_yticks(
        range(len(PARTS)),
        [f"{label}, {share:.0%}" for (label, _), share in zip(PARTS.values(), shares, strict=True)],
    )
    axes.invert_yaxis()
    axes.set_xlim(0, run.cycles)
    axes.set_xlabel("clock cycle (%: share of all cycles in which the part is active)")
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _draw_places(axes: Axes, config: Config, places: Places, title: str) -> None:
    series = (
        (places.exact, "s", 3, LIGHT, "exact online softmax, keys in order"),
        (places.rescales, "o", 22, DARK, f"this engine, {config.schedule.replace('_', ' ')}: rescale"),
        (places.halvings, "x", 22, VIVID, "this engine: halving, the row sum was about to overflow"),
    )
    handles = []
    for points, marker, size, colour, label in series:
        axes.scatter(points[:, 0], points[:, 1], s=size, c=colour, marker=marker, linewidths=1 if marker == "x" else 0)
        label = f"{label} ({len(points):,})"
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=6, label=label))
    last = int(places.exact.max(initial=1))
    axes.plot([0, last], [0, last], color=INK, linewidth=0.8)
    axes.annotate("causal mask", (0.72 * last, 0.755 * last), rotation=37.5, color=INK, fontsize=9, ha="center")
    axes.set_xlim(0, last)
    axes.set_ylim(0, last)
    axes.set_xlabel("query position (token)")
    axes.set_ylabel("key position (token)")
    axes.set_title(title, loc="left", fontsize=11)
    axes.legend(handles=handles, loc="upper left", frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
