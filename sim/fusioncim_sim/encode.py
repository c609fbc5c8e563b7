"""Jobs as the words that go over an engine's streams, and the places of the outputs that come back."""

from collections.abc import Sequence
from dataclasses import dataclass

from fusioncim.loader import job_layout, query_row_layout
from fusioncim_golden.config import Config
from fusioncim_golden.quantize import Heads
from fusioncim_golden.schedule import Job, Pass, passes
from fusioncim_sim.stream import pack, pack_vector


@dataclass(frozen=True)
class Streams:
    """Words of jobs that follow each other.

    Members: jobs, q: words of i_job and i_q, in order; k, v: words of all keys and values, job after job, of which
    key_offset[n] is the first of job n; blocks: requests of each job; places: (job, head, query) of every output row,
    in order; tile_ends: number of output rows up to the end of every tile; slots: blocks that pass words.
    """

    jobs: list[int]
    q: list[int]
    k: list[int]
    v: list[int]
    key_offset: list[int]
    blocks: list[int]
    places: list[tuple[int, int, int]]
    tile_ends: list[int]
    slots: int


def job_word(config: Config, job: Job) -> int:
    """The word of i_job."""
    fields = {"queries": job.queries, "keys": job.keys, "heads": job.heads, "start": job.first_position()}
    return pack(job_layout(config), {**fields, "causal": int(job.causal), "group": job.group(config)})


def query_word(config: Config, heads: Heads, head: int, query: int) -> int:
    """The word of i_q for one query."""
    layout = query_row_layout(config)
    word = pack_vector(heads.q[head, query], config.operand_bits) << layout["data"].offset
    word |= int(heads.mantissa[head, query]) << layout["mantissa"].offset
    return word | int(heads.shift[head, query]) << layout["shift"].offset


def encode(config: Config, jobs: Sequence[tuple[Heads, Job]]) -> Streams:
    """All words of the jobs."""
    walk: list[tuple[int, Heads, Job, list[Pass]]] = [
        (index, heads, job, list(passes(config, job))) for index, (heads, job) in enumerate(jobs)
    ]
    places, tile_ends, slots = [], [], 0
    for index, _, job, groups in walk:
        for group in groups:
            slots += len(group.blocks) * len(group.tiles)
            for tile in group.tiles:
                last = min(tile.first_query + config.rows, job.queries)
                places += [(index, tile.head, query) for query in range(tile.first_query, last)]
                tile_ends.append(len(places))
    offsets = [0]
    for _, job in jobs:
        offsets.append(offsets[-1] + job.keys)
    return Streams(
        jobs=[job_word(config, job) for _, job in jobs],
        q=[query_word(config, jobs[index][0], head, query) for index, head, query in places],
        k=[pack_vector(x, config.operand_bits) for heads, _ in jobs for x in heads.k],
        v=[pack_vector(x, config.operand_bits) for heads, _ in jobs for x in heads.v],
        key_offset=offsets,
        blocks=[sum(len(group.blocks) for group in groups) for *_, groups in walk],
        places=places,
        tile_ends=tile_ends,
        slots=slots,
    )
