"""OP-CIM macro: resident outputs, to which each block of keys adds its outer products with one read and one write.

    O[i, j] <- align(O[i, j]) + align(D[i, j]),     D[i, j] = sum over the block's keys n of p[i, n] * v[n, j]

A row keeps the probabilities of the block (stationary while the block's values stream past) and its update command.
Each of its `units` takes one column per cycle: a dot product of length update_rank, one alignment shift, one addition,
and the element goes back to the bank in place. The dot product goes by the bits of the values: two keys bring one of 0,
p0, p1, p0 + p1 for every bit, and which one (`choice_layout`) is decoded once for all rows. Probabilities that are zero
switch nothing. Either the block or the old value is shifted, never both, so that one
shifter serves for the block's exponent and for the rescale; it is shared by update_rank multipliers. A rescale takes no
extra cycle and holds up no other row. A row whose command is SKIP neither reads, writes nor switches: the choices stop
at its edge.

Row j of every softmax lane works j cycles behind row 0, like its probabilities. The drain port reads a word while
another one accumulates.
"""

from functools import reduce
from operator import and_, or_

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.lib.arith import add_shift_round, chosen, fits, pipelined, tree, tree_sum
from fusioncim.lib.bank import Bank, address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.config import Config
from fusioncim_golden.softmax import Update

LATENCY = 3
"""Cycles from a column on `command` to its elements in the bank of a lane's first row; row j is j cycles behind."""


def update_layout(config: Config) -> data.StructLayout:
    """A block for one row: probabilities p (all 0 for SKIP), Update kind, shift, halve: see the golden `op_cim`."""
    return data.StructLayout(
        {
            "p": data.ArrayLayout(config.probability_bits, config.update_rank),
            "kind": 2,
            "shift": fits(config.shift_max),
            "halve": 1,
        }
    )


def load_layout(config: Config) -> data.StructLayout:
    """A softmax lane's output: an update for its row `row`."""
    return data.StructLayout({"enable": 1, "row": address_shape(config.rows_per_lane), "update": update_layout(config)})


def column_command_layout(config: Config) -> data.StructLayout:
    """One cycle of the value stream: columns `column * units + u` of all keys of the block, for the resident `word`.

    value[n][u] is the signed operand of key n and unit u.
    """
    return data.StructLayout(
        {
            "enable": 1,
            "word": address_shape(config.words),
            "column": address_shape(config.block_cycles),
            "value": data.ArrayLayout(data.ArrayLayout(signed(config.operand_bits), config.units), config.update_rank),
        }
    )


def group_size(config: Config) -> int:
    """Keys whose probabilities are added before they are multiplied."""
    return min(config.update_rank, 2)


def choice_layout(config: Config) -> data.ArrayLayout:
    """The values of one cycle, decoded.

    [unit][group][n][b]: of the group's keys those of the set n + 1 (bit i: its key i), and no others, have a value
    whose bit b is 1.
    """
    size = group_size(config)
    sets = data.ArrayLayout(config.operand_bits, (1 << size) - 1)
    return data.ArrayLayout(data.ArrayLayout(sets, config.update_rank // size), config.units)


def row_command_layout(config: Config) -> data.StructLayout:
    """One cycle of the value stream as a row takes it; first: the block's first column."""
    return data.StructLayout(
        {
            "enable": 1,
            "first": 1,
            "word": address_shape(config.words),
            "column": address_shape(config.block_cycles),
            "choice": choice_layout(config),
        }
    )


def drain_layout(config: Config) -> data.StructLayout:
    """Read of the elements of one column step and word of a band: drain_rows neighbouring rows.

    Members:
        enable: which rows of the band.
        band: its number, from the tile's first rows on.
        word, column: which elements.
        show: the elements that were read last are looked at.
    """
    return data.StructLayout(
        {
            "enable": config.drain_rows,
            "band": address_shape(config.rows // config.drain_rows),
            "word": address_shape(config.words),
            "column": address_shape(config.block_cycles),
            "show": 1,
        }
    )


class OpCimRow(wiring.Component):
    """One row: probabilities, command, units and bank.

        O[j] <- align(O[j]) + align(sum over the block's keys n of p[n] * v[n, j])

    Throughput: `units` elements per cycle. Latency: 2 cycles from a column's command to its elements in the bank.

    Members:
        load, update: take over a block's probabilities and command.
        command: this cycle's values; the block's first column comes no earlier than one cycle after its load.
        write_word, write_column: those of the last enabled command before this cycle's.
        drain_enable, drain_word, drain_column: read units' elements.
        show: they are looked at.
        drain_data: the elements one cycle later, held; 0 without `show`.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "load": In(1),
                "update": In(update_layout(config)),
                "command": In(row_command_layout(config)),
                "write_word": In(address_shape(config.words)),
                "write_column": In(address_shape(config.block_cycles)),
                "drain_enable": In(1),
                "drain_word": In(address_shape(config.words)),
                "drain_column": In(address_shape(config.block_cycles)),
                "show": In(1),
                "drain_data": Out(config.units * config.accumulator_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        width, dropped = config.accumulator_bits, config.dropped_bits

        block = Signal(update_layout(config), reset_less=True)
        with m.If(self.load):
            m.d.sync += block.eq(self.update)

        active = Signal()
        m.d.comb += active.eq(self.command.enable & (block.kind != Update.SKIP))
        # A word is drained only while it does not accumulate: one read port serves for both.
        banks = [Bank(depth=config.block_cycles, width=config.units * width) for _ in range(config.words)]
        reads = active & (block.kind != Update.LOAD)
        drained = Signal.like(self.drain_word)
        with m.If(self.drain_enable):
            m.d.sync += drained.eq(self.drain_word)
        for word, bank in enumerate(banks):
            m.submodules[f"bank_{word}"] = once(platform, bank)
            drains = Signal(name=f"drains_{word}")
            m.d.comb += [
                drains.eq(self.drain_enable & (self.drain_word == word)),
                bank.read_enable[0].eq(drains | (reads & (self.command.word == word))),
                bank.read_address[0].eq(Mux(drains, self.drain_column, self.command.column)),
            ]
        outputs = [bank.read_data[0] for bank in banks]
        m.d.comb += self.drain_data.eq(Mux(self.show, Array(outputs)[drained], 0))
        before = Signal(config.units * width)
        m.d.comb += before.eq(Array(outputs)[self.write_word])

        # The command of the columns that are written; the next block may be loaded meanwhile.
        moves = Signal()
        m.d.comb += moves.eq(block.kind == Update.RESCALE)
        rescale, keep, halve = (Signal(name=name, reset_less=True) for name in ("rescale", "keep", "halve"))
        amount = Signal(fits(config.shift_max + dropped), reset_less=True)
        written = Signal()
        m.d.sync += written.eq(active)
        with m.If(active & self.command.first):
            m.d.sync += [
                *(rescale.eq(moves), amount.eq(block.shift + Mux(moves, 0, dropped))),
                keep.eq((block.kind == Update.ADD) & ~block.halve),
                halve.eq((block.kind == Update.ADD) & block.halve),
            ]

        choice = data.View(choice_layout(config), self._held(active))
        sums = self._sums(block)
        results = []
        for u in range(config.units):
            d = Signal(signed(config.dot_bits), name=f"d_{u}", reset_less=True)
            with m.If(active):
                m.d.sync += d.eq(self._dot_product(sums, choice[u], moves))
            old = before.word_select(u, width).as_signed()
            high = d << config.slack
            aligned = Signal(signed(max(len(high), width)), name=f"aligned_{u}")
            kept = Signal(signed(width), name=f"kept_{u}")
            m.d.comb += [
                aligned.eq(Mux(rescale, old, high)),
                kept.eq(chosen([rescale, keep, halve], [d >> dropped, old, old >> 1])),
            ]
            results.append(add_shift_round(kept, aligned, amount)[:width])
        for word, bank in enumerate(banks):
            m.d.comb += [
                bank.write_enable.eq(written & (self.write_word == word)),
                *(bank.write_address.eq(self.write_column), bank.write_data.eq(Cat(*results))),
            ]
        return m

    def _held(self, active: Signal) -> Value:
        """The choices of this cycle's values, still where the row does not add them."""
        return Mux(active, self.command.choice.as_value(), 0)

    def _sums(self, block: data.View) -> list[list[Value]]:
        """For every group of keys the sum of the probabilities of every set, see `choice_layout`."""
        size = group_size(self.config)
        return [
            [tree_sum([block.p[g + i] for i in range(size) if n >> i & 1]) for n in range(1, 1 << size)]
            for g in range(0, self.config.update_rank, size)
        ]

    def _dot_product(self, sums: list[list[Value]], choice: data.View, moves: Signal) -> Value:
        """Sum of p * v over the block's keys, and for a rescale half of the lowest bit that is kept, which rounds it.

        All but the sign bits' terms are added as complements, and a constant makes up for that.
        """
        config = self.config
        sign = config.operand_bits - 1
        terms, constant = [], -1
        for g, values in enumerate(sums):
            for b in range(config.operand_bits):
                term = chosen([choice[g][n][b] for n in range(len(values))], values)
                terms.append((term if b == sign else ~term) << b)
                constant -= 0 if b == sign else ((1 << len(term)) - 1) << b
        half = (1 << config.dropped_bits) >> 1
        modulus = 1 << config.dot_bits
        terms.append(Mux(moves, (constant - half) % modulus, constant % modulus))
        return ~tree_sum(terms)[: config.dot_bits]


class OpCim(wiring.Component):
    """All rows and the registers that skew the values.

    Throughput: update_rank keys per block_cycles cycles. Latency: an element of row i with j = i mod rows_per_lane is
    in the bank j + 3 cycles after its column was on `command`. This unit cannot stall.

    Members:
        load: every lane's update of a row. That of row j comes at most j cycles after the block's first column.
        command: a column of the block's values.
        drain: read the elements of a band's rows.
        drain_data: those of each row one cycle after drain.enable, held; 0 without drain.show.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "load": In(load_layout(config)).array(config.softmax_lanes),
                "command": In(column_command_layout(config)),
                "drain": In(drain_layout(config)),
                "drain_data": Out(config.units * config.accumulator_bits).array(config.drain_rows),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        stages, enables = pipelined(m, self.command, config.rows_per_lane, "stage")
        commands = [self._decoded(m, stages[n], enables[n], n) for n in range(1, len(stages))]
        # A row writes a column when the next one has its command.
        word = [stage.word for stage in stages]
        column = [stage.column for stage in stages]
        for places, name in ((word, "last_word"), (column, "last_column")):
            last = Signal(places[-1].shape(), name=name, reset_less=True)
            with m.If(enables[-1]):
                m.d.sync += last.eq(places[-1])
            places.append(last)

        drained = Signal(address_shape(config.rows // config.drain_rows))
        with m.If(self.drain.enable.any()):
            m.d.sync += drained.eq(self.drain.band)
        shows = [self.drain.show & (drained == n) for n in range(config.rows // config.drain_rows)]
        outputs = []
        for i in range(config.rows):
            lane, j = divmod(i, config.rows_per_lane)
            band, n = divmod(i, config.drain_rows)
            row = OpCimRow(config)
            outputs.append(row.drain_data)
            load = self.load[lane]
            m.submodules[f"row_{i}"] = once(platform, row)
            m.d.comb += [
                row.load.eq(load.enable & (load.row == j)),
                row.update.eq(load.update),
                row.command.eq(commands[j]),
                *(row.write_word.eq(word[j + 2]), row.write_column.eq(column[j + 2])),
                row.drain_enable.eq(self.drain.enable[n] & (self.drain.band == band)),
                *(row.drain_word.eq(self.drain.word), row.drain_column.eq(self.drain.column)),
                row.show.eq(shows[band]),
            ]
        for n in range(config.drain_rows):
            m.d.comb += self.drain_data[n].eq(tree(or_, outputs[n :: config.drain_rows]))
        return m

    def _decoded(self, m: Module, stage: data.View, enable: Signal, n: int) -> data.View:
        """A stage's command as the rows take it."""
        config, size = self.config, group_size(self.config)
        command = Signal(row_command_layout(config), name=f"command_{n}")
        m.d.comb += [
            *(command.enable.eq(enable), command.first.eq(stage.column == 0)),
            *(command.word.eq(stage.word), command.column.eq(stage.column)),
        ]
        for u in range(config.units):
            for g in range(config.update_rank // size):
                values = [stage.value[g * size + i][u].as_unsigned() for i in range(size)]
                for k in range(1, 1 << size):
                    bits = [value if k >> i & 1 else ~value for i, value in enumerate(values)]
                    m.d.comb += command.choice[u][g][k - 1].eq(reduce(and_, bits))
        return command
