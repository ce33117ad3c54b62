"""What every format of event files must do, as a pytest class: subclass it in three lines.

    class TestMine(ReaderSuite):
        format = "mine"

Files are written by the format's own writer and read back whole, in pieces, cut and damaged.
"""

from __future__ import annotations

import io
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from spikewright.errors import EventError, FormatError, SpikewrightError
from spikewright.events.camera import COLUMNS, CameraEvents, concatenate
from spikewright.events.formats import (
    detect,
    format_named,
    open_recording,
    open_writer,
    read,
    repair,
    write,
)
from spikewright.events.formats.base import Header
from spikewright.rng import stream


class Dripping:
    """A binary stream that gives at most `size` bytes at a time."""

    def __init__(self, content: bytes, size: int) -> None:
        self._inner, self._size = io.BytesIO(content), size

    def read(self, n: int) -> bytes:
        """Return the next bytes."""
        return self._inner.read(min(n, self._size))


def random_events(
    n: int, width: int, height: int, *, seed: int, step: int = 20, start: int = 0
) -> CameraEvents:
    """Return events as cameras see them: alone, in rows, at equal times; `step` is the mean time between two groups."""
    draw = stream(seed, "reader_suite")
    groups = max(n // 3, 1)
    length = draw.integers(1, 9, groups)
    t = start + np.cumsum(draw.integers(0, 2 * step + 1, groups))
    group = np.repeat(np.arange(groups), length)[:n]
    place = np.arange(group.size) - np.repeat(np.cumsum(length) - length, length)[:n]
    x = draw.integers(0, width, groups)[group] + place * draw.integers(1, 5, groups)[group]
    return CameraEvents(
        t[group] - t[0] + start,
        (x % width).astype(np.uint16),
        draw.integers(0, height, groups)[group].astype(np.uint16),
        draw.integers(0, 2, groups)[group].astype(np.uint8),
        width,
        height,
    )


class ReaderSuite:
    """Conformance of one format.

    Attributes
    ----------
    format : its name
    width, height : of the sensor that is written
    largest : (x, y), one more than the largest address that it can hold
    longest_gap : us, between two events that it can hold
    options : of its writer
    follows : whether a growing file can be read
    is_prefix : whether what is read of a file that is cut is the beginning of the whole
    """

    format: ClassVar[str]
    width: ClassVar[int] = 640
    height: ClassVar[int] = 480
    largest: ClassVar[tuple[int, int]] = (2048, 2048)
    longest_gap: ClassVar[int] = 1 << 33
    options: ClassVar[dict[str, Any]] = {}
    follows: ClassVar[bool] = True
    is_prefix: ClassVar[bool] = True

    def _path(self, folder: Path, name: str = "a") -> Path:
        return folder / (name + format_named(self.format).suffixes[0])

    def _written(self, folder: Path, events: CameraEvents) -> Path:
        path = self._path(folder)
        write(path, events, format=self.format, **self.options)
        return path

    def _some(self, n: int = 3000, **options: Any) -> CameraEvents:
        return random_events(n, self.width, self.height, seed=1, **options)

    # -- whole ----------------------------------------------------------------------------------------

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("step", [0, 20, 5000])
    def test_what_is_written_is_read(self, tmp_path: Path, seed: int, step: int) -> None:
        events = random_events(2000, self.width, self.height, seed=seed, step=step)
        loaded = read(self._written(tmp_path, events))
        assert loaded.events.same_as(events)
        assert loaded.header.format == self.format
        assert not loaded.irregularities.harmful

    def test_no_event_and_one_event(self, tmp_path: Path) -> None:
        none = CameraEvents.empty(self.width, self.height)
        assert read(self._written(tmp_path, none)).events.same_as(none)
        one = CameraEvents([0], [self.width - 1], [self.height - 1], [1], self.width, self.height)
        assert read(self._written(tmp_path, one)).events.same_as(one)

    def test_the_largest_sensor(self, tmp_path: Path) -> None:
        width, height = self.largest
        x, y = [0, width - 1, 0, width - 1], [0, 0, height - 1, height - 1]
        events = CameraEvents([0, 0, 1, 1], x, y, [0, 1, 0, 1], width, height)
        assert read(self._written(tmp_path, events)).events.same_as(events)

    def test_long_gaps(self, tmp_path: Path) -> None:
        t = np.cumsum([0, 1, self.longest_gap - 1, 0, self.longest_gap // 2 + 3, 5, 100, 10_000])
        events = CameraEvents(t, [1] * 8, [2] * 8, [0, 1] * 4, self.width, self.height)
        loaded = read(self._written(tmp_path, events))
        assert loaded.events.same_as(events)
        assert not loaded.irregularities.harmful

    def test_events_added_in_pieces(self, tmp_path: Path) -> None:
        events, path = self._some(), self._path(tmp_path)
        cuts = [0, 1, 2, 700, 701, events.n]
        parts = (events[a:b] for a, b in pairwise(cuts))
        write(path, parts, format=self.format, **self.options)
        assert read(path).events.same_as(events)

    def test_an_address_outside_the_sensor_is_not_written(self, tmp_path: Path) -> None:
        path = self._path(tmp_path)
        events = CameraEvents([0], [self.width], [0], [0], self.width, self.height)
        with pytest.raises(FormatError, match="cannot be written"):
            write(path, events, format=self.format, **self.options)
        assert not list(tmp_path.iterdir())

    # -- in pieces --------------------------------------------------------------------------------------

    @pytest.mark.parametrize(("size", "n"), [(1, 60), (7, 400), (4096, 3000)])
    def test_bytes_that_come_in_pieces(self, tmp_path: Path, size: int, n: int) -> None:
        events = self._some(n)
        content = self._written(tmp_path, events).read_bytes()
        with open_recording(Dripping(content, size), format=self.format) as reader:
            assert reader.read().same_as(read(content).events)
        with open_recording(Dripping(content, size)) as reader:
            parts = list(reader.chunks(size=100))
        assert concatenate(parts).same_as(events)

    @pytest.mark.parametrize("size", [1, 7, 4096])
    def test_chunks_hold_at_most_the_events_asked_for(self, tmp_path: Path, size: int) -> None:
        events = self._some()
        with open_recording(self._written(tmp_path, events)) as reader:
            parts = list(reader.chunks(size=size))
        assert max(part.n for part in parts) <= size
        assert concatenate(parts).same_as(events)

    def test_windows_of_10_ms(self, tmp_path: Path) -> None:
        events = self._some(start=1234, step=100)
        with open_recording(self._written(tmp_path, events)) as reader:
            parts = []
            for start in range(0, int(events.t.max()) + 1, 10_000):
                part = reader.read(start=start, stop=start + 10_000)
                assert all(start <= t < start + 10_000 for t in part.t[[0, -1] if part.n else []])
                parts.append(part)
        assert len(parts) > 2
        assert concatenate(parts).same_as(events)

    def test_path_bytes_and_file_give_the_same(self, tmp_path: Path) -> None:
        events = self._some()
        path = self._written(tmp_path, events)
        assert detect(path.read_bytes()).name == self.format
        assert read(path.read_bytes()).events.same_as(events)
        with open(path, "rb") as file:
            assert read(file).events.same_as(events)

    def test_a_growing_file(self, tmp_path: Path) -> None:
        events = self._some()
        content = self._written(tmp_path, events).read_bytes()
        path = self._path(tmp_path, "growing")
        ends = [len(content) // 2, len(content) // 2 + 1, len(content) - 3, len(content)]
        path.write_bytes(content[: ends[0]])

        def grow() -> bool:
            ends.pop(0)
            if ends:
                path.write_bytes(content[: ends[0]])
            return not ends

        with open_recording(path) as reader:
            if not self.follows:
                with pytest.raises(FormatError, match="cannot be followed"):
                    next(reader.follow())
                return
            parts = list(reader.follow(poll=0.0, stop=grow))
            assert concatenate(parts).same_as(events)
            assert len(parts) > 1
            assert not reader.irregularities.harmful

    # -- damaged ----------------------------------------------------------------------------------------

    def test_a_file_cut_anywhere(self, tmp_path: Path) -> None:
        events = self._some(12)
        none = CameraEvents.empty(self.width, self.height)
        header = len(self._written(tmp_path, none).read_bytes())
        content = self._written(tmp_path, events).read_bytes()
        for end in range(len(content)):
            if end < header:
                with suppress(FormatError):
                    read(content[:end], format=self.format)
                continue
            found = read(content[:end], format=self.format, width=self.width, height=self.height)
            assert found.events.n <= events.n
            if self.is_prefix:
                assert found.events.same_as(events[: found.events.n])

    def test_changed_bytes_never_crash(self, tmp_path: Path) -> None:
        events = self._some(200)
        content = np.frombuffer(self._written(tmp_path, events).read_bytes(), np.uint8)
        draw = stream(7, "damage")
        for _ in range(40):
            damaged: NDArray[np.uint8] = content.copy()
            at = draw.integers(0, damaged.size, 3)
            damaged[at] = draw.integers(0, 256, 3)
            try:
                loaded = read(damaged.tobytes(), format=self.format)
            except SpikewrightError:
                continue
            for name in COLUMNS:
                assert getattr(loaded.events, name).size == loaded.events.n
            if loaded.irregularities.harmful:
                with pytest.raises(EventError):
                    read(damaged.tobytes(), format=self.format, strict=True)

    def test_what_is_repaired_is_sound(self, tmp_path: Path) -> None:
        events = self._some(200)
        content = self._written(tmp_path, events).read_bytes()
        damaged, mended = self._path(tmp_path, "damaged"), self._path(tmp_path, "mended")
        damaged.write_bytes(content[:-1])
        kept = read(damaged).events
        repair(damaged, mended)
        again = read(mended, strict=True)
        assert again.events.same_as(kept)
        assert kept.n >= events.n - 70

    def test_an_interrupted_writer_leaves_nothing(self, tmp_path: Path) -> None:
        path = self._path(tmp_path)
        header = Header(self.format, self.width, self.height)
        writer = open_writer(path, header, format=self.format, **self.options)
        with suppress(KeyboardInterrupt), writer:
            writer.add(self._some())
            raise KeyboardInterrupt
        assert not list(tmp_path.iterdir())
