from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import EventError, FormatError
from spikewright.events.camera import CameraEvents, Extras, Triggers
from spikewright.events.formats import open_recording, read, write
from spikewright.events.irregular import Kind
from spikewright.testing.reader_suite import ReaderSuite

HEAD = b"% evt 2.0\n% geometry 640x480\n% end\n"


def made(*words: int, head: bytes = HEAD) -> bytes:
    return head + np.array(words, "<u4").tobytes()


def event(t: int, x: int, y: int, p: int) -> int:
    return p << 28 | (t & 63) << 22 | x << 11 | y


def high(t: int) -> int:
    return 8 << 28 | t >> 6


class TestEvt2(ReaderSuite):
    format = "evt2"


def test_words_by_hand() -> None:
    loaded = read(
        made(
            high(640), event(641, 3, 5, 1), event(703, 639, 479, 0), high(704), event(704, 0, 0, 1)
        )
    )
    events = loaded.events
    assert events.t.tolist() == [641, 703, 704]
    assert events.x.tolist() == [3, 639, 0]
    assert events.y.tolist() == [5, 479, 0]
    assert events.p.tolist() == [1, 0, 1]
    assert (events.width, events.height) == (640, 480)
    assert not loaded.irregularities


def test_triggers_monitoring_and_inertial_words() -> None:
    loaded = read(
        made(
            high(64), 0xA << 28 | 5 << 22 | 7 << 8 | 1, 0xE << 28 | 0x14, 0xF << 28 | 99,
            0xD << 28, event(70, 1, 1, 1), 0xA << 28 | 9 << 22 | 7 << 8,
        )
    )  # fmt: skip
    assert loaded.events.t.tolist() == [70]
    triggers = loaded.extras.triggers
    assert triggers is not None
    assert triggers.t.tolist() == [69, 73]
    assert triggers.channel.tolist() == [7, 7]
    assert triggers.value.tolist() == [1, 0]
    assert not loaded.irregularities


def test_every_irregularity_is_counted_and_placed() -> None:
    first = len(HEAD)
    words = [
        event(1, 1, 1, 1), high(64), 0x5 << 28, event(70, 640, 1, 1), event(69, 1, 480, 0),
        high(0), event(3, 1, 1, 1),
    ]  # fmt: skip
    loaded = read(made(*words) + b"\x00")
    met = {one.kind: (one.count, one.offset - first) for one in loaded.irregularities}
    assert met == {
        Kind.NO_TIME: (1, 0),
        Kind.BAD_WORD: (1, 8),
        Kind.OUTSIDE: (2, 12),
        Kind.BACKWARDS: (2, 16),
        Kind.TRUNCATED: (1, 28),
    }
    assert loaded.events.t.tolist() == [70, 69, 3]  # kept as they are
    with pytest.raises(
        EventError, match=f"word before the first time; left out, first at byte {first}"
    ):
        read(made(*words), strict=True)


def test_long_runs_are_checked_like_short_ones() -> None:
    words = np.array([high(0)] + [event(k // 8, k, 7, k & 1) for k in range(400)], "<u4")
    at = {37: event(0, 1, 1, 1), 150: event(18, 2047, 1, 1), 260: event(32, 1, 2047, 1)}
    for k, word in at.items():
        words[k] = word
    loaded = read(HEAD + words.tobytes())
    met = {one.kind: (one.count, (one.offset - len(HEAD)) // 4) for one in loaded.irregularities}
    assert met == {Kind.OUTSIDE: (2, 150), Kind.BACKWARDS: (1, 37)}
    assert loaded.events.n == 400


def test_the_counter_wraps_and_late_words_do_not_count_twice() -> None:
    end = 1 << 34
    words = [high(end - 64), event(63, 1, 1, 1), high(0), event(1, 2, 1, 1), high(end - 64), event(62, 3, 1, 1),
             high(0), event(2, 4, 1, 1)]  # fmt: skip
    loaded = read(made(*words))
    assert loaded.events.t.tolist() == [end - 1, end + 1, end - 2, end + 2]
    assert loaded.irregularities.count(Kind.WRAP) == 3
    assert loaded.irregularities.count(Kind.BACKWARDS) == 1


def test_the_size_of_an_old_camera_and_of_the_caller() -> None:
    old = b"% Date 2014-02-28 13:37:42\n% system_ID 49\n% evt 2.0\n"
    loaded = read(made(high(0), event(1, 2, 3, 1), head=old))
    assert (loaded.header.width, loaded.header.height) == (1280, 720)
    assert loaded.header.start == "2014-02-28 13:37:42"
    assert loaded.header.notes == ("the size of the sensor is that of system_ID 49",)
    loaded = read(made(high(0), event(1, 2, 3, 1), head=old), width=300, height=200)
    assert (loaded.events.width, loaded.events.height) == (300, 200)
    with pytest.raises(FormatError, match="width of no sensor; found 0"):
        read(made(head=old), width=0)


def test_a_size_that_nobody_says_is_that_of_the_events() -> None:
    loaded = read(made(high(0), event(1, 20, 3, 1), event(1, 2, 30, 1), head=b"% evt 2.0\n"))
    assert (loaded.header.width, loaded.header.height) == (21, 31)
    assert "it is that of the events" in loaded.header.notes[0]


def test_words_that_look_like_the_start_of_a_line() -> None:
    looks = int.from_bytes(b"% a\n", "little")  # type 0 and a time: an event
    head = b"% evt 2.0\n% geometry 2048x2048\n% end\n"
    assert read(made(high(0), looks, looks, head=head)).events.n == 2
    assert (
        read(made(looks, looks, high(0), looks, head=head)).irregularities.count(Kind.NO_TIME) == 2
    )


def test_the_origin_can_be_moved_as_the_vendor_does() -> None:
    content = made(high(6400), event(6403, 1, 1, 1), high(12800), event(12801, 1, 1, 1))
    with open_recording(content, shift_time=True) as reader:
        assert reader.header.t_offset == 6400
        assert reader.read().t.tolist() == [3, 6401]
        assert reader.read(start=6000, stop=7000).t.tolist() == [6401]


def test_triggers_stand_among_events(tmp_path) -> None:
    events = CameraEvents([10, 500, 500, 9000], [1, 2, 3, 4], [1] * 4, [0, 1, 0, 1], 640, 480)
    triggers = Triggers([0, 499, 500, 20_000], [1, 2, 3, 31], [1, 0, 1, 0])
    write(tmp_path / "a.raw", events, format="evt2", extras=Extras(triggers))
    loaded = read(tmp_path / "a.raw", strict=True)
    assert loaded.events.same_as(events)
    found = loaded.extras.triggers
    assert found is not None
    assert found.t.tolist() == [0, 499, 500, 20_000]
    assert found.channel.tolist() == [1, 2, 3, 31]
    assert found.value.tolist() == [1, 0, 1, 0]
    with pytest.raises(FormatError, match="channel 32"):
        write(tmp_path / "b.raw", events, format="evt2", extras=Extras(Triggers([0], [32], [1])))


def test_times_that_cannot_be_written(tmp_path) -> None:
    for t, match in (
        ([-1, 0], "found -1 us"),
        ([0, 1 << 60], "cannot be written"),
        ([1 << 40, 0], "further back"),
    ):
        events = CameraEvents(t, [0, 0], [0, 0], [0, 0], 640, 480)
        with pytest.raises(FormatError, match=match):
            write(tmp_path / "a.raw", events, format="evt2")
    # a little back is what cameras do as well
    events = CameraEvents([100_000, 99_000, 99_001], [0] * 3, [0] * 3, [0] * 3, 640, 480)
    write(tmp_path / "a.raw", events, format="evt2")
    assert read(tmp_path / "a.raw").events.same_as(events)


def test_the_header_is_carried_over(tmp_path, shared) -> None:
    old = read(shared / "vectors" / "events" / "real_evt2_gen3.raw", stop=1_318_000)
    write(tmp_path / "a.raw", old.events, format="evt2", header=old.header)
    new = read(tmp_path / "a.raw")
    assert new.events.same_as(old.events)
    assert new.header.details["serial_number"] == old.header.details["serial_number"]
    assert new.header.start == old.header.start
    assert "% end" in (tmp_path / "a.raw").read_bytes()[:500].decode("latin1").splitlines()


def test_an_encoding_without_events() -> None:
    with pytest.raises(FormatError, match="holds no events; found HISTO3D"):
        read(b"% format HISTO3D;width=1;height=1\n% end\n", format="evt2")
