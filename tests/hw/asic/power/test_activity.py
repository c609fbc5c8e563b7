"""How often pins have values together."""

import numpy as np
import pytest

from fusioncim.asic.netlist.cell_groups import grouped
from fusioncim.asic.netlist.netlist import Netlist, Part, flatten
from fusioncim.asic.power.activity import Activity, States

CLOCK, D, Q = range(2, 5)
CYCLES = 100


def states(library, part, toggles, high):
    """Of one cell whose pins are on the nets 2, 3, ...; toggles, high: by net."""
    ports = {f"p{net}": ("input", [net]) for net in (CLOCK, D, Q)}
    flat = flatten({"one": Netlist("one", ports, [part], 5)}, "one")
    nets = {net: flat.ports[f"p{net}"][1][0] for net in (CLOCK, D, Q)}
    activity = Activity(CYCLES, *(np.zeros(flat.nets, np.int64) for _ in range(3)))
    for net, number in nets.items():
        activity.toggles[number], activity.high[number] = toggles.get(net, 0), high.get(net, 0)
    (group,) = grouped(flat, library)
    return States(group, activity, activity.high / CYCLES)


@pytest.mark.parametrize(("moves", "differ"), [(0, 0.0), (20, 0.1)])
def test_a_flip_flop_whose_input_equals_its_output_stays(library, moves, differ):
    """The two differ as often as it toggles: at no toggles, never."""
    flop = Part("flop", "DFF_X1", {"CK": [CLOCK], "D": [D], "Q": [Q]})
    found = states(library, flop, {CLOCK: 2 * CYCLES, Q: moves}, {D: 60, Q: 60})
    assert found.probability("(D & (~Q))") == pytest.approx(differ)
    assert found.probability("((~D) & Q)") == pytest.approx(differ)
    assert found.probability("(D & Q)") == pytest.approx(0.6 - differ)


def test_pins_of_a_gate_are_independent(library):
    gate = Part("gate", "NAND3_X1", {"A1": [CLOCK], "A2": [D]})
    found = states(library, gate, {}, {CLOCK: 20, D: 70})
    assert found.probability("(A1 & (~A2))") == pytest.approx(0.2 * 0.3)
    assert found.probability("(A1 | A2)") == pytest.approx(1 - 0.8 * 0.3)
    assert found.probability("(A1 & A3)") == pytest.approx(0.2 * 0.5)  # open
    assert found.probability("(A1 & A2)", "A1") == pytest.approx(0.7)  # A1 toggles
    assert found.probability("") == 1


def test_activities_of_runs_add_up():
    one = Activity(3, np.array([1, 2]), np.array([0, 3]), np.array([1, 4]))
    both = one + one
    assert (both.cycles, both.toggles.tolist(), both.high.tolist()) == (6, [2, 4], [0, 6])
    assert both.edges.tolist() == [2, 8]
