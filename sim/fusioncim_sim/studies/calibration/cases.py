"""The cases: chips, and the jobs on which the model is held to the RTL."""

from collections.abc import Mapping
from typing import Any

from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.rtl.job_places import Paging
from fusioncim_sim.studies.calibration.case import Case
from fusioncim_sim.studies.chip.workloads import MANY, PAPER_ENGINE, SMALL, UNFOLDED

TINY = PRESETS["tiny"]
FOLDED = TINY.override(schedule="folded", engines=4, streams=4, words=4)
EIGHT = TINY.override(
    engines=8,
    streams=8,
    columns=64,
    words=4,
    update_rank=8,
    bus_bits=512,
    buffer_bytes=1 << 14,
    schedule="folded",
)
"""Eight engines of 8 x 64 that take eight keys at a time from a bus of 512 bits."""
SIXTEEN = TINY.override(engines=16, streams=16, columns=32, words=4, update_rank=4, bus_bits=256, buffer_bytes=1 << 13)
"""Sixteen engines of 8 x 32, four keys at a time, a bus of 256 bits."""
LONG = TINY.override(columns=128, update_rank=4, bus_bits=128, buffer_bytes=1 << 13)
"""Two engines of 8 x 128 that take four keys at a time from a bus of 128 bits."""
WIDE = LONG.override(bus_bits=1024)
LONG_256 = LONG.override(bus_bits=256, engines=4, schedule="folded")
LATENT = LONG.override(columns=160, buffer_bytes=5 << 11, engines=4, schedule="folded")
"""Four engines of 8 x 160; an output beat of 80 bits does not divide the bus of 128."""
SCALED = TINY.override(update_rank=4, columns=32, buffer_bytes=1 << 13, token_scale_bits=8, alibi=True)
"""Two engines of 8 x 32 that take scales per token and slopes."""
SCALED_WIDE = EIGHT.override(token_scale_bits=8, alibi=True)
SCALED_256 = LONG_256.override(walks=2, token_scale_bits=8)
SCALED_PORTS = LATENT.override(read_ports=2, token_scale_bits=1)
LONG_512 = LONG.override(bus_bits=512)
LONG_INT4 = LONG_512.override(operand_bits=4, softmax_lanes=2, output_bits=8)


def _prefill(**options: Any) -> Case:
    return Case(**{"kv_heads": 2, "group": 3, "queries": 75, "keys": 75} | options)


def _decode(**options: Any) -> Case:
    return Case(**{"kv_heads": 3, "group": 4, "queries": 2, "keys": 301} | options)


def _batch(*parts: tuple[int, int], mask: Mask = CAUSAL, **options: Any) -> Case:
    """Sequences of so many queries and keys, one behind the other; the queries are the last tokens."""
    row = key = 0
    page = options["paging"].tokens if "paging" in options else 1
    found = []
    for queries, keys in parts:
        start = max(keys - queries, 0)
        found.append(Sequence(queries=queries, keys=keys, first_row=row, first_key=key, start=start, mask=mask))
        row, key = row + queries, key + -(-keys // page) * page
    own: dict[str, Any] = {"kv_heads": 2, "group": 2, "queries": row, "keys": key, "sequences": tuple(found)}
    return Case(**own | options)


RAGGED = ((30, 30), (1, 90), (0, 20), (9, 60), (3, 0), (1, 1), (17, 17), (1, 200))
"""Prefill, chunks and decode steps, without queries, without keys."""
STEPS = ((1, 40), (1, 33), (1, 64), (1, 7), (1, 90), (1, 50))
"""Decode steps."""
APART = ((1, 200), (2, 230), (1, 90), (3, 301), (1, 64), (30, 25), (1, 150), (1, 170))
"""Decode steps and a short prompt, long enough to pass beside each other."""

CASES: Mapping[str, Case] = {
    "prefill": _prefill(),
    "prefill, in order": _prefill(chip=TINY.override(schedule="in_order")),
    "prefill, sink first": _prefill(chip=TINY.override(schedule="sink_first", engines=4)),
    "prefill, folded": _prefill(chip=FOLDED),
    "prefill, folded, one word": _prefill(chip=TINY.override(schedule="folded")),
    "prefill, one engine": _prefill(chip=TINY.override(engines=1, buffer_bytes=256)),
    "prefill, four engines": _prefill(chip=TINY.override(engines=4, words=4)),
    "prefill, full attention": _prefill(mask=FULL),
    "window": _prefill(mask=Mask(window=20)),
    "window, in order": _prefill(mask=Mask(window=20), chip=TINY.override(schedule="in_order")),
    "window, sink first": _prefill(mask=Mask(window=9), chip=TINY.override(schedule="sink_first", engines=4)),
    "window, folded": _prefill(mask=Mask(window=20), chip=FOLDED),
    "window, folded, slow memory": _prefill(mask=Mask(window=11), chip=FOLDED, latency=100, share=0.5),
    "window of one key": _prefill(mask=Mask(window=1), chip=FOLDED),
    "window to both sides": _prefill(mask=Mask(window=9, ahead=8), chip=FOLDED),
    "window, decode": _decode(mask=Mask(window=50)),
    "window, chunk of a prefill": Case(mask=Mask(window=30), chip=FOLDED, kv_heads=2, group=2, queries=65, keys=240),
    "window behind all keys": Case(mask=Mask(window=5), group=2, queries=40, keys=17, start=5),
    "chunks": _prefill(mask=Mask(chunk=32), chip=FOLDED),
    "chunks, full attention in each": _prefill(mask=Mask(chunk=16, ahead=EVERY), chip=FOLDED),
    "prefix": _prefill(mask=Mask(prefix=30), chip=FOLDED),
    "prefix and window": _prefill(mask=Mask(prefix=30, window=12), chip=FOLDED),
    "16 engines: window": Case(mask=Mask(window=256), chip=MANY, group=2, queries=1024, keys=1024),
    "prefill, tokens side by side": _prefill(layout="token"),
    "prefill, operands of 4 bits": _prefill(chip=TINY.override(operand_bits=4, softmax_lanes=2)),
    "prefill, wide bus, single keys": _prefill(chip=TINY.override(bus_bits=128, update_rank=1, engines=4)),
    "prefill, outputs of 8 bits": _prefill(chip=TINY.override(output_bits=8)),
    "prefill, slow memory": _prefill(latency=100, share=0.5),
    "prefill, slower memory": _prefill(latency=200, share=0.3),
    "short jobs": _prefill(queries=9, keys=9, jobs=4),
    "chunk": Case(kv_heads=2, group=2, queries=33, keys=240),
    "chunk beyond the keys": Case(group=2, queries=40, keys=17, start=5),
    "decode": _decode(),
    "decode, slow memory": _decode(latency=150, share=0.5),
    "decode, small buffer": _decode(chip=TINY.override(buffer_bytes=256), latency=16),
    "pages": _prefill(paging=Paging(tokens=8, layout="head")),
    "pages, in order": _prefill(
        chip=TINY.override(schedule="in_order"), paging=Paging(tokens=4, layout="token"), layout="token"
    ),
    "pages, folded": _prefill(chip=FOLDED, paging=Paging(tokens=4, layout="head")),
    "pages, window": _prefill(mask=Mask(window=20), chip=FOLDED, paging=Paging(tokens=2, layout="head")),
    "pages, decode": _decode(paging=Paging(tokens=16, layout="head")),
    "pages, decode, slow memory": _decode(
        paging=Paging(tokens=16, layout="token"), layout="token", latency=150, share=0.5
    ),
    "pages, 8 engines": _decode(chip=EIGHT, paging=Paging(tokens=16, layout="head"), latency=100),
    "pages, short jobs": _prefill(queries=9, keys=9, jobs=4, paging=Paging(tokens=2, layout="head")),
    "small: pages": Case(
        chip=SMALL, kv_heads=2, group=4, queries=8, keys=2048, paging=Paging(tokens=16, layout="head")
    ),
    "intervals": _prefill(intervals=True),
    "intervals, pages, folded": _prefill(intervals=True, chip=FOLDED, paging=Paging(tokens=8, layout="head")),
    "intervals, 8 engines": _prefill(chip=EIGHT, intervals=True, latency=100),
    "one query": Case(queries=1, keys=1),
    "small: prefill": Case(chip=SMALL, kv_heads=2, group=4, queries=256, keys=256),
    "small: decode of 8 tokens": Case(chip=SMALL, kv_heads=2, group=4, queries=8, keys=2048),
    "small: short jobs": Case(chip=SMALL, kv_heads=2, group=4, queries=64, keys=64, jobs=4),
    "16 engines: prefill of one head": Case(chip=MANY, queries=1024, keys=1024),
    "16 engines: grouped prefill": Case(chip=MANY, kv_heads=4, group=4, queries=256, keys=256),
    "16 engines, diagonal first": Case(chip=UNFOLDED, queries=512, keys=512),
    "8 engines, blocks of 8 keys: prefill": _prefill(chip=EIGHT),
    "8 engines, blocks of 8 keys: decode": _decode(chip=EIGHT, latency=100),
    "16 engines, blocks of 4 keys: prefill": _prefill(chip=SIXTEEN, queries=150, keys=150, layout="token"),
    "dimension 64 of 128": _prefill(chip=LONG, dimension=64),
    "dimension 72 of 128, tokens side by side": _prefill(chip=LONG, dimension=72, layout="token"),
    "dimension 80 of 128, bus of 256 bits": _prefill(chip=LONG_256, dimension=80),
    "dimension 96 of 128, bus of 256 bits, decode": _decode(chip=LONG_256, dimension=96, layout="token"),
    "dimension 8 of 128, bus of 512 bits, short jobs": _prefill(chip=LONG_512, dimension=8, queries=9, keys=9, jobs=4),
    "gaps, bus of 256 bits": _prefill(chip=LONG_256, gap=16, layout="token"),
    "gaps, bus of 512 bits, slow memory": _prefill(chip=LONG_512, gap=48, queries=30, keys=60, latency=100, share=0.5),
    "gaps, bus of 512 bits, decode": _decode(chip=LONG_512, gap=80, dimension=120),
    "gaps, bus of 512 bits, operands of 4 bits": _prefill(chip=LONG_INT4, gap=16, dimension=72),
    "gaps, window, operands of 4 bits": _prefill(chip=LONG_INT4, gap=32, mask=Mask(window=20)),
    "batch": _batch(*RAGGED),
    "batch, folded": _batch(*RAGGED, chip=FOLDED),
    "batch, window": _batch(*RAGGED, chip=FOLDED, mask=Mask(window=12)),
    "batch, slow memory": _batch(*RAGGED, latency=100, share=0.5),
    "batch, one engine": _batch(*RAGGED, chip=TINY.override(engines=1, buffer_bytes=256), layout="token"),
    "batch, bus of 1024 bits": _batch(*RAGGED, chip=WIDE, dimension=72, gap=16),
    "batch of decode steps": _batch(*STEPS, kv_heads=3, group=4),
    "batch of decode steps, slow memory": _batch(*STEPS, kv_heads=3, group=4, latency=150, share=0.5),
    "batches in the queue": _batch(*RAGGED, jobs=4, chip=FOLDED, latency=60),
    "short batches in the queue": _batch((1, 3), (2, 2), (0, 0), (1, 9), jobs=6),
    "batch in pages": _batch(*RAGGED, paging=Paging(tokens=16)),
    "batch in pages, folded, intervals": _batch(*RAGGED, chip=FOLDED, paging=Paging(tokens=4), intervals=True),
    "batches in pages in the queue, slow memory": _batch(
        *RAGGED, chip=SIXTEEN, paging=Paging(tokens=16, layout="head"), jobs=2, latency=100, share=0.5
    ),
    "batch of nothing to do": _batch((0, 4), (0, 0), (0, 9), (1, 5)),
    "woven passes": _prefill(queries=60, keys=60, group=2, chip=TINY.override(words=4)),
    "woven passes, folded": _prefill(queries=100, keys=100, group=2, chip=FOLDED),
    "woven passes, intervals, gaps": _prefill(
        queries=70, keys=90, group=4, chip=LONG_256.override(words=4), dimension=80, gap=16, intervals=True
    ),
    "woven passes, pages": _prefill(
        queries=80, keys=80, group=4, chip=SIXTEEN.override(engines=4), paging=Paging(tokens=8), jobs=2
    ),
    "a window that ends the weaving": _prefill(queries=70, keys=70, group=4, mask=Mask(window=25), chip=FOLDED),
    "heads in turn": _decode(chip=TINY.override(streams=1)),
    "8 heads together": Case(chip=EIGHT, kv_heads=8, group=2, queries=1, keys=301),
    "8 heads together, slow memory": Case(chip=EIGHT, kv_heads=8, group=2, queries=1, keys=301, latency=150, share=0.5),
    "8 heads together, pages": Case(
        chip=EIGHT, kv_heads=8, group=2, queries=2, keys=301, paging=Paging(tokens=16), latency=100
    ),
    "heads together, two tiles of each": Case(chip=EIGHT, kv_heads=6, group=4, queries=4, keys=150),
    "heads together, three tiles of each": Case(chip=SIXTEEN, kv_heads=7, group=3, queries=8, keys=90),
    "heads together, window": Case(chip=FOLDED, kv_heads=6, group=3, queries=5, keys=120, mask=Mask(window=9)),
    "heads together, chunks": Case(chip=SIXTEEN, kv_heads=5, group=2, queries=13, keys=77, mask=Mask(chunk=8)),
    "heads together, full attention": Case(chip=FOLDED, kv_heads=5, queries=6, keys=40, mask=FULL),
    "heads together, intervals, gaps": Case(
        chip=LONG_256, kv_heads=4, group=2, queries=4, keys=70, dimension=80, gap=16, intervals=True, layout="token"
    ),
    "heads together, operands of 4 bits": Case(chip=LONG_INT4, kv_heads=4, group=2, queries=3, keys=99, dimension=72),
    "heads together, short jobs": Case(chip=SIXTEEN, kv_heads=8, group=2, queries=2, keys=11, jobs=5),
    "heads together, batch": _batch(*RAGGED, chip=EIGHT, kv_heads=5),
    "heads together, batch of decode steps": _batch(*STEPS, chip=SIXTEEN, kv_heads=8, latency=100),
    "heads together, batches in pages": _batch(
        *RAGGED, chip=SIXTEEN, kv_heads=6, paging=Paging(tokens=8, layout="token"), layout="token", jobs=3
    ),
    "two rows leave: prefill": _prefill(chip=TINY.override(drain_rows=2)),
    "two rows leave: short jobs": _prefill(chip=SMALL.override(drain_rows=2), queries=50, keys=50, jobs=3),
    "two rows leave: batch, slow memory": _batch(*RAGGED, chip=TINY.override(drain_rows=2), latency=100, share=0.5),
    "four rows leave: prefill, 8 engines": _prefill(chip=EIGHT.override(drain_rows=4)),
    "four rows leave: dimension 72 of 128": _prefill(chip=LONG.override(drain_rows=4), dimension=72, gap=16),
    "four rows leave: batches in the queue": _batch(*RAGGED, chip=FOLDED.override(drain_rows=4), jobs=4, latency=60),
    "two ports: prefill": _prefill(chip=TINY.override(read_ports=2)),
    "two ports: prefill, folded, gaps": _prefill(chip=LONG_256.override(read_ports=2), dimension=72, gap=16),
    "two ports: decode": _decode(chip=TINY.override(read_ports=2)),
    "two ports: decode, slow memory": _decode(chip=FOLDED.override(read_ports=2), latency=150, share=0.5),
    "two ports: 8 heads together": Case(
        chip=EIGHT.override(read_ports=2), kv_heads=8, group=2, queries=1, keys=301, latency=60
    ),
    "two ports: batches in pages in the queue": _batch(
        *RAGGED, chip=SIXTEEN.override(read_ports=2), kv_heads=4, paging=Paging(tokens=16), jobs=3, latency=100
    ),
    "values of 40 of 128": _prefill(chip=LONG, dimension=96, value_dimension=40, gap=16),
    "keys as values": _decode(chip=FOLDED, kv_heads=1, group=16, shared=True),
    "keys as values: the first part, in the queue": _prefill(
        chip=LATENT, kv_heads=1, group=8, queries=12, shared=True, value_dimension=128, jobs=3
    ),
    "keys as values: batch in pages, two rows leave": _batch(
        *RAGGED, chip=LATENT.override(drain_rows=2), kv_heads=1, group=8, shared=True, paging=Paging(tokens=16)
    ),
    "keys as values: two ports, slow memory": _batch(
        *STEPS, chip=LATENT.override(read_ports=2), kv_heads=1, group=8, shared=True, latency=100, share=0.5
    ),
    "packed: prefill": _prefill(kv_bits=4),
    "packed: decode, folded": _decode(chip=FOLDED, kv_bits=4),
    "packed: 8 heads together, pages": Case(
        chip=EIGHT, kv_heads=8, group=2, queries=2, keys=301, kv_bits=4, paging=Paging(tokens=16), latency=100
    ),
    "packed: dimension 72 of 128, bus of 256 bits": _prefill(chip=LONG_256, kv_bits=4, dimension=72),
    "packed: bus of 1024 bits, batch": _batch(*RAGGED, chip=WIDE, kv_bits=4, dimension=120),
    "packed: keys as values, two ports": _batch(
        *STEPS, chip=LATENT.override(read_ports=2), kv_bits=4, kv_heads=1, group=8, shared=True, latency=60
    ),
    "packed: two ports, slow memory": _decode(chip=FOLDED.override(read_ports=2), kv_bits=4, latency=150, share=0.5),
    "packed: small, decode of 8 tokens": Case(chip=SMALL, kv_heads=2, group=4, queries=8, keys=2048, kv_bits=4),
    "two walks: decode steps": _batch(*APART, chip=EIGHT.override(walks=2), kv_heads=1, group=4, latency=60),
    "two walks: batches in pages in the queue": _batch(
        *APART, chip=EIGHT.override(walks=2), kv_heads=1, group=3, paging=Paging(tokens=8), jobs=2
    ),
    "two walks: ragged batch, folded": _batch(*RAGGED, chip=FOLDED.override(walks=2), kv_heads=1),
    "two walks: pairs of heads, intervals": _batch(
        *APART, chip=SIXTEEN.override(walks=2, streams=2), kv_heads=4, intervals=True
    ),
    "two walks: window, pages, slow memory": _batch(
        *APART,
        chip=FOLDED.override(walks=2),
        kv_heads=1,
        mask=Mask(window=50),
        paging=Paging(tokens=4),
        latency=100,
        share=0.5,
    ),
    "sinks: prefill": _prefill(sinks=True),
    "sinks: decode, bus of 512 bits": _decode(chip=LONG_512, sinks=True, gap=16),
    "sinks, log-sum-exp: batches in the queue": _batch(*RAGGED, chip=FOLDED, sinks=True, lse=True, jobs=3),
    "log-sum-exp: prefill": _prefill(lse=True),
    "log-sum-exp: single keys, operands of 4 bits": _prefill(
        chip=TINY.override(operand_bits=4, softmax_lanes=2, update_rank=1), group=1, lse=True
    ),
    "log-sum-exp: decode, slow memory": _decode(chip=FOLDED, lse=True, latency=150, share=0.5),
    "log-sum-exp: small": Case(chip=SMALL, kv_heads=2, group=4, queries=60, keys=60, lse=True, jobs=2),
    "log-sum-exp: two rows leave, batch in pages": _batch(
        *RAGGED, chip=LATENT.override(drain_rows=2), group=3, sinks=True, lse=True, gap=16, paging=Paging(tokens=16)
    ),
    "log-sum-exp: four rows leave, slow memory": _prefill(
        chip=TINY.override(drain_rows=4), sinks=True, lse=True, gap=8, latency=100, share=0.5
    ),
    "log-sum-exp: bus of 1024 bits, batch": _batch(*RAGGED, chip=WIDE, group=3, dimension=8, lse=True, gap=16),
    "log-sum-exp: 16 engines, blocks of 4 keys": _prefill(chip=SIXTEEN, queries=150, keys=150, group=1, lse=True),
    "token scales: prefill": _prefill(chip=SCALED, token_scales=True),
    "token scales: decode, slow memory": _decode(chip=SCALED, token_scales=True, kv_bits=4, latency=150, share=0.5),
    "token scales: pages, two ports, latent": _batch(
        *STEPS, chip=SCALED_PORTS, kv_heads=1, group=8, token_scales=True, shared=True, paging=Paging(tokens=16)
    ),
    "token scales: pages of 8, batches in the queue": Case(
        chip=SCALED_WIDE, kv_heads=4, group=2, queries=3, keys=203, token_scales=True, paging=Paging(tokens=8), jobs=3
    ),
    "token scales: a beat of several blocks, two walks, pages": _batch(
        *APART, chip=SCALED_256, kv_heads=1, group=3, token_scales=True, paging=Paging(tokens=8)
    ),
    "token scales: chip with them, job without": _prefill(chip=SCALED, slopes=True),
    "slopes, sinks, log-sum-exp, token scales: decode of 8 tokens": Case(
        chip=SCALED_WIDE, kv_heads=4, group=2, queries=8, keys=501, token_scales=True, sinks=True, slopes=True, lse=True
    ),
    "slopes: full attention": _prefill(chip=FOLDED.override(alibi=True), slopes=True, mask=FULL),
    "one engine of 128 x 128": Case(chip=PAPER_ENGINE, group=2, queries=256, keys=256),
}
"""The jobs on which the model is held to the RTL."""
