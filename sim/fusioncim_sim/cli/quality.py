"""The command that says what the arithmetic does to a language model."""

from typing import Annotated

import typer

from fusioncim_sim.cli.options import Changes, ConfigFile, Jobs, JsonOut, Model, PaperPreset, Text, choose_config
from fusioncim_sim.cli.results import Results


def quality(
    model: Model = "smollm2",
    text: Text = None,
    preset: PaperPreset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    window: Annotated[int, typer.Option(min=2, help="Tokens that attend to each other.")] = 1024,
    tokens: Annotated[int, typer.Option(min=2, help="Read about as many tokens, in whole windows.")] = 20480,
    quick: Annotated[bool, typer.Option("--quick", help="Four windows of 256 tokens.")] = False,
    jobs: Jobs = None,
    json_out: JsonOut = None,
) -> None:
    """Say what a configuration's arithmetic does to a language model that reads; needs the extra llm.

    Perplexity, difference of losses with its 95 % interval, KL divergence and agreement of the most likely token.

    Example: fusioncim quality --set probability_bits=8 --quick
    """
    from fusioncim.build.workers import cores
    from fusioncim_sim.llm.language_model import QUICK, find_model, text_of, tokenize, windows
    from fusioncim_sim.llm.losses import quality_report
    from fusioncim_sim.screen.quality import quality_page

    chosen = choose_config("paper" if preset is None and config is None else preset, config, changes)
    source = find_model(model)
    results = Results(json_out, "config", "model", "ways")
    length, limit = QUICK if quick else (window, max(tokens // window, 1))
    read = windows(tokenize(source, text_of(text)), length, limit)
    report = quality_report(source, read, chosen, jobs or cores())
    quality_page(results.console, report)
    results.write(report)
