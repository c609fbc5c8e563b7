"""A KV cache in the memory of a chip: pages of tokens, each quantized once, when it is written.

What a token is quantized to is `kv_cache.written`; this is where its bytes lie. The sequences of a batch are packed:
a model gets the new tokens of all of them one after the other, without padding, and its attention the keys and values
of all of them likewise, as they lie in memory. `begin` says, before the tokens of a step pass the layers, how many
each sequence has.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicLayer

from fusioncim_golden import descriptor
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import PAGE_BYTES, TOKEN_SCALE_BYTES
from fusioncim_golden.pytorch.kv_cache import CODE_BYTES, STORED, Factors, Format, written
from fusioncim_sim.llm.cache_places import CachePlaces
from fusioncim_sim.rtl.tensor_bytes import Bytes, view_pages


class PagedSequences:
    """The list of pages, which all layers share, and how many tokens each sequence has.

    places, memory: where everything lies, and the memory.

    Members:
        places, memory: as given.
        lengths: int64 [sequences], tokens of each, those of the step that is being computed among them.
        new: int64 [sequences], tokens of this step.
    """

    def __init__(self, places: CachePlaces, memory: Bytes) -> None:
        shape = places.shape
        self.places, self.memory = places, memory
        self.lengths = np.zeros(shape.sequences, np.int64)
        self.new = np.zeros(shape.sequences, np.int64)
        self._list = (
            memory[places.list : places.list + PAGE_BYTES * shape.pages]
            .view("<u4")
            .reshape(shape.sequences, shape.entries)
        )
        self._taken = 0

    def begin(self, new: Sequence[int]) -> None:
        """A step with so many new tokens of every sequence; 0: it takes no part. Pages are taken as they are needed.

        Errors: a sequence that becomes longer than its part of the cache.
        """
        shape = self.places.shape
        lengths = self.lengths + np.array(new)
        if lengths.max() > shape.tokens:
            raise InputError(
                f"a sequence must have at most the {shape.tokens:,} tokens of the cache, not {lengths.max():,}"
            )
        if sum(new) > shape.rows:
            raise InputError(f"a step must have at most {shape.rows:,} new tokens, not {sum(new):,}")
        used = -(-self.lengths // shape.page_tokens)
        for n, entries in enumerate(-(-lengths // shape.page_tokens)):
            for entry in range(int(used[n]), int(entries)):
                self._list[n, entry] = self._taken
                self._taken += 1
        self.lengths, self.new = lengths, np.array(new)

    def numbers(self) -> tuple[int, ...]:
        """The whole list."""
        return tuple(self._list.reshape(-1).tolist())

    @property
    def active(self) -> list[int]:
        """The sequences that take part in the step."""
        return np.flatnonzero(self.new).tolist()

    def ends(self) -> tuple[Tensor, Tensor]:
        """The ends of the sequences among the new tokens, and among all tokens: cu_seq_lens_q and cu_seq_lens_k."""
        counts = self.new[self.active], self.lengths[self.active]
        first, second = (torch.from_numpy(np.cumsum([0, *each])) for each in counts)
        return first, second

    def positions(self) -> Tensor:
        """Of the new tokens in their sequences, int64 [1, new tokens]."""
        spans = [np.arange(self.lengths[n] - self.new[n], self.lengths[n]) for n in self.active]
        return torch.from_numpy(np.concatenate(spans))[None]

    def new_places(self) -> tuple[np.ndarray, np.ndarray]:
        """Page and place in it of every new token."""
        return self._of([(n, self.lengths[n] - self.new[n], self.lengths[n]) for n in self.active])

    def all_places(self) -> tuple[np.ndarray, np.ndarray]:
        """Page and place in it of every token of the sequences that take part."""
        return self._of([(n, 0, self.lengths[n]) for n in self.active])

    def _of(self, spans: Sequence[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray]:
        """Of tokens first .. last - 1 of sequences."""
        tokens = self.places.shape.page_tokens
        every = [(n, np.arange(first, last)) for n, first, last in spans]
        page = np.concatenate([self._list[n, token // tokens] for n, token in every]).astype(np.int64)
        return page, np.concatenate([token % tokens for _, token in every])

    def entries(self, masks: Sequence[Any]) -> tuple[descriptor.Sequence, ...]:
        """The table of sequences of the step; masks: of each that takes part."""
        shape = self.places.shape
        first = np.cumsum([0, *self.new[self.active]])
        return tuple(
            descriptor.Sequence(
                queries=int(self.new[n]),
                keys=int(self.lengths[n]),
                first_row=int(first[place]),
                first_key=n * shape.entries * shape.page_tokens,
                start=int(self.lengths[n] - self.new[n]),
                mask=masks[place],
            )
            for place, n in enumerate(self.active)
        )


class PagedLayer(DynamicLayer):
    """A layer whose tokens are written into its pages, and given as they lie there."""

    supports_early_init = False

    def __init__(self, pages: PagedSequences, index: int, form: Format, factors: Factors) -> None:
        super().__init__()
        self._pages, self._form, self._factors = pages, form, factors
        job, shape = pages.places.jobs[index], pages.places.shape
        assert job.pages is not None
        assert job.token_scales is not None
        scales = descriptor.Tensor(
            address=job.token_scales.address, pitch=TOKEN_SCALE_BYTES, head_pitch=job.token_scales.pitch
        )

        def pool(tensor: descriptor.Tensor, pitch: int, size: int) -> Bytes:
            return view_pages(pages.memory, tensor, shape.pages, pitch, shape.page_tokens, job.kv_heads, size)

        k_pitch, v_pitch = job.pages.k_pitch, job.pages.v_pitch
        self._k = pool(job.k, k_pitch, job.dimension * shape.bits // 8)
        self._v = pool(job.v, v_pitch, job.outputs * shape.bits // 8)
        self._scales = pool(scales, k_pitch, TOKEN_SCALE_BYTES)

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """All tokens of the sequences that take part, after these new ones: [1, key heads, tokens, ..]."""
        self._write(*written(self._form, self._factors, key_states, value_states))
        return self._read(self._k, slice(CODE_BYTES)), self._read(self._v, slice(CODE_BYTES, None))

    def _write(self, key: Tensor, value: Tensor) -> None:
        """Append stored tokens [1, key heads, new tokens, bytes]; no other byte changes."""
        place = self._pages.new_places()
        k, v = (x[0].transpose(0, 1).contiguous().numpy().view(np.uint8) for x in (key, value))
        self._k[place], self._v[place] = k[..., :-CODE_BYTES], v[..., :-CODE_BYTES]
        self._scales[place] = np.concatenate([k[..., -CODE_BYTES:], v[..., -CODE_BYTES:]], axis=-1)

    def _read(self, pool: Bytes, code: slice) -> Tensor:
        """Stored tokens [1, key heads, tokens, bytes]; code: which bytes of a token's scales are theirs."""
        place = self._pages.all_places()
        stored = np.concatenate([pool[place], self._scales[place][..., code]], axis=-1)
        return torch.from_numpy(stored.view(np.int8)).to(STORED).transpose(0, 1)[None]

    def get_seq_length(self) -> int:
        """Tokens of the longest sequence."""
        return int(self._pages.lengths.max())


def paged_cache(pages: PagedSequences, form: Format, factors: Mapping[int, Factors]) -> Cache:
    """A cache for `past_key_values` whose bytes lie in the memory of the pages; factors by layer."""
    layers = [PagedLayer(pages, n, form, factors[n]) for n in sorted(factors)]
    return Cache(layers=layers)
