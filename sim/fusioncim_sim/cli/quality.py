"""The command that says what the arithmetic does to a language model, or to heads."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fusioncim_golden.config import Config
from fusioncim_sim.cli.options import (
    HEADS,
    AxesOption,
    Changes,
    ConfigFile,
    Jobs,
    JsonOut,
    Model,
    Names,
    PaperPreset,
    Text,
    choose_config,
    given,
    refuse,
)
from fusioncim_sim.cli.results import Results

OF_MODELS = ("model", "text", "window", "tokens", "quick")
"""Options that mean nothing beside heads."""


def quality(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", help=f"Heads instead of a model: {HEADS}.", show_default=False),
    ] = None,
    model: Model = "smollm2",
    text: Text = None,
    preset: PaperPreset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    window: Annotated[int, typer.Option(min=2, help="Tokens that attend to each other.")] = 1024,
    tokens: Annotated[int, typer.Option(min=2, help="Read about as many tokens, in whole windows.")] = 20480,
    quick: Annotated[bool, typer.Option("--quick", help="Four windows of 256 tokens.")] = False,
    head: Names = None,
    axes: AxesOption = None,
    full: Annotated[
        bool, typer.Option("--full", help="With heads: a query sees all keys, not those up to it.")
    ] = False,
    jobs: Jobs = None,
    json_out: JsonOut = None,
) -> None:
    """Say what a configuration's arithmetic does to a language model that reads, or to heads of files.

    Of a model: perplexity, difference of losses with its 95 % interval, KL divergence and agreement of the most likely
    token; needs the extra llm. Of heads: errors of their outputs, by what they come from.

    Examples: fusioncim quality --set probability_bits=8 --quick;
    fusioncim quality heads.npz --preset tiny
    """
    from fusioncim.build.workers import cores

    if files:
        told = {name: given(context, name) for name in OF_MODELS}
        refuse("must not be given with files of heads", **told | {"quick": "" if told["quick"] else None})
    else:
        refuse("needs files of heads", head=head[0] if head else None, axes=axes, full="" if full else None)
    chosen = choose_config("paper" if preset is None and config is None else preset, config, changes)
    if files:
        _quality_of_heads(files, chosen, context.params)
        return
    from fusioncim_sim.llm.language_model import QUICK, find_model, text_of, tokenize, windows
    from fusioncim_sim.llm.losses import quality_report
    from fusioncim_sim.screen.quality import quality_page

    source = find_model(model)
    results = Results(json_out, "config", "model", "ways")
    length, limit = QUICK if quick else (window, max(tokens // window, 1))
    read = windows(tokenize(source, text_of(text)), length, limit)
    report = quality_report(source, read, chosen, jobs or cores())
    quality_page(results.console, report)
    results.write(report)


def _quality_of_heads(files: list[Path], config: Config, options: dict[str, Any]) -> None:
    from fusioncim.build.workers import cores
    from fusioncim_sim.heads.judge import choose, mask_of
    from fusioncim_sim.heads.quality import heads_quality, quality_figures
    from fusioncim_sim.heads.read import load_heads
    from fusioncim_sim.screen.quality import heads_quality_page

    results = Results(options["json_out"], "config", "heads", "mask")
    heads = choose(load_heads(files, config, axes=options["axes"]), options["head"] or [])
    mask = mask_of(not options["full"])
    found = heads_quality(config, heads, mask, jobs=options["jobs"] or cores())
    heads_quality_page(results.console, found)
    results.write(quality_figures(config, found, mask))
