"""Every page leads somewhere: links and their headings, paths, modules, and the commands that a page names."""

import re
import shlex
from pathlib import Path

import pytest
from tests.sim.pages.pages_run import blocks
from typer import TyperException
from typer.main import get_command
from typer.testing import CliRunner

from fusioncim_sim.cli.app import app

ROOT = Path(__file__).parents[3]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "constraints/README.md",
    ROOT / "sim/fusioncim_sim/heads/data/README.md",
]
TOP = ("golden", "hw", "sim", "tests", "docs", "measurements", "constraints", "setup")
"""What a path in the text begins with, if it is not relative to its page."""
SUFFIXES = "py|pyi|c|h|v|rdl|md|json|npz|txt|xz|png|toml|pcf|lpf"
ELSEWHERE = {
    *("config.json", "config.toml", "manifest.json", "OUT.npz", "ports.md"),
    *("npu_chip.v", "npu_sram.v", "fusioncim_registers.md", "fusioncim_records.md"),
}
"""Files of a user, and of `fusioncim generate`, that a page names."""
FOLLOWED = ("tutorial", "howto")
PLACEHOLDER = re.compile(r"\b(NAME|BOARD)\b")
PACKAGES = {"fusioncim_golden": "golden", "fusioncim": "hw", "fusioncim_sim": "sim"}
"""Where the packages are."""


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def code(page: Path) -> list[str]:
    """What a page has between backticks, a line break being a space."""
    return [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", prose(page))]


def slug(heading: str) -> str:
    """The name under which GitHub finds a heading."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def headings(page: Path) -> set[str]:
    """The names of all headings of a page."""
    return {slug(each) for each in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)}


@pytest.fixture(params=PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def page(request):
    return request.param


def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:)([^)]+)\)|src=\"([^\"]+)\"", prose(page))
    for target in (link or source for link, source in targets):
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not heading or heading in headings(file), target


def test_paths_exist(page):
    # What a page of the tutorial lets its reader save and write; test_tutorial.py does it.
    written = "\n".join(f"{block.file} {block.text}" for block in blocks(page) if page.parent.name in FOLLOWED)
    for text in code(page):
        if PLACEHOLDER.search(text) or text in ELSEWHERE or text in written:
            continue
        if re.fullmatch(rf"({'|'.join(TOP)})(/[\w.-]+)+", text):
            assert (ROOT / text).exists(), text
        elif re.fullmatch(rf"[\w./-]+\.({SUFFIXES})", text):
            assert (page.parent / text).exists() or any(ROOT.glob(f"[ghs]*/**/{text}")), text


def test_modules_exist(page):
    """Modules, packages, and functions of modules; fusioncim.h is a header of C."""
    for name in re.findall(r"\bfusioncim(?:_golden|_sim)?(?:\.(?!h\b)[a-z]\w*)+", page.read_text(encoding="utf-8")):
        path = ROOT / PACKAGES[name.partition(".")[0]] / name.replace(".", "/")
        if not (path.is_dir() or path.with_suffix(".py").exists()):
            assert path.parent.with_suffix(".py").exists(), name
            assert f"def {path.name}(" in path.parent.with_suffix(".py").read_text(encoding="utf-8"), name


def shown(*arguments: str) -> str:
    """What a command prints."""
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"}).output


def refusal(command: str) -> str:
    """Why the command line does not take a command; empty if it does, or if only an argument is missing."""
    _, name, *options = shlex.split(command.removesuffix(" || true"))
    known = get_command(app).commands
    if name.startswith("--"):
        return "" if name in shown("--help") else "no such option"
    if name not in known:
        return "no such command"
    try:
        known[name].make_context(name, options)
    except TyperException as error:
        message = error.format_message()
        return "" if message.startswith("Missing") else message
    return ""


def test_commands_are_accepted(page):
    """Every command with its options, whether or not a page runs it."""
    blocks = re.findall(r"^fusioncim .*", page.read_text(encoding="utf-8"), re.MULTILINE)
    for command in blocks + [each for each in code(page) if each.startswith("fusioncim ")]:
        if not PLACEHOLDER.search(command):
            assert not refusal(command), f"{command}: {refusal(command)}"


def test_what_is_measured_exists(page):
    helped = shown("measure", "--help")
    for name in re.findall(r"`fusioncim measure ([a-z]+)", " ".join(prose(page).split())):
        assert re.search(rf"\b{name}:", helped), name
