"""Page cache: words of a job's page list on the chip, so that the page of a block is known without a read for each.

A word is a beat of the list. Its place is the last bits of its number. A sequence begins with none, so that a runtime
may change the list between jobs.
"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.engine.tile_loader import block_shape
from fusioncim.lib.arith import chosen, pick
from fusioncim.lib.bank import Bank
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS
from fusioncim_golden.limits import MAX_PAGE_TOKENS, PAGE_BYTES

PAGE_WORDS = 16
"""Words of the page list on the chip. A pass with windows walks as many places as it has windows beside each other."""


def pages_per_word(chip: ChipConfig) -> int:
    """Entries of the page list in a beat."""
    return chip.bus_bytes // PAGE_BYTES


def page_entry_layout() -> data.StructLayout:
    """What is kept of an entry of the page list; wide: it is more than any number of a page."""
    return data.StructLayout({"page": POSITION_BITS, "wide": 1})


class PageCache(wiring.Component):
    """Looks up the page of a block, and reads words of the list, one at a time.

    Throughput: a page per two cycles.

    Members:
        clear: a sequence begins, from the next cycle on.
        list: address of the entry of the sequence's block 0.
        page_tokens, pages: keys of a page, pages of the pool.
        block: of which the page is sought.
        look: seek it; not in a cycle of beat_valid.
        hit: it is there. As `page` and `illegal`, from the cycle behind `look` on, for the block of then.
        page: its number, 0 if that is illegal.
        illegal: the number is not below `pages`.
        ask: read the word of that block from memory; only if nothing is owed.
        asks, address: a word is to be read.
        taken: memory takes that.
        owed: a word is asked for and has not come.
        beat_valid, beat: it comes.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {
                "clear": In(1),
                "list": In(config.address_bits),
                "page_tokens": In(MAX_PAGE_TOKENS.bit_length()),
                "pages": In(POSITION_BITS),
                "block": In(block_shape(config.engine)),
                "look": In(1),
                "hit": Out(1),
                "page": Out(POSITION_BITS),
                "illegal": Out(1),
                "ask": In(1),
                "asks": Out(1),
                "address": Out(config.address_bits),
                "taken": In(1),
                "owed": Out(1),
                "beat_valid": In(1),
                "beat": In(config.bus_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip, rank = self.config, self.config.engine.rank_bits
        lanes, size = pages_per_word(chip), page_entry_layout().size
        lane_bits, place_bits = lanes.bit_length() - 1, PAGE_WORDS.bit_length() - 1
        beat_bits = chip.bus_bytes.bit_length() - 1

        bits = range(rank, MAX_PAGE_TOKENS.bit_length())
        index = chosen([self.page_tokens[bit] for bit in bits], [self.block >> (bit - rank) for bit in bits])
        entry = Signal(max(len(self.block), lane_bits) + 1)
        m.d.comb += entry.eq(index + self.list[beat_bits - lane_bits : beat_bits])
        sought = Signal(len(entry), reset_less=True)
        word = sought[lane_bits:]
        place, tag = word[:place_bits], word[place_bits:]

        asked = Signal(len(word), reset_less=True)
        stale = Signal()  # what is owed is of the sequence before
        valid = Signal(PAGE_WORDS)
        bank = Bank(depth=PAGE_WORDS, width=len(tag) + lanes * size)
        m.submodules.bank = once(platform, bank)
        kept = (self.beat.word_select(n, 8 * PAGE_BYTES) for n in range(lanes))
        m.d.comb += [
            *(bank.write_enable.eq(self.beat_valid), bank.write_address.eq(asked)),
            bank.write_data.eq(Cat(asked[place_bits:], *(self._kept(each) for each in kept))),
            *(bank.read_enable[0].eq(self.look), bank.read_address[0].eq(entry[lane_bits:])),
            self.address.eq(Cat(self.list[:beat_bits] & 0, self.list[beat_bits:] + asked)),
        ]
        shown, numbers = bank.read_data[0][: len(tag)], bank.read_data[0][len(tag) :]
        chosen_entry = Array(numbers.word_select(n, size) for n in range(lanes))[sought[:lane_bits]]
        number = data.View(page_entry_layout(), chosen_entry)
        m.d.comb += [
            self.hit.eq(pick(valid, place) & (shown == tag)),
            self.illegal.eq(number.wide | (number.page >= self.pages)),
            self.page.eq(Mux(self.illegal, 0, number.page)),
        ]
        with m.If(self.look):
            m.d.sync += sought.eq(entry)
        with m.If(self.taken):
            m.d.sync += self.asks.eq(0)
        with m.If(self.beat_valid):
            m.d.sync += [self.owed.eq(0), stale.eq(0), valid.bit_select(asked[:place_bits], 1).eq(~stale)]
        with m.If(self.ask):
            m.d.sync += [self.asks.eq(1), self.owed.eq(1), asked.eq(word)]
        with m.If(self.clear):
            m.d.sync += [valid.eq(0), stale.eq(self.owed & ~self.beat_valid)]
        return m

    def _kept(self, word: Value) -> Value:
        """An entry, as it is kept."""
        return Cat(word[:POSITION_BITS], word[POSITION_BITS:].any())
