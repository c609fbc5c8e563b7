"""Files that hold no plain arrays, each named for what it is; nothing larger than the file is ever read."""

import io
import pickle
import re
import zipfile

import numpy as np
import pytest

from fusioncim_golden.errors import InputError
from fusioncim_sim.heads.files import open_arrays


def npy(shape=(2, 3), dtype="<f4", data=b"\0" * 24, version=1):
    """An array's header, which may lie, and its data."""
    header = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY" + bytes((version, 0)) + len(header).to_bytes(2 if version == 1 else 4, "little") + header + data


def npz(content, method=zipfile.ZIP_STORED, name="a_q.npy"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def saved(x):
    file = io.BytesIO()
    np.save(file, x)
    return file.getvalue()


WHOLE = npz(npy())


def bomb():
    """An array as large as its header and the archive say, of which the file holds next to nothing."""
    file = io.BytesIO()
    content = npy(shape=(1 << 20, 64))
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a_q.npy", content)
        archive.infolist()[0].file_size += 4 * 64 * (1 << 20) - 24
    return file.getvalue()


def twice():
    """An archive with arrays q and q.npy."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("q", "q.npy"):
            archive.writestr(name, npy())
    return file.getvalue()


def long_header():
    """An array whose header claims 256 MB, and an archive that has them in 256 KB."""
    content = b"\x93NUMPY\x02\x00" + (1 << 28).to_bytes(4, "little") + b" " * (1 << 28)
    return npz(content, zipfile.ZIP_DEFLATED)


def long_directory(*, large=False):
    """An archive that ends as one with a directory of 1 GB does; large: of the records for large files."""
    end = b"PK\x05\x06" + bytes(8) + (0xFFFFFFFF if large else 1 << 30).to_bytes(4, "little") + bytes(6)
    if not large:
        return b"PK\x03\x04" + bytes(60) + end
    record = b"PK\x06\x06" + (44).to_bytes(8, "little") + bytes(28) + (1 << 30).to_bytes(8, "little") + bytes(8)
    locator = b"PK\x06\x07" + bytes(4) + (64).to_bytes(8, "little") + (1).to_bytes(4, "little")
    return b"PK\x03\x04" + bytes(60) + record + locator + end


REFUSED = {
    "nothing": (b"", "this one is empty"),
    "text": (b"plain text", "this one is of a kind unknown here"),
    "random": (bytes(range(255, 150, -1)), "this one is of a kind unknown here"),
    "pickle": (pickle.dumps({"a_q": 1}), "this one is a Python pickle; save tensors with torch.save of PyTorch 1.6"),
    "gguf": (b"GGUF" + b"\0" * 60, "this one is a GGUF model"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 8, "this one is an HDF5 file"),
    "gzip": (b"\x1f\x8b\x08\0" + b"\0" * 8, "this one is compressed with gzip"),
    "begin of a zip": (b"PK\x03\x04 and then nothing", "damaged or of another kind, as File is not a zip file"),
    "cut off": (WHOLE[:-30], "damaged or of another kind, as File is not a zip file"),
    "member is no array": (npz(b"no array"), "a_q.npy is no array"),
    "directory": (npz(b"", name="a_q/"), "a_q/ is no array"),
    "objects": (npz(saved(np.array([{}], dtype=object))), "a_q.npy holds Python objects"),
    "later version": (npz(npy(version=9)), "a_q.npy is of version (9, 0)"),
    "header is no Python": (npz(npy(dtype="<f4' +")), "damaged or of another kind, as "),
    "huge": (npz(npy(shape=(1 << 40, 64))), "a_q.npy claims 281,474,976,710,656 bytes and holds others"),
    "huge, compressed": (
        npz(npy(shape=(1 << 40, 64)), zipfile.ZIP_DEFLATED),
        "a_q.npy claims 281,474,976,710,656 bytes and holds others",
    ),
    "an archive that lies": (bomb(), "a_q.npy claims 268,435,456 bytes and holds others"),
    "a header of 256 MB": (long_header(), "a_q.npy claims a header of 268,435,456 bytes"),
    "a directory of 1 GB": (
        long_directory(),
        "its directory has 1,073,741,824 bytes, and must have at most 16,777,216",
    ),
    "the same of a large file": (long_directory(large=True), "its directory has 1,073,741,824 bytes"),
    "a header of 1 GB": (
        (1 << 30).to_bytes(8, "little") + b"{" + bytes(64),
        "it claims a header of 1,073,741,824 bytes, and must have at most 16,777,216",
    ),
    "one name twice": (twice(), "two of its arrays have one name"),
    "beyond 64 bits": (npz(npy(shape=(1 << 80, 1 << 80))), "bytes and holds others"),
    "negative": (npz(npy(shape=(-2, 3))), "a_q.npy claims -24 bytes and holds others"),
    "too short": (npz(npy(data=b"\0" * 20)), "a_q.npy claims 24 bytes and holds others"),
    "too long": (npz(npy(data=b"\0" * 28)), "a_q.npy claims 24 bytes and holds others"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_npz_is_named(case, tmp_path):
    content, what = REFUSED[case]
    path = tmp_path / "heads.npz"
    path.write_bytes(content)
    said = (
        rf"^the heads file must be \.npz, \.npy, \.safetensors or \.pt; .*{re.escape(what)}.*: {re.escape(str(path))}$"
    )
    with pytest.raises(InputError, match=said), open_arrays(path):
        pass


def test_damaged_data_is_refused(tmp_path):
    path = tmp_path / "heads.npz"
    content = bytearray(npz(saved(np.arange(1000.0))))
    content[4000] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged or of another kind, as Bad CRC-32"), open_arrays(path) as arrays:
        arrays.read("a_q")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read(save, tmp_path):
    given = {"a": np.arange(6.0).reshape(2, 3), "b": np.asfortranarray(np.arange(12, dtype=np.int8).reshape(3, 4))}
    given |= {"c": np.float16(3), "d": np.zeros((0, 4)), "e": np.zeros((1000, 1000))}
    save(tmp_path / "heads.npz", **given)
    with open_arrays(tmp_path / "heads.npz") as arrays:
        for name, x in given.items():
            assert (arrays.headers[name].shape, arrays.headers[name].type) == (x.shape, str(x.dtype))
            assert np.array_equal(arrays.read(name), x)
