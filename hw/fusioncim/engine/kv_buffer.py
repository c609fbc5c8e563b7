"""Key and value vectors inside the engine: each comes in once and stays for every resident word.

A `VectorRing` holds the blocks that are in flight. Keys leave it as bit-planes, one vector after the other. Values need
all vectors of a block at once, column by column: their ring has a bank per vector of a block, so that one read brings
the whole block, and the banks' outputs hold it until the next block is read.
"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.engine.token_scale import scale_members
from fusioncim.lib.bank import Bank, address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.config import Config


def vector_layout(config: Config) -> data.ArrayLayout:
    """One key or value vector, signed operands in two's complement (as bits), column 0 first."""
    return data.ArrayLayout(config.operand_bits, config.columns)


def pair_layout(config: Config) -> data.StructLayout:
    """The key and the value of a position, and their scales on a chip that has scales per token."""
    return data.StructLayout({"key": vector_layout(config), "value": vector_layout(config), **scale_members(config)})


def key_layout(config: Config) -> data.Layout:
    """What the ring of keys holds: a key, and where there are any the scales of its token."""
    if not config.token_scale_bits:
        return vector_layout(config)
    return data.StructLayout({"key": vector_layout(config), **scale_members(config)})


def ring_blocks(config: Config) -> int:
    """Blocks in the ring: enough that a stream of one vector per operand_bits cycles never waits for a release."""
    return 4 if config.block_cycles >= 8 else 8


def ring_depth(config: Config) -> int:
    """Vectors in the ring."""
    return ring_blocks(config) * config.update_rank


def kv_signature(config: Config) -> wiring.Signature:
    """What the sequencer drives, as an output of it.

    Members:
        available: driven by the buffer; a block waits whose keys and values are there.
        claim: take it.
        keys_release, values_release: release a block.
        keys_enable, keys_address: read a vector of the ring.
        plane_index: bit-plane of the key read last.
        values_enable, values_address: read a whole block.
        value_column: column step of the block read last.
        scales, scaled: driven by the buffer, on a chip with scales per token; of the key read last, 0 without `scaled`.
    """
    scales = {name: In(shape) for name, shape in scale_members(config).items()}
    return wiring.Signature(
        {
            "available": In(1),
            "claim": Out(1),
            "keys_release": Out(1),
            "keys_enable": Out(1),
            "keys_address": Out(address_shape(ring_depth(config))),
            "plane_index": Out(address_shape(config.operand_bits)),
            "values_release": Out(1),
            "values_enable": Out(1),
            "values_address": Out(address_shape(ring_blocks(config))),
            "value_column": Out(address_shape(config.block_cycles)),
            **scales,
        }
    )


class VectorRing(wiring.Component):
    """First-in ring of vectors, claimed and released by the block; they go to `banks` banks in turn.

    An entry is a value, or with `keys` a key and what `key_layout` has beside it.

    Throughput: a vector in, and one of every bank out, per cycle. Latency: 1 cycle for a read.

    Members:
        i: vectors, in order.
        available: a whole block waits that was not claimed.
        claim, release: one block, the oldest.
        read_enable, read_address: any place in the ring.
        read_data: a vector of every bank, one cycle later, held.
    """

    def __init__(self, config: Config, *, banks: int, keys: bool = False) -> None:
        self.config, self.banks = config, banks
        self.layout: data.Layout = key_layout(config) if keys else vector_layout(config)
        self.parameters = (banks, *(["scaled"] if keys and config.token_scale_bits else []))
        super().__init__(
            {
                "i": In(stream.Signature(self.layout)),
                "available": Out(1),
                "claim": In(1),
                "release": In(1),
                "read_enable": In(1),
                "read_address": In(address_shape(ring_depth(config) // banks)),
                "read_data": Out(self.layout).array(banks),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth, rank = ring_depth(self.config), self.config.update_rank
        held = Signal(range(depth + 1))
        unclaimed = Signal(range(depth + 1))
        address = Signal(address_shape(depth))
        taken = Signal()
        m.d.comb += [
            *(self.i.ready.eq(held < depth), taken.eq(self.i.valid & self.i.ready)),
            self.available.eq(unclaimed >= rank),
        ]
        bank_bits = self.banks.bit_length() - 1
        for n in range(self.banks):
            bank = Bank(depth=depth // self.banks, width=self.layout.size)
            m.submodules[f"bank_{n}"] = once(platform, bank)
            m.d.comb += [
                bank.write_enable.eq(taken & (address[:bank_bits] == n)),
                bank.write_address.eq(address[bank_bits:]),
                bank.write_data.eq(self.i.payload.as_value()),
                *(bank.read_enable[0].eq(self.read_enable), bank.read_address[0].eq(self.read_address)),
                self.read_data[n].as_value().eq(bank.read_data[0]),
            ]
        with m.If(taken):
            m.d.sync += address.eq(Mux(address == depth - 1, 0, address + 1))
        m.d.sync += [
            held.eq(held + taken - Mux(self.release, rank, 0)),
            unclaimed.eq(unclaimed + taken - Mux(self.claim, rank, 0)),
        ]
        return m


class BitPlanes(wiring.Component):
    """Bit-planes of a vector, most significant first: plane[j] = vector[j][operand_bits - 1 - index].

    Latency: none.
    """

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


class ValueColumns(wiring.Component):
    """Columns of a block: value[n] has the operands of vector n in `units` columns from column * units on.

    Latency: none.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "vector": In(vector_layout(config)).array(config.update_rank),
                "column": In(address_shape(config.block_cycles)),
                "value": Out(config.units * config.operand_bits).array(config.update_rank),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step = self.config.units * self.config.operand_bits
        for n in range(self.config.update_rank):
            vector = self.vector[n].as_value()
            steps = [vector.word_select(c, step) for c in range(self.config.block_cycles)]
            m.d.comb += self.value[n].eq(Array(steps)[self.column])
        return m


class KvBuffer(wiring.Component):
    """Rings of keys and of values, bit-planes and value columns.

    Throughput: a key and a value in per cycle, a bit-plane and a column out per cycle. Latency: 1 cycle for a read.

    Members:
        i: keys and values, in the order of the blocks.
        kv: driven by the sequencer.
        plane: bit-plane of the key that was read.
        value: value[n] has the operands of vector n of the block that was read, in the column step that `kv` shows.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(pair_layout(config))),
                "kv": In(kv_signature(config)),
                "plane": Out(config.columns),
                "value": Out(config.units * config.operand_bits).array(config.update_rank),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rank = self.config.update_rank
        keys, values = VectorRing(self.config, banks=1, keys=True), VectorRing(self.config, banks=rank)
        planes, columns = BitPlanes(self.config), ValueColumns(self.config)
        for name, unit in {"keys": keys, "values": values, "planes": planes, "columns": columns}.items():
            m.submodules[name] = once(platform, unit)
        kv = self.kv
        key, read = keys.i.payload, keys.read_data[0]
        if self.config.token_scale_bits:
            m.d.comb += [
                *(key.scales.eq(self.i.payload.scales), key.scaled.eq(self.i.payload.scaled)),
                *(kv.scaled.eq(read.scaled), kv.scales.eq(Mux(read.scaled, read.scales.as_value(), 0))),
            ]
            key, read = key.key, read.key
        m.d.comb += [
            *(key.eq(self.i.payload.key), values.i.payload.eq(self.i.payload.value)),
            *(keys.i.valid.eq(self.i.valid & values.i.ready), values.i.valid.eq(self.i.valid & keys.i.ready)),
            self.i.ready.eq(keys.i.ready & values.i.ready),
            kv.available.eq(keys.available & values.available),
            *(keys.claim.eq(kv.claim), keys.release.eq(kv.keys_release)),
            *(keys.read_enable.eq(kv.keys_enable), keys.read_address.eq(kv.keys_address)),
            *(planes.vector.eq(read), planes.index.eq(kv.plane_index), self.plane.eq(planes.plane)),
            *(values.claim.eq(kv.claim), values.release.eq(kv.values_release)),
            *(values.read_enable.eq(kv.values_enable), values.read_address.eq(kv.values_address)),
            columns.column.eq(kv.value_column),
            *(columns.vector[n].eq(values.read_data[n]) for n in range(rank)),
            *(self.value[n].eq(columns.value[n]) for n in range(rank)),
        ]
        return m
