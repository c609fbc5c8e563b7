"""What it took to serve the requests of a trace: time, tokens, energy, and cycles over the roofline of the steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.system.cycles import Counts
from fusioncim_sim.system.dram import Dram
from fusioncim_sim.system.energy_table import Estimate
from fusioncim_sim.system.layer_work import LayerWork
from fusioncim_sim.system.model_config import LanguageModel
from fusioncim_sim.system.roofline import LIMITS, Roofline
from fusioncim_sim.system.serving.closed_loop import Step
from fusioncim_sim.system.serving.trace import Trace
from fusioncim_sim.system.workload import Cache


@dataclass(frozen=True, kw_only=True)
class LayerStep:
    """A layer of a step.

    Members:
        counters: of the chip.
        pairs: unmasked scores.
        roofline: the least cycles.
        energy: joules by component, or None.
        idle: joules of engines without work, as `idle_engines` has them, or None.
    """

    counters: Counts
    pairs: int
    roofline: Roofline
    energy: Mapping[str, float] | None
    idle: Mapping[str, float] | None


@dataclass(frozen=True, kw_only=True)
class Loop:
    """How requests are computed: slots, tokens of a chunk at most, and how keys and values lie in memory."""

    slots: int
    chunk: int
    cache: Cache


@dataclass(frozen=True, kw_only=True)
class Served:
    """The attention of a language model for all requests of a trace.

    Members:
        chip, model, trace, loop, dram, clock_mhz: what was asked.
        steps: in their order.
        layers: of every step, a layer of each kind of the model.
        estimate: of the energies, None if the chip was measured.
    """

    chip: ChipConfig
    model: LanguageModel
    trace: Trace
    loop: Loop
    dram: Dram
    clock_mhz: float
    steps: tuple[Step, ...]
    layers: tuple[tuple[LayerStep, ...], ...]
    estimate: Estimate | None = None

    @cached_property
    def cycles(self) -> tuple[int, ...]:
        """Of every step, all layers."""
        return tuple(sum(n * each.counters.cycles for n, each in self._by_kind(step)) for step in self.layers)

    @cached_property
    def least_cycles(self) -> tuple[float, ...]:
        """The roofline of every step, its layers one after the other."""
        return tuple(sum(n * each.roofline.cycles for n, each in self._by_kind(step)) for step in self.layers)

    @property
    def over_roofline(self) -> float:
        """Cycles of all steps over their least ones."""
        return sum(self.cycles) / sum(self.least_cycles)

    @property
    def bounds(self) -> dict[str, float]:
        """Share of the least cycles of all steps by the limit that binds."""
        found = dict.fromkeys(LIMITS, 0.0)
        for step in self.layers:
            for n, each in self._by_kind(step):
                found[each.roofline.bound] += n * each.roofline.cycles
        return {name: cycles / sum(self.least_cycles) for name, cycles in found.items()}

    @cached_property
    def kinds(self) -> tuple[LayerWork, ...]:
        """A layer of each kind, all steps together."""
        return tuple(
            LayerWork(
                chip=self.chip,
                model=model,
                clock_mhz=self.clock_mhz,
                counters=sum((each.counters for each in layers), start=Counts()),
                pairs=sum(each.pairs for each in layers),
            )
            for model, layers in zip(self.model.kinds, zip(*self.layers, strict=True), strict=True)
        )

    @property
    def shares(self) -> dict[str, float]:
        """Where the engine-cycles of all layers go; together 1."""
        parts = [(each.shares, each.counters.cycles * each.model.layers) for each in self.kinds]
        total = sum(self.cycles)
        return {name: sum(shares[name] * cycles for shares, cycles in parts) / total for name in parts[0][0]}

    @property
    def bytes(self) -> dict[str, int]:
        """Bytes by interface of all layers."""
        return {name: sum(each.bytes[name] * each.model.layers for each in self.kinds) for name in self.kinds[0].bytes}

    @property
    def macs(self) -> int:
        """Unmasked multiply-accumulates of all layers."""
        return sum(each.macs * each.model.layers for each in self.kinds)

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts."""
        return sum(request.context for request in self.trace.requests)

    @property
    def generated(self) -> int:
        """Tokens of all answers."""
        return sum(request.generated for request in self.trace.requests)

    @property
    def step_seconds(self) -> list[float]:
        """Of every step."""
        return [cycles / (self.clock_mhz * 1e6) for cycles in self.cycles]

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return sum(self.cycles) / (self.clock_mhz * 1e6)

    @cached_property
    def waits(self) -> tuple[list[float], list[float]]:
        """Seconds of each request from its slot to its first token, and per later token if it has one."""
        ends = [0.0, *accumulate(self.step_seconds)]
        begin: dict[int, float] = {}
        first: dict[int, float] = {}
        last: dict[int, float] = {}
        for step, start, end in zip(self.steps, ends, ends[1:], strict=False):
            for share in step:
                begin.setdefault(share.request, start)
                if share.generated:
                    first.setdefault(share.request, end)
                    last[share.request] = end
        later = [
            (last[n] - first[n]) / (request.generated - 1)
            for n, request in enumerate(self.trace.requests)
            if request.generated > 1
        ]
        return [first[n] - begin[n] for n in sorted(first)], later

    @cached_property
    def decodes(self) -> list[int]:
        """Steps without a token of a prompt."""
        return [n for n, step in enumerate(self.steps) if not any(share.prompt_tokens for share in step)]

    @cached_property
    def full(self) -> list[int]:
        """Steps in which every slot has a request."""
        return [n for n, step in enumerate(self.steps) if len(step) == self.loop.slots]

    def generated_per_s(self, steps: Sequence[int]) -> float | None:
        """Tokens that these steps give, per second; None of no steps."""
        seconds = sum(self.cycles[n] for n in steps) / (self.clock_mhz * 1e6)
        return self._generated(steps) / seconds if steps else None

    @property
    def all(self) -> range:
        """All steps."""
        return range(len(self.steps))

    def energy(self, steps: Sequence[int]) -> dict[str, float] | None:
        """Joules by component of these steps, all layers; None of no steps, or without energies."""
        return self._joules(steps, lambda layer: layer.energy)

    def per_token(self, steps: Sequence[int]) -> dict[str, float] | None:
        """Joules by component of these steps per token that they give; None of no steps, or without energies."""
        return self._over_tokens(steps, self.energy(steps))

    def idle_per_token(self, steps: Sequence[int]) -> dict[str, float] | None:
        """The same of engines without work."""
        return self._over_tokens(steps, self._joules(steps, lambda layer: layer.idle))

    def _joules(
        self, steps: Sequence[int], of: Callable[[LayerStep], Mapping[str, float] | None]
    ) -> dict[str, float] | None:
        """Energies of a layer, summed over all layers of these steps."""
        chosen = [(count, of(each)) for n in steps for count, each in self._by_kind(self.layers[n])]
        parts = [(count, joules) for count, joules in chosen if joules is not None]
        return {name: sum(count * joules[name] for count, joules in parts) for name in parts[0][1]} if parts else None

    def _over_tokens(self, steps: Sequence[int], joules: dict[str, float] | None) -> dict[str, float] | None:
        """Joules over the tokens that these steps give."""
        return joules and {name: each / self._generated(steps) for name, each in joules.items()}

    def _generated(self, steps: Sequence[int]) -> int:
        """Tokens that these steps give."""
        return sum(share.generated for n in steps for share in self.steps[n])

    def _by_kind(self, step: Sequence[LayerStep]) -> list[tuple[int, LayerStep]]:
        """The number of layers of each kind, and one of them."""
        return [(model.layers, each) for model, each in zip(self.model.kinds, step, strict=True)]
