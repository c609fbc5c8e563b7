"""Banks as macros, latches and flip-flops side by side: area, and energy of an access, in the Nangate library.

Macros are the memory model's. The others are mapped, and their netlists simulated: all words are written with random
data, then in every second cycle nothing happens, or every port reads another word, or random data are written. The
difference to the first of these runs is the energy of the accesses; that of an idle cycle is from runs without any.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.memory.memory_array import bank_macro
from fusioncim.asic.memory.memory_model import Macro
from fusioncim.asic.power.power import Energy
from fusioncim.asic.synthesis.bank_logic import BANKS
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.build.workers import run_all
from fusioncim.lib.bank import Bank
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table

SHAPES: Mapping[str, Mapping[str, Any]] = {
    "queries of an IP-CIM row": {"depth": 4, "width": 1024, "reads": 1, "array": 1},
    "word of an OP-CIM row": {"depth": 64, "width": 46, "reads": 1},
    "ring of keys": {"depth": 32, "width": 1024, "reads": 1},
    "ring of values, one of eight": {"depth": 4, "width": 1024, "reads": 1},
    "softmax: queries": {"depth": 32, "width": 33, "reads": 1},
    "softmax: top of a block": {"depth": 8, "width": 21, "reads": 1},
    "softmax: rest of a block": {"depth": 8, "width": 49, "reads": 1},
    "softmax: states": {"depth": 32, "width": 46, "reads": 2},
    "softmax: corrections": {"depth": 32, "width": 14, "reads": 1},
    "sinks": {"depth": 1024, "width": 15, "reads": 1},
}
"""Banks of a `paper` engine."""
ACCESSES = 32
PERIOD_NS = 2.5


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Measure on the Nangate library."""
    library = load(default_liberty())
    work: dict[str, Any] = {
        f"{name}: {banks}": partial(measure_cells, shape, banks, library)
        for name, shape in SHAPES.items()
        for banks in BANKS[1:]
    }
    done = run_all(work, jobs=request.jobs, title="banks")
    shapes = {}
    for name, shape in SHAPES.items():
        parameters = {key.upper(): value for key, value in shape.items()}
        shapes[name] = {**shape, "sram": of_macro(bank_macro(parameters))}
        if shape.get("array"):
            shapes[name]["sram, compiled"] = of_macro(bank_macro(parameters | {"ARRAY": 0}))
        shapes[name] |= {banks: rounded(done[f"{name}: {banks}"]) for banks in BANKS[1:]}
    yield "banks.json", {"library": library.path.name, "shapes": shapes}


def of_macro(macro: Macro) -> dict[str, float]:
    """The figures of a macro."""
    return rounded(
        {
            "um2": macro.area_um2,
            "read_fj": macro.read_energy_fj,
            "write_fj": macro.write_energy_fj,
            "idle_fj": macro.idle_energy_fj,
            "leakage_nw": macro.leakage_nw,
        }
    )


def measure_cells(shape: Mapping[str, Any], banks: str, library: Library, count: int = ACCESSES) -> dict[str, float]:
    """Area and energies of a mapped bank. idle_fj: clock and its tree in a cycle without an access."""
    from fusioncim_sim.gates.played import PlayedUnit

    design = synthesize(Bank(**shape), library, banks=banks)
    unit = PlayedUnit(Bank(**shape), design)

    def played(kind: str, number: int) -> Energy:
        return unit.energy(accesses(shape, kind, number), PERIOD_NS)

    fill, read, write = (played(kind, count) for kind in ("fill", "read", "write"))
    short, long = (played("none", number) for number in (count, 2 * count))
    cycles = 2 * count  # that the longer one has more
    return {
        "um2": design.area(),
        "read_fj": (dynamic(read) - dynamic(fill)) / count / shape["reads"],
        "write_fj": (dynamic(write) - dynamic(fill)) / count,
        "idle_fj": (long.clock + long.tree - short.clock - short.tree) / cycles,
        "leakage_nw": (long.leakage - short.leakage) / (cycles * PERIOD_NS) * 1e3,
    }


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    """For a file."""
    return {name: round(value) if value >= 100 else round(value, 1) for name, value in values.items()}


def dynamic(energy: Energy) -> float:
    """All but leakage, in fJ."""
    return energy.switching + energy.internal + energy.clock + energy.tree


def accesses(shape: Mapping[str, Any], kind: str, count: int) -> dict[str, list[str]]:
    """Inputs of the ports in every cycle; addresses and data stay between accesses.

    kind: what happens `count` times after all words were written, `read`, `write` or nothing; or `none` at all.
    """
    rng = np.random.default_rng(1)
    depth, width = shape["depth"], shape["width"]
    row = {"write_enable": 0, "write_address": 0, "write_data": 0}
    row |= {f"read_{what}__{port}": 0 for what in ("enable", "address") for port in range(shape["reads"])}
    rows = []
    fill = ["write"] * (depth if kind != "none" else 0)
    for n, step in enumerate([*fill, *["", kind] * count]):
        row = row | {name: 0 for name in row if "enable" in name}
        if step == "write":
            data = int.from_bytes(rng.bytes(width // 8 + 1), "little") % (1 << width)
            word = n if n < depth else int(rng.integers(depth))
            row |= {"write_enable": 1, "write_address": word, "write_data": data}
        for port in range(shape["reads"]) if step == "read" else ():
            word = (row[f"read_address__{port}"] + int(rng.integers(1, depth))) % depth
            row |= {f"read_enable__{port}": 1, f"read_address__{port}": word}
        rows.append(row)
    return {name: [f"{each[name]:x}" for each in rows] for name in row}


KINDS = {"sram": "macro", "sram, compiled": "alone", "latches": "latches", "flops": "flip-flops"}
"""What a bank is made of, and what the table calls that."""


def banks_table(banks: Stored) -> str:
    """Banks by what they are made of: um2, pJ, uW."""
    rows = [
        ("bank", "made of", "um2", "read", "write", "idle", "leakage"),
        ("---", "---", "---:", "---:", "---:", "---:", "---:"),
    ]
    for name, shape in banks["shapes"].items():
        for kind, label in KINDS.items():
            if one := shape.get(kind):
                energies = one["read_fj"], one["write_fj"]
                cells = [f"{one['um2']:,.0f}", *(f"{fj / 1000:.1f}" for fj in energies), f"{one['idle_fj'] / 1000:.2f}"]
                rows.append((name, label, *cells, f"{one['leakage_nw'] / 1000:,.0f}"))
    return markdown(rows)


STUDY = Study(
    files={"banks.json": ("library", "shapes")},
    measure=measure,
    tables=[Table("docs/decisions.md", "banks", banks_table, ["banks"])],
)
