"""The least cycles of a job, by hand."""

import pytest

from fusioncim_golden.mask import Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.system.cycles import Counts, Memory
from fusioncim_sim.system.models import changed, model, most_keys, scores
from fusioncim_sim.system.roofline import Roofline, roofline

PAPER = PRESETS["paper"]
LLAMA = model("llama3-8b")


def test_a_decode_is_bound_by_what_it_reads():
    """One query of 32 heads over 8,192 keys of 8 heads, 64 bytes per cycle each way."""
    keys = values = 8 * 8192 * 128
    counts = Counts(bytes_query=32 * 128, bytes_key=keys, bytes_value=values, bytes_scale=128, bytes_output=32 * 256)
    pairs = scores(LLAMA, 1, 8191, 8192)
    found = roofline(PAPER, Memory(), counts, pairs * 256, most_keys(LLAMA, 1, 8191, 8192))
    assert found == Roofline(reads=262_144 + 64 + 2, writes=128, multiply=1_024, stream=65_536)
    assert (found.bound, found.cycles) == ("reads", 262_210)
    ports = roofline(PAPER.override(read_ports=2), Memory(), counts, pairs * 256, 8192)
    assert ports == Roofline(reads=262_210 / 2, writes=128, multiply=1_024, stream=65_536)
    half = roofline(PAPER, Memory(period=2), counts, pairs * 256, 8192)
    assert half == Roofline(reads=2 * 262_210, writes=256, multiply=1_024, stream=65_536)


def test_a_long_prefill_is_bound_by_the_multipliers():
    """4,096 queries of 32 heads: a score takes an engine of 128 rows 8 / 128 of a cycle."""
    pairs = scores(LLAMA, 4096, 0, 4096)
    found = roofline(PAPER, Memory(), Counts(bytes_output=32 * 4096 * 256), pairs * 256, 4096)
    assert found.multiply == 32 * (4096 * 4097 // 2) * 8 / (16 * 128) == 1_048_832
    assert found.writes == 524_288
    assert (found.bound, found.cycles) == ("multiply", 1_048_832)


@pytest.mark.parametrize(
    ("mask", "queries", "start", "keys", "most"),
    [
        (Mask(), 1, 99, 100, 100),
        (Mask(), 50, 0, 50, 50),
        (Mask(window=8), 50, 50, 100, 8),
        (Mask(window=8), 3, 0, 3, 3),
        (Mask(chunk=16), 10, 10, 20, 16),
        (Mask(chunk=16), 3, 16, 19, 3),
    ],
)
def test_the_most_keys_of_a_row(mask, queries, start, keys, most):
    assert most_keys(changed(LLAMA, {"mask": mask}), queries, start, keys) == most
