"""Weights of the forms from arrays that were measured, and how well they say what another array takes."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from fusioncim_golden.config import Config
from fusioncim_sim.studies.cost.events import KINDS, deviation, full_use_of
from fusioncim_sim.studies.sizes.arrays import PER_ROW, Array
from fusioncim_sim.system.energy_sizes import BANKS, UNITS_OF
from fusioncim_sim.system.energy_table import EVENTS, STREAM
from fusioncim_sim.system.size_forms import GATES, LEAKAGE, OP_ROWS, bank_energy, form, forms_of, weighted

FLOOR = 0.2
"""Errors of ratios below it count as if they were of it."""
Weights = Mapping[str, float]
"""Of the forms of an event of a unit, by their names."""


def weights_of(forms: Sequence[str], config: Config, sizes: Sequence[Config], ratios: Sequence[float]) -> Weights:
    """Weights that are at least 0 and add up to 1, with the least squares of relative errors.

    config: where all forms count as 1. ratios: of the energies in other sizes to that there.
    """
    best: tuple[float, Weights] = (float("inf"), {forms[0]: 1.0})
    for count in range(1, len(forms) + 1):
        for names in combinations(forms, count):
            found = _free(names, config, sizes, ratios)
            if found is not None and found[0] < best[0] - 1e-9:
                best = found
    return {name: round(weight, 4) for name, weight in best[1].items()}


def _free(
    names: Sequence[str], config: Config, sizes: Sequence[Config], ratios: Sequence[float]
) -> tuple[float, Weights] | None:
    """Squares and weights of these forms alone, the last one's weight what is left to 1; None if one is negative."""
    table = np.array([[form(name, size, config) for name in names] for size in sizes])
    measured = np.array(ratios)
    scale = np.maximum(measured, FLOOR)
    base, rest = table[:, -1], table[:, :-1] - table[:, -1:]
    weights = np.linalg.lstsq(rest / scale[:, None], (measured - base) / scale, rcond=None)[0]
    last = 1 - weights.sum()
    if min([*weights, last]) < 0:
        return None
    every = np.array([*weights, last])
    squares = float((((table @ every - measured) / scale) ** 2).sum())
    return squares, dict(zip(names, every.tolist(), strict=True))


def fit(arrays: Mapping[str, Mapping[str, Any]], anchor: str, without: str = "") -> dict[str, Any]:
    """Weights by unit, event and kind; anchor: name of the array where all forms count as 1; without: leave it out."""
    base, config = arrays[anchor]["energies"], config_of(arrays[anchor])
    used = [each for name, each in arrays.items() if name not in (anchor, without)]
    sizes = [config_of(each) for each in used]
    weights: dict[str, Any] = {}
    for unit, events in GATES.items():
        weights[unit] = {}
        for event in events:
            weights[unit][event] = {}
            for kind in ("logic",) if event == LEAKAGE else ("logic", "wires", "glitches"):
                least, forms = base[unit][event][kind], forms_of(unit, event, kind)
                ratios = [each["energies"][unit][event][kind] / least for each in used] if least > 0 else []
                weights[unit][event][kind] = weights_of(forms, config, sizes, ratios) if ratios else {forms[0]: 1.0}
    return weights


def config_of(array: Mapping[str, Any]) -> Config:
    """Of a measured array."""
    return Array(array["changes"]).config


def predicted(array: Mapping[str, Any], base: Mapping[str, Any], weights: Mapping[str, Any]) -> dict[str, Any]:
    """Energies of an array by unit, event and kind, from those of the anchor."""
    new, old = config_of(array), config_of(base)
    return {
        unit: {
            event: {
                kind: fj
                * (
                    bank_energy(unit, event, new) / bank_energy(unit, event, old)
                    if kind == BANKS
                    else weighted(weights[unit][event][kind], new, old)
                )
                for kind, fj in kinds.items()
            }
            for event, kinds in events.items()
        }
        for unit, events in base["energies"].items()
    }


def full_use(energies: Mapping[str, Any], array: Mapping[str, Any], unit: str, kinds: Iterable[str]) -> float:
    """Energy per cycle of an array that always streams, with the blocks that were added there."""
    config = config_of(array)
    rows = {event: config.rows if (unit, event) in PER_ROW else 1.0 for event in EVENTS}
    if unit == OP_ROWS:
        rows[STREAM] = array["additions"] * config.macs_per_cycle / array["macs"]
    events = {event: sum(energies[unit][event][kind] for kind in kinds) * rows[event] for event in EVENTS}
    return full_use_of(events, config.operand_bits)


def deviations(array: Mapping[str, Any], base: Mapping[str, Any], weights: Mapping[str, Any]) -> dict[str, float]:
    """Of what is predicted from what was measured, in percent: by part of the engine, by kind, and of the engine."""
    found, here = predicted(array, base, weights), array["energies"]

    def of(units: Iterable[str], some: Iterable[str]) -> float:
        sums = [sum(full_use(each, array, unit, some) for unit in units) for each in (found, here)]
        return deviation(*sums)

    return {
        **{part: of(dict.fromkeys(units), KINDS) for part, units in UNITS_OF.items()},
        **{kind: of(GATES, [kind]) for kind in KINDS},
        "engine": of(GATES, KINDS),
    }
