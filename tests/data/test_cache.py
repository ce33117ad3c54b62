"""The cache: returns what was stored, and nothing where anything is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewright.data import cache

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3)}
LIKE = {"a": ((2, 3), "float32")}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPIKEWRIGHT_CACHE", str(tmp_path / "made" / "anew"))
    return tmp_path / "made" / "anew"


def test_what_was_stored_comes_back(place: Path) -> None:
    assert cache.fetch("x", LIKE) is None
    assert cache.keep("x", ARRAYS)
    found = cache.fetch("x", LIKE)
    assert found is not None
    assert np.array_equal(found["a"], ARRAYS["a"])
    assert [path.name for path in place.iterdir()] == ["x.npz"]


def test_anything_wrong_is_nothing(place: Path) -> None:
    cache.keep("x", ARRAYS)
    good = (place / "x.npz").read_bytes()
    assert cache.fetch("x", {"a": ((3, 2), "float32")}) is None
    assert cache.fetch("x", {"a": ((2, 3), "float64")}) is None
    assert cache.fetch("x", {"b": ((2, 3), "float32")}) is None
    for cut in range(0, len(good), 7):
        (place / "x.npz").write_bytes(good[:cut])
        assert cache.fetch("x", LIKE) is None
    flipped = bytearray(good)
    flipped[good.index(ARRAYS["a"].tobytes()) + 5] ^= 1
    (place / "x.npz").write_bytes(flipped)
    assert cache.fetch("x", LIKE) is None


def test_objects_are_never_unpickled(place: Path) -> None:
    place.mkdir(parents=True)
    np.savez(place / "x.npz", a=np.array([{"run": "me"}], dtype=object))
    assert cache.fetch("x", {"a": ((1,), "object")}) is None


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPIKEWRIGHT_CACHE", str(tmp_path / "file" / "below"))
    assert not cache.keep("x", ARRAYS)


def test_the_default_is_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPIKEWRIGHT_CACHE", raising=False)
    assert cache.folder() == Path.home() / ".cache" / "spikewright"
