"""A case of the soak: a chip, a memory, jobs and a stop as plain values, so that JSON holds it and a minimizer cuts it.

Operands are not in it but drawn from the seed of a job, in the shapes that it says: a job of other shapes has others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from fusioncim_golden.chip_config import ChipConfig, chip_from_dict
from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, Mask

MEMORY_BYTES = 1 << 19
"""More than the jobs of a case take."""
STOPS = ("abort", "reset", "hang")
"""An abort, a reset of chip and bus, and a bus that stands still from then on, which STALL_LIMIT ends."""
PARTS = ("q", "k", "v", "o", "scales", "table", "intervals", "list", "sinks", "slopes", "token_scales", "lse", "record")
"""Where a fault of a memory may lie."""
WRITTEN = ("o", "lse")
"""Those parts that the chip writes; it reads the others."""


@dataclass(frozen=True, kw_only=True)
class JobCase:
    """A job.

    Members:
        seed: of operands and tables.
        pattern, reach: of the scores, see `operands`.
        mask: window, ahead, chunk, prefix.
        page_tokens: keys of a page; 0: contiguous.
        sequences: of a batch, each [queries, keys, first_row, first_key, start, window, ahead, chunk, prefix].
        changes: what is done to fields of the record, each [field, "set" or "add" or "copy", number or field].
        entry: a bad word in a table, [table, index], or none.
        fault: beats that fail, [part, first byte, bytes, response], or none.

    The others are as of `job_places.JobOptions`; intervals, sinks, slopes and token_scales: the job has such a table.
    """

    seed: int = 1
    kv_heads: int = 1
    group: int = 1
    queries: int = 1
    keys: int = 1
    dimension: int = 8
    value_dimension: int = 8
    pattern: str = "uniform"
    reach: float = 4.0
    start: int | None = None
    mask: Sequence[int] = (CAUSAL.window, CAUSAL.ahead, CAUSAL.chunk, CAUSAL.prefix)
    layout: str = "head"
    page_tokens: int = 0
    page_layout: str = "token"
    shared: bool = False
    kv_bits: int = 0
    lse: bool = False
    sequences: Sequence[Sequence[int]] = ()
    intervals: bool = False
    sinks: bool = False
    slopes: bool = False
    token_scales: bool = False
    centred: bool = False
    gap: int = 0
    changes: Sequence[Sequence[Any]] = ()
    entry: Sequence[Any] | None = None
    fault: Sequence[Any] | None = None

    @property
    def masks(self) -> list[Mask]:
        """The masks of all sequences, or that of the job."""
        rows = [each[5:] for each in self.sequences] or [self.mask]
        return [mask_of(row) for row in rows]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Jobs on a chip.

    Members:
        chip: its parameters that differ from the defaults of `ChipConfig`.
        jobs: pushed in this order.
        base: address of the memory that the chip has.
        latency, share: of that memory.
        pauses: of its channels, [seed, part, length], or none.
        stop: [one of STOPS, cycles behind the first push], or none. Afterwards all jobs run again, undisturbed.
        looks: registers are read while the chip works.
    """

    chip: Mapping[str, Any]
    jobs: Sequence[JobCase]
    base: int = 0
    latency: int = 30
    share: float = 1.0
    pauses: Sequence[float] | None = None
    stop: Sequence[Any] | None = None
    looks: bool = False

    def config(self) -> ChipConfig:
        """The chip."""
        return chip_from_dict(self.chip)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it: what differs from the defaults."""
        return {**_changed(self), "jobs": [_changed(job) for job in self.jobs]}


def case_from_dict(values: Mapping[str, Any]) -> Case:
    """The inverse of `Case.as_dict`. Errors: a key that no case has."""
    try:
        jobs = [JobCase(**job) for job in values["jobs"]]
        return Case(**{**values, "jobs": jobs})
    except (TypeError, KeyError) as error:
        raise InputError(f"a case must have the keys chip and jobs, and no unknown ones ({error})") from error


def differing(chip: ChipConfig) -> dict[str, Any]:
    """The parameters of a chip that are not the defaults."""
    usual = ChipConfig().as_dict()
    return {name: value for name, value in chip.as_dict().items() if value != usual[name]}


def mask_of(row: Sequence[int]) -> Mask:
    """The mask of its four numbers."""
    window, ahead, chunk, prefix = row
    return Mask(window=window, ahead=ahead, chunk=chunk, prefix=prefix)


def _changed(record: Case | JobCase) -> dict[str, Any]:
    """The members that differ from their defaults."""
    values = asdict(record)
    return {item.name: values[item.name] for item in fields(record) if values[item.name] != item.default}
