"""The page and the report of `fusioncim quality`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from fusioncim_golden.config import Config
from fusioncim_sim.language_model import Source
from fusioncim_sim.pages import table
from fusioncim_sim.quality import evaluate
from fusioncim_sim.quality_study import page_ways, plain

WORDS = {
    "operands": "quantized operands, float attention",
    "engine": "the engine",
    "arithmetic": "the engine's error alone, on operands that both get",
}
"""Ways against the float model, and what the page calls them."""


def quality_report(source: Source, windows: NDArray[np.int64], config: Config, jobs: int) -> dict[str, Any]:
    """A configuration on a text, as JSON data."""
    done = evaluate(source, windows, page_ways(config), ("float",), jobs=jobs)
    return {
        "model": source.name,
        "config": config.as_dict(),
        "window": int(windows.shape[1]),
        "windows": len(windows),
        "ways": {name: plain(each["float"]) for name, each in done.items()},
    }


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
