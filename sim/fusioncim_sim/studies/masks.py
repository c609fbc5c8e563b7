"""What masks cost: cycles of a layer by the order of its key blocks, and how often rows are moved (masks.json).

Cycles are those of the cycle model, for a layer of LLaMA-3-8B over 8,192 tokens on `paper` with LPDDR5 behind it. They
stand beside what bounds them: the unmasked multiplications at full use, and the bytes that are read and written.

    rolling = KV heads * blocks * ceil(tiles that see a block / engines) * block_cycles

is the other way to walk windows: no passes, but one ascending walk of the keys that tiles join and leave. A block then
takes as many slots as the engine with the most of the tiles that see it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from fusioncim.build.workers import run_all
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden import engine as golden
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.engine import trace
from fusioncim_golden.job import traffic
from fusioncim_golden.key_order import ORDERS
from fusioncim_golden.mask import CAUSAL, EVERY, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.schedule import Job
from fusioncim_golden.softmax import exact_rescales
from fusioncim_sim.heads.read import Head, fixture, load_heads
from fusioncim_sim.heads.rescales import scores_in_order
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table
from fusioncim_sim.system.cycles import run
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.models import model, scores
from fusioncim_sim.system.workload import job_of

TOKENS = 8192
"""Of the layer, all of them new."""
LAYERS: Mapping[str, Mask] = {
    "causal": CAUSAL,
    "a window of 128": Mask(window=128),
    "a window of 1,024": Mask(window=1024),
    "a window of 4,096": Mask(window=4096),
    "64 to each side": Mask(window=65, ahead=64),
    "chunks of 2,048": Mask(chunk=2048),
}
"""Masks of the layer."""
HEADS: Mapping[str, Mask] = {
    "causal": CAUSAL,
    "a window of 64": Mask(window=64),
    "a window of 128": Mask(window=128),
    "a window of 256": Mask(window=256),
    "32 to each side": Mask(window=33, ahead=32),
    "chunks of 128": Mask(chunk=128),
}
"""Masks of the captured heads, of 512 tokens."""
ENGINES = 4
"""Engines that share a captured head: its passes have 256 queries."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Cycles on the cycle model, moves on the golden model."""
    chip = PRESETS["paper"]
    work: dict[str, Callable[[], Any]] = {
        f"layer, {name}, {order}": partial(cycles, chip, mask, order)
        for name, mask in LAYERS.items()
        for order in ORDERS
    }
    heads = load_heads(fixture(), Config())
    work |= {
        f"heads, {name}, {order}": partial(moves, heads, mask, order)
        for name, mask in HEADS.items()
        for order in ORDERS
    }
    done = run_all(work, jobs=request.jobs, title="masks")
    layers = {
        name: bounds(chip, mask) | {"cycles": {order: done[f"layer, {name}, {order}"] for order in ORDERS}}
        for name, mask in LAYERS.items()
    }
    moved = {name: {order: done[f"heads, {name}, {order}"] for order in ORDERS} for name in HEADS}
    yield "masks.json", {"tokens": TOKENS, "layers": layers, "heads": moved}


def cycles(chip: ChipConfig, mask: Mask, order: str) -> int:
    """Cycles of the layer."""
    this = replace(model("llama3-8b"), mask=mask)
    ordered = chip.override(schedule=order)
    return run(ordered, [job_of(ordered, this, TOKENS, 0, TOKENS)], dram("lpddr5").behind(chip, CLOCK_MHZ)).cycles


def bounds(chip: ChipConfig, mask: Mask) -> dict[str, Any]:
    """What bounds the cycles of the layer, in cycles, and the bytes of its keys and values."""
    this = replace(model("llama3-8b"), mask=mask)
    engine, job = chip.engine, job_of(chip, this, TOKENS, 0, TOKENS)
    moved = traffic(chip, job)
    kv_bytes = moved.bytes_key + moved.bytes_value
    found: dict[str, Any] = {
        "mask": asdict(mask),
        "multiplications": scores(this, TOKENS, 0, TOKENS) * engine.operand_bits // (chip.engines * engine.rows),
        "reads": (kv_bytes + moved.bytes_query) // chip.bus_bytes,
        "writes": moved.bytes_output // chip.bus_bytes,
        "kv_bytes": kv_bytes,
    }
    if mask.window < EVERY:
        queries = engine.rows * this.kv_heads // this.heads
        tiles = -(-(mask.window + mask.ahead + queries) // queries)
        slots = this.kv_heads * (TOKENS // engine.update_rank) * -(-tiles // chip.engines)
        found["rolling"] = slots * engine.block_cycles
    return found


def moves(heads: list[Head], mask: Mask, order: str) -> dict[str, int]:
    """Rescales and halvings of all captured heads, and rescales of exact online softmax with that order."""
    config = Config(schedule=order)
    found = {"rescales": 0, "halvings": 0, "exact": 0}
    for head in heads:
        job, operands = Job(queries=len(head.q), keys=len(head.k), mask=mask), head.quantized(config)
        events = golden.run(config, operands, job, ENGINES).events
        found["rescales"] += events.rescales
        found["halvings"] += events.halvings
        found["exact"] += sum(
            exact_rescales(*scores_in_order(config, tile)) for tile in trace(config, operands, job, ENGINES)
        )
    return found


def layers_table(masks: Stored) -> str:
    """Cycles of a layer by mask and order, beside what bounds them."""
    orders = ("folded", "sink_first", "in_order")
    head = [
        "mask",
        "multiplications",
        "reads",
        "writes",
        "K and V, MB",
        *(each.replace("_", " ") for each in orders),
        "rolling",
    ]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, one in ((name, masks["layers"][name]) for name in LAYERS):
        numbers = [one["multiplications"], one["reads"], one["writes"]]
        rolling = f"at least {one['rolling']:,}" if "rolling" in one else "-"
        cells = [f"{one['kv_bytes'] / 1e6:.1f}", *(f"{one['cycles'][each]:,}" for each in orders), rolling]
        rows.append([name, *(f"{number:,}" for number in numbers), *cells])
    return markdown(rows)


def moves_table(masks: Stored) -> str:
    """Rescales + halvings of the captured heads by mask and order, and below exact online softmax in order."""
    head = ["mask", "exact, in order", *(order.replace("_", " ") for order in ORDERS), "folded, below exact"]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, one in ((name, masks["heads"][name]) for name in HEADS):
        counts = [f"{one[order]['rescales']:,} + {one[order]['halvings']:,}" for order in ORDERS]
        folded, exact = one["folded"]["rescales"] + one["folded"]["halvings"], one["in_order"]["exact"]
        rows.append([name, f"{exact:,}", *counts, f"{100 * (1 - folded / exact):.1f} %"])
    return markdown(rows)


STUDY = Study(
    files={"masks.json": ("layers", "heads")},
    measure=measure,
    tables=(
        Table("docs/decisions.md", "masks", layers_table, ("masks",)),
        Table("docs/decisions.md", "masked_moves", moves_table, ("masks",)),
    ),
    show=layers_table,
)
