"""The placement of a small engine: legal, its rows alike, and the wires between."""

import numpy as np
import pytest

from fusioncim.asic.memory.memory_array import bank_macro
from fusioncim.asic.netlist.netlist import Netlist, flatten
from fusioncim.asic.placement import placer
from fusioncim.asic.placement.floor_plan import DOWN, SOFTMAX, arrays_of, place_design
from fusioncim.asic.placement.objects import SITE_UM2
from fusioncim.asic.placement.steiner import half_perimeters
from fusioncim.asic.placement.strip import UTILIZATION, standing
from fusioncim.asic.placement.wires import FF_UM, LEAST_FF_UM, MOST_FF_UM, check_ff_um, nets_beyond_limits, wires_of
from fusioncim.asic.power.activity import Activity
from fusioncim.asic.power.power import Energy, PowerModel
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.engine.engine import Engine
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import preset

CONFIG = preset("tiny").alone()
STRIP = 14


@pytest.fixture(scope="module")
def design(library):
    pytest.importorskip("coloquinte")
    mapped = synthesize(Engine(CONFIG), library, jobs=2)
    return {name: mapped.netlist(name) for name in mapped.order}


@pytest.fixture(scope="module")
def placement(design, library):
    return place_design(design, flatten(design, "engine"), library, strip=STRIP)


@pytest.fixture(scope="module")
def wires(placement, library):
    return wires_of(placement, library)


def members(placement, path):
    """Objects of a module: cells, then pieces of banks."""
    objects, flat = placement.objects, placement.flat
    paths = [*(each for each, _ in flat.cells), *(flat.banks[n][0] for n in objects.bank[objects.cells :])]
    return np.array([n for n, each in enumerate(paths) if each[: len(path)] == path])


def test_nothing_overlaps_or_stands_outside(placement):
    taken = np.zeros((placement.height, placement.width), int)
    assert placement.x.min() >= 0
    assert placement.y.min() >= 0
    for x, y, width, height in zip(
        placement.x, placement.y, placement.objects.width, placement.objects.height, strict=True
    ):
        assert y + height <= placement.height
        assert x + width <= placement.width
        taken[y : y + height, x : x + width] += 1
    assert taken.max() == 1
    assert 0.6 < taken.mean() < 0.95


def test_objects_have_the_areas_of_cells_and_banks(placement, library):
    objects, flat = placement.objects, placement.flat
    areas = objects.width * objects.height * SITE_UM2
    cells = [library.cells[part.kind].area for _, part in flat.cells]
    assert areas[: objects.cells] == pytest.approx(np.array(cells))
    for number, (_, bank) in enumerate(flat.banks):
        area = areas[objects.bank == number].sum()
        assert area >= bank_macro(bank.parameters).area_um2 - 1
        assert area == pytest.approx(bank_macro(bank.parameters).area_um2, rel=0.1)
    stands = standing(objects)
    assert (stands >= objects.width).all()
    assert stands[: objects.cells].sum() * SITE_UM2 == pytest.approx(sum(cells) / UTILIZATION, rel=1e-4)


def test_rows_are_copies_of_each_other_that_fill_their_boxes(placement):
    for array in DOWN:
        boxes = np.array(placement.arrays[array])
        row_name, count = ("lane", CONFIG.softmax_lanes) if array == SOFTMAX else ("row", CONFIG.rows)
        assert len(boxes) == count
        assert len({tuple(box) for box in boxes.tolist()}) == count
        first = members(placement, (array, f"{row_name}_0"))
        for row, (left, right, lower, upper) in enumerate(boxes.tolist()):
            here = members(placement, (array, f"{row_name}_{row}"))
            assert (placement.x[here] - left == placement.x[first] - boxes[0, 0]).all()
            assert (placement.y[here] - lower == placement.y[first] - boxes[0, 2]).all()
            assert left <= placement.x[here].min()
            assert (placement.x + placement.objects.width)[here].max() <= right
            assert lower <= placement.y[here].min()
            assert (placement.y + placement.objects.height)[here].max() <= upper
        sizes = np.unique(boxes[:, 1::2] - boxes[:, ::2], axis=0)
        assert len(sizes) == 1
        assert array != "ip_cim" or sizes[0, 1] == STRIP


def test_every_net_is_at_least_half_the_perimeter_of_its_pins(placement, wires):
    net, x, y = placement.pins
    clocks = set(wires.trees.nets.tolist())
    for n in np.unique(net).tolist():
        here = net == n
        assert wires.length[n] >= half_perimeters(x[None, here], y[None, here])[0] - 1e-6
    assert not wires.length[list(clocks)].any()
    assert wires.length[:2].tolist() == [0, 0]
    assert np.median(wires.length[wires.length > 0]) < 20
    pins = {net for _, part in placement.flat.cells for bits in part.pins.values() for net in bits}
    assert pins - clocks - {0, 1} <= set(net.tolist())


def test_bit_lines_of_an_array_are_wires_to_its_lowest_rows_only(placement):
    objects, boxes = placement.objects, placement.arrays["ip_cim"]
    lowest = min(lower for *_, lower, _ in boxes)
    assert len({left for left, _, lower, _ in boxes if lower == lowest}) == 1
    bits = CONFIG.columns * CONFIG.operand_bits
    assert objects.bit_line.sum() == CONFIG.rows * bits
    wired = placement.wired[objects.bit_line[placement.wired] == 1]
    assert len(wired) == bits
    (row,) = (f"row_{n}" for n, (*_, lower, _) in enumerate(boxes) if lower == lowest)
    assert set(objects.pin_object[wired].tolist()) <= set(members(placement, ("ip_cim", row)).tolist())
    assert len(placement.wired) == len(objects.pin_net) - (CONFIG.rows - 1) * bits


def test_clock_trees_reach_every_clock_pin(placement, wires, library):
    flat, objects = placement.flat, placement.objects
    expected = [part for _, part in flat.cells if any(pin.clock for pin in library.cells[part.kind].pins.values())]
    assert (objects.clock_object < objects.cells).sum() == len(expected)
    assert set(objects.bank[objects.clock_object].tolist()) == {-1, *range(len(flat.banks))}
    reached = np.unique(np.concatenate([branch.pins for branch in wires.trees.branches]))
    assert reached.tolist() == list(range(len(objects.clock_object)))
    assert (wires.trees.energy.cells > 0).sum() == len(expected)
    assert wires.trees.buffers > len(expected) / 60


def test_wires_make_the_energy_larger_and_in_proportion(placement, wires, library):
    flat = placement.flat
    rng = np.random.default_rng(0)
    toggles = rng.integers(0, 50, flat.nets)
    activity = Activity(100, toggles, rng.integers(0, 100, flat.nets), toggles)
    activity.toggles[wires.trees.nets] = 200
    activity.toggles[:2] = 0

    def total(given):
        model = PowerModel(flat, library, wires=given.capacitance(library), trees=given.trees.energy)
        return sum(model.energies(activity, 2.5).values(), Energy())

    plain = sum(PowerModel(flat, library).energies(activity, 2.5).values(), Energy())
    energy = total(wires)
    assert energy.wires > 0.1 * plain.logic
    assert energy.total - energy.wires == pytest.approx(plain.total)
    charge = 0.5 * library.voltage**2 * FF_UM * (wires.length @ activity.toggles)
    assert energy.wires > charge
    assert energy.wires < 2 * charge
    least, most = (total(wires_of(placement, library, ff_um)).wires for ff_um in (LEAST_FF_UM, MOST_FF_UM))
    assert least < energy.wires < most


def test_nets_that_load_their_driver_too_much_are_found(placement, wires, library):
    beyond = nets_beyond_limits(wires, library)
    assert 0 < len(beyond) < 0.03 * placement.flat.nets
    assert np.median(wires.length[beyond]) > 10 * np.median(wires.length[wires.length > 0])
    assert not set(beyond.tolist()) & set(wires.trees.nets.tolist())


def test_a_design_without_arrays_is_a_square(design, library):
    netlists = {"normalizer_unit": design["normalizer_unit"]}
    placement = place_design(netlists, flatten(netlists, "normalizer_unit"), library)
    assert placement.arrays == {}
    assert placement.width_um == pytest.approx(placement.height_um, rel=0.1)


def test_arrays_are_found_by_the_names_of_their_rows(design):
    found = arrays_of(design, "engine")
    rows = [f"row_{n}" for n in range(CONFIG.rows)]
    lanes = [f"lane_{n}" for n in range(CONFIG.softmax_lanes)]
    assert found == {
        "ip_cim": ("ip_cim_row", rows), "softmax": ("softmax_lane", lanes), "op_cim": ("op_cim_row", rows),
    }  # fmt: skip
    assert arrays_of({"top": Netlist("top", {}, [], 2)}, "top") == {}


@pytest.mark.parametrize("ff_um", [0, -0.1, 1.5, float("nan")])
def test_a_capacitance_without_a_source_is_refused(ff_um):
    with pytest.raises(InputError, match=f"from 0.01 to 1 fF per um, not {ff_um:g}"):
        check_ff_um(ff_um)


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(placer.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"coloquinte is missing: install it with pip install 'fusioncim\[place\]'"):
        placer.require_placer()
