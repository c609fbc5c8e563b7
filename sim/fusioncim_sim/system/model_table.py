"""Published configurations of models, and the table of what becomes of each."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fusioncim_golden.errors import InputError
from fusioncim_sim.markdown import markdown
from fusioncim_sim.system.model_config import LanguageModel, model_of
from fusioncim_sim.system.models import Model

CONFIGS = Path(__file__).parent / "data" / "model_configs.json"


def published() -> dict[str, dict[str, Any]]:
    """By name: the source and the entries about attention of a published configuration."""
    found: dict[str, dict[str, Any]] = json.loads(CONFIGS.read_text(encoding="utf-8"))
    return found


def models_table() -> str:
    """A row for every published configuration: right or refused, and why."""
    head = ["model", "type", "answer", "layers: query heads / KV heads x dimension, or why"]
    rows = [head, ["---"] * len(head)]
    for name, entry in published().items():
        rows.append([_linked(name, entry["source"]), _type(entry["config"]), *_answer(name, entry["config"])])
    return markdown(rows)


def _linked(name: str, source: str) -> str:
    return f"[{name}]({source})" if source.startswith("https:") else f"{name} ({source})"


def _type(config: Mapping[str, Any]) -> str:
    return f"`{config['model_type']}`"


def _answer(name: str, config: Mapping[str, Any]) -> tuple[str, str]:
    """The answer and its reason."""
    try:
        found = model_of(config, name)
    except InputError as error:
        return "refused", str(error)
    return "right", _layers(found)


def _layers(found: LanguageModel) -> str:
    """The kinds of layers of a model."""
    kinds = [_kind(each) for each in found.kinds]
    return "; ".join([*kinds, *(f"{count} of {what}, left out" for what, count in found.left_out.items())])


def _kind(this: Model) -> str:
    has = {"latent": this.latent, "sinks": this.sinks, "ALiBi": this.slopes}
    words = "".join(f", {name}" for name, there in has.items() if there)
    return f"{this.layers}: {this.heads} / {this.kv_heads} x {this.key_size}{words}, {this.mask.words}"
