"""Last two stages of a softmax lane but for the row update: log2 scores become the probabilities of a block.

    p = LUT[fraction(x)] >> (b - floor(x)),   b the running exponent of the row's block, S = sum(p)

    with the scale (128 + f) / 2^(8 + e) of a value:
    p = ((LUT[fraction(x)] * (128 + f)) >> 8) >> (b - floor(x) + e),   S = the sum of the p without it

The rules are those of the golden `probabilities`: how each `>>` rounds, and what moves when b rises. The first stage
looks up the table and finds the distance to the block's exponent, the second one shifts and inserts into the block.
"""

from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring

from fusioncim.engine.softmax_score import score_stages
from fusioncim.lib.arith import add_shift_round, shift_keep, shift_round
from fusioncim.lib.bank import Bank
from fusioncim.verilog.emit import once
from fusioncim_golden.config import REFERENCE_BITS, Config
from fusioncim_golden.token_scale import LEAST_SHIFT


def distance_bits(config: Config) -> int:
    """Bits of the shift of a probability, and of S where there is one; the largest leaves nothing of them."""
    widest = config.probability_bits + (config.rank_bits if config.token_scale_bits else 0)
    return max((widest + 1).bit_length(), 4)


@dataclass(frozen=True)
class RowBlock:
    """A row's block as far as it has come, as of the last stage.

    Members:
        p: probabilities, the latest first.
        exponent: b.
        seen: whether any key was visible.
        total: S of a job with scales per token; None on a chip without, where S is the sum of p.
    """

    p: list[Value]
    exponent: Signal
    seen: Signal
    total: Value | None


def probabilities(m: Module, platform: object, lane: wiring.Component, x: data.View, visible: Signal) -> RowBlock:
    """Insert the key's probability into the row's block; `lane` is the `SoftmaxLane`.

    Kept are the p of the earlier keys, the latest first: those of an earlier block leave as keys come.
    """
    config, stage = lane.config, score_stages(lane.config)
    before, control, insert = lane.control[stage - 1 : stage + 2]
    bits, kept, reach = config.probability_bits, config.update_rank - 1, distance_bits(config)
    table = Array(value & ((1 << (bits - 1)) - 1) for value in config.lut)  # the top bit is always 1
    index = x.fraction >> (config.fraction_bits - (config.lut_size.bit_length() - 1))
    mantissa = Signal(bits - 1, reset_less=True)
    inserts = Signal(reset_less=True)
    exponent = Signal(signed(REFERENCE_BITS), reset_less=True)
    seen_3 = Signal(reset_less=True)
    seen = Signal()
    highest = Signal(signed(REFERENCE_BITS))
    m.d.comb += [seen.eq(visible), highest.eq(x.integer)]
    with m.If(control.enable):
        m.d.sync += [mantissa.eq(table[index]), inserts.eq(visible)]
    with m.If(control.enable & control.last):
        m.d.sync += [exponent.eq(highest), seen_3.eq(seen)]
    inserted = Cat(mantissa, Const(1, 1))
    scaled = inserted
    if config.token_scale_bits:
        scaled = Signal(bits, name="scaled_mantissa", reset_less=True)
        with m.If(control.enable):
            m.d.sync += scaled.eq(_scaled(lane, control, Cat(table[index], Const(1, 1))))
    if not kept:
        first, total = inserted, None
        if config.token_scale_bits:
            first, total = (
                shift_round(scaled, _delayed_shift(m, control, Const(0, reach)))[:bits],
                Mux(inserts, inserted, 0),
            )
        return RowBlock([Mux(inserts, first, 0)], exponent, seen_3, total)

    depth = 1 << (config.rows_per_lane - 1).bit_length()
    top = data.StructLayout({"seen": 1, "exponent": signed(REFERENCE_BITS)})
    tops = Bank(depth=depth, width=top.size)
    sums = bits + config.rank_bits if config.token_scale_bits else 0
    earlier = Bank(depth=depth, width=kept * bits + sums)
    m.submodules += [once(platform, tops), once(platform, earlier)]
    old = data.View(top, tops.read_data[0])
    old_seen = Signal()
    rise = Signal(signed(REFERENCE_BITS + 1))
    up = Signal()
    amount = Signal(reach + 1)
    far = Signal()
    below = rise[-1]
    m.d.comb += [
        *(old_seen.eq(old.seen & (control.index != 0)), seen.eq(old_seen | visible)),
        *(rise.eq(x.integer - old.exponent), up.eq(visible & ~(old_seen & below))),
        highest.eq(Mux(old_seen & (below | ~visible), old.exponent, x.integer)),
        amount.eq((rise[:reach] ^ below.replicate(reach)) + below),
        far.eq(amount[-1] | (rise[reach:-1] != below.replicate(REFERENCE_BITS - reach))),
        *(
            tops.read_enable[0].eq(before.enable & (before.index != 0)),
            tops.read_address[0].eq(before.row),
        ),
        *(tops.write_enable.eq(control.enable & ~control.last), tops.write_address.eq(control.row)),
        tops.write_data.eq(Cat(seen, highest)),
        earlier.read_enable[0].eq(control.enable & (control.index != 0)),
        earlier.read_address[0].eq(control.row),
    ]
    distance = Signal(reach, reset_less=True)
    up_3 = Signal(reset_less=True)
    with m.If(control.enable):
        m.d.sync += [distance.eq(Mux(far, -1, amount)), up_3.eq(up)]
    own: Value = Mux(up_3, 0, distance)
    moved: Value = Mux(up_3, distance, 0)
    stored = [earlier.read_data[0].word_select(n, bits) for n in range(kept)]
    total = None
    if config.token_scale_bits:
        own = _delayed_shift(m, control, Mux(up, 0, Mux(far, (1 << reach) - 1, amount[:reach])))
        # Earlier p are rounded down where there are scales: the last bit that is shifted out is not added.
        down = [((shift_keep(each, moved) + ~insert.scaled) >> 1)[:bits] for each in stored]
        total = Signal(sums, name="total_3")
        later = insert.index != 0  # what a block before left is no sum, and no distance
        start, new = Mux(later, earlier.read_data[0][kept * bits :], 0), Mux(inserts, inserted, 0)
        amount_3 = Mux(later, distance, 0)
        m.d.comb += total.eq(add_shift_round(Mux(up_3, new, start), Mux(up_3, start, new), amount_3))
    else:
        down = [shift_round(each, moved)[:bits] for each in stored]
    p = [Mux(inserts, shift_round(scaled, own)[:bits], 0), *down]
    m.d.comb += [
        *(earlier.write_enable.eq(insert.enable & ~insert.last), earlier.write_address.eq(insert.row)),
        earlier.write_data.eq(Cat(p[:-1]) if total is None else Cat(p[:-1], total)),
    ]
    return RowBlock(p, exponent, seen_3, total)


def _scaled(lane: wiring.Component, control: data.View, mantissa: Value) -> Value:
    """The mantissa times that of the value's scale, rounded to as many bits."""
    if lane.config.token_scale_bits == 1:
        product = mantissa << (LEAST_SHIFT - 1)
    else:
        factor = Mux(control.scaled, mantissa, 0)  # still in a job without scales
        product = factor * Cat(control.scales.value.fraction, Const(1, 1))
    return Mux(control.scaled, shift_round(product, Const(LEAST_SHIFT)), mantissa)


def _delayed_shift(m: Module, control: data.View, distance: Value) -> Signal:
    """The shift of a key's own p, one stage later: distance + e, at most what leaves nothing of it."""
    shift = Signal(len(distance), name="value_distance", reset_less=True)
    sum_ = Signal(len(distance) + 1, name="value_distance_sum")
    m.d.comb += sum_.eq(distance + control.scales.value.shift)
    with m.If(control.enable):
        m.d.sync += shift.eq(Mux(sum_[-1], -1, sum_))
    return shift
