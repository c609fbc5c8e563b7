"""Limits that are looked at before anything is read, of files that only the extra llm reads, and of the store."""

import gzip
import json
import zipfile

import pytest

from fusioncim.build import cache
from fusioncim_golden.errors import InputError
from fusioncim_sim.heads import torch_file
from fusioncim_sim.llm import language_model


@pytest.mark.parametrize(
    ("tensors", "entries", "said"),
    [
        (1 << 60, 1, "at most 1,048,576 tensors, and claims 1,152,921,504,606,846,976"),
        (1, 1 << 21, "at most 1,048,576 entries, and claims 2,097,152"),
    ],
)
def test_a_gguf_file_that_claims_too_much_is_refused(tmp_path, monkeypatch, tensors, entries, said):
    monkeypatch.setattr(language_model, "require_llm", lambda: None)
    path = tmp_path / "model.gguf"
    numbers = ((3, 4), (tensors, 8), (entries, 8))
    path.write_bytes(b"GGUF" + b"".join(number.to_bytes(size, "little") for number, size in numbers))
    with pytest.raises(InputError, match=rf"^the model file must have {said}: "):
        language_model.find_model(str(path))


def test_a_long_list_of_tensors_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torch_file, "MOST_PICKLE_BYTES", 99)
    path = tmp_path / "heads.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("heads/data.pkl", bytes(100))
    with pytest.raises(ValueError, match="its list of tensors has 100 bytes, and must have at most 99"):
        with torch_file.open_torch(path):
            pass


def test_a_compressed_list_of_tensors_is_refused(tmp_path):
    path = tmp_path / "heads.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("heads/data.pkl", bytes(1 << 20))
    with pytest.raises(ValueError, match=r"it claims 1,048,576 bytes in 1,\d\d\d, or is compressed"):
        with torch_file.open_torch(path):
            pass


def test_a_kept_file_is_unpacked_up_to_its_limit(tmp_path, monkeypatch):
    path = tmp_path / "library.json.gz"
    path.write_bytes(gzip.compress(json.dumps("x" * 98).encode()))
    monkeypatch.setattr(cache, "MOST_KEPT_BYTES", 100)
    assert cache.kept_json(path) == "x" * 98
    monkeypatch.setattr(cache, "MOST_KEPT_BYTES", 99)
    with pytest.raises(
        InputError, match=r"the build directory is damaged \(library.json.gz: more than 99 bytes in it\)"
    ):
        cache.kept_json(path)
