"""What `fusioncim soak` shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console


def soak_page(console: Console, figures: Mapping[str, Any], folder: Path) -> None:
    """The sums, how the jobs ended, and a line for every failure."""
    seeds = figures["seeds"]
    named = f" (seeds {seeds[0]} to {seeds[-1]})" if seeds else ""
    lines = [
        f"{figures['chips']:,} chips{named}, {figures['jobs']:,} jobs in {figures['cases']:,} cases.",
        f"{figures['cycles']:,} cycles in {figures['minutes']} minutes, {figures['build_minutes']} to compile.",
        "Ended as " + ", ".join(f"{name} {count:,}" for name, count in figures["statuses"].items()) + ".",
    ]
    for failure in figures["failures"]:
        seed, number = failure["seeds"]
        lines.append(f"NO, chip {seed}, case {number}: {failure['kind']}: {failure['text']}")
        lines.append(f"    made small: {folder / failure['file']}")
    if not figures["failures"]:
        lines.append("Every byte, status and counter is that of the golden model.")
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)


def cases_page(console: Console, said: Mapping[str, str]) -> None:
    """A line for every stored case."""
    for path, text in said.items():
        console.print(f"{path}: {f'NO, {text}' if text else 'good'}", soft_wrap=True, markup=False)
