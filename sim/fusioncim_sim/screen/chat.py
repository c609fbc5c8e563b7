"""What `fusioncim chat` shows: tokens as they come, then what the chip would have taken for them."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from fusioncim_sim.screen.tables import table

WORDS = {"first": "first token of an answer, with its prompt", "further": "further token"}
ENGINES = {
    "rtl": "Computed by the chip's Verilog",
    "golden": "Computed by the golden model, cycles by the cycle model",
}


def show_pieces(console: Console, pieces: Mapping[int, str], prompts: int) -> None:
    """The next piece of the only answer, or of each of several in a line."""
    if prompts == 1:
        console.print(printable(pieces[0]), end="", soft_wrap=True)
        return
    console.print("   ".join(f"{n + 1}: {printable(piece)!r}" for n, piece in pieces.items()), soft_wrap=True)


def printable(text: str) -> str:
    """The text, whose signs that steer a terminal are written as in Python."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else repr(sign)[1:-1] for sign in text)


def chat_page(console: Console, report: Mapping[str, Any]) -> None:
    """All answers, if they are several, and the figures."""
    console.print()
    if len(report["answers"]) > 1:
        for n, answer in enumerate(report["answers"]):
            console.print(f"{n + 1}: {printable(answer['text'])}", soft_wrap=True)
    taken = report["taken"]
    grid = table("what the chip takes for all attention", "tokens", "cycles each", "us each", "uJ each")
    for name, words in WORDS.items():
        one = taken[name]
        if one is None:
            continue
        each = one["per_token"]
        grid.add_row(
            words,
            f"{one['tokens']:,}",
            f"{each['cycles']:,.0f}",
            f"{each['seconds'] * 1e6:,.1f}",
            f"{each['energy_j'] * 1e6:,.2f}",
        )
    console.print(grid)
    console.print(
        f"{ENGINES[report['engine']]}, in {report['seconds']:.0f} s. The chip at {taken['clock_mhz']:g} MHz behind "
        f"{taken['dram']}, energy at {taken['corner']}.",
        soft_wrap=True,
    )
    if taken["estimate"]:
        console.print(taken["estimate"], soft_wrap=True)
