"""The picture of docs/quality.md: quality against bits."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from fusioncim_sim.files import write_file
from fusioncim_sim.studies.quality.tables import DEFAULT_ROW
from fusioncim_sim.studies.study import read

PICTURE = "quality.png"
BITS = {
    "probability_bits": ("bits of a probability", "#0072B2", "o"),
    "accumulator_bits": ("bits of the accumulator", "#D55E00", "s"),
    "fraction_bits": ("fraction bits of the log2 score", "#009E73", "^"),
    "flush": ("powers of two before a block is flushed", "#CC79A7", "v"),
}
"""Parameters in the picture: label, colour (Okabe & Ito), marker."""


def write_picture(directory: Path) -> None:
    """Quality against bits, from quality.json, into the same directory."""
    write_file(directory / PICTURE, draw(read(directory, "quality")))


def draw(data: Mapping[str, Any]) -> bytes:
    """The picture as PNG: KL divergence by the bits of each part."""
    figure = Figure(figsize=(9, 5), dpi=110, layout="constrained")
    axes = figure.subplots()
    scales, alone = data.get("operands", {}), data.get("alone", {})
    for name, (label, colour, marker) in BITS.items():
        points = {int(value): one["kl"] for value, one in alone.get(name, {}).items()}
        if "none" in alone:
            points[data["config"][name]] = alone["none"]["none"]["kl"]
        plot(axes, points, f"{label} ({name})", colour, marker)
    points = {8: scales[DEFAULT_ROW]["kl"]} if scales else {}
    points |= {int(name.split()[1]): one["kl"] for name, one in scales.items() if name.startswith("equalized, ")}
    plot(axes, points, "bits of Q, K and V, float attention", "#222222", "D")
    axes.set_yscale("log")
    axes.set_xlabel("bits")
    axes.set_ylabel("KL divergence from the float model, nats per token")
    axes.set_title(f"{data['model']}: what each width costs, the others as by default", loc="left", fontsize=11)
    axes.legend(frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": "FusionCIM"})
    return png.getvalue()


def plot(axes: Any, points: Mapping[int, float], label: str, colour: str, marker: str) -> None:
    """One line, by bits."""
    bits = sorted(points)
    axes.plot(bits, [points[n] for n in bits], color=colour, marker=marker, markersize=5, label=label)
