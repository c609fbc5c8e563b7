"""Points of the RTL from what Verilator counts: merged over configurations, in few words, left out with reasons."""

import gzip
from pathlib import Path

import cocotb
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import RisingEdge

from fusioncim_golden.errors import InputError
from fusioncim_sim.coverage import record, rtl
from fusioncim_sim.coverage.exclusions import Exclusion, exclusions, reasons, stale
from fusioncim_sim.coverage.rtl import Point
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.rtl.stream import reset

HERE = Path(__file__)


class Chooser(wiring.Component):
    """y: one more than x where it is chosen, else x, a cycle behind."""

    def __init__(self):
        super().__init__({"choose": In(1), "x": In(4), "y": Out(4)})

    def elaborate(self, platform):
        m = Module()
        with m.If(self.choose):
            m.d.sync += self.y.eq(self.x + 1)
        with m.Else():
            m.d.sync += self.y.eq(self.x)
        return m


@cocotb.test()
async def never_chooses(dut):
    dut.choose.value = 0
    dut.x.value = 0
    await reset(dut)
    for x in (0, 3, 0):
        dut.x.value = x
        await RisingEdge(dut.clk)
        await RisingEdge(dut.clk)


def test_what_a_run_misses_is_told(monkeypatch, tmp_path):
    """A branch that is never taken, and the bits that never change."""
    monkeypatch.setenv(record.COVERAGE, "rtl")
    monkeypatch.setattr(record, "place", lambda: tmp_path)
    monkeypatch.setattr(rtl, "component_files", lambda: {"chooser": "chooser.py"})
    run(Chooser(), HERE.stem, "never_chooses", {}, path=HERE.parent)
    found = rtl.reached()
    assert found.designs >= 1
    told = rtl.figures(found, {})["chooser"]
    assert told["branch"]["reached"] < told["branch"]["points"]
    assert 0 < told["toggle"]["reached"] < told["toggle"]["points"]
    assert "toggle x[2-3] up" in told["gaps"]
    assert "toggle choose[0] up" in told["gaps"]
    assert "toggle x[0] up" not in told["gaps"]
    assert found.points[Point("chooser", "toggle", "y", "1 up")]


def counts(folder, name, verilog, **points):
    """A design with its Verilog and what a run counted in it."""
    design = folder / "designs" / name
    design.mkdir(parents=True)
    (design / "unit_8.v").write_text(verilog, encoding="utf-8")
    runs = folder / "coverage" / "rtl" / name
    runs.mkdir(parents=True)
    lines = []
    for text, count in points.values():
        lines.append("C '" + "".join(f"\1{key}\2{value}" for key, value in text.items()) + f"' {count}")
    (runs / "one.dat.gz").write_bytes(gzip.compress("\n".join(lines).encode()))


def of(kind, line, said, file="unit_8.v"):
    return {"f": file, "l": line, "n": 1, "t": kind, "page": f"v_{kind}/unit_8", "o": said, "h": "unit_8"}


def test_configurations_are_merged(monkeypatch, tmp_path):
    """A statement is the same whatever its widths, a bit by its number."""
    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path))
    counts(
        tmp_path, "a", "if (x == 3'h7)\nif (x == 3'h1)\n",
        first=(of("branch", 1, "if"), 0), second=(of("branch", 2, "if"), 4), bit=(of("toggle", 1, "x[0]:0->1"), 0),
        memory=(of("toggle", 1, "data[0]:0->1", "/somewhere/sram.v"), 0),
    )  # fmt: skip
    bits = {"x[0]:0->1": 0, "x[5]:1->0": 2, "x[5]:0->1": 2}
    more = {f"bit_{n}": (of("toggle", 1, said), count) for n, (said, count) in enumerate(bits.items())}
    counts(tmp_path, "b", "if (x == 9'h100)\n", first=(of("branch", 1, "if"), 1), **more)
    found = rtl.reached()
    assert (found.designs, found.runs) == (2, 2)
    assert found.points == {
        Point("unit_8", "branch", "if (x == #)", "if", 0): True,
        Point("unit_8", "branch", "if (x == #)", "if", 1): True,
        Point("unit_8", "toggle", "x", "0 up"): False,
        Point("unit_8", "toggle", "x", "5 up"): True,
        Point("unit_8", "toggle", "x", "5 down"): True,
    }


def test_a_damaged_count_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path))
    counts(tmp_path, "a", "x\n")
    (tmp_path / "coverage" / "rtl" / "a" / "one.dat.gz").write_bytes(b"none")
    with pytest.raises(InputError, match=r"the build directory is damaged \(one.dat.gz"):
        rtl.reached()


def test_gaps_in_few_words():
    bits = [Point("u", "toggle", "x", f"{n} up") for n in (0, 1, 2, 5, 7, 8)]
    assert rtl.gaps([*bits, Point("u", "line", "y <= z", "block")]) == [
        "line y <= z (block)",
        "toggle x[0-2, 5, 7-8] up",
    ]


def test_modules_are_those_of_the_longest_class():
    units = {"softmax": "", "softmax_lane": "", "bank": ""}
    assert rtl.unit_of("softmax_lane_3", units) == "softmax_lane"
    assert rtl.unit_of("softmax", units) == "softmax"
    assert rtl.unit_of("other", units) == "other"
    assert rtl.component_files()["softmax_lane"] == "engine/softmax_lane.py"


# Exclusions.

HIGH = Exclusion(unit="counters*", kind="toggle", match=r"count_.*\[60\]", reason="too far to count")


def test_points_are_left_out_by_unit_kind_and_text():
    inside, outside = Point("counters", "toggle", "count_1", "60 up"), Point("counters", "line", "count_1", "block")
    assert reasons([inside, outside], [HIGH]) == {inside: "too far to count"}
    assert stale([outside], [HIGH]) == [HIGH]
    assert not stale([inside], [HIGH])
    assert not reasons([Point("counters", "toggle", "count_1", "6 up")], [HIGH])


def test_every_exclusion_has_a_reason(tmp_path):
    assert all(one.reason for one in exclusions())
    bad = tmp_path / "bad.toml"
    bad.write_text('[[excluded]]\nunit = "a"\nkind = "*"\nmatch = "b"\nreason = " "\n', encoding="utf-8")
    with pytest.raises(InputError, match="an exclusion must have a reason"):
        exclusions(bad)
