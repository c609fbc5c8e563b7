"""The accelerator ITA from a checkout: what is refused, and how equal modules become one."""

import pytest

from fusioncim.comparison.ita import CLONES, FILES, check_source, commits, distinct
from fusioncim_golden.errors import InputError

MODULE = """\
attribute \\src "a.sv:1"
module \\{name}
  wire width 8 input 1 \\a
  wire width 8 output 2 \\y
  attribute \\src "a.sv:2"
  cell $not ${number}
    connect \\A \\a
    connect \\Y \\y
  end
end
"""
TOP = """\
module \\top
  cell \\leaf$top.first \\first
  end
  cell \\leaf$top.second \\second
  end
end
"""


def checkout(place):
    for folder, names in FILES.items():
        (place / folder / "src").mkdir(parents=True)
        for name in names:
            (place / folder / "src" / f"{name}.sv").touch()


def test_a_source_without_its_clones_is_refused(tmp_path):
    checkout(tmp_path)
    check_source(tmp_path)
    lacking = tmp_path / "ITA" / "src" / "ita_softmax.sv"
    lacking.unlink()
    with pytest.raises(InputError) as refused:
        check_source(tmp_path)
    said = str(refused.value)
    assert said.startswith("--source must be a folder with the clones ITA (https://")
    assert all(url in said for url in CLONES.values())
    assert said.endswith(f"it lacks {lacking}")


def test_a_source_that_is_no_clone_has_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    checkout(tmp_path)
    with pytest.raises(InputError, match="--source must hold git clones, not so"):
        commits(tmp_path)


def test_equal_modules_become_one():
    first, second = (MODULE.format(name=f"leaf$top.{name}", number=n) for name, n in (("first", 7), ("second", 93)))
    found = distinct(TOP + first + second)
    assert list(found) == ["top", "leaf"]
    assert found["top"].count("cell \\leaf \\") == 2
    assert "cell $not $1\n" in found["leaf"]
    assert "attribute" not in found["leaf"]


def test_modules_of_one_name_must_be_equal():
    first = MODULE.format(name="leaf$top.first", number=7)
    second = MODULE.format(name="leaf$top.second", number=93).replace("$not", "$pos")
    with pytest.raises(RuntimeError, match="not equal: leaf"):
        distinct(TOP + first + second)
