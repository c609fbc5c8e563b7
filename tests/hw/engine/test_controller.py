"""The controller and its parts, TileLoader and Sequencer, against the golden schedule."""

from dataclasses import astuple, dataclass
from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.triggers import RisingEdge, gather

from fusioncim.engine import ip_cim, reciprocal, softmax_layouts
from fusioncim.engine.controller import Controller, block_layout, engine_state_layout
from fusioncim.engine.kv_buffer import ring_blocks
from fusioncim.engine.sequencer import Sequencer, entry_layout, rhythm
from fusioncim.engine.sink_table import sink_place_layout
from fusioncim.engine.softmax_lane import latency
from fusioncim.engine.tile_loader import (
    TileLoader,
    blocks_layout,
    loaded_pass_layout,
    query_row_layout,
    tile_command_layout,
)
from fusioncim.engine.token_scale import scales_layout
from fusioncim_golden.mask import EVERY, Mask
from fusioncim_golden.presets import preset
from fusioncim_golden.schedule import Job, Tile, passes
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import pack
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.rtl.stream import STALLS, Sink, Source, reset, within
from fusioncim_sim.rtl.stream_words import slope_fields, tile_word

TINY = preset("tiny").alone()


def launch(component, coroutine, **data):
    run(component, Path(__file__).stem, coroutine, data, path=Path(__file__).parent)


def configured(changes):
    return TINY.override(**changes)


@dataclass
class LoadedTile:
    """A tile as one engine gets it.

    Members: word (it goes on from job to job), number of its pass, golden tile, words of i_q, whether it ends its pass;
    before: index of the tile that had the word before, or None.
    """

    word: int
    number: int
    golden: Tile
    q: list[int]
    last: bool
    before: int | None

    def command(self, config):
        return tile_word(config, self.golden, last=self.last)


def jobs_of(this):
    """The jobs of a case."""
    return [Job(**{**job, "mask": Mask(**job.get("mask", {}))}) for job in this["jobs"]]


def share(config, jobs, engine, engines):
    """Tiles of one engine in jobs that follow each other, and the blocks of its passes."""
    rng = np.random.default_rng(1)
    layout = query_row_layout(config)
    tiles, groups = [], []
    for job in jobs:
        for group in passes(config, job, engines):
            mine = [tile for tile in group.tiles if tile.engine == engine]
            if not mine:
                continue
            for tile in mine:
                q = []
                for low, high in zip(tile.low[: tile.count].tolist(), tile.high.tolist(), strict=False):
                    info = {
                        "mantissa": int(rng.integers(256)),
                        "shift": int(rng.integers(32)),
                        "low": low,
                        "high": high,
                    }
                    if config.alibi:
                        info |= slope_fields(int(rng.integers(1 << 13)), int(rng.integers(1 << 17)))
                    data = int.from_bytes(rng.bytes(layout["data"].shape.size // 8), "little")
                    sink = int(rng.integers(1 << layout["sink"].shape.size)) << layout["sink"].offset
                    q.append(pack(layout["query"].shape, info) << layout["query"].offset | data | sink)
                n = len(tiles)
                before = n - config.words if n >= config.words else None
                tiles.append(LoadedTile(n % config.words, len(groups), tile, q, tile is mine[-1], before))
            taken = [tile.blocks(config.update_rank) for tile in mine]
            low, high = min(x.start for x in taken), max(x.stop for x in taken)
            groups.append([block for block in group.blocks.tolist() if low <= block < high])
    return tiles, groups


# TileLoader.


@cocotb.test()
async def loads_every_tile_once(dut):
    this = case()
    config = configured(this["config"])
    seed = this["seed"]
    tiles, groups = share(config, jobs_of(this), this["engine"], this["engines"])
    query, write = query_row_layout(config), ip_cim.query_write_layout(config)

    want_rows = []
    for tile in tiles:
        for row in range(config.rows):
            word = tile.q[row] if row < tile.golden.count else None
            want_rows.append((tile.word, row, (int(tile.golden.low[row]), int(tile.golden.high[row])), word))
    words_of = [[tile for tile in tiles if tile.number == n] for n in range(len(groups))]

    stall = STALLS[this["stall"]]
    tile_source, q_source = Source(dut, "i_tile", stall(seed)), Source(dut, "i_q", stall(seed + 1))
    pass_sink, tile_sink = Sink(dut, "o_pass", stall(seed + 2)), Sink(dut, "o_tile", stall(seed + 3))
    dut.release.value = 0
    await reset(dut)
    rows = []
    kept = set()  # words of loaded tiles

    async def watch():
        while True:
            await RisingEdge(dut.clk)
            if dut.query_enable.value == 1:
                entry = write.from_bits(int(dut.write.value))
                info = softmax_layouts.query_layout(config).from_bits(int(dut.query.value))
                assert entry.word not in kept
                data = None
                if entry.enable:
                    data = entry.data | (info.as_bits() << query["query"].offset)
                    data |= int(dut.sink.value) << query["sink"].offset
                    assert dut.turn.value == len(rows) // (config.rows * config.words) % 2
                rows.append((entry.word, entry.row, (info.low, info.high), data))
            else:
                assert write.from_bits(int(dut.write.value)).enable == 0

    async def take_passes():
        for members in words_of:
            want = {"word": members[0].word, "count": len(members)}
            assert await pass_sink.receive() == pack(loaded_pass_layout(config), want)
            for tile in members:
                taken = tile.golden.blocks(config.update_rank)
                want = pack(blocks_layout(config), {"low": taken.start, "high": taken.stop})
                assert getattr(dut, f"blocks__{tile.word}").value == want
                assert getattr(dut, f"fresh__{tile.word}").value == tile.golden.fresh
            # The pass computes for a while; then its words are free again.
            for _ in range(this["hold"]):
                await RisingEdge(dut.clk)
            dut.release.value = sum(1 << tile.word for tile in members)
            kept.difference_update(tile.word for tile in members)
            await RisingEdge(dut.clk)
            dut.release.value = 0

    async def take_tiles():
        for n, tile in enumerate(tiles):
            want = {"word": tile.word, "rows": tile.golden.count, "turn": n // config.words % 2}
            want = pack(reciprocal.drained_tile_layout(config), want)
            assert await tile_sink.receive() == want
            kept.add(tile.word)

    watcher = cocotb.start_soon(watch())
    feeds = (
        tile_source.send_all(tile.command(config) for tile in tiles),
        q_source.send_all(word for tile in tiles for word in tile.q),
    )
    await within(dut, 20000, *feeds, take_passes(), take_tiles())
    watcher.cancel()
    assert len(rows) > 0
    assert rows == want_rows


# Jobs; engine and engines; words.
LOADS = {
    "ragged": ([{"queries": 21, "keys": 21}], 0, 1, 2),
    "full": ([{"queries": 9, "keys": 30, "mask": {"ahead": EVERY}}], 0, 1, 2),
    "heads": ([{"queries": 9, "keys": 12, "heads": 3}], 0, 1, 3),
    "single": ([{"queries": 1, "keys": 1}], 0, 1, 2),
    "one_word": ([{"queries": 20, "keys": 20}], 0, 1, 1),
    "decode_after_prefill": ([{"queries": 10, "keys": 10}, {"queries": 2, "keys": 12, "heads": 4}], 0, 1, 2),
    "all_words_per_pass": ([{"queries": 40, "keys": 40, "words_per_pass": 2}], 0, 1, 2),
    "start": ([{"queries": 10, "keys": 40, "start": 17}, {"queries": 12, "keys": 3}], 0, 1, 2),
    "first_of_two_engines": ([{"queries": 45, "keys": 45, "heads": 2, "words_per_pass": 2}], 0, 2, 4),
    "windows": ([{"queries": 29, "keys": 40, "mask": {"window": 7}}], 0, 1, 3),
    "windows_behind_all_keys": ([{"queries": 9, "keys": 4, "mask": {"window": 2}, "start": 0}], 0, 1, 2),
    "windows_of_two_engines": ([{"queries": 70, "keys": 70, "mask": {"window": 7, "ahead": 3}}], 1, 2, 3),
    "last_of_four_engines": ([{"queries": 99, "keys": 99}, {"queries": 50, "keys": 50, "heads": 2}], 3, 4, 3),
}


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("stall", ["never", "randomly"])
def test_tile_loader(name, stall):
    jobs, engine, engines, words = LOADS[name]
    config = {"words": words, "alibi": name in ("heads", "start")}
    launch(
        TileLoader(configured(config)),
        "loads_every_tile_once",
        config=config,
        jobs=jobs,
        engine=engine,
        engines=engines,
        stall=stall,
        hold=5,
        seed=7,
    )


@cocotb.test()
async def loads_a_query_per_cycle(dut):
    """Two passes of two tiles, the second of three rows; nothing stalls, so the docstring tells every cycle."""
    config = configured(case()["config"])
    tiles, queries = Source(dut, "i_tile"), Source(dut, "i_q")
    dut.o_pass__ready.value = 1
    dut.o_tile__ready.value = 1
    dut.release.value = 0
    await reset(dut)
    counts = [config.rows, 3, config.rows, config.rows]
    commands = [
        {"rows": count, "fresh": 1, "last": n % 2, "blocks": {"low": 0, "high": 1}} for n, count in enumerate(counts)
    ]
    log = []

    async def watch():
        for n in range(6 * config.rows):
            await RisingEdge(dut.clk)
            if dut.i_tile__valid.value == 1 and dut.i_tile__ready.value == 1:
                log.append(("tile", n))
            if dut.query_enable.value == 1:
                log.append(("row", n))

    feeds = (
        tiles.send_all(pack(tile_command_layout(config), command) for command in commands),
        queries.send_all(range(sum(counts))),
    )
    await within(dut, 7 * config.rows, *feeds, watch())
    start = log[0][1]
    want = []
    for n in range(4):
        first = start + n * (config.rows + 2) + n // 2
        want += [("tile", first), *(("row", first + 1 + row) for row in range(config.rows))]
    assert log == want


def test_tile_loader_pace():
    config = {"words": 4}
    launch(TileLoader(configured(config)), "loads_a_query_per_cycle", config=config)


# Controller.


class Ring:
    """Stands for the key and value buffer: counts the blocks and checks what the controller says of them.

    Members: came: blocks that the controller accepted; whole: of these, blocks whose vectors are there; claimed;
    keys_left, values_left: blocks whose keys or values were released; most: blocks in the ring so far.
    """

    def __init__(self, dut, config):
        self.dut, self.config = dut, config
        self.came = self.whole = self.claimed = self.keys_left = self.values_left = self.most = 0
        dut.kv__available.value = 0

    def step(self, pause):
        """After the clock edge that ends a cycle."""
        dut, size = self.dut, ring_blocks(self.config)
        room = self.came - min(self.keys_left, self.values_left) < size
        state = engine_state_layout().from_bits(int(dut.state.value))
        assert dut.i_block__ready.value == room
        if dut.kv__claim.value == 1:
            assert self.claimed < self.whole
            assert state.loaded
            self.claimed += 1
        self.whole += int(self.whole < self.came and not pause)
        self.came += int(dut.i_block__valid.value == 1 and room)
        self.keys_left += int(dut.kv__keys_release.value)
        self.values_left += int(dut.kv__values_release.value)
        self.most = max(self.most, self.came - min(self.keys_left, self.values_left))
        assert max(self.keys_left, self.values_left) <= self.claimed
        assert self.most <= size
        dut.kv__available.value = int(self.whole > self.claimed)
        return state


@cocotb.test()
async def runs_the_slots_of_the_schedule(dut):
    this = case()
    config = configured(this["config"])
    tiles, groups = share(config, jobs_of(this), this["engine"], this["engines"])
    rng = np.random.default_rng(3)
    complete = rhythm(config).finished
    slots = []  # (tile, block)
    for n, blocks in enumerate(groups):
        members = [index for index, tile in enumerate(tiles) if tile.number == n]
        taken = {index: tiles[index].golden.blocks(config.update_rank) for index in members}
        slots += [(index, block) for block in blocks for index in members if block in taken[index]]
    opening = {index: n for n, (index, _) in reversed(list(enumerate(slots)))}
    last_slot = {tiles[index].number: n for n, (index, _) in enumerate(slots)}

    stall = STALLS[this["stall"]]
    sources = {port: Source(dut, port, stall(n)) for n, port in enumerate(("i_tile", "i_q", "i_block"))}
    drain, late = Sink(dut, "o_tile", stall(3)), stall(4)
    ring = Ring(dut, config)
    dut.drained.value = 0
    await reset(dut)
    cycle = active = handed = 0
    starts, scored, rows = [], [], []
    leaving, gone = {}, set()

    def finished(index):
        """The tile's pass is complete: its last slot began so long ago that nothing of it is under way."""
        last = last_slot[tiles[index].number]
        return len(starts) > last and cycle - starts[last] >= complete

    async def watch():
        nonlocal cycle, active, handed
        command, control = ip_cim.plane_command_layout(config), softmax_layouts.control_layout(config)
        write, tile_layout = ip_cim.query_write_layout(config), reciprocal.drained_tile_layout(config)
        while True:
            await RisingEdge(dut.clk)
            cycle += 1
            state = ring.step(late())
            plane, score = command.from_bits(int(dut.command.value)), control.from_bits(int(dut.control.value))
            assert state.active == plane.enable
            active += state.active
            if plane.read:
                index, _ = slots[len(starts)]
                tile = tiles[index]
                assert plane.word == tile.word
                assert len(rows) >= config.rows * (index + 1)
                assert tile.before is None or tile.before in gone
                starts.append(cycle)
            if state.waits:
                index, _ = slots[len(starts)]
                assert len(starts) == opening[index]
                assert tiles[index].before not in gone
            if score.enable and score.row == 0 and score.index == 0:
                scored.append((score.word, score.position // config.update_rank, score.first, score.fresh))
            if dut.query_enable.value == 1:
                index, row = divmod(len(rows), config.rows)
                assert tiles[index].before is None or finished(tiles[index].before)
                rows.append(row)
                entry = write.from_bits(int(dut.write.value))
                assert (entry.word, entry.row) == (tiles[index].word, row)
                assert entry.enable == (row < tiles[index].golden.count)
                place = sink_place_layout(config).from_bits(int(dut.sink_place.value))
                assert (place.word, place.row, place.turn) == (tiles[index].word, row, index // config.words % 2)
            if dut.drained.value != 0:
                gone.add(min(set(leaving) - gone))
            dut.drained.value = 0
            if dut.o_tile__valid.value == 1 and dut.o_tile__ready.value == 1:
                tile = tiles[handed]
                want = {"word": tile.word, "rows": tile.golden.count, "turn": handed // config.words % 2}
                assert int(dut.o_tile__payload.value) == pack(tile_layout, want)
                assert finished(handed)
                after = max([cycle, *leaving.values()])
                leaving[handed] = after + int(rng.integers(1, this["drain"]))
                handed += 1
            for index, when in leaving.items():
                if when == cycle + 1:
                    dut.drained.value = 1 << tiles[index].word

    watcher = cocotb.start_soon(watch())
    announced = [
        pack(block_layout(config), {"block": block, "last": int(n == len(blocks) - 1)})
        for blocks in groups
        for n, block in enumerate(blocks)
    ]
    feeds = (
        sources["i_tile"].send_all(tile.command(config) for tile in tiles),
        sources["i_q"].send_all(word for tile in tiles for word in tile.q),
        sources["i_block"].send_all(announced),
    )
    await within(dut, 40000, *feeds, drain.receive_all(len(tiles)))
    watcher.cancel()
    assert handed == len(tiles)
    assert scored == [
        (tiles[index].word, block, int(n == opening[index]), int(tiles[index].golden.fresh))
        for n, (index, block) in enumerate(slots)
    ]
    assert active == len(slots) * config.block_cycles
    assert {ring.came, ring.claimed, ring.keys_left, ring.values_left} == {len(announced)}
    assert ring.most == min(ring_blocks(config), len(announced)) or this["stall"] != "never"


# Configuration, jobs, engine and engines.
RUNS = {
    "ragged": ({}, [{"queries": 21, "keys": 21}], 0, 1),
    "in_order": ({"schedule": "in_order"}, [{"queries": 20, "keys": 20, "words_per_pass": 2}], 0, 1),
    "sink_first": ({"schedule": "sink_first", "words": 3}, [{"queries": 40, "keys": 40, "words_per_pass": 2}], 0, 1),
    "one_word": ({"words": 1}, [{"queries": 20, "keys": 12, "mask": {"ahead": EVERY}}], 0, 1),
    "decode_after_prefill": ({}, [{"queries": 10, "keys": 10}, {"queries": 2, "keys": 40, "heads": 8}], 0, 1),
    "chunk": ({"words": 4}, [{"queries": 11, "keys": 50, "start": 21, "heads": 3}], 0, 1),
    "rank_1_int4": ({"operand_bits": 4, "softmax_lanes": 2, "update_rank": 1}, [{"queries": 20, "keys": 20}], 0, 1),
    "last_of_two_engines": ({"words": 4}, [{"queries": 70, "keys": 70}, {"queries": 9, "keys": 9, "heads": 2}], 1, 2),
}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize(("stall", "drain"), [("never", 2), ("never", 200), ("randomly", 100)])
def test_controller(name, stall, drain):
    config, jobs, engine, engines = RUNS[name]
    data = {"jobs": jobs, "engine": engine, "engines": engines, "stall": stall, "drain": drain}
    launch(Controller(configured(config)), "runs_the_slots_of_the_schedule", config=config, **data)


@cocotb.test()
async def tells_what_it_does(dut):
    """Two passes of one tile in the only word; everything that a pass needs comes late, one thing after the other."""
    config = configured(case()["config"])
    tiles, queries, blocks = (Source(dut, port) for port in ("i_tile", "i_q", "i_block"))
    names = [name for name, _ in engine_state_layout() if name != "adds"]
    log, adds = [], []
    dut.o_tile__ready.value = 1
    dut.drained.value = 0
    dut.kv__available.value = 0
    await reset(dut)

    async def states(cycles):
        """What the state was in these cycles, without repetitions."""
        del log[:], adds[:]
        for _ in range(cycles):
            await RisingEdge(dut.clk)
            state = engine_state_layout().from_bits(int(dut.state.value))
            log.append(tuple(name for name in names if state[name]))
            adds.append(state.adds)
        return [now for n, now in enumerate(log) if n == 0 or now != log[n - 1]]

    tile = pack(tile_command_layout(config), {"rows": 2, "fresh": 1, "last": 1, "blocks": {"low": 0, "high": 2}})
    query = pack(query_row_layout(config)["query"].shape, {"mantissa": 1, "shift": 1, "low": 0, "high": 4})
    q = [query << query_row_layout(config)["query"].offset] * 2
    slot, load, behind = config.block_cycles, config.rows + 8, 2 * config.block_cycles + 40

    async def announce(block, *, last):
        await blocks.send(pack(block_layout(config), {"block": block, "last": int(last)}))

    await announce(0, last=False)
    await announce(1, last=True)
    assert await states(9) == [()]
    await gather(tiles.send(tile), queries.send_all(q))
    assert await states(load) == [(), ("loaded",)]
    dut.kv__available.value = 1
    # The pass is over once its last slot has begun.
    seen = await states(2 * slot + behind)
    assert seen == [
        ("loaded",),
        ("active", "loaded"),
        ("active",),
        (),
    ]
    assert sum("active" in now for now in log) == sum(adds) == 2 * slot

    await announce(0, last=True)
    await gather(tiles.send(tile), queries.send_all(q))
    assert await states(load) == [(), ("loaded",), ("loaded", "waits")]
    assert await states(99) == [("loaded", "waits")]
    dut.drained.value = 1
    await RisingEdge(dut.clk)
    dut.drained.value = 0
    seen = await states(slot + behind)
    assert seen == [("loaded",), ("active",), ()]
    assert sum("active" in now for now in log) == sum(adds) == slot


def test_controller_state():
    config = {"words": 1}
    launch(Controller(configured(config)), "tells_what_it_does", config=config)


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
    dut.blocks__0.value = pack(blocks_layout(config), {"low": 0, "high": 2})
    dut.blocks__1.value = pack(blocks_layout(config), {"low": 0, "high": 3})
    dut.fresh__0.value = 1
    dut.fresh__1.value = 0
    await reset(dut)
    log = []
    more = latency(config) - 3

    def scales(address):
        """Of the vector at that place of the ring: every one has its own."""
        return 0x1234567 * (address + 1) & ((1 << scales_layout(config).size) - 1)

    async def watch():
        control = softmax_layouts.control_layout(config)
        command = ip_cim.plane_command_layout(config)
        while True:
            await RisingEdge(dut.clk)
            if config.token_scale_bits and dut.kv__keys_enable.value == 1:
                dut.kv__scales.value = scales(int(dut.kv__keys_address.value))
                dut.kv__scaled.value = int(dut.kv__keys_address.value) % 3 != 0
            log.append(
                {
                    "command": command.from_bits(int(dut.command.value)),
                    "plane": int(dut.kv__plane_index.value),
                    "control": control.from_bits(int(dut.control.value)),
                    "pv": (int(dut.pv_enable.value), int(dut.pv_word.value), int(dut.kv__value_column.value)),
                    "keys": (int(dut.kv__keys_enable.value), int(dut.kv__keys_address.value)),
                    "values": (int(dut.kv__values_enable.value), int(dut.kv__values_address.value)),
                    "claim": int(dut.kv__claim.value),
                    "release": (int(dut.kv__keys_release.value), int(dut.kv__values_release.value)),
                    "finished": int(dut.finished.value),
                    "active": int(dut.active.value),
                    "waits": int(dut.waits.value),
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
    feed = source.send_all([pack(entry_layout(config), entry) for entry in entries])
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
                position = block * rank + (rank - 1 - n if config.key_order().backward else n)
                got = (control.row, control.index, control.last, control.word, control.position)
                assert got == (plane, n, int(n == rank - 1), word, position)
                assert control.first == (number in (0, 1))
                assert control.fresh == (word == 0)
                if config.token_scale_bits:
                    assert control.scales.as_bits() == scales(block * rank + n)
                    assert control.scaled == ((block * rank + n) % 3 != 0)
            assert log[start + cycles + 6 + more + c]["pv"] == (1, word, c)
        if opens:
            assert log[start + cycles + 5 + more]["values"] == (1, block)
    assert sum(now["values"][0] for now in log) == 3
    assert sum(now["claim"] for now in log) == 3
    assert sum(now["release"][0] for now in log) == 3
    assert sum(now["release"][1] for now in log) == 3
    assert [now["active"] for now in log] == [now["command"].enable for now in log]
    assert not any(now["waits"] for now in log)
    ends = [t for t, now in enumerate(log) if now["finished"]]
    assert len(ends) == 1
    assert log[ends[0]]["finished"] == 0b11
    assert ends[0] == starts[-1] + 2 * cycles + 10 + more + served


@pytest.mark.parametrize("gap", [0, 9, 100])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"schedule": "in_order", "update_rank": 4, "columns": 32},
        {"operand_bits": 4, "softmax_lanes": 2, "update_rank": 1, "columns": 8},
        {"operand_bits": 8, "softmax_lanes": 4, "update_rank": 1},
        {"token_scale_bits": 8, "update_rank": 4, "columns": 32},
        {"token_scale_bits": 1, "operand_bits": 4, "softmax_lanes": 2, "update_rank": 4},
        {"token_scale_bits": 8, "operand_bits": 4, "softmax_lanes": 2, "update_rank": 1, "alibi": True},
    ],
    ids=["tiny", "in_order", "int4", "spare_lanes", "scales", "powers_of_two_int4", "scales_int4"],
)
def test_sequencer(config, gap):
    full = configured(config)
    assert ring_blocks(full) >= 4
    launch(Sequencer(full), "keeps_the_rhythm_of_its_docstring", config=config, gap=gap)


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        ({}, (1, 11, 15, 21, 22, 50)),
        ({"operand_bits": 4, "softmax_lanes": 2, "update_rank": 1, "columns": 8}, (1, 7, 3, 9, 10, 22)),
        ({"token_scale_bits": 1}, (1, 11, 15, 21, 22, 50)),
        ({"token_scale_bits": 8}, (1, 11, 15, 22, 23, 51)),
        ({"alibi": True}, (1, 11, 15, 22, 23, 51)),
    ],
    ids=["tiny", "int4", "powers_of_two", "scales", "slopes"],
)
def test_rhythm(config, steps):
    assert astuple(rhythm(configured(config))) == steps
