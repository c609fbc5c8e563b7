"""What a terminal shows: nothing is left out where it is narrow, and small numbers are not zeros."""

import io

import pytest
from rich.console import Console

from fusioncim_sim.screen.tables import significant, table


def printed(grid, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(grid)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [24, 40, 80, 200])
def test_every_character_of_a_name_and_a_number_is_there(width):
    name, number, meaning = "prefill.of.batch7.head12.of_a_model", "123456789123", "what a reader wants to know"
    grid = table("name", "value", "meaning")
    grid.add_row(name, number, meaning)
    text = printed(grid, width)
    assert "…" not in text
    for part in (name, number, meaning.replace(" ", "")):
        left = list(part)
        for letter in text:
            if left and letter == left[0]:
                left.pop(0)
        assert not left, f"{part} at {width} columns:\n{text}"


def test_a_wide_terminal_has_a_line_for_each_row():
    grid = table("name", "value")
    grid.add_row("one", "1")
    grid.add_row("two", "2")
    assert [line.split() for line in printed(grid, 80).splitlines() if line.strip()][2:] == [["one", "1"], ["two", "2"]]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.234567e-7, "0.0000001235"),
        (-0.00456789, "-0.004568"),
        (1.0, "1.000"),
        (123.456, "123.5"),
        (1234567.8, "1,234,568"),
        (float("inf"), "inf"),
    ],
)
def test_significant_digits(value, text):
    assert significant(value) == text
