"""Top scheduler: a job as passes and tiles, in the order of the golden `schedule`.

For every key and value head, for every pass: first the outline (how far the rows of every engine see), which sends the
key blocks on their way, then the tiles. A pass is planned while the one before computes.

The engines take turns: the first tile of a group of heads goes to the engine behind the one that got the last tile of
the group before, so that small jobs on several heads fill the chip.
"""

from amaranth.hdl import Array, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip import mask
from fusioncim.chip.descriptor import ADDRESS_BITS, HEAD_BITS
from fusioncim.chip.descriptor_checker import ROW_BITS, job_layout
from fusioncim.chip.job_table import slot_shape
from fusioncim.lib.arith import fits
from fusioncim.lib.bank import address_shape
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS


def planned_tile_layout(chip: ChipConfig) -> data.StructLayout:
    """A tile to load.

    Members:
        engine: where it goes.
        rows, fresh, last: as of the engine.
        opens: first tile of the job.
        first: first tile of a group of query heads.
        final: last of the pass.
    """
    return data.StructLayout(
        {
            "engine": address_shape(chip.engines),
            "rows": fits(chip.engine.rows),
            "fresh": 1,
            "last": 1,
            "opens": 1,
            "first": 1,
            "final": 1,
        }
    )


def planned_pass_layout() -> data.StructLayout:
    """Keys and values of a pass.

    Members:
        k_address, v_address: first vectors of the head.
        k_pitch, v_pitch: bytes from one vector to the next.
        keys, blocks: how many.
        common: blocks that every tile of the pass sees; the others are its causal triangle.
        diagonal: the block of the last row's own position, or the last block.
        slot: of the job.
    """
    return data.StructLayout(
        {
            "k_address": ADDRESS_BITS,
            "k_pitch": ADDRESS_BITS,
            "v_address": ADDRESS_BITS,
            "v_pitch": ADDRESS_BITS,
            "keys": POSITION_BITS,
            "blocks": POSITION_BITS,
            "common": POSITION_BITS,
            "diagonal": POSITION_BITS,
            "slot": slot_shape(),
        }
    )


def need_layout(chip: ChipConfig) -> data.StructLayout:
    """Blocks of a pass, and how many of them each engine takes: all, but the first ones of a causal pass."""
    return data.StructLayout({"blocks": POSITION_BITS, "need": data.ArrayLayout(POSITION_BITS, chip.engines)})


class Planner(wiring.Component):
    """Plans one job after the other.

    Throughput: two cycles per tile and four per pass.

    Members:
        i: jobs.
        i_slot: slot of the job that i shows.
        job, slot: the job that is planned, stable until its last tile is taken.
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
                "job": Out(job_layout(config)),
                "slot": Out(slot_shape()),
                "o_tile": Out(stream.Signature(planned_tile_layout(config))),
                "o_pass": Out(stream.Signature(planned_pass_layout())),
                "o_need": Out(stream.Signature(need_layout(config))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip, config = self.config, self.config.engine
        words = max(config.words // 2, 1)
        full = words * chip.engines
        engine_bits = chip.engines.bit_length() - 1
        this = self.job.descriptor

        kv_head = Signal(HEAD_BITS)
        k_address = Signal(ADDRESS_BITS, reset_less=True)
        v_address = Signal(ADDRESS_BITS, reset_less=True)
        base = Signal(max(engine_bits, 1))  # first engine of the group
        outlined = Signal(ROW_BITS, reset_less=True)  # rows of the group that are not outlined, not loaded
        left = Signal(ROW_BITS, reset_less=True)
        query = Signal(POSITION_BITS + 1, reset_less=True)  # last row of the outlined tile, were it full
        head = Signal(HEAD_BITS + 1, reset_less=True)
        count = Signal(range(full + 1))  # tiles of the pass
        n = Signal(range(full + 1))
        turns = Signal(range(config.words + words + 1))  # tiles that an engine got, up to `words` or more
        started = Signal()

        # Which engine gets tile n: there and back.
        turn, place = n[engine_bits:], n[:engine_bits] if engine_bits else Const(0, 1)
        back = turn[0] if len(turn) else Const(0, 1)
        engine = Signal(address_shape(chip.engines))
        m.d.comb += engine.eq(base + Mux(back, ~place, place) if engine_bits else 0)

        end = Signal()
        last_query = Signal(POSITION_BITS)
        visible = Signal(POSITION_BITS)
        position = Signal(POSITION_BITS)
        blocks = Signal(POSITION_BITS)
        m.d.comb += [
            end.eq(outlined <= config.rows),
            last_query.eq(Mux(end, this.queries - 1, query)),
            position.eq(this.start + last_query),
            visible.eq(mask.high(this, position)),
            blocks.eq((visible + (config.update_rank - 1)) >> config.rank_bits),
        ]
        diagonal = position >> config.rank_bits
        next_head = Signal(HEAD_BITS + 1)
        m.d.comb += next_head.eq(head + self.job.tile_heads)

        need = self.o_need.payload.need
        out = self.o_pass.payload
        rows = Signal(fits(config.rows))
        behind = Signal(range(2 * full + 1))  # the engine's next tile, if the pass went on
        m.d.comb += [
            *(out.k_address.eq(k_address), out.k_pitch.eq(this.k.pitch), out.keys.eq(this.keys)),
            *(out.v_address.eq(v_address), out.v_pitch.eq(this.v.pitch), out.slot.eq(self.slot)),
            rows.eq(Mux(left < config.rows, left, config.rows)),
            behind.eq(((turn + 1) << engine_bits) + (chip.engines - 1) - place if engine_bits else n + 1),
            *(self.o_tile.payload.engine.eq(engine), self.o_tile.payload.rows.eq(rows)),
            *(self.o_tile.payload.fresh.eq(turns + turn < config.words), self.o_tile.payload.first.eq(~started)),
            self.o_tile.payload.opens.eq(~started & (kv_head == 0)),
            *(self.o_tile.payload.last.eq(behind >= count), self.o_tile.payload.final.eq(n + 1 == count)),
        ]

        with m.FSM():
            with m.State("JOB"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [
                    *(self.job.eq(self.i.payload), self.slot.eq(self.i_slot), kv_head.eq(0)),
                    k_address.eq(self.i.payload.descriptor.k.address),
                    v_address.eq(self.i.payload.descriptor.v.address),
                ]
                with m.If(self.i.valid):
                    m.next = "GROUP"
            with m.State("GROUP"):
                m.d.sync += [
                    *(outlined.eq(self.job.group_rows), left.eq(self.job.group_rows), turns.eq(0), started.eq(0)),
                    query.eq(self.job.tile_queries - (self.job.tile_heads == 0)),
                    head.eq(Mux(self.job.tile_heads == 0, self.job.group, self.job.tile_heads) - 1),
                    *(n.eq(0), need.eq(0)),
                ]
                m.next = "OUTLINE"
            with m.State("OUTLINE"):
                m.d.sync += [
                    *(Array(need)[engine].eq(blocks), self.o_need.payload.blocks.eq(blocks), out.blocks.eq(blocks)),
                    out.diagonal.eq(Mux(diagonal >= blocks, blocks - 1, diagonal)),
                    *(outlined.eq(Mux(end, 0, outlined - config.rows)), n.eq(n + 1), count.eq(n + 1)),
                    query.eq(query + self.job.tile_queries + (next_head >= self.job.group)),
                    head.eq(next_head - Mux(next_head >= self.job.group, self.job.group, 0)),
                ]
                with m.If(n == 0):
                    m.d.sync += out.common.eq(blocks)  # the first tile sees least
                with m.If(end | (n == full - 1)):
                    m.next = "PASS"
            with m.State("PASS"):
                m.d.comb += self.o_pass.valid.eq(1)
                with m.If(self.o_pass.ready):
                    m.next = "NEED"
            with m.State("NEED"):
                m.d.comb += self.o_need.valid.eq(1)
                m.d.sync += n.eq(0)
                with m.If(self.o_need.ready):
                    m.next = "TILES"
            with m.State("TILES"):
                m.d.comb += self.o_tile.valid.eq(1)
                with m.If(self.o_tile.ready):
                    m.d.sync += [n.eq(n + 1), left.eq(left - rows), started.eq(1)]
                    with m.If(self.o_tile.payload.final):
                        m.next = "NEXT"
            with m.State("NEXT"):
                m.d.sync += [n.eq(0), need.eq(0)]
                with m.If(turns < config.words):
                    m.d.sync += turns.eq(turns + words)
                with m.If(left != 0):
                    m.next = "OUTLINE"
                with m.Else():
                    m.d.sync += [
                        *(kv_head.eq(kv_head + 1), base.eq(base + count)),
                        k_address.eq(k_address + this.k.head_pitch),
                        v_address.eq(v_address + this.v.head_pitch),
                    ]
                    m.next = "GROUP"
                    with m.If(kv_head + 1 == this.kv_heads):
                        m.next = "JOB"
        return m
