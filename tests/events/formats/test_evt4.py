from __future__ import annotations

import numpy as np

from spikewright.events.camera import CameraEvents, Extras, Triggers
from spikewright.events.formats import open_recording, read, write
from spikewright.events.irregular import Kind
from spikewright.testing.reader_suite import ReaderSuite

HEAD = b"% format EVT4;height=720;width=1280\n% end\n"


def made(*words: int) -> bytes:
    return HEAD + np.array(words, "<u4").tobytes()


def word(kind: int, t: int, x: int, y: int) -> int:
    return kind << 28 | (t & 63) << 22 | x << 11 | y


def high(t: int) -> int:
    return 0xE << 28 | t >> 6


class TestEvt4(ReaderSuite):
    format = "evt4"


def test_words_by_hand() -> None:
    loaded = read(
        made(
            high(640), word(0xA, 641, 1, 2), word(0xB, 642, 3, 4), word(0xC, 643, 5, 6), 0xE0000001,
            word(0xD, 644, 7, 8), 0xFFFFFFFF, 0xFFFFFFFF, 6 << 28, 7 << 28, 9 << 28 | 5 << 22 | 3 << 8 | 1,
        )
    )  # fmt: skip
    events = loaded.events
    assert events.t.tolist() == [641, 642] + [643] * 4 + [644] * 32
    assert events.x.tolist() == [1, 3, 5, 34, 35, 36, *range(7, 39)]
    assert events.y.tolist() == [2, 4] + [6] * 4 + [8] * 32
    assert events.p.tolist() == [0, 1] + [0] * 4 + [1] * 32
    assert not loaded.irregularities
    assert loaded.extras.triggers is not None
    assert loaded.extras.triggers.t.tolist() == [645]


def test_every_irregularity_is_counted_and_placed() -> None:
    words = [
        word(0xB, 0, 0, 0), word(0xD, 0, 0, 0), 0xF0, high(64), 0, word(0xD, 80, 1270, 1), 0xFFFF,
        word(0xA, 70, 0, 1), 0xFFFFFFFE, word(0xC, 90, 0, 0),
    ]  # fmt: skip
    loaded = read(made(*words))
    met = {one.kind: (one.count, (one.offset - len(HEAD)) / 4) for one in loaded.irregularities}
    assert met == {
        Kind.NO_TIME: (5, 0),
        Kind.BAD_WORD: (2, 4),
        Kind.OUTSIDE: (6, 6),
        Kind.BACKWARDS: (1, 7),
        Kind.TRUNCATED: (1, 10),  # a vector without its mask
    }
    assert loaded.events.n == 17


def test_a_mask_that_looks_like_a_time_is_no_origin() -> None:
    content = made(word(0xC, 0, 0, 0), high(64), high(6400), word(0xA, 6401, 1, 1))
    with open_recording(content, shift_time=True) as reader:
        assert reader.header.t_offset == 6400
        assert reader.read().t.tolist() == [1]


def test_triggers(tmp_path) -> None:
    events = CameraEvents([5, 5, 5, 900], [1, 2, 3, 4], [4] * 4, [1] * 4, 640, 480)
    write(
        tmp_path / "a.raw",
        events,
        format="evt4",
        extras=Extras(Triggers([5, 1000], [31, 0], [1, 0])),
    )
    loaded = read(tmp_path / "a.raw", strict=True)
    assert loaded.events.same_as(events)
    found = loaded.extras.triggers
    assert found is not None
    assert [found.t.tolist(), found.channel.tolist(), found.value.tolist()] == [
        [5, 1000],
        [31, 0],
        [1, 0],
    ]
