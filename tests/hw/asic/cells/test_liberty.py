"""Reading cell libraries: kinds of cells, units, what is kept, and what is refused."""

import re

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
    text = nangate.only("INV_X1", "BUF_X1", "NAND2_X1", "DFF_X1")
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
    path.write_text(nangate.only("INV_X1", "BUF_X1", "NAND2_X1", "DFF_X1"), encoding="utf-8")
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


def inverter(name, value):
    """Another value of the first attribute of that name in the first cell."""

    def change(text):
        head, cell, rest = text.partition("  cell (INV_X1)")
        rest, count = re.subn(rf"\b({name}\s*: )\S+;", rf"\g<1>{value};", rest, count=1)
        assert count == 1
        return head + cell + rest

    return change


def energies(value):
    return lambda text: re.sub(r'(rise_power[^{]*\{[^}]*?values\s*\(\s*")[^,]+', rf"\g<1>{value}", text, count=1)


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
    "negative area": (
        inverter("area", -0.532),
        "(cell INV_X1: area must be at least 0, not -0.532)",
    ),
    "area is no number": (
        inverter("area", "nan"),
        "(cell INV_X1: area must be a finite number, not nan)",
    ),
    "endless area": (inverter("area", "inf"), "(cell INV_X1: area must be a finite number, not inf)"),
    "negative leakage": (
        inverter("cell_leakage_power", -3),
        "(cell INV_X1: cell_leakage_power must be at least 0, not -3)",
    ),
    "negative leakage of a state": (
        lambda text: re.sub(r"(leakage_power \(\) \{[^}]*?value\s*: )\S+;", r"\1-7;", text, count=1),
        "must be at least 0, not -7)",
    ),
    "negative capacitance": (
        inverter("capacitance", -1.5),
        "(cell INV_X1: capacitance must be at least 0, not -1.5)",
    ),
    "negative limit": (
        inverter("max_capacitance", -1),
        "(cell INV_X1: max_capacitance must be at least 0, not -1)",
    ),
    "energy is no number": (energies("nan"), "tables must hold finite numbers, not nan)"),
    "endless energy": (energies("inf"), "tables must hold finite numbers, not inf)"),
    "negative transition": (
        lambda text: re.sub(r"(rise_transition\([^{]*\{[^}]*?values\s*\(\s*\")[^,]+", r"\1-0.5", text, count=1),
        "rise_transition must be at least 0, not -0.5)",
    ),
    "falling index": (
        lambda text: re.sub(r'(rise_power[^{]*\{\s*index_1 \(")[^,]+', r"\g<1>9", text, count=1),
        "index_1 of rise_power must be rising numbers from 0",
    ),
    "no time at all": (changed('"1ns"', '"0ns"'), "time_unit of the Liberty file must be above 0, not 0"),
    "negative load": (changed("(1,ff)", "(-1,ff)"), "capacitive_load_unit of the Liberty file must be above 0, not -1"),
    "negative voltage": (
        lambda text: re.sub(r"nom_voltage\s*: \S+;", "nom_voltage : -1.1;", text),
        "nom_voltage of the Liberty file must be above 0, not -1.1",
    ),
    "voltage is no number": (
        lambda text: re.sub(r"nom_voltage\s*: \S+;", "nom_voltage : nan;", text),
        "nom_voltage must be a finite number, not nan",
    ),
    "no buffer": (lambda text: re.sub(r'function\s*: "A";', 'function : "!A";', text), "must have a buffer"),
    "no inverter": (lambda text: re.sub(r'function\s*: "!A";', 'function : "A";', text), "must have an inverter"),
    "no gate": (
        lambda text: text[: text.index("  cell (NAND2")] + text[text.index("  cell (DFF") :],
        "must have a gate",
    ),
    "no gates": (lambda text: text[: text.index("  cell (")] + "}", "must have gates"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_libraries_are_refused(case, nangate, tmp_path):
    change, message = BAD[case]
    path = tmp_path / "bad.lib"
    path.write_text(change(nangate.only("INV_X1", "BUF_X1", "NAND2_X1", "DFF_X1")), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_real_libraries_have_is_read(nangate, tmp_path):
    """Energies below 0, cells without area, and leakage by supply, one part of it negative."""
    text = energies("-0.25")(nangate.only("INV_X1", "BUF_X1", "NAND2_X1", "DFF_X1", "ANTENNA_X1"))
    text = re.sub(r"(cell \(ANTENNA_X1\) \{.*?area\s*: )\S+;", r"\g<1>0;", text, flags=re.S)
    parts = "".join(
        f'leakage_power () {{ related_pg_pin : {pin}; when : "!A"; value : {value}; }}\n'
        for pin, value in {"VDD": 12.5, "VSS": -2.5}.items()
    )
    start, end = text.index("  cell (INV_X1)"), text.index("  cell (DFF_X1)")
    inverter = re.sub(r"leakage_power \(\) \{[^}]*\}", "", text[start:end]).replace("{", "{\n" + parts, 1)
    path = tmp_path / "real.lib"
    path.write_text(text[:start] + inverter + text[end:], encoding="utf-8")
    cells = load(path).cells
    assert cells["ANTENNA_X1"].area == 0
    assert cells["INV_X1"].leakage["(~A)"] == 10
    assert min(cells["INV_X1"].pins["ZN"].power[0].rise.values[0]) == -0.25


def test_the_node_is_known_or_stated(nangate, tmp_path):
    path = tmp_path / "any.lib"
    path.write_text(nangate.only("INV_X1", "BUF_X1", "NAND2_X1", "DFF_X1"), encoding="utf-8")
    assert (load(path).node, load(path, 45).node) == (45, 45)
    with pytest.raises(InputError, match="the cells of NangateOpenCellLibrary are of 45 nm, not 180"):
        load(path, 180)
    path.write_text(
        nangate.only("INV_X1", "BUF_X1", "NAND2_X1", "DFF_X1").replace("NangateOpenCellLibrary", "mine"),
        encoding="utf-8",
    )
    assert (load(path).node, load(path, 180).node, load(path, 45).node) == (None, 180, 45)
    load(path, 45).require_node_of_banks()
    for node, name in {180: "180 nm", None: r"a node that is not stated \(--node\)"}.items():
        rule = f"must be of one technology: .* of 45 nm, the cells of mine of {name}: .*any.lib"
        with pytest.raises(InputError, match=f"{rule}; --node 45 takes both together all the same$"):
            load(path, node).require_node_of_banks()


def test_delays_need_thresholds(nangate, tmp_path):
    path = tmp_path / "mine.lib"
    text = nangate.only()
    path.write_text(text, encoding="utf-8")
    load(path).require_thresholds()
    path.write_text(re.sub(r"slew_lower_threshold_pct_fall\s*:.*", "", text), encoding="utf-8")
    with pytest.raises(InputError, match="must state slew_lower_threshold_pct_fall for delays, not so "):
        load(path).require_thresholds()


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
