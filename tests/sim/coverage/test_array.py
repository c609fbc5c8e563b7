"""The stored covering array: all of its chips are legal, and every possible pair occurs."""

from fusioncim_sim.coverage import array, space


def test_every_pair_that_is_possible_occurs():
    """Else `python -m fusioncim_sim.coverage.array` makes it again."""
    chips = array.stored_values()
    assert len(array.stored()) == len(chips) < 80
    found = frozenset().union(*map(array.pairs_of, chips))
    assert found == space.pairs()


def test_every_line_is_needed_by_the_ones_behind():
    """A chip has a pair that none before it has."""
    found = set()
    for chip in array.stored_values():
        assert array.pairs_of(chip) - found
        found |= array.pairs_of(chip)


def test_the_text_is_one_chip_per_line():
    text = array.text(array.stored_values())
    assert text == array.FILE.read_text(encoding="utf-8")
    assert len(text.splitlines()) == len(array.stored_values()) + 2
