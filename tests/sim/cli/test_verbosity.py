"""--verbose and --quiet: what is said on the standard error."""

import logging

import pytest
from typer.testing import CliRunner

from fusioncim.build.messages import PACKAGES
from fusioncim_sim.cli.app import app

EVALUATE = ("evaluate", "--tokens", "64", "--layers", "1")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty directory for the builds; afterwards no messages are shown."""
    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path / "build"))
    yield tmp_path
    for package in PACKAGES:
        logging.getLogger(package).setLevel(logging.NOTSET)
        logging.getLogger(package).handlers.clear()


@pytest.fixture(autouse=True)
def fresh_kernel(monkeypatch):
    """Every command looks for the kernel anew."""
    from fusioncim_sim.system import cycles

    cycles._library.cache_clear()
    yield
    cycles._library.cache_clear()


def fusioncim(*arguments):
    result = CliRunner().invoke(app, [*arguments], prog_name="fusioncim")
    assert result.exit_code == 0, result.output
    return result


def test_progress_is_shown_unless_quiet():
    plain = fusioncim(*EVALUATE)
    assert plain.stderr.startswith("evaluate: llama3-8b, ")
    assert plain.stderr.count("\n") == 1
    for command in ((*EVALUATE, "-q"), (*EVALUATE, "--quiet"), ("--quiet", *EVALUATE)):
        quiet = fusioncim(*command)
        assert quiet.stderr == ""
        assert quiet.stdout == plain.stdout


@pytest.mark.parametrize("command", [(*EVALUATE, "-v"), ("--verbose", *EVALUATE)])
def test_verbose_says_builds_and_programs(place, command):
    first = fusioncim(*command).stderr
    assert f"builds go to {place / 'build'}\n" in first
    assert f"making: {place / 'build' / 'cycles-'}" in first
    assert "program: gcc " in first
    assert "evaluate: llama3-8b, " in first


def test_a_kept_build_is_said(place):
    from fusioncim_sim.system import cycles

    fusioncim(*EVALUATE)
    cycles._library.cache_clear()
    second = fusioncim(*EVALUATE, "-v").stderr
    assert f"kept: {place / 'build' / 'cycles-'}" in second
    assert "making" not in second
    assert "gcc" not in second


def test_only_one_of_both():
    result = CliRunner().invoke(app, ["info", "-v", "-q"], prog_name="fusioncim")
    assert result.exit_code == 2
    assert result.stderr == "error: only one of --verbose and --quiet may be given\n"
