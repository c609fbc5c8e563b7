"""Files with holes: what is written far apart is found again, and nothing else is looked at."""

import numpy as np

from fusioncim_sim.rtl.sparse_file import STEP, contents, copy, create, differences, digest, extents

SIZE = 1 << 34
PLACES = (0, 5000, STEP, SIZE // 2 + 17, SIZE - 1)


def filled(file, places=PLACES):
    memory = create(file, SIZE)
    for n, place in enumerate(places):
        memory[place] = n + 1
    return file


def test_a_file_takes_the_room_of_its_data(tmp_path):
    file = filled(tmp_path / "memory")
    assert file.stat().st_size == SIZE
    found = list(extents(file))
    assert all(any(piece.start <= place < piece.stop for piece in found) for place in PLACES)
    assert sum(piece.stop - piece.start for piece in found) <= 1 << 20
    create(tmp_path / "empty", SIZE)
    assert list(extents(tmp_path / "empty")) == []


def test_what_is_written_into_the_contents_is_in_the_file(tmp_path):
    file = filled(tmp_path / "memory")
    contents(file)[77] = 9
    assert contents(file)[77] == 9
    with file.open("rb") as opened:
        assert opened.read(80)[77] == 9


def test_a_copy_has_the_same_bytes_and_holes(tmp_path):
    file, other = filled(tmp_path / "memory"), tmp_path / "copy"
    copy(file, other)
    assert other.stat().st_size == SIZE
    assert [int(contents(other)[place]) for place in PLACES] == [1, 2, 3, 4, 5]
    assert sum(piece.stop - piece.start for piece in extents(other)) <= 1 << 20
    assert differences(file, other) == 0


def test_every_byte_that_differs_is_counted_once(tmp_path):
    first, second = filled(tmp_path / "first"), filled(tmp_path / "second", ())
    assert differences(first, second) == differences(second, first) == len(PLACES)
    copy(first, second)
    where = np.array([1, 4999, 5000, 2 * STEP - 1, SIZE // 4, SIZE - 2])
    contents(second)[where] = 0xFF
    assert differences(first, second) == len(where)


def test_a_digest_is_of_all_bytes_and_their_places(tmp_path):
    first, second = filled(tmp_path / "first"), filled(tmp_path / "second")
    (tmp_path / "empty").touch()
    assert digest(first) == digest(second) != digest(tmp_path / "empty")
    before = digest(first)
    contents(first)[PLACES[-2]] += 1
    assert digest(first) != before
    assert digest(filled(tmp_path / "elsewhere", PLACES[:-1])) != before
