"""Heads on the library of a chip: grouped, batched, and every bit judged."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.status import Status
from fusioncim_sim.heads.read import Head
from fusioncim_sim.library import head_run
from fusioncim_sim.library.head_run import run_heads
from fusioncim_sim.screen.chip_heads import chip_page

pytestmark = pytest.mark.timeout(1200)  # it may compile a chip

TINY = PRESETS["tiny"]


def head(name, seed, queries=6, keys=9, dimension=16, like=None, sequences=()):
    rng = np.random.default_rng(seed)
    q, k, v = (rng.normal(size=(n, dimension)) for n in (queries, keys, keys))
    return Head(name, q, like.k if like else k, like.v if like else v, sequences=sequences)


A = head("a", 1)
HEADS = [
    A,
    head("alone", 2, 12, 12),
    head("narrow", 3, dimension=8),
    head("same keys", 4, like=A),
    head("batch", 5, 9, 16, sequences=((4, 7), (1, 3), (4, 6))),
    head("decode", 6, 2, 20, dimension=10),
]


@pytest.fixture(scope="module")
def found():
    return run_heads(TINY, HEADS)


def test_every_head_is_bit_exact(found):
    assert found.good
    assert [one.name for one in found.heads] == [one.name for one in HEADS]
    assert [(one.job, one.bit_exact, one.mismatches) for one in found.heads] == [
        (n, True, 0) for n in (0, 1, 2, 0, 3, 4)
    ]
    assert found.jobs == [[["a", "same keys"]], [["alone"]], [["narrow"]], [["batch"]], [["decode"]]]
    assert all(one.sqnr_integers_db > 40 for one in found.heads)
    assert [len(image.work.parts) for image in found.run.images] == [1, 1, 1, 3, 1]
    assert [(one.dimension, one.outputs) for one in found.heads[-2:]] == [(16, 9 * 16), (10, 2 * 16)]


def test_the_report_has_the_figures(found):
    report = found.report(TINY)
    assert report["config"] == TINY.as_dict()
    assert report["jobs"][3] == {
        "groups": [["batch"]], "queries": 9, "keys": 16, "sequences": 3, "status": "OK",
    }  # fmt: skip
    assert report["cycles"] > report["counters"]["cycles"] > 0
    assert report["cycles_per_second"] == pytest.approx(report["cycles"] / report["seconds"], rel=0.1)
    console = Console(record=True, width=200)
    chip_page(console, found)
    shown = console.export_text()
    assert "all 144" in shown
    assert f"{report['cycles']:,} cycles in" in shown
    assert "NO" not in shown


def changed(run, *, bit=0, status=Status.OK, stray=0):
    outputs = [out.copy() for out in run.outputs]
    outputs[0][1, 2, 3] ^= bit
    return replace(run, outputs=outputs, statuses=[status, *run.statuses[1:]], stray=stray)


BROKEN = {
    "a bit": ({"bit": 1}, "NO, 1 of 96 differ"),
    "a status": ({"status": Status.READ_ERROR}, f"NO: job 0 failed: {Status.READ_ERROR.words}."),
    "a stray byte": ({"stray": 5}, "NO: 5 bytes outside of the outputs were changed."),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_seen(case, found, monkeypatch):
    changes, said = BROKEN[case]
    monkeypatch.setattr(head_run, "run_jobs", lambda *_, **__: changed(found.run, **changes))
    broken = run_heads(TINY, HEADS)
    assert not broken.good
    assert [one.bit_exact for one in broken.heads] == [True, True, True, case != "a bit", True, True]
    console = Console(record=True, width=200)
    chip_page(console, broken)
    assert said in console.export_text()


def test_full_heads_see_all_keys(found):
    full = run_heads(TINY, HEADS, causal=False)
    assert full.good
    assert all(np.any(one != other) for one, other in zip(full.run.outputs, found.run.outputs, strict=True))


def test_a_library_of_another_chip_is_refused(tmp_path):
    with pytest.raises(InputError, match="the library of the chip must be a file, not"):
        run_heads(TINY, HEADS, library=tmp_path / "none.so")
