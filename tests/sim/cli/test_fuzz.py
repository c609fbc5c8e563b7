"""Spoilt files of every kind that commands read: each is taken, or refused in one line; nothing is written.

A few of each with all tests; `make fuzz` gives FUZZ_INPUTS of them, from the seed FUZZ_SEED on. What once fell is kept
in the folder `found`, a file each, named by its kind.
"""

import contextlib
import json
import math
import os
import random
import signal
import warnings
from pathlib import Path

import pytest
from tests.sim.cli.fuzz.kinds import KINDS, NOT_TAKEN
from tests.sim.cli.fuzz.mutate import spoilt

from fusioncim.asic.cells import liberty
from fusioncim_golden.errors import InputError

INPUTS = int(os.environ.get("FUZZ_INPUTS", "400"))
"""Of all kinds together."""
SEED = int(os.environ.get("FUZZ_SEED", "1"))
RARE = {"liberty": 8, "formal": 4, "energies": 2, "sizes": 2, "command simulate": 2, "command simulate safetensors": 2}
"""Kinds that take longer have fewer: one in so many."""
LIMIT_S = 20
FOUND = Path(__file__).parent / "fuzz" / "found"


@pytest.fixture
def corpora(nangate):
    """Valid files by kind."""
    cells = nangate.only("INV_X1", "BUF_X1", "NAND2_X1", "DFF_X1")
    return {name: kind.corpus for name, kind in KINDS.items()} | {"liberty": {"nangate": cells.encode()}}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder for one file; builds go beside it."""
    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path / "build"))
    (tmp_path / "inputs").mkdir()
    monkeypatch.chdir(tmp_path / "inputs")
    monkeypatch.setattr(liberty, "load", lambda path, node: liberty._from_json(path, "", node, kept(path)))
    return tmp_path / "inputs"


def kept(path):
    """As the build directory would give it again, without one."""
    return json.loads(json.dumps(liberty._read(path, path.read_bytes())))


@contextlib.contextmanager
def limited():
    """An error after some seconds."""

    def late(*_):
        raise TimeoutError(f"longer than {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def refusal(kind, place, content):
    """What is said of a file; nothing if it is taken."""
    path = place / kind.name
    path.write_bytes(content)
    with warnings.catch_warnings(), limited():
        warnings.simplefilter("error")
        try:
            kind.read(path)
            said = ""
        except InputError as error:
            said = str(error)
            assert said
    assert path.read_bytes() == content
    assert {each.name for each in place.iterdir()} <= {kind.name, "k.npy", "v.npy"}
    return said


def inputs(name, corpus, count):
    """Spoilt files of a kind, each with its seed."""
    for n in range(SEED, SEED + count):
        draw = random.Random(f"{name} {n}")
        yield n, spoilt(draw, draw.choice(list(corpus.values())), list(corpus.values()))


@pytest.mark.parametrize("name", KINDS)
def test_a_valid_file_is_taken(name, place, corpora):
    for what, content in corpora[name].items():
        said = refusal(KINDS[name], place, content)
        assert bool(said) == (name in NOT_TAKEN or (name, what) == ("command simulate", "batch")), (what, said)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", KINDS)
def test_a_spoilt_file_is_taken_or_refused(name, place, corpora, record_property):
    count = math.ceil(INPUTS / RARE.get(name, 1) / sum(1 / RARE.get(each, 1) for each in KINDS))
    taken = 0
    for seed, content in inputs(name, corpora[name], count):
        try:
            taken += not refusal(KINDS[name], place, content)
        except BaseException as error:
            error.add_note(f"seed {seed} of {name}: the file is {place / KINDS[name].name}")
            raise
    record_property("inputs", count)
    record_property("taken", taken)


@pytest.mark.parametrize("path", sorted(FOUND.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_once_fell_is_refused(path, place):
    assert refusal(KINDS[path.parent.name.replace("_", " ")], place, path.read_bytes())
