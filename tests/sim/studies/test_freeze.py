"""Rows that hold still: which keys are frozen, what is played, the stored figures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.comparison.held_rows import HeldRow
from fusioncim_golden import engine as golden
from fusioncim_golden.metrics import in_lsb, sqnr_db
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.schedule import Job
from fusioncim_golden.softmax import log2_score
from fusioncim_sim.gates.played import PlayedUnit
from fusioncim_sim.heads.captured import named, width
from fusioncim_sim.heads.judge import job_of
from fusioncim_sim.studies.freeze import (
    choices_table,
    engine_fj,
    error_table,
    fj,
    frozen_table,
    masked_fj,
    masked_table,
    nibble_row_fj,
    rows_table,
)
from fusioncim_sim.studies.freeze.error import frozen_sqnr
from fusioncim_sim.studies.freeze.ip_rows import PlayedRow, key_table, planes_of
from fusioncim_sim.studies.freeze.measure import HEADS, LEFT_OUT, TOKENS, chosen, head_figures
from fusioncim_sim.studies.freeze.patterns import BOUNDS, pattern
from fusioncim_sim.studies.freeze.samples import PAPER, sample

MEASUREMENTS = Path(__file__).parents[3] / "measurements"
STORED, COST = (json.loads((MEASUREMENTS / f"{name}.json").read_text(encoding="utf-8")) for name in ("freeze", "cost"))


@pytest.mark.parametrize("name", ["group1", "qwen_sink"])
def test_heads_are_those_that_were_played(name):
    stored = next(heads[name] for heads in STORED["heads"].values() if name in heads)
    assert head_figures(sample(chosen()[name], TOKENS)) == stored


def test_an_exact_bound_freezes_no_key_that_reaches_the_threshold():
    """By the whole scores: what is frozen lies below the largest key before. The halved bound freezes more."""
    this = sample([named("qwen_local")], TOKENS)
    of = this.pattern(LEFT_OUT)
    assert not of.wrong["exact"].any()
    assert (of.frozen["halved"] >= of.frozen["exact"]).all()
    assert 0.5 < of.frozen["exact"].sum() / of.visible.sum() < of.frozen["halved"].sum() / of.visible.sum() < 0.95
    assert (of.visible >= of.frozen["halved"]).all()
    q, k = this.heads.q[0, of.query], this.heads.k[of.position]
    x = log2_score(PAPER, q @ k.T, this.heads.mantissa[0, of.query, None], this.heads.shift[0, of.query, None])
    highest = np.maximum.accumulate(np.where(of.visible, x, np.iinfo(np.int64).min), axis=1)
    assert (x < highest - (LEFT_OUT << PAPER.fraction_bits))[of.frozen["exact"]].all()
    # The first blocks have no reference to compare with.
    assert not of.frozen["halved"][:, : PAPER.update_rank].any()


def test_low_planes_that_add_all_they_can():
    """The exact bound holds then, and not only with room to spare; the halved one does not."""
    rng = np.random.default_rng(4)
    config = PAPER.override(columns=64)
    sign = rng.choice([-1, 1], 64)
    q = sign * rng.integers(1, 128, (1, 128, 64))
    k = rng.integers(-8, 8, (256, 64)) * 16 + np.where(sign > 0, 15, 0)
    heads = replace(from_integers(q, k, k, scale_q=1 / 400, scale_k=1 / 10), centred=True)
    job = Job(queries=128, keys=256)
    (step,) = golden.trace(config, heads, job)
    of = pattern(config, heads, job, step, LEFT_OUT)
    assert of.frozen["exact"].any()
    assert not of.wrong["exact"].any()
    assert of.wrong["halved"].any()


def test_without_frozen_keys_the_error_is_the_golden_model():
    head = named("qwen_sink")
    config, job = PAPER.override(columns=width(head)), job_of(head)
    heads = head.quantized(config)
    out = head.equalized().outputs(in_lsb(config, golden.run(config, heads, job).out) * heads.scale_v)
    exact = sqnr_db(out, head.unquantized_attention(job))
    assert frozen_sqnr(head, "", LEFT_OUT) == pytest.approx(exact)
    assert frozen_sqnr(head, "halved", 6) < frozen_sqnr(head, "halved", LEFT_OUT) < exact


def test_planes_are_the_bits_of_keys_most_significant_first():
    k = np.array([[5, -128, -1], [0, 1, 64]])
    planes = planes_of(PAPER, k)
    weights = [-128, 64, 32, 16, 8, 4, 2, 1]
    for key, bits in zip(k.tolist(), planes, strict=True):
        found = [sum(w * (plane >> n & 1) for w, plane in zip(weights, bits, strict=True)) for n in range(3)]
        assert found == key


def test_a_held_row_takes_less_for_masked_keys():
    pytest.importorskip("coloquinte")
    config = PAPER.override(rows=8, columns=64, softmax_lanes=1)
    design = synthesize(HeldRow(config), load(default_liberty()))
    played = PlayedUnit(HeldRow(config), design, row_of="ip_cim")
    rng = np.random.default_rng(1)
    q, k = rng.integers(-127, 128, 64), rng.integers(-127, 128, (24, 64))
    yes, least = np.ones(24, bool), np.zeros(24, np.int64)
    seen, masked = (
        played.energy(key_table(config, [PlayedRow(q, k, visible, ~yes, least)], held=True), 2.5)
        for visible in (yes, ~yes)
    )
    assert seen.wires > 0.05 * seen.total
    assert seen.glitches > 0
    assert masked.total < 0.3 * seen.total


def test_stored_figures():
    assert {model: tuple(heads) for model, heads in STORED["heads"].items()} == HEADS
    row, held, nibbles = (fj(STORED, name) for name in ("row", "held row", "nibble row"))
    assert row < held < nibbles
    assert masked_fj(STORED) < 0.15 * held
    assert fj(STORED, "nibble row, halved") < fj(STORED, "nibble row, exact") < row
    assert nibble_row_fj(STORED, 0) == nibbles
    shares = [heads["frozen"]["exact"] for each in STORED["heads"].values() for heads in each.values()]
    assert nibble_row_fj(STORED, float(np.mean(shares))) == pytest.approx(fj(STORED, "nibble row, exact"), rel=0.02)
    assert all(each["wrong"] < 1e-7 for one in STORED["lengths"]["keys"].values() for bounds in one.values()
               for each in bounds.values())  # fmt: skip
    areas = [STORED["units"][name]["um2"] for name in ("row", "held row", "nibble row")]
    assert areas == sorted(areas)


def test_the_engine_of_the_cost_table():
    engine = COST["table"]["hybrid engine"]["measured"]
    assert engine_fj(COST, 4096) == pytest.approx(4 * engine["fj_per_operation"], rel=1e-3)
    assert engine_fj(COST, 8192) == engine_fj(COST, 4096) < engine_fj(COST, 512)


def test_tables():
    assert len(rows_table(STORED).splitlines()) == 5
    assert len(masked_table(STORED, COST).splitlines()) == 8
    assert len(frozen_table(STORED, COST).splitlines()) == 14
    assert len(error_table(STORED).splitlines()) == 3 + 3 * len(BOUNDS)
    assert len(choices_table(STORED, COST).splitlines()) == 12
