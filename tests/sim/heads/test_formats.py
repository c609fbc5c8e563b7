"""The same arrays in every kind of file that heads come in: names, types, values, and what such files must not be."""

import io
import json

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from fusioncim_golden.errors import InputError
from fusioncim_sim.heads.arrays import OTHER
from fusioncim_sim.heads.files import open_arrays

RNG = np.random.default_rng(1)
FLOATS = RNG.normal(size=(3, 5, 16))


def bfloat16(x):
    """The values that bfloat16 has, as float32."""
    return x.astype(ml_dtypes.bfloat16).astype(np.float32)


def tensors(header, data):
    """A .safetensors file whose header may lie."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def one(kind="F32", shape=(4, 4), size=64, there=64):
    return tensors({"q": {"dtype": kind, "shape": shape, "data_offsets": [0, size]}}, bytes(there))


TYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.mark.parametrize("dtype", [*TYPES, "bfloat16"])
def test_types_of_safetensors_are_read(dtype, tmp_path):
    given = (FLOATS * 20).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    save_file({"layers.0.q": given}, tmp_path / "heads.safetensors")
    with open_arrays(tmp_path / "heads.safetensors") as arrays:
        header = arrays.headers["layers.0.q"]
        assert (header.shape, header.type, header.bytes) == ((3, 5, 16), dtype, given.nbytes)
        assert (header.is_float, header.is_integer) == ("float" in dtype, "int" in dtype)
        found = arrays.read("layers.0.q")
    assert found.dtype == ("float32" if dtype == "bfloat16" else dtype)
    assert np.array_equal(found, given.astype(found.dtype))


@pytest.mark.parametrize("kind", ["BOOL", "C64", "F8_E4M3"])
def test_other_types_of_safetensors_are_named_and_not_read(kind, tmp_path):
    size = {"BOOL": 1, "C64": 8, "F8_E4M3": 1}[kind] * 16
    (tmp_path / "heads.safetensors").write_bytes(one(kind, size=size, there=size))
    with open_arrays(tmp_path / "heads.safetensors") as arrays:
        header = arrays.headers["q"]
    assert (header.type, header.kind) == (kind, OTHER)


REFUSED = {
    "huge": (one(shape=(1 << 40, 16)), "invalid shape, data type, or offset"),
    "short": (one(there=60), "file not fully covered"),
    "long": (one(there=70), "file not fully covered"),
    "negative": (one(shape=(-4, -4)), "invalid JSON in header"),
    "unknown type": (one("F99"), "unknown variant `F99`"),
    "no JSON": ((12).to_bytes(8, "little") + b"{nonsense...", "invalid JSON in header"),
    "header beyond the file": ((1 << 20).to_bytes(8, "little") + b"{" + bytes(50), "Error while deserializing header"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_safetensors_that_lie_are_refused(case, tmp_path):
    content, said = REFUSED[case]
    (tmp_path / "heads.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=f"damaged or of another kind, as .*{said}"):
        with open_arrays(tmp_path / "heads.safetensors"):
            pass


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "bfloat16"])
@pytest.mark.parametrize("packed", [False, True])
def test_arrays_of_numpy_are_read(dtype, packed, tmp_path):
    """An .npy file names its array by the name of the file; bfloat16 is known by what ml_dtypes writes."""
    given = (FLOATS * 20).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    path = tmp_path / ("heads.npz" if packed else "q.npy")
    np.savez_compressed(path, q=given) if packed else np.save(path, given)
    with open_arrays(path) as arrays:
        assert list(arrays.headers) == ["q"]
        assert arrays.headers["q"].type == dtype
        assert np.array_equal(arrays.read("q"), bfloat16(FLOATS * 20) if dtype == "bfloat16" else given)


@pytest.mark.parametrize("dtype", ["V2", ml_dtypes.float8_e4m3fn, bool, complex])
def test_other_types_of_numpy_are_named_and_not_read(dtype, tmp_path):
    np.save(tmp_path / "q.npy", np.zeros((4, 16), dtype))
    with open_arrays(tmp_path / "q.npy") as arrays:
        assert arrays.headers["q"].kind == OTHER


def npy(x):
    file = io.BytesIO()
    np.save(file, x, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (npy(np.array([{}], dtype=object)), "q.npy holds Python objects"),
        (npy(np.zeros((4, 4)))[:-1], "q.npy claims 128 bytes and holds others"),
        (npy(np.zeros((4, 4))) + b"x", "q.npy claims 128 bytes and holds others"),
    ],
)
def test_an_npy_file_that_is_no_plain_array_is_refused(content, said, tmp_path):
    (tmp_path / "q.npy").write_bytes(content)
    with pytest.raises(InputError, match=f"damaged or of another kind, as {said}: "), open_arrays(tmp_path / "q.npy"):
        pass


def test_several_files_are_read_as_one(tmp_path):
    np.save(tmp_path / "q.npy", FLOATS)
    np.savez(tmp_path / "rest.npz", k=FLOATS + 1)
    save_file({"v": FLOATS + 2}, tmp_path / "v.safetensors")
    with open_arrays(*(tmp_path / name for name in ("q.npy", "rest.npz", "v.safetensors"))) as arrays:
        assert list(arrays.headers) == ["q", "k", "v"]
        for n, name in enumerate("qkv"):
            assert np.array_equal(arrays.read(name), FLOATS + n)


def test_an_array_of_two_files_is_refused(tmp_path):
    np.save(tmp_path / "q.npy", FLOATS)
    np.savez(tmp_path / "other.npz", q=FLOATS)
    for first, second in (("q.npy", "other.npz"), ("q.npy", "q.npy")):
        said = f"must have different names, not q again: .*{second}"
        with pytest.raises(InputError, match=said), open_arrays(tmp_path / first, tmp_path / second):
            pass


def test_damage_is_said_of_the_file_that_has_it(tmp_path):
    np.savez(tmp_path / "one.npz", q=np.arange(1000.0))
    content = bytearray((tmp_path / "one.npz").read_bytes())
    content[4000] ^= 1
    (tmp_path / "one.npz").write_bytes(content)
    np.savez(tmp_path / "two.npz", k=np.arange(1000.0))
    with open_arrays(tmp_path / "one.npz", tmp_path / "two.npz") as arrays:
        with pytest.raises(InputError, match=r"Bad CRC-32.*: .*one\.npz$"):
            arrays.read("q")
