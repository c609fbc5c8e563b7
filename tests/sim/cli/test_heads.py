"""The same heads from every kind of file, in every command that takes them."""

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from fusioncim_sim.cli.app import app

TINY = ("--preset", "tiny", "--jobs", "1")
GOLDEN = (*TINY, "--simulator", "golden")
RNG = np.random.default_rng(1)
# Values that bfloat16 has, two query heads to a key and value head; a dimension that no chip has.
HEADS, KV_HEADS, QUERIES, KEYS, D = 4, 2, 3, 10, 13
ARRAYS = {
    name: RNG.normal(size=(heads, tokens, D)).astype(ml_dtypes.bfloat16)
    for name, heads, tokens in (("q", HEADS, QUERIES), ("k", KV_HEADS, KEYS), ("v", KV_HEADS, KEYS))
}
FLOATS = {name: x.astype(np.float32) for name, x in ARRAYS.items()}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with the heads in every kind of file; builds stay shared."""
    monkeypatch.setenv("FUSIONCIM_BUILD", str(Path("build").resolve()))
    monkeypatch.chdir(tmp_path)
    np.savez("plain.npz", **FLOATS)
    np.savez("bfloat16.npz", **ARRAYS)
    np.savez("swapped.npz", **{name: x.swapaxes(0, 1) for name, x in FLOATS.items()})
    np.savez("batch.npz", **{name: np.stack([x, x[::-1]]) for name, x in FLOATS.items()})
    save_file(FLOATS, "plain.safetensors")
    save_file(ARRAYS, "bfloat16.safetensors")
    save_file({f"layers.0.{name}": x for name, x in ARRAYS.items()}, "named.safetensors")
    for name, x in FLOATS.items():
        np.save(f"{name}.npy", x)
    return tmp_path


def fusioncim(*arguments):
    return CliRunner(env={"COLUMNS": None}).invoke(app, [*arguments], prog_name="fusioncim")


def heads_of(*arguments):
    """The heads of a run's JSON."""
    out = f"{arguments[0]}.json"
    result = fusioncim(*arguments, "--json", out)
    assert result.exit_code == 0, result.output
    return json.loads(Path(out).read_text(encoding="utf-8"))["heads"]


FILES = [
    ("bfloat16.npz",),
    ("plain.safetensors",),
    ("bfloat16.safetensors",),
    ("q.npy", "k.npy", "v.npy"),
    ("v.npy", "q.npy", "k.npy"),
    ("plain.npz", "--axes", "heads,tokens"),
    ("swapped.npz", "--axes", "tokens,heads"),
]


@pytest.mark.parametrize("files", FILES, ids=" ".join)
def test_every_kind_of_file_gives_the_same(files, place):
    expected = heads_of("simulate", "plain.npz", *GOLDEN)
    assert [head["name"] for head in expected] == ["head0", "head1", "head2", "head3"]
    assert {(head["queries"], head["keys"], head["dimension"]) for head in expected} == {(QUERIES, KEYS, D)}
    assert all(head["sqnr_integers_db"] > 40 and head["sqnr_floats_db"] > 25 for head in expected)
    assert heads_of("simulate", *files, *GOLDEN) == expected


def test_arrays_of_a_torch_file_give_the_same(place):
    torch = pytest.importorskip("torch")
    tensors = {name: torch.from_numpy(x).bfloat16() for name, x in FLOATS.items()}
    torch.save(tensors, "heads.pt")
    for name, x in tensors.items():
        torch.save(x, f"{name}.pt")
    expected = heads_of("simulate", "plain.npz", *GOLDEN)
    assert heads_of("simulate", "heads.pt", *GOLDEN) == expected
    assert heads_of("simulate", "q.pt", "k.pt", "v.pt", *GOLDEN) == expected


def test_names_and_batches_choose_heads(place):
    assert [
        head["name"] for head in heads_of("simulate", "named.safetensors", *GOLDEN, "--head", "layers.0.head2")
    ] == ["layers.0.head2"]
    found = heads_of("simulate", "batch.npz", *GOLDEN, "--head", "batch1")
    assert [head["name"] for head in found] == [f"batch1.head{n}" for n in range(HEADS)]
    expected = heads_of("simulate", "plain.npz", *GOLDEN)
    for mine, other in zip(found, expected[::-1], strict=True):
        assert mine | {"name": ""} == other | {"name": ""}


@pytest.mark.timeout(600)
def test_the_rtl_of_an_engine_takes_them(place):
    """Narrow heads with fewer queries than keys, bit for bit; what is used of the multipliers has no zeros in it."""
    expected = heads_of("simulate", "plain.npz", *GOLDEN, "--head", "head1")
    (head,) = heads_of("simulate", "plain.npz", *TINY, "--head", "head1")
    assert head["bit_exact"]
    assert head["outputs"] == QUERIES * 16
    assert head["utilization"] == pytest.approx(head["scores"] * D * 8 / (head["cycles"] * 8 * 16))
    rtl = ("bit_exact", "mismatches", "cycles", "active_cycles", "utilization", "cycles_per_vector")
    assert {name: x for name, x in head.items() if name not in rtl} == {
        name: x for name, x in expected[0].items() if name not in rtl
    }


def test_quality_says_where_the_errors_of_heads_are_from(place):
    found = heads_of("quality", "bfloat16.safetensors", *TINY)
    judged = heads_of("simulate", "plain.npz", *GOLDEN)
    for one, other in zip(found, judged, strict=True):
        assert (one["name"], one["dimension"]) == (other["name"], D)
        assert (one["engine"], one["arithmetic"]) == (other["sqnr_floats_db"], other["sqnr_integers_db"])
        assert one["operands"] > 25
    (full,) = heads_of("quality", "bfloat16.safetensors", *TINY, "--full", "--head", "head0")
    assert full["engine"] != found[0]["engine"]
    assert heads_of("quality", "bfloat16.safetensors", "--jobs", "1")[0]["dimension"] == D  # of the preset paper
    taken = fusioncim("quality", "plain.npz", *TINY, "--json", "simulate.json")
    assert "was not written by this command" in taken.stderr
    shown = fusioncim("quality", "q.npy", "k.npy", "v.npy", *TINY).stdout
    assert "quantized operands, float attention" in shown
    assert "head3" in shown
