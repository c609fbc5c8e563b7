"""The figures of quality.json as the Markdown tables of docs/quality.md, and as one picture."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from fusioncim_golden.config import ORDERS, Config
from fusioncim_sim.output import write_file
from fusioncim_sim.summary import markdown

PICTURE = "quality.png"
BITS = {
    "probability_bits": ("bits of a probability", "#0072B2", "o"),
    "accumulator_bits": ("bits of the accumulator", "#D55E00", "s"),
    "fraction_bits": ("fraction bits of the log2 score", "#009E73", "^"),
    "flush": ("powers of two before a block is flushed", "#CC79A7", "v"),
}
"""Parameters in the picture: label, colour (Okabe & Ito), marker."""
DEFAULT_ROW = "head, q, k and v equalized"
MAXIMA = ("first", "diagonal", "elsewhere")
PUBLISHED = "58.5 to 61.4"
"""Per cent fewer rescales of exact online softmax with the diagonal first, LLaMA-3-8B: arXiv:2604.25317."""


def tables(directory: Path) -> dict[str, str]:
    """Every table of docs/quality.md by name, from what is measured."""
    data = json.loads((directory / "quality.json").read_text())
    models = {path.stem: json.loads(path.read_text()) for path in sorted(directory.glob("quality*.json"))}
    return {
        "default": default_table(models),
        "speed": speed_table(models),
        "operands": operands_table(data),
        "alone": alone_table(data["alone"]),
        "grid": grid_table(data["alone"]),
        "together": choice_table(data["alone"], directory),
        "moves": moves_table(models),
        "layers": layers_table(data["patterns"]),
    }


def row_of(one: Mapping[str, Any]) -> tuple[str, str, str]:
    """Difference of mean losses with its interval, KL, agreement."""
    return f"{one['difference']:+.5f} ± {one['interval']:.5f}", f"{one['kl']:.1e}", f"{100 * one['top1']:.2f} %"


COMPARED = (
    ("arithmetic", "float", "arithmetic alone: the engine against float attention on the integers that both get"),
    ("engine", "float", "the engine, against the model's own float attention"),
    ("operands", "float", "float attention on INT8 operands, against the model's own"),
    ("engine", "operands", "the engine, against float attention on INT8 operands, each rounding its own"),
    ("nudged operands", "operands", "float attention on INT8 operands times 1 + 2^-20, against itself"),
)


def default_table(models: Mapping[str, Any]) -> str:
    """The default configuration on every model."""
    rows = [
        ("model, tokens", "compared", "difference of mean losses, nats", "KL, nats", "same most likely token"),
        ("---", "---", "---:", "---:", "---:"),
    ]
    for data in models.values():
        for way, reference, words in COMPARED:
            one = data["default"][way][reference]
            rows.append((f"{data['model']}, {one['tokens']:,}", words, *row_of(one)))
    return markdown(rows)


def speed_table(models: Mapping[str, Any]) -> str:
    """Attention of all layers in one window on one core."""
    rows = [
        ("model, tokens", "its own eager attention, s", "the engine's arithmetic, s", "ratio"),
        ("---", "---:", "---:", "---:"),
    ]
    for data in models.values():
        one = data["speed"]
        name = f"{data['model']}, {one['tokens']:,}"
        rows.append((name, f"{one['eager_seconds']:.1f}", f"{one['engine_seconds']:.1f}", f"{one['ratio']:.2f}"))
    return markdown(rows)


def operands_table(data: Mapping[str, Any]) -> str:
    """What shares a scale."""
    rows = [
        ("a scale for every", "difference of mean losses, nats", "KL, nats", "same most likely token"),
        ("---", "---:", "---:", "---:"),
    ]
    for name, one in data["operands"]["scales"].items():
        rows.append((f"**{name}**" if name == DEFAULT_ROW else name, *row_of(one)))
    return markdown(rows)


def alone_table(alone: Mapping[str, Any]) -> str:
    """One parameter at a time."""
    rows = [
        ("parameter", "value", "difference of mean losses, nats", "KL, nats", "same most likely token"),
        ("---", "---:", "---:", "---:", "---:"),
    ]
    defaults = Config().as_dict()
    for parameter, values in alone.items():
        if parameter in defaults:
            for value, one in values.items():
                shown = value.replace("_", " ").lower()
                rows.append(
                    (f"`{parameter}`", f"**{shown}**" if value == str(defaults[parameter]) else shown, *row_of(one))
                )
    return markdown(rows)


def grid_table(alone: Mapping[str, Any]) -> str:
    """KL by rank and probability bits."""
    cells = {
        tuple(int(x) for x in name.split(" x ")): one for name, one in alone["update_rank x probability_bits"].items()
    }
    widths = sorted({bits for _, bits in cells})
    rows = [("KL, nats; `update_rank`", *(f"{bits} bits" for bits in widths)), ("---", *("---:" for _ in widths))]
    for rank in sorted({rank for rank, _ in cells}):
        found = (cells.get((rank, bits)) for bits in widths)
        rows.append((str(rank), *(f"{one['kl']:.1e}" if one else "" for one in found)))
    return markdown(rows)


def choice_table(alone: Mapping[str, Any], directory: Path) -> str:
    """Configurations with what they cost, as far as choices.json has measured it, and what they lose."""
    choices = json.loads((directory / "choices.json").read_text())
    base = choices["alternatives"]["update_rank"][str(choices["default"]["update_rank"])]
    rows: list[tuple[str, ...]] = [
        (
            "changes",
            "OP-CIM row",
            "softmax lane",
            "writes",
            "difference of mean losses, nats",
            "KL, nats",
            "same token",
        ),
        ("---", "---:", "---:", "---:", "---:", "---:", "---:"),
    ]
    rows.append(("**none**", "1.00", "1.00", "1.00", *row_of(alone["update_rank"][str(Config().update_rank)])))
    for name, changes in choices["alternatives"].items():
        for value, cost in changes.items():
            one = alone.get(name, {}).get(value)
            if one and value != str(choices["default"][name]):
                ratios = (
                    cost[key] / base[key]
                    for key in ("op_cim_um2_per_mac_per_cycle", "softmax_lane_um2", "writes_per_element_and_key")
                )
                rows.append((f"`{name}` {value}", *(f"{ratio:.2f}" for ratio in ratios), *row_of(one)))
    rows += [(name, "", "", "", *row_of(one)) for name, one in alone["together"].items()]
    return markdown(rows)


def moves_table(models: Mapping[str, Any]) -> str:
    """Exact rescales, and rescales + halvings by rule, against exact online softmax in order."""
    rows = [
        ("model", "rule", *(order.replace("_", " ") for order in ORDERS), "by default order: p that are 0", "slots"),
        ("---", "---", *("---:" for _ in ORDERS), "---:", "---:"),
    ]
    default = Config().schedule
    for data in models.values():
        total, model = data["patterns"]["total"], data["model"]
        exact = total["exact_below_in_order_percent"]
        rows.append((model, "exact online softmax", *(percent(exact[order]) for order in ORDERS), "", ""))
        for rule, one in total["rules"][default].items():
            found = (total["rules"][order][rule]["below_exact_in_order_percent"] for order in ORDERS)
            shares = f"{one['zero_probability_percent']:.1f} %", f"{one['moved_slot_percent']:.2f} %"
            rows.append((model, rule, *(percent(each) for each in found), *shares))
    return markdown(rows)


def percent(below: float | None) -> str:
    """Fewer is negative, as the published figure is."""
    return "" if below is None else "0 %" if below == 0 else f"{-below:+.1f} %"


def layers_table(patterns: Mapping[str, Any]) -> str:
    """Where row maxima lie by layer, and rescales by order: exact / of the default rule, halvings included."""
    words = [order.replace("_", " ") for order in ORDERS]
    rows = [
        ("layer", *(f"maxima: {name}" for name in MAXIMA), *(f"exact / default rule, {order}" for order in words)),
        ("---:", *("---:" for _ in (*MAXIMA, *ORDERS))),
    ]
    for n, layer in enumerate(patterns["layers"]):
        places = (f"{layer['maxima_percent'][name]:.1f} %" for name in MAXIMA)
        moves = (f"{layer['exact'][order]:,} / {layer['default_rule'][order]:,}" for order in ORDERS)
        rows.append((str(n), *places, *moves))
    return markdown(rows)


def write_picture(directory: Path) -> None:
    """Quality against bits, from quality.json, into the same directory."""
    data = json.loads((directory / "quality.json").read_text())
    write_file(directory / PICTURE, draw(data))


def draw(data: Mapping[str, Any]) -> bytes:
    """The picture as PNG: KL divergence by the bits of each part."""
    figure = Figure(figsize=(9, 5), dpi=110, layout="constrained")
    axes = figure.subplots()
    for name, (label, colour, marker) in BITS.items():
        points = sorted((int(value), one["kl"]) for value, one in data["alone"][name].items())
        axes.plot(
            *zip(*points, strict=True),
            color=colour,
            marker=marker,
            markersize=5,
            label=f"{label} (`{name}`)".replace("`", ""),
        )
    scales = data["operands"]["scales"]
    points = [(8, scales[DEFAULT_ROW]["kl"])]
    points += [(int(name.split()[1]), one["kl"]) for name, one in scales.items() if name.startswith("equalized, ")]
    axes.plot(
        *zip(*sorted(points), strict=True),
        color="#222222",
        marker="D",
        markersize=5,
        label="bits of Q, K and V, float attention",
    )
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
