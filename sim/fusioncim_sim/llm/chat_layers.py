"""What the layers of a language model ask of a chip that computes all of them, or a refusal by name."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import EVERY, Mask
from fusioncim_sim.llm.cache_places import Layer
from fusioncim_sim.system.model_config import model_of


@dataclass(frozen=True)
class Layers:
    """All layers of a model.

    Members:
        number: how many there are.
        layer: what each of them has.
        windows: how many of them have which sliding window; None: none.
    """

    number: int
    layer: Layer
    windows: Counter[int | None]

    def by_index(self) -> dict[int, Layer]:
        """What each layer has, by its index."""
        return dict.fromkeys(range(self.number), self.layer)


def layers_of(config: Any) -> Layers:
    """Of a model's transformers configuration. Refused: what is not causal attention with windows in all layers."""
    name = str(getattr(config, "model_type", type(config).__name__))
    found = model_of(config.to_dict(), name)
    first = found.kinds[0]
    if found.left_out:
        raise InputError(f"every layer must have attention, not so {', '.join(found.left_out)} of {name}")
    windows: Counter[int | None] = Counter()
    for kind in found.kinds:
        mask = kind.mask
        if mask != Mask(window=mask.window):
            raise InputError(f"every layer must be causal, with a window or without, not {mask.words} as in {name}")
        if kind.latent:
            raise InputError(f"keys and values must be of heads, not latent vectors as in {name}")
        sizes = [(each.heads, each.kv_heads, each.key_size) for each in (first, kind)]
        if sizes[0] != sizes[1]:
            raise InputError(f"all layers must have the same heads, not {sizes[0]} and {sizes[1]} as in {name}")
        windows[None if mask.window == EVERY else mask.window] += kind.layers
    layer = Layer(heads=first.heads, kv_heads=first.kv_heads, columns=first.key_size, value_columns=first.value_size)
    return Layers(windows.total(), layer, windows)


@dataclass(frozen=True)
class Watched:
    """An attention beside which it is seen which window every layer hands over.

    Members:
        attention: the attention.
        windows: by layer.
    """

    attention: Any
    windows: dict[int, int | None]

    def __call__(self, module: Any, *tensors: Any, **rest: Any) -> tuple[Tensor, None]:
        """As `Attention`."""
        self.windows[module.layer_idx] = rest.get("sliding_window")
        found: tuple[Tensor, None] = self.attention(module, *tensors, **rest)
        return found

    def check(self, layers: Layers) -> None:
        """Refuse a model that does not say at every call what its layers see, or whose layers do not all call."""
        if Counter(self.windows.values()) != layers.windows:
            said, must = (
                ", ".join(f"{n} {'without a window' if w is None else f'with {w}'}" for w, n in each.items())
                for each in (Counter(self.windows.values()), layers.windows)
            )
            raise InputError(f"the layers must hand their windows to their attention: {must}, not {said or 'no layer'}")
