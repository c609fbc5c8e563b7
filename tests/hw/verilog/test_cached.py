"""Verilog found again: by its component's sources, and by what is no comment in it."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim.verilog import cached
from fusioncim.verilog.cached import cached_verilog, design_key, without_comments
from fusioncim.verilog.emit import used, verilog


class Inverter(wiring.Component):
    """y: not x."""

    def __init__(self, width=4):
        self.parameters = (width,)
        super().__init__({"x": In(width), "y": Out(width)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.y.eq(~self.x)
        return m


class Wire(Inverter):
    """y: x."""


def key_of(component):
    used(component)
    return design_key(component)


def test_it_is_what_is_emitted_and_made_once(monkeypatch, tmp_path):
    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path))
    expected = "inverter_4", verilog(Inverter())
    assert cached_verilog(Inverter()) == expected
    monkeypatch.setattr(cached, "verilog", None)
    assert cached_verilog(Inverter()) == expected


def test_class_parameters_sources_and_versions_make_the_key(monkeypatch):
    key = key_of(Inverter())
    assert key_of(Inverter()) == key
    assert len({key, key_of(Inverter(5)), key_of(Wire())}) == 3
    with monkeypatch.context() as patch:
        patch.setattr(cached, "text_hash", lambda roots: "other sources")
        assert key_of(Inverter()) != key
    monkeypatch.setattr(cached.amaranth, "__version__", "0.6")
    assert key_of(Inverter()) != key


def test_the_sources_are_those_of_the_class_and_of_the_emitter(monkeypatch):
    seen = []
    monkeypatch.setattr(cached, "text_hash", lambda roots: str(seen.extend(path.name for path in roots)))
    key_of(Inverter())
    assert seen == ["test_cached.py", "emit.py"]


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("// why\nmodule m; // here\n\nendmodule\n", "module m;\nendmodule\n"),
        ("a /* b\n c */ d\n", "a   d\n"),
        ('$display("no // comment", x);// one\n', '$display("no // comment", x);\n'),
        ('$display("a \\" // b");\n', '$display("a \\" // b");\n'),
        ("wire \\a//b ; // c\n", "wire \\a//b ;\n"),
        ("/* a */ /* b */\n", ""),
    ],
)
def test_comments_and_blank_lines_are_left_out(text, bare):
    assert without_comments(text) == bare
