"""A file is read whole only up to its limit, which is looked at before."""

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import MOST_BYTES, MOST_CONFIG_BYTES, read_file, read_json, read_text
from fusioncim_golden.presets import read_toml


def sparse(path, size):
    """A file of so many bytes, of which the disk has none."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_a_file_up_to_its_limit_is_read(tmp_path):
    path = tmp_path / "a"
    path.write_text("four", encoding="utf-8")
    assert read_file("it", path, 4) == b"four"
    assert read_text("it", path, 4) == "four"


@pytest.mark.parametrize(("most", "size"), [(3, 4), (MOST_BYTES, MOST_BYTES + 1), (MOST_BYTES, 1 << 40)])
def test_a_larger_one_is_refused_by_its_size(tmp_path, most, size):
    path = sparse(tmp_path / "a", size)
    for read in (read_file, read_text):
        with pytest.raises(InputError, match=rf"^the thing must have at most {most:,} bytes, not {size:,}: {path}$"):
            read("the thing", path, most)


def test_a_configuration_has_a_limit_of_its_own(tmp_path):
    path = sparse(tmp_path / "chip.toml", MOST_CONFIG_BYTES + 1)
    with pytest.raises(InputError, match=r"the configuration file must have at most 1,048,576 bytes, not 1,048,577"):
        read_toml(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", r"the thing is no JSON \(JSONDecodeError: .*\): "),
        (b"\xff", r"the thing is no JSON \(UnicodeDecodeError: .*\): "),
        (b"[" * 100_000, r"the thing is no JSON \(RecursionError: .*\): "),
        (b"[1]", "the thing must be a JSON object, not so "),
        (b"null", "the thing must be a JSON object, not so "),
        (b'{"a": 1}    ', "the thing must have at most 10 bytes, not 12: "),
    ],
)
def test_json_that_is_no_object_is_refused(tmp_path, content, said):
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"^{said}{path}$"):
        read_json("the thing", path, 10 if content.startswith(b"{") else MOST_BYTES)


def test_the_object_of_a_json_file_is_read(tmp_path):
    (tmp_path / "a").write_bytes(b'{"a": [1]}')
    assert read_json("the thing", tmp_path / "a") == {"a": [1]}
