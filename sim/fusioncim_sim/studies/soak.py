"""Random jobs on random chips, bit against bit (soak.json).

What a chip did is kept in the build directory: a measurement that was stopped goes on, and one with more chips adds to
what is there.
"""

from collections.abc import Iterator

from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table

CHIPS, JOBS = 40, 850
"""Chips, and jobs of each."""
GROUPS = {
    "masks": ("causal", "full", "window", "ahead", "chunks", "prefix", "intervals"),
    "batches": ("batch", "sequence without queries", "sequence without keys", "pages", "grouped heads"),
    "numbers": ("sinks", "slopes", "token scales", "centred", "packed keys and values", "lse"),
    "places": ("layout head", "layout token", "gaps", "shared", "memory not at 0"),
    "memories": ("pauses", "slow memory", "latency 2", "latency 100", "registers read meanwhile"),
    "faults": ("changed record", "bad entry", "fault of the memory", "abort", "reset", "hang"),
}
"""Options of jobs that the table shows."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Run all chips, or find what they did."""
    from fusioncim.build.cache import build_root
    from fusioncim_sim.soak.soak import run_soak
    from fusioncim_sim.soak.totals import totals

    folder = build_root() / "soak"
    yield "soak.json", totals(run_soak(seed=1, chips=CHIPS, jobs=JOBS, folder=folder, processes=request.jobs))


def soak_table(soak: Stored) -> str:
    """The sums, and how often each option was there."""
    events, options = soak["events"], soak["options"]
    drawn = sum(count for name, count in options.items() if name.startswith("engines "))
    rows = [
        ("figure", "measured"),
        ("---", "---"),
        ("random chips", f"{soak['chips']}"),
        ("jobs", f"{drawn:,} in {soak['cases']:,} cases"),
        ("ends of jobs", f"{soak['jobs']:,}"),
        ("jobs of which every byte is told before", f"{soak['compared']:,}"),
        ("cycles", f"{soak['cycles']:,}"),
        ("minutes", f"{soak['minutes']:.0f} of running, {soak['build_minutes']:.0f} of compiling, one process each"),
        ("failures", f"{len(soak['failures'])}"),
        ("ended as", ", ".join(f"`{name}` {count:,}" for name, count in soak["statuses"].items())),
        ("blocks of rows", f"{events['row_updates']:,}, of which {events['skipped_row_updates']:,} were skipped"),
        ("moves of rows", f"{events['rescales']:,} rescales, {events['halvings']:,} halvings"),
    ]
    for group, names in GROUPS.items():
        rows.append((f"jobs by {group}", ", ".join(f"{name} {options.get(name, 0):,}" for name in names)))
    for name in ("engines", "operand_bits", "update_rank", "bus_bits", "schedule", "token_scale_bits", "alibi"):
        found = {each.split()[1]: n for each, n in options.items() if each.startswith(f"{name} ")}
        values = sorted(found, key=lambda value: (len(value), value))
        rows.append((f"jobs by `{name}`", ", ".join(f"{value}: {found[value]:,}" for value in values)))
    return markdown(rows)


STUDY = Study(
    files={"soak.json": ("chips", "seeds", "failures")},
    measure=measure,
    tables=[Table("docs/soak.md", "soak", soak_table, ["soak"])],
    show=soak_table,
)
