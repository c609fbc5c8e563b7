"""Energy of a small unit whose gates play a table of inputs, one row per cycle."""

from collections.abc import Mapping, Sequence

from amaranth.lib import wiring

from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.netlist.netlist import flatten
from fusioncim.asic.power.power import Energy, PowerModel
from fusioncim.verilog.emit import used
from fusioncim_sim.gates.gate_level import build_gates, counting, read_activities
from fusioncim_sim.rtl.runner import run


class PlayedUnit:
    """The mapped netlist of a unit, made once for all tables."""

    def __init__(self, component: wiring.Component, design: Design) -> None:
        used(component)
        self.component, self.design = component, design
        self.flat = flatten({name: design.netlist(name) for name in design.order}, design.top)
        self.model = PowerModel(self.flat, design.library)

    def energy(self, inputs: Mapping[str, Sequence[str]], period_ns: float) -> Energy:
        """Energy of a run in fJ; inputs: values of the ports in every cycle, hexadecimal."""
        with counting(build_gates(self.design, self.flat), self.flat) as (program, counted):
            run(self.component, "fusioncim_sim.rtl.table_bench", "plays", inputs, program=program)
            (activity,) = read_activities(counted, self.flat.nets)
        return sum(self.model.energies(activity, period_ns).values(), Energy())
