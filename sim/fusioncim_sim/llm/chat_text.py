"""Prompts to tokens, as a model that talks was taught, and tokens to text as they come."""

from collections.abc import Sequence
from typing import Any

from fusioncim_sim.llm.language_model import Source, load_tokenizer

UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer makes of the first bytes of a sign."""


class Speech:
    """The words of a model.

    source: the model. Errors: a tokenizer that cannot be loaded.
    """

    def __init__(self, source: Source) -> None:
        self._tokenizer: Any = load_tokenizer(source)

    def prompt(self, text: str) -> list[int]:
        """The tokens of a question, in the template of the model if it has one."""
        if self._tokenizer.chat_template is None:
            return [*self._tokenizer(text).input_ids]
        question = [{"role": "user", "content": text}]
        return [*self._tokenizer.apply_chat_template(question, add_generation_prompt=True, return_dict=False)]

    def text(self, tokens: Sequence[int]) -> str:
        """Text of tokens, without those that only mark an end."""
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))


class Answer:
    """What a model has said so far.

    Members:
        tokens: all of them.
    """

    def __init__(self, speech: Speech) -> None:
        self._speech, self._shown = speech, ""
        self.tokens: list[int] = []

    def add(self, token: int) -> str:
        """What one more token adds to the text that was shown; nothing while a sign lacks bytes."""
        self.tokens.append(token)
        whole = self.text
        if whole.endswith(UNFINISHED):
            return ""
        piece = whole[len(self._shown) :]
        self._shown = whole
        return piece

    @property
    def text(self) -> str:
        """All of it."""
        return self._speech.text(self.tokens)
