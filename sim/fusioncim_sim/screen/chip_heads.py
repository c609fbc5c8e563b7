"""The tables of `fusioncim simulate --chip`: a row per head, and what the chip counted."""

from rich.console import Console

from fusioncim_golden.status import Status
from fusioncim_sim.library.head_run import HeadRun
from fusioncim_sim.screen.heads import errors_page, exactness, tokens
from fusioncim_sim.screen.tables import pairs, table


def chip_page(console: Console, found: HeadRun) -> None:
    """Errors, then bits by job, then counters and speed."""
    errors_page(console, found.heads)
    grid = table("head", "job", "tokens", "sequences", "bit-exact\noutputs", "status")
    run = found.run
    for head in found.heads:
        parts, status = len(run.images[head.job].work.parts), run.statuses[head.job]
        bits = exactness(head)
        grid.add_row(head.name, f"{head.job}", tokens(head), f"{parts}", bits, status.name.lower())
    console.print(grid)
    for n, status in enumerate(run.statuses):
        if status != Status.OK:
            console.print(f"NO: job {n} failed: {status.words}.", soft_wrap=True)
    console.print(pairs({name: f"{value:,}" for name, value in run.counters.items()}))
    if run.stray:
        console.print(f"NO: {run.stray:,} bytes outside of the outputs were changed.")
    console.print(f"{run.cycles:,} cycles in {run.seconds:.2f} s: {run.cycles_per_second:,} cycles per second.")
