"""The page cache alone: as its rule, and words that come for the sequence before are none of this one."""

from pathlib import Path

import cocotb
import numpy as np

from fusioncim.chip.page_cache import PAGE_WORDS, PageCache, pages_per_word
from fusioncim.engine.tile_loader import block_shape
from fusioncim_golden.limits import MAX_PAGE_TOKENS, PAGE_BYTES, POSITION_BITS
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


CHIP = PRESETS["tiny"]
STEPS = 6000


class Rule:
    """The cache by its rule: words of the list by their place, each with the words of the bus that it was."""

    def __init__(self):
        self.words, self.shown = {}, (None, [0] * pages_per_word(CHIP))
        self.sought = self.asked = self.asks = self.owed = self.stale = self.looked = 0

    def out(self, given):
        """What is seen: a hit once it was looked behind a word, a page if there is one, an address if asked for."""
        word, lane = divmod(self.sought, pages_per_word(CHIP))
        kept, entries = self.shown
        hit = self.words.get(word % PAGE_WORDS, (None,))[0] is not None and kept == word
        page = entries[lane]
        illegal = page >= given["pages"]
        seen = {"asks": self.asks, "owed": self.owed} | ({"hit": int(hit)} if self.looked else {})
        if hit and self.looked:
            seen |= {"illegal": int(illegal), "page": 0 if illegal else page}
        if self.asks:
            seen["address"] = (given["list"] // CHIP.bus_bytes + self.asked) * CHIP.bus_bytes % (1 << CHIP.address_bits)
        return seen

    def step(self, given):
        """A cycle."""
        word = self.sought // pages_per_word(CHIP)
        if given["look"]:
            keys = given["block"] << CHIP.engine.rank_bits
            self.sought = keys // given["page_tokens"] + given["list"] // PAGE_BYTES % pages_per_word(CHIP)
            place = self.sought // pages_per_word(CHIP) % PAGE_WORDS
            self.shown = self.words.get(place, (None, None))[1] or (None, self.shown[1])
            self.looked = 1
        if given["taken"]:
            self.asks = 0
        if given["beat_valid"]:
            mask = (1 << 8 * PAGE_BYTES) - 1
            entries = [given["beat"] >> 8 * PAGE_BYTES * n & mask for n in range(pages_per_word(CHIP))]
            valid = None if self.stale else True
            self.words[self.asked % PAGE_WORDS] = (valid, (self.asked, entries))
            self.owed = self.stale = self.looked = 0
        if given["ask"]:
            self.asks = self.owed = 1
            self.asked = word
        if given["clear"]:
            self.words = {place: (None, kept) for place, (_, kept) in self.words.items()}
            self.stale = int(self.owed and not given["beat_valid"])


def drawn():
    """Cycles as the neighbours may make them, and what is seen in each."""
    rng = np.random.default_rng(1)
    rule, cycles = Rule(), []
    steady = {}
    for n in range(STEPS):
        clear = n == 0 or rng.random() < 0.01
        if clear:
            tokens = 1 << int(rng.integers(CHIP.engine.rank_bits, MAX_PAGE_TOKENS.bit_length()))
            steady = {
                "list": int(rng.integers(1 << CHIP.address_bits - 4)) << 4,
                "page_tokens": tokens,
                "pages": int(rng.integers(1, 1 << POSITION_BITS)) if rng.random() < 0.5 else (1 << POSITION_BITS) - 1,
            }
            near = int(rng.integers(1 << block_shape(CHIP.engine).width))
        far = rng.random() < 0.05
        block = int(rng.integers(1 << block_shape(CHIP.engine).width)) if far else near ^ int(rng.integers(64))
        beat = 0
        for lane in range(pages_per_word(CHIP)):
            bits = 8 * PAGE_BYTES if rng.random() < 0.1 else POSITION_BITS
            beat |= int(rng.integers(1 << bits)) << 8 * PAGE_BYTES * lane
        comes = rule.owed and not rule.asks and rng.random() < 0.4
        given = {
            **steady,
            "block": block,
            "clear": int(clear),
            "look": int(not comes and not clear and rng.random() < 0.4),
            "ask": int(rule.looked and not rule.owed and not clear and rng.random() < 0.4),
            "taken": int(rule.asks and rng.random() < 0.4),
            "beat_valid": int(comes),
            "beat": beat,
        }
        cycles.append((given, rule.out(given)))
        rule.step(given)
    return cycles


@cocotb.test()
async def keeps_its_rule(dut):
    cycles = drawn()
    names = list(cycles[0][0])
    inputs = {name: [given[name] for given, _ in cycles] for name in names}
    seen = await play(dut, inputs, ["hit", "page", "illegal", "asks", "address", "owed"])
    for n, (_, expected) in enumerate(cycles):
        assert {name: seen[name][n] for name in expected} == expected, n
    assert sum(expected.get("hit", 0) for _, expected in cycles) > STEPS // 20


def test_it_keeps_its_rule():
    run(PageCache(CHIP), Path(__file__).stem, "keeps_its_rule", {}, path=Path(__file__).parent)
