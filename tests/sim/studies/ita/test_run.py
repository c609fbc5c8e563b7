"""What goes into ITA, in which order, and what it must give back."""

import numpy as np

from fusioncim_sim.studies.ita.model import ItaHead, Scale, attention
from fusioncim_sim.studies.ita.operands import COLUMNS, KEYS, QUERIES, captured_head
from fusioncim_sim.studies.ita.run import TILE, streams

KEYS_HERE = 128


def head():
    rng = np.random.default_rng(1)
    q, k, v = (rng.integers(-60, 60, shape) for shape in ((TILE, TILE), (KEYS_HERE, TILE), (KEYS_HERE, TILE)))
    return ItaHead(q, k, v, Scale(128, 17), Scale(128, 15))


def test_every_output_is_a_product_of_an_input_and_the_weights_at_its_time():
    this = head()
    done = attention(this)
    inputs, words, outputs = streams(this)
    weights = words.reshape(-1, 16, TILE)
    steps = TILE * 4 * (KEYS_HERE // TILE)
    assert len(inputs) == 2 * steps + TILE
    assert len(outputs) == steps + 4 * TILE
    for n in (0, 63, 64, 300, steps - 1):
        scores = weights[n // TILE] @ inputs[n]
        row, keys = n % TILE, slice(n // TILE * 16, n // TILE * 16 + 16)
        assert np.array_equal(scores, (this.q @ this.k.T)[row, keys])
        assert np.array_equal(outputs[n], done.scores[row, keys])
    for row, block in ((0, 0), (63, 3), (17, 2)):
        columns = slice(16 * block, 16 * block + 16)
        total = np.zeros(16, np.int64)
        for tile in range(KEYS_HERE // TILE):
            n = steps + (4 * tile + block) * TILE + row
            keys = slice(tile * TILE, (tile + 1) * TILE)
            assert np.array_equal(inputs[n], done.scores[row, keys])
            total += weights[n // TILE] @ done.weights[row, keys]
        assert np.array_equal(total, (done.weights @ this.v)[row, columns])
        assert np.array_equal(outputs[steps + block * TILE + row], done.out[row, columns])


def test_the_weights_of_the_next_tile_come_before_its_queries():
    inputs, words, _ = streams(head())
    assert len(words.reshape(-1, 16, TILE)) == len(inputs) // TILE + 1


def test_a_captured_head_is_the_engine_s():
    this = captured_head("group0")
    assert (this.q.shape, this.k.shape, this.v.shape) == ((QUERIES, COLUMNS), (KEYS, COLUMNS), (KEYS, COLUMNS))
    assert max(np.abs(x).max() for x in (this.q, this.k, this.v)) <= 127
    assert 128 <= this.score.mult <= 255
