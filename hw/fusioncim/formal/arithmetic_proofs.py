"""Proofs that units compute the formulas of docs/arithmetic.md, for all operands.

A computation takes so many cycles and depends on nothing before it, as registers and memories begin with anything. So
these proofs go cycle by cycle up to its end, and no further.
"""

from collections.abc import Mapping
from functools import reduce
from operator import add, and_

from amaranth.hdl import Cat, Const, Mux, Signal, Value, signed
from amaranth.lib import wiring

from fusioncim.engine.ip_cim import IpCimRow
from fusioncim.engine.normalizer import NormalizerUnit
from fusioncim.engine.op_cim import OpCimRow
from fusioncim.formal.bench import Bench
from fusioncim.formal.mutant import Mutant
from fusioncim.formal.proof import Proof
from fusioncim_golden.config import RECIPROCAL_BITS, Config
from fusioncim_golden.normalizer import guard_bits, headroom
from fusioncim_golden.softmax import Update

CONFIG = Config(
    rows=2, columns=4, words=2, operand_bits=4, softmax_lanes=1, update_rank=1, lut_size=8, output_bits=8,
    probability_bits=6, accumulator_bits=16, slack=1, flush=3,
)  # fmt: skip
PAIRS = CONFIG.override(columns=8, update_rank=2, slack=6)
"""Two keys to a block, whose probabilities are added before they are multiplied."""
BITS = CONFIG.operand_bits
MISSING_BITS = (CONFIG.columns * ((1 << (BITS - 1)) - 1)).bit_length()
"""Of a plane's part of a score, with the correction."""


def clock(b: Bench, most: int) -> Signal:
    """Cycles since the reset."""
    time = Signal(range(most + 1))
    b.m.d.sync += time.eq(time + (time != most))
    return time


def rounded(x: Value, n: Value | int, most: int) -> Value:
    """floor(x / 2^n + 1/2) of a signed x, for -most <= n <= most."""
    doubled = (x << (most + 1)) >> Value.cast(n + most).as_unsigned()
    return (doubled + 1) >> 1


def ip_cim_row(b: Bench) -> None:
    """With P the sum of q where a plane is 1, c the correction: s <- c - P of the sign plane, then 2 s - (c - P).

    That is Horner's rule of (s - c) over the planes.
    """
    unit = b.unit
    q = [b.symbol(signed(BITS), f"q_{n}") for n in range(CONFIG.columns)]
    most = (1 << (BITS - 1)) - 1
    stored = Cat(Cat(Mux(each < 0, -each, each)[: BITS - 1], each < 0) for each in q)
    b.given(*(each != -most - 1 for each in q), b.inner("read_data__0", len(stored)) == stored, unit.take)
    plane, due, first = Signal(unit.score.shape()), Signal(), Signal()
    correction = reduce(add, (most + Mux(each < 0, each, 0) for each in q))
    b.m.d.sync += [
        plane.eq(reduce(add, (Mux(bit, each, 0) for bit, each in zip(unit.plane, q, strict=True)))),
        *(due.eq(unit.enable), first.eq(unit.first)),
    ]
    missing = b.inner("missing", MISSING_BITS)
    b.claim(~due | (missing == (correction - plane)[:MISSING_BITS]))
    following = Signal(unit.score.shape())
    b.m.d.comb += following.eq(Mux(first, missing, 2 * unit.score - missing))
    b.claim(~b.began | ~b.past(due) | (unit.score == b.past(following)))


def op_cim_row(b: Bench) -> None:
    """An element is read, a block is added to it by its command, and it is read again."""
    unit, config = b.unit, b.unit.config
    time = clock(b, 12)
    update, command = unit.update, unit.command
    kind, shift, halve = b.symbol(2, "kind"), b.symbol(update.shift.shape(), "shift"), b.symbol(1, "halve")
    p = [b.symbol(config.probability_bits, f"p_{n}") for n in range(config.update_rank)]
    v = [[b.symbol(signed(BITS), f"v_{n}_{u}") for u in range(config.units)] for n in range(config.update_rank)]
    word, column = b.symbol(len(command.word), "word"), b.symbol(len(command.column), "column")
    b.given(kind != Update.SKIP, shift <= Mux(kind == Update.RESCALE, config.shift_max, config.slack + config.flush))
    b.given(~halve | (kind == Update.ADD), update.kind == kind, update.shift == shift, update.halve == halve)
    b.given(Cat(update.p[n] for n in range(config.update_rank)) == Cat(p), unit.load == (time == 2))
    b.given(unit.drain_enable == ((time == 0) | (time == 7)), unit.drain_word == word, unit.drain_column == column)
    b.given(unit.show, command.enable == (time == 4), command.first, command.word == word, command.column == column)
    b.given(unit.write_word == word, unit.write_column == column)
    choice = command.choice
    for u in range(config.units):
        for n in range(1, 1 << config.update_rank):
            keys = [v[i][u] if n >> i & 1 else ~v[i][u] for i in range(config.update_rank)]
            b.given(choice[u][0][n - 1] == reduce(and_, (key.as_unsigned() for key in keys)))
    width, most = config.accumulator_bits, config.shift_max + config.dropped_bits + 1
    before = Signal(config.units * width, reset_less=True)
    with b.m.If(time == 1):
        b.m.d.sync += before.eq(unit.drain_data)
    rescale, half = kind == Update.RESCALE, (1 << config.dropped_bits) >> 1
    for u in range(config.units):
        old = before.word_select(u, width).as_signed()
        products = reduce(add, (p[n] * v[n][u] for n in range(config.update_rank)))
        found = b.inner(f"d_{u}", signed(config.dot_bits))
        b.claim((time != 5) | (found == products + Mux(rescale, half, 0)))
        d, align = Signal(signed(config.dot_bits + 1), name=f"found_{u}"), Signal(signed(8), name=f"align_{u}")
        with b.m.If(time == 5):
            b.m.d.sync += d.eq(found - Mux(rescale, half, 0))
        b.m.d.comb += align.eq(Mux(rescale, 0, shift - config.slack) + config.dropped_bits)
        moved = Mux(rescale, rounded(old, shift, most), Mux(halve, old >> 1, old))
        new = Mux(kind == Update.LOAD, 0, moved) + rounded(d, align, most)
        b.claim((time != 8) | (unit.drain_data.word_select(u, width) == new[:width]))


def normalizer_unit(b: Bench) -> None:
    """An element is aligned, multiplied by the reciprocal of its row, rounded and saturated."""
    unit, bits = b.unit, CONFIG.output_bits
    guard, above = guard_bits(CONFIG), headroom(CONFIG)
    aligned, inverse = b.inner("aligned", signed(bits + 1 + guard)), b.inner("reciprocal", len(unit.reciprocal))
    moved = unit.element << above if above > 0 else unit.element >> -above
    low, high = -(1 << (bits + guard)), (1 << (bits + guard)) - 1
    fitted, expected, output = moved >> unit.excess, Signal(aligned.shape()), Signal(signed(bits))
    b.m.d.comb += expected.eq(Mux(fitted > high, high, Mux(fitted < low, low, fitted)))
    scaled, most = rounded(aligned * Cat(inverse, Const(1, 1)), RECIPROCAL_BITS + guard, 0), (1 << (bits - 1)) - 1
    b.m.d.comb += output.eq(Mux(scaled > most, most, Mux(scaled < -most - 1, -most - 1, scaled)))
    filled, known = Signal(reset_less=True), Signal()
    with b.m.If(unit.advance):
        b.m.d.sync += [filled.eq(unit.filled), known.eq(1)]
    goes = b.began & b.past(unit.advance)
    b.claim(~goes | (aligned == b.past(expected)), ~goes | (inverse == b.past(unit.reciprocal)))
    b.claim(~goes | ~b.past(known) | (unit.quotient == b.past(Mux(filled, output, 0))))


def _row(config: Config) -> wiring.Component:
    return OpCimRow(config)


PROOFS: Mapping[str, Proof] = {
    "ip-cim-row": Proof(
        unit=lambda: IpCimRow(CONFIG),
        says="a score is the sum over a key's bit-planes of the query where they are 1, and the correction",
        properties=ip_cim_row,
        steps=3,
        mutant=Mutant("engine.ip_cim:missing_sum", "plane[n] ^ query[-1]", "plane[n]"),
    ),
    "op-cim-row": Proof(
        unit=lambda: _row(CONFIG),
        says="an element after LOAD, ADD, halved or not, and RESCALE is as rounded there",
        properties=op_cim_row,
        cycles=11,
        mutant=Mutant(
            "engine.op_cim:OpCimRow.elaborate", "block.kind == Update.ADD) & ~block.halve", "block.kind == Update.ADD)"
        ),
    ),
    "op-cim-pairs": Proof(
        unit=lambda: _row(PAIRS),
        says="the same with two keys to a block",
        properties=op_cim_row,
        cycles=11,
        tried="bounded search of 11 cycles, one minute: the sum of two products",
        mutant=Mutant("engine.op_cim:OpCimRow._dot_product", "term if b == sign else ~term", "~term"),
    ),
    "normalizer-unit": Proof(
        unit=lambda: NormalizerUnit(CONFIG),
        says="an output is the aligned element times the reciprocal, rounded and saturated",
        properties=normalizer_unit,
        mutant=Mutant(
            "engine.normalizer:NormalizerUnit.elaborate",
            "saturate(rounded, config.output_bits)",
            "rounded[: config.output_bits]",
        ),
    ),
}
