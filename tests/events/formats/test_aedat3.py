from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import EventError, FormatError
from spikewright.events.camera import CameraEvents, Extras, Frame, Imu, Triggers
from spikewright.events.formats import open_recording, read, write
from spikewright.events.irregular import Kind
from spikewright.testing.reader_suite import ReaderSuite

HEAD = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DAVIS240C\r\n#!END-HEADER\r\n"
OLD = b"#!AER-DAT3.0\r\n#Format: RAW\r\n#Source 1: DVS128\r\n"


def packet(kind: int, *events: bytes, wraps: int = 0, source: int = 1) -> bytes:
    n, size = len(events), len(events[0]) if events else 8
    return struct.pack("<hh6i", kind, source, size, 4, wraps, n, n, n) + b"".join(events)


def polarity(t: int, x: int, y: int, p: int, valid: int = 1) -> bytes:
    return struct.pack("<Ii", x << 17 | y << 2 | p << 1 | valid, t)


def special(t: int, kind: int, valid: int = 1) -> bytes:
    return struct.pack("<Ii", kind << 1 | valid, t)


class TestAedat3(ReaderSuite):
    format = "aedat3"
    largest = (32768, 32768)

    def _some(self, n: int = 9000, **options: int) -> CameraEvents:
        return super()._some(n, **options)  # of several packets


def test_polarity_events() -> None:
    body = packet(1, polarity(5, 3, 4, 1), polarity(6, 239, 179, 0)) + packet(
        1, polarity(7, 0, 0, 1)
    )
    loaded = read(HEAD + body)
    assert (loaded.header.width, loaded.header.height) == (240, 180)
    assert loaded.events.t.tolist() == [5, 6, 7]
    assert loaded.events.x.tolist() == [3, 239, 0]
    assert loaded.events.y.tolist() == [4, 179, 0]
    assert loaded.events.p.tolist() == [1, 0, 1]
    assert not loaded.irregularities


def test_version_3_0_has_other_bits_and_another_origin() -> None:
    data = struct.pack("<Ii", 127 << 18 | 3 << 4 | 1 << 1 | 1, 9)
    content = OLD + packet(1, data)
    events = read(content).events
    assert (events.x[0], events.y[0], events.p[0], events.t[0]) == (127, 124, 1, 9)
    assert read(content, raw_coordinates=True).events.y[0] == 3


def test_wraps_are_above_the_time() -> None:
    body = packet(1, polarity(2**31 - 1, 1, 1, 1)) + packet(1, polarity(0, 1, 1, 1), wraps=1)
    body += packet(0, special(3, 2), wraps=5)
    loaded = read(HEAD + body)
    assert loaded.events.t.tolist() == [2**31 - 1, 2**31]
    assert loaded.extras.triggers is not None
    assert loaded.extras.triggers.t.tolist() == [(5 << 31) + 3]


def test_special_events_become_triggers() -> None:
    body = packet(0, *[special(t, kind) for t, kind in enumerate([2, 3, 4, 14, 15, 16, 17, 5])])
    body += packet(0, special(20, 0), special(21, 1), special(22, 2, valid=0))
    loaded = read(HEAD + body)
    triggers = loaded.extras.triggers
    assert triggers is not None
    assert triggers.channel.tolist() == [1, 2, 3, 6, 7, 8, 9, 133, 0]
    assert triggers.value.tolist() == [1, 0, 1, 1, 0, 1, 0, 0, 0]
    met = {one.kind: one.count for one in loaded.irregularities}
    assert met == {Kind.WRAP: 1, Kind.RESET: 1, Kind.INVALID: 1}


def test_inertial_samples() -> None:
    six = struct.pack("<Ii7f", 1, 5, 0.1, 0.2, 0.3, 10, 20, 30, 36.5)
    nine = struct.pack("<Ii10f", 1, 6, 0.1, 0.2, 0.3, 10, 20, 30, 36.5, 7, 8, 9)
    imu = read(HEAD + packet(3, six) + packet(4, nine)).extras.imu
    assert imu is not None
    assert imu.t.tolist() == [5, 6]
    np.testing.assert_array_equal(imu.acc, np.float32([[0.1, 0.2, 0.3]] * 2))
    np.testing.assert_array_equal(imu.gyro, [[10, 20, 30]] * 2)
    np.testing.assert_array_equal(imu.temperature, [36.5] * 2)
    np.testing.assert_array_equal(imu.mag, [[np.nan] * 3, [7, 8, 9]])


def frame(info: int, width: int, height: int, *pixels: int) -> bytes:
    head = struct.pack("<I8i", info, 10, 20, 12, 18, width, height, 1, 2)
    return head + np.array(pixels, "<u2").tobytes()


def test_frames() -> None:
    gray = frame(1 | 1 << 1, 3, 2, 1, 2, 3, 4, 5, 65535)
    color = frame(1 | 3 << 1, 1, 2, 1, 2, 3, 4, 5, 6)
    loaded = read(HEAD + packet(2, gray) + packet(2, color))
    first, second = loaded.extras.frames
    assert (first.t, first.exposure_start, first.exposure_end) == (10, 12, 18)
    assert (first.x0, first.y0) == (1, 2)
    assert first.pixels.tolist() == [[1, 2, 3], [4, 5, 65535]]
    assert second.pixels.tolist() == [[[1, 2, 3]], [[4, 5, 6]]]
    wrong = [frame(1 | 1 << 1, 3, 3, 1, 2), frame(1 | 2 << 1, 1, 1, 1, 2), frame(2, 1, 2, 1, 2)]
    loaded = read(HEAD + packet(2, *wrong))
    assert loaded.extras.frames == []
    assert loaded.irregularities.count(Kind.BAD_PACKET) == 2
    assert loaded.irregularities.count(Kind.INVALID) == 1


def test_spikes_of_a_processor() -> None:
    body = [struct.pack("<Ii", 1 | 3 << 1 | 2 << 6 | 777 << 12, 5), struct.pack("<Ii", 0, 6)]
    loaded = read(HEAD + packet(12, *body))
    assert loaded.extras.more["spikes"].tolist() == [(5, 2, 3, 777)]
    assert loaded.irregularities.count(Kind.INVALID) == 1


def test_every_irregularity_is_counted_and_placed() -> None:
    first = packet(1, polarity(5, 1, 1, 1), polarity(6, 1, 1, 1, 0), polarity(4, 240, 180, 1))
    unknown = packet(7, bytes(12))
    loaded = read(HEAD + first + unknown + packet(1, polarity(9, 2, 2, 1))[:-1])
    at = len(HEAD) + 28
    met = {one.kind: (one.count, one.offset) for one in loaded.irregularities}
    assert met == {
        Kind.INVALID: (1, at + 8),
        Kind.OUTSIDE: (1, at + 16),
        Kind.BACKWARDS: (1, at + 16),
        Kind.UNKNOWN: (1, at + 24),
        Kind.TRUNCATED: (1, at + 24 + 28 + 12),
        Kind.DROPPED: (1, at + 24 + 28 + 12 + 28),
    }
    assert loaded.events.t.tolist() == [5, 4]
    with pytest.raises(EventError, match="outside the sensor"):
        read(HEAD + first, strict=True)
    with open_recording(HEAD + first) as reader:  # places stay what they are in small pieces
        assert len(list(reader.chunks(size=1))) == 2
        assert {one.kind: one.offset for one in reader.irregularities}[Kind.OUTSIDE] == at + 16


def test_rows_beyond_the_number_of_a_packet_are_told() -> None:
    rows = [polarity(5, 3, 4, 1), polarity(6, 3, 4, 1), bytes(8)]
    head = struct.pack("<hh6i", 1, 1, 8, 4, 0, 3, 1, 1)
    loaded = read(HEAD + head + b"".join(rows))
    assert loaded.events.t.tolist() == [5]
    assert loaded.irregularities.count(Kind.BAD_VALUE) == 1
    spare = read(HEAD + struct.pack("<hh6i", 1, 1, 8, 4, 0, 3, 2, 2) + b"".join(rows))
    assert spare.events.n == 2
    assert not spare.irregularities


def test_events_of_two_sources() -> None:
    body = packet(1, polarity(5, 1, 1, 1)) + packet(1, polarity(6, 2, 2, 1), source=2)
    loaded = read(HEAD + body)
    assert loaded.events.t.tolist() == [5]
    assert "source=2" in str(loaded.irregularities)
    chosen = read(HEAD + body, source=2)
    assert chosen.events.t.tolist() == [6]
    assert not chosen.irregularities


@pytest.mark.parametrize("place", [0, 4, 16, 20])
def test_a_damaged_packet_costs_itself_only(place: int) -> None:
    packets = [packet(1, *[polarity(10 * k + j, k, j, 1) for j in range(5)]) for k in range(4)]
    damaged = bytearray(packets[1])
    damaged[place : place + 4] = b"\xff\xff\xff\x7f"
    loaded = read(HEAD + packets[0] + damaged + packets[2] + packets[3])
    assert loaded.events.x.tolist() == [0] * 5 + [2] * 5 + [3] * 5
    (met,) = loaded.irregularities
    assert met.kind is Kind.BAD_PACKET
    assert met.offset == len(HEAD) + len(packets[0])


def test_every_place_of_a_cut() -> None:
    content = (
        HEAD + packet(1, polarity(1, 1, 1, 1), polarity(2, 2, 2, 1)) + packet(0, special(3, 2))
    )
    whole = {len(HEAD), len(HEAD) + 28 + 16, len(content)}
    for end in range(len(HEAD), len(content) + 1):
        loaded = read(content[:end])
        assert loaded.events.n == min(max(0, end - len(HEAD) - 28) // 8, 2)
        assert bool(loaded.irregularities.harmful) == (end not in whole)


def test_a_size_that_nothing_has_takes_no_memory() -> None:
    head = struct.pack("<hh6i", 1, 1, 2**31 - 1, 4, 0, 2**31 - 1, 5, 5)
    loaded = read(HEAD + head + polarity(1, 1, 1, 1))
    assert loaded.irregularities.harmful


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"#!AER-DAT3.2\r\n#!END-HEADER\r\n", "version of AEDAT 3"),
        (b"#!AER-DAT3.1\r\n#Format: SerializedTS\r\n#!END-HEADER\r\n", "SerializedTS"),
    ],
)
def test_other_headers(text: bytes, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        read(text)


def test_a_source_of_unknown_size() -> None:
    content = HEAD.replace(b"DAVIS240C", b"OTHER") + packet(1, polarity(1, 7, 3, 1))
    loaded = read(content)
    assert (loaded.header.width, loaded.header.height) == (8, 4)
    assert "taken from the events" in loaded.header.notes[0]


def test_extras_are_written_and_read(tmp_path: Path) -> None:
    events = CameraEvents([1, 2**31 + 5], [0, 345], [0, 259], [0, 1], 346, 260)
    triggers = Triggers(np.array([5, 2**31]), np.array([1, 133]), np.array([1, 0]))
    three = np.arange(6, dtype=np.float32).reshape(2, 3)
    imu = Imu(np.array([7, 8]), three, three + 1, three + 2, np.float32([20, 21]))
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    extras = Extras(triggers, [Frame(3, 4, 5, 6, 7, pixels)], imu)
    path = tmp_path / "a.aedat"
    header = read(HEAD).header.replace(width=346, height=260)
    write(path, events, header=header, extras=extras, format="aedat3")
    loaded = read(path, strict=True)
    assert loaded.events.same_as(events)
    found = loaded.extras
    assert found.triggers is not None
    assert found.triggers.t.tolist() == [5, 2**31]
    assert found.triggers.channel.tolist() == [1, 133]
    assert found.imu is not None
    for name in ("t", "acc", "gyro", "mag", "temperature"):
        np.testing.assert_array_equal(getattr(found.imu, name), getattr(imu, name))
    (one,) = found.frames
    assert (one.t, one.exposure_start, one.exposure_end, one.x0, one.y0) == (3, 4, 5, 6, 7)
    np.testing.assert_array_equal(one.pixels, pixels)
    shifted = read(path, shift_time=True)
    assert shifted.header.t_offset == 1
    assert shifted.events.t.tolist() == [0, 2**31 + 4]
    assert shifted.extras.frames[0].t == 2
    windowed = read(path, start=6, stop=8)
    assert windowed.events.n == 0
    assert windowed.extras.imu is not None
    assert windowed.extras.imu.t.tolist() == [7]
    assert windowed.extras.triggers is None
    assert windowed.extras.frames == []
