"""Whole chips: utilization, memory traffic, idle causes, cost of generating them, speed of simulation (chip.json)."""

from collections.abc import Iterable, Sequence

from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study
from fusioncim_sim.studies.targets import Target


def _measure(request: Request) -> Iterable[tuple[str, Stored]]:
    from fusioncim_sim.studies.chip import measure

    return measure.measure(request)


def targets(chip: Stored) -> Sequence[Target]:
    """What was asked of whole chips, and what is reached."""
    jobs, paper, speed = chip["workloads"], chip["generate"]["paper"], chip["speed"]
    decode = [job["cycles"] / job["read_bus_cycles"] - 1 for name, job in jobs.items() if name.startswith("decode")]
    return (
        *(
            (
                f"whole chip, {name}, load and drain included: use of the multipliers",
                f"at least {target} %",
                f"{jobs[name]['utilization_percent']} %",
            )
            for name, target in (("causal prefill, grouped", 90), ("full prefill, grouped", 95))
        ),
        (
            "whole chip, decode of 8 tokens: time beyond that of the bytes on the bus",
            "at most 5 %",
            " and ".join(f"{100 * over:.1f} %" for over in decode),
        ),
        (
            "Verilog of the whole `paper` chip",
            "under 5 MB, 60 s, 2 GB",
            f"{paper['bytes']:,} bytes, {paper['modules']} modules, {paper['seconds']:.0f} s, {paper['memory_mb']} MB",
        ),
        (
            "simulation of 4 engines: Verilator against Icarus",
            "at least 20 times the cycles per second",
            f"{speed['ratio']:.0f} times",
        ),
    )


def workloads_table(chip: Stored) -> str:
    """Where the cycles of whole chips go."""
    causes = ("load", "memory", "drain", "imbalance")
    rows = [
        ("job", "chip", "cycles", "use of the multipliers", *(f"idle: {cause}" for cause in causes)),
        ("---", "---", "---:", "---:", *("---:" for _ in causes)),
    ]
    for name, one in chip["workloads"].items():
        heads = f"{one['heads']} heads, {one['kv_heads']} KV, {one['queries']:,} x {one['keys']:,}"
        rows.append(
            (
                f"{name} ({heads}{', 4 jobs' if one['jobs'] > 1 else ''})",
                f"{one['engines']} x {one['rows']} x {one['columns']}",
                f"{one['cycles']:,}",
                f"{one['utilization_percent']} %",
                *(f"{one['idle_percent'][cause]} %" for cause in causes),
            )
        )
    return markdown(rows)


STUDY = Study(
    files={"chip.json": ("workloads", "generate", "speed")},
    measure=_measure,
    show=workloads_table,
)
