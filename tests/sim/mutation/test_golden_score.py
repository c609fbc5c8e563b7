"""Faults in a package of one module whose tests miss a limit."""

import pytest

from fusioncim_sim.mutation import golden_score

MODULE = "def clipped(x):\n    return x if x < 8 else 8\n"
TEST = "from tiny_model.clip import clipped\n\ndef test_clipped():\n    assert [clipped(x) for x in (1, 9)] == [1, 8]\n"
OTHER = "from tiny_model.clip import clipped\n\ndef test_at_the_limit():\n    assert clipped(8) == {limit}\n"


@pytest.fixture
def tests(tmp_path, monkeypatch):
    """The folder of its tests."""
    package, tests = tmp_path / "tiny_model", tmp_path / "tests"
    package.mkdir()
    tests.mkdir()
    (package / "__init__.py").touch()
    (package / "clip.py").write_text(MODULE, encoding="utf-8")
    (tests / "test_clip.py").write_text(TEST, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(golden_score, "PACKAGE", "tiny_model")
    return tests


def test_what_no_test_finds_is_told_with_its_line(tests):
    assert golden_score.modules() == ["clip"]
    told = golden_score.score("clip", tests, count=10, seed=1)
    assert told == {
        "file": "clip.py",
        "possible": 3,
        "faults": 3,
        "killed": 1,
        "survivors": [
            {"line": 2, "old": "8", "new": "9"},
            {"line": 2, "old": "x < 8", "new": "x <= 8"},
        ],
    }


def test_tests_that_fail_without_a_fault_are_refused(tests):
    (tests / "test_other.py").write_text(OTHER.format(limit=7), encoding="utf-8")
    with pytest.raises(RuntimeError, match="the tests of clip fail without a fault"):
        golden_score.score("clip", tests, count=10, seed=1)


def test_a_key_changes_with_the_tests(tests):
    before = golden_score.key("clip", tests, count=10, seed=1)
    (tests / "test_other.py").write_text(OTHER.format(limit=8), encoding="utf-8")
    assert golden_score.key("clip", tests, count=10, seed=1) != before
