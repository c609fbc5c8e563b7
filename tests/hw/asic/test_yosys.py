"""Running Yosys."""

import pytest

from fusioncim.asic.yosys import run_yosys


def test_a_mapping_that_fails_shows_the_end_of_its_log(tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)mapping m failed: .*No such command: paint"):
        run_yosys("m", ["paint"], tmp_path / "log")
