from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import EventError, FormatError
from spikewright.events.camera import CameraEvents, Extras, Triggers
from spikewright.events.formats import detect, open_recording, read, write
from spikewright.events.irregular import Kind
from spikewright.testing.reader_suite import Dripping, ReaderSuite

OVERFLOW = bytes([0, 240, 0, 0, 0])


def record(t: int, x: int, y: int, p: int) -> bytes:
    return bytes([x, y, p << 7 | t >> 16, t >> 8 & 0xFF, t & 0xFF])


def atis(content: bytes, **options):
    return read(content, format="atis", **options)


class TestAtis(ReaderSuite):
    format = "atis"
    # small, so that random events reach its borders: the file does not say its size
    width, height = 20, 14
    largest = (256, 240)
    longest_gap = 1 << 26

    def test_no_event_and_one_event(self, tmp_path: Path) -> None:
        path = tmp_path / "a.bin"
        write(path, CameraEvents.empty(20, 14))
        assert path.read_bytes() == b""
        with pytest.raises(FormatError, match="is empty"):
            read(path)
        assert read(path, format="atis").events.n == 0
        one = CameraEvents([0], [19], [13], [1], 20, 14)
        write(path, one)
        assert read(path).events.same_as(one)

    def test_long_gaps(self, tmp_path: Path) -> None:
        t = np.cumsum([0, 1, self.longest_gap - 1, 0, self.longest_gap // 2 + 3, 5, 100, 10_000])
        events = CameraEvents(t, [19] * 8, [13] * 8, [0, 1] * 4, 20, 14)
        assert read(self._written(tmp_path, events)).events.same_as(events)

    def test_bytes_that_come_in_pieces(self, tmp_path: Path) -> None:  # type: ignore[override]
        """A pipe does not tell the size of the sensor before its end; everything else is the same."""
        events = self._some(500)
        content = self._written(tmp_path, events).read_bytes()
        for size in (1, 7, 4096):
            piped = Dripping(content, size)
            with open_recording(piped, format="atis", width=20, height=14) as reader:
                assert reader.read().same_as(events)
        with open_recording(Dripping(content, 7), format="atis") as reader:
            assert reader.read().same_as(events.replace(width=256, height=240))
            assert "unknown while the events still come" in reader.header.notes[0]

    def test_path_bytes_and_file_give_the_same(self, tmp_path: Path) -> None:
        events = self._some()
        path = self._written(tmp_path, events)
        assert detect(path.read_bytes()).name == "atis"
        assert read(path.read_bytes()).events.same_as(events)

    def test_a_growing_file(self, tmp_path: Path) -> None:
        events = self._some()
        content = self._written(tmp_path, events).read_bytes()
        path = tmp_path / "growing.bin"
        path.write_bytes(content[:8001])
        with open_recording(path, width=20, height=14) as reader:
            parts = []
            for part in reader.follow(poll=0.0, stop=lambda: len(parts) == 2):
                parts.append(part)
                path.write_bytes(content)
        assert [part.n for part in parts] == [1600, events.n - 1600]
        assert not reader.irregularities


def test_records_by_hand() -> None:
    content = record(5, 3, 7, 1) + OVERFLOW * 2 + record(6, 33, 0, 0) + record(0x7FFFFF, 0, 239, 1)
    loaded = atis(content)
    assert loaded.events.t.tolist() == [5, 2 * 8192 + 6, 2 * 8192 + (1 << 23) - 1]
    assert loaded.events.x.tolist() == [3, 33, 0]
    assert loaded.events.y.tolist() == [7, 0, 239]
    assert loaded.events.p.tolist() == [1, 0, 1]
    assert (loaded.header.width, loaded.header.height) == (34, 240)
    assert "that of the events" in loaded.header.notes[0]
    assert not loaded.irregularities


def test_every_irregularity_is_counted_and_placed() -> None:
    content = record(9, 1, 1, 1) + record(8, 20, 1, 0) + record(10, 1, 241, 0) + b"\x01\x02"
    loaded = atis(content, width=20, height=20)
    met = {one.kind: (one.count, one.offset) for one in loaded.irregularities}
    assert met == {
        Kind.BACKWARDS: (1, 5),
        Kind.OUTSIDE: (2, 5),
        Kind.TRUNCATED: (1, 15),
    }
    assert loaded.events.t.tolist() == [9, 8, 10]
    with pytest.raises(EventError, match="time ran backwards"):
        atis(content, width=300, height=300, strict=True)


def test_times_beyond_23_bits_are_written_with_overflow_records(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    t = [0, (1 << 23) - 1, 1 << 23, (1 << 23) - 5, 1 << 24]
    events = CameraEvents(t, [1] * 5, [1] * 5, [0] * 5, 2, 2)
    write(path, events)
    assert read(path).events.t.tolist() == t  # a little backwards is no matter
    content = path.read_bytes()
    assert content[10:20] == OVERFLOW + record((1 << 23) - 8192, 1, 1, 0)


@pytest.mark.parametrize(
    ("t", "said"),
    [
        ([-1], "0 to"),
        ([1 << 40], "only fill with bytes"),
        ([1 << 25, 5], "runs further back"),
        ([1 << 24, (1 << 23) + 8191], "cannot go back to"),
    ],
)
def test_times_that_cannot_be_written(tmp_path: Path, t: list[int], said: str) -> None:
    n = len(t)
    with pytest.raises(FormatError, match=said):
        write(tmp_path / "a.bin", CameraEvents(t, [1] * n, [1] * n, [0] * n, 2, 2))
    assert not list(tmp_path.iterdir())


def test_an_origin_is_taken_off(tmp_path: Path) -> None:
    events = CameraEvents([1 << 50, (1 << 50) + 7], [1, 0], [1, 0], [0, 1], 2, 2)
    write(tmp_path / "a.bin", events, origin=1 << 50)
    assert read(tmp_path / "a.bin").events.t.tolist() == [0, 7]


def test_triggers_are_refused_or_dropped(tmp_path: Path) -> None:
    events = CameraEvents([1], [1], [1], [0], 2, 2)
    extras = Extras(Triggers(np.array([1]), np.array([1]), np.array([1])))
    with pytest.raises(FormatError, match="cannot hold triggers"):
        write(tmp_path / "a.bin", events, extras=extras)
    write(tmp_path / "a.bin", events, extras=extras, lossy=True)
    assert read(tmp_path / "a.bin").events.same_as(events)


@pytest.mark.parametrize("other", [b"1.5 3 4 0\n" * 100, bytes(range(241, 256)) * 9, b"\0" * 20])
def test_what_is_no_recording_is_not_taken_for_one(other: bytes) -> None:
    from spikewright.events.formats import atis as module

    assert not module.detect(other, None)
