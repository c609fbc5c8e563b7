"""Energy of a small unit whose gates play a table of inputs, one row per cycle."""

from collections.abc import Mapping, Sequence

from amaranth.lib import wiring

from fusioncim.asic.delays import delays
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.netlist.netlist import flatten
from fusioncim.asic.placement.floor_plan import place_alone
from fusioncim.asic.placement.wires import wires_of
from fusioncim.asic.power.power import Energy, PowerModel
from fusioncim.verilog.emit import used
from fusioncim_sim.gates.gate_level import build_gates, counting, read_activities
from fusioncim_sim.rtl.runner import run


class PlayedUnit:
    """The mapped netlist of a unit, made once for all tables."""

    def __init__(self, component: wiring.Component, design: Design, *, row_of: str = "") -> None:
        """row_of: the array that the unit is a row of; then it is placed, and its energies have wires and glitches."""
        used(component)
        self.component, self.design = component, design
        self.flat = flatten({name: design.netlist(name) for name in design.order}, design.top)
        self.model, self.delays = PowerModel(self.flat, design.library), None
        if row_of:
            wires = wires_of(place_alone(self.flat, design.library, row_of), design.library)
            capacitance = wires.capacitance(design.library)
            self.model = PowerModel(self.flat, design.library, wires=capacitance, trees=wires.trees.energy)
            self.delays = delays(self.flat, design.library, capacitance)

    def energy(self, inputs: Mapping[str, Sequence[str]], period_ns: float) -> Energy:
        """Energy of a run in fJ; inputs: values of the ports in every cycle, hexadecimal."""
        program_of = build_gates(self.design, self.flat, self.delays)
        with counting(program_of, self.flat) as (program, counted):
            run(self.component, "fusioncim_sim.rtl.table_bench", "plays", inputs, program=program)
            (activity,) = read_activities(counted, self.flat.nets, self.delays)
        return sum(self.model.energies(activity, period_ns).values(), Energy())
