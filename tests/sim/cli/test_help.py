"""The help of every command has options of one name for one thing, and examples that run."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from fusioncim_sim.cli.app import app

COMMANDS = {command.callback.__name__.replace("_", "-"): command.callback for command in app.registered_commands}
PARAMETERS = {
    name: {option: parameter for parameter in command.params for option in parameter.opts}
    for name, command in get_command(app).commands.items()
}
FIGURES = (
    *("info", "simulate", "soc", "synth", "timing", "power", "fpga"),
    *("evaluate", "explore", "capture", "quality", "chat", "demo", "soak"),
)
"""Commands that print figures; `measure` writes them as JSON in any case."""
QUICK = ("info", "generate", "simulate", "evaluate", "report")


def examples(name):
    """Commands that the help of a command shows."""
    (text,) = re.findall(r"Examples?: (.*)", COMMANDS[name].__doc__, re.DOTALL)
    return [" ".join(each.split()) for each in text.split(";")]


def fusioncim(*arguments):
    return CliRunner().invoke(app, [*arguments], prog_name="fusioncim")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_shows_an_example_of_the_command(name):
    result = fusioncim(name, "--help")
    assert result.exit_code == 0
    shown = " ".join(result.stdout.split())
    for example in examples(name):
        assert example.startswith(f"fusioncim {name}")
        assert example in shown
        given = {word for word in shlex.split(example) if word.startswith("-") and word != "-"}
        assert given <= set(PARAMETERS[name])


@pytest.mark.parametrize(("name", "example"), [(name, each) for name in QUICK for each in examples(name)])
def test_quick_examples_run(name, example, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONCIM_BUILD", str(Path("build").resolve()))
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(1)
    np.savez("heads.npz", **{f"head_{part}": generator.normal(size=(4, 16)) for part in "qkv"})
    (tmp_path / "build").mkdir()
    result = fusioncim(*shlex.split(example)[1:])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_options_have_the_same_names_everywhere(name):
    for short, long in {"-v": "--verbose", "-q": "--quiet"}.items():
        assert PARAMETERS[name][short] is PARAMETERS[name][long]
    if "--output" in PARAMETERS[name]:
        assert PARAMETERS[name]["-o"] is PARAMETERS[name]["--output"]
    assert ("--json" in PARAMETERS[name]) == (name in FIGURES)
    if "--json" in PARAMETERS[name]:
        assert PARAMETERS[name]["--json"].metavar == "FILE"


def test_shells_can_complete(monkeypatch):
    monkeypatch.setenv("_FUSIONCIM_COMPLETE", "complete_bash")
    for words, expected in {
        "fusioncim ev": ["evaluate"],
        "fusioncim info --preset ": ["tiny", "small", "paper"],
    }.items():
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
        assert fusioncim().stdout.split() == expected
