"""The files of the records against the golden records: what a C program writes, and the tables of the documentation."""

import subprocess
from pathlib import Path

import pytest

from fusioncim.chip.software.record_files import JOB_MEANINGS, SEQUENCE_MEANINGS, files, placed, tables
from fusioncim_golden.limits import JOB_BYTES, SEQUENCE_BYTES
from fusioncim_golden.record import JOB_FIELDS, SEQUENCE_FIELDS, packed

RECORDS = {"job": (JOB_FIELDS, JOB_BYTES), "sequence": (SEQUENCE_FIELDS, SEQUENCE_BYTES)}


def test_every_field_has_a_meaning():
    assert JOB_MEANINGS.keys() == JOB_FIELDS.keys()
    assert SEQUENCE_MEANINGS.keys() == SEQUENCE_FIELDS.keys()


@pytest.mark.parametrize("record", RECORDS)
def test_a_c_program_writes_the_bytes_of_the_golden_record(record, tmp_path):
    fields, size = RECORDS[record]
    values = {name: ((n + 1) * 0x9E3779B97F4A7C15) % (1 << bits) for n, (name, bits) in enumerate(fields.items())}
    (tmp_path / "fusioncim_records.h").write_text(files()["fusioncim_records.h"], encoding="utf-8")
    source = tmp_path / "write.c"
    assignments = "".join(f"    record.{name} = {value}u;\n" for name, value in values.items())
    source.write_text(
        '#include <stdio.h>\n#include "fusioncim_records.h"\n'
        f"int main(void) {{\n    fusioncim_{record}_t record = {{0}};\n{assignments}"
        "    return fwrite(&record, sizeof record, 1, stdout) != 1;\n}\n",
        encoding="utf-8",
    )
    program = tmp_path / "write"
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", program, source], check=True)
    written = subprocess.run([program], capture_output=True, check=True).stdout
    assert written == packed(fields, values, size)


@pytest.mark.parametrize("heading", tables())
def test_the_tables_are_in_the_files_and_in_the_documentation(heading):
    assert f"## {heading}\n\n{tables()[heading]}" in files()["fusioncim_records.md"]
    assert tables()[heading] in Path("docs/chip.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("fields", [{"a": 8, "b": 16}, {"a": 8, "c": 4}])
def test_a_field_in_the_middle_of_its_size_is_refused(fields):
    with pytest.raises(ValueError, match=f"whole bytes at a multiple of its size, not so {list(fields)[1]}"):
        list(placed(fields))
