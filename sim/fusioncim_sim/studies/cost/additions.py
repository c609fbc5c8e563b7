"""What the rows of the OP-CIM take for what they add to O: a line over the additions, and those of real heads."""

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from fusioncim_golden import engine as golden_engine
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.schedule import Job
from fusioncim_sim.gates.tile_energy import TileResult
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.studies.cost.events import KINDS, PREFILL, SIZES, busy_cycles, deviation, line, of_units
from fusioncim_sim.studies.cost.rows import PAPER
from fusioncim_sim.studies.cost.runs import size_figures
from fusioncim_sim.studies.study import read
from fusioncim_sim.system.energy_table import STREAM

FIT_ROWS = SIZES[1]
"""Rows of the engine that is simulated with other heads, too."""
FEW, SOME = ("group1", "local"), ("local", "mixed")
"""These: with the first it skips most blocks, which gives the line of `Additions`; the second check it."""
PER_MAC = PAPER.engine.operand_bits / PAPER.engine.columns
"""Cycles of a row per multiply-accumulate."""


class Additions:
    """Energy of the OP-CIM's rows while streaming: per row and cycle of work c + d x, where x additions to O happen.

    c and d are those of two runs with different heads; others check them. In the table x is the mean of all heads of
    language models on PREFILL tokens; those of the captured heads, which are shorter, stand beside it.
    """

    UNIT = "OP-CIM rows"

    def __init__(
        self,
        engines: Mapping[int, TileResult],
        few: TileResult,
        some: TileResult,
        models: Mapping[str, Mapping[str, float]],
        uncentred: Mapping[str, Mapping[str, float]],
        growth: float,
    ) -> None:
        """uncentred: as `models`, of values that are not centred. growth: of a row's wires in the published size."""
        self.engines, self.few, self.some, self.growth = engines, few, some, growth
        self.models, self.uncentred = models, uncentred
        fit = few, engines[FIT_ROWS]
        rates = [self.rate(run) for run in fit]
        self.lines = {kind: line(rates, [self.measured(kind, run) for run in fit]) for kind in KINDS}
        self.heads = added_per_key()

    @staticmethod
    def rate(run: TileResult) -> float:
        """Additions per row and cycle of work."""
        return run.additions / (run.config.rows * busy_cycles(run))

    def measured(self, kind: str, run: TileResult) -> float:
        """Energy per row and cycle of work."""
        return of_units(run, [self.UNIT], kind)[STREAM] / run.config.rows

    def predicted(self, kind: str, run: TileResult) -> float:
        """The same from its additions."""
        return self.lines[kind].at(self.rate(run))

    def of(self, kind: str, per_key: float) -> float:
        """Energy per row and cycle of work if a row adds so many blocks per key that it sees, in the published size."""
        return self.lines[kind].at(per_key / PAPER.engine.operand_bits) * (self.growth if kind == "wires" else 1)

    def of_table(self, kind: str) -> float:
        """That of the table."""
        return self.of(kind, self.per_key()[str(PREFILL)])

    def per_key(self) -> dict[str, float]:
        """Blocks that a row adds per key that it sees, the mean of the models, by tokens."""
        return mean_of_models(self.models)

    def deviations(self, kind: str) -> dict[str, float]:
        """Of what the line says about the runs that it was not made from, in percent."""
        runs = {f"{rows} rows": run for rows, run in self.engines.items() if rows != FIT_ROWS}
        runs |= {"other heads": self.some}
        return {name: deviation(self.predicted(kind, run), self.measured(kind, run)) for name, run in runs.items()}

    def as_dict(self) -> dict[str, Any]:
        """For a file."""
        return {
            "fj_per_row_and_cycle": {kind: each.rounded() for kind, each in self.lines.items()},
            "heads": self.figures(self.heads),
            "lengths": self.figures(self.per_key()),
            "models": self.models,
            "uncentred": {tokens: round(added, 4) for tokens, added in mean_of_models(self.uncentred).items()},
            "runs": {" ".join(run.heads): size_figures(run) for run in (self.few, self.some)},
        }

    def figures(self, per_key: Mapping[str, float]) -> dict[str, Any]:
        """For a file; fj_per_mac: of the rows."""
        return {
            name: {
                "per_key": round(added, 4),
                "fj_per_mac": {kind: round(self.of(kind, added) * PER_MAC, 1) for kind in self.lines},
            }
            for name, added in per_key.items()
        }


def mean_of_models(models: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """By the tokens that all models have."""
    lengths = set.intersection(*(set(each) for each in models.values()))
    return {n: fmean(each[n] for each in models.values()) for n in sorted(lengths, key=int)}


def added_per_key() -> dict[str, float]:
    """Blocks that a row adds to its O, per key that it sees, on each captured head, whole and causal."""
    added = {}
    for head in load_heads(fixture(), Config()):
        tokens, columns = head.q.shape
        config = PAPER.engine.override(columns=columns)
        events = golden_engine.run(config, head.quantized(config), Job(queries=tokens, keys=tokens)).events
        added[head.name] = events.additions / events.scores
    return added


def read_additions(directory: Path, *, centred: bool = True) -> dict[str, dict[str, float]]:
    """Blocks that a row adds to its O per key that it sees, by model and tokens: `additions` of every quality file.

    centred: the values are.
    """
    found = {}
    for name, model in read(directory, "quality*").items():
        if "additions" not in model:
            continue
        additions: dict[str, Any] = model["additions"] if centred else model["additions"]["uncentred"]
        flush = PAPER.engine.centred_flush if centred else PAPER.engine.flush
        if additions["flush"] != flush or str(PREFILL) not in additions["per_key"]:
            raise InputError(
                f"the additions must be those of flush {flush}, of {PREFILL} tokens among others, not of "
                f"flush {additions['flush']}, of {', '.join(additions['per_key'])} tokens: {directory / name}.json"
            )
        found[model["model"]] = additions["per_key"]
    if not found:
        raise InputError(
            f"a quality.json must hold what a model adds to O (fusioncim measure quality --part additions), not so in "
            f"{directory}"
        )
    return found
