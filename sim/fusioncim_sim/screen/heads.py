"""The table of `fusioncim simulate` and of the demonstration: a row per head."""

from collections.abc import Sequence

from rich.table import Table

from fusioncim_golden.config import Config
from fusioncim_sim.heads.judge import HeadResult
from fusioncim_sim.screen.tables import cell, table


def heads_table(config: Config, results: Sequence[HeadResult]) -> Table:
    """One row per head: the RTL's bits and speed, the error against float, rescales here and of exact softmax."""
    grid = table(
        *("head", "tokens", "bit-exact\noutputs", "cycles", "per vector\nand word", "MAC utili-\nzation"),
        *("SQNR\ndB", "error\nLSB of V", "rescales\n+ halvings", "exact\nin order"),
    )
    for result in results:
        grid.add_row(
            result.name,
            f"{result.queries}" if result.queries == result.keys else f"{result.queries} x {result.keys}",
            exactness(config, result),
            *(cell(result.cycles, ","), cell(result.cycles_per_vector, ".2f"), cell(result.utilization, ".1%")),
            *(cell(result.sqnr_db, ".1f"), cell(result.max_error_lsb, ".2f")),
            *(f"{result.rescales:,} + {result.halvings:,}", cell(result.rescales_in_order_exact, ",")),
        )
    return grid


def exactness(config: Config, result: HeadResult) -> str:
    """How many outputs of the RTL are the golden model's; - without RTL."""
    outputs = result.queries * config.columns
    if result.mismatches is None:
        return "-"
    return f"NO, {result.mismatches:,} of {outputs:,} differ" if result.mismatches else f"all {outputs:,}"
