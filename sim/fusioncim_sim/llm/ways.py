"""Ways in which a model can compute its attention, by name, for `losses.evaluate`."""

from collections.abc import Mapping
from typing import Any

from fusioncim_golden.config import Config


def page_ways(config: Config, engines: int = 1) -> dict[str, Any]:
    """A configuration taken apart, as on the page of `fusioncim quality`: operands alone, both, arithmetic alone."""
    from fusioncim_golden.pytorch.huggingface import Attention
    from fusioncim_sim.llm.float_attention import ErrorAlone, SameOperands

    return {
        "operands": SameOperands(config),
        "engine": Attention(config, engines=engines),
        "arithmetic": ErrorAlone(config, engines=engines),
    }


def alone_ways(rows: Mapping[str, Config], engines: int = 1) -> dict[str, Any]:
    """The engine's error alone, by row of a table."""
    from fusioncim_sim.llm.float_attention import ErrorAlone

    return {name: ErrorAlone(config, engines=engines) for name, config in rows.items()}


def operand_ways() -> dict[str, Any]:
    """What shares a scale; the engine has the rows marked so in the documentation."""
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
