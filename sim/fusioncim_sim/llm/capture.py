"""Captures real attention heads: Q, K and V, after the rotary embedding, of a language model that reads a novel.

The text is the opening of Moby-Dick. All query heads are measured, and contrasting ones are stored, by the rules of
`select_heads`. The heads that come with the package are of SmolLM2-135M-Instruct and Qwen2.5-Coder-1.5B-Instruct.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusioncim.build.workers import run_all
from fusioncim_golden.config import check_choice
from fusioncim_golden.errors import InputError
from fusioncim_sim.heads.head_statistics import Floats, HeadPlace, HeadStatistics, head_statistics, select_heads
from fusioncim_sim.heads.read import fixture
from fusioncim_sim.llm.language_model import Source, load_model, tokenize

TEXT = fixture().parent / "moby_dick_excerpt.txt"
TOKENS = 512  # length of the stored heads

Halves = NDArray[np.float16]


class Attention(NamedTuple):
    """Inputs of one attention head after the rotary embedding: q, k and v, each float32 [tokens, dimension]."""

    q: Floats
    k: Floats
    v: Floats


class Layers(NamedTuple):
    """Query heads by layer, and how many of them share a key-value head."""

    heads: list[list[Attention]]
    group: int

    def members(self, place: HeadPlace) -> list[Attention]:
        """The query heads that share k and v with one."""
        layer, head = place
        first = head - head % self.group
        return self.heads[layer][first : first + self.group]


def run_model(source: Source, text: str, tokens: int) -> Layers:
    """Q, K and V of every query head over the first `tokens` tokens of `text`.

    The tokenizer adds no begin-of-text token, so key 0 is a piece of the first word. Query heads that share a key-value
    head have the same arrays k and v. The scale 1/sqrt(dimension) is not applied.
    """
    import torch
    import transformers

    heads: list[list[Attention]] = []
    groups: set[int] = set()

    def record(
        module: Any, query: Any, key: Any, value: Any, attention_mask: Any, *, scaling: float, **kwargs: Any
    ) -> tuple[Any, None]:
        q, k, v = (x[0].float().numpy().copy() for x in (query, key, value))
        heads.append([Attention(q[h], k[h * len(k) // len(q)], v[h * len(v) // len(q)]) for h in range(len(q))])
        groups.add(len(q) // len(k))
        attend = torch.nn.functional.scaled_dot_product_attention
        output = attend(query, key, value, is_causal=True, scale=scaling, enable_gqa=True)
        return output.transpose(1, 2), None

    ids = tokenize(source, text)[:tokens]
    if len(ids) < tokens:
        raise InputError(f"the text must have at least {tokens} tokens, not {len(ids)}")
    model = load_model(source)
    transformers.AttentionInterface.register("record", record)
    model.set_attn_implementation("record")
    with torch.inference_mode():
        model(torch.from_numpy(ids)[None], use_cache=False)
    if len(groups) != 1:
        raise InputError(f"all layers must have as many query heads per key-value head, not {sorted(groups)}")
    return Layers(heads, groups.pop())


def write_heads(
    path: Path, source: Source, wanted: Sequence[str] = (), prefix: str = ""
) -> tuple[Mapping[str, HeadPlace], Mapping[HeadPlace, HeadStatistics]]:
    """Write NAME_q, NAME_k, NAME_v and NAME_range of heads of `select_heads`, float16 [512, dimension].

    wanted: names of `select_heads`, all of them if none is given. NAME begins with the prefix. NAME_range is that of
    `heads.read`.

    Returns the heads by name, and the statistics of all heads. The bytes depend on the arrays only: NumPy dates every
    member of the archive 1980-01-01.
    """
    work = partial(run_model, source, TEXT.read_text(encoding="utf-8"), TOKENS)
    (model,) = run_all({source.name: work}, jobs=1, title="capture").values()
    statistics = {
        (layer, head): head_statistics(attention.q, attention.k)
        for layer, heads in enumerate(model.heads)
        for head, attention in enumerate(heads)
    }
    found = select_heads(statistics, model.group)
    for name in wanted:
        check_choice("the captured head", name, tuple(found))
    names = {f"{prefix}{name}": place for name, place in found.items() if not wanted or name in wanted}
    arrays: dict[str, Any] = {}
    for name, (layer, head) in names.items():
        parts = model.heads[layer][head]._asdict()
        arrays |= {f"{name}_{part}": array.astype(np.float16) for part, array in parts.items()}
        arrays[f"{name}_range"] = range_of_group(model.members((layer, head)))
    np.savez_compressed(path, **arrays)
    return names, statistics


def range_of_group(members: Sequence[Attention]) -> Halves:
    """The largest magnitude in the queries of heads, up to and including each token, of what is stored of them."""
    largest = np.abs(np.stack([each.q.astype(np.float16) for each in members])).max(axis=0)
    so_far: Halves = np.maximum.accumulate(largest, axis=0)
    return so_far
