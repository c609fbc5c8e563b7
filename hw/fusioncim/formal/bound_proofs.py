"""Proofs that the row sum l and O never overflow, at the widths of the preset `paper`, see docs/arithmetic.md.

Both bounds are invariants of what a row keeps: where they hold of what is read, they hold of what is written. What is
read was written before, which is the proof of the bank.
"""

from collections.abc import Mapping

from amaranth.hdl import Const, Mux, Signal, Value, signed
from amaranth.lib import data

from fusioncim.engine.op_cim import OpCimRow
from fusioncim.engine.softmax_lane import SoftmaxLane
from fusioncim.engine.softmax_layouts import row_state_layout
from fusioncim.formal.arithmetic_proofs import clock
from fusioncim.formal.bench import Bench
from fusioncim.formal.mutant import Mutant
from fusioncim.formal.proof import Proof
from fusioncim.lib.bank import Bank
from fusioncim_golden.config import POSITION_BITS, Config
from fusioncim_golden.presets import preset
from fusioncim_golden.softmax import Update

CONFIG = preset("paper").engine
SUM_BITS = CONFIG.row_sum_bits
MOST_SUM = 3 << (SUM_BITS - 2)
"""What a row sum stays below: three quarters of its range."""


def next_sum(config: Config, row_sum: Value, update: data.View, total: Value) -> Value:
    """The row sum after a command, of any width: the golden rules by what the command says."""
    high = (total << (config.row_sum_fraction + config.slack)).as_unsigned()
    moved = Mux(update.kind == Update.RESCALE, row_sum, high).as_unsigned()
    shifted = (((moved << 1) >> update.shift) + 1) >> 1
    kept = Mux(update.halve, row_sum >> 1, row_sum)
    more = Mux(update.kind == Update.ADD, kept, 0)
    return shifted + Mux(update.kind == Update.RESCALE, total << config.row_sum_fraction, more)


def row_sum(b: Bench) -> None:
    """Of a state whose row sum is in its bound, a block makes one in its bound, by the command that the row gets."""
    unit = b.unit
    layout = row_state_layout(CONFIG)
    state = data.View(layout, b.inner("states.read_data__0", layout.size))
    written = data.View(layout, b.inner("written", layout.size))
    first = unit.control[-1].first
    filled = state.filled & ~first
    b.given(~filled | (state.row_sum < MOST_SUM))
    update = unit.load.update
    total = Signal(CONFIG.probability_bits + CONFIG.rank_bits)
    b.m.d.comb += total.eq(sum((update.p[n] for n in range(CONFIG.update_rank)), Const(0, 1)))
    wide = Signal(SUM_BITS + CONFIG.shift_max + 4)
    b.m.d.comb += wide.eq(next_sum(CONFIG, state.row_sum, update, total))
    end, skips = unit.load.enable, update.kind == Update.SKIP
    writes = b.inner("states.write_enable", 1)
    b.claim(~(end & ~skips) | ((written.row_sum == wide) & writes & written.filled))
    b.claim(~(end & writes & written.filled) | (written.row_sum < MOST_SUM))
    b.claim(~(end & skips & filled & writes) | (written.row_sum >= state.row_sum))
    full = state.row_sum[-1]
    b.claim(~end | (update.halve == ((update.kind == Update.ADD) & full)))
    b.claim(~end | ((update.kind != Update.ADD) & (update.kind != Update.RESCALE)) | filled)
    b.claim(~end | (update.kind != Update.RESCALE) | ((update.shift != 0) & (update.shift < CONFIG.accumulator_bits)))
    b.claim(~end | skips | (update.shift <= CONFIG.shift_max))


SHOWN = 5
"""Cycle in which the results of the first column appear."""
ROUNDED = 5
"""What the roundings of a block may add to 4 |O|, in units of the last bit of l."""
MOST_ERROR = ROUNDED * ((1 << POSITION_BITS) // CONFIG.update_rank)
"""All of a row's blocks together."""


def within(x: Value, most: Value) -> Value:
    """Whether |x| <= most."""
    return (x <= most) & (-x <= most)


def written_element(b: Bench) -> None:
    """The parts as they are written; the block's sum of products D is arbitrary."""
    unit, config = b.unit, CONFIG
    time = clock(b, SHOWN + 1)
    update, command = unit.update, unit.command
    block = data.View(update.shape(), b.symbol(update.shape().size, "block"))
    word, column = b.symbol(len(command.word), "word"), b.symbol(len(command.column), "column")
    rescale = block.kind == Update.RESCALE
    b.given(block.kind != Update.SKIP, ~block.halve | (block.kind == Update.ADD), block.shift <= config.shift_max)
    b.given(~rescale | ((block.shift != 0) & (block.shift < config.accumulator_bits)))
    b.given(update.as_value() == block.as_value(), unit.load == (time == 2), ~unit.drain_enable)
    b.given(command.enable == (time == 4), command.first, command.word == word, command.column == column)
    b.given((time < SHOWN) | ((unit.write_word == word) & (unit.write_column == column)))
    width, at = config.accumulator_bits, time == SHOWN
    before = b.cut("before", config.units * width)
    written = b.inner("bank_0.write_data", config.units * width)
    for u in range(config.units):
        old, d = before.word_select(u, width).as_signed(), b.cut(f"d_{u}", signed(config.dot_bits))
        # A rescale finds D with half of the last bit that stays.
        of_old = Mux(rescale, _rounded(old, block.shift), Mux(block.halve, old >> 1, old))
        of_block = Mux(
            rescale, d >> config.dropped_bits, _rounded(d << config.slack, block.shift + config.dropped_bits)
        )
        exact = Mux(block.kind == Update.LOAD, 0, of_old) + of_block
        b.claim(~at | (written.word_select(u, width) == exact[:width]))


def _rounded(x: Value, n: Value | int) -> Value:
    """floor(x / 2^n + 1/2) of a signed x, n >= 0."""
    return (((x << 1) >> n) + 1) >> 1


def output_bound(b: Bench) -> None:
    """With 4 |O| <= l + e before a block, 4 |O| <= l + e + 5 behind it.

    S is the sum of the block's probabilities, |D| at most 2^(B - 1) S. Each part of O has one of l that bounds it.
    """
    config = CONFIG
    sum_, e = b.symbol(SUM_BITS, "l"), b.symbol(MOST_ERROR.bit_length(), "e")
    old = b.symbol(signed(config.accumulator_bits), "old")
    total = b.symbol(config.probability_bits + config.rank_bits, "total")
    d = b.symbol(signed(config.dot_bits), "d")
    b.given(within(4 * old, sum_ + e), within(d, total << (config.operand_bits - 1)), e <= MOST_ERROR)
    scaled = (total << config.row_sum_fraction).as_unsigned()
    b.claim(within(4 * _rounded(d, config.dropped_bits), scaled + 2))
    b.claim(within(4 * old, sum_ + e + 2), within(4 * (old >> 1), (sum_ >> 1) + e + 2))
    for k in range(1, config.accumulator_bits):
        b.claim(within(4 * _rounded(old, k), _rounded(sum_, k) + e + 2))
    for k in range(config.shift_max + 1):
        of_sum = _rounded((scaled << config.slack).as_unsigned(), k)
        b.claim(within(4 * _rounded(d << config.slack, k + config.dropped_bits), of_sum + 2))
    # Both parts together; the sum of l's is in its bound.
    kept, added = b.symbol(SUM_BITS, "kept"), b.symbol(SUM_BITS, "added")
    of_old, of_block = (b.symbol(signed(config.accumulator_bits + 1), name) for name in ("of_old", "of_block"))
    b.given(within(4 * of_old, kept + e + 2), within(4 * of_block, added + 2), kept + added < MOST_SUM)
    b.claim(within(4 * (of_old + of_block), kept + added + e + ROUNDED))
    b.claim(within(of_old + of_block, Const((1 << (config.accumulator_bits - 1)) - 1)))


def bank(b: Bench) -> None:
    """A word is followed, at any address; it is not read in the cycle in which it is written."""
    unit = b.unit
    address = b.symbol(2, "address")
    written, kept = Signal(), Signal(2, reset_less=True)
    own = unit.write_enable & (unit.write_address == address)
    with b.m.If(own):
        b.m.d.sync += [written.eq(1), kept.eq(unit.write_data)]
    for n in range(2):
        read, shown = Signal(name=f"read_{n}"), Signal(2, name=f"shown_{n}", reset_less=True)
        with b.m.If(unit.read_enable[n]):
            b.m.d.sync += [read.eq((unit.read_address[n] == address) & written & ~own), shown.eq(kept)]
        b.claim(~read | (unit.read_data[n] == shown))


PROOFS: Mapping[str, Proof] = {
    "row-sum": Proof(
        unit=lambda: SoftmaxLane(CONFIG),
        says="a row sum stays below 3/4 of its range, by the command that its row of the OP-CIM gets",
        properties=row_sum,
        steps=1,
        mutant=Mutant("engine.softmax_lane:SoftmaxLane._merge", "full.eq(state.row_sum[-1])", "full.eq(0)"),
    ),
    "output-element": Proof(
        unit=lambda: OpCimRow(CONFIG),
        says="an element of O becomes the sum of two parts, of what it was and of the block's sum of products",
        properties=written_element,
        cycles=SHOWN + 2,
        mutant=Mutant("engine.op_cim:OpCimRow.elaborate", "[d >> dropped, old, old >> 1]", "[d >> dropped, old, old]"),
    ),
    "output-bound": Proof(
        unit=lambda: OpCimRow(CONFIG),
        says="with these parts an element of O is at most (l + 5 n) / 4 behind n blocks, and so within its width",
        properties=output_bound,
        cycles=2,
        mutant=Mutant("formal.bound_proofs:_rounded", "+ 1) >> 1", "+ 3) >> 1"),
    ),
    "bank": Proof(
        unit=lambda: Bank(depth=4, width=2, reads=2),
        says="what is read is what was written there last",
        properties=bank,
        mutant=Mutant("lib.bank:Bank.elaborate", "write.addr.eq(self.write_address)", "write.addr.eq(0)"),
    ),
}
