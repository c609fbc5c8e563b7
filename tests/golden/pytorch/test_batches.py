"""Kinds of batches through the backend: every bit of the golden model's batch, and near eager attention in float."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from transformers.models.llama.modeling_llama import eager_attention_forward

from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask
from fusioncim_golden.presets import preset
from fusioncim_golden.pytorch import huggingface as hf
from fusioncim_golden.pytorch.masks import OFFSET

CONFIGS = {
    "paper": (hf.DEFAULT_CONFIG, 1),
    "engines": (hf.DEFAULT_CONFIG.override(schedule="folded", rows=4, softmax_lanes=1, update_rank=4, slack=0), 3),
    "seed": (preset("tiny").engine.override(seed=True, columns=64, softmax_lanes=4), 2),
    "INT4": (hf.DEFAULT_CONFIG.override(operand_bits=4, softmax_lanes=32), 1),
}


@dataclass
class Kind:
    """What a model hands over, and the sequences that a reader of it sees.

    Members:
        mask: bool [batch, queries, keys].
        parts: of each row of the batch its sequences, as of `batch_outputs`.
        offset: position of the first query, if the mask knows it.
        rest: beside the tensors.
    """

    mask: Any
    parts: list[list[Any]]
    offset: int | None = None
    rest: dict[str, Any] = field(default_factory=dict)


def part(queries, keys, mask=CAUSAL, start=None, intervals=None):
    return np.array([*queries]), np.array([*keys]), {"mask": mask, "start": start, "intervals": intervals}


def causal(queries, keys=None):
    """Bool [1, queries, keys]: the last query is at the last key."""
    keys = keys or queries
    return np.tril(np.ones((1, queries, keys), dtype=bool), keys - queries)


def kept(mask, *rows):
    """The mask of a batch that shows these keys alone, a row of the batch each."""
    shown = np.zeros((len(rows), 1, mask.shape[2]), dtype=bool)
    for row, keys in enumerate(rows):
        shown[row, 0, [*keys]] = True
    return mask & shown


def packed(lengths, total, seen=CAUSAL):
    """Bool [1, total, total] of sequences that follow each other, and these."""
    mask, parts, first = np.zeros((1, total, total), dtype=bool), [], 0
    for n in lengths:
        low, high = seen.interval(np.arange(n), n)
        place = np.arange(n)
        own = slice(first, first + n)
        mask[0, own, own] = (low[:, None] <= place) & (place < high[:, None])
        parts.append(part(range(first, first + n), range(first, first + n), seen))
        first += n
    return mask, [parts]


def spans(low, high, *images):
    """The intervals, where every image of [first, last) sees itself."""
    for first, last in images:
        low[first:last], high[first:last] = np.minimum(low[first:last], first), np.maximum(high[first:last], last)
    return np.stack([low, high], axis=1)


def shown(table, keys):
    """Bool [1, queries, keys] of intervals."""
    place = np.arange(keys)
    return ((table[:, :1] <= place) & (place < table[:, 1:]))[None]


def with_images(window, ahead, *images):
    """Text of 30 tokens; ahead: what the longest image needs."""
    table = spans(*Mask(window=window).interval(np.arange(30), 30), *images)
    return Kind(shown(table, 30), [[part(range(30), range(30), Mask(window=window, ahead=ahead), intervals=table)]])


ONES = np.ones((1, 24, 24), dtype=bool)
NEW = [*range(10), *range(17, 20)]
IMAGES = with_images(EVERY, 5, (4, 10), (10, 13), (20, 24))
WINDOW_IMAGES = with_images(9, 5, (4, 10), (17, 21))
FALLING = np.array([[0, 6], [3, 4], [2, 8], [0, 3], [5, 8], [1, 2], [0, 8], [4, 7]])
MIXED = np.concatenate(
    [spans(*CAUSAL.interval(np.arange(14), 14), (3, 8)), 14 + np.stack(CAUSAL.interval(np.arange(9), 9), 1)]
)
KINDS = {
    "left padding": Kind(
        kept(causal(24), range(24), range(7, 24)),
        [[part(range(24), range(24))], [part(range(7, 24), range(7, 24))]],
        offset=0,
    ),
    "right padding": Kind(
        kept(causal(24), range(17), range(24), range(1)),
        [[part(range(17), range(17))], [part(range(24), range(24))], [part([0], [0])]],
        offset=0,
    ),
    "right padding before new tokens": Kind(
        kept(causal(3, 20), range(20), NEW), [[part(range(3), range(20))], [part(range(3), NEW)]], offset=17
    ),
    "a cache that is partly filled": Kind(
        np.pad(causal(5, 17), ((0, 0), (0, 0), (0, 15))), [[part(range(5), range(17))]], offset=12
    ),
    "the same, whoever made the mask": Kind(
        np.pad(causal(5, 17), ((0, 0), (0, 0), (0, 15))), [[part(range(5), range(17))]]
    ),
    "a shared prefix, padded behind and before": Kind(
        kept(causal(8, 24), range(21), [*range(16), *range(19, 24)]),
        [[part(range(5), range(21))], [part(range(3, 8), [*range(16), *range(19, 24)])]],
        offset=16,
    ),
    "a hole": Kind(
        kept(causal(24), [n for n in range(24) if n not in (7, 8, 15)]),
        [[part(*[[n for n in range(24) if n not in (7, 8, 15)]] * 2)]],
        offset=0,
    ),
    "packed": Kind(*packed((5, 9, 3), 20)),
    "packed, full": Kind(*packed((6, 11, 4), 21, FULL)),
    "packed with a window": Kind(*packed((10, 14), 24, Mask(window=4))),
    "packed in each row": Kind(
        np.concatenate([packed((5, 9, 3), 20)[0], packed((11, 2), 20)[0]]),
        [*packed((5, 9, 3), 20)[1], *packed((11, 2), 20)[1]],
    ),
    "packed beside an image": Kind(
        shown(MIXED, 23),
        [[part(range(14), range(14), Mask(ahead=4), intervals=MIXED[:14]), part(range(14, 23), range(14, 23))]],
    ),
    "images": IMAGES,
    "images and a window": WINDOW_IMAGES,
    "images behind padding": Kind(
        np.pad(IMAGES.mask, ((0, 0), (6, 0), (6, 0))),
        [[part(range(6, 36), range(6, 36), Mask(ahead=5), intervals=IMAGES.parts[0][0][2]["intervals"])]],
    ),
    "an encoder with holes": Kind(
        kept(ONES, [*range(3, 11), *range(13, 20)]), [[part(*[[*range(3, 11), *range(13, 20)]] * 2, FULL)]], offset=0
    ),
    "ends that fall": Kind(shown(FALLING, 8), [[part(range(8), range(8), Mask(window=7, ahead=5), intervals=FALLING)]]),
    "all before their own": Kind(np.tril(ONES, -1), [[part(range(1, 24), range(23))]]),
}


def tensors(kind, heads=4, kv_heads=2, columns=40):
    batch, queries, keys = kind.mask.shape
    return (
        torch.randn(batch, each, tokens, columns, generator=torch.Generator().manual_seed(n))
        for n, (each, tokens) in enumerate(((heads, queries), (kv_heads, keys), (kv_heads, keys)))
    )


def attended(kind, config, engines, mask, q, k, v):
    if mask is not None and kind.offset is not None:
        setattr(mask, OFFSET, kind.offset)
    module = torch.nn.Identity().eval()
    out, _ = hf.Attention(config, engines=engines)(module, q, k, v, mask, **kind.rest)
    return out.transpose(1, 2)


@pytest.mark.parametrize("chosen", CONFIGS)
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_the_golden_model(name, chosen, expected_of_batch):
    kind, (config, engines) = KINDS[name], CONFIGS[chosen]
    q, k, v = tensors(kind)
    out = attended(kind, config, engines, torch.from_numpy(kind.mask)[:, None], q, k, v)
    for row, parts in enumerate(kind.parts):
        same = expected_of_batch(*(x[row].numpy() for x in (q, k, v)), 40**-0.5, parts, config, engines)
        assert out[row].numpy() == pytest.approx(same, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_near_eager_attention(name):
    kind = KINDS[name]
    q, k, v = tensors(kind)
    out = attended(kind, *CONFIGS["paper"], torch.from_numpy(kind.mask)[:, None], q, k, v)
    module = torch.nn.Identity().eval()
    module.num_key_value_groups = 2
    added = torch.where(torch.from_numpy(kind.mask)[:, None], 0.0, torch.finfo(torch.float32).min)
    eager, _ = eager_attention_forward(module, q, k, v, added, 40**-0.5)
    for row, parts in enumerate(kind.parts):
        real = np.concatenate([queries for queries, *_ in parts])
        own, theirs = out[row][:, real], eager.transpose(1, 2)[row][:, real]
        assert (own - theirs).abs().max() < 0.02 * v.abs().max()
        assert not np.delete(out[row].numpy(), real, axis=1).any()


@pytest.mark.parametrize("columns", [8, 16, 24, 72, 104, 128, 136])
def test_a_head_dimension_may_be_any_multiple_of_eight(columns, expected_of_batch):
    kind = KINDS["packed"]
    q, k, v = tensors(kind, columns=columns)
    out = attended(kind, *CONFIGS["paper"], torch.from_numpy(kind.mask)[:, None], q, k, v)
    same = expected_of_batch(*(x[0].numpy() for x in (q, k, v)), columns**-0.5, kind.parts[0], CONFIGS["paper"][0])
    assert out[0].numpy() == pytest.approx(same, rel=1e-6, abs=1e-12)


def test_what_is_ahead_of_a_table_is_no_more_than_it_needs():
    from fusioncim_golden.pytorch.masks import masked

    (one,) = masked(torch.zeros(1, 1, 30, 8), torch.zeros(1, 1, 30, 8), torch.from_numpy(IMAGES.mask)[:, None])
    assert one.job.mask == Mask(window=EVERY, ahead=5)
