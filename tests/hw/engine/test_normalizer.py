from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.triggers import RisingEdge
from cocotb.utils import get_sim_time

from fusioncim.engine.normalizer import Normalizer, latency, output_beat_layout
from fusioncim.engine.op_cim import drain_layout
from fusioncim.engine.reciprocal import division_cycles, drained_tile_layout
from fusioncim.engine.sink_table import sink_layout
from fusioncim.engine.softmax_layouts import row_state_layout
from fusioncim_golden.config import REFERENCE_BITS
from fusioncim_golden.normalizer import log_sum_exp, normalize, with_sink
from fusioncim_golden.presets import preset
from fusioncim_golden.sinks import PRESENT, SINK_BITS
from fusioncim_golden.softmax import Rows
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import pack, unpack_vector
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.rtl.stream import CLOCK_NS, STALLS, Sink, Source, reset, within
from fusioncim_sim.rtl.stream_words import bands, beat_marks, output_lse, output_rows

SMALL = {"rows": 4, "columns": 32, "softmax_lanes": 1}
NARROW = {**SMALL, "accumulator_bits": 16, "probability_bits": 6, "flush": 1, "slack": 0, "update_rank": 1}
CASES = {
    "wide outputs": {"config": SMALL, "o": "never"},
    "byte outputs": {"config": {**SMALL, "output_bits": 8}, "o": "never"},
    "random stalls": {"config": SMALL, "o": "randomly"},
    "long stalls": {"config": {**SMALL, "output_bits": 8}, "o": "mostly"},
    "bursts": {"config": SMALL, "o": "bursts"},
    "one word, slow tiles": {"config": {**SMALL, "words": 1}, "o": "never", "i": "mostly"},
    "INT4, three words, rank 1": {
        "config": {**SMALL, "operand_bits": 4, "update_rank": 1, "words": 3, "accumulator_bits": 32},
        "o": "randomly",
    },
    "long rows": {"config": {**SMALL, "update_rank": 4}, "o": "never"},
    "short row sums": {"config": NARROW, "o": "randomly"},
    "dropped bits, seeded": {
        "config": {**SMALL, "accumulator_bits": 16, "probability_bits": 8, "flush": 6, "slack": 4, "seed": True},
        "o": "bursts",
    },
    "two rows": {"config": {**SMALL, "update_rank": 4, "drain_rows": 2}, "o": "never"},
    "two rows, divided for longer than they leave": {"config": {**SMALL, "drain_rows": 2}, "o": "never"},
    "four rows": {"config": {**SMALL, "rows": 8, "drain_rows": 4}, "o": "never"},
    "four rows, stalls": {"config": {**SMALL, "rows": 8, "drain_rows": 4, "output_bits": 8}, "o": "randomly"},
    "two of six rows, one word": {
        "config": {**SMALL, "rows": 6, "words": 1, "drain_rows": 2},
        "o": "bursts",
        "i": "mostly",
    },
    "four rows, short row sums": {"config": {**NARROW, "drain_rows": 4}, "o": "mostly"},
    "coarse table": {"config": {**SMALL, "lut_size": 8, "probability_bits": 12, "accumulator_bits": 32}, "o": "never"},
    "fine table": {"config": {**SMALL, "fraction_bits": 10, "lut_size": 1024, "output_bits": 8}, "o": "randomly"},
}
TILES = 24


@pytest.mark.parametrize("this", CASES.values(), ids=CASES)
def test_normalizer(this):
    config = preset("tiny").alone().override(**this["config"])
    run(Normalizer(config), Path(__file__).stem, "matches_golden", this, path=Path(__file__).parent)


def random_tile(rng, config):
    """O [rows, columns]; row sums, whether the rows are filled, references and sinks [rows]; how many of them leave."""
    rows, columns = config.rows, config.columns
    # The least row sum: one key, at most seed_limit powers of two below the reference.
    least = (1 << (config.probability_bits - 1 + config.row_sum_fraction)) >> (config.seed_limit if config.seed else 0)
    most = (3 << config.row_sum_bits - 2) - 1  # no row sum gets further, as docs/arithmetic.md proves
    exponent = rng.integers(least.bit_length() - 1, config.row_sum_bits, rows)
    corners = np.stack(
        [
            np.full(rows, least),
            np.full(rows, most),
            1 << exponent,
            np.maximum((1 << exponent) - 1, least),
            np.clip((2.0 ** (exponent + rng.random(rows))).astype(np.int64), least, most),
        ]
    )
    row_sum = corners[rng.choice(5, rows, p=[0.1, 0.1, 0.2, 0.1, 0.5]), np.arange(rows)]
    # O of weights that add up to the row sum, or anything that the bank holds.
    limit = (1 << (config.accumulator_bits - 1)) - 1
    weights = (row_sum >> config.row_sum_fraction) << (config.operand_bits - 1) >> config.dropped_bits
    bound = np.where(rng.random(rows) < 0.7, np.minimum(weights, limit), limit)[:, None]
    o = rng.integers(-bound, bound + 1, (rows, columns))
    o = np.where(rng.random(o.shape) < 0.2, rng.choice([-1, 0, 1, 2], o.shape), o)
    o = np.where(rng.random(o.shape) < 0.1, bound * rng.choice([-1, 1], o.shape), o)
    filled = rng.random(rows) < 0.9
    far = 1 << (REFERENCE_BITS - 1)
    reference = np.where(rng.random(rows) < 0.9, rng.integers(-100, 101, rows), rng.choice([-far, far - 1], rows))
    # Most sinks weigh about as much as the row.
    near = np.clip(reference + rng.integers(-12, 24, rows), -128, 127)
    code = np.where(rng.random(rows) < 0.8, near, rng.integers(-128, 128, rows)) * 256 + rng.integers(0, 256, rows)
    sink = np.where(rng.random(rows) < 0.7, PRESENT | code & (PRESENT - 1), 0)
    state = Rows(~filled, reference, row_sum, np.ones(rows, bool))
    return o, state, sink, int(rng.choice([config.rows, config.rows, rng.integers(1, config.rows + 1)]))


@cocotb.test()
async def matches_golden(dut):
    this = case()
    config = preset("tiny").alone().override(**this["config"])
    rng = np.random.default_rng(8)
    steps, units = config.block_cycles, config.units
    tiles = [random_tile(rng, config) for _ in range(TILES)]
    words = rng.permutation(np.arange(TILES) % config.words).tolist()
    o = np.zeros((config.words, config.rows, steps, units), np.int64)
    states = [[0] * config.rows for _ in range(config.words)]
    kept = [[0] * config.rows for _ in range(2 * config.words)]
    given, finished, taken, ended, lse = [], [], [], [], []
    drain_shape, layout = drain_layout(config), output_beat_layout(config)
    marks = layout["lse"].offset - layout["last"].offset
    mask = (1 << config.accumulator_bits) - 1
    ports = [getattr(dut, f"drain_data__{n}") for n in range(config.drain_rows)]
    for port in ports:
        port.value = 0
    dut.state.value = 0
    dut.sink.value = 0
    source = Source(dut, "i", STALLS[this.get("i", "never")](1))
    sink = Sink(dut, "o", STALLS[this["o"]](2))

    async def memories():
        """The read ports of the macros: data one cycle after the read, held."""
        last = (0, 0, 0)
        while True:
            await RisingEdge(dut.clk)
            drain = drain_shape.from_bits(int(dut.drain.value))
            done = int(dut.done.value)
            if dut.state_enable.value == 1:
                word, row = int(dut.state_word.value), int(dut.state_row.value)
                dut.state.value = states[word][row]
                dut.sink.value = kept[2 * word + int(dut.state_turn.value)][row]
            if done:  # the element of the last read is taken
                assert last[2] == steps - 1
                assert done == 1 << last[0]
                finished.append((last[0], last[1] + 1))
            if drain.enable:
                rows = [drain.band * len(ports) + n for n in range(len(ports)) if drain.enable >> n & 1]
                last = drain.word, rows[-1], drain.column
                for row in rows:
                    elements = o[drain.word, row, drain.column].tolist()
                    ports[row % len(ports)].value = sum(
                        (x & mask) << (config.accumulator_bits * n) for n, x in enumerate(elements)
                    )

    async def give():
        """A tile is there once the tile before it in its word has left; tiles leave in order."""
        for index, (values, state, sink, rows) in enumerate(tiles):
            word, turn = words[index], int(rng.integers(2))
            while len(finished) < max([n + 1 for n in range(index) if words[n] == word], default=0):
                await RisingEdge(dut.clk)
            o[word] = values.reshape(config.rows, steps, units)
            for i in range(config.rows):
                fields = {name: int(getattr(state, name)[i]) for name in ("seeded", "reference", "row_sum")}
                states[word][i] = pack(row_state_layout(config), {**fields, "filled": int(not state.empty[i])})
                kept[2 * word + turn][i] = int(sink[i]) >> (SINK_BITS - sink_layout(config).size)
            given.append(cycle())
            await source.send(pack(drained_tile_layout(config), {"word": word, "rows": rows, "turn": turn}))

    async def take():
        for _, _, _, rows in tiles:
            for _ in range(len(bands(config, [rows])) * steps):
                beat = await sink.receive()
                taken.append(unpack_vector(beat, config.output_bits, config.drain_rows * units))
                above = beat >> layout["last"].offset
                ended.append((above & ((1 << marks) - 1), cycle()))
                lse.append([above >> marks + 32 * n & 0xFFFFFFFF for n in range(config.drain_rows)])

    def cycle():
        return round(get_sim_time("ns")) // CLOCK_NS

    await reset(dut)
    cocotb.start_soon(memories())
    elements = sum(rows for *_, rows in tiles) * config.columns
    await within(dut, 12 * elements // units + 5000, give(), take())

    position = compared = saturated = moved_rows = 0
    top = (1 << (config.output_bits - 1)) - 1
    for index, (values, state, sink, rows) in enumerate(tiles):
        reference, total, moved = with_sink(config, state.reference, np.where(state.empty, 0, state.row_sum), sink)
        out = np.where(state.empty[:, None], 0, normalize(config, values, total, moved))[:rows]
        many = len(bands(config, [rows]))
        beats = np.array(taken[position : position + many * steps])
        seen = np.array(output_rows(config, beats, [rows]))
        assert (seen == out).all(), (index, np.argwhere(seen != out)[:3], state, sink)
        words_seen = output_lse(config, np.array(lse[position : position + many * steps]), [rows])
        assert words_seen == log_sum_exp(config, reference, total)[:rows].tolist(), index
        moved_rows += np.count_nonzero((moved[:rows] > 0) & out.any(axis=1))
        assert not beats[-1].reshape(-1, units)[len(bands(config, [rows])[-1]) :].any()  # rows that are none
        saturated += int((out == top).sum() + (out == -top - 1).sum())
        seen_marks, cycles = zip(*ended[position : position + many * steps], strict=True)
        assert list(seen_marks) == beat_marks(config, [rows]), index
        if this["o"] == "never":
            # A band takes as long as its beats or as its division.
            assert cycles[-1] - cycles[0] <= many * max(steps, division_cycles(config.drain_rows)), index
        position += many * steps
        compared += out.size
    assert finished == [(word, rows) for word, (*_, rows) in zip(words, tiles, strict=True)]
    assert compared == elements > 0
    assert saturated > 5
    assert moved_rows > 5
    if (this["o"], this.get("i")) == ("never", None):
        first = min(config.drain_rows, tiles[0][-1])
        assert ended[0][1] - given[0] == 1 + latency(first)  # the tile is there a cycle after it is given
