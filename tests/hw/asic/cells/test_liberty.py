"""Reading cell libraries: kinds of cells, units, what is kept, and what is refused."""

import numpy as np
import pytest

from fusioncim.asic.cells import liberty
from fusioncim.asic.cells.liberty import load
from fusioncim_golden.errors import InputError


def test_kinds_of_cells(library):
    kinds = {"NAND2_X1": "comb", "DFFRS_X1": "ff", "DLH_X1": "latch", "CLKGATE_X1": "icg", "ANTENNA_X1": "other"}
    assert {name: library.cells[name].kind for name in kinds} == kinds
    flop = library.cells["DFFR_X1"]
    assert flop.pins["CK"].clock
    assert not flop.pins["D"].clock
    assert (flop.state["next"], flop.state["clear"]) == ("D", "(~RN)")


def test_other_units_are_the_same_quantities(small_library, small_library_rescaled):
    one, other = small_library, small_library_rescaled
    assert (other.units.time, other.units.capacitance, other.units.leakage) == (1e-12, 1e-12, 1e-6)
    for name, cell in one.cells.items():
        twin = other.cells[name]
        for when, value in cell.leakage.items():
            assert twin.leakage[when] * other.units.leakage == pytest.approx(value * one.units.leakage)
        for pin, content in cell.pins.items():
            capacitance = content.capacitance * one.units.capacitance
            assert twin.pins[pin].capacitance * other.units.capacitance == pytest.approx(capacitance)
            for power, scaled in zip(content.power, twin.pins[pin].power, strict=True):
                pairs = ((power.rise, scaled.rise), (power.fall, scaled.fall))
                for table, same in (pair for pair in pairs if pair != (None, None)):
                    energy = np.array(table.values) * one.units.energy
                    assert np.array(same.values) * other.units.energy == pytest.approx(energy)
                    assert np.array(same.transition) * 1e-12 == pytest.approx(np.array(table.transition) * 1e-9)


def test_a_library_is_parsed_once(nangate, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path / "build"))
    text = nangate.only("INV_X1", "DFF_X1")
    for name in ("one.lib", "two.lib"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    first = load(tmp_path / "one.lib")
    monkeypatch.setattr(liberty, "_read", None)
    second = load(tmp_path / "two.lib")
    assert second.cells == first.cells
    assert (second.path, second.key) == (tmp_path / "two.lib", first.key)
    monkeypatch.undo()


def test_a_damaged_store_is_named(nangate, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path / "build"))
    path = tmp_path / "one.lib"
    path.write_text(nangate.only("INV_X1", "DFF_X1"), encoding="utf-8")
    load(path)
    (kept,) = (tmp_path / "build").rglob("library.json.gz")
    for damage in (lambda: kept.write_bytes(kept.read_bytes()[:100]), lambda: kept.unlink()):
        damage()
        with pytest.raises(InputError, match=rf"build directory is damaged \(library.json.gz: .*remove {kept.parent}"):
            load(path)


def changed(old, new):
    def change(text):
        assert old in text
        return text.replace(old, new, 1)

    return change


BAD = {
    "no text": (lambda text: "", "must have a group library (NAME)"),
    "prose": (lambda text: "hello world", "must have a group library (NAME)"),
    "verilog": (lambda text: "module inverter(input a); endmodule", "must have a group library (NAME)"),
    "cut off": (lambda text: text[: len(text) // 2], "is not valid"),
    "twice": (lambda text: text + text, "is not valid"),
    "only a cell": (lambda text: "cell(INV) { area : 1; }", "must hold a library, not a cell"),
    "inside out": (lambda text: "cell(INV) { library(L) { } }", "must hold a library, not a cell"),
    "current sources": (changed("table_lookup", "polynomial"), "must have delay_model table_lookup, not polynomial"),
    "unknown time": (changed('"1ns"', '"1fortnight"'), "time_unit of the Liberty file must be in fractions of s"),
    "no time": (changed("time_unit", "tick"), "time_unit of the Liberty file must be a number and a unit of s, not ''"),
    "unknown power": (
        changed('"1nW"', '"watts"'),
        "leakage_power_unit of the Liberty file must be a number",
    ),
    "unknown load": (changed("(1,ff)", "(1,gallon)"), "must be in fractions of F, not in gallon"),
    "half a load": (changed("(1,ff)", "(1)"), "must state capacitive_load_unit as a number and a unit"),
    "no voltage": (changed("nom_voltage", "voltage_name"), "must state nom_voltage"),
    "no number": (changed("0.532000", "some"), "(cell INV_X1: could not convert string to float: 'some')"),
    "no function": (changed('"!A"', '"!A &"'), "is not valid (cell INV_X1: "),
    "no flip-flops": (lambda text: text[: text.index("  cell (DFF_X1)")] + "}", "must have flip-flops"),
    "no gates": (lambda text: text[: text.index("  cell (")] + "}", "must have gates"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_libraries_are_refused(case, nangate, tmp_path):
    change, message = BAD[case]
    path = tmp_path / "bad.lib"
    path.write_text(change(nangate.only("INV_X1", "DFF_X1")), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_path_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\): .*none.lib"):
        load(tmp_path / "none.lib")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        load(tmp_path)


def test_a_missing_library_is_named(monkeypatch):
    def missing(name):
        raise liberty.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(liberty.importlib.metadata, "files", missing)
    with pytest.raises(InputError, match=r"install it with pip install 'fusioncim\[synth\]'"):
        liberty.default_liberty()
