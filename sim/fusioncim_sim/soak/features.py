"""What a case has, by name: the options that a soak counts."""

from collections import Counter

from fusioncim_golden.mask import EVERY
from fusioncim_sim.soak.case import Case, JobCase

CHIP = (
    *("engines", "operand_bits", "update_rank", "schedule", "bus_bits", "read_ports", "walks", "output_bits"),
    *("drain_rows", "token_scale_bits", "alibi", "seed", "words", "slack", "address_bits"),
)
"""Parameters of a chip that are counted by their values."""
SWITCHES = ("shared", "lse", "intervals", "sinks", "slopes", "token_scales", "centred")
"""What a job has or has not."""


def features(case: Case) -> Counter[str]:
    """How many jobs of a case have each option of a chip, a memory and a job."""
    values = case.config().as_dict()
    around = [f"{name} {values[name]}".lower() for name in CHIP]
    around.append(f"latency {case.latency}")
    around += ["pauses"] if case.pauses else []
    around += ["slow memory"] if case.share < 1 else []
    around += [case.stop[0]] if case.stop else []
    around += ["registers read meanwhile"] if case.looks else []
    around += ["memory not at 0"] if case.base else []
    found: Counter[str] = Counter()
    for job in case.jobs:
        found.update(around)
        found.update(_of_job(job))
    return found


def _of_job(job: JobCase) -> set[str]:
    """The options of a job."""
    found = {name.replace("_", " ") for name in SWITCHES if getattr(job, name)}
    found |= {f"scores {job.pattern}", f"layout {job.layout}"}
    named = {
        "pages": job.page_tokens,
        "batch": job.sequences,
        "grouped heads": job.group > 1,
        "several KV heads": job.kv_heads > 1,
        "packed keys and values": job.kv_bits,
        "gaps": job.gap,
        "values narrower or wider than keys": job.value_dimension != job.dimension,
        "changed record": job.changes,
        "bad entry": job.entry,
        "fault of the memory": job.fault,
    }
    found |= {name for name, there in named.items() if there}
    for mask in job.masks:
        found |= {"window"} if mask.window < EVERY else set()
        found |= {"chunks"} if mask.chunk else set()
        found |= {"prefix"} if mask.prefix else set()
        found |= {"full"} if mask.ahead == EVERY else {"ahead"} if mask.ahead else set()
        found |= {"causal"} if (mask.window, mask.ahead, mask.chunk, mask.prefix) == (EVERY, 0, 0, 0) else set()
    for queries, keys, *_ in job.sequences:
        found |= {"sequence without queries"} if not queries else set()
        found |= {"sequence without keys"} if not keys else set()
    return found
