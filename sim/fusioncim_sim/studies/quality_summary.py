"""The figures of quality.json as the Markdown tables of docs/quality.md, and as one picture."""

import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from fusioncim_sim.files import write_file
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.preset_candidates import CANDIDATES, LONG, NAMES, PAPER, candidate
from fusioncim_sim.studies.summary import models

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
LOSS, AGREEMENT, FEWER = 0.002, 0.99, 95
"""Bounds of the arithmetic alone: difference of mean losses in nats, share of equal most likely tokens; and by how much
per cent rescales are to lie below those of exact online softmax in order."""
CHIP_ORDER = "folded_16_engines"
"""The order of the chip `paper`."""


def targets_table(directory: Path) -> str:
    """What was asked, and what is reached."""
    rows = [("figure", "target", "measured"), ("---", "---", "---")]
    for data in models(directory).values():
        rows += targets(data)
    return markdown(rows)


def targets(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The rows of one model."""
    for way, compared, loss, agreement in (
        ("arithmetic", "arithmetic alone, against float attention on the same INT8 operands", LOSS, AGREEMENT),
        ("engine", "the engine, against the unquantized model", 0.01, 0.97),
    ):
        one = data["default"][way]["float"]
        name = f"{data['model']}, {one['tokens']:,} tokens: {compared}"
        yield f"{name}, mean loss", f"{loss} nats at most", f"{one['difference']:+.5f} ± {one['interval']:.5f}"
        yield f"{name}, same most likely token", f"{100 * agreement:.0f} % at least", f"{100 * one['top1']:.2f} %"
    patterns = data["patterns"]
    for order, rules in patterns["total"]["rules"].items():
        rule = patterns["default"]["rule"]
        if order in (patterns["default"]["schedule"], CHIP_ORDER):
            below = rules[rule]["below_exact_in_order_percent"]
            name = f"{data['model']}: rescales, {words(order)}, {rule}"
            yield f"{name}, against exact online softmax in order", f"-{FEWER} % at most", percent(below)
    if speed := data.get("speed"):
        yield "attention of all layers, against the model's own eager", "10 x at most", f"{speed['ratio']:.1f} x"
        whole, quick = (speed[f"{name}_minutes"] + speed["load_minutes"] for name in ("whole", "quick"))
        yield "`fusioncim quality`, two cores", "20 minutes", f"{whole:.1f} minutes"
        yield "`fusioncim quality --quick`, two cores", "2 minutes", f"{quick:.1f} minutes"


def row_of(one: Mapping[str, Any]) -> tuple[str, str, str]:
    """Difference of mean losses with its interval, KL, agreement."""
    return f"{one['difference']:+.5f} ± {one['interval']:.5f}", f"{one['kl']:.1e}", f"{100 * one['top1']:.2f} %"


COMPARED = (
    ("arithmetic", "float", "arithmetic alone: the engine against float attention on the integers that both get"),
    *((way, "float", f"arithmetic alone, `{name}` {value}") for way, (name, value) in LONG.items()),
    ("engine", "float", "the engine, against the model's own float attention"),
    ("operands", "float", "float attention on INT8 operands, against the model's own"),
    ("engine", "operands", "the engine, against float attention on INT8 operands, each rounding its own"),
    ("nudged operands", "operands", "float attention on INT8 operands times 1 + 2^-20, against itself"),
)


DEFAULTS = "default", "long"
"""Parts that measure the default configuration."""


def default_table(directory: Path) -> str:
    """The default configuration on every model."""
    rows = [
        ("model, tokens", "compared", "difference of mean losses, nats", "KL, nats", "same most likely token"),
        ("---", "---", "---:", "---:", "---:"),
    ]
    parts = [(data["model"], data[part]) for data in models(directory).values() for part in DEFAULTS if part in data]
    for model, part in parts:
        for way, reference, words in COMPARED:
            if way in part:
                one = part[way][reference]
                name = f"{model}, {one['tokens']:,} in windows of {part['window']:,}"
                rows.append((name, words, *row_of(one)))
    return markdown(rows)


def speed_table(data: Mapping[str, Any]) -> str:
    """Attention of all layers in one window on one core."""
    rows = [
        ("model, tokens", "its own eager attention, s", "the engine's arithmetic, s", "ratio"),
        ("---", "---:", "---:", "---:"),
    ]
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
    for name, one in data["operands"].items():
        rows.append((f"**{name}**" if name == DEFAULT_ROW else name, *row_of(one)))
    return markdown(rows)


def alone_table(directory: Path) -> str:
    """Changes to the preset: what they cost, as far as choices.json has measured it, and what they lose."""
    data, choices = (
        json.loads((directory / f"{name}.json").read_text(encoding="utf-8")) for name in ("quality", "choices")
    )
    base = choices["alternatives"]["update_rank"][str(data["config"]["update_rank"])]
    none = data["alone"]["none"]["none"]
    rows: list[tuple[str, ...]] = [
        (
            "changed",
            "OP-CIM row",
            "lane",
            "writes",
            "difference of mean losses, nats",
            "KL, nats",
            "same token",
            "surely lost",
        ),
        ("---", "---:", "---:", "---:", "---:", "---:", "---:", "---"),
        ("**nothing**", "1.00", "1.00", "1.00", *row_of(none), verdict(lost_of(none, -1))),
    ]
    for parameter, values in data["alone"].items():
        for value, one in sorted(values.items(), key=lambda item: (int(item[0]) if item[0].isdigit() else 0, item[0])):
            if parameter != "none":
                cost = choices["alternatives"].get(parameter, {}).get(value)
                ratios = (f"{_sum(cost, keys) / _sum(base, keys):.2f}" if cost else "" for keys in COSTS)
                name = f"`{parameter}` {value.replace('_', ' ').lower()}"
                rows.append((name, *ratios, *row_of(one), verdict(lost_of(one, -1))))
    return markdown(rows)


def candidates_table(directory: Path) -> str:
    """The candidates for the preset by what they cost, and what each lacks."""
    stored = models(directory)
    choices = json.loads((directory / "choices.json").read_text(encoding="utf-8"))["candidates"]
    lost = stored["quality"]["candidates"]
    orders = stored["quality"]["patterns"]["default"]["schedule"], CHIP_ORDER
    rows = [
        (
            "/".join(f"`{name}`" for name in NAMES),
            "um2 per MAC/cycle",
            "writes per key",
            "difference of mean losses, nats",
            "same token",
            *(
                f"rescales, {data['model'].split('-')[0]}: {words(order)}"
                for data in stored.values()
                for order in orders
            ),
            "worst captured head, dB",
            "beyond its bound",
        ),
        ("---", *("---:" for _ in range(2 * len(stored) + 5)), "---"),
    ]
    cost = {
        name: (round(one["um2_per_mac_per_cycle"]), float(one["writes_per_element_and_key"]))
        for name, one in choices.items()
    }
    for name in sorted(cost, key=lambda name: cost[name]):
        rule = f"slack {CANDIDATES[name][NAMES.index('slack')]}"
        rules = [data["patterns"]["total"]["rules"][order] for data in stored.values() for order in orders]
        fewer = [one[rule]["below_exact_in_order_percent"] for one in rules]
        difference, _, same = row_of(lost[name])
        same = f"{same.removesuffix(' %')} ± {100 * interval_of_share(lost[name]):.2f} %"
        beyond = lost_of(lost[name], 1) + (["rescales"] if min(fewer) < FEWER else [])
        rows.append(
            (
                f"**{name}**" if candidate(name) == PAPER else name,
                f"{cost[name][0]:,}",
                f"{cost[name][1]:.4f}",
                *(difference, same, *(percent(each) for each in fewer), f"{choices[name]['worst_sqnr_db']:.1f}"),
                verdict(beyond),
            )
        )
    return markdown(rows)


def words(order: str) -> str:
    """A schedule's name."""
    return order.replace("_", " ")


COSTS = (
    ("op_cim_um2_per_mac_per_cycle", "op_cim_banks_um2_per_mac_per_cycle"),
    ("softmax_lane_um2",),
    ("writes_per_element_and_key",),
)
"""Area of a row of OP-CIM with its banks, area of a softmax lane, writes to O: each a sum."""


def _sum(cost: Mapping[str, float], keys: Sequence[str]) -> float:
    return sum(cost[key] for key in keys)


def lost_of(one: Mapping[str, Any], intervals: int = 0) -> list[str]:
    """Bounds of the arithmetic alone that a configuration does not keep.

    intervals: by the figure itself (0), by any of its 95 % interval (1), or by all of it (-1).
    """
    loss, same = abs(one["difference"]) + intervals * one["interval"], one["top1"] - intervals * interval_of_share(one)
    return (["loss"] if loss > LOSS else []) + (["tokens"] if same < AGREEMENT else [])


def interval_of_share(one: Mapping[str, Any]) -> float:
    """Half of the 95 % interval of the share of equal most likely tokens."""
    return 1.96 * math.sqrt(one["top1"] * (1 - one["top1"]) / one["tokens"])


def verdict(lost: Sequence[str]) -> str:
    """What a configuration loses, in words."""
    return " and ".join(lost) or "nothing"


def moves_table(directory: Path) -> str:
    """Exact rescales, and rescales + halvings by rule, against exact online softmax in order."""
    patterns = models(directory)["quality"]["patterns"]
    orders = list(patterns["total"]["rules"])
    rows = [
        ("model", "rule", *map(words, orders), f"{words(patterns['default']['schedule'])}: p that are 0", "slots"),
        ("---", "---", *("---:" for _ in orders), "---:", "---:"),
    ]
    for data in models(directory).values():
        total, model, default = data["patterns"]["total"], data["model"], data["patterns"]["default"]["schedule"]
        exact = total["exact_below_in_order_percent"]
        rows.append((model, "exact online softmax", *(percent(exact[order]) for order in orders), "", ""))
        for rule, one in total["rules"][default].items():
            found = (total["rules"][order][rule]["below_exact_in_order_percent"] for order in orders)
            shares = f"{one['zero_probability_percent']:.1f} %", f"{one['moved_slot_percent']:.2f} %"
            rows.append((model, rule, *(percent(each) for each in found), *shares))
    return markdown(rows)


def percent(below: float | None) -> str:
    """Fewer is negative, as the published figure is."""
    return "" if below is None else "0 %" if below == 0 else f"{-below:+.1f} %"


def layers_table(data: Mapping[str, Any]) -> str:
    """Where row maxima lie by layer, and rescales by order: exact / of the default rule, halvings included."""
    patterns = data["patterns"]
    orders = [order for order in patterns["layers"][0]["exact"] if order != "folded"]
    rows = [
        ("layer", *(f"maxima: {name}" for name in MAXIMA), *map(words, orders)),
        ("---:", *("---:" for _ in (*MAXIMA, *orders))),
    ]
    for n, layer in enumerate(patterns["layers"]):
        places = (f"{layer['maxima_percent'][name]:.1f} %" for name in MAXIMA)
        moves = (f"{layer['exact'][order]:,} / {layer['default_rule'][order]:,}" for order in orders)
        rows.append((str(n), *places, *moves))
    return markdown(rows)


def write_picture(directory: Path) -> None:
    """Quality against bits, from quality.json, into the same directory."""
    data = json.loads((directory / "quality.json").read_text(encoding="utf-8"))
    write_file(directory / PICTURE, draw(data))


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
