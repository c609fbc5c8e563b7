"""Packages: a base install has what its commands import, and every other command says which extra it needs."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from packaging.requirements import Requirement
from safetensors.numpy import save_file

from fusioncim_sim.cli.app import app
from fusioncim_sim.cli.errors import EXTRA_OF

ROOT = Path(__file__).parents[3]
TINY = ("--preset", "tiny", "--jobs", "1")
COMMANDS = [command.callback.__name__.replace("_", "-") for command in app.registered_commands]

# Packages that pyproject.toml asks for, beside those that every command imports. What runs in a process of its own, as
# Yosys does, does not count.
ALWAYS = {"numpy", "pygments", "rich", "typer"}
CHIP = {"amaranth", "peakrdl-cheader", "peakrdl-ipxact", "peakrdl-python", "systemrdl-compiler"}
BASE = {
    ("--version",): set(),
    ("info",): set(),
    ("generate", "--preset", "tiny"): CHIP | {"peakrdl-markdown"},
    ("evaluate", "--tokens", "64", "--layers", "1"): CHIP,
    ("report", "report.html"): CHIP | {"matplotlib"},
    ("simulate", "heads.npz", *TINY, "--simulator", "golden"): set(),
    ("simulate", "heads.safetensors", *TINY, "--simulator", "golden"): {"ml-dtypes", "safetensors"},
    ("quality", "heads.npz", *TINY): set(),
    ("explore", "--limit", "2", "--tokens", "64", "--jobs", "1"): CHIP,
}
WITH_EXTRAS = {
    ("simulate", "heads.npz", *TINY, "--tokens", "1"): {"amaranth", "cocotb"},
    ("synth", *TINY, "--engine"): CHIP | {"liberty-parser", "sympy"},
    ("timing", *TINY, "--engine"): CHIP | {"liberty-parser", "sympy"},
}
NEEDED = {
    ("simulate", "heads.npz", *TINY): "sim",
    ("simulate", "heads.npz", *TINY, "--chip"): "library",
    ("demo",): "sim",
    ("measure", "engine"): "sim",
    ("build-model",): "library",
    ("soc",): "soc",
    ("soak",): "library",
    ("power",): "sim",
    ("synth",): "synth",
    ("timing",): "synth",
    ("fpga",): "fpga",
    ("explore", "--scheduler", "tcp://127.0.0.1:1", "-o", "other"): "explore",
    ("quality",): "llm",
    ("simulate", "heads.pt", *TINY, "--simulator", "golden"): "llm",
    ("chat", "hello"): "llm",
    ("capture", "new.npz"): "llm",
}
"""Extra that a command names without it."""

RUN = """
import json, sys
from fusioncim_sim.cli.app import app
try:
    app(sys.argv[2:])
except SystemExit as end:
    status = end.code
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump([status, sorted({name.partition(".")[0] for name in sys.modules})], file)
"""
HELP = """
import sys
from fusioncim_sim.cli.app import app
for command in sys.argv[1:]:
    try:
        app([command, "--help"])
    except SystemExit as end:
        assert not end.code, command
"""
FOUND = """
import sys
from importlib.util import find_spec
print(*(name for name in sys.argv[1:] if find_spec(name)))
"""


@pytest.fixture
def place(tmp_path):
    """A directory with heads in files of several kinds."""
    generator = np.random.default_rng(1)
    heads = {f"head_{part}": generator.normal(size=(4, 16)) for part in "qkv"}
    np.savez(tmp_path / "heads.npz", **heads)
    bfloat16 = {name: x.astype(ml_dtypes.bfloat16) for name, x in heads.items()}
    save_file(bfloat16, tmp_path / "heads.safetensors")
    with zipfile.ZipFile(tmp_path / "heads.pt", "w") as archive:
        archive.writestr("heads/data.pkl", "")  # what torch.save writes is known by it
    return tmp_path


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(place, python, environment, command):
    """Exit status, standard error, and those of our requirements that the command imported."""
    file = f"{'_'.join(command).replace('/', '_')}.json"
    done = subprocess.run(
        [python, "-c", RUN, file, *command], cwd=place, env=environment, capture_output=True, encoding="utf-8"
    )
    if done.returncode:
        return done.returncode, done.stderr, set()
    status, modules = json.loads((place / file).read_text(encoding="utf-8"))
    requirements = map(Requirement, importlib.metadata.requires("fusioncim"))
    ours = {normal(each.name) for each in requirements if "dev" not in str(each.marker)}
    brought_by = importlib.metadata.packages_distributions()
    return status, done.stderr, {normal(each) for module in modules for each in brought_by.get(module, ())} & ours


def base_distributions():
    """What a base install brings: our requirements without an extra, and theirs."""
    found, waiting = {}, [Requirement(each) for each in importlib.metadata.requires("fusioncim")]
    while waiting:
        requirement = waiting.pop()
        if normal(requirement.name) in found or not (
            requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ):
            continue
        distribution = importlib.metadata.distribution(requirement.name)
        found[normal(requirement.name)] = distribution
        waiting += map(Requirement, distribution.requires or [])
    return found.values()


def install(place):
    """An environment of its own with the wheel of this tree and the base requirements alone, and no network."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", place], cwd=ROOT, check=True)
    environment = place / "environment"
    venv.create(environment, symlinks=True)
    (site,) = environment.glob("lib/python*/site-packages")
    for distribution in base_distributions():
        for file in distribution.files:
            source = Path(str(file.locate()))
            if ".." not in file.parts and source.exists():
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                (site / file).symlink_to(source.resolve())
    (wheel,) = place.glob("*.whl")
    python = environment / "bin" / "python"
    options = ("--disable-pip-version-check", "--no-index", "--no-compile", "--quiet")
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", *options, wheel], check=True)
    return python


@pytest.mark.long
def test_a_base_install_works_and_names_the_extras(place):
    python = install(place)
    environment = {"PATH": f"{python.parent}:{os.environ['PATH']}", "HOME": str(place)}

    def run(*command):
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, encoding="utf-8")
        return done.returncode, done.stdout, done.stderr

    assert run(python, "-c", FOUND, *EXTRA_OF, "fusioncim_sim")[1].split() == ["fusioncim_sim"]
    assert run("fusioncim", "--version") == (0, f"{importlib.metadata.version('fusioncim')}\n", "")
    status, _, errors = run(python, "-c", HELP, *COMMANDS)
    assert status == 0, errors

    with ThreadPoolExecutor(2) as pool:
        done = dict(zip(BASE, pool.map(partial(imported, place, python, environment), BASE), strict=True))
        refused = dict(zip(NEEDED, pool.map(lambda command: run("fusioncim", *command), NEEDED), strict=True))
    bad = {command: errors for command, (status, errors, _) in done.items() if status}
    assert not bad
    assert {command: packages for command, (*_, packages) in done.items()} == {
        command: ALWAYS | packages for command, packages in BASE.items()
    }
    for command, (status, output, errors) in refused.items():
        assert (status, output) == (2, ""), command
        assert errors.startswith("error: "), command
        assert errors.count("\n") == 1, errors
        assert re.findall(r"pip install 'fusioncim\[(\w+)\]'", errors) == [NEEDED[command]], command


@pytest.mark.parametrize("command", WITH_EXTRAS, ids=" ".join)
def test_a_command_imports_the_packages_of_its_extra_alone(command, place):
    environment = os.environ | {"FUSIONCIM_BUILD": str(Path("build").resolve())}
    status, errors, packages = imported(place, sys.executable, environment, command)
    assert status == 0, errors
    assert packages == ALWAYS | WITH_EXTRAS[command]
