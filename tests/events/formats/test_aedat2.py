from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import EventError, FormatError
from spikewright.events.camera import CameraEvents, Extras, Triggers
from spikewright.events.formats import open_recording, read, write
from spikewright.events.formats.base import Header
from spikewright.events.irregular import Kind
from spikewright.testing.reader_suite import Dripping, ReaderSuite

DAVIS = b"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.davis.Davis346blue\r\n"
DVS = b"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n"


def davis(x: int, y: int, p: int) -> int:
    return y << 22 | x << 12 | p << 11


def pairs(*records: tuple[int, int]) -> bytes:
    """Return records of (address, time)."""
    return np.array(records, ">u4").tobytes()


class TestAedat2(ReaderSuite):
    format = "aedat2"
    largest = (640, 480)
    longest_gap = 1 << 31


def test_events_of_a_davis() -> None:
    content = DAVIS + pairs((davis(0, 0, 1), 5), (davis(345, 259, 0), 6))
    loaded = read(content)
    assert (loaded.header.width, loaded.header.height) == (346, 260)
    assert loaded.header.details["chip"] == "davis346"
    assert loaded.events.t.tolist() == [5, 6]
    assert loaded.events.p.tolist() == [1, 0]
    assert loaded.events.x.tolist() == [0, 345]
    assert loaded.events.y.tolist() == [259, 0]  # rows count from the bottom
    mirrored = read(content, flip_x=True, flip_y=False, invert=True).events
    assert mirrored.x.tolist() == [345, 0]
    assert mirrored.y.tolist() == [0, 259]
    assert mirrored.p.tolist() == [0, 1]
    raw = read(content, raw_coordinates=True, flip_x=True).events
    assert raw.x.tolist() == [0, 345]
    assert raw.y.tolist() == [0, 259]


def test_external_events_and_samples() -> None:
    sample, edge = 1 << 31, 1 << 10
    content = DAVIS + pairs(
        (sample | 77, 1), (edge | 3, 2), (davis(1, 1, 1), 3), (edge | 2, 4), (edge | 4, 5), (sample | 0xC00, 6)
    )  # fmt: skip
    loaded = read(content)
    assert loaded.events.t.tolist() == [3]
    triggers = loaded.extras.triggers
    assert triggers is not None
    assert triggers.t.tolist() == [2, 4, 5]
    assert triggers.channel.tolist() == [1, 2, 3]
    assert triggers.value.tolist() == [1, 0, 1]
    (left_out,) = loaded.irregularities
    assert (left_out.kind, left_out.count, left_out.offset) == (Kind.UNSUPPORTED, 2, len(DAVIS))
    with pytest.raises(EventError, match="not decoded"):
        read(content, strict=True)


def test_samples_are_counted_once_in_a_cut() -> None:
    content = DAVIS + pairs(*[(1 << 31, t) for t in range(50)], (davis(1, 1, 1), 60))
    with open_recording(content) as reader:
        for _ in range(2):
            assert reader.read(start=0, stop=100).n == 1
            assert reader.irregularities.count(Kind.UNSUPPORTED) == 50


def test_events_of_a_dvs128() -> None:
    content = DVS + pairs((127 << 1 | 3 << 8 | 1, 5), (0x8000, 6), (0, 7))
    loaded = read(content)
    assert (loaded.header.width, loaded.header.height) == (128, 128)
    assert loaded.events.x.tolist() == [127, 0]
    assert loaded.events.y.tolist() == [124, 127]
    assert loaded.events.p.tolist() == [1, 0]
    assert loaded.extras.triggers is not None
    assert loaded.extras.triggers.t.tolist() == [6]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_version_1(size: int) -> None:
    rows = np.array([(3 << 8 | 2 << 1 | 1, 9), (4 << 8, 10)], [("a", ">u2"), ("t", ">u4")])
    with open_recording(Dripping(b"#!AER-DAT1.0\r\n" + rows.tobytes() + b"\x01", size)) as reader:
        events = reader.read()
        assert events.t.tolist() == [9, 10]
        assert events.x.tolist() == [2, 0]
        assert events.y.tolist() == [124, 123]
        assert events.p.tolist() == [1, 0]
        assert reader.header.details["version"] == 1
        assert reader.header.notes == ("the chip is not in the header; taken for a DVS128",)
        (cut,) = reader.irregularities
    assert (cut.kind, cut.offset) == (Kind.TRUNCATED, 14 + 12)


def test_the_clock_wraps() -> None:
    t = [(1 << 32) - 2, 3, (1 << 32) - 1, 4, 2**31 + 5, 1]
    loaded = read(DAVIS + pairs(*[(davis(1, 1, 1), k) for k in t]))
    turn = 1 << 32
    expected = [turn - 2, turn + 3, turn - 1, turn + 4, turn + 2**31 + 5, 2 * turn + 1]
    assert loaded.events.t.tolist() == expected
    assert loaded.irregularities.count(Kind.WRAP) == 3
    assert loaded.irregularities.count(Kind.BACKWARDS) == 1


def test_raw_addresses_of_other_chips() -> None:
    text = b"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.cochlea.CochleaAMS1c\r\n"
    content = text + pairs((0xABCD0123, 5))
    with pytest.raises(FormatError, match="CochleaAMS1c"):
        read(content)
    events = read(content, chip="raw").events
    assert (events.x[0], events.y[0]) == (0x0123, 0xABCD)


@pytest.mark.parametrize(
    ("data", "chip"), [(pairs((0x1FF, 1)), "dvs128"), (pairs((0x1FFFF, 1)), None)]
)
def test_a_header_without_chip(data: bytes, chip: str | None) -> None:
    content = b"#!AER-DAT2.0\r\n" + data
    if chip is None:
        with pytest.raises(FormatError, match="unknown for this chip"):
            read(content)
    else:
        assert read(content).header.details["chip"] == chip
    assert read(content, chip="davis240").header.width == 240


def test_data_that_begins_as_a_line_of_text() -> None:
    """Rows 140 and 141 of a DAVIS have the mark of a line as their first byte."""
    record = pairs((davis(7, 140, 1), 0x0A0A0A0A))
    assert record[:1] == b"#"
    events = read(DAVIS + record * 3, raw_coordinates=True).events
    assert events.y.tolist() == [140] * 3
    text = DAVIS + b"#End Of ASCII Header\r\n" + record
    assert read(text, raw_coordinates=True).events.y.tolist() == [140]


def test_a_long_header() -> None:
    text = DAVIS + b"#  <entry key='bias' value='1'/>\r\n" * 20_000
    loaded = read(text + pairs((davis(1, 2, 0), 3)))
    assert loaded.events.t.tolist() == [3]
    assert len(loaded.header.lines) == 20_002


def test_triggers_are_written_among_the_events(tmp_path: Path) -> None:
    events = CameraEvents([1, 5], [0, 345], [0, 259], [0, 1], 346, 260)
    codes = np.array([1, 2, 3])
    triggers = Triggers(np.array([0, 5, 9]), codes, np.array([1, 0, 1]))
    other = Header("evt3", 346, 260)
    write(tmp_path / "a.aedat2", events, header=other, extras=Extras(triggers), format="aedat2")
    loaded = read(tmp_path / "a.aedat2")
    assert loaded.events.same_as(events)
    assert loaded.extras.triggers is not None
    assert loaded.extras.triggers.t.tolist() == [0, 5, 9]
    # the codes of other formats are inputs; rising becomes 1, falling 2
    assert loaded.extras.triggers.channel.tolist() == [1, 2, 1]
    header = loaded.header
    write(tmp_path / "b.aedat2", events, extras=Extras(triggers), header=header, format="aedat2")
    again = read(tmp_path / "b.aedat2").extras.triggers
    assert again is not None
    assert again.channel.tolist() == [1, 2, 3]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat2"
    for t, said in (([-1], "0 to"), ([1 << 31], "32-bit clock"), ([1 << 30, 1 << 32], "32-bit")):
        events = CameraEvents(t, [1] * len(t), [1] * len(t), [1] * len(t), 346, 260)
        with pytest.raises(FormatError, match=said):
            write(path, events, format="aedat2")
    with pytest.raises(FormatError, match="100 x 100"):
        write(path, CameraEvents.empty(100, 100), format="aedat2")
    small = CameraEvents([1], [99], [99], [1], 100, 100)
    write(path, small, format="aedat2", chip="davis346")
    assert read(path).events.same_as(small.replace(width=346, height=260))
    moved = small.replace(t=small.t + (1 << 50))
    write(path, moved, format="aedat2", chip="davis240", origin=1 << 50)
    assert read(path).events.t.tolist() == [1]


def test_every_cut_and_another_version() -> None:
    content = DAVIS + pairs((davis(1, 1, 1), 1), (davis(2, 2, 0), 2))
    for end in range(len(DAVIS), len(content)):
        loaded = read(content[:end])
        assert loaded.events.n == (end - len(DAVIS)) // 8
        assert bool(loaded.irregularities) == bool((end - len(DAVIS)) % 8)
    with pytest.raises(FormatError, match="no such option"):
        read(content, flip=True)
