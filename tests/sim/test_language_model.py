"""Text, windows and refusals of `llm.language_model`, without PyTorch; tests below llm need it."""

import numpy as np
import pytest
from typer.testing import CliRunner

from fusioncim_golden.errors import InputError
from fusioncim_sim.cli.app import app
from fusioncim_sim.llm import language_model
from fusioncim_sim.llm.language_model import text_of, windows


def test_the_novel_is_long_enough():
    text = text_of(None)
    assert text.startswith("Call me Ishmael.")
    assert len(text) > 110_000


def test_windows_spread_over_the_text():
    chosen = windows(np.arange(107), 10, 4)
    assert chosen[:, 0].tolist() == [0, 20, 50, 70]
    assert windows(chosen.reshape(-1), 10, None).shape == (4, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nowhere"], "the model must be smollm2, a directory or a GGUF file, not nowhere"),
        (["--set", "slack=9"], "slack must be from 0 to 6, not 9"),
    ],
)
def test_errors_are_one_line(arguments, message, monkeypatch):
    monkeypatch.setattr(language_model, "find_spec", lambda name: name)
    result = CliRunner().invoke(app, ["quality", *arguments])
    assert result.exit_code == 2
    assert result.stderr == f"error: {message}\n"


@pytest.mark.parametrize("command", [["quality"], ["chat", "hello"], ["chat", "hello", "--engine", "golden"]])
def test_a_missing_extra_is_named(command, monkeypatch):
    monkeypatch.setattr(language_model, "find_spec", lambda name: None if name == "torch" else name)
    result = CliRunner().invoke(app, command)
    assert (result.exit_code, result.stderr) == (
        2,
        "error: torch is missing: install it with pip install 'fusioncim[llm]'\n",
    )


def test_a_text_shorter_than_a_window_is_refused():
    with pytest.raises(InputError, match="at least one window of 10 tokens, not 9 tokens"):
        windows(np.arange(9), 10, None)


def test_texts_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"must be UTF-8 \(unexpected end of data at byte 3\)"):
        text_of(tmp_path / "latin")
    with pytest.raises(InputError, match="cannot be read"):
        text_of(tmp_path / "no")
