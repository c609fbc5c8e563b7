"""Top scheduler: a sequence of a job as passes and tiles, in the order of the golden `schedule`.

For every key and value head, for every pass: first the outline (how far the rows of every engine see), which sends the
key blocks on their way, then the tiles. A pass is planned while the one before computes. Where the tiles of several
heads find room on the engines beside each other, these heads are one pass.

The tiles of a group are walked twice, once to outline the passes and once to send the tiles.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip import mask
from fusioncim.chip.dealer import Dealer, tiles_of_engine, tiles_of_pass
from fusioncim.chip.descriptor import DIMENSION_BITS, HEAD_BITS, PITCH_BITS, ROW_BITS, job_layout
from fusioncim.chip.job_table import slot_shape
from fusioncim.engine.tile_loader import block_shape, blocks_layout
from fusioncim.lib.arith import fits
from fusioncim.lib.bank import address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS
from fusioncim_golden.limits import MAX_PAGE_TOKENS, PAGE_BYTES


def planned_tile_layout(chip: ChipConfig) -> data.StructLayout:
    """A tile to load.

    Members:
        engine: where it goes.
        rows, fresh, last, blocks: as of the engine.
        opens: first tile of the job.
        begins: first tile of a sequence.
        first: first tile of a group of query heads.
        skips, returns: a tile is left out before it; it is the one behind the first tile, and others came between.
        final: last of the pass.
    """
    return data.StructLayout(
        {
            "engine": address_shape(chip.engines),
            "rows": fits(chip.engine.rows),
            "fresh": 1,
            "last": 1,
            "blocks": blocks_layout(chip.engine),
            "opens": 1,
            "begins": 1,
            "first": 1,
            "skips": 1,
            "returns": 1,
            "final": 1,
        }
    )


def planned_pass_layout(chip: ChipConfig) -> data.StructLayout:
    """Keys and values of a pass.

    Members:
        k_address, v_address: first vectors of the first head.
        k_pitch, v_pitch: bytes from one vector to the next.
        k_head_pitch, v_head_pitch: bytes from one head to the next.
        heads: that pass together, block by block in turn.
        keys, dimension, value_dimension: how many, at least one, and how long a key and a value are.
        list: address of the entry of the page list for block 0.
        page_tokens, pages, k_page_pitch, v_page_pitch: as of the descriptor.
        token_scales, token_scales_pitch, scaled: place of the scales of the first key of the first head, bytes from a
            head to the next, and whether there are any; on a chip that takes them.
        packed: keys and values are, two operands to a byte.
        shared: V lies where K lies.
        listed: the pages are those of the list; else there is no key, and page 0 is read.
        begins: first pass of a sequence.
        low, high, common, diagonal, stride: blocks, as of the golden `key_order.Span`; stride if folded.
        slot: of the sequence.
        engines: that no other pass may use beside this one, where there are two walks.
    """
    scales = {"token_scales": chip.address_bits, "token_scales_pitch": PITCH_BITS, "scaled": 1}
    return data.StructLayout(
        {
            "k_address": chip.address_bits,
            "k_pitch": PITCH_BITS,
            "v_address": chip.address_bits,
            "v_pitch": PITCH_BITS,
            "k_head_pitch": PITCH_BITS,
            "v_head_pitch": PITCH_BITS,
            "heads": fits(chip.streams),
            "keys": POSITION_BITS,
            **dict.fromkeys(("dimension", "value_dimension"), DIMENSION_BITS),
            "list": chip.address_bits,
            "page_tokens": MAX_PAGE_TOKENS.bit_length(),
            "pages": POSITION_BITS,
            "k_page_pitch": PITCH_BITS,
            "v_page_pitch": PITCH_BITS,
            **(scales if chip.engine.token_scale_bits else {}),
            "packed": 1,
            "shared": 1,
            "listed": 1,
            "begins": 1,
            "slot": slot_shape(),
            "engines": chip.engines if chip.walks > 1 else 0,
            **{name: block_shape(chip.engine) for name in ("low", "high", "common", "diagonal", "stride")},
        }
    )


def head_places(chip: ChipConfig, this: data.View) -> dict[str, tuple[Value, Value]]:
    """What a KV head has in memory, by the pass's names: the first one's place, and bytes from one to the next."""
    places = {f"{name}_address": (this[name].address, this[name].head_pitch) for name in ("k", "v")}
    scales = {"token_scales": (this.token_scales, this.token_scales_pitch)}
    return places | (scales if chip.engine.token_scale_bits else {})


def need_layout(chip: ChipConfig) -> data.StructLayout:
    """What the engines need of a pass.

    Members:
        blocks: of a head.
        low, high: the blocks [low, high) that pass the tiles of each engine.
        stream: which head of the pass these are of.
        walk: that brings them.
    """
    block = block_shape(chip.engine)
    each = data.ArrayLayout(block, chip.engines)
    streams = data.ArrayLayout(address_shape(chip.streams), chip.engines)
    return data.StructLayout(
        {"blocks": block, "low": each, "high": each, "stream": streams, "walk": (chip.walks - 1).bit_length()}
    )


def walk_layout() -> data.StructLayout:
    """A tile of a group of heads.

    Members:
        first, last: positions of its first row and of its last one, were it full.
        head: of the last one.
        left: rows of the group, from its first one on.
    """
    return data.StructLayout(
        {"first": POSITION_BITS + 1, "last": POSITION_BITS + 1, "head": HEAD_BITS + 1, "left": ROW_BITS}
    )


class Planner(wiring.Component):
    """Plans one sequence after the other.

    Throughput: four cycles per tile and six per pass.

    Members:
        i: sequences.
        i_slot: slot of the sequence that i shows.
        i_walk: the walk of the pass that was taken last.
        job, slot: the sequence that is planned, stable until its last tile is taken.
        o_tile: tiles for the query loader.
        o_pass: passes for the key and value fetcher.
        o_need: the same passes for the network.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(job_layout(config))),
                "i_slot": In(slot_shape()),
                "i_walk": In(address_shape(config.walks)),
                "job": Out(job_layout(config)),
                "slot": Out(slot_shape()),
                "o_tile": Out(stream.Signature(planned_tile_layout(config))),
                "o_pass": Out(stream.Signature(planned_pass_layout(config))),
                "o_need": Out(stream.Signature(need_layout(config))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip, config = self.config, self.config.engine
        this, folded = self.job.descriptor, config.key_order().folded
        words, all_tiles = tiles_of_engine(chip), tiles_of_pass(chip)
        dealer = Dealer(chip)
        m.submodules.dealer = once(platform, dealer)

        kv_head = Signal(HEAD_BITS)
        heads = Signal(fits(chip.streams))  # that pass together
        head = Signal(address_shape(chip.streams))  # the one of them that is outlined or sent
        places = {name: Signal(chip.address_bits, name=name, reset_less=True) for name in head_places(chip, this)}
        walk = Signal(walk_layout(), reset_less=True)  # the tile that is outlined or sent
        mark = Signal(walk_layout(), reset_less=True)  # the first tile of the pass, as of every head of it
        narrow = Signal(reset_less=True)  # one tile per engine in a pass
        uneven, woven = Signal(reset_less=True), Signal()  # as of the golden `schedule.Job`
        number = Signal(2)  # of the pass in its group, up to 2 or more
        full = Signal(range(all_tiles + 1), reset_less=True)  # tiles of a full pass
        final = Signal(POSITION_BITS, reset_less=True)  # last query
        reach = Signal(POSITION_BITS + 1, reset_less=True)  # queries of a full pass, or some more
        behind = Signal(POSITION_BITS + 1, reset_less=True)  # the row far behind the first one of the pass
        near = Signal(POSITION_BITS, reset_less=True)  # where that first one begins to see
        turns = Signal(range(config.words + words + 1))  # tiles that an engine got before, up to `words` or more
        count = Signal(range(all_tiles + 1), reset_less=True)  # tiles of the pass
        started = Signal()

        # What its rows see, or the row far behind. It follows the walk by a cycle, and is known from then on.
        looks = Signal()
        seen, known = Signal(mask.interval_layout(), reset_less=True), Signal()
        first, last = Signal(POSITION_BITS), Signal(POSITION_BITS)
        end, turns_over = Signal(), Signal()  # last tile of a head; of one that is not the last of the pass
        m.d.comb += [
            turns_over.eq(end & (head + 1 != heads)),
            *(end.eq(walk.left <= config.rows), last.eq(Mux(end, final, walk.last))),
            first.eq(Mux(looks, mask.smaller(behind, final), walk.first)),
        ]
        m.d.sync += [
            *(seen.low.eq(mask.interval(this, first)[0]), seen.high.eq(mask.interval(this, last)[1])),
            known.eq(~dealer.step),
        ]
        taken = Signal(blocks_layout(config))
        m.d.comb += taken.eq(Cat(mask.blocks(config, seen.low, seen.high)))
        queries = self.job.tile_queries + (self.job.tile_heads != 0)  # of a tile, or some more
        tiles = sum((queries << bit for bit in range(words.bit_length()) if words >> bit & 1), Const(0))
        is_narrow = this.keys <= config.drain_keys
        middle = this.start + (self.job.tile_queries * all_tiles >> 1)
        is_uneven = ~is_narrow & (self.job.tile_heads == 0) & (middle < config.drain_keys)
        is_uneven &= self.job.group_rows >= 2 * all_tiles * config.rows
        following = Signal(walk_layout())
        sends = Signal()
        pass_ends = Signal()
        skips, returns = Signal(), Signal()  # on to the next tile but one; on to that behind the first one
        origin = Signal(walk_layout())
        m.d.comb += [
            *(dealer.count.eq(count), pass_ends.eq(sends & (dealer.number + 1 == count))),
            *(returns.eq(woven & (number == 0) & pass_ends), skips.eq(woven & (number < 2) & ~pass_ends)),
            *(origin.eq(Mux(returns, mark, walk)), following.eq(Mux(turns_over, mark, self._following(origin, skips)))),
        ]

        need, out, o_tile = self.o_need.payload, self.o_pass.payload, self.o_tile.payload
        rows = Signal(fits(config.rows))
        begins = Signal()
        diagonal = last >> config.rank_bits
        scales: dict[str, Value] = {}
        if config.token_scale_bits:
            scales = {"token_scales_pitch": this.token_scales_pitch, "scaled": this.token_scales != 0}
        m.d.comb += [
            begins.eq(~started & (kv_head == 0)),
            *(*(out[name].eq(place) for name, place in places.items()), out.k_pitch.eq(this.k.pitch)),
            out.keys.eq(mask.at_least_one(this.keys)),
            *(out[name].eq(value) for name, value in scales.items()),
            *(
                out.dimension.eq(this.dimension),
                out.value_dimension.eq(this.value_dimension),
                out.packed.eq(this.packed),
                out.shared.eq(self.job.shared),
            ),
            *(out.v_pitch.eq(this.v.pitch), out.slot.eq(self.slot)),
            *(out.k_head_pitch.eq(this.k.head_pitch), out.v_head_pitch.eq(this.v.head_pitch), out.heads.eq(heads)),
            *(out[name].eq(this[name]) for name in ("page_tokens", "pages", "k_page_pitch", "v_page_pitch")),
            *(out.list.eq(this.list + self.job.first_page * PAGE_BYTES), out.begins.eq(begins)),
            *(out.listed.eq((this.page_tokens != 0) & (this.keys != 0)), need.walk.eq(self.i_walk)),
            out.engines.eq(Mux(self._few_rows(), Cat(high.any() for high in need.high), -1)),
            rows.eq(mask.smaller(walk.left, config.rows)),
            *(o_tile.engine.eq(dealer.engine), o_tile.rows.eq(rows), o_tile.blocks.eq(taken)),
            *(o_tile.fresh.eq(turns + dealer.turn < config.words), o_tile.first.eq(~started)),
            *(o_tile.begins.eq(begins), o_tile.opens.eq(begins & self.job.opens)),
            o_tile.last.eq(dealer.last),
            *(o_tile.final.eq(pass_ends), o_tile.returns.eq(woven & (number == 1) & (dealer.number == 0))),
            o_tile.skips.eq(woven & (number < 2) & (dealer.number != 0)),
            *(dealer.rows.eq(walk.left), dealer.narrow.eq(narrow), dealer.beside.eq(seen.low != near)),
        ]

        with m.FSM():
            with m.State("JOB"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):  # until then the slot is of a sequence whose beats may still come
                    m.d.sync += [
                        *(self.job.eq(self.i.payload), self.slot.eq(self.i_slot), kv_head.eq(0)),
                        *(
                            places[name].eq(first)
                            for name, (first, _) in head_places(chip, self.i.payload.descriptor).items()
                        ),
                    ]
                    m.next = "GROUP"
            with m.State("GROUP"):
                m.d.sync += [
                    *(walk.eq(self._begin()), turns.eq(0), started.eq(0), number.eq(0), woven.eq(0)),
                    *(heads.eq(self._together(this.kv_heads - kv_head)), head.eq(0)),
                    final.eq(this.start + this.queries - 1),
                    *(narrow.eq(is_narrow), full.eq(Mux(is_narrow, chip.engines, all_tiles))),
                    reach.eq(Mux(is_narrow, queries, tiles << is_uneven) << (chip.engines.bit_length() - 1)),
                    uneven.eq(is_uneven),
                ]
                m.next = "LOOK"
            with m.State("LOOK"):
                m.d.sync += [mark.eq(walk), behind.eq(walk.first + reach), need.low.eq(0), need.high.eq(0)]
                m.next = "FAR"
            with m.State("FAR"):
                m.d.comb += looks.eq(1)
                m.d.sync += [near.eq(seen.low), out.low.eq(taken.low), out.common.eq(taken.high), out.stride.eq(0)]
                m.next = "DEAL"
            with m.State("DEAL"):
                m.d.comb += dealer.begin.eq(1)
                with m.If(number == 0):
                    m.d.sync += woven.eq(uneven & (seen.low == near))
                m.next = "OUTLINE"
            with m.State("OUTLINE"), m.If(known):
                m.d.comb += dealer.step.eq(1)
                m.d.sync += [
                    *(Array(need.high)[dealer.engine].eq(taken.high), out.high.eq(taken.high)),
                    *(need.blocks.eq(taken.high - out.low), out.diagonal.eq(mask.smaller(diagonal, taken.high - 1))),
                    Array(need.stream)[dealer.engine].eq(head),
                    *(walk.eq(following), head.eq(head + turns_over), count.eq(dealer.number + 1)),
                ]
                with m.If(dealer.turn == 0):
                    m.d.sync += Array(need.low)[dealer.engine].eq(taken.low)
                if folded:
                    with m.If(taken.low != out.low):
                        m.d.sync += out.stride.eq(taken.high - taken.low)
                with m.If((end & ~turns_over) | (dealer.number == full - 1)):
                    m.next = "PASS"
            with m.State("PASS"):
                m.d.comb += self.o_pass.valid.eq(1)
                m.d.sync += [walk.eq(mark), head.eq(0)]
                with m.If(self.o_pass.ready):
                    m.next = "NEED"
            with m.State("NEED"):
                m.d.comb += [self.o_need.valid.eq(1), dealer.rewind.eq(1)]
                with m.If(self.o_need.ready):
                    m.next = "TILES"
            with m.State("TILES"):
                m.d.comb += [self.o_tile.valid.eq(known), sends.eq(1)]
                with m.If(known & self.o_tile.ready):
                    m.d.comb += [dealer.step.eq(1), dealer.close.eq(end & ~turns_over)]
                    m.d.sync += [started.eq(~turns_over), walk.eq(following), head.eq(head + turns_over)]
                    with m.If(turns_over):
                        self._on(m, kv_head, places)
                    with m.If(o_tile.final):
                        m.next = "NEXT"
            with m.State("NEXT"):
                m.d.sync += number.eq(number + (number != 2))
                with m.If(turns < config.words):
                    m.d.sync += turns.eq(turns + Mux(narrow, 1, words))
                with m.If(walk.left != 0):
                    m.next = "LOOK"
                with m.Else():
                    self._on(m, kv_head, places)
                    m.next = "GROUP"
                    with m.If(kv_head + 1 == this.kv_heads):
                        m.next = "JOB"
        return m

    def _few_rows(self) -> Value:
        """No more rows than keys; else reading keys bounds nothing."""
        return self.job.group_rows <= self.job.descriptor.keys

    def _together(self, left: Value) -> Value:
        """Heads that pass together, of so many: as many as there are streams, and as find room for their tiles.

        It is one where there are more rows than keys: heads together would load and drain at the same times there. For
        the same reason such a pass has all engines for its own.
        """
        chip, rows = self.config, self.job.group_rows
        room = (rows <= chip.engine.rows * (chip.engines // n) for n in range(2, chip.streams + 1))
        return mask.smaller(left, Mux(self._few_rows(), sum(room, Const(1, 1)), 1))

    def _on(self, m: Module, kv_head: Signal, places: dict[str, Signal]) -> None:
        """To the next head."""
        steps = head_places(self.config, self.job.descriptor)
        m.d.sync += [
            kv_head.eq(kv_head + 1),
            *(place.eq(place + steps[name][1]) for name, place in places.items()),
        ]

    def _begin(self) -> Value:
        """The first tile of a group."""
        whole = self.job.tile_heads == 0
        first = self.job.descriptor.start
        last = (first + self.job.tile_queries - whole)[: POSITION_BITS + 1]
        head = (Mux(whole, self.job.group, self.job.tile_heads) - 1)[: HEAD_BITS + 1]
        return Cat(first, Const(0, 1), last, head, self.job.group_rows)

    def _following(self, walk: data.View, skips: Value) -> Value:
        """The next tile, or the one behind that where every tile is of whole queries."""
        head = walk.head + self.job.tile_heads
        wraps = head >= self.job.group
        before = walk.last + Mux(skips, self.job.tile_queries, 0)
        first = (before + (walk.head + 1 == self.job.group))[: POSITION_BITS + 1]
        last = (before + self.job.tile_queries + wraps)[: POSITION_BITS + 1]
        rows = Mux(skips, 2 * self.config.engine.rows, self.config.engine.rows)
        left = Mux(walk.left <= rows, 0, walk.left - rows)[:ROW_BITS]
        return Cat(first, last, Mux(wraps, head - self.job.group, head)[: HEAD_BITS + 1], left)
