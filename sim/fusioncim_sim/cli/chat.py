"""The command with which a language model speaks through the chip."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.cli.options import Changes, ClockMhz, ConfigFile, JsonOut, Model, choose_chip, preset_names, refuse
from fusioncim_sim.cli.results import Results

CACHES = {"int8-per-token": "int8_per_token", "int4-per-token": "int4_per_token"}
"""What a cache may hold, by the names of the options, and by those of the backend."""


class ChatEngine(StrEnum):
    """What computes the attention."""

    rtl = "rtl"
    golden = "golden"


def chat(
    prompts: Annotated[list[str], typer.Argument(metavar="PROMPT...", help="Questions; several are one batch.")],
    engine: Annotated[
        ChatEngine,
        typer.Option(help="rtl: the chip's Verilog, after a minute or more of compiling; golden: the model alone."),
    ] = ChatEngine.rtl,
    tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 16,
    model: Model = "smollm2",
    preset: Annotated[
        str | None,
        typer.Option(
            help=f"Preset to start from: {', '.join(PRESETS)}; it gets token_scale_bits=8. Default: one engine of "
            "8 x 64, quick to simulate.",
            autocompletion=preset_names,
        ),
    ] = None,
    config: ConfigFile = None,
    changes: Changes = None,
    library: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Library of this chip, as of build-model, instead of compiling one."),
    ] = None,
    cache: Annotated[str, typer.Option(help="What the cache holds: int8-per-token or int4-per-token.")] = (
        "int8-per-token"
    ),
    cache_tokens: Annotated[int, typer.Option(min=1, help="Longest sequence that the cache holds.")] = 512,
    clock_mhz: ClockMhz = 400.0,
    json_out: JsonOut = None,
) -> None:
    """Let a language model answer, all its attention computed by the chip; needs the extra llm.

    The cache of keys and values lies in the chip's memory, in pages, and grows by a token per step. Both engines give
    the same tokens. At the end: cycles, time and energy that the chip would have taken.

    Example: fusioncim chat "What is the capital of France?" --tokens 8
    """
    from contextlib import ExitStack
    from functools import partial
    from time import monotonic

    from fusioncim.build.c_compiler import require
    from fusioncim.build.workers import run_all
    from fusioncim.package import check_clock
    from fusioncim_golden.config import check_choice
    from fusioncim_sim.library.binding import ChipModel
    from fusioncim_sim.llm.chat_chip import QUICK, SCALES
    from fusioncim_sim.llm.language_model import find_model, load_model, text_of

    added = {} if config else SCALES if preset else QUICK
    chip = choose_chip(preset, config, [*(f"{name}={value}" for name, value in added.items()), *(changes or [])])
    check_clock(clock_mhz)
    check_choice("cache", cache, tuple(CACHES))
    for each in prompts:
        if not each.strip():
            raise InputError(f"a prompt must have words, and must not be empty, not {each!r}")
    rtl = engine == ChatEngine.rtl
    if not rtl:
        refuse("may be given only with --engine rtl", library=library)
    results = Results(json_out, "answers", "chip", "engine", "prompts")
    source = find_model(model)
    if library is not None:
        ChipModel(library, chip).close()  # refuses one of another chip
    elif rtl:
        require("C++", "library")
        from fusioncim_sim.library.build import require_compiler

        require_compiler(trace=False)

    import torch

    from fusioncim_sim.llm.chat import TEXT_SIGNS, check_lengths, prepared
    from fusioncim_sim.llm.chat_report import Conditions
    from fusioncim_sim.llm.chat_text import Answer, Speech
    from fusioncim_sim.screen.chat import chat_page, show_pieces

    torch.set_num_threads(1)  # the same logits on every number of cores
    begin = monotonic()
    speech = Speech(source)
    asked = [speech.prompt(each) for each in prompts]
    check_lengths(asked, tokens, cache_tokens)
    text = speech.prompt(text_of(None)[:TEXT_SIGNS])
    talk = prepared(
        load_model(source), asked, chip, tokens=tokens, cache_tokens=cache_tokens, text=text, cache=CACHES[cache]
    )
    conditions = Conditions.of(chip, clock_mhz)
    answers, steps = [Answer(speech) for _ in asked], []
    with ExitStack() as stack:
        if rtl:
            if library is None:
                from fusioncim_sim.library.build import build_library

                (library,) = run_all({"library": partial(build_library, chip)}, jobs=1, title="chat").values()
            hardware = stack.enter_context(ChipModel(library, chip))
            computed = talk.on_chip(hardware, conditions.behind)
        else:
            computed = talk.on_golden(conditions.behind)
        for step in computed:
            steps.append(step)
            pieces = {n: answers[n].add(token) for n, token in zip(step.sequences, step.tokens, strict=True)}
            show_pieces(results.console, pieces, len(asked))
    report = {
        "answers": [{"text": each.text, "tokens": each.tokens} for each in answers],
        "chip": chip.as_dict(),
        "engine": engine.value,
        "model": source.name,
        "prompts": [{"text": each, "tokens": len(own)} for each, own in zip(prompts, asked, strict=True)],
        "seconds": monotonic() - begin,
        "taken": conditions.report(steps),
    }
    chat_page(results.console, report)
    results.write(report)
