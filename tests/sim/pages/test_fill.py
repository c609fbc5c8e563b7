"""The pages show the stored figures, and a page that cannot be filled is told."""

from pathlib import Path

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_sim.pages.fill import TABLES, filled, marked, write_tables

ROOT = Path(__file__).parents[3]
MEASUREMENTS = ROOT / "measurements"


@pytest.mark.parametrize("page", TABLES)
def test_pages_show_the_stored_figures(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert filled(text, TABLES[page], MEASUREMENTS) == text
    assert marked(text) == set(TABLES[page])


def test_every_page_with_marks_is_known():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert {str(page.relative_to(ROOT)) for page in pages if marked(page.read_text(encoding="utf-8"))} == set(TABLES)


def test_a_table_takes_the_place_of_the_old_one():
    page = "a\n<!-- one: begin -->\nold\nold\n<!-- one: end -->\nb\n"
    assert filled(page, {"one": lambda _: "| new |"}, Path()) == page.replace("old\nold", "| new |")


@pytest.mark.parametrize("page", ["", "<!-- one: begin -->\n", "\n<!-- one: end -->\n<!-- one: begin -->\n"])
def test_a_page_without_marks_is_refused(page):
    with pytest.raises(InputError, match="the page must have the lines <!-- one: begin --> and <!-- one: end -->"):
        filled(page, {"one": lambda _: ""}, Path())


def test_pages_that_are_not_there_are_told(tmp_path):
    with pytest.raises(InputError, match=r"pages must be beside the directory of the JSON files.*measured\.md"):
        write_tables(tmp_path / "measurements")
