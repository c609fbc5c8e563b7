"""What pages cost: cycles of a layer with keys and values in pages, beside those in one piece (paging.json).

Cycles are those of the cycle model, for a layer of LLaMA-3-8B on `paper` with LPDDR5 behind it. The pages are in no
order in a pool of POOL_TOKENS keys. The same is measured on hardware that was not taken (BUILDS).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from fusioncim.build.workers import run_all
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.descriptor import Pages, Tensor, Work
from fusioncim_golden.mask import CAUSAL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table
from fusioncim_sim.system.cycles import run
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.models import model
from fusioncim_sim.system.workload import Cache, job_of

LAYERS: Mapping[str, tuple[int, int, Mask]] = {
    "prefill of 2,048": (2048, 2048, CAUSAL),
    "decode over 8,192": (1, 8192, CAUSAL),
    "a window of 1,024 over 8,192": (8192, 8192, Mask(window=1024)),
}
"""Queries, keys and mask."""
LAYOUTS = ("head", "token")
"""[heads][tokens][dimension] or [tokens][heads][dimension], of a page or of all keys."""
SIZES = (16, 32, 64, 256)
"""Keys of a page."""
POOL_TOKENS = 1 << 19
"""Keys of the pool: a page's number has up to 15 bits."""
BUILDS: Mapping[str, Mapping[str, int]] = {
    "as built": {},
    "one bit per cycle": {"DIGIT_BITS": 1},
    "four words of the list": {"PAGE_WORDS": 4},
}
"""Constants of the cycle model by what is built with them."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Cycles on the cycle model."""
    chip = PRESETS["paper"]
    work = {
        f"{name}, {layout}, {size}, {build}": partial(cycles, chip, name, layout, size, build)
        for name in LAYERS
        for layout in LAYOUTS
        for size in (0, *SIZES)
        for build in BUILDS
    }
    done = run_all(work, jobs=request.jobs, title="pages")
    layers = {
        name: {
            layout: {
                build: {str(size): done[f"{name}, {layout}, {size}, {build}"] for size in (0, *SIZES)}
                for build in BUILDS
            }
            for layout in LAYOUTS
        }
        for name in LAYERS
    }
    yield "paging.json", {"pool": POOL_TOKENS, "layers": layers}


def cycles(chip: ChipConfig, name: str, layout: str, size: int, build: str) -> int:
    """Cycles of a layer; size: keys of a page, 0: in one piece."""
    memory = dram("lpddr5").behind(chip, CLOCK_MHZ)
    return run(chip, [layer(chip, name, layout, size)], memory, constants=BUILDS[build]).cycles


def layer(chip: ChipConfig, name: str, layout: str, size: int) -> Work:
    """The job of a layer."""
    queries, keys, mask = LAYERS[name]
    this = replace(model("llama3-8b"), mask=mask)
    work = job_of(chip, this, queries, keys - queries, keys, cache=Cache(page_tokens=size or None))
    job, far = work.job, 1 << chip.address_bits - 2
    vector = job.key_bytes(chip)

    def tensor(address: int) -> Tensor:
        each = job.k
        if layout == "token":
            return Tensor(address=address, pitch=this.kv_heads * vector, head_pitch=vector)
        return Tensor(address=address, pitch=each.pitch, head_pitch=each.head_pitch)

    # Behind everything else, where a whole pool has room.
    job = replace(job, k=tensor(far), v=tensor(2 * far))
    if not job.pages:
        return replace(work, job=job)
    count = POOL_TOKENS // size
    step = count // len(work.page_list)
    pages = Pages(**{**vars(job.pages), "count": count})
    return Work(job=replace(job, pages=pages), page_list=tuple(step * (n + 1) - 1 for n in work.page_list))


def pages_table(paging: Stored) -> str:
    """Cycles in one piece, and how many more pages take, by their keys; then with what was not taken."""
    head = ["layer", "layout", "in one piece", *(f"pages of {size}" for size in SIZES)]
    head += [f"pages of 16, {build}" for build in BUILDS if build != "as built"]
    rows = [head, ["---", "---", *["---:"] * (len(head) - 2)]]
    for name in LAYERS:
        for layout in LAYOUTS:
            one = paging["layers"][name][layout]

            def more(build: str, size: int, one: Stored = one) -> str:
                return f"{100 * (one[build][str(size)] / one[build]['0'] - 1):+.2f} %"

            cells = [more("as built", size) for size in SIZES]
            cells += [more(build, SIZES[0]) for build in BUILDS if build != "as built"]
            rows.append([name, f"{layout}s outside", f"{one['as built']['0']:,}", *cells])
    return markdown(rows)


STUDY = Study(
    files={"paging.json": ("pool", "layers")},
    measure=measure,
    tables=(Table("docs/decisions.md", "paging", pages_table, ("paging",)),),
    show=pages_table,
)
