"""What a key depends on: the files that a module imports and names, and nothing else."""

from pathlib import Path

import pytest

from fusioncim.build import sources
from fusioncim.build.sources import DESIGN, code_hash, file_of, text_hash

ALL = (*DESIGN, "fusioncim_sim")
CHIP = [file_of("fusioncim.chip.chip")]
BENCH = [file_of("fusioncim_sim.rtl.chip_bench")]


@pytest.fixture
def edit(monkeypatch):
    """Edit the file of a module, or another one, as the hashes see it."""
    edited = {}
    clear = (sources.source.cache_clear, sources.code_hash_of.cache_clear, sources.used_by.cache_clear)

    def read(path):
        content = path.read_bytes()
        old, new = edited.get(path, (b"", b""))
        assert old in content
        return content.replace(old, new, 1)

    def edit(path, old, new):
        path = path if isinstance(path, Path) else file_of(path)
        edited[path.resolve()] = (old.encode(), new.encode())
        for each in clear:
            each()

    monkeypatch.setattr(sources, "read", read)
    for each in clear:
        each()
    yield edit
    for each in clear:
        each()


def names(files):
    return {path.name for path in files}


@pytest.mark.parametrize(
    "module",
    ["fusioncim.asic.power.power", "fusioncim.fpga.self_check", "fusioncim.package", "fusioncim.build.workers"],
)
def test_what_is_not_imported_changes_nothing(module, edit):
    before = text_hash(CHIP), code_hash(BENCH, ALL)
    edit(module, "import", "import os\nimport")
    assert (text_hash(CHIP), code_hash(BENCH, ALL)) == before


@pytest.mark.parametrize("module", ["fusioncim.engine.ip_cim", "fusioncim_golden.config", "fusioncim.lib.arith"])
def test_what_is_imported_somewhere_below_changes_the_hash(module, edit):
    before = text_hash(CHIP)
    edit(module, "import", "import os\nimport")
    assert text_hash(CHIP) != before


def test_data_files_count(edit):
    before = text_hash(CHIP), code_hash(BENCH, ALL)
    edit(file_of("fusioncim.chip.registers").with_suffix(".rdl"), "addrmap", "addrmap  ")
    assert text_hash(CHIP) != before[0]
    assert code_hash(BENCH, ALL) != before[1]
    assert "sram.v" in names(sources.sources(CHIP))


def test_docstrings_and_comments_are_no_code(edit):
    before = text_hash(BENCH, ALL), code_hash(BENCH, ALL)
    edit("fusioncim_sim.rtl.driver", '"""', '"""Plainly: ')
    assert text_hash(BENCH, ALL) != before[0]
    assert code_hash(BENCH, ALL) == before[1]
    edit("fusioncim_sim.rtl.driver", "import", "# Why.\nimport")
    assert code_hash(BENCH, ALL) == before[1]
    edit("fusioncim_sim.rtl.driver", "import", "import os\nimport")
    assert code_hash(BENCH, ALL) != before[1]


def test_imports_of_every_form_are_followed(tmp_path):
    for name, text in {
        "top.py": "import one.two\nfrom three import four\n\ndef late():\n    from five import x\n    import six\n",
        "one/__init__.py": "",
        "one/two.py": "table = 'table.txt'",
        "one/table.txt": "1 2",
        "one/other.txt": "3 4",
        "three/__init__.py": "",
        "three/four.py": "folder = 'data'",
        "three/data/deep/numbers.bin": "5",
        "three/unused.py": "",
        "five.py": "",
        "five.toml": "",
        "six.py": "import top",
        "seven.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = {str(path.relative_to(tmp_path.resolve())) for path in sources.sources([tmp_path / "top.py"])}
    assert found == {
        *("top.py", "one/__init__.py", "one/two.py", "one/table.txt", "three/__init__.py", "three/four.py"),
        *("three/data/deep/numbers.bin", "five.py", "five.toml", "six.py"),
    }


def test_a_file_elsewhere_reaches_the_packages(tmp_path, edit):
    bench = tmp_path / "bench.py"
    bench.write_text("from fusioncim.lib import bank\nfrom fusioncim_sim.rtl import stream\n", encoding="utf-8")
    assert {"bank.py", "sram.v", "emit.py"} <= names(sources.sources([bench]))
    assert "stream.py" not in names(sources.sources([bench]))
    assert {"bank.py", "stream.py"} <= names(sources.sources([bench], ALL))
