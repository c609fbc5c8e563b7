"""The store: what is kept appears whole or not at all."""

import gzip
import threading

import pytest

from fusioncim.build.cache import build_root, filled_once, kept_json, kept_text, short_hash
from fusioncim_golden.errors import InputError


def test_a_place_is_filled_once(tmp_path):
    place = tmp_path / "deep" / "place"
    for number, expected in ((1, True), (2, False)):
        with filled_once(place) as scratch:
            assert (scratch is not None) is expected
            if scratch:
                assert not place.exists()
                (scratch / "file").write_text(str(number), encoding="utf-8")
    assert (place / "file").read_text(encoding="utf-8") == "1"


def test_what_fails_leaves_nothing(tmp_path):
    place = tmp_path / "place"

    def half():
        with filled_once(place) as scratch:
            (scratch / "file").write_text("half", encoding="utf-8")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        half()
    assert {path.name for path in tmp_path.iterdir()} == {"place.lock"}
    with filled_once(place) as scratch:
        assert scratch is not None


def test_a_second_one_waits_for_the_first(tmp_path):
    place, begun, seen = tmp_path / "place", threading.Event(), []

    def second():
        begun.wait(5)
        with filled_once(place) as scratch:
            seen.append((scratch, (place / "file").read_text(encoding="utf-8")))

    thread = threading.Thread(target=second)
    thread.start()
    with filled_once(place) as scratch:
        begun.set()
        thread.join(0.2)
        assert seen == []
        (scratch / "file").write_text("whole", encoding="utf-8")
    thread.join(5)
    assert seen == [(None, "whole")]


def test_the_build_directory_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path / "here"))
    assert build_root() == tmp_path / "here"
    monkeypatch.delenv("FUSIONCIM_BUILD")
    monkeypatch.chdir(tmp_path)
    assert build_root() == tmp_path / "build"


def test_a_build_directory_that_cannot_be_written(tmp_path, monkeypatch, caplog):
    (tmp_path / "build").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FUSIONCIM_BUILD", raising=False)
    for _ in range(2):
        assert build_root() == tmp_path / "cache" / "fusioncim"
    assert caplog.messages == [
        f"builds go to {tmp_path}/cache/fusioncim, as {tmp_path}/build cannot be written (File exists)"
    ]
    assert list((tmp_path / "cache" / "fusioncim").iterdir()) == []
    monkeypatch.setenv("FUSIONCIM_BUILD", "/proc/fusioncim")
    with pytest.raises(InputError, match=r"^\$FUSIONCIM_BUILD must be a directory that can be written .*not /proc"):
        build_root()


def test_nowhere_to_build(tmp_path, monkeypatch):
    (tmp_path / "build").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FUSIONCIM_BUILD", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc/home")
    with pytest.raises(InputError, match=r"^builds must go to a directory .* or /proc/home/.cache/fusioncim \("):
        build_root()


def test_names_differ_where_texts_do():
    assert short_hash("a", "b") != short_hash("ab")
    assert short_hash("a", "b") == short_hash("a", "b")


def test_damaged_files_are_named_with_what_to_do(tmp_path):
    plain, packed = tmp_path / "a.json", tmp_path / "b.json.gz"
    plain.write_text('{"x": 1}', encoding="utf-8")
    packed.write_bytes(gzip.compress(b'{"x": 1}'))
    assert kept_json(plain) == kept_json(packed) == {"x": 1}
    assert kept_text(plain) == '{"x": 1}'
    plain.write_text('{"x": ', encoding="utf-8")
    whole = packed.read_bytes()
    for path, content in ((packed, whole[:12]), (packed, b"none"), (packed, whole[:-9] + b"123456789"), (plain, b"{")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"damaged \({path.name}: .*\); remove {tmp_path} and run again"):
            kept_json(path)
    plain.write_bytes(b"\xff\xfe")
    for path, read in ((tmp_path / "none", kept_text), (tmp_path / "none", kept_json), (plain, kept_text)):
        with pytest.raises(InputError, match=rf"damaged \({path.name}: .*\); remove {tmp_path}"):
            read(path)
