"""Proofs about the RTL: each holds, and fails once the RTL has a fault; every unit with a stream has one."""

import importlib
import inspect
import pkgutil

import pytest
from amaranth.lib import wiring

from fusioncim.formal.proofs import PROOFS

PACKAGES = ("fusioncim.chip", "fusioncim.engine", "fusioncim.fpga", "fusioncim.lib")
COMPOSED = {
    "Core": "the units of the chip",
    "Engine": "the units of an engine",
}
"""Units that only connect others to their streams."""
DECIDED = [name for name, proof in PROOFS.items() if not proof.tried]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", DECIDED)
def test_what_is_said_holds(name):
    holds, verdict, _ = PROOFS[name].run()
    assert holds, verdict


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", DECIDED)
def test_a_fault_is_found(name):
    holds, verdict, _ = PROOFS[name].run(mutated=True)
    assert holds is False, verdict


def units_with_streams():
    """The units whose ports have a stream."""
    for package in PACKAGES:
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            for name, unit in vars(importlib.import_module(module.name)).items():
                own = inspect.isclass(unit) and issubclass(unit, wiring.Component) and unit.__module__ == module.name
                if own and "stream.Signature(" in inspect.getsource(unit.__init__):
                    yield name


def test_every_unit_with_a_stream_has_a_proof():
    proved = {proof.unit_name for proof in PROOFS.values()}
    assert {*units_with_streams()} - {*COMPOSED} <= proved
