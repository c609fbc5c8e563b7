"""The site's reference has everything that the code has."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
from typer import Context

from fusioncim.chip.registers import registers
from fusioncim.chip.software.driver_files import files as driver_files
from fusioncim.chip.software.programming import files as programming
from fusioncim.chip.software.record_files import files as record_files
from fusioncim.chip.software.register_files import files as register_files
from fusioncim.package import engine_files
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.record import JOB_FIELDS, SEQUENCE_FIELDS
from fusioncim_golden.status import Status
from fusioncim_sim.cli.app import app
from fusioncim_sim.pages.reference.cells import cell
from fusioncim_sim.pages.reference.commands import every_command
from fusioncim_sim.pages.reference.made import MADE, MARK, with_made

TINY = PRESETS["tiny"]
DOCS = Path(__file__).parents[4] / "docs"


def test_every_text_has_its_place_in_a_page():
    marks = [name for page in DOCS.rglob("*.md") for name in MARK.findall(page.read_text(encoding="utf-8"))]
    assert sorted(marks) == sorted(MADE)


def test_a_mark_of_nothing_is_refused():
    with pytest.raises(InputError, match=r"must name one of .*commands.*, not nothing"):
        with_made("a\n<!-- made: nothing -->\n")


def test_commands():
    text = MADE["commands"]()
    names = [command.callback.__name__.replace("_", "-") for command in app.registered_commands]
    assert list(every_command()) == names
    for name, command in every_command().items():
        section = text.partition(f"## `fusioncim {name}`")[2].partition("\n## ")[0]
        assert f"```sh\nfusioncim {name}" in section
        for parameter in command.get_params(Context(command)):
            options = [each for each in (*parameter.opts, *parameter.secondary_opts) if each.startswith("-")]
            assert all(option in section for option in options), f"{name} {options}"


def test_parameters():
    values = ChipConfig().as_dict()
    text = MADE["parameters"]()
    assert text.count("\n") == 1 + len(values)
    for name, value in values.items():
        assert f"| `{name}` | {cell(str(value))} | " in text


def test_widths():
    derived = {name for part in (ChipConfig, Config) for name, x in vars(part).items() if isinstance(x, property)}
    rows = MADE["widths"]().splitlines()[2:]
    assert {row.split("`")[1] for row in rows} == derived


def test_registers_records_and_outcomes():
    made = {name: MADE[name]() for name in ("registers", "records", "statuses")}
    for register in registers().values():
        assert f"| {register.offset:#05x} | `{register.name}` |" in made["registers"]
    for field in (*JOB_FIELDS, *SEQUENCE_FIELDS):
        assert f"| `{field}` |" in made["records"]
    assert made["statuses"].count("\n") == 1 + len(Status)


def test_generated_files():
    """Every file of an engine or a chip is that of a row; those of a Python package below count as one."""
    text = MADE["files"]().replace("PREFIX", "").replace("\\", "")
    patterns = re.findall(r"\*?\w+\*?(?:\.\w+|\*)", text)
    least = Config(rows=1, columns=4, words=1, operand_bits=4, softmax_lanes=1, update_rank=1)
    made = {**engine_files(least, ""), **register_files(), **record_files(), **driver_files(TINY), **programming(TINY)}
    for path in made:
        name = path.split("/", maxsplit=1)[0].replace("engine", "TOP")
        assert any(fnmatch(name, pattern) for pattern in patterns), path


def test_text_in_a_cell():
    assert cell("a_b `c_d|e`\n x*y | <z>") == r"a\_b `c_d\|e` x\*y \| \<z\>"
