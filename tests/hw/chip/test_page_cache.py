"""The page cache alone: words that come for the sequence before are none of this one. The rest: `test_kv_fetcher`."""

from pathlib import Path

import cocotb

from fusioncim.chip.page_cache import PageCache
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run

LIST, TOKENS, PAGES = 0x1010, 4, 100
BLOCK = 6
"""With two keys of a block in page 3 of the sequence, which is the upper half of word 1 of a bus of 8 bytes."""


def beat(low, high):
    return low | high << 32


CYCLES = [
    # what is driven, what is seen in that cycle
    ({"clear": 1}, {}),
    ({"look": 1}, {}),
    ({}, {"hit": 0, "owed": 0}),
    ({"ask": 1}, {"asks": 0}),
    ({}, {"asks": 1, "owed": 1, "address": LIST + 8}),
    ({"taken": 1}, {"asks": 1}),
    ({"clear": 1}, {"asks": 0, "owed": 1}),
    ({"beat_valid": 1, "beat": beat(1, 2)}, {"owed": 1}),
    ({"look": 1}, {"owed": 0}),
    ({"ask": 1}, {"hit": 0}),
    ({"taken": 1}, {"owed": 1}),
    ({"beat_valid": 1, "beat": beat(5, 7)}, {}),
    ({"look": 1}, {}),
    ({}, {"hit": 1, "page": 7, "illegal": 0}),
    ({"pages": 7}, {"hit": 1, "page": 0, "illegal": 1}),
    ({"block": BLOCK - 4}, {"hit": 1, "page": 7, "illegal": 0}),  # what is seen is of the block that was sought
    ({"look": 1, "block": BLOCK - 2}, {"hit": 1, "page": 7}),
    ({"look": 1, "block": BLOCK - 4}, {"hit": 1, "page": 5, "illegal": 0}),
    ({"look": 1, "block": BLOCK + 64}, {"hit": 0}),
    ({"look": 1}, {"hit": 0}),
    ({"clear": 1}, {"hit": 1}),
    ({}, {"hit": 0}),
]


@cocotb.test()
async def looks_up_pages(dut):
    always = {"list": LIST, "page_tokens": TOKENS, "pages": PAGES, "block": BLOCK}
    names = [*always, "clear", "look", "ask", "taken", "beat_valid", "beat"]
    inputs = {name: [(always | driven).get(name, 0) for driven, _ in CYCLES] for name in names}
    seen = await play(dut, inputs, ["hit", "page", "illegal", "asks", "address", "owed"])
    for n, (_, expected) in enumerate(CYCLES):
        assert {name: seen[name][n] for name in expected} == expected, n


def test_words_of_the_sequence_before_are_gone():
    run(PageCache(PRESETS["tiny"]), Path(__file__).stem, "looks_up_pages", {}, path=Path(__file__).parent)
