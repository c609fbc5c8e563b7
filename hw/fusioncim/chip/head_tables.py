"""Head tables: what a job has per query head, a word of 32 bits each: score scales, sinks and slopes.

The tables of a job lie anywhere in memory and come one behind the other; what is kept of their words lies in banks. A
word is judged when it comes, by the golden `scale_table`, `sinks` and `slopes`, and what could not be read is illegal.
So is a head with a sink whose values are centred.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.axi import beat_offset
from fusioncim.chip.descriptor import HEAD_BITS, descriptor_layout
from fusioncim.engine.sink_table import kept_sink, sink_layout
from fusioncim.lib.bank import Bank, address_shape
from fusioncim.verilog.emit import once
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import SCALE_BITS, SCALE_SHIFT_BITS, Config
from fusioncim_golden.limits import MAX_HEADS, SCALE_BYTES
from fusioncim_golden.scale_table import CENTRED_BIT, MOST_MANTISSA, MOST_SHIFT, least_shift, most_mantissa
from fusioncim_golden.sinks import SINK_LOG2_BITS
from fusioncim_golden.slopes import LEAST_SLOPE_SHIFT


def tables_of(config: Config) -> tuple[str, ...]:
    """The tables that a job may have, in their order; the first one it always has."""
    return ("scales", "sinks", "slopes") if config.alibi else ("scales", "sinks")


def kept_scale_layout() -> data.StructLayout:
    """What is kept of a word of the scale table; legal: it is a scale; the mantissa's top bit is 1."""
    return data.StructLayout({"mantissa": SCALE_BITS - 1, "shift": SCALE_SHIFT_BITS, "centred": 1, "legal": 1})


def kept_scale(config: Config, word: Value, error: Value, slopes: Value) -> Value:
    """A word of the scale table, as it is kept; error: it could not be read; slopes: the job has some."""
    mantissa, shift, above = word[:SCALE_BITS], word[SCALE_BITS:CENTRED_BIT], word[CENTRED_BIT + 1 :]
    fits = _scale_fits(config, mantissa, shift, slopes=False)
    if config.alibi:
        fits = Mux(slopes, _scale_fits(config, mantissa, shift, slopes=True), fits)
    return Cat(mantissa[:-1], shift, word[CENTRED_BIT], mantissa[-1] & ~above.any() & fits & ~error)


def _scale_fits(config: Config, mantissa: Value, shift: Value, *, slopes: bool) -> Value:
    """Whether no score makes too large a log2 score."""
    least, most = least_shift(config, slopes=slopes), most_mantissa(config, slopes=slopes)
    if most < MOST_MANTISSA:
        return (shift > least) | ((shift == least) & (mantissa <= most))
    return shift >= least if least else Const(1)


def kept_sink_word(config: Config, word: Value, error: Value) -> Value:
    """A word of the table of sinks, as it is kept: a `sink_layout`, and whether it is legal."""
    present, above = word[SINK_LOG2_BITS], word[SINK_LOG2_BITS + 1 :]
    return Cat(kept_sink(config, word), ~above.any() & (present | ~word[:SINK_LOG2_BITS].any()) & ~error)


def slope_layout() -> data.StructLayout:
    """A slope mantissa / 2^shift; none: all 0."""
    return data.StructLayout({"mantissa": SCALE_BITS, "shift": SCALE_SHIFT_BITS})


def kept_slope_word(word: Value, error: Value) -> Value:
    """A word of the table of slopes, as it is kept: a `slope_layout`, and whether it is legal."""
    size = slope_layout().size
    mantissa, shift = data.View(slope_layout(), word[:size]).mantissa, word[SCALE_BITS:]
    fits = mantissa[-1] & (shift >= LEAST_SLOPE_SHIFT) & (shift <= MOST_SHIFT)
    return Cat(word[:size], (fits | ~word.any()) & ~error)


class HeadTables(wiring.Component):
    """Keeps the tables of a job.

    Throughput: a beat of a table, and a head, per cycle. Latency: 1 cycle from `read_enable`.

    Members:
        opens: a job's tables are asked for from now on; all rows before have theirs.
        job: whose they are, in that cycle.
        beat_valid, beat, beat_last, beat_error: they come, in the order of `tables_of`.
        complete: that is the last beat of the last one.
        read_enable, head: a query head of the job.
        mantissa, shift: its score scale; centred: its values are.
        sink: its sink, all 0 without one.
        slope: its slope, all 0 without one; of an engine that takes slopes.
        legal: all of its words are, also together.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        slope = {"slope": Out(slope_layout())} if config.engine.alibi else {}
        super().__init__(
            {
                "opens": In(1),
                "job": In(descriptor_layout(config)),
                "beat_valid": In(1),
                "beat": In(config.bus_bits),
                "beat_last": In(1),
                "beat_error": In(1),
                "complete": Out(1),
                "read_enable": In(1),
                "head": In(HEAD_BITS),
                "mantissa": Out(SCALE_BITS),
                "shift": Out(SCALE_SHIFT_BITS),
                "centred": Out(1),
                "sink": Out(sink_layout(config.engine)),
                **slope,
                "legal": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip = self.config
        names = tables_of(chip.engine)
        given = Signal(len(names))  # tables that the job has
        comes = Signal(len(names))  # those that are not whole
        arrived = Signal(address_shape(self._depth()))
        now = comes & -comes
        m.d.comb += self.complete.eq(self.beat_valid & self.beat_last & (comes == now[: len(names)]))
        with m.If(self.opens):
            there = Cat(Const(1, 1), *(self.job[name] != 0 for name in names[1:]))
            m.d.sync += [given.eq(there), comes.eq(there), arrived.eq(0)]
        with m.Elif(self.beat_valid):
            m.d.sync += arrived.eq(arrived + 1)
            with m.If(self.beat_last):
                m.d.sync += [arrived.eq(0), comes.eq(comes & ~now)]

        kept, legal = {}, []
        for n, name in enumerate(names):
            word = self._table(m, platform, name, given, arrived, now[n])
            kept[name] = Mux(given[n], word[:-1], 0) if n else word[:-1]
            legal.append(word[-1] | ~given[n])
        legal.append(~(self.centred & self.sink.present))
        m.d.comb += [
            *(self.legal.eq(Cat(legal).all()), self.sink.eq(kept["sinks"])),
            self.mantissa.eq(Cat(kept["scales"][: SCALE_BITS - 1], Const(1, 1))),
            Cat(self.shift, self.centred).eq(kept["scales"][SCALE_BITS - 1 :]),
        ]
        if chip.engine.alibi:
            m.d.comb += self.slope.eq(kept["slopes"])
        return m

    def _table(self, m: Module, platform: object, name: str, given: Signal, arrived: Signal, comes: Value) -> Value:
        """Write a table as it comes; returns the word that is read."""
        chip = self.config
        many = chip.bus_bytes // SCALE_BYTES
        words = [self._kept(name, self.beat.word_select(n, 8 * SCALE_BYTES), given) for n in range(many)]
        size = len(words[0])
        bank = Bank(depth=self._depth(), width=many * size)
        m.submodules[name] = once(platform, bank)
        # The table may begin inside of its first beat.
        before = Signal(range(max(chip.bus_bytes // chip.alignment, 2)), name=f"before_{name}", reset_less=True)
        with m.If(self.opens):
            m.d.sync += before.eq(beat_offset(chip, self.job[name]))
        place = Signal(HEAD_BITS, name=f"place_{name}")
        chosen = Signal(range(many), name=f"chosen_{name}", reset_less=True)
        bits = many.bit_length() - 1
        m.d.comb += [
            place.eq(self.head + before * (chip.alignment // SCALE_BYTES)),
            *(bank.write_enable.eq(self.beat_valid & comes), bank.write_address.eq(arrived)),
            *(bank.write_data.eq(Cat(words)), bank.read_enable[0].eq(self.read_enable)),
            bank.read_address[0].eq(place >> bits),
        ]
        with m.If(self.read_enable):
            m.d.sync += chosen.eq(place[:bits])
        return Array(bank.read_data[0].word_select(n, size) for n in range(many))[chosen]

    def _kept(self, name: str, word: Value, given: Signal) -> Value:
        """A word of a table, as it is kept, its last bit: it is legal."""
        config = self.config.engine
        if name == "sinks":
            return kept_sink_word(config, word, self.beat_error)
        if name == "slopes":
            return kept_slope_word(word, self.beat_error)
        return kept_scale(config, word, self.beat_error, given[-1])

    def _depth(self) -> int:
        """Beats of a table, at most."""
        chip = self.config
        spread = (chip.bus_bytes - chip.alignment) // SCALE_BYTES  # words of the first beat before the table, at most
        return -(-(MAX_HEADS + spread) * SCALE_BYTES // chip.bus_bytes)
