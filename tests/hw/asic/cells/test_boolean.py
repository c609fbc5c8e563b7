"""Boolean functions: precedence, truth tables, normal form."""

from itertools import product

import pytest

from fusioncim.asic.cells.boolean import minterms, normal_form, substituted, truth_table

FUNCTIONS = {
    "!A & B": lambda a, b, c: not a and b,
    "A' B": lambda a, b, c: not a and b,
    "A*B+C": lambda a, b, c: (a and b) or c,
    "(A|B)&!C": lambda a, b, c: (a or b) and not c,
    "A ^ B & C": lambda a, b, c: (a != b) and c,  # in Liberty ^ binds closer than &
    "A | B & C": lambda a, b, c: a or (b and c),
    "!A ^ B": lambda a, b, c: (not a) != b,
    "!(A & !(B | C))": lambda a, b, c: not (a and not (b or c)),
    "1": lambda a, b, c: True,
    "0": lambda a, b, c: False,
}


@pytest.mark.parametrize("text", FUNCTIONS)
def test_functions_have_their_truth_tables(text):
    expected = tuple(bool(FUNCTIONS[text](*row)) for row in product((False, True), repeat=3))
    assert truth_table(normal_form(text), ("A", "B", "C")) == expected


def test_the_normal_form_has_the_operators_of_verilog_in_parentheses():
    assert normal_form("!(B A) + C ^ A'") == "(((~A) ^ C) | (~(A & B)))"
    assert normal_form("(A)") == "A"
    assert (normal_form("1"), normal_form("0"), normal_form("")) == ("1'b1", "1'b0", "")


NORMAL = {
    "A": (0, 0, 1, 1),
    "(~A)": (1, 1, 0, 0),
    "(A & (~B))": (0, 0, 1, 0),
    "((~(A | B)) ^ B)": (1, 1, 0, 1),
    "((~A) & (B | 1'b0))": (0, 1, 0, 0),
    "1'b1": (1, 1, 1, 1),
}


@pytest.mark.parametrize("text", NORMAL)
def test_a_normal_form_has_its_truth_table(text):
    assert truth_table(text, ("A", "B")) == NORMAL[text]
    assert truth_table(text, ("B", "A")) == tuple(NORMAL[text][n] for n in (0, 2, 1, 3))


def test_minterms_are_the_rows_in_which_a_condition_holds():
    assert minterms("(B & (~A))") == (("A", "B"), ((False, True),))
    assert minterms("(A ^ lambda)") == (("A", "lambda"), ((False, True), (True, False)))
    assert minterms("") == ((), ((),))
    assert minterms("1'b0") == ((), ())


def test_nets_take_the_place_of_pins():
    assert substituted("((~A) & (B | 1'b0))", {"A": "n1", "B": "n22"}) == "((~n1) & (n22 | 1'b0))"
