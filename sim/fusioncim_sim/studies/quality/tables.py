"""The tables of docs/quality.md, and that of docs/measured.md."""

from collections.abc import Iterator, Mapping
from typing import Any

from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.preset_candidates import LONG
from fusioncim_sim.studies.quality.bounds import AGREEMENT, FEWER, LOSS
from fusioncim_sim.studies.study import Stored
from fusioncim_sim.studies.targets import Target
from fusioncim_sim.studies.targets import targets_table as of_targets

DEFAULT_ROW = "head, q, k and v equalized"
MAXIMA = ("first", "diagonal", "elsewhere")
CHIP_ORDER = "folded_16_engines"
"""The order of the chip `paper`."""


def targets_table(models: Mapping[str, Stored]) -> str:
    """What was asked, and what is reached."""
    return of_targets(row for data in models.values() for row in targets(data))


def targets(data: Mapping[str, Any]) -> Iterator[Target]:
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


def default_table(models: Mapping[str, Stored]) -> str:
    """The default configuration on every model."""
    rows = [
        ("model, tokens", "compared", "difference of mean losses, nats", "KL, nats", "same most likely token"),
        ("---", "---", "---:", "---:", "---:"),
    ]
    parts = [(data["model"], data[part]) for data in models.values() for part in DEFAULTS if part in data]
    for model, part in parts:
        for way, reference, words in COMPARED:
            if way in part:
                one = part[way][reference]
                name = f"{model}, {one['tokens']:,} in windows of {part['window']:,}"
                rows.append((name, words, *row_of(one)))
    return markdown(rows)


def speed_table(quality: Stored) -> str:
    """Attention of all layers in one window on one core."""
    rows = [
        ("model, tokens", "its own eager attention, s", "the engine's arithmetic, s", "ratio"),
        ("---", "---:", "---:", "---:"),
    ]
    one = quality["speed"]
    name = f"{quality['model']}, {one['tokens']:,}"
    rows.append((name, f"{one['eager_seconds']:.1f}", f"{one['engine_seconds']:.1f}", f"{one['ratio']:.2f}"))
    return markdown(rows)


def operands_table(quality: Stored) -> str:
    """What shares a scale."""
    rows = [
        ("a scale for every", "difference of mean losses, nats", "KL, nats", "same most likely token"),
        ("---", "---:", "---:", "---:"),
    ]
    for name, one in quality["operands"].items():
        rows.append((f"**{name}**" if name == DEFAULT_ROW else name, *row_of(one)))
    return markdown(rows)


def words(order: str) -> str:
    """A schedule's name."""
    return order.replace("_", " ")


def moves_table(models: Mapping[str, Stored]) -> str:
    """Exact rescales, and rescales + halvings by rule, against exact online softmax in order."""
    patterns = models["quality"]["patterns"]
    orders = list(patterns["total"]["rules"])
    rows = [
        ("model", "rule", *map(words, orders), f"{words(patterns['default']['schedule'])}: p that are 0", "slots"),
        ("---", "---", *("---:" for _ in orders), "---:", "---:"),
    ]
    for data in models.values():
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


def layers_table(quality: Stored) -> str:
    """Where row maxima lie by layer, and rescales by order: exact / of the default rule, halvings included."""
    patterns = quality["patterns"]
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
