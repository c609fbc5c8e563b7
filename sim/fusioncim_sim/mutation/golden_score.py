"""Which faults of a module of the golden model its tests miss: those of its name, then all others that import it."""

import os
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fusioncim.build.cache import build_root
from fusioncim.build.program import run_program
from fusioncim.build.sources import code_hash, file_of, sources
from fusioncim_sim.mutation.python_faults import faults_of, with_fault

PACKAGE = "fusioncim_golden"
LIMIT_S = 300
"""Seconds of a processor that the tests of a fault may take."""
LIMITED = f"""
import resource, sys, pytest
resource.setrlimit(resource.RLIMIT_CPU, ({LIMIT_S}, {LIMIT_S}))
sys.exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""
NO_TESTS = 5
"""Exit status of pytest where it finds none."""


def modules() -> list[str]:
    """Names of the modules that can have a fault."""
    folder = file_of(PACKAGE).parent
    return sorted(path.stem for path in folder.glob("*.py") if faults_of(path.read_text(encoding="utf-8")))


def key(name: str, tests: Path, *, count: int, seed: int) -> str:
    """Hash of all that the score of a module depends on."""
    roots = (file_of(f"{PACKAGE}.{name}"), *tests.glob("test_*.py"), Path(__file__))
    return f"{code_hash(roots, (PACKAGE,))[:16]}-{count}-{seed}"


def score(name: str, tests: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Put faults into a module, one at a time. tests: the folder of the golden model's tests.

    RuntimeError: the tests fail without a fault.
    """
    source = file_of(f"{PACKAGE}.{name}").resolve()
    text = source.read_text(encoding="utf-8")
    faults = faults_of(text)
    numbers = sorted(random.Random(seed).sample(range(len(faults)), min(count, len(faults))))
    own = tests / f"test_{name}.py"
    others = sorted(path for path in tests.glob("test_*.py") if path != own and source in sources([path], (PACKAGE,)))
    steps = [files for files in ([own] if own.exists() else [], others) if files]
    with tempfile.TemporaryDirectory(dir=build_root()) as scratch:
        shutil.copytree(source.parent, Path(scratch) / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
        place = Path(scratch) / PACKAGE / source.name
        alive = numbers
        for step in steps:
            place.write_text(text, encoding="utf-8")
            if not _passes(Path(scratch), step):
                raise RuntimeError(f"the tests of {name} fail without a fault")
            survivors = []
            for n in alive:
                place.write_text(with_fault(text, n), encoding="utf-8")
                if _passes(Path(scratch), step):
                    survivors.append(n)
            alive = survivors
            if not alive:
                break
    return {
        "file": source.name,
        "possible": len(faults),
        "faults": len(numbers),
        "killed": len(numbers) - len(alive),
        "survivors": [asdict(faults[n]) for n in alive],
    }


def _passes(place: Path, files: Sequence[Path]) -> bool:
    """Whether tests pass with the package in a directory."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(place), *filter(None, sys.path)]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = run_program([sys.executable, "-c", LIMITED, *map(str, files)], environment=environment)
    if done.returncode == NO_TESTS:
        raise RuntimeError(f"no test was found in {files[0]}")
    return done.returncode == 0
