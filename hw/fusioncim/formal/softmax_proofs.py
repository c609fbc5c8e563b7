"""Proofs that the softmax computes the formulas of docs/arithmetic.md, for all scores, scales and states of a row.

A row is followed through a block of two keys: a claim for every station. What comes out of one is what goes into the
next, so together they say what becomes of the scores.
"""

from collections.abc import Mapping

from amaranth.hdl import Array, Cat, Const, Mux, Signal, Value, signed
from amaranth.lib import data

from fusioncim.engine.softmax import Softmax
from fusioncim.engine.softmax_layouts import query_layout, row_state_layout
from fusioncim.formal.arithmetic_proofs import clock, rounded
from fusioncim.formal.bench import Bench
from fusioncim.formal.mutant import Mutant
from fusioncim.formal.proof import Proof
from fusioncim_golden.config import REFERENCE_BITS, SCALE_BITS, Config
from fusioncim_golden.scale_table import MOST_SHIFT, largest_score, least_shift, most_mantissa
from fusioncim_golden.softmax import Update

CONFIG = Config(
    rows=2, columns=8, words=2, operand_bits=4, softmax_lanes=1, update_rank=2, lut_size=8, output_bits=8,
    probability_bits=6, accumulator_bits=16, slack=1, flush=3, fraction_bits=4, seed=True,
)  # fmt: skip
RANK = CONFIG.update_rank
FIRST = 2
"""Cycle in which the row's first key is in stage 0."""
TAKEN = [FIRST + n * CONFIG.operand_bits for n in range(RANK)]
"""Cycles in which its keys are."""
MERGED = TAKEN[-1] + 3
"""Cycle in which its command appears."""
READ = MERGED + 1
"""Cycle in which its new state is read."""


def softmax(b: Bench) -> None:
    """A row's state is read, its query is written, a block comes, and its state is read again.

    All other rows do what they like meanwhile.
    """
    unit, config = b.unit, CONFIG
    time = clock(b, READ + 2)
    row, word, first, fresh = (b.symbol(1, name) for name in ("row", "word", "first", "fresh"))
    query = data.View(query_layout(config), b.symbol(query_layout(config).size, "query"))
    least = least_shift(config)
    b.given(query.mantissa >= 1 << (SCALE_BITS - 1), query.shift >= least, query.shift <= MOST_SHIFT)
    b.given((query.mantissa <= most_mantissa(config)) | (query.shift > least))
    own_write = (unit.write_row == row) & (unit.write_word == word)
    b.given((time != 0) | (unit.write_enable & own_write & (unit.write_query.as_value() == query.as_value())))
    b.given((time == 0) | ~unit.write_enable | ~own_write)
    control = unit.control
    taken = Signal()
    b.m.d.comb += taken.eq(Cat(time == t for t in TAKEN).any())
    b.given(taken | ~control.enable | (control.row != row))
    for n, t in enumerate(TAKEN):
        wanted = (control.enable, control.row == row, control.word == word, control.index == n)
        same = (control.first == first, control.fresh == fresh, control.last == int(n == RANK - 1))
        b.given(*((time != t) | each for each in (*wanted, *same)))
    drains = unit.drain_enable & (unit.drain_row == row) & (unit.drain_word == word)
    b.given(((time != 0) & (time != READ)) | drains)
    state = data.View(row_state_layout(config), unit.drain_state.as_value())
    before = Signal(row_state_layout(config), reset_less=True)
    with b.m.If(time == 1):
        b.m.d.sync += before.eq(state.as_value())
    x, visible = _scores(b, time, query)
    p, exponent, seen = _block(b, time, x, visible)
    _merged(b, time, before, query.centred, first, fresh, p, exponent, seen)


def _at(b: Bench, time: Signal, cycle: int, value: Value, name: str) -> Signal:
    """What a value was in a cycle, from the next one on."""
    kept = Signal(value.shape(), name=name, reset_less=True)
    with b.m.If(time == cycle):
        b.m.d.sync += kept.eq(value)
    return kept


def _scores(b: Bench, time: Signal, query: data.View) -> tuple[list[Signal], list[Signal]]:
    """Log2 scores: x = floor(s mantissa 2^fb / 2^shift); which keys are visible.

    A claim for what the lane takes, for the product and for its shift: so none is about a multiplier and a shifter.
    """
    config, unit = CONFIG, b.unit
    own = data.View(query_layout(config), b.inner("lane_0.queries.read_data__0", query_layout(config).size))
    excess = (query.shift - least_shift(config))[: len(query.shift)]
    expected = Cat(query.mantissa, excess, query.low, query.high, query.centred)
    x_inner = b.inner("lane_0.x", config.log2_bits)
    taken = b.inner("lane_0.taken", signed(config.score_bits))
    product = b.inner("lane_0.product", signed(config.score_bits + SCALE_BITS - 1))
    xs, sees = [], []
    for n, t in enumerate(TAKEN):
        # The query of the row is there, and the score.
        b.claim((time != t + 1) | (own.as_value() == expected))
        score = Signal(signed(config.score_bits), name=f"score_{n}")
        total = _at(b, time, t, unit.score[0], f"shown_{n}")
        b.m.d.comb += score.eq(taken - unit.correction[0])
        b.claim((time != t + 1) | (taken == total))
        most = largest_score(config)
        b.given((time != t + 1) | ((score <= most) & (score >= -most)))
        multiplied = Signal(product.shape(), name=f"multiplied_{n}")
        b.m.d.comb += multiplied.eq(score * own.mantissa)
        b.claim((time != t + 1) | (product == multiplied))
        wide = Signal(signed(64), name=f"wide_{n}")
        b.m.d.comb += wide.eq(product << config.fraction_bits)
        log2 = Signal(signed(config.log2_bits), name=f"log2_{n}")
        b.m.d.comb += log2.eq(wide >> (own.shift + least_shift(config)))
        position = _at(b, time, t, unit.control.position, f"position_{n}")
        x_1 = _at(b, time, t + 1, log2, f"x_1_{n}")
        b.claim((time != t + 2) | (x_inner.as_signed() == x_1))
        sees.append(_at(b, time, t + 1, (own.low <= position) & (position < own.high), f"visible_{n}"))
        xs.append(_at(b, time, t + 2, x_inner.as_signed(), f"x_{n}"))
    return xs, sees


def _block(b: Bench, time: Signal, x: list[Signal], visible: list[Signal]) -> tuple[list[Signal], Signal, Signal]:
    """The golden `probabilities`."""
    config = CONFIG
    table = Array(Const(value, config.probability_bits) for value in config.lut)
    p: list[Value] = []
    exponent: Value = Const(0, signed(REFERENCE_BITS))
    seen: Value = Const(0, 1)
    for each, now in zip(x, visible, strict=True):
        whole = each >> config.fraction_bits
        fraction = each[: config.fraction_bits] >> (config.fraction_bits - (config.lut_size.bit_length() - 1))
        rise = Mux(seen, whole - exponent, 1)
        up = now & (rise > 0)
        p = [_down(one, Mux(up, rise, 0)) for one in p]
        p.append(Mux(now, _down(table[fraction], Mux(up, 0, -rise)), 0))
        exponent, seen = Mux(up, whole, exponent), seen | now
    block = [Signal(config.probability_bits, name=f"p_{n}") for n in range(RANK)]
    b.m.d.comb += [signal.eq(value) for signal, value in zip(block, p, strict=True)]
    top, some = Signal(signed(REFERENCE_BITS), name="top"), Signal(name="some")
    b.m.d.comb += [top.eq(exponent), some.eq(seen)]
    return block, top, some


def _down(p: Value, n: Value) -> Value:
    """floor(p / 2^n + 1/2) for any n from 0 on."""
    far = n > CONFIG.probability_bits
    return Mux(far, 0, rounded(Cat(p, Const(0, 1)).as_signed(), n.as_unsigned()[:4], 0))


def _merged(
    b: Bench, time: Signal, before: data.View, centred: Value, first: Value, fresh: Value,
    p: list[Signal], exponent: Signal, seen: Signal,
) -> None:  # fmt: skip
    """The golden `merge`."""
    config, unit = CONFIG, b.unit
    fraction, width = config.row_sum_fraction, config.row_sum_bits
    empty = first | ~before.filled
    seeded = Mux(first, ~fresh & (before.seeded | before.filled), before.seeded)
    flush = Mux(centred, config.centred_flush, config.flush)
    reach = Mux(centred, config.sum_flush, config.flush)
    full = before.row_sum >= 1 << (width - 1)
    rise = Signal(signed(REFERENCE_BITS + 2), name="golden_rise")
    distance = Signal(signed(REFERENCE_BITS + 3), name="golden_distance")
    b.m.d.comb += [rise.eq(exponent - before.reference), distance.eq(exponent - before.reference - full)]
    moves = ~empty & (distance > config.slack)
    counts = ~empty & (distance <= config.slack) & (distance >= -reach)
    adds = counts & (full | (distance >= -flush))
    above = -rise
    start = Mux(seeded & config.seed, Mux(above < 0, 0, Mux(above > config.seed_limit, config.seed_limit, above)), 0)
    wiped = moves & (rise >= config.accumulator_bits)
    align = Signal(signed(8), name="golden_align")
    b.m.d.comb += align.eq(Mux(empty, start, Mux(counts, -distance, 0)))
    load, add, move = seen & (empty | wiped), seen & adds, seen & moves
    kind = Mux(load, Update.LOAD, Mux(add, Update.ADD, Mux(move, Update.RESCALE, Update.SKIP)))
    shift = Mux(load | add, config.slack + align, Mux(move, rise, 0))
    halve, active = add & full, load | (seen & counts) | move
    total = Signal(config.probability_bits + config.rank_bits, name="golden_total")
    b.m.d.comb += total.eq(p[0] + p[1])
    sum_now = before.row_sum
    old = Mux(move, rounded(Cat(sum_now, Const(0, 1)).as_signed(), rise[:5].as_unsigned(), 0), sum_now >> halve)
    block_sum = Cat(total << fraction, Const(0, 1)).as_signed()
    new = rounded(block_sum, align, max(config.slack + 1, config.sum_flush + 1, config.seed_limit))
    result = Signal(row_state_layout(config), name="golden")
    b.m.d.comb += [
        result.filled.eq(~empty | seen),
        result.seeded.eq(seeded),
        result.reference.eq(Mux(active, exponent + align, before.reference)),
        result.row_sum.eq(Mux(active, Mux(load, 0, old) + new, sum_now)),
    ]
    update, at = unit.load[0].update, time == MERGED
    b.claim(~at | unit.load[0].enable, ~at | (update.kind == kind))
    b.claim(~at | (kind == Update.SKIP) | (update.shift == shift[: len(update.shift)]))
    b.claim(~at | (update.halve == halve))
    b.claim(*(~at | (update.p[n] == Mux(load | add | move, p[n], 0)) for n in range(RANK)))
    after = data.View(row_state_layout(config), unit.drain_state.as_value())
    for name in ("filled", "seeded", "reference", "row_sum"):
        care = ~first | active if name in ("reference", "row_sum") else Const(1)
        expected = _at(b, time, MERGED, result[name], f"expected_{name}")
        cared = _at(b, time, MERGED, Value.cast(care), f"cared_{name}")
        b.claim((time != READ + 1) | ~cared | (after[name] == expected))


PROOFS: Mapping[str, Proof] = {
    "softmax": Proof(
        unit=lambda: Softmax(CONFIG),
        says="log2 scores, probabilities, command and new state of a row after a block are the golden ones",
        properties=softmax,
        cycles=READ + 4,
        mutant=Mutant("engine.softmax_lane:SoftmaxLane._merge", "state.row_sum >> 1", "state.row_sum"),
    ),
}
