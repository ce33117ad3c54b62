from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import FormatError
from spikewright.events.camera import CameraEvents, Extras, Triggers
from spikewright.events.formats import evt3, read, write
from spikewright.events.formats.words import (
    BACKWARDS,
    EVENTS,
    HEIGHT,
    LAST,
    NEVER,
    OUTSIDE,
    SLOTS,
    WIDTH,
    as_words,
)
from spikewright.events.irregular import Kind
from spikewright.rng import stream
from spikewright.testing.reader_suite import ReaderSuite

HEAD = b"% format EVT3;height=720;width=1280\n% end\n"

ROW, ONE, BASE, V12, V8, LOW, HIGH, TRIGGER = (k << 12 for k in (0, 2, 3, 4, 5, 6, 8, 10))


def made(*words: int) -> bytes:
    return HEAD + np.array(words, "<u2").tobytes()


class TestEvt3(ReaderSuite):
    format = "evt3"
    longest_gap = 1 << 26


def test_words_by_hand() -> None:
    loaded = read(
        made(
            HIGH | 2, LOW | 5, ROW | 7, ONE | 1 << 11 | 9, BASE | 100, V12 | 0x801, V12, V8 | 0x80, ONE | 3,
            LOW | 9, ROW | 1 << 11 | 8, ONE | 4, HIGH | 3, ONE | 5, HIGH | 3, LOW | 1, HIGH | 3, ONE | 6,
        )
    )  # fmt: skip
    events = loaded.events
    assert (events.t - 2 * 4096).tolist() == [5, 5, 5, 5, 5, 9, 4096, 4097]
    assert events.x.tolist() == [9, 100, 111, 131, 3, 4, 5, 6]
    assert events.y.tolist() == [7] * 5 + [8] * 3
    assert events.p.tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert not loaded.irregularities


def test_vectors_in_other_groups_than_12_12_8() -> None:
    loaded = read(
        made(
            HIGH, LOW, ROW, BASE | 50, V8 | 3, V8 | 1, V12 | 1, V12 | 1, BASE | 1 << 11 | 2, V12 | 4
        )
    )
    assert loaded.events.x.tolist() == [50, 51, 58, 66, 78, 4]
    assert loaded.events.p.tolist() == [0, 0, 0, 0, 0, 1]


def test_the_low_time_may_fall_alone() -> None:
    loaded = read(made(HIGH, ROW, LOW | 9, ONE, LOW | 4, ONE, LOW | 10, ONE))
    assert loaded.events.t.tolist() == [9, 4, 10]
    assert loaded.irregularities.count(Kind.BACKWARDS) == 1


def test_every_irregularity_is_counted_and_placed() -> None:
    words = [
        ONE, ROW | 1, HIGH | 4095, LOW, 1 << 12, V12 | 7, BASE | 1270, V12 | 0xFFF, HIGH | 1, ONE | 1, ROW | 720,
        ONE | 1,
    ]  # fmt: skip
    loaded = read(made(*words) + b"\x01")
    met = {one.kind: (one.count, (one.offset - len(HEAD)) / 2) for one in loaded.irregularities}
    assert met == {
        Kind.NO_TIME: (1, 0),
        Kind.BAD_WORD: (1, 4),
        Kind.DROPPED: (3, 5),
        Kind.OUTSIDE: (3, 7),
        Kind.WRAP: (1, 8),
        Kind.TRUNCATED: (1, 12),
    }
    assert loaded.events.n == 14
    assert loaded.events.t[-1] == (1 << 24) + 4096


def test_events_before_the_first_row_are_not_placed() -> None:
    loaded = read(made(HIGH, LOW, ONE, BASE, V12 | 3, ROW | 2, ONE | 1))
    assert loaded.events.y.tolist() == [2]
    assert loaded.irregularities.count(Kind.DROPPED) == 3


@pytest.mark.parametrize("seed", range(6))
def test_the_fast_decoder_does_what_the_complete_one_does(seed: int) -> None:
    """Random words, mostly of the usual kinds, through both."""
    draw = stream(seed, "words")
    share = [0.15, 0.02, 0.3, 0.1, 0.1, 0.05, 0.15, 0.02, 0.05, 0, 0.01, 0, 0.01, 0.01, 0.02, 0.01]
    kinds = draw.choice(16, 20_000, p=share)
    if seed % 2:
        kinds[kinds == 1] = 0
        kinds[kinds == 12] = 2
    # whole groups, too
    for k in range(0, kinds.size - 4, 50):
        kinds[k : k + 4] = (3, 4, 4, 5)
    raw = (kinds << 12 | draw.integers(0, 4096, kinds.size)).astype("<u2")
    if seed > 2:
        high = kinds == 8
        raw[high] = 0x8000 | (np.cumsum(high)[high] >> 3) & 0xFFF
    words = as_words(raw.view(np.uint8), "<u2")
    room = raw.size * 12 + 100
    found = []
    for decoder in ("fast", "complete"):
        columns = [np.zeros(room, dtype) for dtype in (np.int64, np.uint16, np.uint16, np.uint8)]
        rows, state = np.zeros((4096, 3), np.int64), np.zeros(SLOTS, np.int64)
        state[LAST], state[WIDTH], state[HEIGHT] = NEVER, 1280, 720
        if decoder == "fast":
            assert evt3.decode(words, state, *columns, rows) == raw.size
        else:
            assert evt3._decode_all(words, state, 0, *columns, rows) == raw.size
        n = state[EVENTS]
        found.append((state.tolist(), rows.tolist(), [column[:n].tolist() for column in columns]))
    assert found[0] == found[1]
    assert found[0][0][OUTSIDE] > 0
    assert found[0][0][BACKWARDS] > 0


def test_triggers(tmp_path) -> None:
    x = np.arange(20)
    events = CameraEvents(np.full(20, 700), x, x * 0 + 3, x * 0 + 1, 1280, 720)
    triggers = Triggers([0, 700, 5000, 90_000_000], [15, 0, 3, 1], [1, 0, 1, 0])
    write(tmp_path / "a.raw", events, extras=Extras(triggers))
    loaded = read(tmp_path / "a.raw", strict=True)
    assert loaded.header.format == "evt3"
    assert loaded.events.same_as(events)
    found = loaded.extras.triggers
    assert found is not None
    for name in ("t", "channel", "value"):
        assert getattr(found, name).tolist() == getattr(triggers, name).tolist()
    with pytest.raises(FormatError, match="expected channels 0 to 15"):
        write(tmp_path / "b.raw", events, extras=Extras(Triggers([0], [16], [1])))


def test_vectors_are_written_as_whole_groups_and_only_where_they_are_smaller(tmp_path) -> None:
    for n, words in ((4, 4), (5, 4), (32, 4), (33, 5)):
        x = np.arange(n)
        write(tmp_path / "a.raw", CameraEvents(x * 0, x, x * 0, x * 0, 640, 480))
        content = (tmp_path / "a.raw").read_bytes()
        body = np.frombuffer(content[content.index(b"% end\n") + 6 :], "<u2")
        assert body.size == 3 + words  # after both times and the row
        kinds = (body[3:] >> 12).tolist()
        assert kinds == ([2] * 4 if n == 4 else [3, 4, 4, 5] + [2] * (n - 32))
