"""Figures of requests that were served, as JSON data."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from fusioncim_sim.system.serving.metrics import Served


def figures(served: Served) -> dict[str, Any]:
    """All figures as JSON data."""
    first, later = served.waits
    ratios = [cycles / least for cycles, least in zip(served.cycles, served.least_cycles, strict=True)]
    return {
        "chip": served.chip.as_dict(),
        "clock_mhz": served.clock_mhz,
        "dram": asdict(served.dram),
        "model": {"name": served.model.name, "left_out": dict(served.model.left_out)},
        "trace": {"name": served.trace.name, "source": served.trace.source, "requests": len(served.trace.requests)},
        "loop": asdict(served.loop),
        "estimate": served.estimate and asdict(served.estimate),
        "kinds": [
            {
                "model": asdict(each.model),
                "layer": {"counters": asdict(each.counters), "shares": each.shares, "bytes": each.bytes},
            }
            for each in served.kinds
        ],
        "steps": [
            {
                "sequences": len(step),
                "prompt_tokens": sum(share.prompt_tokens for share in step),
                "generated": sum(share.generated for share in step),
                "keys": sum(share.keys for share in step),
                "cycles": cycles,
                "least_cycles": least,
            }
            for step, cycles, least in zip(served.steps, served.cycles, served.least_cycles, strict=True)
        ],
        "whole": {
            "steps": len(served.steps),
            "decode_steps": len(served.decodes),
            "full_steps": len(served.full),
            "sequences_per_step": sum(map(len, served.steps)) / len(served.steps),
            "prompt_tokens": served.prompt_tokens,
            "generated": served.generated,
            "cycles": sum(served.cycles),
            "seconds": served.seconds,
            "prompt_tokens_per_s": served.prompt_tokens / served.seconds,
            "generated_per_s": served.generated_per_s(served.all),
            "generated_per_s_of_full_steps": served.generated_per_s(served.full),
            "step_s": spread(served.step_seconds),
            "first_token_s": spread(first),
            "later_token_s": spread(later),
            "roofline": {
                "cycles": sum(served.least_cycles),
                "over": served.over_roofline,
                "over_step": spread(ratios),
                "bounds": served.bounds,
            },
            "macs": served.macs,
            "shares": served.shares,
            "bytes": served.bytes,
            "energy_j": served.energy(served.all),
            "energy_per_token_j": served.per_token(served.all),
            "energy_per_token_of_decodes_j": served.per_token(served.decodes),
            "idle_engines_per_token_j": served.idle_per_token(served.all),
            "idle_engines_per_token_of_decodes_j": served.idle_per_token(served.decodes),
        },
    }


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Mean, median and 99th percentile; None of no values."""
    if not values:
        return None
    return {
        "mean": float(np.mean(values)),
        "median": float(np.median(values)),
        "p99": float(np.percentile(values, 99)),
    }
