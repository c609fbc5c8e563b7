"""The controller's parts against the golden schedule: TileLoader, BlockFetcher and Sequencer."""

from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.triggers import RisingEdge

from fusioncim import ip_cim, normalizer, softmax
from fusioncim.fetcher import BlockFetcher, block_layout
from fusioncim.kv_buffer import ring_blocks
from fusioncim.loader import TileLoader, pass_layout, query_row_layout
from fusioncim.sequencer import Sequencer
from fusioncim_golden.config import preset
from fusioncim_golden.schedule import Job, block_order, passes
from fusioncim_sim.encode import job_word
from fusioncim_sim.runner import case, run
from fusioncim_sim.stream import STALLS, Sink, Source, pack, reset, within

TINY = preset("tiny")


def launch(component, coroutine, **data):
    run(component, Path(__file__).stem, coroutine, data, path=Path(__file__).parent)


def configured(changes):
    return TINY.override(**changes)


# BlockFetcher.


@cocotb.test()
async def asks_in_the_order_of_the_schedule(dut):
    this = case()
    config = configured(this["config"])
    wanted = []
    source = Source(dut, "i", STALLS[this["stall"]](1))
    fetch, block = Sink(dut, "o_fetch", STALLS[this["stall"]](2)), Sink(dut, "o_block", STALLS[this["stall"]](3))
    await reset(dut)
    descriptors = [
        {"word": n % 2, "count": 1 + n % 2, "blocks": b, "diagonal": d} for n, (b, d) in enumerate(this["passes"])
    ]
    for descriptor in descriptors:
        order = block_order(config.schedule, descriptor["blocks"], descriptor["diagonal"]).tolist()
        wanted += [
            {"block": x, "word": descriptor["word"], "count": descriptor["count"], "last": int(n == len(order) - 1)}
            for n, x in enumerate(order)
        ]

    async def check_requests():
        assert [await fetch.receive() for _ in wanted] == [entry["block"] for entry in wanted]

    async def check_blocks():
        assert [await block.receive() for _ in wanted] == [pack(block_layout(config), entry) for entry in wanted]

    feed = source.send_all([pack(pass_layout(config), descriptor) for descriptor in descriptors])
    await within(dut, 5000, feed, check_requests(), check_blocks())


PASSES = [(1, 0), (2, 0), (2, 1), (7, 6), (7, 3), (5, 0), (1, 0), (300, 299)]


@pytest.mark.parametrize("schedule", ["in_order", "diagonal_first", "sink_first"])
@pytest.mark.parametrize("stall", ["never", "randomly"])
def test_block_fetcher(schedule, stall):
    config = {"schedule": schedule}
    launch(
        BlockFetcher(configured(config)),
        "asks_in_the_order_of_the_schedule",
        config=config,
        passes=PASSES[: None if stall == "never" else 7],
        stall=stall,
    )


# TileLoader.


@cocotb.test()
async def loads_every_tile_once(dut):
    this = case()
    config = configured(this["config"])
    jobs = [Job(**job) for job in this["jobs"]]
    seed = this["seed"]
    rng = np.random.default_rng(seed)
    query = query_row_layout(config)
    write = ip_cim.write_layout(config)

    job_words, q_words, want_rows, want_passes, want_tiles = [], [], [], [], []
    word = 0
    for job in jobs:
        job_words.append(job_word(config, job))
        for group in passes(config, job):
            first_word = word
            for tile in group.tiles:
                count = min(config.rows, job.queries - tile.first_query)
                for row in range(config.rows):
                    data = None
                    if row < count:
                        data = int.from_bytes(rng.bytes(query.size // 8), "little")
                        q_words.append(data)
                    want_rows.append((word, row, int(tile.visible[row]), data))
                want_tiles.append(pack(normalizer.tile_layout(config), {"word": word, "rows": count}))
                word = (word + 1) % config.words
            last = group.tiles[-1]
            position = job.first_position() + min(last.first_query + config.rows, job.queries) - 1
            blocks = len(group.blocks)
            want_passes.append(
                {
                    "word": first_word,
                    "count": len(group.tiles),
                    "blocks": blocks,
                    "diagonal": min(blocks - 1, position // config.update_rank),
                }
            )

    stall = STALLS[this["stall"]]
    job_source, q_source = Source(dut, "i_job", stall(seed)), Source(dut, "i_q", stall(seed + 1))
    pass_sink, tile_sink = Sink(dut, "o_pass", stall(seed + 2)), Sink(dut, "o_tile", stall(seed + 3))
    dut.release.value = 0
    await reset(dut)
    rows = []

    async def watch():
        while True:
            await RisingEdge(dut.clk)
            if dut.query_enable.value == 1:
                entry = write.from_bits(int(dut.write.value))
                info = softmax.query_layout().from_bits(int(dut.query.value))
                data = None
                if entry.enable:
                    data = entry.data | info.mantissa << query["mantissa"].offset | info.shift << query["shift"].offset
                rows.append((entry.word, entry.row, info.visible, data))

    async def take_passes():
        for want in want_passes:
            assert await pass_sink.receive() == pack(pass_layout(config), want)
            # The pass computes for a while; then its words are free again.
            for _ in range(5):
                await RisingEdge(dut.clk)
            words = [(want["word"] + n) % config.words for n in range(want["count"])]
            dut.release.value = sum(1 << w for w in words)
            await RisingEdge(dut.clk)
            dut.release.value = 0

    async def take_tiles():
        assert [await tile_sink.receive() for _ in want_tiles] == want_tiles

    cocotb.start_soon(watch())
    feeds = (job_source.send_all(job_words), q_source.send_all(q_words))
    await within(dut, 20000, *feeds, take_passes(), take_tiles())
    assert len(rows) > 0
    assert rows == want_rows


LOADS = {
    "ragged": [{"queries": 21, "keys": 21}],
    "full": [{"queries": 9, "keys": 30, "causal": False}],
    "grouped": [{"queries": 9, "keys": 12, "heads": 3}],
    "single": [{"queries": 1, "keys": 1}],
    "decode_after_prefill": [{"queries": 10, "keys": 10}, {"queries": 2, "keys": 12, "heads": 2}],
    "one_word_per_pass": [{"queries": 20, "keys": 20, "words_per_pass": 1}],
    "start": [{"queries": 10, "keys": 40, "start": 17}, {"queries": 12, "keys": 3}],
}


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("stall", ["never", "randomly"])
def test_tile_loader(name, stall):
    words = 3 if name == "grouped" else 2
    config = {"words": words}
    launch(
        TileLoader(configured(config)), "loads_every_tile_once", config=config, jobs=LOADS[name], stall=stall, seed=7
    )


# Sequencer.


@cocotb.test()
async def keeps_the_rhythm_of_its_docstring(dut):
    """Three blocks for two words, of which the first does not see the last block, with late keys in between."""
    this = case()
    config = configured(this["config"])
    cycles, bits, rank = config.block_cycles, config.operand_bits, config.update_rank
    source = Source(dut, "i")
    dut.kv__available.value = 0
    dut.drained.value = 0
    dut.visible__0.value = 2 * rank
    dut.visible__1.value = 2 * rank + 1
    dut.fresh__0.value = 1
    dut.fresh__1.value = 0
    await reset(dut)
    log = []

    async def watch():
        control = softmax.control_layout(config)
        command = ip_cim.command_layout(config)
        while True:
            await RisingEdge(dut.clk)
            log.append(
                {
                    "command": command.from_bits(int(dut.command.value)),
                    "plane": int(dut.kv__plane_index.value),
                    "control": control.from_bits(int(dut.control.value)),
                    "pv": (int(dut.pv_enable.value), int(dut.pv_word.value), int(dut.kv__value_column.value)),
                    "bank": int(dut.kv__value_bank.value),
                    "copy": (
                        int(dut.kv__copy_enable.value),
                        int(dut.kv__copy_bank.value),
                        int(dut.kv__copy_index.value),
                    ),
                    "keys": (int(dut.kv__keys_enable.value), int(dut.kv__keys_address.value)),
                    "values": (int(dut.kv__values_enable.value), int(dut.kv__values_address.value)),
                    "claim": int(dut.kv__claim.value),
                    "release": (int(dut.kv__keys_release.value), int(dut.kv__values_release.value)),
                    "finished": int(dut.finished.value),
                }
            )

    async def keys_come_late():
        for _ in range(3):
            for _ in range(this["gap"]):
                await RisingEdge(dut.clk)
            dut.kv__available.value = 1
            while not (log and log[-1]["claim"]):
                await RisingEdge(dut.clk)
            if this["gap"]:
                dut.kv__available.value = 0

    cocotb.start_soon(watch())
    blocks = [0, 1, 2]
    entries = [{"block": b, "word": 0, "count": 2, "last": int(b == 2)} for b in blocks]
    feed = source.send_all([pack(block_layout(config), entry) for entry in entries])
    await within(dut, 2000, feed, keys_come_late())
    for _ in range(4 * cycles + 60):
        await RisingEdge(dut.clk)

    slots = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1)]  # block, word
    starts = [t for t, now in enumerate(log) if now["command"].read]
    assert len(starts) == len(slots)
    if not this["gap"]:
        assert np.diff(starts).tolist() == [cycles] * 4
    served = config.rows_per_lane
    for number, (start, (block, word)) in enumerate(zip(starts, slots, strict=True)):
        opens = number in (0, 2, 4)
        assert log[start]["command"].word == word
        assert log[start - 1]["claim"] == opens
        for c in range(cycles):
            n, plane = divmod(c, bits)
            assert log[start + c]["keys"] == ((1, block * rank + n) if plane == 0 else (0, block * rank + n))
            assert log[start + c + 1]["command"].enable
            assert log[start + c + 1]["plane"] == plane
            assert log[start + c + 1]["command"].first == (plane == 0)
            control = log[start + c + bits + 3]["control"]
            assert control.enable == (plane < served)
            if control.enable:
                position = block * rank + (n if config.schedule == "in_order" else rank - 1 - n)
                got = (control.row, control.index, control.last, control.word, control.position)
                assert got == (plane, n, int(n == rank - 1), word, position)
                assert control.first == (number in (0, 1))
                assert control.fresh == (word == 0)
            assert log[start + cycles + 11 + c]["pv"] == (1, word, c)
            assert log[start + cycles + 11 + c]["bank"] == block % 2
        if opens:
            for n in range(rank):
                assert log[start + cycles + 10 - rank + n]["values"] == (1, block * rank + n)
                assert log[start + cycles + 11 - rank + n]["copy"] == (1, block % 2, n)
    assert sum(now["claim"] for now in log) == 3
    assert sum(now["release"][0] for now in log) == 3
    assert sum(now["release"][1] for now in log) == 3
    ends = [t for t, now in enumerate(log) if now["finished"]]
    assert len(ends) == 1
    assert log[ends[0]]["finished"] == 0b11
    assert ends[0] >= starts[-1] + 2 * cycles + 14 + served


@pytest.mark.parametrize("gap", [0, 9, 100])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"schedule": "in_order", "update_rank": 4, "columns": 32},
        {"operand_bits": 4, "softmax_lanes": 2, "update_rank": 1, "columns": 8},
        {"operand_bits": 8, "softmax_lanes": 4, "update_rank": 1},
    ],
    ids=["tiny", "in_order", "int4", "spare_lanes"],
)
def test_sequencer(config, gap):
    full = configured(config)
    assert ring_blocks(full) >= 4
    launch(Sequencer(full), "keeps_the_rhythm_of_its_docstring", config=config, gap=gap)
