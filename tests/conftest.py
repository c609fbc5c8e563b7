"""Settings and order of all tests, and the cell library: whole, or parts of it that are read in no time."""

import gc
import os
import re
import shutil

import pytest
from hypothesis import settings
from tests.order import long_first

from fusioncim.asic.cells.liberty import default_liberty, load

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, print_blob=False)
settings.load_profile("repeatable")

# A simulation that passed is not repeated while its design, bench and case stay as they are.
os.environ.setdefault("FUSIONCIM_KEEP_RUNS", "1")


@pytest.hookimpl(trylast=True)  # when those that were not asked for are gone
def pytest_collection_modifyitems(items):
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = long_first(items, lambda item: item.get_closest_marker("long") is not None, workers)


def pytest_collection_finish():
    """The collector of garbage leaves alone what stays: it takes a third of the time that a design is made in."""
    gc.freeze()


CELLS = (
    *("INV_X1", "INV_X4", "BUF_X1", "CLKBUF_X3", "NAND2_X1", "NAND3_X1", "NOR2_X1", "NOR3_X1", "AND2_X1", "OR2_X1"),
    *("XOR2_X1", "XNOR2_X1", "AOI21_X1", "AOI22_X1", "OAI21_X1", "OAI22_X1", "MUX2_X1", "HA_X1", "FA_X1"),
    *("DFF_X1", "DFFR_X1", "CLKGATE_X1", "LOGIC0_X1", "LOGIC1_X1"),
)
"""Enough to map a module."""

TIME = ("cell_rise", "cell_fall", "rise_transition", "fall_transition", "rise_constraint", "fall_constraint")
ENERGY = ("rise_power", "fall_power")


class Nangate:
    """The text of the library."""

    def __init__(self) -> None:
        head, *rest = re.split(r"(?m)^  cell \((\w+)\) \{", default_liberty().read_text(encoding="utf-8"))
        self.head = head
        self.cells = dict(zip(rest[::2], rest[1::2], strict=True))
        last = list(self.cells)[-1]
        self.cells[last] = self.cells[last].rstrip().removesuffix("}")

    def only(self, *names):
        """A library of these cells, or of CELLS."""
        return self.head + "".join(f"  cell ({name}) {{{self.cells[name]}" for name in names or CELLS) + "\n}\n"


def rescaled(text):
    """The same library in ps, pF and uW, so that energies are in pJ."""

    def numbers(factor, text):
        return re.sub(r"[-+]?\d[\d.]*(?:e[-+]?\d+)?", lambda number: repr(float(number[0]) * factor), text)

    def table(found):
        name, body = found[1], found[2]
        loads = 1e-3 if "Timing_7_7" in found[0] or "Power_7_7" in found[0] else 1e3
        factors = {"index_1": 1e3, "index_2": loads, "values": 1e3 if name in TIME else 1e-3}
        scaled = re.sub(
            r"(index_1|index_2|values)\s*\(([^)]*)\)", lambda x: f"{x[1]} ({numbers(factors[x[1]], x[2])})", body
        )
        return found[0].replace(body, scaled)

    text = re.sub(rf"\b({'|'.join(TIME + ENERGY)})\s*\(\w+\)\s*\{{([^}}]*)\}}", table, text)
    for attribute, factor in {
        r"(?:\w+_)?capacitance|default_\w+_pin_cap": 1e-3,
        "default_max_transition|max_transition": 1e3,
        "value|cell_leakage_power": 1e-3,
    }.items():
        text = re.sub(rf"\b({attribute})(\s*:\s*)([\d.e+-]+)", lambda x, f=factor: x[1] + x[2] + numbers(f, x[3]), text)
    for old, new in {'"1ns"': '"1ps"', '"1nW"': '"1uW"', "(1,ff)": "(1,pf)"}.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="session")
def nangate():
    """The text of the whole library by cell."""
    return Nangate()


@pytest.fixture(scope="session")
def library():
    """The whole library, read once."""
    return load(default_liberty())


@pytest.fixture(scope="session")
def small_library(nangate, tmp_path_factory):
    """A library of CELLS."""
    path = tmp_path_factory.mktemp("liberty") / "small.lib"
    path.write_text(nangate.only(), encoding="utf-8")
    return load(path)


@pytest.fixture(scope="session")
def small_library_rescaled(nangate, tmp_path_factory):
    """The same in other units."""
    path = tmp_path_factory.mktemp("liberty") / "rescaled.lib"
    path.write_text(rescaled(nangate.only()), encoding="utf-8")
    return load(path)


@pytest.fixture
def without(monkeypatch, tmp_path):
    """Take programs off PATH, but for those named."""

    def only(*programs):
        place = tmp_path / "bin"
        place.mkdir()
        for program in programs:
            (place / program).symlink_to(shutil.which(program))
        monkeypatch.setenv("PATH", str(place))

    return only
