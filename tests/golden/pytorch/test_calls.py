"""What a call says beside its tensors: packed sequences by their ends, windows without a mask, and paged caches."""

from itertools import pairwise

import numpy as np
import pytest
import torch
import transformers

from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, FULL, Mask
from fusioncim_golden.pytorch import huggingface as hf

SIZES = {
    "vocab_size": 99,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
}


class Encoder(torch.nn.Identity):
    is_causal = False


def attend(queries, keys=None, module=torch.nn.Identity, mask=None, **rest):
    """Query, keys and values, and what the attention makes of them, [heads, queries, columns]."""
    shapes = (4, queries), (2, keys or queries), (2, keys or queries)
    parts = [torch.randn(1, *n, 32, generator=torch.Generator().manual_seed(n[0])) for n in shapes]
    out, _ = hf.Attention()(module().eval(), *parts, mask, **rest)
    return [x[0].numpy() for x in parts], out[0].transpose(0, 1).numpy()


def ends(*lengths):
    return torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0)


def parts_of(queries, keys, **rest):
    """Sequences that follow each other."""
    return [
        (np.arange(*q), np.arange(*k), rest)
        for q, k in zip(pairwise(ends(*queries).tolist()), pairwise(ends(*keys).tolist()), strict=True)
    ]


@pytest.mark.parametrize("kind", [torch.nn.Identity, Encoder])
def test_ends_part_packed_sequences(kind, expected_of_batch):
    lengths = ends(7, 1, 12)
    tensors, out = attend(20, module=kind, cu_seq_lens_q=lengths, cu_seq_lens_k=lengths)
    parts = parts_of((7, 1, 12), (7, 1, 12), mask=FULL if kind is Encoder else CAUSAL)
    assert out == pytest.approx(expected_of_batch(*tensors, 32**-0.5, parts), rel=1e-6, abs=1e-12)


def test_ends_may_be_those_of_longer_caches(expected_of_batch):
    tensors, out = attend(9, 30, cu_seq_lens_q=ends(4, 0, 5), cu_seq_lens_k=ends(12, 2, 16))
    parts = [part for part in parts_of((4, 0, 5), (12, 2, 16)) if len(part[0])]
    # Keys that no sequence sees are no part of it, so that these do not count for its scales either.
    assert out == pytest.approx(expected_of_batch(*tensors, 32**-0.5, parts), rel=1e-6, abs=1e-12)


def test_queries_before_the_first_key_of_their_sequence_see_nothing(expected_of_batch):
    tensors, out = attend(9, 8, cu_seq_lens_q=ends(5, 4), cu_seq_lens_k=ends(3, 5))
    parts = [(np.arange(2, 5), np.arange(3), {}), (np.arange(5, 9), np.arange(3, 8), {})]
    assert out == pytest.approx(expected_of_batch(*tensors, 32**-0.5, parts), rel=1e-6, abs=1e-12)
    assert not out[:, :2].any()


@pytest.mark.parametrize("window", [6, None])
def test_ends_part_what_a_mask_shows(window, expected_of_batch):
    place = torch.arange(20)
    mask = (place[:, None] >= place) & (place[:, None] - place < (window or 20))
    tensors, out = attend(20, mask=mask[None, None], cu_seq_lens_q=ends(7, 13), cu_seq_lens_k=ends(7, 13))
    parts = parts_of((7, 13), (7, 13), mask=Mask(window=window) if window else CAUSAL)
    assert out == pytest.approx(expected_of_batch(*tensors, 32**-0.5, parts), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(("kind", "mask"), [(torch.nn.Identity, Mask(window=6)), (Encoder, Mask(window=6, ahead=5))])
def test_a_window_needs_no_mask(kind, mask, expected):
    tensors, out = attend(30, module=kind, sliding_window=6)
    assert out == pytest.approx(expected(*tensors, 32**-0.5, mask=mask), rel=1e-6, abs=1e-12)


BAD = {
    "one alone": ({"cu_seq_lens_q": ends(20)}, "must come together, with a batch of 1, not 1"),
    "not all tokens": (
        {"cu_seq_lens_q": ends(19), "cu_seq_lens_k": ends(20)},
        r"cu_seq_lens_q must rise from 0 to the tokens = 20, not \[0, 19\]",
    ),
    "not from 0": (
        {"cu_seq_lens_q": ends(20), "cu_seq_lens_k": ends(20)[1:]},
        r"cu_seq_lens_k must rise from 0 to the tokens = 20, not \[20\]",
    ),
    "falling": ({"cu_seq_lens_q": torch.tensor([0, 12, 9, 20]), "cu_seq_lens_k": ends(20)}, "cu_seq_lens_q must rise"),
    "of other numbers": (
        {"cu_seq_lens_q": ends(9, 11), "cu_seq_lens_k": ends(20)},
        "cu_seq_lens_k must be 3 numbers as cu_seq_lens_q, not 2",
    ),
    "another cache": ({"cache": object()}, "a paged cache must be that of transformers' continuous batching"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options_are_refused(name):
    options, message = BAD[name]
    with pytest.raises(InputError, match=message) as caught:
        attend(20, **options)
    assert "\n" not in str(caught.value)


def test_ends_are_those_of_a_batch_of_one():
    q, k = torch.randn(2, 2, 6, 32), torch.randn(2, 2, 6, 32)
    with pytest.raises(InputError, match="with a batch of 1, not 2"):
        hf.Attention()(torch.nn.Identity().eval(), q, k, k, None, cu_seq_lens_q=ends(12), cu_seq_lens_k=ends(12))


KINDS = {
    "llama": (transformers.LlamaConfig, {}, [CAUSAL] * 2),
    "gemma3": (
        transformers.Gemma3TextConfig,
        {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 8},
        [Mask(window=8), CAUSAL],
    ),
}


@pytest.fixture
def pages(monkeypatch):
    """What every call reads from its pages, as it is then."""
    found, read = [], hf.from_pages

    def watched(module, key, value, rest):
        keys, values = read(module, key, value, rest)
        found.append((keys[0].numpy().copy(), values[0].numpy().copy(), bounds(rest), rest.get("sliding_window")))
        return keys, values

    def bounds(rest):
        return tuple(rest[f"cu_seq_lens_{each}"].tolist() for each in "qk")

    monkeypatch.setattr(hf, "from_pages", watched)
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", KINDS)
def test_continuous_batching_reads_keys_from_pages(name, pages, recorded, expected_of_batch):
    kind, options, masks = KINDS[name]
    torch.manual_seed(1)
    config = kind(**SIZES | options)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="recorded").eval()
    prompts = [torch.randint(1, 99, (n,)).tolist() for n in (11, 5, 21)]
    chosen = transformers.GenerationConfig(max_new_tokens=6, do_sample=False, eos_token_id=-1, pad_token_id=0)
    made = model.generate_batch(prompts, generation_config=chosen, progress_bar=False)
    assert [len(each.generated_tokens) for each in made.values()] == [6] * 3
    scale = getattr(config, "query_pre_attn_scalar", 32) ** -0.5
    assert len(pages) == len(recorded) == 12
    for n, ((keys, values, ends, window), (query, _, _, out)) in enumerate(zip(pages, recorded, strict=True)):
        mask = masks[n % 2]
        assert window == (None if mask == CAUSAL else mask.window)
        lengths = [np.diff(each).tolist() for each in ends]
        assert sum(lengths[0]) == query.shape[2] == (37 if n < 2 else 3)
        parts = parts_of(*lengths, mask=mask)
        same = expected_of_batch(query[0].numpy(), keys, values, scale, parts)
        assert out[0].numpy().swapaxes(0, 1) == pytest.approx(same, rel=1e-6, abs=1e-12)
        if mask == CAUSAL:
            assert sorted(lengths[1]) == [each + n // 2 for each in (5, 11, 21)]


def test_other_implementations_are_still_asked_for_by_continuous_batching():
    model = transformers.AutoModelForCausalLM.from_config(
        transformers.LlamaConfig(**SIZES), attn_implementation="flex_attention"
    )
    with pytest.raises(ValueError, match="flex_attention is not supported for continuous batching"):
        model.init_continuous_batching()
