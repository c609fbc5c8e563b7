"""Pages whose commands take minutes, followed as a reader would, at small sizes: make test-pages."""

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.sim.pages.pages_run import blocks, follow
from tests.sim.pages.test_tutorial import LONGEST, PAGES

ROOT = Path(__file__).parents[3]
SLOW = {page.name: page for page in PAGES if any(block.language == "bash" for block in blocks(page))}
"""Pages with commands that `make test` leaves out."""
SMALLER = {"power.md": {"--tokens 64": "--tokens 64 --set rows=4 --set softmax_lanes=1"}}
"""What is other here than in the page: an engine that is mapped in a minute."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder; builds are those of the checkout."""
    monkeypatch.setenv("FUSIONCIM_BUILD", str(ROOT / "build"))
    return tmp_path


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """The tracked files, elsewhere, and their sources before all others."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    monkeypatch.setenv("PYTHONPATH", ":".join(str(tmp_path / part) for part in ("golden", "hw", "sim")))
    return tmp_path


def test_these_are_the_slow_pages():
    assert set(SLOW) == {"measure.md", "power.md", "waveforms.md"}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", LONGEST, ids=[page.stem for page in LONGEST])
def test_pages_with_a_library(page, folder):
    follow(page, folder)


@pytest.mark.timeout(1800)
def test_power(folder):
    follow(SLOW["power.md"], folder, slow=True, changed=SMALLER["power.md"])
    assert {each.suffix for each in (folder / "power").iterdir()} >= {".json"}


@pytest.mark.timeout(1800)
def test_waveforms(folder):
    follow(SLOW["waveforms.md"], folder, slow=True)
    assert (folder / "run.fst").stat().st_size > 10_000
    assert (folder / "libfusioncim.so").exists()


@pytest.mark.timeout(1800)
def test_measure(clone):
    """The figure that is measured again is the stored one, and so are all tables and pictures."""
    stale = clone / "measurements/accuracy.json"
    stored = stale.read_bytes()
    stale.write_bytes(stored.replace(b"1", b"2"))
    pages = {each: each.read_bytes() for each in (clone / "docs").rglob("*") if each.suffix in (".md", ".svg")}
    follow(SLOW["measure.md"], clone, slow=True)
    assert stale.read_bytes() == stored
    assert [each.name for each, text in pages.items() if each.read_bytes() != text] == []


def test_a_change_that_a_page_lacks_is_an_error(folder):
    with pytest.raises(AssertionError, match=r"measure\.md must have --tokens 99"):
        follow(SLOW["measure.md"], folder, changed={"--tokens 99": ""})
