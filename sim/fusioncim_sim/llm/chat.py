"""A language model that answers prompts, every attention layer of prefill and decode computed by an engine.

    talk = prepared(model, prompts, chip, tokens=16, cache_tokens=512, text=text)
    with ChipModel(library, chip) as hardware:
        for step in talk.on_chip(hardware): ...

The engine is the chip's Verilog or the golden model; all else is PyTorch in float32. Both read the very same bytes of a
cache in the chip's memory (`paged_cache`), so that tokens and logits are equal bit for bit. All prompts are one batch:
a step passes the new tokens of all sequences, the first one the prompts, and the most likely token of each follows.

What is fixed of the cache comes from a text, see `calibration`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.errors import InputError
from fusioncim_golden.pytorch.calibration import calibrated
from fusioncim_golden.pytorch.huggingface import Attention, check_model, register
from fusioncim_sim.library.binding import ChipModel
from fusioncim_sim.llm.cache_places import CachePlaces, CacheShape, cache_places
from fusioncim_sim.llm.chat_layers import Watched, layers_of
from fusioncim_sim.llm.chip_engine import ChipEngine, CountingEngine, GoldenChip
from fusioncim_sim.llm.chip_work import ChipWork
from fusioncim_sim.llm.paged_cache import PagedSequences, paged_cache
from fusioncim_sim.system.cycles import Memory

NAME = "fusioncim-chat"
TEXT_SIGNS = 1000
"""Signs of the text from which the factors of a cache come, in the template of the prompts."""


@dataclass(frozen=True)
class Step:
    """New tokens of all sequences that take part have passed all layers.

    Members:
        sequences: which these are.
        tokens: of each, the one that follows.
        logits: float32 [sequences, vocabulary], at the last token of each.
        work: what the chip has done in this step.
    """

    sequences: list[int]
    tokens: list[int]
    logits: Tensor
    work: ChipWork


@dataclass(frozen=True)
class Talk:
    """Prompts for a model, and a cache whose factors are known.

    Members:
        model: the language model.
        attention: with the factors of all layers, computed by the golden model.
        chip: whose arithmetic it is.
        places: of cache and jobs in the chip's memory.
        prompts: tokens of every sequence.
        tokens: new ones of a sequence, at most.
        stops: tokens that end a sequence.
    """

    model: Any
    attention: Attention
    chip: ChipConfig
    places: CachePlaces
    prompts: Sequence[Sequence[int]]
    tokens: int
    stops: frozenset[int]

    def on_chip(self, hardware: ChipModel, memory: Memory | None = None) -> Iterator[Step]:
        """The steps, computed by the Verilog; memory: how fast it is."""
        speed = memory or Memory()
        hardware.memory(latency=speed.latency, share=1 / speed.period)
        pages = PagedSequences(self.places, hardware.map(self.places.end))
        return self._steps(pages, ChipEngine(hardware, pages))

    def on_golden(self, memory: Memory | None = None) -> Iterator[Step]:
        """The steps, computed by the golden model; what the chip would do is that of the cycle model."""
        pages = PagedSequences(self.places, np.zeros(self.places.end, np.uint8))
        return self._steps(pages, GoldenChip(self.chip, pages, memory or Memory()))

    def _steps(self, pages: PagedSequences, engine: CountingEngine) -> Iterator[Step]:
        """Step by step, until all sequences have ended."""
        attention = replace(self.attention, engine=engine)
        cache = paged_cache(pages, attention.form, attention.factors)
        new = [list(prompt) for prompt in self.prompts]
        for left in reversed(range(self.tokens)):
            pages.begin([len(each) for each in new])
            logits = self._logits(attention, pages, cache, [token for each in new for token in each])
            tokens = logits.argmax(dim=-1).tolist()
            active = pages.active
            yield Step(active, tokens, logits, engine.worked())
            new = [[] for _ in new]
            for n, token in zip(active, tokens, strict=True):
                if left and token not in self.stops:
                    new[n] = [token]
            if not any(new):
                return

    def _logits(self, attention: Attention, pages: PagedSequences, cache: Any, tokens: Sequence[int]) -> Tensor:
        """Logits at the last new token of every sequence that takes part."""
        register(NAME, attention, masks=False)
        before = self.model.config._attn_implementation
        self.model.set_attn_implementation(NAME)
        first, second = pages.ends()
        try:
            with torch.no_grad():
                found = self.model(
                    torch.tensor(tokens)[None],
                    position_ids=pages.positions(),
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=first[1:] - 1,
                    cu_seq_lens_q=first,
                    cu_seq_lens_k=second,
                )
        finally:
            self.model.set_attn_implementation(before)
        logits: Tensor = found.logits[0]
        return logits


def prepared(
    model: Any,
    prompts: Sequence[Sequence[int]],
    chip: ChipConfig,
    *,
    tokens: int,
    cache_tokens: int,
    text: Sequence[int],
    cache: str = "int8_per_token",
) -> Talk:
    """Refuse what does not fit and what the chip does not compute, then find the factors of the cache on a text."""
    check_model(model.config)
    attention = Attention(chip.engine, engines=chip.engines, cache=cache)
    layers = layers_of(model.config)
    shape = CacheShape(
        layers=layers.by_index(),
        sequences=len(prompts),
        tokens=cache_tokens,
        rows=sum(map(len, prompts)),
        bits=attention.form.bits,
    )
    check_lengths(prompts, tokens, cache_tokens, context_of(model))
    places = cache_places(chip, shape)
    watched: list[Watched] = []

    def around(own: Any) -> Watched:
        watched.append(Watched(own, {}))
        return watched[0]

    attention = calibrated(model, torch.tensor(text)[None], attention, around, floats=True)
    watched[0].check(layers)
    stops = getattr(model.generation_config, "eos_token_id", None)
    found = frozenset(stops if isinstance(stops, list) else () if stops is None else [stops])
    return Talk(model, attention, chip, places, prompts, tokens, found)


def context_of(model: Any) -> int | None:
    """Tokens that a model can read, if it says so."""
    found: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return found


def check_lengths(prompts: Sequence[Sequence[int]], tokens: int, cache_tokens: int, context: int | None = None) -> None:
    """Refuse prompts that are empty, or that do not fit into the cache or the model with what follows them."""
    if not prompts:
        raise InputError("there must be at least one prompt, not none")
    if tokens < 1:
        raise InputError(f"new tokens must be at least 1, not {tokens}")
    for what, most in (("the cache", cache_tokens), ("the context of the model", context)):
        for prompt in prompts:
            if not prompt:
                raise InputError("a prompt must have at least one token, not none")
            if most is not None and len(prompt) + tokens > most:
                raise InputError(
                    f"prompt and new tokens must be at most the {most:,} tokens of {what}, "
                    f"not {len(prompt):,} + {tokens:,}"
                )
