"""The demonstration: generate an engine, run real attention heads through it, and print one page."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fusioncim.build.workers import run_all
from fusioncim.engine.engine import Engine
from fusioncim.package import engine_files
from fusioncim.verilog.cached import cached_verilog
from fusioncim_golden.config import Config
from fusioncim_sim.files import check_directory, to_json, write_directory
from fusioncim_sim.heads import rescales
from fusioncim_sim.heads.judge import HeadResult, Run, choose, job_of, plain, report
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.heads.rescales import RULES, Moves, Places, below_exact, count_moves, find_moves, rule_name, total
from fusioncim_sim.pages.picture import draw
from fusioncim_sim.rtl.head_run import evaluate
from fusioncim_sim.rtl.programs import build
from fusioncim_sim.rtl.simulators import require_icarus
from fusioncim_sim.screen.heads import errors_page, heads_table
from fusioncim_sim.screen.tables import pairs, table

MIN_SQNR_DB = 40.0
MAX_ERROR_LSB = 1.0
PICTURE = "activity.png"


@dataclass(frozen=True)
class Figures:
    """What the demonstration found.

    Members:
        config: the engine.
        simulated: judgement and run of each head on the RTL, by name.
        whole: judgement of each whole head on the golden model.
        moves: rescales and halvings of all whole heads together.
        places: where rows of the pictured head were moved.
    """

    config: Config
    simulated: dict[str, tuple[HeadResult, Run]]
    whole: list[HeadResult]
    moves: Moves
    places: Places

    @property
    def exact(self) -> bool:
        """The RTL gave every bit of the golden model."""
        return all(result.bit_exact is True for result, _ in self.simulated.values())

    @property
    def accurate(self) -> bool:
        """Every whole head is within the bounds, against float attention on the same integers."""
        return all(
            result.sqnr_integers_db >= MIN_SQNR_DB and result.max_error_integers_lsb <= MAX_ERROR_LSB
            for result in self.whole
        )

    @property
    def good(self) -> bool:
        """No bit differs, and no error is out of bounds."""
        return self.exact and self.accurate

    def results(self) -> Mapping[str, Any]:
        """The heads on the RTL as JSON data, as `fusioncim simulate --json` writes them."""
        return report(self.config, "icarus", [result for result, _ in self.simulated.values()])

    def as_dict(self) -> dict[str, Any]:
        """Everything that the page shows, as JSON data."""
        whole = [plain(result) for result in self.whole]
        return {**self.results(), "whole": whole, "moves": rescales.as_dict(self.moves), "good": self.good}


def run_demo(console: Console, *, tokens: int, names: Sequence[str], output: Path, jobs: int) -> Figures:
    """Run, write and print everything."""
    start = time.monotonic()
    config = Config()
    version = require_icarus()
    check_directory(output)
    heads = load_heads(fixture(), config)
    chosen = [head.first(tokens) for head in choose(heads, names)]

    run_all({"Verilog and Icarus": partial(build, Engine(config))}, jobs=1, title="demo")  # once, not in every process
    work: dict[str, Callable[[], Any]] = {}
    work |= {f"{head.name}, {len(head.q)} tokens on Icarus": partial(evaluate, config, head) for head in chosen}
    work |= {f"{head.name}, every schedule": partial(count_moves, config, head) for head in heads}
    work |= {f"{head.name}, golden": partial(evaluate, config, head, rtl=False) for head in heads}
    done = list(run_all(work, jobs=jobs, title="demo").values())
    pictured = next(head for head in heads if head.name == chosen[-1].name)
    figures = Figures(
        config,
        {head.name: result for head, result in zip(chosen, done, strict=False)},
        [result for result, _ in done[len(chosen) + len(heads) :]],
        total(done[len(chosen) : len(chosen) + len(heads)]),
        find_moves(config, pictured.quantized(config), job_of(pictured)),
    )

    _, run = figures.simulated[pictured.name]
    title = f"Head {pictured.name} of SmolLM2-135M, first {len(chosen[-1].q)} tokens, under Icarus Verilog"
    moved = f"Head {pictured.name}, all {len(pictured.q)} tokens: where a row of O is moved"
    files = engine_files(config, cached_verilog(Engine(config))[1])  # the very text that was simulated
    files["results.json"] = to_json(figures.results())
    files[PICTURE] = draw(config, run, title, figures.places, moved)
    write_directory(output, files, config.as_dict())
    sizes = {name: len(content) for name, content in files.items()}
    print_page(console, config, version, output, sizes, figures)
    console.print(f"{time.monotonic() - start:.0f} s.")
    return figures


def print_page(
    console: Console, config: Config, version: str, output: Path, sizes: dict[str, int], figures: Figures
) -> None:
    """The page, but for the time."""
    order, rule = config.schedule, rule_name(config.slack, config.seed)

    def heading(text: str) -> None:
        console.print(text, style="bold")

    heading("FusionCIM: one hybrid engine on real attention heads\n")
    about = {
        "Engine": f"the default: {config.rows} queries x {config.columns} columns, {config.words} tiles resident, "
        f"{config.operand_bits}-bit Q, K and V,",
        "": f"{config.macs_per_cycle:g} multiply-accumulates per cycle for QK^T and as many for PV, "
        f"{words(order)}, {rule}",
        "Heads": f"SmolLM2-135M reading Moby-Dick: head dimension {config.columns}, equalized, causal",
        "Simulator": version,
        "Picture": f"{output / PICTURE}: the pipeline's activity over time, and where rows of O were moved",
    }
    console.print(pairs(about))
    heading("\nFiles written")
    console.print(pairs({str(output / name): f"{size:>11,} bytes" for name, size in sizes.items()}))
    heading("\nRTL under Icarus: every output bit against the golden model")
    console.print(heads_table([result for result, _ in figures.simulated.values()]))
    heading("Whole heads on the golden model")
    errors_page(console, figures.whole)
    heading("Rescales + halvings of all whole heads, by reference rule and schedule")
    console.print(moves_table(figures.moves))
    below = below_exact(figures.moves, order, rule)
    baseline = ", ".join(f"{words(name)} {count:,}" for name, count in figures.moves.exact.items())
    console.print(
        f"Exact online softmax rescales at every rise of a row's maximum: {baseline}.\n"
        f"The default, {words(order)} and {rule}: {below:.1f} % below exact in order.\n"
    )
    heading(
        f"Every output bit equal: {answer(figures.exact)}. "
        f"Whole heads within {MIN_SQNR_DB:g} dB and {MAX_ERROR_LSB:g} LSB of float64 on the integers: "
        f"{answer(figures.accurate)}."
    )


def words(name: str) -> str:
    """A schedule's name in words."""
    return name.replace("_", " ")


def answer(yes: bool) -> str:
    """Yes, or a NO that is seen."""
    return "yes" if yes else "NO"


def moves_table(moves: Moves) -> Table:
    """Rescales and halvings of all heads by rule and order."""
    grid = table("reference rule", *map(words, moves.rules))
    for name in (rule_name(*rule) for rule in RULES):
        grid.add_row(name, *("{:,} + {:,}".format(*rules[name]) for rules in moves.rules.values()))
    return grid
