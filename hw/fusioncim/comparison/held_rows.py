"""Rows of the IP-CIM that hold still where a score is of no use, to be compared with the engine's. No chip has them.

`HeldRow`: `active` stops planes, the plane's sum and the score at the edge of the row. A masked key then switches
nothing behind an AND gate per column.

`NibbleRow`: the high planes of two keys come first, then their low ones. After its high planes a key's score is known
but for what the low ones add at most, and the row compares it with the least one that still matters:

    frozen = sum over columns j of q[j] * floor(k[j] / 2^(operand_bits / 2)) < least

The running sums of the two keys change places at the first plane of a nibble, unless the one before was frozen.
"""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim.engine.ip_cim import missing_sum, row_bank, row_members, shift_and_add
from fusioncim_golden.config import Config


class HeldRow(wiring.Component):
    """A row with a gate: what `IpCimRow` does, for the keys whose planes come with `active`.

    Members:
        active: this cycle's plane counts.
        all others: of `IpCimRow`.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__({**row_members(config), "active": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bank = row_bank(m, platform, self, self.config)
        total = missing_sum(self.config, bank.read_data[0], self.plane & self.active.replicate(self.config.columns))
        shift_and_add(m, self, total, self.enable & self.active)
        return m


class NibbleRow(wiring.Component):
    """A row whose planes come as nibbles of two keys, with a comparison after the high one.

    Latency: 2 cycles from a key's last plane to its score, 3 from its last high plane to `frozen`.

    Members:
        active: this cycle's plane counts.
        swap: it is the first of a nibble, and the running sums change places.
        decide: the plane two cycles before was the last one of a high nibble that counts.
        least: what its running sum, too large by the correction of the high planes, must reach.
        frozen: it does not; held until the next decision.
        all others: of `IpCimRow`.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        ports = {"active": In(1), "swap": In(1), "decide": In(1), "least": In(signed(high_bits(config)))}
        super().__init__({**row_members(config), **ports, "frozen": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        bank = row_bank(m, platform, self, config)
        counts = self.enable & self.active
        total = missing_sum(config, bank.read_data[0], self.plane & self.active.replicate(config.columns))
        missing = Signal(total.shape(), reset_less=True)
        valid, first, swap = Signal(), Signal(reset_less=True), Signal(reset_less=True)
        m.d.sync += [valid.eq(counts), first.eq(self.first), swap.eq(self.swap)]
        with m.If(counts):
            m.d.sync += missing.eq(total)
        score, other = (Signal(self.score.shape(), name=name, reset_less=True) for name in ("score_", "other"))
        m.d.comb += self.score.eq(Mux(self.take, score, 0))
        with m.If(valid):
            m.d.sync += score.eq(Mux(first, missing, (Mux(swap, other, score) << 1) - missing))
        with m.If(valid & swap):
            m.d.sync += other.eq(score)
        # Both sides hold still but when they are compared.
        looked = Mux(self.decide, score[: high_bits(config)], 0).as_signed()
        with m.If(self.decide):
            m.d.sync += self.frozen.eq(looked < self.least)
        return m


def high_bits(config: Config) -> int:
    """Width of a running sum after the high planes."""
    return config.score_bits - config.operand_bits // 2
