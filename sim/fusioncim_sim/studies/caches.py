"""What quantized caches do to a language model that reads (caches.json).

Parts: `causal`, every cache; `window`, some with a sliding window; `alibi`, these with slopes on the scores.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.quality.tables import row_of
from fusioncim_sim.studies.study import Request, Stored, Study, Table, read
from fusioncim_sim.studies.targets import targets_table as of_targets

SIZE = (1024, 10)
"""Length and number of windows of the text."""
PARTS = ("causal", "window", "alibi")
WORDS: Mapping[str, str] = {
    "causal": "{tokens:,} in windows of {window_tokens:,}",
    "window": "the same, each query sees {sliding} keys",
    "alibi": "the same, with ALiBi",
}
WORSE = 0.005
"""Nats by which a cache in INT8 per token may be worse than operands that are quantized anew."""
FILE = "caches"
BASE, PER_TOKEN = "INT8 per head, equalized, recomputed", "INT8 per token"
"""The rows of `llm.caches` that are held against each other."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Part by part; those that the file has already stay."""
    from fusioncim_golden.pytorch.huggingface import Attention
    from fusioncim_sim.llm.caches import SLIDING, measure_part
    from fusioncim_sim.llm.language_model import find_model, text_of, tokenize, windows

    for part in request.parts:
        if part not in PARTS:
            raise InputError(f"the parts are {', '.join(PARTS)}, not {part}")
    source, chip = find_model(request.model), PRESETS["paper"]
    tokens = tokenize(source, text_of(None))
    every, chosen = windows(tokens, SIZE[0], None), windows(tokens, *SIZE)
    text = next(one for one in every if not (one == chosen).all(axis=1).any())
    attention = Attention(chip.engine, engines=chip.engines)
    stored: dict[str, Any] = {
        "model": source.name,
        "tokens": int(chosen[:, 1:].size),
        "window_tokens": SIZE[0],
        "sliding": SLIDING,
    }
    if (request.output / f"{FILE}.json").exists():
        stored = read(request.output, FILE) | stored
    for part in request.parts or PARTS:
        stored = {**stored, part: measure_part(part, source, chosen, text, attention, request.jobs)}
        yield f"{FILE}.json", stored


def caches_table(caches: Stored) -> str:
    """Every cache against the float attention of its part."""
    rows = [
        ("text", "K and V", "difference of mean losses, nats", "KL, nats", "same most likely token"),
        ("---", "---", "---:", "---:", "---:"),
    ]
    for part in PARTS:
        for name, one in caches.get(part, {}).items():
            rows.append((WORDS[part].format(**caches), name, *row_of(one)))
    return markdown(rows)


def targets_table(caches: Stored) -> str:
    """What was asked of caches, and what is reached."""
    recomputed, per_token = (caches["causal"][name]["difference"] for name in (BASE, PER_TOKEN))
    name = f"{caches['model']}, {caches['tokens']:,} tokens: a cache in INT8 per token"
    worse = f"{per_token - recomputed:+.5f} nats"
    return of_targets([(f"{name}, mean loss against operands quantized anew", f"{WORSE} nats at most", worse)])


STUDY = Study(
    files={f"{FILE}.json": ("model", "causal")},
    measure=measure,
    tables=[
        Table("docs/quality.md", "caches", caches_table, [FILE]),
        Table("docs/measured.md", "caches", targets_table, [FILE]),
    ],
    show=caches_table,
)
