"""The page of `fusioncim quality`: losses of the engine beside those of the model's own attention."""

from typing import Any

from rich.console import Console

from fusioncim_sim.screen.tables import table

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
