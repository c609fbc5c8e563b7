"""Liberty cells that stand for modules: the same ports, with the capacitances of what is behind them, and no paths."""

import re
from collections.abc import Mapping

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.netlist.loads import PortLoads, port_loads
from fusioncim.asic.netlist.netlist import Netlist


def module_liberty(cells: Mapping[str, str], netlists: Mapping[str, Netlist], library: Library) -> str:
    """A Liberty file in the library's units.

    cells: names of the modules by those of the cells; netlists: of the modules and of all below them.
    """
    head = library.path.read_text(errors="replace", encoding="utf-8")
    units = re.findall(r"^\s*(?:time_unit|leakage_power_unit|voltage_unit|current_unit|pulling_resistance_unit)\s*:.*$",
                       head, re.MULTILINE)  # fmt: skip
    units += re.findall(
        r"^\s*(?:capacitive_load_unit\s*\(|(?:input|output|slew)\w*_pct_\w+\s*:).*$", head, re.MULTILINE
    )
    cache: dict[str, PortLoads] = {}
    types: set[int] = set()
    bodies = []
    for cell, name in cells.items():
        loads = port_loads(netlists, name, library, cache)
        pins = []
        for port, (direction, bits) in netlists[name].ports.items():
            types.add(len(bits))
            each = "".join(
                f"      pin({port}[{n}]) {{ capacitance : {load:.6g}; }}\n"
                for n, load in enumerate(loads.get(port, ()))
            )
            one = f" capacitance : {loads[port][0]:.6g};" if port in loads else ""
            if len(bits) == 1:
                pins.append(f"    pin({port}) {{ direction : {direction};{one} }}\n")
            else:
                pins.append(f"    bus({port}) {{ bus_type : bits{len(bits)}; direction : {direction};\n{each}    }}\n")
        bodies.append(f"  cell({cell}) {{ area : 0; dont_touch : true;\n{''.join(pins)}  }}\n")
    buses = "".join(
        f"  type(bits{n}) {{ base_type : array; data_type : bit; bit_width : {n}; bit_from : {n - 1}; bit_to : 0; "
        "downto : true; }\n"
        for n in sorted(types)
    )
    return f"library(modules) {{\n  delay_model : table_lookup;\n{chr(10).join(units)}\n{buses}{''.join(bodies)}}}\n"
