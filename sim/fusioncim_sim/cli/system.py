"""Commands about whole models and many chips."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from fusioncim_sim.cli.options import (
    MOST_JOBS,
    Changes,
    ClockMhz,
    ConfigFile,
    Jobs,
    JsonOut,
    PaperPreset,
    choose_chip,
    refuse,
)
from fusioncim_sim.cli.results import Results


def evaluate(
    model: Annotated[
        str,
        typer.Option(
            help="Language model: llama3-8b, llama3-70b, llama2-7b, gpt3-175b, next-gpt, bert-base, deepseek-v3, "
            "a Hugging Face config.json, or the directory of one."
        ),
    ] = "llama3-8b",
    tokens: Annotated[int | None, typer.Option(help="Length of the sequence. Default: 8192.")] = None,
    chunk: Annotated[
        int | None, typer.Option(help="Prefill in chunks of so many tokens. Default with --batch: 512.")
    ] = None,
    new_tokens: Annotated[
        int | None, typer.Option(help="Decode so many tokens at once; the others are in the cache.")
    ] = None,
    sequences: Annotated[
        int | None, typer.Option(help="Sequences of a batch, all of this length: one job. Default: 1.")
    ] = None,
    page_tokens: Annotated[
        int | None, typer.Option(help="Keys and values in pages of so many tokens. Default: in one piece.")
    ] = None,
    cache: Annotated[
        str,
        typer.Option(
            help="What the cache holds: int8, int8-per-token, int4 or int4-per-token; per token with "
            "--set token_scale_bits=8."
        ),
    ] = "int8",
    batch: Annotated[
        str | None,
        typer.Option(
            metavar="TRACE",
            help="Serve the requests of a trace instead, a batch of all slots in every step: azure-conv, azure-code, "
            "or a .json or .csv file.",
        ),
    ] = None,
    slots: Annotated[int | None, typer.Option(help="With --batch: requests at a time. Default: 16.")] = None,
    requests: Annotated[int | None, typer.Option(help="With --batch: only the first requests.")] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_JOBS, help="With --batch: processes at a time. Default: one per core."),
    ] = None,
    layers: Annotated[int | None, typer.Option(help="Change the model: its layers.")] = None,
    heads: Annotated[int | None, typer.Option(help="Change the model: query heads.")] = None,
    kv_heads: Annotated[int | None, typer.Option(help="Change the model: key and value heads.")] = None,
    head_dimension: Annotated[
        int | None, typer.Option(help="Change the model: elements of a key and of a value.")
    ] = None,
    causal: Annotated[
        bool | None, typer.Option("--causal/--full", help="A query sees the keys up to its own, or all keys.")
    ] = None,
    preset: PaperPreset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    dram: Annotated[str, typer.Option(help="Memory: lpddr4, lpddr5, gddr5 or hbm2.")] = "lpddr5",
    clock_mhz: ClockMhz = 400.0,
    corner: Annotated[
        str, typer.Option(help="Technology and supply: '45 nm, 1.1 V', '28 nm, 0.9 V' or '28 nm, 0.72 V'.")
    ] = "28 nm, 0.9 V",
    energy_table: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Energies per event. Default: those of this package.")
    ] = None,
    energy: Annotated[bool, typer.Option("--energy/--no-energy", help="Say where the energy goes.")] = True,
    json_out: JsonOut = None,
) -> None:
    """Run the attention of a whole language model on a model of the chip: cycles, bytes, energy.

    The model follows every queue of the chip and equals the RTL cycle by cycle; long jobs are continued from shorter
    ones. Prefill of all tokens by default. With --batch, requests are served: tokens per second, times, energy per
    token.

    Examples: fusioncim evaluate --tokens 4096 --chunk 1024;
    fusioncim evaluate --sequences 16 --new-tokens 1 --page-tokens 16;
    fusioncim evaluate --batch azure-conv --requests 4 --page-tokens 16
    """
    from fusioncim.build.workers import cores, run_all
    from fusioncim_golden.mask import CAUSAL, FULL
    from fusioncim_sim.screen.serving import serving_page
    from fusioncim_sim.screen.system import evaluation_page
    from fusioncim_sim.system import dram as memories
    from fusioncim_sim.system import energy_table as energies
    from fusioncim_sim.system.model_config import language_model
    from fusioncim_sim.system.serving.closed_loop import CHUNK, SLOTS
    from fusioncim_sim.system.serving.figures import figures
    from fusioncim_sim.system.serving.serve import serve
    from fusioncim_sim.system.serving.trace import read_trace
    from fusioncim_sim.system.whole_model import evaluate_whole
    from fusioncim_sim.system.workload import Phase, cache_of

    if batch is not None:
        rule = "must not be given with --batch, whose requests have lengths of their own"
        refuse(rule, tokens=tokens, new_tokens=new_tokens, sequences=sequences)
    else:
        refuse("may be given only with --batch", slots=slots, requests=requests, jobs=jobs)
    chip = choose_chip(preset or (None if config else "paper"), config, changes)
    kept = cache_of(cache, page_tokens)
    mask = None if causal is None else CAUSAL if causal else FULL
    changed = {"layers": layers, "heads": heads, "kv_heads": kv_heads, "mask": mask}
    changed |= {"key_size": head_dimension, "value_size": head_dimension}
    this = language_model(model, changed)
    results = Results(json_out, "chip", "kinds", "model", "whole")
    common: dict[str, Any] = {
        "dram": memories.dram(dram),
        "table": energies.read_table(energy_table or energies.default_table()) if energy else None,
        "at": energies.corner(corner),
        "clock_mhz": clock_mhz,
    }
    if batch is not None:
        served = serve(
            chip,
            this,
            read_trace(batch).first(requests),
            **common,
            slots=SLOTS if slots is None else slots,
            chunk=CHUNK if chunk is None else chunk,
            cache=kept,
            jobs=jobs or cores(),
        )
        serving_page(results.console, served, corner)
        results.write(figures(served))
        return
    many = 1 if sequences is None else sequences
    phase = Phase(tokens=8192 if tokens is None else tokens, chunk=chunk, new=new_tokens, sequences=many)
    work = partial(evaluate_whole, chip, this, phase, **common, cache=kept)
    (result,) = run_all({this.name: work}, jobs=1, title="evaluate").values()
    evaluation_page(results.console, result, corner)
    results.write(result.as_dict())


def explore(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Directory of the results; run again to go on.")
    ] = Path("build/explore"),
    axis: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=V1,V2,..",
            help="Explore these values of a parameter; may be repeated. Default: a space of 1,536 chips.",
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="Language model, as of evaluate.")] = "llama3-8b",
    tokens: Annotated[int, typer.Option(help="Length of the sequence.")] = 1024,
    dram: Annotated[str, typer.Option(help="Memory: lpddr4, lpddr5, gddr5 or hbm2.")] = "lpddr5",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first points.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler, tcp://..., instead of local cores.")
    ] = None,
    jobs: Jobs = None,
    json_out: JsonOut = None,
) -> None:
    """Evaluate chips of many configurations on one workload: area, energy, latency, quality, and their Pareto front.

    What is finished is kept in results.jsonl of the directory; the same command goes on from there. Chips that cannot
    do the work are named with the reason.

    Example: fusioncim explore --axis engines=4,8,16 --axis rows=64,128 -o build/mine
    """
    from fusioncim.build.workers import cores
    from fusioncim_sim.files import write_json
    from fusioncim_sim.screen.system import front_page
    from fusioncim_sim.system import explore as space
    from fusioncim_sim.system.axes import AXES, parse_axes
    from fusioncim_sim.system.pareto import front

    results = Results(json_out, "front", "points")
    axes = parse_axes(axis) if axis else AXES
    question = space.Question(model=model, tokens=tokens, memory=dram)
    found = space.explore(output, axes, question, jobs=jobs or cores(), scheduler=scheduler, limit=limit)
    best = front(found.chips)
    front_page(results.console, found, best)
    write_json(output / "front.json", {"front": best}, ("front",))
    results.write({"front": best, "points": len(found.chips), "refused": found.refused})


def report(
    output: Annotated[
        Path, typer.Argument(metavar="FILE", help="HTML file to write; - is the standard output.")
    ] = Path("report.html"),
    measurements: Annotated[
        Path | None, typer.Option(help="Directory of the JSON files. Default: this repository's.")
    ] = None,
    exploration: Annotated[Path | None, typer.Option(help="Directory of an exploration, for the Pareto front.")] = None,
) -> None:
    """Write one self-contained HTML file: architecture, cost, models, baselines, ablation, sensitivity, Pareto front.

    Example: fusioncim report report.html
    """
    from fusioncim_sim.files import is_stream, stored_measurements
    from fusioncim_sim.pages.html_report import write_report

    write_report(output, measurements or stored_measurements(), exploration)
    if not is_stream(output):
        print(f"{output}  {output.stat().st_size:,} bytes")
