"""Key and value vectors inside the engine: each comes in once and stays for every resident word.

A `VectorRing` holds the blocks that are in flight. Keys leave it as bit-planes, one vector after the other; values need
all vectors of a block at once, column by column, and are copied into one of two register banks while the other is
in use.
"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.bank import Bank, address_shape
from fusioncim.emit import once
from fusioncim_golden.config import Config


def vector_layout(config: Config) -> data.ArrayLayout:
    """One key or value vector, signed operands in two's complement (as bits), column 0 first."""
    return data.ArrayLayout(config.operand_bits, config.columns)


def ring_blocks(config: Config) -> int:
    """Blocks in the ring: enough that a stream of one vector per operand_bits cycles never waits for a release."""
    return 4 if config.block_cycles >= 8 else 8


def ring_depth(config: Config) -> int:
    """Vectors in the ring."""
    return ring_blocks(config) * config.update_rank


class VectorRing(wiring.Component):
    """First-in ring of vectors, claimed and released by the block.

    Members: i: vectors, in order; available: a whole block waits that was not claimed; claim, release: one block, the
    oldest; read_enable, read_address, read_data: any vector in the ring, latency 1 cycle, held.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(vector_layout(config))),
                "available": Out(1),
                "claim": In(1),
                "release": In(1),
                "read_enable": In(1),
                "read_address": In(address_shape(ring_depth(config))),
                "read_data": Out(vector_layout(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth, rank = ring_depth(self.config), self.config.update_rank
        bank = Bank(depth=depth, width=vector_layout(self.config).size)
        m.submodules.bank = once(platform, bank)
        held = Signal(range(depth + 1))
        unclaimed = Signal(range(depth + 1))
        address = Signal(address_shape(depth))
        taken = Signal()
        m.d.comb += [
            *(self.i.ready.eq(held < depth), taken.eq(self.i.valid & self.i.ready)),
            self.available.eq(unclaimed >= rank),
            *(
                bank.write_enable.eq(taken),
                bank.write_address.eq(address),
                bank.write_data.eq(self.i.payload.as_value()),
            ),
            *(bank.read_enable[0].eq(self.read_enable), bank.read_address[0].eq(self.read_address)),
            self.read_data.as_value().eq(bank.read_data[0]),
        ]
        with m.If(taken):
            m.d.sync += address.eq(Mux(address == depth - 1, 0, address + 1))
        m.d.sync += [
            held.eq(held + taken - Mux(self.release, rank, 0)),
            unclaimed.eq(unclaimed + taken - Mux(self.claim, rank, 0)),
        ]
        return m


class BitPlanes(wiring.Component):
    """Bit-planes of a vector, most significant first: plane[j] = vector[j][operand_bits - 1 - index]."""

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "vector": In(vector_layout(config)),
                "index": In(address_shape(config.operand_bits)),
                "plane": Out(config.columns),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = self.config.operand_bits
        planes = [Cat(self.vector[j][bit] for j in range(self.config.columns)) for bit in reversed(range(bits))]
        m.d.comb += self.plane.eq(Array(planes)[self.index])
        return m


class ValueRegisters(wiring.Component):
    """Two banks of update_rank value vectors.

    Members: write_enable, write_bank, write_index, vector: copy one vector; bank, column: what is read; value[n]: the
    operands of vector n in columns column * units .. column * units + units - 1, in the same cycle.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "write_enable": In(1),
                "write_bank": In(1),
                "write_index": In(address_shape(config.update_rank)),
                "vector": In(vector_layout(config)),
                "bank": In(1),
                "column": In(address_shape(config.block_cycles)),
                "value": Out(config.units * config.operand_bits).array(config.update_rank),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        step = config.units * config.operand_bits
        for n in range(config.update_rank):
            banks = [Signal(vector_layout(config).size, name=f"vector_{n}_{b}") for b in range(2)]
            for b, register in enumerate(banks):
                with m.If(self.write_enable & (self.write_bank == b) & (self.write_index == n)):
                    m.d.sync += register.eq(self.vector.as_value())
            steps = [register[c * step : (c + 1) * step] for register in banks for c in range(config.block_cycles)]
            m.d.comb += self.value[n].eq(Array(steps)[Cat(self.column, self.bank)])
        return m
