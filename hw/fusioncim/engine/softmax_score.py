"""First stages of a softmax lane: scores become log2 scores.

    x = floor(s * mantissa / 2^shift)                          fixed point
    x = floor(s * mantissa * (128 + f) / 2^(shift + 8 + e))    with the scale of a key
    x = the same - floor(slope * |p - n|)                      with a slope; p, n: positions of the row and the key

Stage 0 takes the row's score, stage 1 multiplies and shifts. Where there are mantissas of scales per token, or slopes,
stage 1 only multiplies, and stage 2 multiplies once more, shifts, and takes off the slope's term.
"""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring

from fusioncim.engine.softmax_layouts import query_layout, row_address, row_depth
from fusioncim.lib.bank import Bank
from fusioncim.verilog.emit import once
from fusioncim_golden.config import (
    REFERENCE_BITS,
    SCALE_BITS,
    SCALE_SHIFT_BITS,
    SLOPE_POSITION_BITS,
    Config,
)
from fusioncim_golden.scale_table import least_shift
from fusioncim_golden.slopes import LEAST_SLOPE_SHIFT
from fusioncim_golden.token_scale import FRACTION_BITS


def score_stages(config: Config) -> int:
    """Stages from a score to its x: 3 where x has a second factor or a second term, else 2."""
    return 3 if config.token_scale_bits > 1 or config.alibi else 2


def log2_score(m: Module, platform: object, lane: wiring.Component) -> tuple[data.View, Signal, Signal]:
    """X, whether the key is visible, and whether values are centred, of the next stage; `lane` is the `SoftmaxLane`."""
    config, control = lane.config, lane.control
    queries = Bank(depth=row_depth(config), width=query_layout(config).size)
    m.submodules.queries = once(platform, queries)
    m.d.comb += [
        queries.write_enable.eq(lane.write_enable),
        queries.write_address.eq(row_address(config, lane.write_word, lane.write_row)),
        queries.write_data.eq(lane.write_query.as_value()),
        queries.read_enable[0].eq(control[0].enable),
        queries.read_address[0].eq(row_address(config, control[0].word, control[0].row)),
    ]
    taken = Signal(signed(config.score_bits), reset_less=True)
    with m.If(control[0].enable):
        m.d.sync += taken.eq(lane.score)

    query = data.View(query_layout(config), queries.read_data[0])
    score = Signal(signed(config.score_bits))
    product = Signal(signed(config.score_bits + SCALE_BITS - 1))
    m.d.comb += [score.eq(taken - lane.correction), product.eq(score * query.mantissa)]
    least = least_shift(config) - config.fraction_bits
    visible, centred = Signal(reset_less=True), Signal(reset_less=True)
    x = Signal(
        data.StructLayout({"fraction": config.fraction_bits, "integer": signed(REFERENCE_BITS)}), reset_less=True
    )
    sees = (query.low <= control[1].position) & (control[1].position < query.high)
    if score_stages(config) == 2:
        with m.If(control[1].enable):
            m.d.sync += [x.eq(_aligned(product, least) >> _shift(config, query, control[1])), visible.eq(sees)]
            m.d.sync += centred.eq(query.centred)
        return x, visible, centred

    last = control[2]
    product_2 = Signal.like(product, reset_less=True)
    shift_2 = Signal(_shift(config, query, control[1]).shape(), reset_less=True)
    visible_2, centred_2 = Signal(reset_less=True), Signal(reset_less=True)
    with m.If(control[1].enable):
        m.d.sync += centred_2.eq(query.centred)
        m.d.sync += [product_2.eq(product), shift_2.eq(_shift(config, query, control[1])), visible_2.eq(sees)]
    if config.token_scale_bits > 1:
        least += FRACTION_BITS
        more = Mux(last.scaled, product_2, 0).as_signed()  # still in a job without scales
        scaled = (product_2 << FRACTION_BITS) + more * last.scales.key.fraction
    else:
        scaled = product_2
    found: Value = _aligned(scaled, least) >> shift_2
    if config.alibi:
        found -= _slope_term(m, config, query, control)
    with m.If(last.enable):
        m.d.sync += [x.eq(found), visible.eq(visible_2), centred.eq(centred_2)]
    return x, visible, centred


def _shift(config: Config, query: data.View, control: data.View) -> Value:
    """Excess of the shift over the least; a job without scales has the mantissa 128, and one bit less to shift."""
    if not config.token_scale_bits:
        return query.shift
    return query.shift + (control.scales.key.shift + control.scaled)


def _slope_term(m: Module, config: Config, query: data.View, control: wiring.Component) -> Value:
    """What a row's slope takes off, in stage 2."""
    away = Signal(signed(SLOPE_POSITION_BITS + 1))
    term = Signal(SLOPE_POSITION_BITS + SCALE_BITS, reset_less=True)
    shift = Signal(SCALE_SHIFT_BITS, reset_less=True)
    before = away[-1]
    # |d| = ~d + 1 where d < 0: the slope once more, instead of an adder before the multiplier.
    distance = away[:-1] ^ before.replicate(SLOPE_POSITION_BITS)
    m.d.comb += away.eq(query.position - control[1].position[:SLOPE_POSITION_BITS])
    with m.If(control[1].enable):
        m.d.sync += [
            term.eq(query.slope * distance + Mux(before, query.slope, 0)),
            shift.eq(query.slope_shift),
        ]
    return _aligned(term, LEAST_SLOPE_SHIFT - config.fraction_bits) >> shift


def _aligned(x: Value, right: int) -> Value:
    """Floor(x / 2^right), right of either sign."""
    return x.shift_right(right) if right > 0 else x.shift_left(-right)
