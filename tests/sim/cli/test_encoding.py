"""Commands under a locale whose character set is ASCII, with Python's UTF-8 mode off."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fusioncim_sim.cli.app import app

START = (sys.executable, "-c", "from fusioncim_sim.cli.app import app; app()")
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

COMMANDS = (
    ("info", "--preset", "paper"),
    ("generate", "--preset", "tiny", "-o", "out"),
    ("evaluate", "--tokens", "64", "--layers", "1"),
)


def fusioncim(place, *command, program=START):
    environment = {name: x for name, x in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    environment |= ASCII | {"FUSIONCIM_BUILD": str(Path("build").resolve())}
    if "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    return subprocess.run([*program, *command], cwd=place, env=environment, capture_output=True)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_commands_run(command, tmp_path):
    done = fusioncim(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert done.stderr.isascii()


def test_heads_have_names_of_any_alphabet(tmp_path):
    names = ("голова", "[red]head[/]", ":smile:")
    np.savez(tmp_path / "heads.npz", **{f"{name}_{part}": np.eye(12, 16) for name in names for part in "qkv"})
    command = (
        "simulate",
        "heads.npz",
        "--preset",
        "tiny",
        "--simulator",
        "golden",
        "--jobs",
        "1",
        "--json",
        "out.json",
    )
    done = fusioncim(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in (b"?????? ", b"[red]head[/] ", b":smile: "))
    written = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert {head["name"] for head in written["heads"]} == {*names}


HELP = """
import sys
from fusioncim_sim.cli.app import app
for command in sys.argv[1:]:
    try:
        app([command, "--help"])
    except SystemExit as end:
        assert not end.code, command
"""


def test_every_help_is_shown(tmp_path):
    names = [command.callback.__name__.replace("_", "-") for command in app.registered_commands]
    done = fusioncim(tmp_path, *names, program=(sys.executable, "-c", HELP))
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert done.stdout.count(b"Usage: ") == len(names)


def test_files_with_other_signs_are_named(tmp_path):
    (tmp_path / "ü±.toml").write_text("rows = 0  # ü\n", encoding="utf-8")
    done = fusioncim(tmp_path, "info", "--config", "ü±.toml")
    assert done.returncode == 2
    assert done.stderr == b"error: rows must be from 1 to 1024, not 0\n"
    done = fusioncim(tmp_path, "info", "--config", "missing-ü±.toml")
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: ")
    assert done.stderr.isascii()
    done = fusioncim(tmp_path, "generate", "--engine", "--preset", "tiny", "-o", "ü")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ü" / "manifest.json").exists()


SIGNS = """
import os, subprocess, sys
from fusioncim_sim.cli.encoding import use_any_locale
use_any_locale()
print("1 \\N{PLUS-MINUS SIGN} 2 \\N{GREEK SMALL LETTER PI}")
sys.stdout.flush()
subprocess.run([sys.executable, "-c", "import sys; print(sys.flags.utf8_mode)"], check=True)
"""


def test_signs_are_replaced_and_children_use_utf_8(tmp_path):
    done = fusioncim(tmp_path, program=(sys.executable, "-c", SIGNS))
    assert done.stdout.split(b"\n") == [b"1 +- 2 ?", b"1", b""]
