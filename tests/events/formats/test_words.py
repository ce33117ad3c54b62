"""Cuts in time, and the seek index they use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from spikewright.errors import FormatError
from spikewright.events.camera import CameraEvents, concatenate
from spikewright.events.formats import open_recording, open_writer, write
from spikewright.events.formats.base import Header
from spikewright.events.formats.index import BLOCK
from spikewright.events.formats.words import WordReader
from spikewright.events.irregular import Kind
from spikewright.testing.reader_suite import random_events

N = 3 * BLOCK + 1000


@pytest.fixture(scope="module")
def events() -> CameraEvents:
    """Return events of some blocks, 40 s in all: EVT3's clock wraps twice."""
    found = random_events(N, 640, 480, seed=3, step=920)
    assert found.duration > 35_000_000
    return found


@pytest.fixture(params=["evt3", "dat"])
def path(request: pytest.FixtureRequest, tmp_path: Path, events: CameraEvents) -> Path:
    """Return a file of them."""
    suffix = ".dat" if request.param == "dat" else ".raw"
    write(tmp_path / f"a{suffix}", events, format=request.param)
    return tmp_path / f"a{suffix}"


def selected(events: CameraEvents, start: int, stop: int) -> CameraEvents:
    return events[(events.t >= start) & (events.t < stop)]


def decoded(reader: WordReader, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the place of every block that is decoded."""
    places: list[int] = []
    fill = reader._fill

    def noted(cursor, *columns, **more):
        places.append(cursor.offset)
        return fill(cursor, *columns, **more)

    monkeypatch.setattr(reader, "_fill", noted)
    return places


def test_cuts_anywhere(path: Path, events: CameraEvents) -> None:
    with open_recording(path) as reader:
        for start, stop in (
            (30_000_000, 30_000_100),
            (-5, 1),
            (16_777_000, 16_778_000),
            (10**12, 10**13),
            (5, 5),
        ):
            assert reader.read(start=start, stop=stop).same_as(selected(events, start, stop))
        assert reader.read(start=34_000_000).same_as(selected(events, 34_000_000, 10**12))
        assert reader.read(stop=100_000).same_as(selected(events, 0, 100_000))
        parts = list(reader.chunks(start=1_000_000, stop=20_000_000, size=1000))
        assert max(part.n for part in parts) <= 1000
        assert concatenate(parts).same_as(selected(events, 1_000_000, 20_000_000))


def test_a_cut_near_the_start_does_not_read_the_file(
    path: Path, events: CameraEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_recording(path) as reader:
        places = decoded(reader, monkeypatch)
        reader.read(stop=1000)
        assert len(places) == 3  # two blocks looked at, the first decoded
        places.clear()
        reader.read(start=500, stop=1000)
        assert len(places) == 1


def test_the_index_is_kept_beside_the_file(
    path: Path, events: CameraEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = path.with_name(path.name + ".evidx")
    with open_recording(path) as reader:
        assert reader.build_index() == 4
    assert not beside.exists()  # nobody asked for it
    with open_recording(path, index=True) as reader:
        reader.build_index()
    assert beside.is_file()
    with open_recording(path) as reader:
        places = decoded(reader, monkeypatch)
        found = reader.read(start=34_000_000, stop=34_100_000)
        assert found.same_as(selected(events, 34_000_000, 34_100_000))
        assert len(places) == 1


def test_a_writer_keeps_the_index_beside_the_file(
    tmp_path: Path, events: CameraEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new.raw"
    write(path, events, format="evt3", index=True)
    with open_recording(path) as reader:
        places = decoded(reader, monkeypatch)
        found = reader.read(start=34_000_000, stop=34_100_000)
        assert found.same_as(selected(events, 34_000_000, 34_100_000))
        assert len(places) == 1
    with pytest.raises(FormatError, match="npz keeps no index beside it"):
        write(tmp_path / "new.npz", events, index=True)
    small = open_writer(tmp_path / "x.raw", Header("", 1, 1), index=True, format="evt3")
    with pytest.raises(FormatError, match="x cannot be written"), small as writer:
        writer.add(events)
    assert [one.name for one in tmp_path.iterdir() if one.stem.startswith("x")] == []


def test_scanning_for_a_cut_reads_nothing_twice(
    path: Path, events: CameraEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    with open_recording(path) as reader:
        real = reader.source.piece

        def piece(offset: int, buffer: NDArray[np.uint8], **least: int) -> NDArray[np.uint8]:
            asked.append(real(offset, buffer, **least))
            return asked[-1]

        monkeypatch.setattr(reader.source, "piece", piece)
        reader.build_index()
        assert sum(one.size for one in asked) < reader.source.size * 1.01


@pytest.mark.parametrize("how", ["other file", "cut", "random", "other offsets"])
def test_an_index_that_does_not_fit_is_not_used(path: Path, events: CameraEvents, how: str) -> None:
    beside = path.with_name(path.name + ".evidx")
    with open_recording(path, index=True) as reader:
        reader.build_index()
    content = beside.read_bytes()
    if how == "other file":
        events = events[: N // 2]
        write(path, events, format="dat" if path.suffix == ".dat" else "evt3")
    elif how == "cut":
        beside.write_bytes(content[:-100])
    elif how == "random":
        beside.write_bytes(bytes(2000))
    else:
        with np.load(beside) as stored:
            fields = dict(stored)
        fields["offset"] = fields["offset"] + 1
        with open(beside, "wb") as file:
            np.savez(file, **fields)
    with open_recording(path) as reader:
        assert reader.read(start=10_000_000, stop=10_100_000).same_as(
            selected(events, 10_000_000, 10_100_000)
        )


def test_a_scan_tells_nothing_of_what_was_not_read(path: Path) -> None:
    with open_recording(path) as reader:
        reader.read(start=1000, stop=2000)  # the block after it, with a wrap, is scanned
        assert not reader.irregularities
        reader.read()
        wraps = reader.irregularities.count(Kind.WRAP)
        assert wraps == (2 if reader.header.format == "evt3" else 0)
        reader.read()
        assert reader.irregularities.count(Kind.WRAP) == wraps  # not twice as many


def test_chunks_of_no_events(path: Path) -> None:
    with open_recording(path) as reader, pytest.raises(FormatError, match="of no events; found 0"):
        next(reader.chunks(size=0))


@pytest.mark.parametrize(
    ("format", "word", "place", "kind", "bits", "low"),
    [
        ("evt2", "<u4", 28, 0x8, 28, 6),
        ("evt21", "<u8", 60, 0x8, 28, 6),
        ("evt3", "<u2", 12, 0x8, 12, 12),
        ("evt4", "<u4", 28, 0xE, 28, 6),
    ],
)
def test_the_time_base_wraps_from_its_last_values_to_the_first(
    tmp_path: Path, format: str, word: str, place: int, kind: int, bits: int, low: int
) -> None:
    """In gaps too: some readers see a wrap only there, some also where the counter rises or falls by half."""
    period = 1 << bits + low
    t = np.array([5, period // 3, 3 * period + 9, 4 * period - 1, 4 * period, 6 * period])
    events = CameraEvents(t, t % 640, t % 480, t % 2, 640, 480)
    path = tmp_path / "a.raw"
    write(path, events, format=format)
    words = np.frombuffer(path.read_bytes().partition(b"% end\n")[2], word).astype(np.uint64)
    bases = words[words >> np.uint64(place) == kind] >> np.uint64(place - bits)
    steps = np.diff((bases & np.uint64((1 << bits) - 1)).astype(np.int64))
    assert steps.max() < 1 << bits - 1
    falls = steps[steps < 0]
    assert falls.size == 6
    assert falls.max() <= 8 - (1 << bits)
    with open_recording(path) as reader:
        assert reader.read().same_as(events)
