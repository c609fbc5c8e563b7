"""What `fusioncim soc` shows: the serial line, how the run ended, and the outputs."""

from rich.console import Console

from fusioncim_sim.soc.run import HeadRun


def soc_page(console: Console, head: HeadRun) -> None:
    """The text as it came, then two lines."""
    run = head.run
    console.print(run.text, end="" if run.text.endswith("\n") else "\n", soft_wrap=True)
    if run.stopped:
        console.print(f"Stopped after {run.cycles:,} cycles: {run.stopped}.", soft_wrap=True)
    else:
        console.print(f"The firmware ended with {run.code} after {run.cycles:,} cycles.", soft_wrap=True)
    outputs = sum(output.size for output in head.outputs.values())
    if not outputs:
        console.print("It has no outputs that could be compared with the golden model.", soft_wrap=True)
    elif head.mismatches:
        console.print(f"NO, {head.mismatches:,} of {outputs:,} outputs differ from the golden model.", soft_wrap=True)
    else:
        console.print(f"All {outputs:,} outputs are those of the golden model.", soft_wrap=True)
