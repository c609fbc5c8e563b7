"""Commands that map a design on cells: area, timing, power, bitstreams."""

from pathlib import Path
from typing import Annotated

import typer

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_sim.cli.options import (
    HEADS,
    AxesOption,
    Changes,
    ClockMhz,
    ConfigFile,
    JsonOut,
    Liberty,
    Names,
    Node,
    OneEngine,
    Preset,
    Processes,
    WireFfUm,
    choose,
    choose_chip,
    choose_config,
    refuse,
)
from fusioncim_sim.cli.results import Results


def synth(
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    engine: OneEngine = False,
    liberty: Liberty = None,
    node: Node = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Write the mapped netlists and Liberty views of the banks."),
    ] = None,
    jobs: Processes = None,
    json_out: JsonOut = None,
) -> None:
    """Map a chip on a cell library: area by module, classes of cells, banks.

    What the library lacks is said, with what is done instead. Every distinct module is mapped once, and kept.

    Example: fusioncim synth --preset tiny --engine -o build/netlist
    """
    from fusioncim.asic.synthesis.synth import require_pyosys, synthesize
    from fusioncim.build.workers import cores
    from fusioncim_sim.files import check_directory, write_directory
    from fusioncim_sim.gates.asic_figures import component_of, read_library, synth_figures
    from fusioncim_sim.gates.netlist_files import netlist_files
    from fusioncim_sim.screen.asic import synth_page

    chosen = (choose_config if engine else choose_chip)(preset, config, changes)
    require_pyosys()
    results = Results(json_out, "library", "modules", "banks", "um2_per_mac_per_cycle")
    if output:
        check_directory(output)
    library = read_library(liberty, node)
    design = synthesize(component_of(chosen), library, jobs=jobs or cores())
    figures = synth_figures(design, chosen)
    synth_page(results.console, figures)
    if output:
        files = netlist_files(design, figures)
        write_directory(output, files, chosen.as_dict())
        results.say(f"{output}: {len(files)} files; the cells are those of {library.path}")
    results.write(figures)


def timing(
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    engine: OneEngine = False,
    liberty: Liberty = None,
    node: Node = None,
    clock_mhz: ClockMhz = 400.0,
    wires: Annotated[
        bool, typer.Option("--wires", help="Place the engine, buffer its wires, and time it with them (minutes).")
    ] = False,
    wire_ff_um: WireFfUm = None,
    jobs: Processes = None,
    json_out: JsonOut = None,
) -> None:
    """Time a mapped chip with OpenSTA: slowest path of every module, highest frequency.

    With --wires, an engine: without its wires, with them, and with buffers that are placed for them. Exit status 1 if
    the clock frequency is not reached.

    Example: fusioncim timing --preset tiny --engine --clock-mhz 500 --wires
    """
    from fusioncim.asic.opensta import require_sta
    from fusioncim.asic.synthesis.synth import require_pyosys
    from fusioncim.build.workers import cores
    from fusioncim_sim.gates.asic_figures import period_of, read_library, time_design, timing_figures
    from fusioncim_sim.screen.asic import timing_page

    chosen = (choose_config if engine else choose_chip)(preset, config, changes)
    period_of(clock_mhz)
    check_wires(wires, wire_ff_um)
    if wires and isinstance(chosen, ChipConfig):
        raise InputError("--wires must come with --engine: a chip is not placed")
    require_sta()
    require_pyosys()
    if wires and isinstance(chosen, Config):
        _placed_timing(chosen, liberty, node, clock_mhz, wire_ff_um, jobs, json_out)
        return
    results = Results(json_out, "library", "modules", "shortest_period_ns")
    library = read_library(liberty, node)
    library.require_thresholds()
    timed = time_design(chosen, library, clock_mhz, jobs or cores())
    timing_page(results.console, timed, library)
    results.write(timing_figures(timed, chosen, library))
    if not timed.reached:
        raise typer.Exit(1)


def check_wires(wires: bool, wire_ff_um: float | None) -> None:
    """Refuse a capacitance of wires that is out of range, or that nothing has."""
    from fusioncim.asic.placement.wires import check_ff_um

    if wire_ff_um is not None:
        check_ff_um(wire_ff_um)
        if not wires:
            raise InputError("--wire-ff-um must come with --wires")


def _placed_timing(
    config: Config,
    liberty: Path | None,
    node: int | None,
    clock_mhz: float,
    wire_ff_um: float | None,
    jobs: int | None,
    json_out: Path | None,
) -> None:
    """Time a placed engine."""
    from fusioncim.asic.placement.placer import require_placer
    from fusioncim.asic.placement.wires import FF_UM
    from fusioncim.build.workers import cores
    from fusioncim_sim.gates.asic_figures import read_library
    from fusioncim_sim.gates.placed_figures import BUFFERS, placed_figures, time_placed
    from fusioncim_sim.screen.asic import placed_page

    require_placer()
    results = Results(json_out, "library", "paths", "buffers", "shortest_period_ns")
    library = read_library(liberty, node)
    library.require_thresholds()
    timed = time_placed(config, library, clock_mhz, FF_UM if wire_ff_um is None else wire_ff_um, jobs or cores())
    figures = placed_figures(timed, config, library)
    placed_page(results.console, timed.timings[BUFFERS].report, figures)
    results.write(figures)
    if not timed.reached:
        raise typer.Exit(1)


def power(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", help=f"Heads: {HEADS}. Default: captured heads.", show_default=False),
    ] = None,
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    liberty: Liberty = None,
    node: Node = None,
    head: Names = None,
    listed: Annotated[bool, typer.Option("--heads", help="List the captured heads, and end.")] = False,
    axes: AxesOption = None,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="The tile ends at this token of the head. Default: 128, or the last one.")
    ] = None,
    clock_mhz: ClockMhz = 400.0,
    wires: Annotated[bool, typer.Option("--wires", help="Place the engine, and count its wires (minutes).")] = False,
    wire_ff_um: WireFfUm = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Directory for the figures, and a picture of the placement.")
    ] = None,
    jobs: Processes = None,
    json_out: JsonOut = None,
) -> None:
    """Simulate one tile of a head on the mapped engine, and say where its energy goes.

    The tile: the last `rows` queries of the first tokens, causal, of equalized heads. They stand side by side: captured
    ones fill the columns, those of files may leave columns of zeros. --head names them, captured ones of any model of
    --heads. Exit status 1 if an output bit differs.

    Example: fusioncim power --head sink --tokens 64 --wires --output build/power
    """
    from fusioncim.asic.opensta import require_sta
    from fusioncim.asic.placement.placer import require_placer
    from fusioncim.asic.placement.wires import FF_UM
    from fusioncim.asic.synthesis.synth import require_pyosys
    from fusioncim.build.workers import cores
    from fusioncim_sim.files import check_directory, to_json, write_directory
    from fusioncim_sim.gates.asic_figures import period_of, read_library
    from fusioncim_sim.gates.gate_level import require_gates
    from fusioncim_sim.gates.power_figures import power_figures
    from fusioncim_sim.gates.tile_energy import engine_wires, run_tile
    from fusioncim_sim.heads.captured import captured_figures, captured_heads, model_of, side_by_side
    from fusioncim_sim.heads.read import load_heads
    from fusioncim_sim.heads.tile_heads import tile_end, tile_heads
    from fusioncim_sim.screen.power import captured_page, power_page

    if listed:
        results = Results(json_out, "captured")
        captured_page(results.console, captured_figures())
        results.write({"captured": captured_figures()})
        return
    chosen = choose_config(preset, config, changes)
    period = period_of(clock_mhz)
    check_wires(wires, wire_ff_um)
    if files:
        heads = tile_heads(chosen, load_heads(files, chosen, axes=axes), head or ())
        models = [", ".join(file.name for file in files)] * len(heads)
    else:
        refuse("needs files of heads", axes=axes)
        heads = captured_heads(chosen, head or ())
        models = [model_of(each.name) for each in heads]
    end = tokens or tile_end(heads)
    side_by_side(heads, end)  # refused before anything is mapped
    require_gates()
    require_sta()
    require_pyosys()
    if wires:
        require_placer()
    if output:
        check_directory(output)
    results = Results(json_out, "library", "energy_fj", "power_mw")
    library = read_library(liberty, node)
    library.require_thresholds()
    processes = jobs or cores()
    placed = engine_wires(chosen, library, wire_ff_um or FF_UM, jobs=processes) if wires else None
    result = run_tile(chosen, library, heads, end, period, wires=placed, jobs=processes)
    figures = power_figures(result, library, placed, models=models)
    power_page(results.console, result, library, figures["wires"], models=models)
    if output:
        from fusioncim_sim.pages.placement_picture import draw_placement

        written = {"power.json": to_json(figures)} | (
            {"placement.png": draw_placement(placed.placement)} if placed else {}
        )
        write_directory(output, written, chosen.as_dict())
        results.say(f"{output}: {len(written)} files")
    results.write(figures)
    if not result.bit_exact:
        raise typer.Exit(1)


def fpga(
    board: Annotated[str, typer.Option(help="Board: icebreaker or ulx3s.")] = "icebreaker",
    changes: Changes = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Tokens of the stored job. Default: the board's.")] = None,
    clock_mhz: Annotated[float | None, typer.Option(help="Clock frequency. Default: the board's.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Simulate the mapped netlist until it tells (minutes).")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Directory. Default: build/fpga/ and the board.")
    ] = None,
    json_out: JsonOut = None,
) -> None:
    """Make a bitstream: the largest engine that fits a board, which checks itself on stored results again and again.

    Lights tell whether it passed; the serial line (115200 baud, 8N1) says so with the number of cycles, every second. A
    clock that is not reached is an error.

    Example: fusioncim fpga --board icebreaker -o build/bitstream
    """
    from fusioncim.fpga.bitstream import build
    from fusioncim.fpga.boards import board as board_of
    from fusioncim_sim.files import check_directory, write_directory

    chosen = board_of(board)
    chosen.make_platform()  # without the extra fpga this names it; what follows would name a part of it
    from fusioncim_sim.gates.fpga_figures import bitstream_files, board_figures, self_check_of
    from fusioncim_sim.gates.fpga_netlist import netlist_shows, passes
    from fusioncim_sim.screen.fpga import fpga_page

    config = chosen.config.override(**choose(None, None, changes)[1])
    results = Results(json_out, "board", "config", "used", "clock_mhz")
    output = output or Path("build/fpga") / board
    check_directory(output)
    mhz = chosen.clock_mhz if clock_mhz is None else clock_mhz
    design = self_check_of(chosen, config, tokens or chosen.tokens, mhz)
    done = build(chosen, design, mhz)
    shown = board_figures(chosen, config, tokens or chosen.tokens, done)
    done.require_clock()
    if check:
        shown |= netlist_shows(chosen, done, design)
    fpga_page(results.console, shown)
    files = bitstream_files(chosen, done, shown)
    write_directory(output, files, config.as_dict())
    results.say(f"{output}: {len(files)} files; load: {chosen.loader} {output / f'fusioncim.{done.suffix}'}")
    results.write(shown)
    if check and not passes(shown):
        raise typer.Exit(1)
