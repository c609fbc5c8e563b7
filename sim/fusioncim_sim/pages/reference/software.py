"""What a driver sees of a chip, as Markdown: registers, records of jobs in memory, outcomes."""

from collections.abc import Iterator

from fusioncim.chip.registers import Register
from fusioncim.chip.registers import registers as all_registers
from fusioncim.chip.software.record_files import tables
from fusioncim_golden.status import Status
from fusioncim_sim.pages.reference.cells import cell, table

KINDS = {
    "constant": "constant",
    "input": "read",
    "storage": "read, write",
    "pulse": "write 1: acts once",
    "sticky": "read, write 1: clears",
}
"""What software may do with a field, by `Field.kind`."""


def registers() -> str:
    """A row per register, and one per field where a register has several."""
    rows = [row for register in all_registers().values() for row in _rows(register)]
    return table(["offset", "register", "bits", "software", "after reset", "what it says"], rows)


def _rows(register: Register) -> Iterator[tuple[str, ...]]:
    one = len(register.fields) == 1
    if not one:
        yield f"{register.offset:#05x}", f"`{register.name}`", "", "", "", cell(register.desc)
    for name, field in register.fields.items():
        high = field.low + field.width - 1
        bits = f"{high}:{field.low}" if field.width > 1 else f"{field.low}"
        reset = "" if field.reset is None else f"{field.reset:#x}"
        names = (f"{register.offset:#05x}", f"`{register.name}`") if one else ("", f"`{name}`")
        yield *names, bits, KINDS[field.kind], reset, cell(register.desc if one else field.desc)


def records() -> str:
    """A table per record."""
    return "\n".join(f"## {heading}\n\n{text}" for heading, text in tables().items())


def statuses() -> str:
    """A row per outcome of a job."""
    return table(["code", "status", "words"], [(str(int(s)), f"`{s.name}`", cell(s.words)) for s in Status])
