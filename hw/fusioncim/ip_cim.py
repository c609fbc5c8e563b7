"""IP-CIM macro: resident queries, keys streamed one bit-plane per cycle, one exact score per row and key.

    s[i] = sum over columns j of q[i, j] * k[j]
         = sum over bit-planes b of w_b * sum over j of q[i, j] * k[j][b],      w_b = 2^b, -2^b for the sign plane

The bank keeps q + 2^(operand_bits-1), which is never negative: the adder tree needs no sign extension. What that adds
to a score, 2^(operand_bits-1) * sum of k[j], is the same for every row: it is computed once and given out as
`correction`.

Planes come most significant first, so that the shift-and-add at the edge of a row is Horner's rule: one adder, no
shifter. Row j of every softmax lane works j cycles behind row 0 (the planes ripple through that many registers), which
brings the scores to the lane one after the other and needs no holding register per row.

Throughput: one key per operand_bits cycles. Latency: the score of row j is complete j + 3 cycles after its last plane
was on `command`.
"""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.arith import tree_sum
from fusioncim.bank import Bank, address_shape
from fusioncim.emit import once
from fusioncim_golden.config import Config


def command_layout(config: Config) -> data.StructLayout:
    """One cycle of the plane stream.

    enable: `plane` holds a bit-plane; first: it is the sign plane. read, word: fetch the resident word from the bank,
    one cycle before the first plane that multiplies it.
    """
    return data.StructLayout(
        {"enable": 1, "first": 1, "plane": config.columns, "read": 1, "word": address_shape(config.words)}
    )


def write_layout(config: Config) -> data.StructLayout:
    """A query for one row and word of the banks, in two's complement; any time, also while another word computes."""
    return data.StructLayout(
        {
            "enable": 1,
            "row": address_shape(config.rows),
            "word": address_shape(config.words),
            "data": config.columns * config.operand_bits,
        }
    )


class IpCimRow(wiring.Component):
    """One row: bank, 1-bit multipliers, adder tree, shift-and-add.

    Members:
        enable, first, plane: this cycle's bit-plane.
        read, word: fetch a word; it multiplies from the next cycle on.
        write_enable, write_word, write_data: bank write port, operands offset by 2^(operand_bits-1).
        score: offset score, complete 2 cycles after the last plane, until the next key's first partial sum.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        word = address_shape(config.words)
        super().__init__(
            {
                "enable": In(1),
                "first": In(1),
                "plane": In(config.columns),
                "read": In(1),
                "word": In(word),
                "write_enable": In(1),
                "write_word": In(word),
                "write_data": In(config.columns * config.operand_bits),
                "score": Out(signed(config.score_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = self.config.operand_bits
        bank = Bank(depth=self.config.words, width=self.config.columns * bits)
        m.submodules.bank = once(platform, bank)
        m.d.comb += [
            bank.write_enable.eq(self.write_enable),
            bank.write_address.eq(self.write_word),
            bank.write_data.eq(self.write_data),
            bank.read_enable[0].eq(self.read),
            bank.read_address[0].eq(self.word),
        ]
        query = bank.read_data[0]
        products = [Mux(self.plane[n], query.word_select(n, bits), 0) for n in range(self.config.columns)]
        total = tree_sum(products)
        partial = Signal(total.shape(), reset_less=True)
        partial_valid = Signal()
        partial_first = Signal(reset_less=True)
        m.d.sync += [partial_valid.eq(self.enable), partial_first.eq(self.first)]
        with m.If(self.enable):
            m.d.sync += partial.eq(total)
        score = Signal.like(self.score, reset_less=True)
        m.d.comb += self.score.eq(score)
        with m.If(partial_valid):
            m.d.sync += score.eq(Mux(partial_first, -partial, (score << 1) + partial))
        return m


class Correction(wiring.Component):
    """2^(operand_bits-1) * sum of k[j], by counting the ones of every plane.

    Members: enable, first, last (the least significant plane), plane; correction: of the last complete key, valid 3
    cycles after its last plane and until the next one is complete.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "enable": In(1),
                "first": In(1),
                "last": In(1),
                "plane": In(config.columns),
                "correction": Out(signed(config.score_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count = tree_sum([self.plane[n] for n in range(self.config.columns)])
        ones = Signal(count.shape(), reset_less=True)
        total = Signal(signed(self.config.score_bits - self.config.operand_bits + 1), reset_less=True)
        valid, first, last, done = (Signal(name=name) for name in ("ones_valid", "ones_first", "ones_last", "done"))
        m.d.sync += [
            ones.eq(count),
            *(valid.eq(self.enable), first.eq(self.first), last.eq(self.enable & self.last)),
            done.eq(last),
        ]
        with m.If(valid):
            m.d.sync += total.eq(Mux(first, -ones, (total << 1) + ones))
        with m.If(done):
            m.d.sync += self.correction.eq(total << (self.config.operand_bits - 1))
        return m


class IpCim(wiring.Component):
    """All rows, the plane registers that skew them, and the common correction.

    Members: command (command_layout), write (write_layout), score: offset scores of all rows, correction. Row i with
    j = i mod rows_per_lane shows the score of a key at j + 3 cycles after the key's last plane was on `command`;
    `correction` is that key's from 4 cycles after until operand_bits cycles later. Subtract it one cycle after the
    score was taken. This unit cannot stall.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "command": In(command_layout(config)),
                "write": In(write_layout(config)),
                "score": Out(signed(config.score_bits)).array(config.rows),
                "correction": Out(signed(config.score_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        layout = command_layout(config)

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
        offset = Signal(config.columns * bits)
        m.d.comb += offset.eq(self.write.data ^ sum(1 << (n * bits + bits - 1) for n in range(config.columns)))
        for i in range(config.rows):
            row = IpCimRow(config)
            j = i % config.rows_per_lane + 1
            stage = stages[j]
            m.submodules[f"row_{i}"] = once(platform, row)
            m.d.comb += [
                *(row.enable.eq(enables[j]), row.first.eq(stage.first), row.plane.eq(stage.plane)),
                *(row.read.eq(stage.read), row.word.eq(stage.word)),
                row.write_enable.eq(self.write.enable & (self.write.row == i)),
                *(row.write_word.eq(self.write.word), row.write_data.eq(offset)),
                self.score[i].eq(row.score),
            ]

        planes = Signal(range(bits))
        with m.If(enables[1]):
            m.d.sync += planes.eq(Mux(stages[1].first, 1, planes + 1))
        correction = Correction(config)
        m.submodules.correction = once(platform, correction)
        m.d.comb += [
            *(correction.enable.eq(enables[1]), correction.first.eq(stages[1].first)),
            correction.last.eq(~stages[1].first & (planes == bits - 1)),
            correction.plane.eq(stages[1].plane),
            self.correction.eq(correction.correction),
        ]
        return m
