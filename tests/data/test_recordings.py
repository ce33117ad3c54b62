"""Recordings as data sets: parts, spikes bit for bit, what is left out is said, and a cache that changes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewright.data import load, recordings
from spikewright.data.packed import PackedSpikes, pack, unpack
from spikewright.data.recorded import Steps
from spikewright.data.recordings import of_samples
from spikewright.errors import DataError, FormatError
from spikewright.events.camera import CameraEvents
from spikewright.events.formats import write
from spikewright.events.views import spike_tensor

SIZE = (6, 5)


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep spikes in a folder of the test's own."""
    monkeypatch.setenv("SPIKEWRIGHT_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


def clip(seed: int, *, n: int = 40, lasts: int = 50_000) -> CameraEvents:
    draw = np.random.default_rng(seed)
    t = np.sort(draw.integers(0, lasts, n)) + 1000 * seed
    x, y, p = (draw.integers(0, most, n) for most in (*SIZE, 2))
    return CameraEvents(t, x, y, p, *SIZE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return Train and Test with classes 2 and 10 of N-MNIST files."""
    seed = 0
    for part, n in (("Train", 8), ("Test", 3)):
        for name in ("2", "10"):
            home = tmp_path / "set" / part / name
            home.mkdir(parents=True)
            for k in range(n):
                write(home / f"{k:05}.bin", clip(seed), format="atis")
                seed += 1
    return tmp_path / "set"


def test_bits_come_back() -> None:
    spikes = np.random.default_rng(0).random((4, 2, 5, 7)) < 0.3
    packed = pack(spikes)
    assert packed.shape == (4, math.ceil(70 / 24))
    assert packed.dtype == np.float32
    assert np.array_equal(unpack(packed, (2, 5, 7)), spikes)
    with pytest.raises(DataError, match="PackedSpikes: does not fit"):
        PackedSpikes((2, 5, 7)).shape_of((4,))


def test_a_folder_for_each_class(folder: Path) -> None:
    data = load("recordings", folder, steps=5, dt=0.01, size=SIZE)
    assert (data.train.n, data.validation.n, data.test.n) == (14, 2, 6)
    assert data.classes == ("2", "10")
    assert (data.shape, data.steps, data.dt) == ((2, 5, 6), 5, 0.01)
    # seeds run on through the folders: the first test recording of class 2 is the seventeenth in all
    expected = spike_tensor(clip(16), 0.01, steps=5)
    assert np.array_equal(data.test.batch([0])[:, 0], expected.reshape(5, -1))
    assert data.test.labels.tolist() == [0, 0, 0, 1, 1, 1]
    numbers = np.concatenate([data.train.numbers, data.validation.numbers, data.test.numbers])  # type: ignore[list-item]
    assert np.array_equal(np.sort(numbers), np.arange(22))


def test_one_folder_is_divided(folder: Path) -> None:
    data = recordings.load(folder / "Train", steps=5, dt=0.01)
    assert (data.train.n, data.validation.n, data.test.n) == (12, 2, 2)
    assert data.shape == (2, 5, 6)  # the largest of the recordings' own


def test_what_comes_late_is_left_out_and_said(folder: Path) -> None:
    data = recordings.load(folder, steps=2, dt=0.01, size=SIZE)
    late = sum(int((clip(k).t - clip(k).t[0] >= 20_000).sum()) for k in range(22))
    assert data.notes == (
        "2 steps of 10 ms from each recording's first event",
        f"{late} of 880 events came after the last step and are left out",
    )
    small = recordings.load(folder, steps=9, dt=0.01, size=(3, 5))
    outside = sum(int((clip(k).x >= 3).sum()) for k in range(22))
    assert f"{outside} of 880 events lay outside the sensor" in small.notes[1]


def test_pixels_can_share(folder: Path) -> None:
    data = recordings.load(folder, steps=5, dt=0.01, size=SIZE, shrink=2)
    assert data.shape == (2, 3, 3)
    one = clip(16)
    halved = CameraEvents(one.t, one.x // 2, one.y // 2, one.p, 3, 3)
    expected = spike_tensor(halved, 0.01, steps=5).reshape(5, -1)
    assert np.array_equal(data.test.batch([0])[:, 0], expected)


def test_the_cache_changes_nothing_and_is_used(
    folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = recordings.load(folder, steps=5, dt=0.01)
    assert len(list(kept.glob("recordings-*.npz"))) == 1

    def no(*_: Any) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(Steps, "packed", no)
    again = recordings.load(folder, steps=5, dt=0.01)
    assert np.array_equal(first.train.inputs, again.train.inputs)
    assert (first.notes, first.checksum) == (again.notes, again.checksum)
    with pytest.raises(AssertionError, match="read again"):
        recordings.load(folder, steps=6, dt=0.01)
    path = folder / "Test" / "2" / "00000.bin"
    write(path, clip(99), format="atis")
    with pytest.raises(AssertionError, match="read again"):
        recordings.load(folder, steps=5, dt=0.01)


def test_damage_is_noted(folder: Path) -> None:
    path = folder / "Test" / "2" / "00001.bin"
    path.write_bytes(path.read_bytes()[:-2])
    note = recordings.load(folder, steps=5, dt=0.01, size=SIZE).notes[-1]
    assert note.startswith("1 recordings are damaged, the first: ")
    assert "ends inside a record" in note


def test_folders_that_are_no_set(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no folders with recordings"):
        recordings.load(tmp_path / "empty")
    for each in (folder / "Test" / "10").iterdir():
        each.unlink()
    with pytest.raises(DataError, match=r"Test: has no recordings of a class; found 10"):
        recordings.load(folder)
    (folder / "Test" / "10" / "0.txt").write_text("a note, not a recording\n" * 9)
    with pytest.raises(FormatError, match=r"0\.txt"):
        recordings.load(folder)
    with pytest.raises(DataError, match="steps: is out of range"):
        recordings.load(folder, steps=0, size=SIZE)


# --- anything with a length, events and a label -----------------------------------------------------


class Tonic:
    """What tonic's data sets look like from outside."""

    sensor_size = (*SIZE, 2)
    classes = ("still", "moving")

    def __init__(self, seeds: range) -> None:
        self._seeds = list(seeds)
        self.read = 0

    def __len__(self) -> int:
        return len(self._seeds)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        self.read += 1
        events = clip(self._seeds[index])
        dtype = [("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")]
        array = np.zeros(events.n, dtype)
        for name in "xytp":
            array[name] = getattr(events, name)
        return array, index % 2

    def __iter__(self) -> Iterator[Any]:  # tonic's can be iterated only by index
        raise AssertionError("iterated")


def test_a_tonic_data_set() -> None:
    data = of_samples(Tonic(range(20)), Tonic(range(20, 26)), steps=5, dt=0.01, name="like tonic")
    assert (data.train.n, data.validation.n, data.test.n) == (18, 2, 6)
    assert (data.name, data.classes, data.shape) == ("like tonic", ("still", "moving"), (2, 5, 6))
    assert data.test.labels.tolist() == [0, 1, 0, 1, 0, 1]
    expected = spike_tensor(clip(21), 0.01, steps=5).reshape(5, -1)
    assert np.array_equal(data.test.batch([1])[:, 0], expected)


def test_a_name_keeps_the_spikes_of_a_data_set() -> None:
    given = Tonic(range(20))
    first = of_samples(given, steps=5, dt=0.01, cache_as="twenty clips")
    assert given.read == 20
    again = of_samples(given, steps=5, dt=0.01, cache_as="twenty clips")
    assert given.read == 20
    assert np.array_equal(first.test.inputs, again.test.inputs)
    assert first.test.labels.tolist() == again.test.labels.tolist()
    of_samples(given, steps=5, dt=0.01, cache_as="others")
    assert given.read == 40


def test_clips_with_names() -> None:
    pairs = [(clip(k), "ab"[k % 2]) for k in range(20)]
    data = of_samples(pairs, steps=5, dt=0.01)
    assert data.classes == ("a", "b")
    assert (data.train.n, data.validation.n, data.test.n) == (14, 4, 2)
    assert data.test.labels.max() == 1


def test_a_row_of_sensors_and_one_polarity() -> None:
    array = np.zeros(3, [("t", "f8"), ("x", "u2")])
    array["t"], array["x"] = [0, 10_000, 20_000], [0, 1, 2]
    data = of_samples([(array, k % 2) for k in range(20)], steps=3, dt=0.01, size=(3, 1))
    assert data.test.batch([0])[:, 0].tolist() == np.hstack([np.zeros((3, 3)), np.eye(3)]).tolist()
    array["t"] += 0.5
    with pytest.raises(DataError, match=r"train\[0\]: t: is not whole numbers"):
        of_samples([(array, 0)] * 20, steps=3, dt=0.01, size=(3, 1))


def test_samples_that_do_not_fit() -> None:
    clips = [(clip(k), k % 3) for k in range(9)]
    with pytest.raises(
        DataError, match="labels: are not classes; found 0, 1, 2, expected names or"
    ):
        of_samples(clips, steps=2, dt=0.01, classes=("a", "b"))
    with pytest.raises(DataError, match="has no samples"):
        of_samples([])
    with pytest.raises(DataError, match=r"size: is not known — say size="):
        of_samples([(np.zeros(3), 0)])
    with pytest.raises(DataError, match=r"train\[0\]: is not events; found ndarray"):
        of_samples([(np.zeros(3), 0)], size=SIZE)
