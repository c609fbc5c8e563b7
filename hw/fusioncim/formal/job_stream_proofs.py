"""Proofs of the contract of streams, of the units of the chip that jobs and outputs pass."""

from collections.abc import Mapping

from amaranth.hdl import Cat, Signal, Value

from fusioncim.chip.descriptor_checker import DescriptorChecker
from fusioncim.chip.host_interface import HostInterface
from fusioncim.chip.job_table import JobTable
from fusioncim.chip.lse_packer import LsePacker
from fusioncim.chip.output_packer import OutputPacker
from fusioncim.chip.output_writer import OutputWriter
from fusioncim.chip.planner import Planner
from fusioncim.formal.bench import Bench
from fusioncim.formal.mutant import Mutant
from fusioncim.formal.proof import Proof
from fusioncim.formal.small import CHIP
from fusioncim.formal.streams import STAYS, neighbours, offers_stay, own_offers

CYCLES = 12
"""Up to which the output writer is proved."""


def job_table(b: Bench) -> None:
    """Sequences pass as they are. Results are taken at once, as the host interface does."""
    neighbours(b)
    b.given(b.unit.o_result.ready)
    unit = b.unit
    skips = (unit.i.payload.status != 0) | (unit.i.payload.rows == 0)
    taken = unit.i.valid & unit.i.ready
    b.claim((unit.o.valid & unit.o.ready) == (taken & ~skips))
    kept = [name for name in unit.i.payload.shape().members if name != "opens"]
    offers_stay(b, but=frozenset(kept))
    b.claim(*(Value.cast(unit.o.payload[name]) == Value.cast(unit.i.payload[name]) for name in kept))


def job_results(b: Bench) -> None:
    """A job ends once, and not before its last sequence has entered; the table is never fuller than it is."""
    neighbours(b)
    unit, jobs = b.unit, Signal(4)
    taken = unit.i.valid & unit.i.ready
    ends = unit.o_result.valid & unit.o_result.ready
    b.m.d.sync += jobs.eq(jobs + (taken & unit.i.payload.last) - ends)
    b.claim(~ends | (jobs != 0), jobs <= 4, ~(jobs != 0) | unit.running)


def host_interface(b: Bench) -> None:
    """Jobs leave as they were pushed, until a stop takes them back."""
    # An abort begins with a stop and lasts from at most two cycles behind it on.
    began = b.unit.aborting | b.unit.stop
    b.given(~b.began | ~b.unit.aborting | b.past(began) | b.past(b.past(b.unit.stop)))
    offers_stay(b, unless=b.unit.stop)


def output_writer(b: Bench) -> None:
    """A slot goes to no other sequence while a row of the one that has it is offered."""
    neighbours(b)
    write = b.unit.o_write
    b.given(~(write.valid & b.unit.begins & (b.unit.slot == write.payload.tag.slot)))
    offers_stay(b, but=frozenset({"drop"}))


def lse_packer(b: Bench) -> None:
    """A word with log-sum-exp is asked for until that is taken, at one place, and stays until it is sent."""
    neighbours(b)
    unit, sends = b.unit, Signal()
    b.given(~unit.take | unit.offers, ~unit.sent | sends, ~unit.band | unit.ready)
    with b.m.If(unit.take):
        b.m.d.sync += sends.eq(1)
    with b.m.Elif(unit.sent):
        b.m.d.sync += sends.eq(0)
    held, asked = b.began & b.past(unit.offers & ~unit.take), Cat(unit.address, unit.slot)
    b.claim(~held | (unit.offers & (asked == b.past(asked))))
    word = unit.word.as_value()
    b.claim(~(b.began & b.past((unit.offers | sends) & ~unit.sent)) | (word == b.past(word)), ~(unit.offers & sends))


PROOFS: Mapping[str, Proof] = {
    "job-table": Proof(
        unit=lambda: JobTable(CHIP),
        says="every good sequence is handed on once, as it came",
        properties=job_table,
        mutant=Mutant("chip.job_table:JobTable.elaborate", "skips | self.o.ready", "skips | 1"),
    ),
    "job-results": Proof(
        unit=lambda: JobTable(CHIP),
        says="every job has one result, behind its last sequence; at most four sequences are under way",
        properties=job_results,
        mutant=Mutant("chip.job_table:JobTable.elaborate", "ends & pick(last, oldest)), self", "ends), self"),
    ),
    "host-interface": Proof(
        unit=lambda: HostInterface(CHIP),
        says=STAYS + ", unless all jobs are stopped",
        properties=host_interface,
        mutant=Mutant(
            "chip.host_interface:HostInterface.elaborate",
            "queue.r_en.eq(self.o_job.valid & self.o_job.ready)",
            "queue.r_en.eq(self.o_job.valid)",
        ),
    ),
    "output-packer": Proof(
        unit=lambda: OutputPacker(CHIP),
        says=STAYS,
        properties=own_offers,
        mutant=Mutant("chip.output_packer:OutputPacker._lane", "passes | o.ready", "passes | 1"),
    ),
    "planner": Proof(
        unit=lambda: Planner(CHIP),
        says=STAYS,
        properties=own_offers,
        steps=2,
        mutant=Mutant("chip.planner:Planner.elaborate", "with m.If(known & self.o_tile.ready):", "with m.If(known):"),
    ),
    "descriptor-checker": Proof(
        unit=lambda: DescriptorChecker(CHIP),
        says=STAYS,
        properties=own_offers,
        steps=2,
        mutant=Mutant(
            "chip.descriptor_checker:DescriptorChecker.elaborate",
            "self.i.ready.eq(self.o_read.ready)",
            "self.i.ready.eq(1)",
        ),
    ),
    "output-writer": Proof(
        unit=lambda: OutputWriter(CHIP),
        says=STAYS + ", but whether a row is dropped",
        properties=output_writer,
        cycles=CYCLES,
        mutant=Mutant("chip.output_writer:OutputWriter.elaborate", "with m.If(~held | go):", "with m.If(1):"),
    ),
    "lse-packer": Proof(
        unit=lambda: LsePacker(CHIP),
        says="a word with log-sum-exp is asked for until that is taken, and stays until it is sent",
        properties=lse_packer,
        mutant=Mutant("chip.lse_packer:LsePacker.elaborate", "with m.If(self.take):", "with m.If(~self.sent):"),
    ),
}
