"""A self-checking bench in SystemVerilog, for any simulator: one small job, and what the golden model makes of it.

The bench needs no other file than those beside it. Who makes the job gives it as words: `fusioncim_sim.rtl.small_job`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from fusioncim.chip.registers import REGISTER_ADDRESS_BITS, registers
from fusioncim.fpga.self_check import StoredJob
from fusioncim.integration.ports import Port, axi_signal, groups
from fusioncim.verilog.reset import CLOCK, Reset

SOURCES = Path(__file__).parent
HALF_NS = 5
"""Half of the bench's clock period."""
START_CYCLES = 100
"""Cycles of the bench before the job."""
SOURCED = ("i_tile", "i_q", "i_block", "i_kv")
"""Streams into an engine."""


MEMORY_PINS = {
    **dict.fromkeys(("araddr", "arlen", "arvalid", "arready", "rdata", "rlast", "rvalid", "rready"), ""),
    **dict.fromkeys(("awaddr", "awvalid", "wdata", "wstrb", "wlast", "wvalid", "bready"), "'0"),
    **dict.fromkeys(("awready", "wready", "bvalid"), ""),
}
"""Ports of the bench's memory, and what they are connected to where an interface only reads."""


class Text(Template):
    """A text whose places begin with @."""

    delimiter = "@"


@dataclass(frozen=True)
class MemoryJob:
    """A job in a memory of a chip.

    Members:
        before, after: words of the memory, a beat of the bus each, as it is given and as the job leaves it.
        record: address of the job's record.
        limit: cycles after which a job that did not end never will.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    record: int
    limit: int


@dataclass(frozen=True)
class Bench:
    """A bench: its top module, its source file, and the files of words that it reads."""

    top: str
    source: str
    data: Mapping[str, str]

    @property
    def name(self) -> str:
        """Of the source file."""
        return f"{self.top}.sv"

    @property
    def files(self) -> dict[str, str]:
        """All of them by name."""
        return {self.name: self.source, **self.data}


def bench(top: str, ports: list[Port], reset: Reset, job: MemoryJob | StoredJob) -> Bench:
    """The bench of a chip, or of an engine, that runs the job."""
    if isinstance(job, MemoryJob):
        kind, (more, data) = "chip", _chip_values(top, ports, job)
    else:
        kind, (more, data) = "engine", _engine_values(top, ports, job)
    values = {
        "top": top,
        "reset": reset.port,
        "active": str(reset.level),
        "inactive": str(1 - reset.level),
        "asynchronous": str(int(reset.asynchronous)),
        "half": str(HALF_NS),
        "limit": str(job.limit + START_CYCLES),
        "wires": "".join(_wire(port) for port in ports if port.kind not in ("clock", "reset")),
        "pins": _pins({port.name: port.name for port in ports}),
    }
    template = Text((SOURCES / f"{kind}_tb.sv").read_text(encoding="utf-8"))
    return Bench(f"{top}_tb", template.substitute(values | more), data)


def _chip_values(top: str, ports: list[Port], job: MemoryJob) -> tuple[dict[str, str], dict[str, str]]:
    """Places of the template, files of words."""
    buses = {name: members for name, members in groups(ports).items() if members[0].kind == "axi4"}
    first = next(iter(buses.values()))
    widths = {axi_signal(port): port.width for port in first}
    valids = [p.name for p in ports if p.direction == "output" and p.name.endswith("valid")]
    control, result = registers()["CONTROL"], registers()["RESULT[0]"]
    assert result.fields["status"].low == 0
    values = {
        "words": str(len(job.before)),
        "memories": "\n".join(
            _memory(top, name, members) for name, members in zip(("memory", "copy"), buses.values(), strict=False)
        ),
        "valids": f"{{{', '.join(valids)}}}",
        "idle": f"{len(valids)}'d0",
        "high_register": str(REGISTER_ADDRESS_BITS - 1),
        "high_data": str(widths["RDATA"] - 1),
        "high_address": str(widths["ARADDR"] - 1),
        "high_strobe": str(widths["RDATA"] // 8 - 1),
        "beat_bits": str((widths["RDATA"] // 8).bit_length() - 1),
        "id": _offset("ID"),
        "id_value": f"32'h{registers()['ID'].fields['value'].reset:08x}",
        "address_low": _offset("JOB_ADDRESS_LO"),
        "address_high": _offset("JOB_ADDRESS_HI"),
        "job_low": f"32'h{job.record & 0xFFFFFFFF:08x}",
        "job_high": f"32'h{job.record >> 32:08x}",
        "control": _offset("CONTROL"),
        "push": f"32'h{1 << control.fields['push'].low:08x}",
        "completed": _offset("JOBS_COMPLETED"),
        "result": _offset("RESULT[0]"),
    }
    data = {f"{top}_tb_{name}.hex": _hex(getattr(job, name), widths["RDATA"]) for name in ("before", "after")}
    return values, data


def _engine_values(top: str, ports: list[Port], job: StoredJob) -> tuple[dict[str, str], dict[str, str]]:
    """Places of the template, files of words."""
    widths = {port.group: port.width for port in ports if port.name.endswith("__payload")}
    sources = [
        f"  {top}_tb_source #(.WIDTH({widths[name]}), .WORDS({len(getattr(job, name))}), "
        f'.FILE("{top}_tb_{name}.hex")) {name} (\n'
        + _pins({CLOCK: CLOCK, "started": "started", **{x: f"{name}__{x}" for x in ("payload", "valid", "ready")}})
        + "\n  );\n"
        for name in SOURCED
    ]
    values = {"beats": str(len(job.o)), "high_o": str(widths["o"] - 1), "sources": "".join(sources)}
    return values, {f"{top}_tb_{name}.hex": _hex(getattr(job, name), widths[name]) for name in (*SOURCED, "o")}


def _wire(port: Port) -> str:
    """The declaration of what the bench connects to a port; it drives AXI4-Lite and the ready of o itself."""
    driven = port.direction == "input" and (port.kind == "axi4lite" or port.group == "o")
    bits = f"[{port.width - 1}:0] " if port.width > 1 else ""
    return f"  {'reg' if driven else 'wire'} {bits}{port.name};\n"


def _pins(values: Mapping[str, str]) -> str:
    """Connections of an instance."""
    return ",\n".join(f"    .{name}({value})" for name, value in values.items())


def _memory(top: str, name: str, ports: Sequence[Port]) -> str:
    """A memory behind an AXI interface; behind one that only reads, it is a copy."""
    names = {axi_signal(port).lower(): port.name for port in ports}
    pins = {CLOCK: CLOCK} | {pin: names.get(pin, other) for pin, other in MEMORY_PINS.items()}
    ties = "".join(f"  assign {names[pin]} = 0;\n" for pin in ("rid", "rresp", "bid", "bresp") if pin in names)
    return f"  {top}_tb_memory #(.WORDS(WORDS)) {name} (\n{_pins(pins)}\n  );\n{ties}"


def _offset(register: str) -> str:
    """Of a register, as a number of Verilog."""
    return f"{REGISTER_ADDRESS_BITS}'h{registers()[register].offset:03x}"


def _hex(words: Sequence[int], width: int) -> str:
    """A word per line."""
    digits = -(-width // 4)
    return "".join(f"{word:0{digits}x}\n" for word in words)
