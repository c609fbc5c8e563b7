"""Which engine gets the next tile of a pass: the golden `schedule.deal`.

The engines take turns: the first tile of a group of heads goes to the engine behind the one that got the last tile of
the group before, so that small jobs on several heads fill the chip.
"""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.descriptor import ROW_BITS
from fusioncim.lib.bank import address_shape
from fusioncim_golden.chip_config import ChipConfig


def tiles_of_engine(chip: ChipConfig) -> int:
    """Tiles of a full pass in an engine."""
    return max(chip.engine.words // 2, 1)


def tiles_of_pass(chip: ChipConfig) -> int:
    """Tiles of a full pass."""
    return tiles_of_engine(chip) * chip.engines


class Dealer(wiring.Component):
    """Counts the tiles of a pass and names the engine of each.

    Members:
        begin: a pass begins, with its tile 0.
        rows: of the group that are left, in that cycle.
        narrow: one tile per engine in a pass.
        beside: the tiles of the pass are dealt beside each other, in that cycle; else there and back.
        rewind: back to tile 0.
        step: on to the next tile.
        number: of the tile.
        engine: that gets it.
        turn: how many tiles of the pass that engine got before.
        count: tiles of the pass.
        last: the tile is the engine's last one of the pass.
        close: the tile is the group's last one.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        full = tiles_of_pass(config)
        super().__init__(
            {
                "begin": In(1),
                "rows": In(ROW_BITS),
                "narrow": In(1),
                "beside": In(1),
                "rewind": In(1),
                "step": In(1),
                "number": Out(range(full + 1)),
                "engine": Out(address_shape(config.engines)),
                "turn": Out(range(tiles_of_engine(config) + 1)),
                "count": In(range(full + 1)),
                "last": Out(1),
                "close": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip = self.config
        bits = chip.engines.bit_length() - 1
        base = Signal(max(bits, 1))
        beside = Signal()
        each = Signal(range(tiles_of_engine(chip) + 1))  # tiles of an engine, beside each other
        place, turn = Signal(max(bits, 1)), Signal.like(self.turn)  # of the tile, beside each other
        low = self.number[:bits] if bits else Const(0, 1)
        back = self.number >> bits
        # The engine's next tile there and back, if the pass went on.
        behind = ((back + 1) << bits) + (chip.engines - 1) - low
        m.d.comb += [
            self.engine.eq(base + Mux(beside, place, Mux(back[0], ~low, low)) if bits else 0),
            self.turn.eq(Mux(beside, turn, back)),
            self.last.eq(Mux(beside, (turn + 1 == each) | (self.number + 1 == self.count), behind >= self.count)),
        ]
        with m.If(self.begin | self.rewind):
            m.d.sync += [self.number.eq(0), place.eq(0), turn.eq(0)]
        with m.Elif(self.step):
            m.d.sync += [self.number.eq(self.number + 1), turn.eq(turn + 1)]
            with m.If(turn + 1 == each):
                m.d.sync += [turn.eq(0), place.eq(place + 1)]
        with m.If(self.begin):
            more = (self.rows > chip.engine.rows * chip.engines * n for n in range(1, tiles_of_engine(chip)))
            m.d.sync += [beside.eq(self.beside), each.eq(Mux(self.narrow, 1, sum(more, Const(1, 1))))]
        with m.If(self.close if bits else 0):
            m.d.sync += base.eq(Mux(beside, self.engine + 1, base + self.count))
        return m
