"""What can be wrong in a Python module, and what is left alone."""

import pytest

from fusioncim_sim.mutation.python_faults import faults_of, with_fault

CASES = {
    "comparison": ("a < 3", ["a <= 3", "a < 4"]),
    "chain": ("a < b <= c", ["a <= b <= c", "a < b < c"]),
    "arithmetic": ("a + b * c", ["a - b * c", "a + b // c"]),
    "shift": ("a >> n", ["a << n"]),
    "boolean": ("a and (not b)", ["a or not b", "a and b"]),
    "sign": ("-a", ["a"]),
    "constant": ("f(True)", ["f(False)"]),
    "product of matrices": ("a @ b", []),
    "text": ("'a' 'b'", []),
    "message": ("raise ValueError(f'{a + 1}')", []),
    "type": ("def f(a: int | None = None) -> int | None:\n    return a", []),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_every_fault_changes_one_place(text, expected):
    found = [with_fault(text, n) for n in range(len(faults_of(text)))]
    assert sorted(found) == sorted(expected)


def test_a_fault_names_its_line():
    (fault,) = faults_of("'''Says 1 + 1.'''\n\nx = a - b\n")
    assert (fault.line, fault.old, fault.new) == (3, "a - b", "a + b")
