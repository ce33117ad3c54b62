from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from spikewright.errors import FormatError
from spikewright.events.camera import CameraEvents, Extras, Triggers
from spikewright.events.formats import open_recording, read, write
from spikewright.events.irregular import Kind
from spikewright.testing.reader_suite import ReaderSuite

HEAD = b"% evt 2.1\n% endianness little\n% geometry 640x480\n% end\n"


def made(*words: int, head: bytes = HEAD) -> bytes:
    return head + np.array(words, "<u8").tobytes()


def vector(t: int, x: int, y: int, p: int, mask: int) -> int:
    return p << 60 | (t & 63) << 54 | x << 43 | y << 32 | mask


def high(t: int) -> int:
    return 8 << 60 | (t >> 6) << 32


class TestEvt21(ReaderSuite):
    format = "evt21"


class TestEvt21Legacy(ReaderSuite):
    format = "evt21"
    options: ClassVar = {"endianness": "legacy"}


def test_words_by_hand() -> None:
    loaded = read(
        made(
            high(128),
            vector(130, 5, 9, 1, 0x80000009),
            vector(131, 0, 1, 0, 0),
            vector(140, 32, 2, 0, 2),
        )
    )
    events = loaded.events
    assert events.t.tolist() == [130, 130, 130, 140]
    assert events.x.tolist() == [5, 8, 36, 33]  # from a base that is no multiple of 32, too
    assert events.y.tolist() == [9, 9, 9, 2]
    assert events.p.tolist() == [1, 1, 1, 0]
    assert not loaded.irregularities


def test_every_irregularity_is_counted_and_placed() -> None:
    words = [
        vector(0, 0, 0, 1, 7),
        high(64),
        5 << 60,
        vector(80, 624, 1, 0, 0x1FFFF),
        vector(70, 0, 1, 0, 1),
    ]
    loaded = read(made(*words) + b"\x00\x00")
    met = {one.kind: (one.count, one.offset - len(HEAD)) for one in loaded.irregularities}
    assert met == {
        Kind.NO_TIME: (3, 0),
        Kind.BAD_WORD: (1, 16),
        Kind.OUTSIDE: (1, 24),
        Kind.BACKWARDS: (1, 32),
        Kind.TRUNCATED: (1, 40),
    }
    assert loaded.events.n == 18


@pytest.mark.parametrize("order", ["little", "legacy"])
def test_an_order_that_the_header_does_not_say(tmp_path, order: str) -> None:
    t = np.arange(0, 90_000, 30)
    events = CameraEvents(t, t % 640, t % 480, t % 2, 640, 480)
    write(tmp_path / "a.raw", events, format="evt21", endianness=order)
    lines = (tmp_path / "a.raw").read_bytes()
    told = lines.replace(f";endianness={order}".encode(), b"").replace(
        f"% endianness {order}\n".encode(), b""
    )
    assert len(told) < len(lines)
    with open_recording(told, shift_time=True) as reader:
        assert reader.read().same_as(events)
        assert f"{order} by the words" in reader.header.notes[0]


def test_an_order_that_does_not_exist(tmp_path) -> None:
    events = CameraEvents.empty(640, 480)
    with pytest.raises(FormatError, match="found big, expected little or legacy"):
        write(tmp_path / "a.raw", events, format="evt21", endianness="big")
    with pytest.raises(FormatError, match="found little, expected none"):
        write(tmp_path / "a.raw", events, format="evt2", endianness="little")


@pytest.mark.parametrize("order", ["little", "legacy"])
def test_triggers(tmp_path, order: str) -> None:
    events = CameraEvents([5, 5, 900], [1, 2, 3], [4, 4, 4], [1, 1, 1], 640, 480)
    write(
        tmp_path / "a.raw", events, format="evt21", endianness=order,
        extras=Extras(Triggers([5, 1000], [31, 0], [1, 0])),
    )  # fmt: skip
    loaded = read(tmp_path / "a.raw", strict=True, shift_time=False)
    assert loaded.events.same_as(events)
    found = loaded.extras.triggers
    assert found is not None
    assert [found.t.tolist(), found.channel.tolist(), found.value.tolist()] == [
        [5, 1000],
        [31, 0],
        [1, 0],
    ]
