"""Results in files, and in what stands for the standard output."""

import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_sim import files
from fusioncim_sim.files import (
    STANDARD_OUTPUT,
    check_directory,
    check_json,
    make_directory,
    write_directory,
    write_json,
)

DATA = {"rows": 3}
START = (sys.executable, "-c", "from fusioncim_sim.cli.app import app; app()")


def fusioncim(place, *command, **options):
    environment = os.environ | {"FUSIONCIM_BUILD": str(Path("build").resolve())}
    return subprocess.run(
        [*START, *command], cwd=place, env=environment, check=True, timeout=60, encoding="utf-8", **options
    )


@pytest.mark.parametrize("name", STANDARD_OUTPUT)
def test_the_standard_output_has_names_and_no_file_gets_one(name, tmp_path):
    done = fusioncim(tmp_path, "info", "--json", name, capture_output=True)
    assert json.loads(done.stdout)["parameters"]["rows"] == 32
    with (tmp_path / "file.json").open("w", encoding="utf-8") as file:
        fusioncim(tmp_path, "info", "--json", name, stdout=file)
    assert (tmp_path / "file.json").read_text(encoding="utf-8") == done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


def test_a_report_goes_to_the_standard_output(tmp_path):
    done = fusioncim(tmp_path, "report", "-", capture_output=True)
    assert done.stdout.startswith("<!DOCTYPE html>")
    assert done.stdout.endswith("</html>\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", STANDARD_OUTPUT)
def test_it_is_no_directory(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for use in (check_directory, make_directory, lambda path: write_directory(path, {}, {})):
        with pytest.raises(InputError, match=rf"^the output must be a directory, not the standard output \({name}\)$"):
            use(Path(name))
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_written_to_and_not_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_json(pipe, DATA)
    read = []
    reader = Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_json(pipe, DATA)
    reader.join(timeout=10)
    assert [json.loads(each) for each in read] == [DATA]
    assert pipe.is_fifo()


def test_a_pipe_that_no_one_reads_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "READER_S", 0.1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match=rf"cannot be written \(No such device or address\): {pipe}"):
        write_json(pipe, DATA)


def test_a_device_is_written_to_and_not_replaced():
    write_json(Path("/dev/null"), DATA)
    assert Path("/dev/null").is_char_device()
