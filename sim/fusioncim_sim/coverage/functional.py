"""Which points of the plan the recorded runs reach."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

from fusioncim_golden.chip_config import ChipConfig, chip_from_dict
from fusioncim_golden.config import Config
from fusioncim_golden.status import Status
from fusioncim_sim.coverage import plan
from fusioncim_sim.coverage.plan import Pair
from fusioncim_sim.coverage.record import Record
from fusioncim_sim.coverage.space import SPANS, pairs

LATENCY = 30
"""Of the memory, in cycles, as usual."""


@dataclass
class Section:
    """A part of the plan.

    Members:
        points: the class of a feature, or the classes of two, each with why it is left out, or nothing.
        hits: those that a run reached.
    """

    points: dict[Pair, str] = field(default_factory=dict)
    hits: set[Pair] = field(default_factory=set)

    @property
    def wanted(self) -> list[Pair]:
        """The points that are not left out."""
        return [point for point, reason in self.points.items() if not reason]

    @property
    def missing(self) -> list[str]:
        """What should have been reached and was not."""
        return sorted(words(point) for point in self.wanted if point not in self.hits)

    def figures(self) -> dict[str, Any]:
        """What is told about it."""
        reasons: dict[str, int] = {}
        for reason in self.points.values():
            if reason:
                reasons[reason] = reasons.get(reason, 0) + 1
        reached = sum(point in self.hits for point in self.wanted)
        return {
            "points": len(self.wanted),
            "reached": reached,
            "left_out": reasons,
            "missing": self.missing,
            "reached_all_the_same": sorted(words(point) for point in self.hits if self.points.get(point)),
        }


def words(point: Pair) -> str:
    """A point in words."""
    return ", ".join(f"{name}: {label}" for name, label in sorted(point))


def sections() -> dict[str, Section]:
    """The plan."""
    found = {name: Section() for name in ("parameters", "edges", "derived", "jobs", "crosses", "runs", "statuses")}
    spans = {name: [one.name for one in each] for name, each in SPANS.items()}
    possible = pairs()
    _add(found["parameters"], _singles(spans))
    found["parameters"].points.update(
        {pair: "" if pair in possible else "the rules of the configuration" for pair in _pairs(spans)}
    )
    _add(found["edges"], _singles({name: [str(x) for x in values] for name, values in plan.EDGES.items()}))
    _add(found["derived"], _singles({name: list(labels) for name, (_, labels) in plan.DERIVED.items()}))
    features = {name: list(labels) for name, (_, labels) in plan.JOBS.items()}
    _add(found["jobs"], [*_singles(features), *_pairs(features)])
    crossed = {name: spans[name] for name in plan.CROSSED}
    _add(found["crosses"], (frozenset(pair) for pair in product(_items(crossed), _items(features))))
    _add(found["runs"], _singles(plan.RUNS))
    _add(found["statuses"], _singles({"status": [one.name for one in Status]}))
    return found


def _add(section: Section, points: Iterable[Pair]) -> None:
    section.points.update({point: {**plan.RULES, **plan.EXCLUDED}.get(point, "") for point in points})


def _items(features: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str]]:
    for name, labels in features.items():
        yield from ((name, label) for label in labels)


def _singles(features: Mapping[str, Iterable[str]]) -> Iterator[Pair]:
    return (frozenset([item]) for item in _items(features))


def _pairs(features: Mapping[str, Iterable[str]]) -> Iterator[Pair]:
    for one, other in combinations(features, 2):
        yield from (frozenset(pair) for pair in product(_items({one: features[one]}), _items({other: features[other]})))


def measured(records: Iterable[Record]) -> dict[str, Section]:
    """The plan and what the runs reach of it."""
    found = sections()
    for record in records:
        if record["kind"] == "chip":
            _chip(found, record)
        elif record["kind"] == "engine":
            _engine(found, record)
        elif record["kind"] == "status":
            found["statuses"].hits.add(frozenset([("status", record["status"])]))
    return found


def _chip(found: Mapping[str, Section], record: Record) -> None:
    chip = chip_from_dict(record["config"])
    if record["jobs"]:
        _configuration(found, plan.of_chip(chip), {**chip.as_dict()}, chip.engine)
    parameters = [item for item in plan.of_chip(chip).items() if item[0] in plan.CROSSED]
    for job in record["jobs"]:
        for part in job["parts"]:
            items = [(name, feature(chip.engine, job, part)) for name, (feature, _) in plan.JOBS.items()]
            found["jobs"].hits.update(_of(items))
            found["crosses"].hits.update(frozenset(pair) for pair in product(parameters, items))
        found["runs"].hits.update(_single(*item) for item in _memory(chip, job))
    if "stall" in record:
        latency, share = record["latency"], record["share"]
        less = "least" if latency == 2 else "less than usual"
        label = less if latency < LATENCY else "usual" if latency == LATENCY else "more than usual"
        found["runs"].hits |= {
            _single("bus stands still", record["stall"]),
            _single("latency of the memory", label),
            _single("beats of the memory", "fewer" if share < 1 else "every cycle"),
        }


def _memory(chip: ChipConfig, job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """How a job lies in memory."""
    yield "memory above 4 GiB", "yes" if job["base"] >= 1 << 32 else "no"
    if tokens := job["page_tokens"]:
        if tokens == chip.engine.update_rank:
            yield "page", "the rank"
        elif tokens >= 8:
            yield "page", "8 to 128 keys" if tokens <= 128 else "256 keys"


def _engine(found: Mapping[str, Section], record: Record) -> None:
    engine = Config(**record["config"])
    if record["jobs"]:
        _configuration(found, plan.of_engine(engine), engine.as_dict(), engine)
    stall = record["stall"]
    found["runs"].hits.update(_single(f"{port} of the engine", stall.get(port, "never")) for port in plan.PORTS)


def _configuration(
    found: Mapping[str, Section], labels: Mapping[str, str], values: Mapping[str, Any], engine: Config
) -> None:
    found["parameters"].hits.update(_of(list(labels.items())))
    for name, edges in plan.EDGES.items():
        found["edges"].hits.update(_single(name, str(edge)) for edge in edges if values.get(name) == edge)
    for name, (value, tests) in plan.DERIVED.items():
        found["derived"].hits.update(
            _single(name, label) for label, test in tests.items() if test(engine, value(engine))
        )


def _single(name: str, label: str) -> Pair:
    return frozenset([(name, label)])


def _of(items: list[tuple[str, str]]) -> set[Pair]:
    """The points of a run with these classes."""
    return {frozenset([item]) for item in items} | {frozenset(pair) for pair in combinations(items, 2)}
