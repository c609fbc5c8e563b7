"""A Liberty view of a bank, for synthesis and timing beside the cell library.

One library with one cell, whose ports are those of `fusioncim_sram` with its parameters put in. Units, corner and
thresholds are those of the Nangate library: ns, fF, nW, V, and so fJ. All values come from `memory_model` and
`memory_technology`.

Power: the clock pin's rising edge costs `idle_energy_fj`, and in a cycle with an enable also the access of that port.
OpenSTA 2.0.17 adds the energies of both edges and counts both edges too: what it reports for a clock pin is twice that.
Timing: every input against the rising clock edge, read data after it with a delay that grows with the load.
"""

from fusioncim.asic.memory.memory_array import ArrayMacro
from fusioncim.asic.memory.memory_model import Macro
from fusioncim.asic.memory.memory_technology import (
    CLOCK_FF,
    HOLD_NS,
    INPUT_FF,
    LOAD_FF,
    OUTPUT_NS_FF,
    SETUP_NS,
    SLEW_NS,
    SLEW_NS_FF,
    SUPPLY_V,
)


def macro_name(macro: Macro) -> str:
    """Name of the cell, such as `fusioncim_sram_128x96_r2`, or `fusioncim_sram_4x1024_r1_array`."""
    name = f"fusioncim_sram_{macro.depth}x{macro.width}_r{macro.reads}"
    return f"{name}_array" if isinstance(macro, ArrayMacro) else name


def liberty_view(name: str, macro: Macro) -> str:
    """Text of a Liberty library `name` with the cell `name`."""
    address = macro.address_bits
    widths = {
        "write_address": address,
        "write_data": macro.width,
        "read_enable": macro.reads,
        "read_address": macro.reads * address,
        "read_data": macro.reads * macro.width,
    }
    powers = [_power(None, macro.idle_energy_fj), _power("write_enable", macro.write_energy_fj)]
    powers += [_power(f"read_enable[{n}]", macro.read_energy_fj) for n in range(macro.reads)]
    clock = [
        *("direction : input;", "clock : true;"),
        *(f"capacitance : {CLOCK_FF:.6f};", f"min_period : {macro.cycle_ns:.6f};"),
        *powers,
    ]
    inputs = ["direction : input;", f"capacitance : {INPUT_FF:.6f};", _constraint("setup"), _constraint("hold")]
    buses = [
        _group(f"bus ({port})", [f"bus_type : {port};", *(_read(macro) if port == "read_data" else inputs)])
        for port in widths
    ]
    cell = [
        *(f"area : {macro.area_um2:.6f};", f"cell_leakage_power : {macro.leakage_nw:.6f};"),
        *("interface_timing : true;", "dont_use : true;", "dont_touch : true;"),
        _group("pin (clk)", clock),
        _group("pin (write_enable)", inputs),
        *buses,
    ]
    types = [
        _group(
            f"type ({port})",
            [
                *("base_type : array;", "data_type : bit;", f"bit_width : {width};"),
                *(f"bit_from : {width - 1};", "bit_to : 0;", "downto : true;"),
            ],
        )
        for port, width in widths.items()
    ]
    return _group(f"library ({name})", [*_header(), *types, _group(f"cell ({name})", cell)]) + "\n"


def _header() -> list[str]:
    """What the cell library says of itself, and the load axis of the delays."""
    thresholds = [
        f"{kind}_threshold_pct_{edge} : {percent:.2f};"
        for kind, percent in {"slew_lower": 30, "slew_upper": 70, "input": 50, "output": 50}.items()
        for edge in ("rise", "fall")
    ]
    corner = [*("process : 1.00;", f"voltage : {SUPPLY_V:.2f};", "temperature : 25.00;"), "tree_type : balanced_tree;"]
    axis = ["variable_1 : total_output_net_capacitance;", f'index_1 ("0.000000, {LOAD_FF:.6f}");']
    return [
        *("technology (cmos);", "delay_model : table_lookup;"),
        *('time_unit : "1ns";', 'leakage_power_unit : "1nW";', 'voltage_unit : "1V";', 'current_unit : "1mA";'),
        *('pulling_resistance_unit : "1kohm";', "capacitive_load_unit (1, ff);"),
        *("nom_process : 1.00;", "nom_temperature : 25.00;", f"nom_voltage : {SUPPLY_V:.2f};"),
        _group("operating_conditions (typical)", corner),
        "default_operating_conditions : typical;",
        *thresholds,
        "slew_derate_from_library : 1.00;",
        _group("lu_table_template (load)", axis),
    ]


def _power(when: str | None, femtojoule: float) -> str:
    """Energy of a rising edge, of every one or of those with an enable."""
    condition = [] if when is None else [f'when : "{when}";']
    edges = [
        _group(f"{edge}_power (scalar)", [f'values ("{value:.6f}");'])
        for edge, value in (("rise", femtojoule), ("fall", 0.0))
    ]
    return _group("internal_power ()", [*condition, *edges])


def _constraint(kind: str) -> str:
    """Setup or hold against the rising edge."""
    value = SETUP_NS if kind == "setup" else HOLD_NS
    edges = [_group(f"{edge}_constraint (scalar)", [f'values ("{value:.6f}");']) for edge in ("rise", "fall")]
    return _group("timing ()", ['related_pin : "clk";', f"timing_type : {kind}_rising;", *edges])


def _read(macro: Macro) -> list[str]:
    """The output: delay and transition, straight lines over the load."""
    delay = (macro.access_ns, macro.access_ns + LOAD_FF * OUTPUT_NS_FF)
    transition = (SLEW_NS, SLEW_NS + LOAD_FF * SLEW_NS_FF)
    tables = [
        _group(f"{table} (load)", [f'values ("{values[0]:.6f}, {values[1]:.6f}");'])
        for table, values in {
            "cell_rise": delay,
            "cell_fall": delay,
            "rise_transition": transition,
            "fall_transition": transition,
        }.items()
    ]
    arc = ['related_pin : "clk";', "timing_type : rising_edge;", "timing_sense : non_unate;", *tables]
    return ["direction : output;", f"max_capacitance : {LOAD_FF:.6f};", _group("timing ()", arc)]


def _group(head: str, lines: list[str]) -> str:
    """A Liberty group, its contents indented."""
    body = "\n".join(lines).replace("\n", "\n  ")
    return f"{head} {{\n  {body}\n}}"
