"""Ways in which a model can compute its attention, by name, for `losses.evaluate`."""

from collections.abc import Mapping
from typing import Any

from fusioncim_golden.config import Config


def parts_of_error(config: Config, engines: int = 1) -> dict[str, Any]:
    """The error of a configuration taken apart: rounded operands alone, the whole engine, its arithmetic alone."""
    from fusioncim_golden.pytorch.huggingface import Attention
    from fusioncim_sim.llm.float_attention import ErrorAlone, SameOperands

    return {
        "operands": SameOperands(config),
        "engine": Attention(config, engines=engines),
        "arithmetic": ErrorAlone(config, engines=engines),
    }


def arithmetic_alone(configs: Mapping[str, Config], engines: int = 1) -> dict[str, Any]:
    """The error of the arithmetic alone, of every configuration."""
    from fusioncim_sim.llm.float_attention import ErrorAlone

    return {name: ErrorAlone(config, engines=engines) for name, config in configs.items()}


def scales_of_operands() -> dict[str, Any]:
    """Float attention on rounded operands, by what shares a scale."""
    from fusioncim_sim.llm.float_attention import RoundedOperands

    scales = "tensor", "head", "token"
    ways = {f"{scale} for q, k and v": RoundedOperands(q=scale, k=scale, v=scale) for scale in scales}
    ways |= {
        "head, mean key kept": RoundedOperands(subtract_mean_k=False),
        "token for q": RoundedOperands(q="token"),
        "token for k": RoundedOperands(k="token"),
        "token for v": RoundedOperands(v="token"),
        "column for v": RoundedOperands(v="column"),
        "head, q and k equalized": RoundedOperands(balance=True),
        "head, q, k and v equalized": RoundedOperands(balance=True, v="column"),
        "the same, token for q": RoundedOperands(balance=True, v="column", q="token"),
    }
    more = 4, 6, 7, 10
    return ways | {f"equalized, {bits} bits": RoundedOperands(bits, balance=True, v="column") for bits in more}
