"""The plan of the functional coverage: which configurations and jobs the tests have to run.

A point is a class of a feature, or a class of each of two features in the same run. The pairs that no rule of the
configuration allows are found by the rules themselves (`space`). What else is left out stands in EXCLUDED.

    parameters  every class of every parameter, and every pair of classes of two parameters
    edges       the least and the largest value of every parameter
    jobs        every class of every feature of a job, and every pair of two features
    crosses     every class of some parameters with every class of every feature of a job
    runs        how the bus and the streams stand still, how fast the memory is
    statuses    every way in which a job ends
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.mask import EVERY

Value = int | str


@dataclass(frozen=True)
class Span:
    """A class of a parameter.

    Members:
        low, high: its least and its largest value.
        tries: the values of it that a covering array takes.
    """

    low: Value
    high: Value
    tries: tuple[Value, ...]

    def __contains__(self, value: Any) -> bool:
        return bool(value == self.low if isinstance(self.low, str) else self.low <= value <= self.high)

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.low) if self.low == self.high else f"{self.low} to {self.high}"


def each(*values: Value) -> tuple[Span, ...]:
    """A class for every value."""
    return tuple(Span(value, value, (value,)) for value in values)


def span(low: int, high: int, *tries: int) -> Span:
    """A class of a range."""
    return Span(low, high, tries)


ENGINE: Mapping[str, tuple[Span, ...]] = {
    "rows": (*each(1), span(2, 7, 2, 3, 4, 6), span(8, 1024, 8, 12, 16)),
    "columns": (span(4, 8, 4, 8), span(9, 16, 16), span(17, 32, 24, 32), span(33, 1024, 48, 64, 128, 256)),
    "words": (*each(1, 2), span(3, 4, 3, 4), span(5, 16, 5, 8)),
    "operand_bits": each(4, 8),
    "probability_bits": (*each(6), span(7, 11, 7, 9), *each(12)),
    "accumulator_bits": (*each(16), span(17, 22, 18, 20, 21), span(23, 31, 24), *each(32)),
    "fraction_bits": (*each(4), span(5, 9, 6), *each(10)),
    "lut_size": (*each(8), span(16, 512, 16, 64, 256), *each(1024)),
    "softmax_lanes": (*each(1), span(2, 3, 2, 3), span(4, 1024, 4, 6, 8, 12, 16)),
    "update_rank": each(1, 2, 4, 8, 16),
    "slack": (*each(0), span(1, 5, 2, 4), *each(6)),
    "seed": each(0, 1),
    "flush": (*each(1), span(2, 10, 6, 9), span(11, 19, 11, 14), *each(20)),
    "schedule": each("in_order", "diagonal_first", "sink_first", "folded"),
    "output_bits": each(8, 16),
    "drain_rows": each(1, 2, 4),
    "token_scale_bits": each(0, 1, 8),
    "alibi": each(0, 1),
}
"""Of an engine."""

CHIP: Mapping[str, tuple[Span, ...]] = {
    "engines": (*each(1, 2, 4), span(8, 16, 8)),
    "streams": (*each(1), span(2, 4, 2, 3, 4), span(5, 16, 5, 8)),
    "walks": each(1, 2),
    "buffer_blocks": (*each(4), span(8, 16, 8, 16), span(32, 1 << 22, 32, 64)),
    "bus_bits": each(64, 128, 256, 512, 1024),
    "read_ports": each(1, 2),
    "address_bits": (*each(32), span(33, 63, 40), *each(64)),
}
"""Of the chip around its engines; the buffer is counted in blocks."""

JOINED = (
    (
        *("columns", "update_rank", "operand_bits", "bus_bits", "output_bits"),
        *("buffer_blocks", "streams", "token_scale_bits"),
    ),
    ("rows", "softmax_lanes", "drain_rows", "operand_bits"),
    ("accumulator_bits", "probability_bits", "operand_bits", "update_rank", "slack", "flush"),
    ("fraction_bits", "lut_size"),
)
"""The parameters that rules of the configuration join; a rule joins none but those of one row."""

EDGES: Mapping[str, tuple[int, ...]] = {
    "rows": (1, 1024),
    "columns": (4, 1024),
    "words": (1, 16),
    "probability_bits": (6, 12),
    "accumulator_bits": (16, 32),
    "fraction_bits": (4, 10),
    "lut_size": (8, 1024),
    "slack": (0, 6),
    "flush": (1, 20),
    "engines": (1, 16),
    "streams": (1, 16),
    "buffer_bytes": (1 << 26,),
    "address_bits": (32, 64),
}
"""Least and largest values, where these are no classes of their own."""

Derived = Callable[[Config], int]
DERIVED: Mapping[str, tuple[Derived, Mapping[str, Callable[[Config, int], bool]]]] = {
    "units of a row": (
        lambda engine: engine.units,
        {"one": lambda _, n: n == 1, "two": lambda _, n: n == 2, "more": lambda _, n: n > 2},
    ),
    "rows of a lane": (
        lambda engine: engine.rows_per_lane,
        {
            "one": lambda _, n: n == 1,
            "some": lambda engine, n: 1 < n < engine.operand_bits,
            "as many as bits": lambda engine, n: n == engine.operand_bits,
        },
    ),
    "dropped bits": (lambda engine: engine.dropped_bits, {"none": lambda _, n: n == 0, "some": lambda _, n: n > 0}),
    "entries of the table": (
        lambda engine: engine.lut_size,
        {
            "shared by fractions": lambda engine, n: n < 1 << engine.fraction_bits,
            "one per fraction": lambda engine, n: n == 1 << engine.fraction_bits,
        },
    ),
    "seed limit": (
        lambda engine: engine.seed_limit,
        {
            "of the flush": lambda engine, n: engine.seed and n == engine.flush,
            "less": lambda engine, n: engine.seed and n < engine.flush,
        },
    ),
}
"""What follows from the parameters and is a case of its own in the RTL."""

Job = Mapping[str, Any]
Part = Mapping[str, Any]
Feature = Callable[[Config, Job, Part], str]


def length_of_rows(engine: Config, job: Job, part: Part) -> str:
    """The rows of a key and value head beside those of a tile."""
    return _length(part["queries"] * job["heads"], engine.rows, "tile")


def length_of_keys(engine: Config, _: Job, part: Part) -> str:
    """The keys beside those of a block."""
    return _length(part["keys"], engine.update_rank, "block")


def _length(count: int, size: int, unit: str) -> str:
    """A count beside the size of a unit."""
    if count <= 1:
        return "none" if count == 0 else "one"
    if count < size:
        return f"part of a {unit}"
    return f"ragged {unit}s" if count % size else f"whole {unit}s"


def place_of_queries(_: Config, __: Job, part: Part) -> str:
    """Where the queries are among the keys."""
    last = part["keys"] - part["queries"]
    if part["start"] < last:
        return "before the end"
    return "the last" if part["start"] == max(last, 0) else "behind the end"


def kind_of_mask(_: Config, __: Job, part: Part) -> str:
    """The kind of a mask."""
    window, ahead, chunk, prefix = (part["mask"][name] for name in ("window", "ahead", "chunk", "prefix"))
    if prefix:
        return "window and prefix" if window < EVERY else "prefix"
    if chunk:
        return "full chunks" if ahead else "causal chunks"
    if window < EVERY:
        return "window on both sides" if ahead else "window"
    return "full" if ahead >= EVERY else "some ahead" if ahead else "causal"


def _yes(name: str) -> Feature:
    return lambda _, job, __: "yes" if job[name] else "no"


JOBS: Mapping[str, tuple[Feature, tuple[str, ...]]] = {
    "rows": (length_of_rows, ("none", "one", "part of a tile", "whole tiles", "ragged tiles")),
    "keys": (length_of_keys, ("none", "one", "part of a block", "whole blocks", "ragged blocks")),
    "heads": (lambda _, job, __: "one" if job["heads"] == 1 else "several", ("one", "several")),
    "kv heads": (lambda _, job, __: "one" if job["kv_heads"] == 1 else "several", ("one", "several")),
    "queries are": (place_of_queries, ("the last", "before the end", "behind the end")),
    "mask": (
        kind_of_mask,
        (
            *("causal", "full", "some ahead", "window", "window on both sides"),
            *("causal chunks", "full chunks", "prefix", "window and prefix"),
        ),
    ),
    "sequences": (lambda _, job, __: ("none", "one", "several")[min(job["sequences"], 2)], ("none", "one", "several")),
    "intervals": (lambda _, job, __: str(job["intervals"]), ("none", "some", "empty")),
    "layout": (lambda _, job, __: str(job["layout"]), ("token", "head")),
    "pages": (lambda _, job, __: job["pages"] or "none", ("none", "token", "head")),
    "values in keys": (_yes("shared"), ("no", "yes")),
    "packed": (lambda engine, job, _: "yes" if 0 < job["kv_bits"] < engine.operand_bits else "no", ("no", "yes")),
    "log-sum-exp": (_yes("lse"), ("no", "yes")),
    "sinks": (lambda _, job, __: str(job["sinks"]), ("none", "some", "all")),
    "slopes": (lambda _, job, __: str(job["slopes"]), ("none", "some", "all")),
    "token scales": (_yes("token_scales"), ("no", "yes")),
    "centred": (_yes("centred"), ("no", "yes")),
    "dimension": (
        lambda engine, job, _: "all columns" if job["dimension"] == engine.columns else "fewer",
        ("all columns", "fewer"),
    ),
    "value dimension": (
        lambda _, job, __: "the same" if job["outputs"] == job["dimension"] else "another",
        ("the same", "another"),
    ),
    "gaps in memory": (_yes("gap"), ("no", "yes")),
}
"""Features of a job of a chip: the function that gives the class, and all classes. Of a batch every sequence counts."""

CROSSED = ("operand_bits", "schedule", "seed", "output_bits", "drain_rows", "engines", "walks", "read_ports")
"""Parameters that meet every feature of a job."""

PORTS = ("i_tile", "i_q", "i_block", "i_kv", "o")
RUNS: Mapping[str, tuple[str, ...]] = {
    "bus stands still": ("never", "randomly", "bursts"),
    "latency of the memory": ("least", "less than usual", "usual", "more than usual"),
    "beats of the memory": ("every cycle", "fewer"),
    "page": ("the rank", "8 to 128 keys", "256 keys"),
    "memory above 4 GiB": ("no", "yes"),
    **{f"{port} of the engine": ("never", "randomly", "mostly", "bursts") for port in PORTS},
}

Pair = frozenset[tuple[str, str]]
RULES: Mapping[Pair, str] = {
    frozenset({("sinks", "all"), ("centred", "yes")}): "a head with a sink has no centred values",
    **{
        frozenset({(what, "none"), ("sequences", "none")}): "a job without a table has a query and a key"
        for what in ("rows", "keys")
    },
    frozenset({("heads", "several"), ("rows", "one")}): "a query has a row of every head",
    frozenset({("keys", "none"), ("queries are", "before the end")}): "no query is before the end of no keys",
    frozenset({("packed", "yes"), ("operand_bits", "4")}): "operands of 4 bits are as short as packed ones",
}
"""Pairs that no job can have, with the rule."""

TOO_LARGE = "too large to simulate in a night; its parts are copies of the same modules"
EXCLUDED: Mapping[Pair, str] = {
    frozenset({("rows", "1024")}): TOO_LARGE,
    frozenset({("buffer_bytes", str(1 << 26))}): TOO_LARGE,
}
"""Points that no test runs, with the reason; reviewed."""


def of_engine(engine: Config) -> dict[str, str]:
    """The classes of the parameters of an engine, by name."""
    values = engine.as_dict()
    return {name: class_of(spans, values[name]) for name, spans in ENGINE.items()}


def of_chip(chip: ChipConfig) -> dict[str, str]:
    """The classes of all parameters of a chip, by name."""
    return of_engine(chip.engine) | {name: class_of(spans, getattr(chip, name)) for name, spans in CHIP.items()}


def class_of(spans: tuple[Span, ...], value: Any) -> str:
    """The name of the class of a value; nothing if it has none."""
    return next((one.name for one in spans if value in one), "")
