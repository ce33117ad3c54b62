from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import EventError, FormatError
from spikewright.events.camera import CameraEvents
from spikewright.events.formats import open_recording, read, write
from spikewright.events.irregular import Kind
from spikewright.testing.reader_suite import Dripping, ReaderSuite

SIZE = (10, 8)


def head(kind: int) -> bytes:
    return b"Event Stream\x02\x00\x00" + bytes([kind]) + np.array(SIZE, "<u2").tobytes()


def at(x: int, y: int) -> bytes:
    return np.array([x, y], "<u2").tobytes()


class TestEs(ReaderSuite):
    format = "es"
    largest = (65535, 65535)
    longest_gap = 1 << 24


def test_change_events_by_hand() -> None:
    content = head(1) + b"\x07" + at(3, 0) + b"\xff\xff" + b"\xfc" + at(9, 7)
    loaded = read(content)
    assert loaded.events.t.tolist() == [3, 3 + 2 * 127 + 126]
    assert loaded.events.x.tolist() == [3, 9]
    assert loaded.events.y.tolist() == [7, 0]  # rows count from the bottom
    assert loaded.events.p.tolist() == [1, 0]
    assert (loaded.header.width, loaded.header.height) == SIZE
    assert loaded.header.details["type"] == "dvs"
    assert read(content, raw_coordinates=True).events.y.tolist() == [0, 7]


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("rare", [3, 40])
def test_long_runs_with_silences_and_strange_bytes_between(rare: int, raw: bool) -> None:
    # runs of ordinary events are decoded eight at a time: everything else must fall out of that, in every place
    g = np.random.default_rng(rare)
    content, t, rows, outside, reserved = bytearray(head(1)), 0, [], 0, 0
    for _ in range(3000):
        kind = g.integers(2 * rare)
        if kind < 2:
            content.append(0xFF - int(kind))
            t, reserved = t + 127 * int(kind == 0), reserved + int(kind == 1)
            continue
        high = (65536, 65536) if kind == 2 else SIZE
        x, y, dt, p = (int(g.integers(n)) for n in (*high, 127, 2))
        content += bytes([dt << 1 | p]) + at(x, y)
        t += dt
        outside += x >= SIZE[0] or y >= SIZE[1]
        rows.append((t, x, y if raw else (SIZE[1] - 1 - y) % 65536, p))
    with open_recording(bytes(content), raw_coordinates=raw) as reader:
        events = reader.read()
    assert list(zip(*(c.tolist() for c in (events.t, events.x, events.y, events.p)))) == rows  # noqa: B905
    assert reader.irregularities.count(Kind.OUTSIDE) == outside
    assert reader.irregularities.count(Kind.BAD_WORD) == reserved


ATIS = (
    head(2)
    + b"\x06" + at(1, 1)  # 1 us later, change, ON
    + b"\xfd\xff"  # 63 + 3 * 63 us
    + b"\x09" + at(2, 2)  # 2 us later, first crossing
    + b"\x03" + at(2, 2)  # at once, second crossing
    + b"\xf8" + at(9, 7)  # 62 us later, change, OFF
)  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_exposure_events_are_kept_beside(size: int) -> None:
    with open_recording(Dripping(ATIS, size)) as reader:
        events = reader.read()
        exposures = reader.extras.more["exposures"]
    assert events.t.tolist() == [1, 1 + 252 + 2 + 62]
    assert events.p.tolist() == [1, 0]
    assert events.y.tolist() == [6, 0]
    assert exposures["t"].tolist() == [255, 255]
    assert exposures["x"].tolist() == [2, 2]
    assert exposures["y"].tolist() == [5, 5]
    assert exposures["second"].tolist() == [0, 1]
    assert not reader.irregularities


def test_many_exposure_events_are_joined() -> None:
    n = 200_000
    rows = np.zeros((n, 5), np.uint8)
    rows[:, 0] = 5
    rows[::3, 0] = 4
    rows[:, 1] = np.arange(n) % 10
    with open_recording(head(2) + rows.tobytes()) as reader:
        events = reader.read()
        exposures = reader.extras.more["exposures"]
        np.testing.assert_array_equal(events.t, np.arange(n)[::3] + 1)
        np.testing.assert_array_equal(
            exposures["t"], np.delete(np.arange(n), slice(None, None, 3)) + 1
        )
        taken = 0
        for _ in reader.chunks(size=1000):
            taken += len(reader.extras.more.pop("exposures", ()))
    assert taken == len(exposures)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_color_events(size: int) -> None:
    content = (
        head(4) + b"\x02" + at(1, 7) + b"\x0a\x14\x1e" + b"\xff\xfd" + at(0, 0) + b"\x01\x02\x03"
    )
    with open_recording(Dripping(content, size)) as reader:
        events = reader.read()
        colors = reader.extras.more["colors"]
    assert events.t.tolist() == colors["t"].tolist() == [2, 2 + 254 + 253]
    assert events.x.tolist() == colors["x"].tolist() == [1, 0]
    assert events.y.tolist() == colors["y"].tolist() == [0, 7]
    assert [colors[c].tolist() for c in "rgb"] == [[10, 1], [20, 2], [30, 3]]


def test_generic_events() -> None:
    long = bytes(300)
    content = (
        b"Event Stream\x02\x00\x00\x00"
        + b"\x05\x06abc"
        + b"\xff\x01"
        + b"\x59\x04"
        + long
        + b"\xfe\x00\x00"
    )
    loaded = read(content)
    assert loaded.extras.more["messages"] == [(5, b"abc"), (5 + 254 + 1, long), (260, b"")]
    assert loaded.events.n == 0
    assert [(one.kind, one.count) for one in loaded.irregularities] == [(Kind.BAD_WORD, 1)]
    cut = read(content[:-50])
    assert cut.extras.more["messages"] == [(5, b"abc")]
    assert cut.irregularities.count(Kind.TRUNCATED) == 1
    assert read(content, start=6).extras.more["messages"][0] == (260, long)
    endless = read(content[:16] + b"\x00" + b"\xff" * 100_000)
    assert endless.irregularities.count(Kind.TRUNCATED) == 1


def test_every_irregularity_is_counted_and_placed() -> None:
    content = head(1) + b"\xfe" + b"\x00" + at(10, 1) + b"\x00" + at(1, 8) + b"\x00\x01"
    loaded = read(content)
    met = {one.kind: (one.count, one.offset - 20) for one in loaded.irregularities}
    assert met == {Kind.BAD_WORD: (1, 0), Kind.OUTSIDE: (2, 1), Kind.TRUNCATED: (1, 11)}
    assert loaded.events.x.tolist() == [10, 1]
    with pytest.raises(EventError, match="first at byte 20"):
        read(content, strict=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((12, 3), "version 3"),
        ((15, 9), "type 9"),
        ((0, 0), "known format"),
    ],
)
def test_other_headers(change: tuple[int, int], said: str) -> None:
    content = bytearray(head(1))
    content[change[0]] = change[1]
    with pytest.raises(FormatError, match=said):
        read(bytes(content))


@pytest.mark.parametrize("n", [13, 16, 19])
def test_a_header_that_is_cut(n: int) -> None:
    with pytest.raises(FormatError, match="header"):
        read(head(1)[:n])


def test_the_largest_step_keeps_clear_of_the_reserved_byte(tmp_path: Path) -> None:
    t = np.cumsum(np.arange(300))
    n = len(t)
    events = CameraEvents(t, np.zeros(n, int), np.zeros(n, int), np.ones(n, int), 10, 8)
    write(tmp_path / "a.es", events)
    loaded = read(tmp_path / "a.es", strict=True)
    assert loaded.events.same_as(events)
    assert (tmp_path / "a.es").read_bytes()[20:25] == b"\x01" + at(0, 7)


@pytest.mark.parametrize(
    ("t", "said"),
    [([-1], "0 to"), ([1 << 50], "only fill with bytes"), ([7, 6], "runs further back")],
)
def test_times_that_cannot_be_written(tmp_path: Path, t: list[int], said: str) -> None:
    n = len(t)
    with pytest.raises(FormatError, match=said):
        write(tmp_path / "a.es", CameraEvents(t, [1] * n, [1] * n, [0] * n, 2, 2))
    assert not list(tmp_path.iterdir())


def test_an_origin_is_taken_off(tmp_path: Path) -> None:
    events = CameraEvents([1 << 50, (1 << 50) + 7], [1, 0], [1, 0], [0, 1], 2, 2)
    write(tmp_path / "a.es", events, origin=1 << 50)
    assert read(tmp_path / "a.es").events.t.tolist() == [0, 7]


def test_a_sensor_of_unknown_size_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="size of the sensor"):
        write(tmp_path / "a.es", CameraEvents.empty(0, 0))
