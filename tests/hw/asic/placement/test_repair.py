"""Repair of a placement: the same netlist but for buffers and strengths, faster, and nothing overloaded."""

import numpy as np
import pytest
from tests.hw.asic.placement.spread import BEHIND, NET, SINKS, detour, root_of, spread

from fusioncim.asic.netlist.cell_groups import grouped
from fusioncim.asic.netlist.loads import net_loads
from fusioncim.asic.placed_timing import analyse_placed
from fusioncim.asic.placement.objects import ROW_UM, SITE_UM
from fusioncim.asic.placement.placed_pins import placed_pins
from fusioncim.asic.placement.rebuffer import without_buffers
from fusioncim.asic.placement.repair import repaired
from fusioncim.asic.placement.steiner import net_lengths

FF_UM = 0.1


@pytest.fixture(scope="module")
def before(library):
    return spread(library)


@pytest.fixture(scope="module")
def after(before, library):
    return repaired(before, library, 1.0, ff_um=FF_UM)


def test_buffers_of_synthesis_are_taken_out(before, library):
    bare = without_buffers(before, library)
    assert [part.kind for _, part in bare.flat.cells] == ["DFF_X1"] * (SINKS + 1)
    nets = {net for _, part in bare.flat.cells for net in part.pins["D"]}
    assert NET in nets
    assert BEHIND not in nets
    kept = [n for n in range(SINKS + 2) if n != 1]
    assert bare.x == pytest.approx(before.x[kept])
    assert bare.y == pytest.approx(before.y[kept])
    assert len(bare.wired) == len(bare.objects.pin_net)


def test_every_pin_has_the_signal_that_it_had(before, after, library):
    old, new = before.flat, after.placement.flat
    cells = {part.name: part for _, part in new.cells}
    for _, part in old.cells:
        if part.name == "buffer":
            continue
        same = cells[part.name]
        assert library.cells[same.kind].kind == library.cells[part.kind].kind
        for pin, bits in part.pins.items():
            assert [root_of(new, library, net) for net in same.pins[pin]] == [
                root_of(old, library, net) for net in bits
            ]
    for port, (way, bits) in old.ports.items():
        assert new.ports[port][0] == way
        assert [root_of(new, library, net) for net in new.ports[port][1]] == bits
    drivers = [net for _, part in new.cells for pin in ("Q", "Z") for net in part.pins.get(pin, ())]
    assert len(set(drivers)) == len(drivers)


def test_it_is_faster_by_opensta_too(before, after, library):
    slow = analyse_placed(before, net_lengths(*before.pins, before.flat.nets) * FF_UM, library, 1.0)
    fast = analyse_placed(after.placement, after.length * FF_UM, library, 1.0)
    assert slow.shortest_ns > 5
    assert fast.shortest_ns < 1.2
    assert fast.paths[0].start == "from/first/Q"


def test_no_driver_has_more_than_it_may_carry(after, library):
    flat = after.placement.flat
    load = net_loads(flat, library, grouped(flat, library), {}) + after.length * FF_UM
    for _, part in flat.cells:
        for pin in library.cells[part.kind].outputs:
            for net in part.pins.get(pin, ()):
                assert load[net] <= library.cells[part.kind].pins[pin].limit, part


def test_buffers_are_counted_and_stand_on_the_chip(before, after, library):
    added = sum(after.added.values())
    assert after.removed == {"BUF_X1": 1}
    assert added >= 8
    assert len(after.placement.flat.cells) == len(before.flat.cells) - 1 + added
    areas = [sum(library.cells[part.kind].area for _, part in each.flat.cells) for each in (before, after.placement)]
    assert after.area == pytest.approx(areas, abs=0.01)
    assert after.placement.x.min() >= 0
    assert (after.placement.x + after.placement.objects.width).max() <= after.placement.width
    assert after.placement.y.max() < after.placement.height


def test_buffers_stand_where_their_sinks_are(after, library):
    """A buffer's wire is shorter than the side of the chip, most of it far away from the corner of the register."""
    pins = placed_pins(after.placement, library)
    buffers = np.array([part.kind.startswith(("BUF", "CLKBUF")) for _, part in after.placement.flat.cells])
    out = pins.drives & (pins.part >= 0) & buffers[np.maximum(pins.part, 0)]
    assert after.length[pins.net[out]].max() < 1500
    assert np.median(pins.x[out]) > 200
    assert SITE_UM < ROW_UM


def test_without_rounds_only_loads_are_repaired(before, library, after):
    first = repaired(before, library, 1.0, ff_um=FF_UM, rounds=0)
    assert len(first.worst_ns) == 1
    assert max(after.worst_ns) > first.worst_ns[0]
    assert first.area[1] < after.area[1]


def test_a_late_gate_moves_onto_its_way(library):
    """Two registers in a corner, and the inverter between them on the far side of the chip."""
    before = detour(library)
    late, early = (repaired(before, library, period, ff_um=FF_UM) for period in (0.5, 2.5))
    assert (late.moved, early.moved) == (1, 0)
    x, y = late.placement.middles(np.array([1]))
    assert x[0] == pytest.approx(100, abs=20)
    assert y[0] < 20
    assert before.x[1] == round(1400 / SITE_UM)
    assert late.length.sum() < early.length.sum() / 5
    slow, fast = (
        analyse_placed(each.placement, each.length * FF_UM, library, 2.5).shortest_ns for each in (early, late)
    )
    assert fast < slow / 2


def test_a_gate_in_a_row_of_an_array_stays(library):
    before = detour(library, ("ip_cim", "row_3"))
    assert repaired(before, library, 0.5, ff_um=FF_UM).moved == 0
