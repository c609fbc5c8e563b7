"""What `fusioncim synth --output` writes: mapped netlists, views and models of the banks, figures."""

from collections.abc import Mapping
from typing import Any

from fusioncim.asic.memory.memory_array import macro_of_shape
from fusioncim.asic.memory.memory_liberty import liberty_view, macro_name
from fusioncim.asic.memory.memory_model import Macro
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.netlist.netlist import SRAM_MODULE, Netlist
from fusioncim.asic.netlist.netlist_verilog import plain_verilog, view_name
from fusioncim.lib.bank import SRAM
from fusioncim_sim.files import to_json


def netlist_files(design: Design, figures: Mapping[str, Any]) -> dict[str, bytes]:
    """The files by name; figures: those of `synth_figures`."""
    macros = [macro_of_shape(shape) for shape in sorted(design.banks())]
    modules = {name: module_verilog(design.netlist(name)) for name in design.order}
    head = (
        f"// Cells: library {design.library.name}, {design.library.path.name}. Banks: the views banks/*.lib;\n"
        f"// for simulation banks.v and {SRAM.name}.\n\n"
    )
    files = {f"modules/{name}.v": head + text for name, text in modules.items()}
    files[f"{design.top}_netlist.v"] = head + "\n".join(modules.values())
    files |= {f"banks/{macro_name(macro)}.lib": liberty_view(macro_name(macro), macro) for macro in macros}
    files["banks.v"] = "\n".join(bank_verilog(macro) for macro in macros)
    files[SRAM.name] = SRAM.read_text(encoding="utf-8")
    content = {name: text.encode() for name, text in files.items()}
    return {**content, "synth.json": to_json(figures)}


def module_verilog(netlist: Netlist) -> str:
    """A mapped module as Verilog, whose banks have the names of their views."""
    return plain_verilog(netlist, view_name)


def bank_verilog(macro: Macro) -> str:
    """A bank by the name of its view, for simulation."""
    address = macro.address_bits
    ports = {
        "clk": 1,
        "write_enable": 1,
        "write_address": address,
        "write_data": macro.width,
        "read_enable": macro.reads,
        "read_address": macro.reads * address,
        "read_data": macro.reads * macro.width,
    }
    lines = [f"  {'output' if name == 'read_data' else 'input'} [{bits - 1}:0] {name}" for name, bits in ports.items()]
    pins = ", ".join(f".{name}({name})" for name in ports)
    values = f".DEPTH({macro.depth}), .WIDTH({macro.width}), .READS({macro.reads})"
    return (
        f"module {macro_name(macro)}(\n"
        + ",\n".join(lines)
        + f"\n);\n  {SRAM_MODULE} #({values}) bank({pins});\nendmodule\n"
    )
