"""ROS bags: both versions, written by the package `rosbags`, with messages that its own type system serializes."""

import sqlite3
from itertools import pairwise

import numpy as np
import pytest

from spikewright.errors import EventError, FormatError, MissingExtra
from spikewright.events.camera import CameraEvents
from spikewright.events.formats import detect, open_recording, read, write
from spikewright.events.formats.prophesee import raw_header
from spikewright.events.irregular import Kind

pytest.importorskip("rosbags")

from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

EVENT = "uint16 x\nuint16 y\ntime ts\nbool polarity\n"
ARRAY = "std_msgs/Header header\nuint32 height\nuint32 width\n{package}/Event[] events\n"
PACKET = """std_msgs/Header header
uint32 height
uint32 width
uint64 seq
uint64 time_base
string encoding
bool is_bigendian
uint8[] events
"""
rng = np.random.default_rng(11)
N = 3000
EVENTS = CameraEvents(
    np.cumsum(rng.integers(0, 300, N)) + 1_600_000_000_000_000,
    rng.integers(0, 346, N),
    rng.integers(0, 260, N),
    rng.integers(0, 2, N),
    346,
    260,
)


class Bag:
    """Writes a bag of either version."""

    def __init__(self, path, version):
        self.version = version
        self.store = get_typestore(Stores.ROS1_NOETIC if version == 1 else Stores.ROS2_HUMBLE)
        time = "time" if version == 1 else "builtin_interfaces/Time"
        types = get_types_from_msg(PACKET, "event_camera_msgs/msg/EventPacket")
        for package in ("dvs_msgs", "prophesee_event_msgs"):
            types |= get_types_from_msg(
                EVENT.replace("time ts", f"{time} ts"), f"{package}/msg/Event"
            )
            types |= get_types_from_msg(ARRAY.format(package=package), f"{package}/msg/EventArray")
        self.store.register(types)
        self.bag = (
            Writer1(path)
            if version == 1
            else Writer2(path, version=9, storage_plugin=StoragePlugin.SQLITE3)
        )
        self.bag.open()
        self.connections = {}
        self.n = 0

    def write(self, kind, topic="/dvs", *, header=True, **fields):
        if (topic, kind) not in self.connections:
            self.connections[topic, kind] = self.bag.add_connection(
                topic, kind, typestore=self.store
            )
        serialize = self.store.serialize_ros1 if self.version == 1 else self.store.serialize_cdr
        fields |= {"header": self.header()} if header else {}
        message = self.store.types[kind](**fields)
        self.n += 1
        self.bag.write(
            self.connections[topic, kind], self.n * 10**6, bytes(serialize(message, kind))
        )

    def header(self):
        types = self.store.types
        stamp = types["builtin_interfaces/msg/Time"](sec=1, nanosec=2)
        number = {"seq": 5} if self.version == 1 else {}
        return types["std_msgs/msg/Header"](**number, stamp=stamp, frame_id="cam")

    def packet(self, data, encoding, seq=0, base=0, **more):
        self.write(
            "event_camera_msgs/msg/EventPacket",
            height=260,
            width=346,
            seq=seq,
            time_base=base,
            encoding=encoding,
            is_bigendian=False,
            events=np.frombuffer(data, np.uint8),
            **more,
        )

    def array(self, events, package="dvs_msgs", topic="/dvs"):
        types = self.store.types
        listed = [
            types[f"{package}/msg/Event"](
                x=int(x),
                y=int(y),
                ts=types["builtin_interfaces/msg/Time"](
                    sec=int(t // 10**6), nanosec=int(t % 10**6 * 1000)
                ),
                polarity=bool(p),
            )
            for t, x, y, p in zip(events.t, events.x, events.y, events.p, strict=True)
        ]
        self.write(f"{package}/msg/EventArray", topic, height=260, width=346, events=listed)


@pytest.fixture(params=[1, 2])
def made(request, tmp_path):
    """Return a function that fills a bag of each version by a function, and the path of its file."""

    def make(fill):
        path = tmp_path / ("a.bag" if request.param == 1 else "a")
        bag = Bag(path, request.param)
        fill(bag)
        bag.bag.close()
        return path if request.param == 1 else path / "a.db3"

    return make


@pytest.mark.parametrize("package", ["dvs_msgs", "prophesee_event_msgs"])
def test_arrays_of_events(made, package):
    parts = (EVENTS[:0], EVENTS[:1], EVENTS[1:3], EVENTS[3:])  # none, one, two, many
    path = made(lambda bag: [bag.array(part, package) for part in parts])
    assert detect(path).name == "rosbag"
    loaded = read(path)
    assert loaded.events.same_as(EVENTS)
    assert not loaded.irregularities
    with open_recording(path) as reader:
        assert max(part.n for part in reader.chunks(size=500)) == 500
        start, stop = int(EVENTS.t[100]), int(EVENTS.t[2000])
        kept = (EVENTS.t >= start) & (EVENTS.t < stop)
        assert reader.read(start=start, stop=stop).same_as(EVENTS[kept])


def test_mono_and_libcaer_records(made):
    base = 1_600_000_000_000_000_000
    dt = EVENTS.t - base // 1000
    mono = np.zeros((N, 2), "<u4")
    mono[:, 0] = dt * 1000
    mono[:, 1] = EVENTS.x | EVENTS.y.astype(np.uint32) << 16 | EVENTS.p.astype(np.uint32) << 31
    path = made(lambda bag: bag.packet(mono.tobytes(), "mono", base=base))
    assert read(path).events.same_as(EVENTS)


def test_libcaer_records_whose_clock_wraps(made):
    base = 1_600_000_000_000_000_000
    dt = EVENTS.t - EVENTS.t[0] + 2**31 - 1000  # passes 2^31 inside the packet
    words = np.zeros((N, 2), "<u4")
    words[:, 0] = (
        EVENTS.x.astype(np.uint32) << 17 | EVENTS.y.astype(np.uint32) << 2 | EVENTS.p << 1 | 1
    )
    words[:, 1] = dt % 2**31
    events = read(made(lambda bag: bag.packet(words.tobytes(), "libcaer", base=base))).events
    np.testing.assert_array_equal(events.t, base // 1000 + dt)
    np.testing.assert_array_equal(events.x, EVENTS.x)
    np.testing.assert_array_equal(events.y, EVENTS.y)
    np.testing.assert_array_equal(events.p, EVENTS.p)


def words_of(tmp_path):
    """Return EVT3 words of the events, as written to a RAW file, and the events."""
    from spikewright.events.formats import Options

    events = EVENTS.replace(t=EVENTS.t - EVENTS.t[0])
    write(tmp_path / "a.raw", events)
    data = (tmp_path / "a.raw").read_bytes()
    _, first, _ = raw_header("evt3", data[: 1 << 16], Options())
    return data[first:], events


def test_words_that_are_cut_between_packets(made, tmp_path):
    data, events = words_of(tmp_path)
    cuts = [0, 2, 6, 1000, 1000, 5002, len(data)]
    path = made(
        lambda bag: [
            bag.packet(data[a:b], "evt3", seq=k) for k, (a, b) in enumerate(pairwise(cuts))
        ]
    )
    loaded = read(path)
    assert loaded.events.same_as(events)
    assert loaded.header.details["encoding"] == "evt3"
    assert not loaded.irregularities.harmful
    with open_recording(path) as reader:
        assert reader.read(start=1000, stop=90_000).same_as(
            events[(events.t >= 1000) & (events.t < 90_000)]
        )
        assert sum(part.n for part in reader.chunks(size=100)) == N


def test_missing_packets_are_counted(made, tmp_path):
    data, _ = words_of(tmp_path)
    path = made(
        lambda bag: [bag.packet(data[:2000], "evt3", seq=3), bag.packet(data[2000:], "evt3", seq=6)]
    )
    loaded = read(path)
    assert loaded.irregularities.count(Kind.DROPPED) == 2
    with open_recording(path) as reader:
        for _ in range(2):
            list(reader.chunks())
            assert reader.irregularities.count(Kind.DROPPED) == 2
    with pytest.raises(EventError, match="packets, by their numbers"):
        read(path, strict=True)


def test_two_cameras(made):
    def fill(bag):
        bag.array(EVENTS[:10], topic="/left")
        bag.array(EVENTS[10:30], topic="/right")

    path = made(fill)
    with pytest.raises(FormatError, match="several topics of events; found /left, /right"):
        read(path)
    assert read(path, topic="/right").events.n == 20


def test_unknown_codes(made):
    path = made(lambda bag: bag.packet(b"12345678", "libcaer_cmp"))
    with pytest.raises(FormatError, match="not known here; found 'libcaer_cmp'"):
        read(path)


def test_a_time_that_no_camera_has(made):
    word = np.zeros(2, "<u4").tobytes()

    def fill(bag):
        bag.packet(word, "mono", base=1 << 63)
        bag.packet(word, "mono", seq=1, base=5_000_000)

    loaded = read(made(fill))
    assert loaded.events.t.tolist() == [5000]
    assert loaded.irregularities.harmful


def test_a_bag_without_events(made):
    def fill(bag):
        bag.write("std_msgs/msg/String", "/talk", header=False, data="hello")

    with pytest.raises(FormatError, match="holds no events; found std_msgs/msg/String"):
        read(made(fill))


def test_from_memory_and_under_another_name(made, tmp_path):
    path = made(lambda bag: bag.array(EVENTS[:50]))
    assert read(path.read_bytes()).events.same_as(EVENTS[:50])
    other = tmp_path / "recording.data"
    other.write_bytes(path.read_bytes())
    assert read(other).events.same_as(EVENTS[:50])


def test_damaged_bags(made):
    data = made(lambda bag: bag.array(EVENTS[:200])).read_bytes()
    with pytest.raises(FormatError):
        read(data[: len(data) // 2])
    for seed in range(25):
        flipped = bytearray(data)
        generator = np.random.default_rng(seed)
        for at in generator.integers(16, len(data), 5):
            flipped[at] = generator.integers(256)
        try:
            assert read(bytes(flipped), format="rosbag").events.n <= 2000
        except (FormatError, EventError):
            continue


def test_a_topic_without_a_type(tmp_path):
    bag = Bag(tmp_path / "a", 2)
    bag.array(EVENTS[:5])
    bag.bag.close()
    with sqlite3.connect(tmp_path / "a" / "a.db3") as file:
        file.execute("PRAGMA ignore_check_constraints = 1")
        file.execute("PRAGMA writable_schema = 1")
        file.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'type TEXT NOT NULL', 'type TEXT')"
        )
    file.close()
    with sqlite3.connect(tmp_path / "a" / "a.db3") as file:
        file.execute("UPDATE topics SET type = NULL")
    file.close()
    with pytest.raises(FormatError, match="holds no events; found None"):
        read(tmp_path / "a" / "a.db3")


def test_without_the_package(made, monkeypatch):
    path = made(lambda bag: bag.array(EVENTS[:5]))
    for name in ("rosbags.rosbag1", "rosbags.rosbag2"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(MissingExtra, match=r"pip install 'spikewright\[ros\]'"):
        read(path)
