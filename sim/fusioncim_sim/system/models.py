"""Attention layers of language models: heads, sizes, and which keys a token sees.

Latent attention is in its absorbed form (DeepSeek-V2, arXiv:2405.04434, section 2.1.2): the projections that lead up
from the latent vector are multiplied into the queries and out of the outputs, and all query heads share one "key", the
latent vector with its rotary part, whose first part is the value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fusioncim_golden.config import check_choice, check_range
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import DIMENSION_STEP, MAX_HEADS
from fusioncim_golden.mask import CAUSAL, FULL, Mask

MAX_LAYERS = 10_000


@dataclass(frozen=True, kw_only=True)
class Model:
    """The attention of a language model.

    Members:
        name, source: of the model.
        layers: so many, all alike.
        heads, kv_heads: query heads; key and value heads.
        key_size, value_size: elements of a key and of a value of a head.
        mask: which keys a token sees.
        latent: keys and values are one latent vector.
        sinks, slopes: query heads have learned sinks, slopes (ALiBi).
    """

    name: str
    layers: int
    heads: int
    kv_heads: int
    key_size: int
    value_size: int
    mask: Mask = CAUSAL
    latent: bool = False
    sinks: bool = False
    slopes: bool = False
    source: str

    def __post_init__(self) -> None:
        check_range("layers", self.layers, 1, MAX_LAYERS)
        check_range("heads", self.heads, 1, MAX_HEADS)
        check_range("kv_heads", self.kv_heads, 1, MAX_HEADS)
        if self.heads % self.kv_heads:
            raise InputError(f"kv_heads must divide heads = {self.heads}, not {self.kv_heads}")
        for name in ("key_size", "value_size"):
            check_range(name, getattr(self, name), 1, 1 << 16)

    def times(self, layers: int) -> "Model":
        """So many of these layers."""
        return replace(self, layers=layers)

    @property
    def looks_back(self) -> bool:
        """No token sees one behind it, so that a chunk of a prefill needs the keys up to its own alone."""
        return self.mask.ahead == 0


def _plain(name: str, layers: int, heads: int, kv_heads: int, size: int, source: str, *, mask: Mask = CAUSAL) -> Model:
    return Model(
        name=name, layers=layers, heads=heads, kv_heads=kv_heads, key_size=size, value_size=size, mask=mask,
        source=source,
    )  # fmt: skip


MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (
        _plain("llama3-8b", 32, 32, 8, 128, "The Llama 3 herd of models, arXiv:2407.21783, table 3"),
        _plain("llama3-70b", 80, 64, 8, 128, "The Llama 3 herd of models, arXiv:2407.21783, table 3"),
        _plain("llama2-7b", 32, 32, 32, 128, "Llama 2, arXiv:2307.09288; meta-llama/Llama-2-7b-hf, config.json"),
        _plain("gpt3-175b", 96, 96, 96, 128, "Language models are few-shot learners, arXiv:2005.14165, table 2.1"),
        _plain(
            "next-gpt",
            32,
            32,
            32,
            128,
            "NExT-GPT, arXiv:2309.05519: Vicuna 7B; before it the 256 patches that ImageBind makes of an image, seeing "
            "each other",
            mask=Mask(prefix=256),
        ),
        _plain("bert-base", 12, 12, 12, 64, "BERT, arXiv:1810.04805, section 3", mask=FULL),
        Model(
            name="deepseek-v3",
            layers=61,
            heads=128,
            kv_heads=1,
            key_size=512 + 64,
            value_size=512,
            latent=True,
            source="DeepSeek-V3, arXiv:2412.19437, section 4.2: latent dimension 512, rotary dimension 64",
        ),
    )
}


def model(name: str) -> Model:
    """The model of that name."""
    check_choice("model", name, (*MODELS, "a path of a config.json"))
    return MODELS[name]


def changed(this: Model, values: Mapping[str, Any]) -> Model:
    """The model with some numbers changed; None leaves one as it is."""
    given = {name: value for name, value in values.items() if value is not None}
    return replace(this, **given, name=f"{this.name}, changed") if given else this


def dimension_of(this: Model) -> int:
    """Elements of the queries and keys of a model's job, rounded up."""
    return -(-this.key_size // DIMENSION_STEP) * DIMENSION_STEP


def value_dimension_of(this: Model) -> int:
    """Elements of the values and outputs of a model's job, rounded up."""
    return -(-this.value_size // DIMENSION_STEP) * DIMENSION_STEP


def scores(this: Model, queries: int, start: int, keys: int) -> int:
    """Unmasked scores of a layer's job."""
    return this.heads * this.mask.pairs(start, queries, keys)


def most_keys(this: Model, queries: int, start: int, keys: int) -> int:
    """Most keys that a row of a layer's job sees."""
    low, high = this.mask.interval(np.arange(start, start + queries), keys)
    return int((high - low).max())
