"""One table of events: MVSEC with its pictures and inertial samples, and v2e."""

import h5py
import numpy as np
import pytest

from spikewright.errors import FormatError
from spikewright.events.camera import CameraEvents, Extras, Frame, Imu, Triggers
from spikewright.events.formats import detect, open_recording, read, write

START = 1_504_645_177_420_000
"""us; float64 seconds of that size are a quarter of a microsecond apart."""


def noise(n, start=START):
    rng = np.random.default_rng(3)
    return CameraEvents(
        np.cumsum(rng.integers(0, 30, n)) + start,
        rng.integers(0, 346, n),
        rng.integers(0, 260, n),
        rng.integers(0, 2, n),
        346,
        260,
    )


def test_written_events_come_back(tmp_path):
    events = noise(5000)
    write(
        tmp_path / "a.hdf5", (events[at : at + 700] for at in range(0, 5000, 700)), format="mvsec"
    )
    with h5py.File(tmp_path / "a.hdf5") as file:
        table = file["davis/left/events"]
        assert (table.dtype, table.shape) == (np.float64, (5000, 4))
        assert set(table[:, 3]) == {-1.0, 1.0}
    loaded = read(tmp_path / "a.hdf5")
    assert loaded.header.format == "mvsec"
    assert loaded.events.same_as(events)
    with open_recording(tmp_path / "a.hdf5") as reader:
        middle = int(events.t[2500])
        assert reader.read(start=middle).same_as(events[events.t >= middle])


def test_seconds_of_today_are_rounded_to_the_microsecond(tmp_path):
    """A quarter of a microsecond is all that float64 keeps of them; cutting the rest off would move events."""
    events = noise(5000)
    stamps = np.nextafter(events.t / 1e6, [0.0, np.inf] * 2500)
    assert np.count_nonzero((stamps * 1e6).astype(np.int64) != events.t) > 2000
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        rows = np.stack([events.x, events.y, stamps, events.p * 2.0 - 1], axis=1)
        file["davis/left/events"] = rows
    assert read(tmp_path / "a.hdf5").events.same_as(events)


def test_times_that_seconds_cannot_hold(tmp_path):
    with pytest.raises(FormatError, match="do not fit float64 seconds"):
        write(tmp_path / "a.hdf5", noise(50, start=2**56), format="mvsec")
    assert list(tmp_path.iterdir()) == []


def test_pictures_and_inertial_samples(tmp_path):
    events = noise(10)
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, 260, 346), np.uint8)
    frames = [Frame(START + k, START + k, START + k, 0, 0, one) for k, one in enumerate(pictures)]
    acc, gyro = (rng.normal(size=(5, 3)).astype(np.float32) for _ in range(2))
    nothing = np.zeros((5, 3), np.float32)
    imu = Imu(START + np.arange(5), acc, gyro * 100, nothing, nothing[:, 0])
    path = tmp_path / "a.hdf5"
    write(path, events, format="mvsec", extras=Extras(frames=frames, imu=imu))
    with h5py.File(path) as file:  # in the units of the data set
        np.testing.assert_allclose(file["davis/left/imu"][:, :3], acc * 9.80665, rtol=1e-6)
        np.testing.assert_allclose(
            file["davis/left/imu"][:, 3:], np.radians(gyro * 100.0), rtol=1e-6
        )
    loaded = read(path)
    assert loaded.extras.frames == []
    assert "holds 3 pictures; the option frames=True loads them" in loaded.header.notes
    np.testing.assert_array_equal(loaded.extras.imu.t, imu.t)
    np.testing.assert_allclose(loaded.extras.imu.acc, acc, rtol=1e-6)
    np.testing.assert_allclose(loaded.extras.imu.gyro, gyro * 100, rtol=1e-6)
    back = read(path, frames=True).extras.frames
    assert [frame.t for frame in back] == [START, START + 1, START + 2]
    np.testing.assert_array_equal(np.stack([frame.pixels for frame in back]), pictures)


def test_what_the_layout_cannot_hold(tmp_path):
    edges = Extras(triggers=Triggers([1], [0], [1]))
    with pytest.raises(FormatError, match="cannot hold triggers"):
        write(tmp_path / "a.hdf5", noise(3), format="mvsec", extras=edges)
    small = Extras(frames=[Frame(0, 0, 0, 0, 0, np.zeros((2, 2), np.uint8))])
    with pytest.raises(FormatError, match="cannot hold pictures other than"):
        write(tmp_path / "a.hdf5", noise(3), format="mvsec", extras=small)


def test_two_cameras(tmp_path):
    left, right = noise(5), noise(8)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        for name, events in (("left", left), ("right", right)):
            rows = np.stack([events.x, events.y, events.t / 1e6, events.p * 2.0 - 1], axis=1)
            file[f"davis/{name}/events"] = rows
    assert read(tmp_path / "a.hdf5").events.same_as(left)
    assert read(tmp_path / "a.hdf5", camera="right").events.same_as(right)
    with pytest.raises(FormatError, match="no table of events"):
        read(tmp_path / "a.hdf5", camera="middle")
    with pytest.raises(FormatError, match="no such option; found kamera"):
        read(tmp_path / "a.hdf5", kamera="left")


def test_v2e(tmp_path):
    events = noise(50, start=10)
    with h5py.File(tmp_path / "v2e.h5", "w") as file:
        rows = np.stack([events.t, events.x, events.y, events.p], axis=1).astype(np.uint32)
        file.create_dataset("events", data=rows, chunks=(16, 4), compression="gzip")
    assert detect(tmp_path / "v2e.h5").name == "mvsec"
    assert read(tmp_path / "v2e.h5", width=346, height=260).events.same_as(events)
    assert "by the events" in read(tmp_path / "v2e.h5").header.notes[0]


def test_no_events(tmp_path):
    write(tmp_path / "a.hdf5", CameraEvents.empty(346, 260), format="mvsec")
    assert read(tmp_path / "a.hdf5").events.n == 0
