"""The counters of the cycle model beside those of the RTL."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fusioncim_golden.chip_config import chip_from_dict
from fusioncim_golden.descriptor import Work
from fusioncim_sim.studies.study import Stored
from fusioncim_sim.system.cycles import Counts, Memory, run

COUNTERS = tuple(Counts.__dataclass_fields__)


def modelled(stored: Mapping[str, Any]) -> Counts:
    """The counters of the model on stored jobs."""
    jobs = [Work.from_dict(job) for job in stored["jobs"]]
    return run(chip_from_dict(stored["chip"]), jobs, Memory(**stored["memory"]))


def differences(stored: Mapping[str, Any]) -> dict[str, float]:
    """By how much the model's counters differ from the RTL's, relative to these, where they do."""
    mine, theirs = asdict(modelled(stored)), stored["counters"]
    return {name: mine[name] / max(theirs[name], 1) - 1 for name in COUNTERS if mine[name] != theirs[name]}


def comparison(data: Stored) -> str:
    """In how many cases the model is exact, and where it is not."""
    worst = {name: differences(case) for name, case in data["cases"].items()}
    exact = sum(not each for each in worst.values())
    lines = [f"in {exact} of {len(worst)} cases all {len(COUNTERS)} counters of the model are the RTL's"]
    lines += [
        f"{name}: {counter} {difference:+.2%}" for name, each in worst.items() for counter, difference in each.items()
    ]
    return "\n".join(lines)
