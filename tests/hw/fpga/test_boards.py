"""Boards: their pins."""

from pathlib import Path

import pytest

from fusioncim.fpga.boards import BOARDS, board

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", BOARDS)
def test_pin_files_are_those_of_the_boards(name):
    assert (ROOT / "constraints" / board(name).pin_file).read_text(encoding="utf-8") == board(name).pins()
