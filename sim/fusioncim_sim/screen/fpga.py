"""The page of `fusioncim fpga`: what the engine takes of the board, and its clock."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from fusioncim_sim.screen.tables import pairs, table


def fpga_page(console: Console, shown: Mapping[str, Any]) -> None:
    """Cells, clock and size."""
    grid = table("cells", "used", "of", "share")
    for kind, n in shown["used"].items():
        grid.add_row(kind, f"{n['used']:,}", f"{n['available']:,}", f"{n['used'] / n['available']:.0%}")
    console.print(grid)
    config = shown["config"]
    rows = {
        "board": f"{shown['board']} ({shown['device']})",
        "engine": "{rows} rows x {columns} columns, words: {words}, INT{operand_bits}".format(**config),
        "clock": f"{shown['clock_mhz']:g} MHz, reached {shown['reached_mhz']:.2f} MHz",
        "peak": f"{shown['peak_gops']:g} GOPS",
        "bitstream": f"{shown['bitstream_bytes']:,} bytes",
        "processor time": ", ".join(f"{step} {seconds:g} s" for step, seconds in shown["cpu_s"].items()),
    }
    rows |= {f"netlist's {what}": shown[what] for what in ("serial", "light") if what in shown}
    console.print(pairs(rows))
