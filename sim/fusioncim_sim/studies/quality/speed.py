"""How long the engine's arithmetic takes in a language model, beside the model's own eager attention."""

import sys
import time
from functools import partial
from typing import Any

from fusioncim.build.workers import run_all
from fusioncim_sim.llm.attention_ways import parts_of_error
from fusioncim_sim.llm.language_model import QUICK, Source, load_model
from fusioncim_sim.studies.preset_candidates import PAPER
from fusioncim_sim.studies.quality.variants import SIZES


def measure_speed(source: Source, window: Any) -> dict[str, Any]:
    """Processor time of all attention layers on one window, the model's own eager function beside the engine."""
    return run_all({"speed": partial(time_attention, source, window)}, jobs=1, title="speed")["speed"]


def time_attention(source: Source, window: Any) -> dict[str, Any]:
    """Best of three passes each, seconds of one thread; minutes of two for all windows of `fusioncim quality`."""
    import torch

    from fusioncim_golden.pytorch.huggingface import Attention
    from fusioncim_sim.llm.losses import evaluate_window, logits

    torch.set_num_threads(1)
    start = time.process_time()
    model = load_model(source)
    loaded = time.process_time() - start
    eager = sys.modules[type(model).__module__].eager_attention_forward
    spent: list[float] = []

    def timed(function: Any) -> Any:
        def attend(module: Any, *arguments: Any, **rest: Any) -> Any:
            start = time.process_time()
            result = function(module, *arguments, **rest)
            spent.append(time.process_time() - start)
            return result

        return attend

    def own(module: Any, q: Any, k: Any, v: Any, mask: Any, *arguments: Any, **rest: Any) -> Any:
        added = torch.zeros(mask.shape).masked_fill_(~mask, torch.finfo(q.dtype).min)
        return timed(eager)(module, q, k, v, added, *arguments, **rest)

    def best(attention: Any) -> float:
        seconds = []
        for _ in range(3):
            spent.clear()
            logits(model, attention, torch.from_numpy(window)[None])
            seconds.append(sum(spent))
        return min(seconds)

    def seconds_of(length: int) -> float:
        start = time.process_time()
        evaluate_window(source, window[:length], parts_of_error(PAPER), ("float",))
        return time.process_time() - start

    one, other = best(own), best(timed(Attention()))
    whole, quick = SIZES["default"], QUICK
    minutes = (n / 2 * seconds_of(length) / 60 for length, n in (whole, quick))
    return {
        "tokens": len(window),
        "eager_seconds": round(one, 2),
        "engine_seconds": round(other, 2),
        "ratio": round(other / one, 2),
        "load_minutes": round(loaded / 60, 2),
        **{f"{name}_minutes": round(each, 2) for name, each in zip(("whole", "quick"), minutes, strict=True)},
    }
