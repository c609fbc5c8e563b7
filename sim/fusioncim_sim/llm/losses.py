"""What attention in the engine's arithmetic does to a language model: next-token losses and distributions, in pairs.

Every window of the text goes through the model once per way of computing attention. On the same tokens, with P the
float model's distribution and Q the other's:

    difference     mean of -ln Q(next) + ln P(next), with a 95 % interval
    perplexity     exp of the mean of -ln Q(next)
    KL             mean of sum P ln(P / Q), nats
    top-1          share of positions at which P and Q have the same most likely token

The interval is 1.96 standard errors of the means over segments of SEGMENT tokens, which may be taken as independent;
neighbouring tokens may not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusioncim.build.workers import run_all
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_sim.llm.attention_ways import parts_of_error
from fusioncim_sim.llm.language_model import Source, load_model

SEGMENT = 128
ROWS = 128
"""Positions whose distributions are held at a time."""

BATCH = 6
"""Ways in one piece of work: each piece runs the references anew."""

Losses = NDArray[np.float64]


@dataclass(frozen=True)
class Compared:
    """One window, per position.

    Members:
        loss: with this attention
        reference: loss with that of the reference
        kl: KL divergence from the reference
        agree: 1 where the most likely tokens are the same, else 0
    """

    loss: Losses
    reference: Losses
    kl: Losses
    agree: Losses


@dataclass(frozen=True)
class Quality:
    """All windows together; losses and KL in nats.

    Members:
        tokens: how many were predicted
        perplexity: with this attention
        reference_perplexity: with that of the reference
        difference: of the mean losses
        interval: half of its 95 % interval
        kl: mean KL divergence from the reference
        top1: share of positions with the same most likely token
    """

    tokens: int
    perplexity: float
    reference_perplexity: float
    difference: float
    interval: float
    kl: float
    top1: float


def evaluate(
    source: Source,
    windows: NDArray[np.int64],
    ways: Mapping[str, Any],
    references: Sequence[str],
    *,
    jobs: int,
    title: str = "quality",
) -> dict[str, dict[str, Quality]]:
    """Every way against every reference: result[way][reference].

    The reference `float` is the model's own attention; others are among the first BATCH ways, before those that they
    are compared with.
    """
    names = list(ways)
    batches = [names[n : n + BATCH] for n in range(0, len(names), BATCH)]
    work = {
        f"window {n + 1} of {len(windows)}, batch {m + 1} of {len(batches)}": partial(
            evaluate_window, source, window, {name: ways[name] for name in batch}, references
        )
        for n, window in enumerate(windows)
        for m, batch in enumerate(batches)
    }
    done = list(run_all(work, jobs=jobs, title=title).values())
    merged = [
        {name: each for part in done[n : n + len(batches)] for name, each in part.items()}
        for n in range(0, len(done), len(batches))
    ]
    return {
        name: {reference: summarize([each[name][reference] for each in merged]) for reference in merged[0][name]}
        for name in ways
    }


def evaluate_window(
    source: Source, window: NDArray[np.int64], ways: Mapping[str, Any], references: Sequence[str]
) -> dict[str, dict[str, Compared]]:
    """One window, in one thread: processes of their own share the cores better than threads in small operations do."""
    import torch

    torch.set_num_threads(1)
    model = load_model(source)
    tokens = torch.from_numpy(window)[None]
    known = {"float": logits(model, None, tokens)} if "float" in references else {}
    result: dict[str, dict[str, Compared]] = {}
    for name, attention in ways.items():
        own = logits(model, attention, tokens)
        result[name] = {reference: compare(own, known[reference], tokens[0, 1:]) for reference in known}
        if name in references:
            known[name] = own
    return result


def logits(model: Any, attention: Any, tokens: Any) -> Any:
    """Next-token logits [tokens - 1, vocabulary] with an attention, None for the model's own."""
    import torch

    from fusioncim_golden.pytorch.huggingface import check_model, register

    check_model(model.config)
    calls: list[int] = []

    def counted(module: Any, *arguments: Any, **rest: Any) -> Any:
        calls.append(module.layer_idx)
        return attention(module, *arguments, **rest)

    if attention is None:
        model.set_attn_implementation("sdpa")
    else:
        register("fusioncim-evaluated", counted)
        model.set_attn_implementation("fusioncim-evaluated")
    with torch.inference_mode():
        out = model(tokens, use_cache=False).logits[0, :-1]
    layers = model.config.num_hidden_layers
    if attention is not None and len(calls) != layers:
        raise InputError(
            f"all layers of a model must attend through transformers' interface: {layers}, not {len(calls)} of "
            f"{model.config.model_type}"
        )
    return out


def compare(own: Any, reference: Any, targets: Any) -> Compared:
    """Logits [positions, vocabulary] of two models and the tokens that follow."""
    import torch

    parts = []
    for start in range(0, len(targets), ROWS):
        rows = slice(start, start + ROWS)
        q, p = (torch.log_softmax(x[rows].float(), dim=-1) for x in (own, reference))
        target = targets[rows, None]
        kl = (p.exp() * (p - q)).sum(dim=-1)
        agree = p.argmax(dim=-1) == q.argmax(dim=-1)
        parts.append((-q.gather(1, target)[:, 0], -p.gather(1, target)[:, 0], kl, agree))
    return Compared(*(torch.cat(each).double().numpy() for each in zip(*parts, strict=True)))


def summarize(parts: Sequence[Compared]) -> Quality:
    """Windows to figures."""
    loss, reference, kl, agree = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("loss", "reference", "kl", "agree")
    )
    if not np.isfinite(loss).all():
        raise InputError(f"losses must be finite, but {np.count_nonzero(~np.isfinite(loss))} of {len(loss)} are not")
    segments = [
        piece.mean()
        for part in parts
        for piece in np.array_split(part.loss - part.reference, max(len(part.loss) // SEGMENT, 1))
    ]
    error = np.std(segments, ddof=1) / np.sqrt(len(segments)) if len(segments) > 1 else np.inf
    return Quality(
        tokens=len(loss),
        perplexity=float(np.exp(loss.mean())),
        reference_perplexity=float(np.exp(reference.mean())),
        difference=float((loss - reference).mean()),
        interval=float(1.96 * error),
        kl=float(kl.mean()),
        top1=float(agree.mean()),
    )


def quality_report(source: Source, windows: NDArray[np.int64], config: Config, jobs: int) -> dict[str, Any]:
    """A configuration on a text, as JSON data."""
    done = evaluate(source, windows, parts_of_error(config), ("float",), jobs=jobs)
    return {
        "model": source.name,
        "config": config.as_dict(),
        "window": int(windows.shape[1]),
        "windows": len(windows),
        "ways": {name: plain(each["float"]) for name, each in done.items()},
    }


def plain(quality: Quality) -> dict[str, float]:
    """As JSON data, without digits that mean nothing."""
    digits = {"tokens": 0, "perplexity": 3, "reference_perplexity": 3, "top1": 5, "kl": 9}
    return {name: round(value, digits.get(name, 6)) for name, value in asdict(quality).items()}
