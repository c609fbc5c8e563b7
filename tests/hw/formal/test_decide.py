"""What ABC says is read as it is meant, a fault must be where it is said to be, and false claims fail."""

import pytest
from amaranth.hdl import Signal

from fusioncim.chip.axi import BurstSplitter
from fusioncim.formal.bench import Bench
from fusioncim.formal.decide import decide, verdict
from fusioncim.formal.mutant import Mutant, constant
from fusioncim.lib.uart import Transmitter

PROVED = "Properties:  All = 2. Proved = 2. Disproved = 0. Undecided = 0.   Time = 0.1 sec"
SAID = {
    PROVED: "proved",
    PROVED.replace("Proved = 2", "Proved = 1").replace("Undecided = 0", "Undecided = 1"): "open",
    "Output 1 was asserted in frame  3 ( 3) (solved 1 out of 2 outputs).\n" + PROVED: "refuted",
    'Output 0 of miter "bench" was asserted in frame 7.  Time = 0.1 sec': "refuted",
    "No output asserted in 4 frames.\nNetworks are equivalent.  Time = 0.1 sec": "proved",
    "Networks are equivalent.  Time = 0.1 sec": "open",
    "No output asserted in 4 frames.\nNetworks are UNDECIDED.": "open",
    "Reading AIG from file has failed.": "open",
}


@pytest.mark.parametrize("text", SAID)
def test_what_is_said_is_read(text):
    assert verdict(text, 2).answer == SAID[text]


def test_a_search_that_ends_early_shows_nothing():
    assert verdict("No output asserted in 4 frames.", 1, cycles=4).answer == "proved"
    assert verdict("No output asserted in 3 frames. Timeout.", 1, cycles=4).answer == "open"


def counted(b, most):
    count = Signal(4)
    b.m.d.sync += count.eq(count + 1)
    b.claim(count <= most)


@pytest.mark.parametrize(("most", "answer"), [(15, "proved"), (9, "refuted")])
def test_a_claim_is_decided(tmp_path, most, answer):
    assert decide(Bench(Transmitter(divisor=2), lambda b: counted(b, most)), tmp_path, limit_s=60).answer == answer


def test_a_search_finds_the_first_cycle(tmp_path):
    found = decide(Bench(Transmitter(divisor=2), lambda b: counted(b, 9)), tmp_path, limit_s=60, search=True)
    assert (found.answer, found.cycle) == ("refuted", 11)


@pytest.mark.parametrize(("cycles", "answer"), [(11, "proved"), (12, "refuted")])
def test_a_search_goes_no_further_than_its_proof(tmp_path, cycles, answer):
    bench = Bench(Transmitter(divisor=2), lambda b: counted(b, 9))
    assert decide(bench, tmp_path, limit_s=60, cycles=cycles, search=True).answer == answer


@pytest.mark.parametrize(("free", "answer"), [(False, "proved"), (True, "refuted")])
def test_a_cut_is_arbitrary(tmp_path, free, answer):
    def still(b):
        b.given(~b.unit.i.valid)
        b.claim((b.cut if free else b.inner)("tx", 1))

    assert decide(Bench(Transmitter(divisor=2), still), tmp_path, limit_s=60).answer == answer


def test_a_fault_is_there_until_it_ends():
    mutant = Mutant("chip.axi:BurstSplitter.elaborate", "rest <= room", "rest < room")
    usual = BurstSplitter.elaborate
    with mutant.applied():
        assert BurstSplitter.elaborate is not usual
    assert BurstSplitter.elaborate is usual


def test_a_fault_without_its_text_is_refused():
    with pytest.raises(ValueError, match=r"must stand in chip.axi:BurstSplitter.elaborate once, not 0 times: nothing"):
        with Mutant("chip.axi:BurstSplitter.elaborate", "nothing", "").applied():
            pass


def test_a_constant_is_back_afterwards():
    from fusioncim.chip import axi

    with constant("chip.axi:OUTSTANDING", 2):
        assert axi.OUTSTANDING == 2
    assert axi.OUTSTANDING == 16
