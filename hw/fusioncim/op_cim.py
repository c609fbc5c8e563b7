"""OP-CIM macro: resident outputs, to which each block of keys adds its outer products with one read and one write.

    O[i, j] <- align(O[i, j]) + align(D[i, j]),     D[i, j] = sum over the block's keys n of p[i, n] * v[n, j]

A row keeps the probabilities of the block (stationary while the block's values stream past) and its update command.
Each of its `units` takes one column per cycle: a dot product of length update_rank, one alignment shift, one addition,
and the element goes back to the bank in place. Either the block or the old value is shifted, never both, so that one
shifter serves for the block's exponent and for the rescale; it is shared by update_rank multipliers. A rescale takes no
extra cycle and holds up no other row. A row whose command is SKIP neither reads, writes nor switches.

Row j of every softmax lane works j cycles behind row 0, like its probabilities.

Throughput: update_rank keys per update_rank * operand_bits cycles. Latency: an element is in the bank 3 + j cycles
after its column was on `command`. The drain port reads any word, also while another one accumulates. This unit cannot
stall.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.arith import add_shift_round, fits, pipelined, shift_round, tree_sum
from fusioncim.bank import Bank, address_shape
from fusioncim.emit import once
from fusioncim_golden.config import Config
from fusioncim_golden.softmax import Update


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


def command_layout(config: Config) -> data.StructLayout:
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


def drain_layout(config: Config) -> data.StructLayout:
    """Read of one row's elements of one column step and word."""
    return data.StructLayout(
        {
            "enable": 1,
            "row": address_shape(config.rows),
            "word": address_shape(config.words),
            "column": address_shape(config.block_cycles),
        }
    )


class OpCimRow(wiring.Component):
    """One row: probabilities, command, units and bank.

    Members:
        load, update: take over a block's probabilities and command.
        command: this cycle's values; the block's first column comes no earlier than one cycle after its load.
        drain_enable, drain_word, drain_column: read units' elements; drain_data shows them one cycle later and holds.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "load": In(1),
                "update": In(update_layout(config)),
                "command": In(command_layout(config)),
                "drain_enable": In(1),
                "drain_word": In(address_shape(config.words)),
                "drain_column": In(address_shape(config.block_cycles)),
                "drain_data": Out(config.units * config.accumulator_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        width = config.accumulator_bits

        block = Signal(update_layout(config), reset_less=True)
        with m.If(self.load):
            m.d.sync += block.eq(self.update)

        active = Signal()
        m.d.comb += active.eq(self.command.enable & (block.kind != Update.SKIP))
        address = Cat(self.command.column, self.command.word)
        bank = Bank(depth=config.words * config.block_cycles, width=config.units * width, reads=2)
        m.submodules.bank = once(platform, bank)
        m.d.comb += [
            bank.read_enable[0].eq(active & (block.kind != Update.LOAD)),
            bank.read_address[0].eq(address),
            bank.read_enable[1].eq(self.drain_enable),
            bank.read_address[1].eq(Cat(self.drain_column, self.drain_word)),
            self.drain_data.eq(bank.read_data[1]),
        ]

        # The command of this cycle's columns; the next block may be loaded while they are written.
        kind = Signal(2, reset_less=True)
        shift = Signal(fits(config.shift_max), reset_less=True)
        halve = Signal(reset_less=True)
        written = Signal()
        write_address = Signal(bank.write_address.shape(), reset_less=True)
        m.d.sync += written.eq(active)
        with m.If(active):
            m.d.sync += [kind.eq(block.kind), shift.eq(block.shift), halve.eq(block.halve), write_address.eq(address)]

        rescale = Signal()
        amount = Signal(fits(config.shift_max + config.dropped_bits))
        m.d.comb += [
            rescale.eq(kind == Update.RESCALE),
            amount.eq(shift + Mux(rescale, 0, config.dropped_bits)),
        ]
        results = []
        for u in range(config.units):
            products = [block.p[n] * self.command.value[n][u] for n in range(config.update_rank)]
            d = Signal(signed(config.dot_bits), name=f"d_{u}", reset_less=True)
            with m.If(active):
                m.d.sync += d.eq(tree_sum(products))
            old = bank.read_data[0].word_select(u, width).as_signed()
            high = d << config.slack
            aligned = Signal(signed(max(len(high), width)), name=f"aligned_{u}")
            m.d.comb += aligned.eq(Mux(rescale, old, high))
            kept = Signal(signed(width), name=f"kept_{u}")
            with m.If(rescale):
                m.d.comb += kept.eq(shift_round(d, config.dropped_bits) if config.dropped_bits else d)
            with m.Elif(kind == Update.LOAD):
                m.d.comb += kept.eq(0)
            with m.Elif(halve):
                m.d.comb += kept.eq(old >> 1)
            with m.Else():
                m.d.comb += kept.eq(old)
            results.append(add_shift_round(kept, aligned, amount)[:width])
        m.d.comb += [
            bank.write_enable.eq(written),
            bank.write_address.eq(write_address),
            bank.write_data.eq(Cat(*results)),
        ]
        return m


class OpCim(wiring.Component):
    """All rows and the registers that skew the values.

    Members: load (load_layout) per lane, command (command_layout), drain (drain_layout), drain_data: the units'
    elements of the drained row, one cycle after drain.enable, held.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "load": In(load_layout(config)).array(config.softmax_lanes),
                "command": In(command_layout(config)),
                "drain": In(drain_layout(config)),
                "drain_data": Out(config.units * config.accumulator_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        stages, enables = pipelined(m, self.command, config.rows_per_lane, "stage")

        drained = Signal(address_shape(config.rows))
        with m.If(self.drain.enable):
            m.d.sync += drained.eq(self.drain.row)
        for i in range(config.rows):
            lane, j = divmod(i, config.rows_per_lane)
            row = OpCimRow(config)
            load = self.load[lane]
            m.submodules[f"row_{i}"] = once(platform, row)
            m.d.comb += [
                row.load.eq(load.enable & (load.row == j)),
                row.update.eq(load.update),
                *(row.command.eq(stages[j + 1]), row.command.enable.eq(enables[j + 1])),
                row.drain_enable.eq(self.drain.enable & (self.drain.row == i)),
                *(row.drain_word.eq(self.drain.word), row.drain_column.eq(self.drain.column)),
            ]
            with m.If(drained == i):
                m.d.comb += self.drain_data.eq(row.drain_data)
        return m
