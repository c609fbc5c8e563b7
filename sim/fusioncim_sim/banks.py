"""Banks as macros, latches and flip-flops side by side: area, and energy of an access, in the Nangate library.

Macros are the memory model's. The others are mapped, and their netlists simulated: all words are written with random
data, then one of three things happens for ACCESSES x 2 cycles: nothing; every second cycle a read of another word by
every port; every second cycle a write of random data. The difference to the idle run is the energy of the accesses.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fusioncim.bank import Bank
from fusioncim.emit import used
from fusioncim.flow.bank_logic import BANKS
from fusioncim.flow.liberty import Library, default_liberty, load
from fusioncim.flow.memory_array import bank_macro
from fusioncim.flow.memory_model import Macro
from fusioncim.flow.netlist import Flat, flatten
from fusioncim.flow.power import Energy, PowerModel
from fusioncim.flow.synth import Design, synthesize
from fusioncim.parallel import run_all
from fusioncim_sim.gate_level import build_gates, counting, read_activity
from fusioncim_sim.output import check_json, make_directory, write_json
from fusioncim_sim.runner import run

SHAPES: Mapping[str, Mapping[str, Any]] = {
    "queries of an IP-CIM row": {"depth": 4, "width": 1024, "reads": 1, "array": 1},
    "outputs of an OP-CIM row": {"depth": 128, "width": 96, "reads": 2},
    "ring of keys": {"depth": 16, "width": 1024, "reads": 1},
    "ring of values, one of four": {"depth": 4, "width": 1024, "reads": 1},
    "softmax: queries": {"depth": 32, "width": 33, "reads": 1},
    "softmax: blocks": {"depth": 8, "width": 61, "reads": 1},
    "softmax: states": {"depth": 32, "width": 57, "reads": 2},
    "softmax: corrections": {"depth": 32, "width": 14, "reads": 1},
}
"""The banks of a `paper` engine."""
ACCESSES = 32
PERIOD_NS = 2.5
KEYS = ("library", "shapes")
"""What banks.json holds."""


def write_banks(output: Path, jobs: int) -> None:
    """Measure on the Nangate library and write banks.json."""
    library, path = load(default_liberty()), output / "banks.json"
    if output.exists():
        check_json(path, KEYS)
    work: dict[str, Any] = {
        f"{name}: {banks}": partial(measure_cells, shape, banks, library)
        for name, shape in SHAPES.items()
        for banks in BANKS[1:]
    }
    done = run_all(work, jobs=jobs, title="banks")
    shapes = {}
    for name, shape in SHAPES.items():
        parameters = {key.upper(): value for key, value in shape.items()}
        shapes[name] = {**shape, "sram": of_macro(bank_macro(parameters))}
        if shape.get("array"):
            shapes[name]["sram, compiled"] = of_macro(bank_macro(parameters | {"ARRAY": 0}))
        shapes[name] |= {banks: rounded(done[f"{name}: {banks}"]) for banks in BANKS[1:]}
    make_directory(output)
    write_json(path, {"library": library.path.name, "shapes": shapes}, KEYS)
    print(f"wrote {path}")


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
    design = synthesize(Bank(**shape), library, banks=banks)
    flat = flatten({name: design.netlist(name) for name in design.order}, design.top)
    model = PowerModel(flat, library)
    short, idle, read, write = (
        simulate(shape, design, flat, model, kind, number)
        for kind, number in (("", count), ("", 2 * count), ("read", 2 * count), ("write", 2 * count))
    )
    return {
        "um2": design.area(),
        "read_fj": (dynamic(read) - dynamic(idle)) / count / shape["reads"],
        "write_fj": (dynamic(write) - dynamic(idle)) / count,
        "idle_fj": (idle.clock + idle.tree - short.clock - short.tree) / count,
        "leakage_nw": (idle.leakage - short.leakage) / (count * PERIOD_NS) * 1e3,
    }


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    """For a file."""
    return {name: round(value) if value >= 100 else round(value, 1) for name, value in values.items()}


def dynamic(energy: Energy) -> float:
    """All but leakage, in fJ."""
    return energy.switching + energy.internal + energy.clock + energy.tree


def simulate(shape: Mapping[str, Any], design: Design, flat: Flat, model: PowerModel, kind: str, cycles: int) -> Energy:
    """Energy of a run: all words written, then `cycles` cycles."""
    bank = Bank(**shape)
    used(bank)
    with counting(build_gates(design, flat), flat) as (program, counted):
        run(bank, "fusioncim_sim.bank_bench", "runs_accesses", accesses(shape, kind, cycles), program=program)
        activity = read_activity(counted, flat.nets)
    return sum(model.energies(activity, PERIOD_NS).values(), Energy())


def accesses(shape: Mapping[str, Any], kind: str, cycles: int) -> dict[str, Any]:
    """Inputs of the ports, and what the read ports show in the end; all words are written and one is read before.

    Addresses and data stay between accesses.
    """
    rng = np.random.default_rng(1)
    depth, width, reads = shape["depth"], shape["width"], shape["reads"]
    words, place = [0] * depth, [0] * reads
    shown: list[int | None] = [None] * reads
    row = {"write_enable": 0, "write_address": 0, "write_data": 0}
    row |= {f"read_{what}__{port}": 0 for what in ("enable", "address") for port in range(reads)}
    rows = []
    steps = ["write"] * depth + ["", "read"] + ["", kind] * (cycles // 2) + [""]
    for n, step in enumerate(steps):
        row = row | {name: 0 for name in row if "enable" in name}
        if step == "write":
            word, data = (
                n if n < depth else int(rng.integers(depth)),
                int.from_bytes(rng.bytes(width // 8 + 1), "little"),
            )
            words[word] = data % (1 << width)
            row |= {"write_enable": 1, "write_address": word, "write_data": words[word]}
            if shape.get("array"):
                shown = [None if at == word else old for at, old in zip(place, shown, strict=True)]
        for port in range(reads) if step == "read" else ():
            place[port] = (place[port] + int(rng.integers(1, depth))) % depth
            shown[port] = words[place[port]]
            row |= {f"read_enable__{port}": 1, f"read_address__{port}": place[port]}
        rows.append(row)
    return {
        "inputs": {name: [f"{each[name]:x}" for each in rows] for name in row},
        "shown": {f"read_data__{port}": None if value is None else f"{value:x}" for port, value in enumerate(shown)},
    }
