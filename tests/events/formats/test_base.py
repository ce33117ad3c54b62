"""Telling formats apart, opening, writing and mending, whatever the format."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import EventError, FormatError
from spikewright.events.camera import CameraEvents, Extras, Frame, Triggers
from spikewright.events.formats import (
    FORMATS,
    detect,
    format_named,
    open_recording,
    read,
    repair,
    write,
)
from spikewright.events.formats.base import Header, Options, parsed_size, sized
from spikewright.events.formats.source import MAPPED, Source
from spikewright.events.irregular import Irregularities, Kind


def some() -> CameraEvents:
    t = np.arange(300) * 7
    return CameraEvents(t, t % 640, t % 480, t % 2, 640, 480)


@pytest.mark.parametrize("name", ["evt2", "evt21", "evt3", "evt4", "dat"])
def test_formats_are_told_by_content_not_by_name(tmp_path: Path, name: str) -> None:
    write(tmp_path / f"a{format_named(name).suffixes[0]}", some(), format=name)
    content = next(tmp_path.iterdir()).read_bytes()
    other = tmp_path / "a.txt"
    other.write_bytes(content)
    assert detect(other).name == detect(content).name == name
    assert read(other).events.same_as(some())


def test_what_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(
        FormatError, match=r"is of no known format; found it begins with b'\\x89PNG"
    ):
        detect(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(FormatError, match="is empty"):
        open_recording(b"")
    with pytest.raises(FormatError, match=r"a\.raw: cannot be read; found No such file"):
        open_recording(tmp_path / "a.raw")
    with pytest.raises(FormatError, match="cannot be read; found a folder"):
        open_recording(tmp_path)
    with pytest.raises(FormatError, match="is unknown; found 'evt5'"):
        open_recording(b"abc", format="evt5")
    (tmp_path / "a.csv").write_text("t,x,y,p\n")
    with (
        open(tmp_path / "a.csv", encoding="ascii") as file,
        pytest.raises(FormatError, match="gives text; expected bytes"),
    ):
        open_recording(file)  # type: ignore[arg-type]


def test_options_that_a_format_does_not_have(tmp_path: Path) -> None:
    write(tmp_path / "a.raw", some())
    with pytest.raises(FormatError, match="has no such option; found delimiter, expected index"):
        open_recording(tmp_path / "a.raw", delimiter=",")
    with pytest.raises(FormatError, match="has no such option"):
        write(tmp_path / "b.raw", some(), delimiter=",")
    assert not (tmp_path / "b.raw").exists()
    with pytest.raises(FormatError, match=r"its ending names no format; found '\.png'"):
        write(tmp_path / "a.png", some())
    with pytest.raises(FormatError, match="nothing to write"):
        write(tmp_path / "b.raw", iter(()))


def test_what_a_format_cannot_hold_is_refused_or_counted(tmp_path: Path) -> None:
    frame = Frame(0, 0, 1, 0, 0, np.zeros((2, 2), np.uint8))
    with pytest.raises(FormatError, match="format evt3 cannot hold frames; found 1"):
        write(tmp_path / "a.raw", some(), extras=Extras(frames=[frame]))
    assert not list(tmp_path.iterdir())
    write(tmp_path / "a.raw", some(), extras=Extras(frames=[frame]), lossy=True)
    assert read(tmp_path / "a.raw").events.same_as(some())


@pytest.mark.parametrize("format", ["aedat2", "aedat3", "aedat4"])
def test_edges_of_an_input_become_the_codes_of_aedat(tmp_path: Path, format: str) -> None:
    """Naming the format of the new file says nothing of where its triggers come from."""
    events = CameraEvents([1, 9], [0, 345], [0, 259], [0, 1], 346, 260)
    triggers = Triggers(np.array([2, 4, 6]), np.array([0, 1, 0]), np.array([1, 0, 1]))
    write(tmp_path / "a", events, format=format, extras=Extras(triggers))
    found = read(tmp_path / "a").extras.triggers
    assert found is not None
    assert found.channel.tolist() == [1, 2, 1]
    assert found.value.tolist() == [1, 0, 1]


def test_every_format_of_the_table_has_its_name() -> None:
    for name in FORMATS:
        assert format_named(name).name == name


def test_sizes() -> None:
    header = Header("evt2", 0, 0)
    assert parsed_size(header, " 1280X720 ").width == 1280
    for text in ("", "x", "1280", "ax720", "-1x5", "0x0", "99999999999999999999x5"):
        assert parsed_size(header, text) is header
    changed = sized(header, Options(width=30))
    assert (changed.width, changed.height, changed.notes) == (30, 0, ("width 30 by the caller",))
    with pytest.raises(FormatError, match="height of no sensor; found 70000"):
        sized(header, Options(height=70_000))


def test_irregularities_are_merged_by_kind() -> None:
    met = Irregularities("a.raw")
    assert not met
    met.add(Kind.OUTSIDE, 90, 3, "x 900")
    met.add(Kind.OUTSIDE, 10, 2, "x 700")
    met.add(Kind.WRAP, 50)
    met.add(Kind.BAD_WORD, 5, 0)
    assert [str(one) for one in met] == [
        "5 x an event outside the sensor; kept, first at byte 10 (x 700)",
        "1 x the clock's counter wrapped; times go on, first at byte 50",
    ]
    assert [one.kind for one in met.harmful] == [Kind.OUTSIDE]
    strict = Irregularities("a.raw", strict=True)
    strict.add(Kind.WRAP, 5)
    with pytest.raises(
        EventError, match=r"a\.raw: 1 x a word that the format does not know, first at byte 7"
    ):
        strict.add(Kind.BAD_WORD, 7)


def test_repair_leaves_out_what_cannot_be_written(tmp_path: Path) -> None:
    words = [
        8 << 28 | 5 << 20,
        1 << 28 | 3 << 11,
        8 << 28,
        1 << 28,
        8 << 28 | 5 << 20,
        640 << 11,
        9 << 22 | 7,
        5,
    ]
    content = b"% evt 2.0\n% geometry 640x480\n% end\n" + np.array(words, "<u4").tobytes()[:-1]
    (tmp_path / "a.raw").write_bytes(content)
    met = repair(tmp_path / "a.raw", tmp_path / "b.raw")
    assert {one.kind: one.count for one in met} == {
        Kind.BACKWARDS: 1,
        Kind.OUTSIDE: 1,
        Kind.TRUNCATED: 1,
        Kind.UNSUPPORTED: 1,
    }
    mended = read(tmp_path / "b.raw", strict=True)
    assert mended.header.format == "evt2"
    assert mended.events.x.tolist() == [3, 0]
    with pytest.raises(FormatError, match="would replace the damaged file"):
        repair(tmp_path / "a.raw", tmp_path / "." / "a.raw")
    repair(tmp_path / "a.raw", tmp_path / "b.dat")
    assert read(tmp_path / "b.dat").header.format == "dat"


def test_a_named_pipe(tmp_path: Path) -> None:
    write(tmp_path / "a.raw", some())
    content = (tmp_path / "a.raw").read_bytes()
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,))
    writer.start()
    try:
        assert read(tmp_path / "pipe").events.same_as(some())
    finally:
        writer.join()


def test_windows_of_a_source(tmp_path: Path) -> None:
    content = np.arange(MAPPED + 100, dtype=np.uint32).astype(np.uint8)
    (tmp_path / "a").write_bytes(content.tobytes())
    for given in (tmp_path / "a", content.tobytes()):
        with Source(given) as source:
            assert source.size == content.size
            for offset, n in (
                (0, 5),
                (content.size - 3, 10),
                (content.size + 5, 10),
                (7, MAPPED + 50),
            ):
                window = source.window(offset, n)
                np.testing.assert_array_equal(window, content[offset : offset + n])
                assert not window.flags.writeable
            assert not source.grown()
    with Source(tmp_path / "a") as source:
        with open(tmp_path / "a", "ab") as file:
            file.write(b"more")
        assert source.grown()
        assert source.window(content.size, 10).tobytes() == b"more"


def test_a_file_that_becomes_shorter_while_it_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.raw", some(), format="evt2")
    with open_recording(tmp_path / "a.raw") as reader:
        os.truncate(tmp_path / "a.raw", 400)
        assert 0 < reader.read().n < 300
