"""The tables of `fusioncim simulate` and of the demonstration: a row per head."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from fusioncim_sim.heads.judge import HeadErrors, HeadResult
from fusioncim_sim.screen.tables import cell, table


def heads_page(console: Console, results: Sequence[HeadResult]) -> None:
    """Errors, then bits and speed."""
    errors_page(console, results)
    console.print(heads_table(results))


def errors_page(console: Console, results: Sequence[HeadErrors]) -> None:
    """Error against float attention: on the floats as read (- for integer heads), and on the quantized integers."""
    grid = table(
        *("head", "tokens", "dimen-\nsion", "SQNR to\nfloats, dB", "largest error to\nfloats, LSB of V"),
        *("SQNR to\nintegers, dB", "largest error to\nintegers, LSB of V"),
    )
    for result in results:
        grid.add_row(
            *(result.name, tokens(result), f"{result.dimension}"),
            *(cell(result.sqnr_floats_db, ".1f"), cell(result.max_error_floats_lsb, ".2f")),
            *(cell(result.sqnr_integers_db, ".1f"), cell(result.max_error_integers_lsb, ".2f")),
        )
    console.print(grid)
    floats = any(result.sqnr_floats_db is not None for result in results)
    console.print(
        "To floats: against float64 attention on the floats of the file, quantization included."
        if floats
        else "To floats: none, the heads of the file are integers.",
        "To integers: against float64 attention on the integers that the engine gets.",
        sep="\n",
        soft_wrap=True,
    )


def heads_table(results: Sequence[HeadResult]) -> Table:
    """The RTL's bits and speed, and rescales here and of exact softmax."""
    grid = table(
        *("head", "tokens", "bit-exact\noutputs", "cycles", "per vector\nand word", "MAC utili-\nzation"),
        *("rescales\n+ halvings", "exact\nin order"),
    )
    for result in results:
        grid.add_row(
            *(result.name, tokens(result), exactness(result)),
            *(cell(result.cycles, ","), cell(result.cycles_per_vector, ".2f"), cell(result.utilization, ".1%")),
            *(f"{result.rescales:,} + {result.halvings:,}", cell(result.rescales_in_order_exact, ",")),
        )
    return grid


def tokens(result: HeadErrors) -> str:
    """Queries, and keys where there are others."""
    return f"{result.queries}" if result.queries == result.keys else f"{result.queries} x {result.keys}"


def exactness(result: HeadErrors) -> str:
    """How many outputs of the RTL are the golden model's; - without RTL."""
    outputs = result.outputs
    if result.mismatches is None:
        return "-"
    return f"NO, {result.mismatches:,} of {outputs:,} differ" if result.mismatches else f"all {outputs:,}"
