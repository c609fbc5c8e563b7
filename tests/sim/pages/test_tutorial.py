"""Who follows a page of the tutorial, or a how-to, sees what it shows."""

from pathlib import Path

import pytest
from tests.sim.pages.pages_run import FILES, blocks, follow

ROOT = Path(__file__).parents[3]
PAGES = [page for folder in ("tutorial", "howto") for page in sorted((ROOT / "docs" / folder).glob("*.md"))]
LONGEST = (ROOT / "docs/tutorial/5-my-program.md", ROOT / "docs/howto/whole-chip.md")
"""They compile a chip as a library: make test-pages."""
RUN = [
    page
    for page in PAGES
    if page not in LONGEST and any(block.language in ("sh", "python", *FILES) for block in blocks(page))
]


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", RUN, ids=[f"{page.parent.name}/{page.stem}" for page in RUN])
def test_a_reader_gets_there(page, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONCIM_BUILD", str(ROOT / "build"))
    follow(page, tmp_path)


def test_the_tutorial_has_five_tasks():
    assert [page.name[0] for page in PAGES if page.parent.name == "tutorial"] == ["1", "2", "3", "4", "5", "i"]


def test_output_that_was_not_printed_is_an_error(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Save this as `a.toml`:\n\n```toml\nx = 1\n```\n\n```sh\ncat a.toml\n```\n\n```text\nx =  1\n```\n")
    follow(page, tmp_path)
    page.write_text("```sh\necho one\n```\n\n```text\ntwo\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="shows what was not printed: two"):
        follow(page, tmp_path)
    page.write_text("```sh\nfalse\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="false\n: exit status 1"):
        follow(page, tmp_path)
    page.write_text("Look:\n\n```toml\nx = 1\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="must say as what to save"):
        follow(page, tmp_path)
