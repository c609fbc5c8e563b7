"""An engine that checks itself: a job and its outputs are stored beside it, what it makes of the job is compared.

    SelfCheck   runs the check once per interval, shows the result on lights and sends a line for every run
      Check     feeds the engine's streams and compares every bit of its outputs
        WordSource   the words of one stream

A line: `FusionCIM PASS rows=8 columns=64 cycles=001234 mismatches=000000`, and a carriage return and a line feed. FAIL:
an output differs; HANG: the outputs did not come within the limit of cycles. Cycles are those from reset to the last
output, mismatches are beats of the engine's output stream.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import (
    Array,
    Cat,
    ClockDomain,
    ClockSignal,
    Const,
    DomainRenamer,
    Module,
    Mux,
    ResetSignal,
    Signal,
    Value,
)
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Out

from fusioncim.build.cache import short_hash
from fusioncim.engine.engine import Engine
from fusioncim.lib.uart import Transmitter
from fusioncim.verilog.emit import once
from fusioncim_golden.config import Config, check_range

DIGITS = 6
"""Decimal digits of every number in the line."""
SHORT = 16
"""So few words need no block RAM."""
VERDICTS = ("PASS", "FAIL", "HANG")
VERDICT, CYCLES, MISMATCHES = 0xC0, 0x80, 0x88
"""Codes of the line that no character has: with a place in the low bits, a letter or a digit."""


@dataclass(frozen=True)
class StoredJob:
    """A job as the words of an engine's streams, and the words of the outputs that it must give.

    Members:
        i_tile, i_q, i_block, i_kv, o: words of the streams of these names, in order.
        limit: cycles after which outputs that did not come never will.
    """

    i_tile: tuple[int, ...]
    i_q: tuple[int, ...]
    i_block: tuple[int, ...]
    i_kv: tuple[int, ...]
    o: tuple[int, ...]
    limit: int


class WordSource(wiring.Component):
    """Stored words, one after the other; nothing after the last, until a reset.

    Throughput: a word per cycle. Latency: the first word is there in the second cycle after a reset.

    Members:
        o: the words.
        done: all were taken.
    """

    def __init__(self, words: Sequence[int], *, width: int) -> None:
        self.words, self.width = words, width
        self.parameters = (f"{len(words)}x{width}", short_hash(*map(str, words)))
        super().__init__({"o": Out(stream.Signature(width)), "done": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(
            shape=self.width,
            depth=len(self.words),
            init=self.words,
            attrs={"ram_style": "block"} if len(self.words) > SHORT else {},
        )
        read = memory.read_port(domain="sync")
        following = Signal(range(len(self.words) + 1))
        advance = Signal()
        rest = Signal()
        m.d.comb += [
            *(advance.eq(~self.o.valid | self.o.ready), rest.eq(following != len(self.words))),
            *(read.en.eq(advance), read.addr.eq(following), self.o.payload.eq(read.data)),
            self.done.eq(~self.o.valid & ~rest),
        ]
        with m.If(advance):
            m.d.sync += [self.o.valid.eq(rest), following.eq(following + rest)]
        return m


class Check(wiring.Component):
    """Runs the stored job on an engine, once after reset.

    Members:
        done: all outputs came, or the limit of cycles is reached.
        complete: all outputs came.
        cycles, mismatches: decimal digits, the lowest first, final when done.
    """

    def __init__(self, config: Config, job: StoredJob) -> None:
        check_range("limit", job.limit, 1, 10**DIGITS - 1)
        check_range("beats of output", len(job.o), 1, 10**DIGITS - 1)
        self.config, self.job = config, job
        self.parameters = (short_hash(repr(job)),)
        digits = Out(4).array(DIGITS)
        super().__init__({"done": Out(1), "complete": Out(1), "cycles": digits, "mismatches": digits})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        engine = Engine(self.config)
        for name in ("i_tile", "i_q", "i_block", "i_kv"):
            port = getattr(engine, name)
            source = WordSource(getattr(self.job, name), width=len(port.payload.as_value()))
            m.submodules[name] = once(platform, source)
            m.d.comb += [
                *(port.payload.as_value().eq(source.o.payload), port.valid.eq(source.o.valid)),
                source.o.ready.eq(port.ready),
            ]
        output = engine.o
        stored = WordSource(self.job.o, width=len(output.payload.as_value()))
        m.submodules.o = once(platform, stored)
        m.submodules.engine = once(platform, engine)

        differs = Signal()
        ends = Signal()
        limit = [int(digit) for digit in f"{self.job.limit:0{DIGITS}}"]
        m.d.comb += [
            *(output.ready.eq(1), stored.o.ready.eq(output.valid)),
            ends.eq(stored.done | (Cat(self.cycles) == Cat(Const(digit, 4) for digit in reversed(limit)))),
        ]
        m.d.sync += differs.eq(output.valid & ~stored.done & (output.payload.as_value() != stored.o.payload))
        with m.If(~self.done):
            m.d.sync += [self.done.eq(ends), self.complete.eq(stored.done)]
            count(m, self.cycles, ~ends)
            count(m, self.mismatches, differs)
        return m


def count(m: Module, digits: Sequence[Signal], enable: Value) -> None:
    """Add `enable` to a decimal number."""
    for digit in digits:
        full = digit == 9
        with m.If(enable):
            m.d.sync += digit.eq(Mux(full, 0, digit + 1))
        enable = enable & full


class SelfCheck(wiring.Component):
    """Checks the engine after reset and again and again, and tells.

    Parameters:
        divisor: cycles per bit of the serial line.
        interval: cycles from the end of a line to the next run.

    Members:
        tx: serial line.
        passed: a run ended, and all that did passed.
        failed: one did not, kept until reset.
        running: a run is under way.
    """

    def __init__(self, config: Config, job: StoredJob, *, divisor: int, interval: int) -> None:
        self.config, self.job = config, job
        self.divisor, self.interval = divisor, interval
        self.parameters = (short_hash(repr((job, divisor, interval))),)
        super().__init__({"tx": Out(1), "passed": Out(1), "failed": Out(1), "running": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        restart = Signal()
        m.domains.check = ClockDomain(local=True)
        m.d.comb += [ClockSignal("check").eq(ClockSignal()), ResetSignal("check").eq(ResetSignal() | restart)]
        check = Check(self.config, self.job)
        m.submodules.check = DomainRenamer("check")(once(platform, check))
        transmitter = Transmitter(divisor=self.divisor)
        m.submodules.transmitter = once(platform, transmitter)
        m.d.comb += self.tx.eq(transmitter.tx)

        good = Signal()
        line = self._line()
        m.submodules.line = DomainRenamer("check")(once(platform, line))
        pause = Signal(range(self.interval))
        m.d.comb += [
            good.eq(check.complete & ~Cat(check.mismatches).any()),
            transmitter.i.payload.eq(self._character(line.o.payload, check, good)),
        ]
        with m.FSM():
            with m.State("RUN"):
                m.d.comb += self.running.eq(1)
                with m.If(check.done):
                    m.d.sync += [self.failed.eq(self.failed | ~good), self.passed.eq(good & ~self.failed), pause.eq(0)]
                    m.next = "TELL"
            with m.State("TELL"):
                m.d.comb += [transmitter.i.valid.eq(line.o.valid), line.o.ready.eq(transmitter.i.ready)]
                with m.If(line.done):
                    m.next = "PAUSE"
            with m.State("PAUSE"):
                m.d.sync += pause.eq(pause + 1)
                with m.If(pause == self.interval - 1):
                    m.d.comb += restart.eq(1)
                    m.next = "RUN"
        return m

    def _line(self) -> WordSource:
        """The line: characters, and what takes the place of some."""

        def text(words: str) -> list[int]:
            return list(words.encode("ascii"))

        digits = list(reversed(range(DIGITS)))
        size = f" rows={self.config.rows} columns={self.config.columns}"
        return WordSource(
            [
                *(*text("FusionCIM "), *(VERDICT | n for n in range(len(VERDICTS[0])))),
                *(*text(f"{size} cycles="), *(CYCLES | n for n in digits)),
                *(*text(" mismatches="), *(MISMATCHES | n for n in digits), *text("\r\n")),
            ],
            width=8,
        )

    def _character(self, code: Value, check: Check, good: Signal) -> Value:
        """What is sent for a code of the line."""
        place = code[:3]
        passed, failed, hung = ([ord(letter) for letter in verdict] for verdict in VERDICTS)
        verdict = Mux(good, Array(passed)[place], Mux(check.complete, Array(failed)[place], Array(hung)[place]))
        number = Mux(code[3], Array(check.mismatches)[place], Array(check.cycles)[place])
        return Mux(code[7], Mux(code[6], verdict, ord("0") | number), code)
