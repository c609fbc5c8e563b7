"""Cells of the tables of docs/quality.md; the pages' tests hold whole tables to the stored figures."""

from fusioncim_sim.studies.quality.tables import percent


def test_fewer_is_negative():
    assert [percent(below) for below in (58.5, -20.0, 0.0, None)] == ["-58.5 %", "+20.0 %", "0 %", ""]
