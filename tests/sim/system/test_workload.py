"""Models and their jobs: sizes, padding, latent attention, bad input."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, FULL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.schedule import Job
from fusioncim_golden.status import Status
from fusioncim_sim.system.models import MODELS, changed, model, scores
from fusioncim_sim.system.workload import FORMATS, Cache, Phase, cache_of, job_of

PAPER = PRESETS["paper"]


def test_the_models_are_those_of_their_papers():
    sizes = {
        name: (each.layers, each.heads, each.kv_heads, each.key_size, each.value_size) for name, each in MODELS.items()
    }
    assert sizes == {
        "llama3-8b": (32, 32, 8, 128, 128),
        "llama3-70b": (80, 64, 8, 128, 128),
        "llama2-7b": (32, 32, 32, 128, 128),
        "gpt3-175b": (96, 96, 96, 128, 128),
        "next-gpt": (32, 32, 32, 128, 128),
        "bert-base": (12, 12, 12, 64, 64),
        "deepseek-v3": (61, 128, 1, 576, 512),
    }
    assert all(each.source for each in MODELS.values())
    assert [name for name, each in MODELS.items() if each.mask == FULL] == ["bert-base"]


def test_an_unknown_model():
    with pytest.raises(InputError, match=r"model must be one of llama3-8b, .*, not llama9"):
        model("llama9")


def test_a_model_by_numbers():
    this = changed(model("llama3-8b"), {"heads": 8, "kv_heads": 2, "key_size": 64, "value_size": 64, "layers": None})
    assert (this.layers, this.heads, this.kv_heads, this.key_size) == (32, 8, 2, 64)
    with pytest.raises(InputError, match="kv_heads must divide heads = 32, not 7"):
        changed(model("llama3-8b"), {"kv_heads": 7})
    assert changed(model("llama3-8b"), {"heads": None}) is model("llama3-8b")


PIECES = {
    "prefill": (Phase(tokens=10), [(0, 10)]),
    "chunks": (Phase(tokens=10, chunk=4), [(0, 4), (4, 4), (8, 2)]),
    "decode": (Phase(tokens=10, new=3), [(7, 3)]),
}


@pytest.mark.parametrize("name", PIECES)
def test_pieces(name):
    phase, expected = PIECES[name]
    assert phase.pieces() == expected


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"tokens": 0}, "tokens must be from 1 to 1048575, not 0"),
        ({"tokens": 1 << 20}, "tokens must be from 1 to 1048575, not 1048576"),
        ({"tokens": 8, "chunk": 0}, "chunk must be from 1 to 8, not 0"),
        ({"tokens": 8, "new": 9}, "new tokens must be from 1 to 8, not 9"),
        ({"tokens": 8, "new": 2, "chunk": 2}, "only one of chunk and new tokens"),
    ],
)
def test_bad_phases(values, text):
    with pytest.raises(InputError, match=text):
        Phase(**values)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "deepseek-v3"])
@pytest.mark.parametrize(("queries", "start"), [(1, 0), (200, 0), (3, 1000), (64, 65)])
def test_a_job_is_one_that_the_chip_takes(name, queries, start):
    this = model(name)
    job = job_of(PAPER, this, queries, start, start + queries).job
    job.check(PAPER)
    assert (job.heads, job.kv_heads, job.queries, job.keys) == (this.heads, this.kv_heads, queries, start + queries)
    assert job.dimension == this.key_size
    size = this.key_size * (queries * this.heads * 3 + 2 * (start + queries) * this.kv_heads)
    assert size <= job.scales < size + 4 * 256


@pytest.mark.parametrize("page_tokens", [None, 8, 64])
@pytest.mark.parametrize("sequences", [1, 3])
@pytest.mark.parametrize("name", ["llama3-8b", "bert-base"])
def test_batches_and_pages_are_jobs_that_the_chip_takes(name, sequences, page_tokens):
    this, cache = model(name), Cache(page_tokens=page_tokens)
    work = job_of(PAPER, this, 5, 95, 100, 2, cache, sequences)
    work.job.check(PAPER)
    assert work.statuses() == [Status.OK] * sequences
    assert [(each.queries, each.start, each.keys, each.mask) for each in work.parts] == [
        (5, 95, 100, this.mask)
    ] * sequences
    regions = sorted(work.job.operands(PAPER) + work.job.results(PAPER))
    assert all(end <= start for (_, end), (start, _) in pairwise(regions))
    if page_tokens:
        assert sorted(work.page_list) == list(range(sequences * -(-100 // page_tokens)))
        assert sequences == 1 or list(work.page_list) != sorted(work.page_list)


@pytest.mark.parametrize("page_tokens", [None, 8, 64])
@pytest.mark.parametrize("sequences", [1, 3])
@pytest.mark.parametrize("name", FORMATS)
def test_caches_of_every_format_are_jobs_that_the_chip_takes(name, sequences, page_tokens):
    chip = PAPER.override(token_scale_bits=8, alibi=True)
    this = replace(model("llama3-8b"), sinks=True, slopes=True)
    cache = cache_of(name, page_tokens)
    job = (work := job_of(chip, this, 5, 95, 100, 2, cache, sequences)).job
    job.check(chip)
    assert work.statuses() == [Status.OK] * sequences
    assert (job.kv_bits == 4, job.token_scales is not None) == ("int4" in name, "token" in name)
    assert job.key_bytes(chip) == job.k.pitch == (64 if "int4" in name else 128)
    assert job.sinks
    assert job.slopes
    # In pages the scales lie behind the keys of their page, else no two things share a byte.
    regions = job.operands(chip) + job.results(chip)
    if page_tokens and job.token_scales:
        keys = job.k.address + 2 * job.k.head_pitch
        assert job.token_scales.address == keys
        assert keys + job.token_scales.end(page_tokens, 2) - keys <= job.k.address + job.pages.k_pitch
        regions.remove(next(each for each in regions if each[0] == keys))
    assert all(end <= start for (_, end), (start, _) in pairwise(sorted(regions)))


def test_what_the_chip_has_not_is_refused():
    with pytest.raises(InputError, match=r"^scales per token need a chip with token_scale_bits = 1 or 8, not 0$"):
        job_of(PAPER, model("llama3-8b"), 1, 0, 1, cache=cache_of("int8-per-token", None))
    with pytest.raises(
        InputError, match=r"^llama3-8b has slopes \(ALiBi\): the chip must have alibi = true, not false$"
    ):
        job_of(PAPER, replace(model("llama3-8b"), slopes=True), 1, 0, 1)
    with pytest.raises(InputError, match=r"^cache must be one of int8, int8-per-token, int4, int4-per-token, not fp8$"):
        cache_of("fp8", None)


@pytest.mark.parametrize("tokens", [4, 12, 512])
def test_pages_that_the_chip_does_not_have(tokens):
    with pytest.raises(InputError, match=rf"keys of a page must be one of 8, 16, 32, 64, 128, 256, not {tokens}"):
        job_of(PAPER, model("llama3-8b"), 1, 0, 1, cache=Cache(page_tokens=tokens))


@pytest.mark.parametrize("sequences", [0, 1025])
def test_too_many_sequences(sequences):
    with pytest.raises(InputError, match=rf"sequences must be from 1 to 1024, not {sequences}"):
        Phase(tokens=1, sequences=sequences)


def test_latent_attention_reads_one_vector_as_key_and_value():
    wide = PAPER.override(columns=1024, bus_bits=512)
    job = job_of(wide, model("deepseek-v3"), 4, 96, 100).job
    job.check(wide)
    assert job.k == job.v
    assert (job.heads, job.kv_heads, job.dimension) == (128, 1, 576)


def test_vectors_that_the_arrays_cannot_hold():
    with pytest.raises(InputError, match=r"have 576 elements and columns must be at least as many, .* not 128"):
        job_of(PAPER, model("deepseek-v3"), 4, 0, 4)


def test_tensors_that_the_chip_cannot_address():
    with pytest.raises(InputError, match=r"must fit into the 4,294,967,296 bytes .* not take 8,053,064,064"):
        job_of(PAPER.override(address_bits=32), model("gpt3-175b"), 1 << 17, 0, 1 << 17)


@pytest.mark.parametrize(("queries", "start", "keys"), [(7, 0, 7), (4, 9, 13), (5, 0, 3), (6, 4, 7), (3, 8, 5)])
@pytest.mark.parametrize("mask", [CAUSAL, FULL, Mask(window=9), Mask(window=5, ahead=4), Mask(chunk=16)])
def test_unmasked_scores(queries, start, keys, mask):
    this = changed(model("llama3-8b"), {"mask": mask})
    job = Job(queries=queries, keys=keys, mask=mask, start=start)
    low, high = job.interval(np.arange(queries))
    seen = high - low
    assert scores(this, queries, start, keys) == this.heads * seen.sum()
