"""The README's commands, parameters and links are true."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.cli.app import app

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_parameter_table_is_the_configuration():
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", README, re.MULTILINE)
    assert dict(rows) == {name: str(value).lower() for name, value in ChipConfig().as_dict().items()}


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_command_is_listed():
    listed = set(re.findall(r"^\| `fusioncim (\w+)` \|", README, re.MULTILINE))
    assert listed == {command.callback.__name__ for command in app.registered_commands}


def test_commands_run(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONCIM_BUILD", str(ROOT / "build"))
    monkeypatch.chdir(tmp_path)
    (python,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(python, "README.md", "exec"), {})
    commands = re.findall(r"^fusioncim .*", README, re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0, f"{command}: {result.output}"
    assert (tmp_path / "results.json").exists()
    assert (tmp_path / "build/same/chip.v").read_bytes() == (tmp_path / "build/sink/chip.v").read_bytes()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make (\w+)", README))))
def test_make_targets_exist(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
