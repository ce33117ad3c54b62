from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import EventError, FormatError
from spikewright.events.camera import CameraEvents, Extras, Frame, Imu, Triggers
from spikewright.events.formats import aedat4_payload as payload
from spikewright.events.formats import flatbuffer, open_recording, open_writer, read, write
from spikewright.events.formats.aedat4 import MAGIC
from spikewright.events.formats.base import Header
from spikewright.events.formats.compression import compress, decompress
from spikewright.events.formats.flatbuffer import Damaged
from spikewright.events.irregular import Kind
from spikewright.testing.reader_suite import ReaderSuite, random_events

COMPRESSIONS = ("none", "lz4", "zstd")
XML = (
    '<dv version="2.0"><node name="outInfo" path="/"><node name="3" path="/3/">'
    '<attr key="typeIdentifier" type="string">EVTS</attr><node name="info" path="/3/info/">'
    '<attr key="sizeX" type="int">20</attr><attr key="sizeY" type="int">10</attr></node></node>'
    '<node name="5" path="/5/"><attr key="typeIdentifier" type="string">EVTS</attr></node>'
    "</node></dv>"
)


def head(code: int = 0, table: int = -1, text: str = XML) -> bytes:
    fields = {0: ("<i4", code), 1: ("<i8", table), 2: flatbuffer.text(text)}
    return MAGIC + flatbuffer.build(payload.HEADER, fields)


def packet(data: bytes, stream: int = 3) -> bytes:
    return struct.pack("<ii", stream, len(data)) + data


def events(t: int, n: int = 3, x: int = 1) -> CameraEvents:
    return CameraEvents(t + np.arange(n), [x] * n, [2] * n, [1] * n, 20, 10)


def some_packets(*times: int) -> list[bytes]:
    return [packet(payload.write_events(events(t))) for t in times]


@pytest.fixture
def extras() -> Extras:
    codes = np.arange(10)
    triggers = Triggers(codes + 1000, codes, np.isin(codes, [1, 3, 4, 6, 8]))
    three = np.arange(3003, dtype=np.float32).reshape(1001, 3)
    celsius = np.linspace(20, 30, 1001, dtype=np.float32)
    imu = Imu(np.arange(1001) + 5, three, three + 1, three + 2, celsius)
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    color = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    deep = np.arange(6, dtype=np.uint16).reshape(2, 3) * 257
    pictures = enumerate((gray, color[..., :3], color, deep))
    frames = [Frame(7 + k, 8 + k, 9 + k, k, 2, pixels) for k, pixels in pictures]
    return Extras(triggers, frames, imu)


class Suite(ReaderSuite):
    format = "aedat4"
    largest = (32768, 32768)


class TestPlain(Suite):
    options = {"compression": "none"}  # noqa: RUF012


class TestLz4(Suite):
    pass


class TestZstd(Suite):
    options = {"compression": "zstd"}  # noqa: RUF012


del Suite


def test_events_as_the_vendor_lays_them_out() -> None:
    """Bytes of a payload, from a recording of DV."""
    data = bytes.fromhex("3c000000100000004556545300000600080004000600000004000000 02000000")
    data += struct.pack("<qhhB3x", 1589163147368868, 215, 164, 1) * 2
    assert data[4:] == payload.write_events(
        CameraEvents([1589163147368868] * 2, [215] * 2, [164] * 2, [1] * 2, 346, 260)
    )[4:]  # fmt: skip
    loaded = read(head() + packet(data))
    assert loaded.events.t.tolist() == [1589163147368868] * 2
    assert loaded.events.x.tolist() == [215, 215]
    assert loaded.events.y.tolist() == [164, 164]
    assert loaded.events.p.tolist() == [1, 1]
    assert (loaded.header.width, loaded.header.height) == (20, 10)
    assert loaded.irregularities.count(Kind.OUTSIDE) == 2
    assert loaded.irregularities.count(Kind.MISSING_INDEX) == 1


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_extras_are_written_and_read(tmp_path: Path, compression: str, extras: Extras) -> None:
    path = tmp_path / "a.aedat4"
    header = Header("aedat4", 20, 10)
    given = events(7, n=50)
    with open_writer(path, header, compression=compression) as writer:
        writer.add(given[:10])
        writer.add_extras(extras)
        writer.add(given[10:])
    loaded = read(path, strict=True)
    assert not loaded.irregularities
    assert loaded.events.same_as(given)
    found = loaded.extras
    assert found.triggers is not None
    assert extras.triggers is not None
    for name in ("t", "channel", "value"):
        np.testing.assert_array_equal(getattr(found.triggers, name), getattr(extras.triggers, name))
    for name in ("t", "acc", "gyro", "mag", "temperature"):
        np.testing.assert_array_equal(getattr(found.imu, name), getattr(extras.imu, name))
    assert len(found.frames) == 4
    for one, other in zip(found.frames, extras.frames, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        assert one.pixels.dtype == other.pixels.dtype
        for name in ("t", "exposure_start", "exposure_end", "x0", "y0"):
            assert getattr(one, name) == getattr(other, name)
    assert read(path, frames=False).extras.frames == []
    part = read(path, start=9, stop=12)
    assert part.events.t.tolist() == [9, 10, 11]
    assert [frame.t for frame in part.extras.frames] == [9, 10]
    assert part.extras.imu is not None
    assert part.extras.imu.t.tolist() == [9, 10, 11]
    assert part.extras.triggers is None
    moved = read(path, shift_time=True)
    assert moved.header.t_offset == 7
    assert moved.events.t.tolist() == list(range(50))
    assert moved.extras.frames[0].t == 0
    assert read(path, shift_time=True, start=2, stop=5).events.t.tolist() == [2, 3, 4]


def test_triggers_of_other_formats_are_edges(tmp_path: Path) -> None:
    triggers = Triggers(np.array([1, 2]), np.array([6, 6]), np.array([1, 0]))
    path = tmp_path / "a.aedat4"
    write(path, events(1), header=Header("evt3", 20, 10), extras=Extras(triggers))
    found = read(path).extras.triggers
    assert found is not None
    assert found.channel.tolist() == [1, 2]


def test_a_window_reads_only_the_packets_it_needs(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.aedat4"
    given = random_events(60_000, 20, 10, seed=3)
    write(path, given)
    with open_recording(path) as reader:
        opened = []
        rows = type(reader).rows
        monkeypatch.setattr(type(reader), "rows", lambda self, p: opened.append(p) or rows(self, p))
        whole = reader.read()
        packets = len(opened)
        start, stop = int(whole.t[20_000]), int(whole.t[21_000])
        opened.clear()
        part = reader.read(start=start, stop=stop)
        assert len(opened) <= 3 < packets
    kept = (given.t >= start) & (given.t < stop)
    assert part.same_as(given[kept])


def damaged_table(path: Path, change: str) -> bytes:
    """Return a recording whose data table says something else."""
    body = b"".join(some_packets(10, 20, 30))
    first = len(head())
    size = len(body) // 3
    places = first + 8 + size * np.arange(3)
    pair = np.array([(3, size - 8)] * 3, [("stream", "<i4"), ("size", "<i4")])
    times = np.array([10, 20, 30])
    if change == "place":
        places[1] += 4
    elif change == "size":
        pair["size"][2] = 2**30
    elif change == "missing":
        places, pair, times = places[:2], pair[:2], times[:2]
    table = flatbuffer.tables(
        {0: places, 1: pair, 2: np.full_like(times, 3), 3: times, 4: times + 2}
    )
    data = flatbuffer.build(payload.TABLE, {0: table})
    if change == "bytes":
        data = data[:40]
    return head(table=first + len(body)) + body + data


@pytest.mark.parametrize("change", ["", "place", "size", "missing", "bytes"])
def test_a_table_that_lies_is_not_used(tmp_path: Path, change: str) -> None:
    content = damaged_table(tmp_path, change)
    assert read(content).events.t.tolist() == [10, 11, 12, 20, 21, 22, 30, 31, 32]
    part = read(content, start=21, stop=31)
    assert part.events.t.tolist() == [21, 22, 30]
    assert bool(part.irregularities) == bool(change)
    assert not part.irregularities.harmful


def test_a_table_position_outside_the_file() -> None:
    body = b"".join(some_packets(10, 20))
    for table in (5, len(head()) + len(body) + 100):
        loaded = read(head(table=table) + body)
        assert loaded.events.n == 6
    assert loaded.irregularities.count(Kind.TRUNCATED) == 1  # the table is missing


@pytest.mark.parametrize("code", range(5))
def test_a_damaged_packet_costs_itself_only(code: int) -> None:
    kind = ("none", "lz4", "lz4", "zstd", "zstd")[code]
    packets = [packet(compress(kind, payload.write_events(events(t)), 0)) for t in (10, 20, 30)]
    for size in (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x09\0\0\0"):
        damaged = packets[1][:4] + size + packets[1][8:]
        loaded = read(head(code) + packets[0] + damaged + packets[2])
        assert loaded.events.t.tolist() == [10, 11, 12, 30, 31, 32]
        assert loaded.irregularities.count(Kind.BAD_PACKET) >= 1
        place = len(head(code)) + len(packets[0])
        offsets = [one.offset for one in loaded.irregularities.harmful]
        assert min(offsets) == place
        assert max(offsets) < place + len(damaged)
    damaged = packets[1][:8] + bytes(len(packets[1]) - 8)
    loaded = read(head(code) + packets[0] + damaged + packets[2])
    assert loaded.events.t.tolist() == [10, 11, 12, 30, 31, 32]
    (met,) = loaded.irregularities.harmful
    assert met.offset == place


def test_what_comes_after_a_cut_inside_a_packet_is_saved() -> None:
    whole = some_packets(10, 20)
    content = head() + whole[0] + whole[1][:-17]
    loaded = read(content)
    assert loaded.events.t.tolist() == [10, 11, 12, 20]
    met = {one.kind: one.count for one in loaded.irregularities}
    assert met == {Kind.TRUNCATED: 1, Kind.DROPPED: 2}


def test_unknown_packets_and_other_cameras() -> None:
    other = flatbuffer.build(b"ABCD", {0: ("<i8", 5)})
    content = head() + packet(other, 9) + some_packets(10)[0]
    content += packet(payload.write_events(events(20)), 5)
    loaded = read(content)
    assert loaded.events.t.tolist() == [10, 11, 12]
    assert loaded.irregularities.count(Kind.UNKNOWN) == 1
    assert loaded.irregularities.count(Kind.DROPPED) == 3
    assert "stream=5" in str(loaded.irregularities)
    assert read(content, stream=5).events.t.tolist() == [20, 21, 22]
    assert read(content, stream=5).irregularities.count(Kind.DROPPED) == 0


def test_time_that_runs_backwards_and_events_outside() -> None:
    packets = some_packets(20, 10)
    outside = packet(payload.write_events(events(40, n=1, x=65535)))
    loaded = read(head() + b"".join(packets) + outside)
    assert loaded.events.t.tolist() == [20, 21, 22, 10, 11, 12, 40]
    met = {one.kind: (one.count, one.offset) for one in loaded.irregularities.harmful}
    at = len(head()) + 8
    size = len(packets[0])
    assert met == {Kind.BACKWARDS: (1, at + size), Kind.OUTSIDE: (1, at + 2 * size)}
    with pytest.raises(EventError, match="backwards"):
        read(head() + b"".join(packets), strict=True)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_packet_that_becomes_too_large_is_left_out(compression: str) -> None:
    code = {"lz4": 1, "zstd": 3}[compression]
    large = packet(compress(compression, bytes(1 << 22), 0))
    small = packet(compress(compression, payload.write_events(events(5)), 0))
    loaded = read(head(code) + large + small, packet_limit=1 << 20)
    assert loaded.events.t.tolist() == [5, 6, 7]
    assert loaded.irregularities.count(Kind.BAD_PACKET) == 1


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_claims_of_compressed_data_are_checked(compression: str) -> None:
    data = bytes(range(256)) * 40
    packed = bytearray(compress(compression, data, 0))
    assert decompress(compression, packed, 1 << 20) == data
    with pytest.raises(Damaged):
        decompress(compression, bytes(packed[:-9]), 1 << 20)
    with pytest.raises(Damaged):
        decompress(compression, packed, 1 << 10)
    with pytest.raises(Damaged):
        decompress(compression, b"\0" * 40, 1 << 20)
    if compression == "lz4":
        packed[6:14] = (1 << 60).to_bytes(8, "little")
        with pytest.raises(Damaged, match="claim"):
            decompress(compression, packed, 1 << 62)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (MAGIC, "no header"),
        (MAGIC + b"\xff\xff\xff\xff" + b"abcdefgh", "cut"),
        (head(code=9), "unknown compression"),
        (MAGIC + struct.pack("<II4s", 8, 1 << 30, b"IOHE"), "damaged"),
        (MAGIC + struct.pack("<II4s", 8, 4, b"ABCD"), "damaged"),
    ],
)
def test_damaged_headers(content: bytes, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        read(content)


def test_a_file_that_does_not_say_its_size() -> None:
    content = head(text="") + b"".join(some_packets(10))
    loaded = read(content)
    assert (loaded.header.width, loaded.header.height) == (2, 3)
    assert read(content, width=20, height=10).events.width == 20


@pytest.mark.parametrize(
    "make",
    [payload.write_events, payload.write_imu, payload.write_triggers, payload.write_frame],
)
def test_payloads_survive_any_damage(make) -> None:
    """Each byte of each payload, changed: what is read is right, or refused, and nothing else."""
    three = np.ones((2, 3), np.float32)
    given = {
        payload.write_events: (events(5),),
        payload.write_imu: (Imu(np.array([1, 2]), three, three, three, three[:, 0]),),
        payload.write_triggers: (np.array([1, 2]), np.array([1, 2], np.uint8)),
        payload.write_frame: (Frame(1, 2, 3, 4, 5, np.zeros((2, 3), np.uint8)),),
    }[make]
    data = make(*given)
    begin = head() + packet(data)
    for at in range(len(begin) - len(data), len(begin)):
        for value in (0, 255):
            changed = bytearray(begin)
            changed[at] = value
            loaded = read(bytes(changed))
            assert loaded.events.n <= 3


def test_tables_and_vectors_of_a_flatbuffer() -> None:
    columns = {0: np.array([5, 6, 7]), 1: np.array([1, 2, 3], np.uint8), 4: np.float32([0, 1, 2])}
    data = flatbuffer.build(
        b"TEST",
        {
            0: flatbuffer.tables(columns),
            2: ("<i2", -7),
            3: flatbuffer.text("é"),
            5: flatbuffer.octets(b"abc"),
        },
    )
    assert int.from_bytes(data[:4], "little") == len(data) - 4
    table = flatbuffer.root(data, b"TEST")
    assert table.scalar(2, "<h") == -7
    assert table.scalar(1, "<i", 11) == 11
    assert table.scalar(9, "<i", 12) == 12
    assert table.octets(3).decode() == "é"
    assert table.octets(5) == b"abc"
    kinds = {field: column.dtype for field, column in columns.items()} | {2: np.dtype("<i4")}
    found = flatbuffer.columns(table, 0, kinds)
    for field, column in columns.items():
        np.testing.assert_array_equal(found[field], column)
    assert found[2].tolist() == [0, 0, 0]  # left out, so the default
    with pytest.raises(Damaged, match="identifier"):
        flatbuffer.root(data, b"ELSE")
    for end in range(len(data)):
        try:
            part = flatbuffer.root(data[:end], b"TEST")
            whole = flatbuffer.columns(part, 0, kinds), part.octets(3), part.octets(5)
        except Damaged:
            continue
        assert whole[1:] == ("é".encode(), b"abc")  # only padding was cut off
        assert end >= len(data) - 4


def test_a_packet_that_holds_more_events_than_it_says() -> None:
    """A damaged count, or a vector that the table no longer points to, is no reason to lose events in silence."""
    data = bytearray(payload.write_events(events(5)))
    sound = read(head() + packet(bytes(data)))
    assert not sound.irregularities.harmful
    first, count = payload.locate(np.frombuffer(bytes(data), np.uint8))
    assert count == 3
    data[first - 4] = 1
    loaded = read(head() + packet(bytes(data)))
    assert loaded.events.n == 1
    assert loaded.irregularities.count(Kind.BAD_VALUE) == 2
    data = bytearray(payload.write_events(events(5)))
    root = 4 + int.from_bytes(data[4:8], "little")
    vtable = root - int.from_bytes(data[root : root + 4], "little", signed=True)
    data[vtable + 4 : vtable + 6] = b"\0\0"
    loaded = read(head() + packet(bytes(data)))
    assert loaded.events.n == 0
    assert loaded.irregularities.count(Kind.BAD_VALUE) >= 3
