"""Walk of a pass: its blocks of keys and values one by one, with their places in memory, in the schedule's order.

The order is the record of the golden `key_order`: `KeyOrder.blocks` of the pass's span. While a block is asked for, the
place of the next one is found. Heads that pass together take turns: the places of their blocks are a head's pitch
apart.

In pages a place is translated: base + page * page_pitch + (block within the page) * bytes of a block. Neighbours in a
page are not. While a page is multiplied, the word of the page list that the walk needs next is asked for, if it is not
on the chip.
"""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.block_reader import block_place_layout
from fusioncim.chip.job_table import slot_shape
from fusioncim.chip.page_cache import PageCache, pages_per_word
from fusioncim.chip.planner import planned_pass_layout
from fusioncim.engine.tile_loader import block_shape
from fusioncim.lib.serial_multiplier import Multiplier
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS
from fusioncim_golden.limits import TOKEN_SCALE_BYTES

DIGIT_BITS = 2
"""Bits of a product's factor per cycle: with one, pages cost a layer with windows up to 16 % of its cycles."""


def place_layout(chip: ChipConfig) -> data.StructLayout:
    """A block, and the addresses of its first key and value.

    page: bytes from page 0 of the keys to its page, on a chip with scales per token.
    """
    bits = chip.address_bits
    page = {"page": bits} if chip.engine.token_scale_bits else {}
    return data.StructLayout({"block": block_shape(chip.engine), "k_address": bits, "v_address": bits, **page})


class KvWalker(wiring.Component):
    """Walks pass after pass.

    Throughput: a block of neighbours per two cycles. Latency: about 30 cycles for a pass and for a jump of the order,
    about 10 more for a page. In a triangle two places are kept, so that taking turns is no jump; neither is a step by a
    stride, but in pages.

    Members:
        i: passes.
        held: what is read is of this pass, which stays.
        o: blocks.
        page: addresses of words of the page list to read.
        free: what is asked of memory may change.
        page_valid, page_beat: words of the page list come.
        page_error, page_slot: a page is none of the pool, for this job; page 0 is read in its place.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(planned_pass_layout(config))),
                "held": In(1),
                "o": Out(stream.Signature(block_place_layout(config))),
                "page": Out(stream.Signature(config.address_bits)),
                "free": In(1),
                "page_valid": In(1),
                "page_beat": In(config.bus_bits),
                "page_error": Out(1),
                "page_slot": Out(slot_shape()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip, config = self.config, self.config.engine
        order, rank, bits = config.key_order(), config.rank_bits, self.config.address_bits
        multiplier = Multiplier(POSITION_BITS, bits, bits, digit_bits=DIGIT_BITS, total_bits=bits)
        m.submodules.multiplier = once(platform, multiplier)
        pages = PageCache(chip)
        m.submodules.page_cache = once(platform, pages)
        current = Signal(planned_pass_layout(chip), reset_less=True)
        block = block_shape(config)
        sent = Signal(block, reset_less=True)
        here = Signal(place_layout(chip), reset_less=True)  # of the block that is due, or went last
        there = Signal(place_layout(chip), reset_less=True)  # the other end of a triangle, or where the strides began
        stride = {half: Signal(bits, name=f"{half}_stride", reset_less=True) for half in "kv"}  # in bytes
        measures = Signal()  # the strides are multiplied, else a jump's addresses
        inner = Signal()  # the place within a page is multiplied, else the page
        page = Signal(POSITION_BITS, reset_less=True)
        probes = Signal()  # whether the next word of the page list is there can be seen
        due = Signal(block, reset_less=True)  # where a jump leads
        second = Signal()  # values
        falls = Signal(init=1)  # in a triangle: this is its upper end

        paged = current.page_tokens != 0
        within = (current.page_tokens >> rank) - 1  # bits of a block's place in its page
        count, strided = current.high - current.low, (current.stride != 0) if order.folded else Const(0, 1)
        base, pitch, page_pitch = (
            Mux(second, current[f"v_{name}"], current[f"k_{name}"]) for name in ("address", "pitch", "page_pitch")
        )
        far = current.page_tokens << (pages_per_word(chip).bit_length() - 1) >> rank  # blocks of a word of the list
        down = falls if order.backward else Const(0, 1)
        below = Mux(due - current.low < far, current.low, due - far)
        above = Mux(current.high - 1 - due < far, current.high - 1, due + far)
        seeks = Signal()
        # From the first head to the one that is due, and which one that is.
        shift = {half: Signal(bits, name=f"{half}_shift") for half in "kv"}
        head = Signal.like(self.o.payload.stream)
        left, out = current.keys - (here.block << rank), self.o.payload
        m.d.comb += [
            *(pages.list.eq(current.list), pages.page_tokens.eq(current.page_tokens), pages.pages.eq(current.pages)),
            *(pages.block.eq(Mux(seeks, due, Mux(down, below, above))), self.page_slot.eq(current.slot)),
            *(pages.beat_valid.eq(self.page_valid), pages.beat.eq(self.page_beat)),
            *(self.page.valid.eq(pages.asks), self.page.payload.eq(pages.address), pages.taken.eq(self.page.ready)),
            *(out.block.eq(here.block), out.rows.eq(Mux(left < config.update_rank, left, config.update_rank))),
            *(out[f"{half}_address"].eq(here[f"{half}_address"] + shift[half]) for half in "kv"),
            *(
                out[name].eq(current[name])
                for name in ("k_pitch", "v_pitch", "dimension", "value_dimension", "packed", "shared", "slot")
            ),
            *(out.stream.eq(head), out.final.eq(head + 1 == current.heads)),
        ]
        page_bytes = Signal(bits, reset_less=True)  # to the page whose keys' place is found
        if config.token_scale_bits:
            scales = Signal(bits, name="scales_shift")
            own = Mux(paged, here.block & within, here.block)
            m.d.comb += [
                out.scaled.eq(current.scaled),
                out.scales_address.eq(current.token_scales + here.page + (own * (TOKEN_SCALE_BYTES << rank)) + scales),
            ]
            with m.If(self.o.valid & self.o.ready):
                m.d.sync += scales.eq(Mux(out.final, 0, scales + current.token_scales_pitch))
        with m.FSM():
            with m.State("PASS"):
                given = self.i.payload
                m.d.comb += [self.i.ready.eq(~self.held), pages.clear.eq(self.i.valid & self.i.ready & given.begins)]
                with m.If(self.i.valid & self.i.ready):
                    m.d.sync += [current.eq(given), sent.eq(0), page.eq(0)]
                    m.d.sync += due.eq(given.diagonal if order.diagonal_first else given.low)
                    if order.folded:
                        m.d.sync += measures.eq((given.stride != 0) & (given.page_tokens == 0))
                        with m.If(given.stride != 0):
                            m.d.sync += due.eq(given.high - 1)
                    m.next = "JUMP"
                    with m.If(given.listed):
                        m.next = "LOOK"
            with m.State("LOOK"):
                m.d.comb += [seeks.eq(1), pages.look.eq(~self.page_valid)]
                with m.If(~self.page_valid):
                    m.next = "READ"
            with m.State("READ"):
                m.d.sync += page.eq(pages.page)
                with m.If(self.page_valid):
                    m.next = "LOOK"
                with m.Elif(pages.hit):
                    m.d.comb += self.page_error.eq(pages.illegal)
                    m.next = "JUMP"
                with m.Else():
                    m.d.comb += pages.ask.eq(~pages.owed & self.free)
            with m.State("JUMP"):
                m.d.comb += [
                    *(multiplier.go.eq(1), multiplier.step.eq(Mux(paged & ~inner, page_pitch, pitch << rank))),
                    multiplier.count.eq(Mux(measures, current.stride, Mux(paged, Mux(inner, due & within, page), due))),
                    multiplier.start.eq(Mux(measures, 0, Mux(inner, multiplier.total, base))),
                    pages.look.eq(~self.page_valid),
                ]
                m.d.sync += probes.eq(current.listed & ~inner & ~second & ~self.page_valid)
                m.next = "MULTIPLY"
            with m.State("MULTIPLY"):
                with m.If(probes & ~pages.owed & self.free):
                    m.d.comb += pages.ask.eq(~pages.hit)
                    m.d.sync += probes.eq(0)
                with m.If(self.page_valid):
                    m.d.sync += probes.eq(0)
                with m.If(~multiplier.busy):
                    m.next = "JUMP"
                    with m.If(paged & ~inner):
                        m.d.sync += inner.eq(1)
                        if config.token_scale_bits:
                            with m.If(~second):
                                m.d.sync += page_bytes.eq(multiplier.total - base)
                    with m.Else():
                        m.d.sync += [inner.eq(0), second.eq(~second)]
                        with m.If(measures):
                            for half, bytes_ in stride.items():
                                with m.If(second == (half == "v")):
                                    m.d.sync += bytes_.eq(multiplier.total)
                            with m.If(second):
                                m.d.sync += measures.eq(0)
                        with m.Else():
                            first = strided & (sent == 0)
                            for place, arrives in [(here, Const(1, 1)), (there, first)][: 1 + order.folded]:
                                with m.If(arrives & ~second):
                                    m.d.sync += [place.block.eq(due), place.k_address.eq(multiplier.total)]
                                    if config.token_scale_bits:
                                        m.d.sync += place.page.eq(Mux(paged, page_bytes, 0))
                                with m.Elif(arrives):
                                    m.d.sync += place.v_address.eq(multiplier.total)
                            with m.If(second):
                                m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += [shift[half].eq(shift[half] + current[f"{half}_head_pitch"]) for half in "kv"]
                    m.d.sync += head.eq(head + 1)
                    with m.If(out.final):
                        m.d.sync += [*(each.eq(0) for each in shift.values()), head.eq(0), sent.eq(sent + 1)]
                        m.next = "STEP"
            with m.State("STEP"):
                with m.If(sent == count):
                    m.next = "PASS"
                with m.Else():
                    if order.folded:
                        with m.If(strided):
                            self._stride(m, current, here, there, stride, due)
                        with m.Else():
                            self._step(m, current, sent, here, there, due, falls)
                    else:
                        self._step(m, current, sent, here, there, due, falls)
        return m

    def _jump(self, m: Module, current: data.View, due: Signal, to: Value) -> None:
        """On to a block whose place is to be found."""
        m.d.sync += due.eq(to)
        m.next = "JUMP"
        with m.If(current.page_tokens != 0):
            m.next = "LOOK"

    def _stride(
        self,
        m: Module,
        current: data.View,
        here: data.View,
        there: data.View,
        stride: dict[str, Signal],
        due: Signal,
    ) -> None:
        """The block a stride below the one that went, or the one below that from which the strides began."""
        rank = self.config.engine.rank_bits
        m.next = "OFFER"
        with m.If(here.block >= current.low + current.stride):
            on = here.block - current.stride
            m.d.sync += [
                *(here.block.eq(on), here.k_address.eq(here.k_address - stride["k"])),
                here.v_address.eq(here.v_address - stride["v"]),
            ]
            with m.If(current.page_tokens != 0):
                self._jump(m, current, due, on)
        with m.Else():
            below = {
                "block": there.block - 1,
                "k_address": there.k_address - (current.k_pitch << rank),
                "v_address": there.v_address - (current.v_pitch << rank),
            }
            m.d.sync += [place[name].eq(value) for name, value in below.items() for place in (here, there)]
            with m.If(current.page_tokens != 0):
                self._jump(m, current, due, below["block"])

    def _step(
        self,
        m: Module,
        current: data.View,
        sent: Signal,
        here: data.View,
        there: data.View,
        due: Signal,
        falls: Signal,
    ) -> None:
        """The block behind the one that went: a neighbour, the other end of a triangle, or a jump."""
        order, rank = self.config.engine.key_order(), self.config.engine.rank_bits
        down = falls if order.backward else Const(0, 1)
        neighbour = Signal(place_layout(self.config))
        for name, one in (("block", 1), ("k_address", current.k_pitch << rank), ("v_address", current.v_pitch << rank)):
            m.d.comb += neighbour[name].eq(Mux(down, here[name] - one, here[name] + one))
        if self.config.engine.token_scale_bits:
            m.d.comb += neighbour.page.eq(here.page)
        upper = Mux(down, here.block, neighbour.block)
        crosses = Signal()  # the neighbour is in another page
        m.d.comb += crosses.eq((current.page_tokens != 0) & ((upper & ((current.page_tokens >> rank) - 1)) == 0))

        following = Signal(neighbour.block.shape())
        m.d.comb += following.eq(neighbour.block)
        sink = int(order.sink_first)  # block low has gone: the walk backward passes over it
        triangle = current.high - current.common
        if order.backward:
            with m.If(here.block == current.low + sink):
                m.d.comb += following.eq(current.high - 1)
        if order.folded:
            with m.If(sent == triangle + 1):
                m.d.comb += following.eq(current.common - 1)
        if order.sink_first:
            with m.If(sent == 1):
                top = (current.diagonal == current.low) | (triangle != 0 if order.folded else 0)
                m.d.comb += following.eq(Mux(top, current.high - 1, current.diagonal))
        turns: Value = Const(0, 1)
        if order.folded:
            lost = Signal()  # the addresses of the other end are those of another page
            turns = (sent > 1) & (sent <= triangle)
            with m.If(turns):
                m.d.sync += [there.eq(neighbour), here.eq(there), falls.eq(~falls), lost.eq(crosses)]
                m.next = "OFFER"
                with m.If(sent == 2):
                    self._jump(m, current, due, current.common)
                with m.Elif(lost):
                    self._jump(m, current, due, there.block)
            with m.Else():
                m.d.sync += falls.eq(1)
        with m.If(~turns):
            with m.If((following == neighbour.block) & ~crosses):
                m.d.sync += here.eq(neighbour)
                m.next = "OFFER"
            with m.Else():
                self._jump(m, current, due, following)
