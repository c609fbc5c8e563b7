"""Energy before and after a repair: of right outputs only."""

from types import SimpleNamespace

import pytest

from fusioncim_sim.gates.placed_energy import energy_figures


def run(total, mismatches=0):
    return SimpleNamespace(
        energy=SimpleNamespace(total=total), macs=100, tokens=32, mismatches=mismatches, bit_exact=not mismatches
    )


def test_energy_is_per_multiply_accumulate():
    assert energy_figures([run(10_000.0), run(10_150.0)]) == {"tokens": 32, "fj_per_mac": [100.0, 101.5]}


def test_a_netlist_that_computes_something_else_has_no_energy():
    with pytest.raises(RuntimeError, match="must be those of the golden model, but 3 are not"):
        energy_figures([run(10_000.0), run(10_150.0, mismatches=3)])
