"""Lines of delay over the load, the buffers of a library, cells of other strength."""

import pytest

from fusioncim.asic.cells.drive import EDGE_NS, buffers_of, drive_of, is_buffer, strengths


@pytest.mark.parametrize(("cell", "pin"), [("DFF_X1", "Q"), ("BUF_X4", "Z"), ("AOI222_X1", "ZN"), ("FA_X1", "S")])
def test_a_line_meets_the_slowest_delays_without_a_load_and_with_half_of_the_limit(library, cell, pin):
    drive = drive_of(library, library.cells[cell], pin)
    assert drive.limit_ff == pytest.approx(library.cells[cell].pins[pin].limit)
    assert 0.01 < drive.own_ns < 0.2
    largest = max(
        max(table.values[row])
        for arc in library.cells[cell].pins[pin].arcs
        for table in (arc.delay_rise, arc.delay_fall)
        for row, edge in enumerate(table.transition)
        if edge <= EDGE_NS
    )
    assert drive.own_ns + drive.ns_ff * drive.limit_ff == pytest.approx(largest, rel=0.35)


def test_a_stronger_cell_drives_more_with_less_delay(library):
    weak, strong = (drive_of(library, library.cells[name], "Z") for name in ("BUF_X1", "BUF_X4"))
    assert strong.ns_ff < weak.ns_ff / 3
    assert strong.limit_ff > 3 * weak.limit_ff


def test_buffers_grow_with_their_strength(library):
    found = buffers_of(library)
    assert [each.name for each in found] == ["BUF_X1", "BUF_X2", "CLKBUF_X3", "BUF_X4", "BUF_X8", "BUF_X16", "BUF_X32"]
    areas, drives = [each.area for each in found], [each.drive.ns_ff for each in found]
    assert areas == sorted(areas)
    assert drives == sorted(drives, reverse=True)


def test_only_cells_that_pass_one_input_on_are_buffers(library):
    assert is_buffer(library.cells["CLKBUF_X1"])
    assert not any(is_buffer(library.cells[name]) for name in ("INV_X1", "DFF_X1", "AND2_X1", "LOGIC0_X1"))
    assert not is_buffer(None)


def test_strengths_are_of_one_function_with_one_set_of_pins(library):
    found = strengths(library)
    assert [cell.name for cell in found["NAND2_X2"]] == ["NAND2_X1", "NAND2_X2", "NAND2_X4"]
    assert [cell.name for cell in found["DFF_X1"]] == ["DFF_X1", "DFF_X2"]
    assert [cell.name for cell in found["FA_X1"]] == ["FA_X1"]
