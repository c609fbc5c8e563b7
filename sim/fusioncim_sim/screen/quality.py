"""The pages of `fusioncim quality`: losses of the engine beside those of the model's own attention, errors of heads."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from fusioncim_sim.heads.quality import HeadQuality
from fusioncim_sim.screen.tables import cell, table

WORDS = {
    "operands": "quantized operands, float attention",
    "engine": "the engine",
    "arithmetic": "the engine's error alone, on operands that both get",
}
"""Ways against the float model, and what the page calls them."""


def quality_page(console: Console, report: dict[str, Any]) -> None:
    """One row per way, each against the model's own float attention."""
    grid = table("attention", "perplexity", "difference of\nmean losses, nats", "KL, nats", "same most\nlikely token")
    first = next(iter(report["ways"].values()))
    grid.add_row("the model's own", f"{first['reference_perplexity']:.3f}", "", "", "")
    for name, words in WORDS.items():
        one = report["ways"][name]
        grid.add_row(
            words,
            f"{one['perplexity']:.3f}",
            f"{one['difference']:+.5f} ± {one['interval']:.5f}",
            f"{one['kl']:.2e}",
            f"{one['top1']:.2%}",
        )
    console.print(f"{report['model']}, {first['tokens']:,} tokens in windows of {report['window']:,}")
    console.print(grid)


def heads_quality_page(console: Console, found: Sequence[HeadQuality]) -> None:
    """One row per head: ratios of signal to noise."""
    grid = table("head", "queries", "keys", "dimen-\nsion", "operands,\ndB", "engine,\ndB", "arithmetic,\ndB")
    for one in found:
        sizes = (f"{one.queries:,}", f"{one.keys:,}", f"{one.dimension}")
        grid.add_row(one.name, *sizes, *(cell(x, ".1f") for x in (one.operands, one.engine, one.arithmetic)))
    console.print(grid)
    console.print(
        f"Ratios of signal to noise. Operands: {WORDS['operands']}. Engine: both errors together.",
        "These two are against float64 attention on the floats of the file.",
        f"Arithmetic: {WORDS['arithmetic']}.",
        "What a language model makes of such errors needs the model: fusioncim quality --model.",
        sep="\n",
        soft_wrap=True,
    )
