"""A language model whose attention the chip's Verilog computes, beside the golden model (chat.json).

All new tokens are generated, also those behind the end of an answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from time import monotonic, process_time
from typing import Any

from fusioncim.package import CLOCK_MHZ
from fusioncim_sim.llm.chat_chip import CHAT_CHIP
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table

CACHE_TOKENS = 512
CASES: Mapping[str, tuple[tuple[str, ...], int]] = {
    "one prompt": (("Tell me in a few words what the capital of France is.",), 16),
    "a batch of three": (("What is the capital of France?", "Name a whale.", "Why is the sky blue?"), 4),
}
"""Prompts, and new tokens of each."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Every case on both engines."""
    import torch

    from fusioncim_sim.library.build import build_library
    from fusioncim_sim.llm.chat import TEXT_SIGNS, prepared
    from fusioncim_sim.llm.chat_report import Conditions
    from fusioncim_sim.llm.chat_text import Speech
    from fusioncim_sim.llm.language_model import find_model, load_model, text_of

    torch.set_num_threads(1)
    source = find_model(request.model)
    speech, model, library = Speech(source), load_model(source), build_library(CHAT_CHIP)
    conditions = Conditions.of(CHAT_CHIP, CLOCK_MHZ)
    cases = {}
    for name, (prompts, tokens) in CASES.items():
        asked = [speech.prompt(prompt) for prompt in prompts]
        text = speech.prompt(text_of(None)[:TEXT_SIGNS])
        talk = prepared(model, asked, CHAT_CHIP, tokens=tokens, cache_tokens=CACHE_TOKENS, text=text)
        cases[name] = compared(replace(talk, stops=frozenset()), speech, library, conditions)
    yield "chat.json", {"chip": CHAT_CHIP.as_dict(), "model": source.name, "clock_mhz": CLOCK_MHZ, "cases": cases}


def compared(talk: Any, speech: Any, library: Any, conditions: Any) -> dict[str, Any]:
    """A talk on both engines, as JSON data."""
    import torch

    from fusioncim_sim.library.binding import ChipModel

    begin = monotonic(), process_time()
    with ChipModel(library, talk.chip) as hardware:
        found = list(talk.on_chip(hardware, conditions.behind))
    middle = monotonic(), process_time()
    golden = list(talk.on_golden(conditions.behind))
    end = monotonic(), process_time()
    both = list(zip(found, golden, strict=True))
    answers: list[list[int]] = [[] for _ in talk.prompts]
    for step in found:
        for n, token in zip(step.sequences, step.tokens, strict=True):
            answers[n].append(token)
    return {
        "prompt_tokens": [len(each) for each in talk.prompts],
        "new_tokens": talk.tokens,
        "answers": [speech.text(each) for each in answers],
        "equal_tokens": all(own.tokens == same.tokens for own, same in both),
        "equal_logits": all(torch.equal(own.logits, same.logits) for own, same in both),
        "equal_counters": all(own.work == same.work for own, same in both),
        "rtl_s": taken(begin, middle),
        "golden_s": taken(middle, end),
        "taken": conditions.report(found),
    }


def taken(begin: tuple[float, float], end: tuple[float, float]) -> dict[str, float]:
    """Seconds between two times by the clock on the wall and by that of the processor, of one thread."""
    wall, processor = (round(last - first, 1) for first, last in zip(begin, end, strict=True))
    return {"wall": wall, "processor": processor}


def chat_table(chat: Stored) -> str:
    """What the chip takes for the tokens of every case, and whether both engines gave the same."""
    rows = [
        [
            *(f"{chat['model']} on the RTL", "prompt tokens", "new tokens", "logits equal to golden"),
            *("cycles, first token", "cycles, further token", "us, further token", "uJ, further token"),
        ]
    ]
    rows.append(["---", *["---:"] * (len(rows[0]) - 1)])
    for name, one in chat["cases"].items():
        first, further = (one["taken"][each]["per_token"] for each in ("first", "further"))
        rows.append(
            [
                *(name, " + ".join(map(str, one["prompt_tokens"])), str(one["new_tokens"])),
                *("all bits" if one["equal_logits"] and one["equal_tokens"] else "NO", f"{first['cycles']:,.0f}"),
                *(f"{further['cycles']:,.0f}", f"{further['seconds'] * 1e6:,.1f}", f"{further['energy_j'] * 1e6:,.1f}"),
            ]
        )
    return markdown(rows)


STUDY = Study(
    files={"chat.json": ("chip", "cases", "model")},
    measure=measure,
    tables=(Table("docs/quality.md", "chat", chat_table, ("chat",)),),
    show=chat_table,
)
