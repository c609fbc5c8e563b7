"""Steps of a closed loop: slots that are never empty while requests wait.

A slot computes one request at a time, and a step has one share of every slot that has a request. Its prompt comes in
chunks, a chunk per step; the last chunk gives the first token. Every later step has one query, the last token, over all
tokens so far, and gives the next token. After its last token the slot takes the next request of the trace, which begins
with the next step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fusioncim_golden.config import check_range
from fusioncim_golden.limits import MAX_SEQUENCES, POSITIONS
from fusioncim_sim.system.serving.trace import Request

SLOTS = 16
CHUNK = 512
"""Tokens of a prompt that a step takes at most."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a step computes of a request.

    Members:
        request: number of the request in the trace.
        start: position of the first query.
        queries: tokens of the prompt, or one of the answer.
        context: tokens of the prompt.
    """

    request: int
    start: int
    queries: int
    context: int

    @property
    def keys(self) -> int:
        """All tokens up to its last query."""
        return self.start + self.queries

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt that it takes."""
        return self.queries if self.start < self.context else 0

    @property
    def generated(self) -> int:
        """Tokens that it gives: 0 or 1."""
        return int(self.keys >= self.context)

    @property
    def size(self) -> tuple[int, int, int]:
        """Queries, position of the first one, keys: all that a chip sees of it."""
        return self.queries, self.start, self.keys


Step = tuple[Share, ...]
"""Shares in the order of the slots."""


def closed_loop(requests: Sequence[Request], slots: int = SLOTS, chunk: int = CHUNK) -> list[Step]:
    """The steps that compute all requests."""
    check_range("slots", slots, 1, MAX_SEQUENCES)
    check_range("chunk", chunk, 1, POSITIONS)
    waiting = iter(enumerate(requests))
    places: list[tuple[int, Request, int] | None] = [None] * slots  # number of the request, itself, tokens done
    steps: list[Step] = []
    while True:
        for n, place in enumerate(places):
            if place is None and (following := next(waiting, None)):
                places[n] = (*following, 0)
        shares = []
        for n, place in enumerate(places):
            if place is None:
                continue
            number, request, done = place
            queries = min(chunk, request.context - done) if done < request.context else 1
            shares.append(Share(request=number, start=done, queries=queries, context=request.context))
            done += queries
            places[n] = (number, request, done) if done < request.positions else None
        if not shares:
            return steps
        steps.append(tuple(shares))
