"""The README and the pages for users are true: commands run, tables list what there is, figures are measured."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.cli.app import app
from fusioncim_sim.cli.options import choose_chip

ROOT = Path(__file__).parents[3]
README, COMMANDS, PARAMETERS, CONTRIBUTING = (
    (ROOT / page).read_text(encoding="utf-8")
    for page in ("README.md", "docs/commands.md", "docs/parameters.md", "CONTRIBUTING.md")
)
PRESETS = ("tiny", "small", "paper")
HEADLINES = re.findall(r"^\| (.+) \| (.+) \| \[\w+\]\((.+)\) \|$", README, re.MULTILINE)
WITH_COMMANDS = {"README.md": README, "docs/commands.md": COMMANDS}


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_parameter_table_is_the_configuration():
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", PARAMETERS, re.MULTILINE)
    defaults = {name: default for name, default in rows if name not in PRESETS}
    assert defaults == {name: str(value).lower() for name, value in ChipConfig().as_dict().items()}


@pytest.mark.parametrize("name", PRESETS)
def test_preset_table_is_the_presets(name):
    chip = choose_chip(name, None, None)
    size = chip.buffer_bytes >> 10
    row = (
        f"| `{name}` | {chip.engines} | {chip.engine.rows} x {chip.engine.columns} | {chip.engine.words} "
        f"| {f'{size} KB' if size < 1024 else f'{size >> 10} MB'} | {chip.bus_bits} bits |"
    )
    assert row in PARAMETERS


def test_the_configuration_file_is_one(tmp_path):
    (example,) = blocks(PARAMETERS, "toml")
    (tmp_path / "config.toml").write_text(example, encoding="utf-8")
    assert choose_chip(None, tmp_path / "config.toml", None).engine.slack == tomllib.loads(example)["slack"]


def test_every_command_is_listed():
    listed = set(re.findall(r"^\| `fusioncim ([\w-]+)` \|", COMMANDS, re.MULTILINE))
    assert listed == {command.callback.__name__.replace("_", "-") for command in app.registered_commands}


@pytest.mark.long
@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_commands_run(page, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONCIM_BUILD", str(ROOT / "build"))
    monkeypatch.chdir(tmp_path)
    for python in blocks(WITH_COMMANDS[page], "python"):
        exec(compile(python, page, "exec"), {})
    commands = re.findall(r"^fusioncim .*", "".join(blocks(WITH_COMMANDS[page], "sh")), re.MULTILINE)
    assert len(commands) >= {"README.md": 1, "docs/commands.md": 8}[page]
    for command in commands:
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0, f"{command}: {result.output}"
    if page == "docs/commands.md":
        assert (tmp_path / "results.json").exists()
        assert (tmp_path / "build/same/chip.v").read_bytes() == (tmp_path / "build/sink/chip.v").read_bytes()


def test_there_are_headline_figures():
    assert len(HEADLINES) >= 5


@pytest.mark.parametrize(("figure", "value", "page"), HEADLINES)
def test_headline_figures_are_those_of_their_page(figure, value, page):
    """Every row of the README's table is a value in a table of the page that it names."""
    rows = [line for line in (ROOT / page).read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert any(all(part in row for part in value.split(", ")) for row in rows), f"{figure}: {value}"


def test_the_readme_fits_on_a_screen():
    assert len(README.splitlines()) <= 80


TARGETS = re.findall(r"(?:^|`|verilator )make ([\w-]+)", README + COMMANDS + CONTRIBUTING, re.M)


@pytest.mark.parametrize("target", sorted(set(TARGETS)))
def test_make_targets_exist(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
