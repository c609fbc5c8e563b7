"""Tensors as torch.save writes them; nothing in a file is run."""

import zipfile

import numpy as np
import pytest

from fusioncim_golden.errors import InputError
from fusioncim_sim.heads.files import open_arrays
from fusioncim_sim.heads.torch_file import DEEPEST

torch = pytest.importorskip("torch")

X = torch.linspace(-3, 3, 2 * 3 * 8).reshape(2, 3, 8)


def names(path):
    with open_arrays(path) as arrays:
        return list(arrays.headers)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int8", "uint8", "int16", "int64"])
def test_types_are_read(dtype, tmp_path):
    given = X.to(getattr(torch, dtype))
    torch.save({"q": given}, tmp_path / "heads.pt")
    with open_arrays(tmp_path / "heads.pt") as arrays:
        header = arrays.headers["q"]
        assert (header.shape, header.type, header.is_float) == ((2, 3, 8), dtype, "float" in dtype)
        found = arrays.read("q")
    assert found.dtype == ("float32" if dtype == "bfloat16" else dtype)
    assert np.array_equal(found, given.double().numpy())


def test_names_of_dictionaries_are_joined(tmp_path):
    content = {"layers": {0: {"q": X, "k": torch.nn.Parameter(X)}}, "v": X, "step": 3, "notes": ["x", X]}
    torch.save(content, tmp_path / "heads.pt")
    assert names(tmp_path / "heads.pt") == ["layers.0.q", "layers.0.k", "v"]


def test_a_tensor_alone_has_the_name_of_the_file(tmp_path):
    torch.save(X, tmp_path / "q.pt")
    assert names(tmp_path / "q.pt") == ["q"]


def test_heads_that_were_expanded_are_read(tmp_path):
    torch.save({"k": X[:1].expand(2, 3, 8), "q": X, "v": X}, tmp_path / "heads.pt")
    with open_arrays(tmp_path / "heads.pt") as arrays:
        assert np.array_equal(arrays.read("k"), np.broadcast_to(X[:1].numpy(), (2, 3, 8)))


class Runs:
    """Would write a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def deep(levels):
    content = X
    for _ in range(levels):
        content = {"a": content}
    return content


def doubled(levels):
    """Dictionaries that hold each other twice: 2^levels entries in a small file."""
    content = {"q": torch.zeros(1)}
    for _ in range(levels):
        content = {"a": content, "b": content}
    return content


REFUSED = {
    "one name twice": ({"a": {"b.q": X}, "a.b": {"q": X}}, "two of its tensors have one name"),
    "a number and its name": ({0: X, "0": X}, "two of its tensors have one name"),
    "a list": ([X, X], "must hold a tensor, or dictionaries of them, and holds a list"),
    "a number": (3, "must hold a tensor, or dictionaries of them, and holds a int"),
    "many levels": (deep(DEEPEST + 1), "or 16 levels"),
    "doubled": (doubled(15), "its dictionaries have more than 1,000 entries, or 16 levels"),
    "many": ({str(n): n for n in range(1_001)}, "its dictionaries have more than 1,000 entries"),
    "sparse": ({"q": X[0].to_sparse()}, "q is no plain tensor"),
    "nowhere": ({"q": torch.empty(3, 4, device="meta")}, "q is no plain tensor"),
    "expanded": ({"q": torch.ones(1).expand(1 << 30, 64)}, "q claims 274,877,906,944 bytes and holds others"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_dictionary_of_tensors_is_refused(case, tmp_path, monkeypatch):
    monkeypatch.setattr("fusioncim_sim.heads.torch_file.MOST_ENTRIES", 1_000)
    content, said = REFUSED[case]
    torch.save(content, tmp_path / "heads.pt")
    with (
        pytest.raises(InputError, match=f"damaged or of another kind, as .*{said}"),
        open_arrays(tmp_path / "heads.pt"),
    ):
        pass


def test_code_is_not_run(tmp_path):
    torch.save({"q": X, "more": Runs(tmp_path / "ran")}, tmp_path / "heads.pt")
    with pytest.raises(InputError, match="as it holds more than tensors"), open_arrays(tmp_path / "heads.pt"):
        pass
    assert not (tmp_path / "ran").exists()


def test_an_archive_that_is_compressed_or_cut_is_refused(tmp_path):
    torch.save({"q": torch.zeros(100_000)}, tmp_path / "heads.pt")
    with zipfile.ZipFile(tmp_path / "heads.pt") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "small.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match="or is compressed: "), open_arrays(tmp_path / "small.pt"):
        pass
    (tmp_path / "cut.pt").write_bytes((tmp_path / "heads.pt").read_bytes()[:-60])
    with (
        pytest.raises(InputError, match=r"damaged or of another kind, as .*: .*cut\.pt$"),
        open_arrays(tmp_path / "cut.pt"),
    ):
        pass
