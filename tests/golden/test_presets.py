"""The presets, alone and as chips, and configuration files."""

import pytest

from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS, preset, read_toml


@pytest.mark.parametrize(
    ("name", "array", "chip"),
    [
        # rows, columns, words, cycles of a block, OP-CIM units, rows per lane, MACs per cycle
        # engines, bytes of: buffer, beat, vector, output row, block; blocks
        ("tiny", (8, 16, 2, 16, 1, 8, 16), (2, 2048, 8, 16, 32, 64, 32)),
        ("small", (32, 64, 4, 32, 2, 8, 256), (4, 65536, 16, 64, 128, 512, 128)),
        ("paper", (128, 128, 4, 64, 2, 8, 2048), (16, 1 << 20, 64, 128, 256, 2048, 512)),
    ],
)
def test_presets_are_the_documented_chips(name, array, chip):
    own = preset(name)
    e = own.engine
    assert (e.rows, e.columns, e.words, e.block_cycles, e.units, e.rows_per_lane, e.macs_per_cycle) == array
    sizes = (own.buffer_bytes, own.bus_bytes, own.vector_bytes, own.output_bytes, own.block_bytes)
    assert (own.engines, *sizes, own.buffer_blocks) == chip
    assert own == PRESETS[name]


@pytest.mark.parametrize(
    ("name", "together", "alone"),
    [
        ("tiny", "diagonal_first", "diagonal_first"),
        ("small", "folded", "sink_first"),
        ("paper", "folded", "sink_first"),
    ],
)
def test_an_engine_alone_does_not_fold_the_triangle(name, together, alone):
    chip = preset(name)
    assert chip.engine.schedule == together
    assert chip.alone() == chip.engine.override(schedule=alone)


def test_small_is_the_default_engine_but_for_its_order():
    assert PRESETS["small"].engine.override(schedule=Config().schedule) == Config()


@pytest.mark.parametrize("name", ["huge", 3])
def test_an_unknown_preset_is_refused(name):
    with pytest.raises(InputError, match=rf"^preset must be one of tiny, small, paper, not {name}$"):
        preset(name)


def test_a_file_leaves_names_and_values_to_others(tmp_path):
    file = tmp_path / "chip.toml"
    file.write_text('preset = "huge"\nengines = 4\nrows = 8.5\ncolour = "red"\n', encoding="utf-8")
    assert read_toml(file) == {"preset": "huge", "engines": 4, "rows": 8.5, "colour": "red"}
    file.write_text("", encoding="utf-8")
    assert read_toml(file) == {}


@pytest.mark.parametrize("text", [b"rows 8", b"rows = " + b"[" * 100_000, b"rows = " + b"9" * 5000])
def test_a_file_that_is_no_toml_is_refused(tmp_path, text):
    file = tmp_path / "engine.toml"
    file.write_bytes(text)
    with pytest.raises(InputError, match=r"^the configuration file is no valid TOML .*engine.toml$"):
        read_toml(file)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    file = tmp_path / "engine.toml"
    file.write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"^the configuration file must be UTF-8 .* at byte 0\): .*engine.toml$"):
        read_toml(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"^the configuration file cannot be read \(No such file or directory\): "):
        read_toml(tmp_path / "none.toml")
