"""The write guard against the rule in bytes: requests at, across and far behind the bounds of their job."""

import random
from pathlib import Path

import cocotb
import pytest
from cocotb.triggers import ReadOnly, RisingEdge

from fusioncim.chip.axi import MOST_BEATS, write_request_layout
from fusioncim.chip.job_table import SLOTS, write_tag_layout
from fusioncim.chip.write_guard import WriteGuard, write_bounds_layout
from fusioncim_golden.chip_config import chip_from_dict
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import pack
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.rtl.stream import reset

TINY = PRESETS["tiny"]
CHIPS = {"bus of 64": TINY, "bus of 1024": TINY.override(columns=128, bus_bits=1024, buffer_bytes=1 << 14)}


def within(chip, region, address, beats):
    """Whether all beats of a request have a byte of the region, given by its first byte and the one behind it."""
    start, end = region
    beat = chip.bus_bytes
    first = address // beat * beat
    last = first + (beats - 1) * beat  # where the last beat begins
    return first >= start // beat * beat and last < end


def drawn(rng, chip):
    """A region of some outputs: often small, sometimes at the end of the addresses, sometimes none."""
    if rng.random() < 0.1:
        return 0, 0
    size = rng.choice([1, 16, chip.bus_bytes, chip.bus_bytes * 3 + 8, 1 << 14])
    space = 1 << chip.address_bits
    start = rng.choice([rng.randrange(0, 1 << 12), rng.randrange(space - size), space - size]) // 8 * 8
    return start, start + size


def near(rng, chip, region):
    """An address and beats of a request, mostly at one of the bounds."""
    beat, space = chip.bus_bytes, 1 << chip.address_bits
    beats = rng.choice([1, 1, 2, 3, MOST_BEATS])
    place = rng.choice([*region, region[1] - beats * beat, rng.randrange(space)])
    return (place + rng.choice([0, 0, beat, -beat, 8, -8])) % space // 8 * 8, beats


@cocotb.test()
async def lets_only_pass_what_is_inside(dut):
    this = case()
    chip, rng = chip_from_dict(this["chip"]), random.Random(this["seed"])
    layout, bounds = write_request_layout(chip, write_tag_layout()), write_bounds_layout(chip)
    for name in ("begins", "slot", "bounds", "writes", "i__valid", "i__payload", "o__ready"):
        getattr(dut, name).value = 0
    await reset(dut)
    slots = [{"o": (0, 0), "lse": (0, 0)} for _ in range(SLOTS)]
    seen = set()
    for n in range(3000):
        slot = n if n < SLOTS else rng.randrange(SLOTS)
        begins = n < SLOTS or rng.random() < 0.05
        entering = {name: drawn(rng, chip) for name in ("o", "lse")}
        beat = chip.bus_bytes
        values = {
            name: {"first": start // beat, "end": 2 * (end // beat) + (end % beat != 0)}
            for name, (start, end) in entering.items()
        }
        dut.begins.value, dut.slot.value, dut.bounds.value = int(begins), slot, pack(bounds, values)
        writes = rng.randrange(1 << SLOTS) | (rng.random() < 0.8) * ((1 << SLOTS) - 1)
        dut.writes.value = writes
        own, row, drop = rng.randrange(SLOTS), rng.randrange(2), int(rng.random() < 0.1)
        address, beats = near(rng, chip, slots[own]["o" if row else "lse"])
        valid, ready = int(n >= SLOTS and rng.random() < 0.9), int(rng.random() < 0.7)
        payload = {"address": address, "beats": beats, "drop": drop, "tag": {"slot": own, "row": row}}
        dut.i__valid.value, dut.i__payload.value, dut.o__ready.value = valid, pack(layout, payload), ready
        await ReadOnly()
        assert (int(dut.o__valid.value), int(dut.i__ready.value)) == (valid, ready)
        inside = bool(writes >> own & 1) and within(chip, slots[own]["o" if row else "lse"], address, beats)
        if valid:
            found = layout.from_bits(int(dut.o__payload.value))
            assert (found.address, found.beats, found.tag.slot, found.tag.row) == (address, beats, own, row)
            assert found.drop == (drop or not inside), (slots[own], payload)
            seen.add((inside, row))
        assert dut.refused.value == (valid and ready and not inside)
        assert not dut.refused.value or int(dut.refused_slot.value) == own
        await RisingEdge(dut.clk)
        if begins:
            slots[slot] = entering
    assert seen == {(inside, row) for inside in (False, True) for row in (0, 1)}


@pytest.mark.parametrize("name", CHIPS)
def test_only_what_is_inside_passes(name):
    chip = CHIPS[name]
    data = {"chip": chip.as_dict(), "seed": 3}
    run(WriteGuard(chip), Path(__file__).stem, "lets_only_pass_what_is_inside", data, path=Path(__file__).parent)
