"""Runs of OpenSTA."""

import pytest

from fusioncim.asic.opensta import require_sta, run_sta
from fusioncim_golden.errors import InputError


def test_a_missing_opensta_is_named(without, library, tmp_path):
    without("env")
    with pytest.raises(InputError, match=r"OpenSTA is missing .* install it with 'apt-get install opensta'"):
        require_sta()
    with pytest.raises(InputError, match="OpenSTA is missing"):
        run_sta(tmp_path, "top", "", library, banks=(), others="", commands=(), writes="out")


def test_a_netlist_that_does_not_link_is_an_error(library, tmp_path):
    verilog = "module top(a); input a; NONE_X1 g0 (.A(a)); endmodule"
    with pytest.raises(RuntimeError, match=r"OpenSTA could not time top: Warning: .* NONE_X1 not found"):
        run_sta(tmp_path, "top", verilog, library, banks=(), others="", commands=(), writes="out")
