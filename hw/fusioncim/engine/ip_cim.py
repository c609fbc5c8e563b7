"""IP-CIM macro: resident queries, keys streamed one bit-plane per cycle, one exact score per row and key.

    s[i] = sum over columns j of q[i, j] * k[j]
         = sum over bit-planes b of w_b * sum over j of q[i, j] * k[j][b],      w_b = 2^b, -2^b for the sign plane

The bank keeps a query as sign t and magnitude m. As -m * k = m * (1 - k) - m, a row adds magnitudes only, where the
key's bit differs from the sign, and its adder tree has no sign extension and little to do in the high bits:

    sum over j of q[j] * k[j][b] = sum over j of m[j] * (k[j][b] ^ t[j]) - sum over j of m[j] * t[j]

The tree adds the complements of the terms, which cost a gate less. Both constants together, `correction`, belong to a
row and word: they are summed when the query is written, kept in a bank per softmax lane and subtracted there.

Planes come most significant first, so that the shift-and-add at the edge of a row is Horner's rule: one adder, no
shifter. Row j of every softmax lane works j cycles behind row 0 (the planes ripple through that many registers), which
brings the scores to the lane one after the other and needs no holding register per row. A row shows its score in the
cycle in which the lane takes it and 0 in all others: its long wires move once per key, not with every plane.
"""

from operator import or_
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Member, Out

from fusioncim.lib.arith import fits, one_hot, pipelined, tree, tree_sum
from fusioncim.lib.bank import Bank, address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.config import Config

LATENCY = 3
"""Cycles from a key's last plane on `command` to its score in the first row of a lane; row j is j cycles behind."""
PART = 16
"""Columns whose share of a correction is summed in a cycle."""
SUM_CYCLES = 2
"""A correction is summed in so many cycles: parts of PART columns, then all."""


def plane_command_layout(config: Config) -> data.StructLayout:
    """One cycle of the plane stream.

    Members:
        enable: `plane` holds a bit-plane.
        first: it is the sign plane.
        read, word: fetch the resident word from the bank, one cycle before the first plane that multiplies it.
    """
    return data.StructLayout(
        {"enable": 1, "first": 1, "plane": config.columns, "read": 1, "word": address_shape(config.words)}
    )


def query_write_layout(config: Config) -> data.StructLayout:
    """A query for one row and word, in two's complement; any time, also while another word computes.

    The most negative operand, -2^(operand_bits-1), counts as the one above it.
    """
    return data.StructLayout(
        {
            "enable": 1,
            "row": address_shape(config.rows),
            "word": address_shape(config.words),
            "data": config.columns * config.operand_bits,
        }
    )


def take_layout(config: Config) -> data.StructLayout:
    """The score of row `row` of every lane, for `word`, is taken in this cycle."""
    return data.StructLayout(
        {"enable": 1, "row": address_shape(config.rows_per_lane), "word": address_shape(config.words)}
    )


def row_members(config: Config) -> dict[str, Member]:
    """Ports of `IpCimRow`, see there."""
    word = address_shape(config.words)
    return {
        "enable": In(1),
        "first": In(1),
        "plane": In(config.columns),
        "read": In(1),
        "word": In(word),
        "write_enable": In(1),
        "write_word": In(word),
        "write_data": In(config.columns * config.operand_bits),
        "take": In(1),
        "score": Out(signed(config.score_bits)),
    }


def row_bank(m: Module, platform: object, row: Any, config: Config) -> Bank:
    """The bank of a component with the ports of a row, connected to them."""
    bank = Bank(depth=config.words, width=config.columns * config.operand_bits, array=True)
    m.submodules.bank = once(platform, bank)
    m.d.comb += [
        bank.write_enable.eq(row.write_enable),
        bank.write_address.eq(row.write_word),
        bank.write_data.eq(row.write_data),
        bank.read_enable[0].eq(row.read),
        bank.read_address[0].eq(row.word),
    ]
    return bank


def missing_sum(config: Config, word: Value, plane: Value) -> Value:
    """What a plane's sum of magnitudes lacks to its largest: the sum of the complements of the terms."""
    complements = []
    for n in range(config.columns):
        query = word.word_select(n, config.operand_bits)
        adds = plane[n] ^ query[-1]
        complements.append(~Mux(adds, query[:-1], 0))
    return tree_sum(complements)


def shift_and_add(m: Module, row: Any, total: Value, counts: Value) -> None:
    """The score of a component with the ports of a row: in a cycle that counts, the plane's `missing_sum` is total."""
    missing = Signal(total.shape(), reset_less=True)
    valid = Signal()
    first = Signal(reset_less=True)
    m.d.sync += [valid.eq(counts), first.eq(row.first)]
    with m.If(counts):
        m.d.sync += missing.eq(total)
    score = Signal.like(row.score, reset_less=True)
    m.d.comb += row.score.eq(Mux(row.take, score, 0))
    with m.If(valid):
        m.d.sync += score.eq(Mux(first, missing, (score << 1) - missing))


class IpCimRow(wiring.Component):
    """One row: bank, 1-bit multipliers, adder tree, shift-and-add.

        score = sum over columns j of q[j] * k[j] + correction,  k in bit-planes

    Throughput: a bit-plane per cycle. Latency: 2 cycles from a key's last plane to its score.

    Members:
        enable, first, plane: this cycle's bit-plane.
        read, word: fetch a word; it multiplies from the next cycle on.
        write_enable, write_word, write_data: bank write port, operands as magnitude and, in the highest bit, sign.
        take: show the score.
        score: score plus correction, until the next key's first partial sum; 0 without `take`.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(row_members(config))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bank = row_bank(m, platform, self, self.config)
        shift_and_add(m, self, missing_sum(self.config, bank.read_data[0], self.plane), self.enable)
        return m


class Correction(wiring.Component):
    """What the rows' scores are too large by, for every row and word.

        correction = sum over j of 2^(operand_bits-1) - 1 - m[j] * t[j]

    Latency: a query's correction can be taken from 3 cycles after it was written on.

    Members:
        write: as of the macro.
        take: rows of the lanes.
        correction: of the rows that were taken one cycle before.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "write": In(query_write_layout(config)),
                "take": In(take_layout(config)),
                "correction": Out(correction_shape(config)).array(config.softmax_lanes),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        terms = []
        for n in range(config.columns):
            x = symmetric(self.write.data.word_select(n, config.operand_bits))
            terms.append(Cat(Mux(x[-1], x[:-1], 0), ~x[-1]))
        # Two cycles: sums of a few columns, then of all.
        parts = []
        with m.If(self.write.enable):
            for n in range(0, config.columns, PART):
                some = tree_sum(terms[n : n + PART])
                part = Signal(some.shape(), name=f"part_{n // PART}", reset_less=True)
                m.d.sync += part.eq(some)
                parts.append(part)
        total = Signal(correction_shape(config), reset_less=True)
        place = Signal(data.StructLayout({name: self.write[name].shape() for name in ("enable", "row", "word")}))
        m.d.comb += [place[name].eq(self.write[name]) for name in ("enable", "row", "word")]
        stages, enables = pipelined(m, place, SUM_CYCLES, "write")
        enable, row, word = enables[-1], stages[-1].row, stages[-1].word
        with m.If(enables[-2]):
            m.d.sync += total.eq(tree_sum(parts) - config.columns)
        for n in range(config.softmax_lanes):
            bank = Bank(depth=config.words << row_bits(config), width=len(total))
            m.submodules[f"bank_{n}"] = once(platform, bank)
            m.d.comb += [
                *(bank.write_data.eq(total), bank.read_enable[0].eq(self.take.enable)),
                bank.read_address[0].eq(Cat(self.take.row[: row_bits(config)], self.take.word)),
                self.correction[n].eq(bank.read_data[0]),
            ]
            for j in range(config.rows_per_lane):
                with m.If(row == n * config.rows_per_lane + j):
                    m.d.comb += [
                        bank.write_enable.eq(enable),
                        bank.write_address.eq(Cat(Const(j, row_bits(config)), word)),
                    ]
        return m


def correction_shape(config: Config) -> Shape:
    """Unsigned shape of a correction."""
    return fits(config.columns * ((1 << (config.operand_bits - 1)) - 1))


def row_bits(config: Config) -> int:
    """Address bits of a lane's row."""
    return (config.rows_per_lane - 1).bit_length()


def symmetric(x: Value) -> Value:
    """An operand in two's complement, the most negative one replaced by the one above it."""
    return Cat(x[0] | (x[-1] & ~x[:-1].any()), x[1:])


class IpCim(wiring.Component):
    """All rows, the plane registers that skew them, and the corrections.

    Throughput: a key per operand_bits cycles. Latency: row i with j = i mod rows_per_lane has the score of a key j + 3
    cycles after the key's last plane was on `command`. This unit cannot stall.

    Members:
        command: bit-planes.
        write: a query.
        take: the rows whose scores are taken in this cycle.
        score: of every lane's row that is taken, too large by its correction; 0 if none is.
        correction: of every lane's row that was taken one cycle before; to be subtracted.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "command": In(plane_command_layout(config)),
                "write": In(query_write_layout(config)),
                "take": In(take_layout(config)),
                "score": Out(signed(config.score_bits)).array(config.softmax_lanes),
                "correction": Out(correction_shape(config)).array(config.softmax_lanes),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        layout = plane_command_layout(config)

        stages = [self.command]
        enables = [self.command.enable]
        for n in range(config.rows_per_lane):
            stage = Signal(layout, name=f"stage_{n}", reset_less=True)
            enable = Signal(name=f"enable_{n}")
            before = stages[-1]
            m.d.sync += [
                *(enable.eq(enables[-1]), stage.first.eq(before.first)),
                *(stage.read.eq(before.read), stage.word.eq(before.word)),
            ]
            with m.If(enables[-1]):
                m.d.sync += stage.plane.eq(before.plane)
            stages.append(stage)
            enables.append(enable)

        bits = config.operand_bits
        stored = Signal(config.columns * bits)
        for n in range(config.columns):
            x = symmetric(self.write.data.word_select(n, bits))
            magnitude = Mux(x[-1], -x[:-1], x[:-1])[: bits - 1]
            m.d.comb += stored.word_select(n, bits).eq(Cat(magnitude, x[-1]))
        takes = one_hot(self.take.enable, self.take.row, config.rows_per_lane)
        scores = []
        for i in range(config.rows):
            row = IpCimRow(config)
            j = i % config.rows_per_lane + 1
            stage = stages[j]
            scores.append(row.score)
            m.submodules[f"row_{i}"] = once(platform, row)
            m.d.comb += [
                *(row.enable.eq(enables[j]), row.first.eq(stage.first), row.plane.eq(stage.plane)),
                *(row.read.eq(stage.read), row.word.eq(stage.word)),
                row.write_enable.eq(self.write.enable & (self.write.row == i)),
                *(row.write_word.eq(self.write.word), row.write_data.eq(stored)),
                row.take.eq(takes[j - 1]),
            ]
        for n in range(config.softmax_lanes):
            own = scores[n * config.rows_per_lane : (n + 1) * config.rows_per_lane]
            m.d.comb += self.score[n].eq(tree(or_, own))

        correction = Correction(config)
        m.submodules.correction = once(platform, correction)
        m.d.comb += [
            *(correction.write.eq(self.write), correction.take.eq(self.take)),
            *(self.correction[n].eq(correction.correction[n]) for n in range(config.softmax_lanes)),
        ]
        return m
