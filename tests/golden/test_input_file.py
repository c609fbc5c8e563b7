"""A file is read whole only up to its limit, which is looked at before."""

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import MOST_BYTES, MOST_CONFIG_BYTES, read_file, read_text
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
