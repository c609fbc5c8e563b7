"""The output writer alone: rows of random jobs from several engines, at every place, against a memory."""

from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.triggers import RisingEdge
from tests.cases import one_in

from fusioncim.chip.axi import write_data_layout, write_request_layout
from fusioncim.chip.descriptor_checker import job_layout
from fusioncim.chip.job_table import SLOTS, write_tag_layout
from fusioncim.chip.output_place import output_place_layout
from fusioncim.chip.output_writer import OutputWriter
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.limits import LSE_BYTES
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import pack
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.rtl.stream import STALLS, Sink, Source, reset, within
from fusioncim_sim.rtl.stream_words import output_words

ENGINES = 2
SHAPES = [(64, 8, 16), (64, 8, 64), (64, 16, 64), (128, 16, 64), (128, 8, 64), (256, 16, 64), (256, 8, 32)]
SHAPES += [(512, 8, 64), (512, 16, 128), (1024, 16, 128), (1024, 8, 256)]
# An output beat does not divide a word.
SHAPES += [(64, 8, 320), (128, 8, 192), (256, 16, 576), (512, 16, 576)]
"""bus_bits, output_bits, columns."""
BANDS = [(64, 8, 16, 2), (128, 8, 64, 4), (256, 16, 64, 2), (512, 16, 128, 4), (1024, 8, 256, 2), (128, 8, 192, 2)]
"""bus_bits, output_bits, columns, drain_rows."""
TILES = 16
SIZE = 1 << 20


def shaped(bus_bits, output_bits, columns, drain_rows=1):
    rank = min(columns // 8, 8)
    engine = Config(columns=columns, rows=8, softmax_lanes=4, update_rank=rank, words=1, output_bits=output_bits)
    engine = engine.override(drain_rows=drain_rows)
    return ChipConfig(engine=engine, engines=ENGINES, bus_bits=bus_bits, buffer_bytes=8 * columns * rank)


class Job:
    """A job of one head whose rows lie a pitch apart, at a random place."""

    def __init__(self, rng, chip, slot):
        self.slot, self.group = slot, 2
        most = chip.engine.columns
        self.dimension = (most, max(most - 8, 8), 8, 8 * int(rng.integers(1, most // 8 + 1)))[slot]
        self.row = self.dimension * chip.engine.output_bits // 8
        least = -(-self.row // chip.alignment) * chip.alignment
        self.head_pitch = least + chip.alignment * int(rng.integers(4)) * (slot != 0)
        self.pitch = self.group * self.head_pitch + chip.alignment * int(rng.integers(3))
        self.address = slot * SIZE // SLOTS + chip.alignment * (1 + 2 * int(rng.integers(16)))
        # At the end of its part of the memory, at any place of a word; one job has none.
        self.lse = ((slot + 1) * SIZE // SLOTS - 8 * TILES * LSE_BYTES) // LSE_BYTES - int(rng.integers(1, 64))
        self.lse *= slot != 1
        self.rows = 0

    def fields(self, chip):
        """What the writer takes of it."""
        o = {"address": self.address, "pitch": self.pitch, "head_pitch": self.head_pitch}
        values = {"descriptor": {"value_dimension": self.dimension, "o": o}, "group": self.group}
        return pack(job_layout(chip), values | {"o_group": self.group * self.head_pitch})

    def place(self, row):
        """Address of a row."""
        return self.address + row // self.group * self.pitch + row % self.group * self.head_pitch


@cocotb.test()
async def writes_rows(dut):
    this = case()
    chip, stall, slow = shaped(*this["shape"]), STALLS[this["stall"]], STALLS[this["memory"]]
    rng = np.random.default_rng(this["seed"])
    config = chip.engine
    jobs = [Job(rng, chip, slot) for slot in range(SLOTS)]
    memory, wanted = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    tiles = []
    lse_words = 0
    outputs = [[] for _ in range(ENGINES)]
    for n in range(TILES):
        job = jobs[n if n < SLOTS else rng.integers(SLOTS)]
        engine, rows = int(rng.integers(ENGINES)), int(rng.integers(1, 9))
        place = {"address": job.place(job.rows), "head": job.rows % job.group, "rows": rows, "slot": job.slot}
        place |= {"lse": job.lse + job.rows if job.lse else 0}
        tiles.append((engine, pack(output_place_layout(chip), place)))
        values = rng.integers(1, 256, (rows, chip.output_bytes), dtype=np.uint8)
        for row in range(rows):
            wanted[job.place(job.rows + row) :][: job.row] = values[row, : job.row]
        elements = values.view(f"<i{config.output_bits // 8}").astype(np.int64)
        lse = rng.integers(0x01010101, 1 << 32, rows) | 0x01010101  # no byte is 0
        if job.lse:
            wanted[(job.lse + job.rows) * LSE_BYTES :][: rows * LSE_BYTES] = lse.astype("<u4").view(np.uint8)
            mark = (job.lse + job.rows + np.arange(rows)) * LSE_BYTES // chip.bus_bytes
            lse_words += len(set(mark.tolist()))
        outputs[engine] += output_words(config, list(elements), lse.tolist(), [rows])
        job.rows += rows
    failed = 1 << 3  # of one job the rows are dropped, but for their requests

    for name in ("place", "place_valid", "begins", "job", "slot"):
        getattr(dut, name).value = 0
    dut.failed.value = failed
    sources = [Source(dut, f"i__{n}", stall(n)) for n in range(ENGINES)]
    requests, beats = Sink(dut, "o_write", slow(11)), Sink(dut, "o_data", slow(12))
    await reset(dut)

    async def place():
        for job in jobs:
            dut.begins.value, dut.slot.value, dut.job.value = 1, job.slot, job.fields(chip)
            await RisingEdge(dut.clk)
        dut.begins.value = 0
        for engine, tile in tiles:
            dut.place.value, dut.place_valid.value = tile, 1 << engine
            await RisingEdge(dut.clk)
            while not int(dut.place_ready.value) >> engine & 1:
                await RisingEdge(dut.clk)
        dut.place_valid.value = 0

    taken, kinds = [], []

    async def take_requests():
        for _ in range(sum(job.rows for job in jobs) + lse_words):
            request = write_request_layout(chip, write_tag_layout()).from_bits(await requests.receive())
            assert request.drop == failed >> request.tag.slot & 1
            assert request.address % chip.alignment == 0
            kinds.append((request.tag.slot, request.tag.row))
            assert request.tag.row or (request.beats == 1 and request.address % chip.bus_bytes == 0)
            taken.append((request.address // chip.bus_bytes * chip.bus_bytes, request.beats))

    async def take_beats():
        for row in range(sum(job.rows for job in jobs) + lse_words):
            n = 0
            while row >= len(taken) or n < taken[row][1]:
                payload = await beats.receive()
                assert row < len(taken), "data before its request"
                beat = write_data_layout(chip).from_bits(payload)
                for k, byte in enumerate(beat.data.to_bytes(chip.bus_bytes, "little")):
                    if beat.strobes >> k & 1:
                        place = taken[row][0] + n * chip.bus_bytes + k
                        assert memory[place] == 0
                        memory[place] = byte
                n += 1

    work = [source.send_all(each) for source, each in zip(sources, outputs, strict=True)]
    await within(dut, 40_000, place(), *work, take_requests(), take_beats())
    assert np.array_equal(memory, wanted)
    assert all(job.rows for job in jobs)
    assert lse_words > 8
    # The last request of each job is a row's: its log-sum-exp went out before.
    assert all(row for _, row in {slot: (slot, row) for slot, row in kinds}.values())


@pytest.mark.parametrize(("stall", "memory"), [("never", "never"), ("randomly", "randomly"), ("never", "mostly")])
@pytest.mark.parametrize("shape", one_in(2, SHAPES + BANDS), ids=lambda shape: "-".join(map(str, shape)))
def test_rows_are_written_where_they_belong_and_nowhere_else(shape, stall, memory):
    this = {"shape": shape, "stall": stall, "memory": memory, "seed": 3}
    run(OutputWriter(shaped(*shape)), Path(__file__).stem, "writes_rows", this, path=Path(__file__).parent)
