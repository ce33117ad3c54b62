from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import FormatError
from spikewright.events.camera import CameraEvents, Extras, Triggers
from spikewright.events.formats import read, write
from spikewright.events.irregular import Kind
from spikewright.testing.reader_suite import ReaderSuite

HEAD = b"% Data file containing CD events\n% Version 2\n% Width 640\n% Height 480\n\x0c\x08"


def made(*records: tuple[int, int], head: bytes = HEAD) -> bytes:
    return head + np.array(records, "<u4").tobytes()


class TestDat(ReaderSuite):
    format = "dat"
    largest = (16384, 16384)
    longest_gap = (1 << 31) - 1


def test_records_by_hand() -> None:
    loaded = read(made((5, 1 << 28 | 479 << 14 | 639), (6, 3 << 14 | 4)))
    assert [loaded.events.t.tolist(), loaded.events.x.tolist()] == [[5, 6], [639, 4]]
    assert [loaded.events.y.tolist(), loaded.events.p.tolist()] == [[479, 3], [1, 0]]
    assert not loaded.irregularities


@pytest.mark.parametrize("line", [b"% Version 1\n", b""])
def test_version_1(line: bytes) -> None:
    head = b"% Data file containing Event2D events\n" + line + b"\x00\x08"
    loaded = read(made((5, 1 << 17 | 239 << 9 | 303), (9, 1 << 9 | 2), head=head))
    assert [loaded.events.t.tolist(), loaded.events.x.tolist()] == [[5, 9], [303, 2]]
    assert [loaded.events.y.tolist(), loaded.events.p.tolist()] == [[239, 1], [1, 0]]
    assert (loaded.header.width, loaded.header.height) == (304, 240)


def test_a_file_without_header(tmp_path) -> None:
    (tmp_path / "a.dat").write_bytes(made((5, 1 << 28 | 3 << 14 | 4), head=b""))
    loaded = read(tmp_path / "a.dat")
    assert [loaded.events.t.tolist(), loaded.events.x.tolist()] == [[5], [4]]
    assert loaded.header.notes[0] == "no header; records of version 2 are assumed"


def test_every_irregularity_is_counted_and_placed() -> None:
    first = (1 << 32) - 5
    records = [(first, 1), (3, 1), (first + 1, 1), (4, 640), (5, 480 << 14), (6, 1 << 30), (5, 1)]
    loaded = read(made(*records) + b"\x01")
    met = {one.kind: (one.count, (one.offset - len(HEAD)) / 8) for one in loaded.irregularities}
    assert met == {
        Kind.WRAP: (3, 1),
        Kind.BACKWARDS: (2, 2),
        Kind.OUTSIDE: (2, 3),
        Kind.BAD_WORD: (1, 5),
        Kind.TRUNCATED: (1, 7),
    }
    turn = 1 << 32
    assert loaded.events.t.tolist() == [
        first,
        turn + 3,
        first + 1,
        turn + 4,
        turn + 5,
        turn + 6,
        turn + 5,
    ]


def test_files_of_triggers(tmp_path) -> None:
    n = 10_000  # more than one call of the decoder takes
    triggers = Triggers(np.arange(n) * 1_000_000, np.arange(n) % 32, np.arange(n) % 2)
    none = CameraEvents.empty(640, 480)
    write(tmp_path / "a.dat", none, extras=Extras(triggers), triggers=True)
    loaded = read(tmp_path / "a.dat")
    assert loaded.events.n == 0
    assert loaded.irregularities.count(Kind.WRAP) == 2
    found = loaded.extras.triggers
    assert found is not None
    for name in ("t", "channel", "value"):
        np.testing.assert_array_equal(getattr(found, name), getattr(triggers, name))


def test_events_and_triggers_are_not_of_one_file(tmp_path) -> None:
    one = CameraEvents([0], [0], [0], [0], 640, 480)
    mark = Extras(Triggers([0], [0], [0]))
    with pytest.raises(FormatError, match="cannot hold triggers beside events"):
        write(tmp_path / "a.dat", one, extras=mark)
    with pytest.raises(FormatError, match="cannot hold events beside triggers"):
        write(tmp_path / "a.dat", one, extras=mark, triggers=True)
    write(tmp_path / "a.dat", one, extras=mark, lossy=True)
    assert read(tmp_path / "a.dat").events.same_as(one)


def test_steps_that_a_reader_could_not_follow(tmp_path) -> None:
    for t in ([1 << 32], [0, 1 << 33], [1 << 31, 3 << 31]):
        events = CameraEvents(t, [0] * len(t), [0] * len(t), [0] * len(t), 640, 480)
        with pytest.raises(FormatError, match="steps of less than 2\\^31 us"):
            write(tmp_path / "a.dat", events)


def test_kinds_that_are_not_known() -> None:
    with pytest.raises(FormatError, match="version 3, event type 12, 8 bytes"):
        read(made(head=HEAD.replace(b"Version 2", b"Version 3")), format="dat")
    with pytest.raises(FormatError, match="event type 0, 4 bytes"):
        read(made(head=HEAD[:-2] + b"\x00\x04"), format="dat")
    with pytest.raises(FormatError, match="ends inside its header"):
        read(HEAD[:-1], format="dat")
