"""Small recordings to be damaged: written here by our own writers, and the heads of real ones where there are any."""

from __future__ import annotations

import os
import re
import struct
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spikewright.events.camera import CameraEvents, Extras, Frame, Imu, Triggers
from spikewright.events.formats import FORMATS, format_named, write
from spikewright.testing.reader_suite import random_events

ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT = 200, 120
HEAD_OF_REAL = {
    "aedat4": 40_000,
    "aedat3": 17_000,
    "text": 2000,
    "csv": 2000,
    "stmnist": -1,
    "rosbag": -1,
}
"""Format -> bytes that are taken of a real recording, -1: all; other formats have 4096."""

REAL = {
    "evt2": ("vectors/events/evt2_trig.raw", "data/events/expelliarmus_evt2_sample.raw"),
    "evt21": ("vectors/events/evt21_hd.raw", "vectors/events/evt21_legacy_hd.raw"),
    "evt3": ("vectors/events/evt3_trig.raw", "vectors/events/real_evt3_gen41.raw"),
    "evt4": ("vectors/events/evt4_hd.raw",),
    "dat": ("data/events/tonic_ncars.dat", "vectors/events/cd_wrap32.dat"),
    "es": ("data/events/atis.es", "data/events/color.es", "data/events/dvs.es", "data/events/generic.es"),
    "atis": ("data/events/tonic_nmnist.bin", "vectors/events/atis_overflow.bin"),
    "aedat2": ("vectors/events/davis346.aedat", "data/events/aedat2_header_only_tonic.aedat"),
    "aedat3": ("vectors/events/davis346_31.aedat", "vectors/events/ovf_31.aedat"),
    "aedat4": ("data/events/gray16_frame.aedat4", "vectors/events/dav_none.aedat4", "vectors/events/dav_zstd.aedat4"),
    "text": ("vectors/events/events.txt", "data/events/rpg_slider_depth_chunk.txt"),
    "csv": ("data/events/aestream_sample.csv",),
    "stmnist": ("data/events/tonic_stmnist.mat",),
    "rosbag": ("data/events/ros2_mono_cd.db3",),
}  # fmt: skip
"""Format -> real recordings in the folder of reference data."""

_LINES = re.compile(rb"(?:% [^\n]*\n)*")


@dataclass(frozen=True, eq=False)
class Sample:
    """A sound recording, or the beginning of one.

    Parameters
    ----------
    format, name : what it is
    content : bytes
    head : bytes before the first word or packet, -1 where that means nothing
    kind : variant that `fuzz_recount` must know, such as the order of halves
    options : of the reader
    """

    format: str
    name: str
    content: bytes
    head: int = -1
    kind: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


def samples(name: str, *, real: bool = True) -> list[Sample]:
    """Return all samples of a format, always the same ones in the same order."""
    with tempfile.TemporaryDirectory() as folder:
        made = list(_MAKERS.get(name, _plain)(name, Path(folder)))
    shared = Path(os.environ.get("SPIKEWRIGHT_SHARED") or ROOT.parent / "shared")
    for place in REAL.get(name, ()) if real else ():
        path = shared / place
        if path.is_file():
            with open(path, "rb") as file:
                content = file.read(HEAD_OF_REAL.get(name, 4096))
            made.append(_placed(name, place.rsplit("/", 1)[-1], content))
    return made


def _placed(name: str, title: str, content: bytes, **options: Any) -> Sample:
    """Find where the words begin, by the rules of the format and without our readers."""
    head, kind = -1, ""
    if name in ("evt2", "evt21", "evt3", "evt4", "dat"):
        found = _LINES.match(content)
        head = found.end() if found else 0
        end = content.find(b"% end\n")
        if end >= 0:
            head = end + 6
        if name == "dat":
            kind = "trigger" if content[head] == 14 else "cd"
            if b"Version 2" not in content[:head]:
                kind = "old"
            head += 2
        if name == "evt21":
            kind = "legacy" if b"legacy" in content[:head] else "little"
    elif name == "es":
        kind = {0: "generic", 1: "dvs", 2: "atis", 4: "color"}[content[15]]
        head = 16 if kind == "generic" else 20
    elif name == "atis":
        head = 0
    elif name == "aedat3":
        head = content.index(b"#!END-HEADER\r\n") + 14
    elif name == "aedat2":
        found = re.match(rb"(?:#[^\n]*\n)*", content)
        head = found.end() if found else 0
        kind = "davis" if b"avis" in content[:head] else "other"
    elif name == "aedat4":
        head = 18 + struct.unpack_from("<I", content, 14)[0]
    elif name in ("text", "csv"):
        head = content.find(b"\n") + 1
    return Sample(name, title, content, head, kind, options)


def _some(n: int, seed: int, **more: Any) -> CameraEvents:
    return random_events(n, WIDTH, HEIGHT, seed=seed, **more)


def _extras(events: CameraEvents, channel: int = 1) -> Extras:
    n = min(events.n, 5)
    t = events.t[:: max(events.n // 5, 1)][:n].copy()
    three = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
    imu = Imu(t, three, three + 1, three + 2, three[:, 0].copy())
    pixels = np.arange(35, dtype=np.uint8).reshape(5, 7)
    triggers = Triggers(t, np.full(n, channel, np.uint8), (np.arange(n) & 1).astype(np.uint8))
    return Extras(triggers, [Frame(int(t[0]), int(t[0]), int(t[0]) + 9, 0, 0, pixels)], imu)


def _written(folder: Path, name: str, title: str, events: CameraEvents, **more: Any) -> Sample:
    path = folder / f"{title}{format_named(name).suffixes[0]}"
    options = more.pop("reader", {})
    write(path, events, format=name, **more)
    return _placed(name, title, path.read_bytes(), **options)


def _plain(name: str, folder: Path) -> Iterator[Sample]:
    """Samples of a format whose writer holds events only."""
    yield _written(folder, name, "none", CameraEvents.empty(WIDTH, HEIGHT))
    yield _written(folder, name, "few", _some(12, 1))
    yield _written(folder, name, "dense", _some(300, 2, step=0))
    yield _written(folder, name, "sparse", _some(150, 3, step=5000))


def _prophesee(name: str, folder: Path) -> Iterator[Sample]:
    yield from _plain(name, folder)
    events = _some(200, 4, step=900)
    trigger = Extras(_extras(events).triggers)
    yield _written(folder, name, "triggers", events, extras=trigger)
    late = _some(100, 5, start=(1 << 34) - 700)
    yield _written(folder, name, "late", late)
    if name == "evt21":
        yield _written(folder, name, "legacy", events, endianness="legacy")


def _dat(name: str, folder: Path) -> Iterator[Sample]:
    yield from _plain(name, folder)
    few = _some(100, 4)
    none = CameraEvents.empty(WIDTH, HEIGHT)
    trigger = Extras(_extras(few).triggers)
    yield _written(folder, name, "triggers", none, extras=trigger, triggers=True)
    late = _some(100, 5, start=(1 << 32) - 700)
    yield _written(folder, name, "late", late)
    word = few.p.astype("<u4") << 17 | few.y.astype("<u4") << 9 | few.x.astype("<u4")
    old = np.stack([few.t.astype("<u4"), word.astype("<u4")], axis=1).tobytes()
    yield _placed(name, "version_1", b"% Data file\n% Version 1\n\x00\x08" + old)


def _es(name: str, folder: Path) -> Iterator[Sample]:
    yield from _plain(name, folder)
    draw = np.random.default_rng(1)
    size = struct.pack("<HH", WIDTH, HEIGHT)
    for kind, length, most in ((2, 5, 255), (4, 8, 255)):
        body = b""
        for _ in range(120):
            pair = struct.pack("<HH", *draw.integers(0, [WIDTH, HEIGHT]))
            color = draw.bytes(3) if kind == 4 else b""
            body += bytes([int(draw.integers(0, 250))]) + pair + color
            if draw.random() < 0.2:
                body += bytes([most])
        assert length in (5, 8)
        yield _placed(name, f"type_{kind}", b"Event Stream\2\0\0" + bytes([kind]) + size + body)
    body = b"".join(bytes([k, (k % 50) << 1]) + bytes(k % 50) for k in range(200))
    yield _placed(name, "generic", b"Event Stream\2\0\0\0" + body)


def _aedat2(name: str, folder: Path) -> Iterator[Sample]:
    for chip, width, height in (("davis346", 200, 120), ("dvs128", 128, 128), ("davis240", 200, 120)):  # fmt: skip
        events = random_events(200, width, height, seed=5, step=40)
        yield _written(folder, name, chip, events, chip=chip)
    words = b"".join(struct.pack(">HI", k * 7 & 0x7FFF, k * 31) for k in range(150))
    yield _placed(name, "version_1", b"#!AER-DAT1.0\r\n# a comment\r\n" + words)


def _aedat3(name: str, folder: Path) -> Iterator[Sample]:
    yield from _plain(name, folder)
    events = _some(200, 4, step=90)
    yield _written(folder, name, "extras", events, extras=_extras(events), lossy=True)


def _aedat4(name: str, folder: Path) -> Iterator[Sample]:
    for compression in ("none", "lz4", "zstd"):
        events = _some(300, 4, step=400)
        more = {"compression": compression}
        yield _written(folder, name, compression, events, extras=_extras(events, 2), lossy=True, **more)  # fmt: skip
        yield _written(folder, name, f"{compression}_few", _some(12, 1), **more)
    yield _written(folder, name, "empty", CameraEvents.empty(WIDTH, HEIGHT))


def _npz(name: str, folder: Path) -> Iterator[Sample]:
    yield from _plain(name, folder)
    events = _some(80, 6)
    np.savez(folder / "stored.npz", t=events.t, x=events.x, y=events.y, p=events.p)
    yield Sample(name, "stored", (folder / "stored.npz").read_bytes())
    table = np.stack([events.t, events.x, events.y, events.p], axis=1)
    np.save(folder / "table.npy", table)
    yield Sample(name, "table", (folder / "table.npy").read_bytes())


def _text(name: str, folder: Path) -> Iterator[Sample]:
    yield from _plain(name, folder)
    rows = [(k, k % 90, k % 70, k & 1) for k in range(90)]
    lines = [b"%d;%d;%d;%d" % (37 * k, x, y, p) for k, x, y, p in rows]
    content = b"\r\n".join([b"timestamp[us];x;y;polarity", *lines, b""])
    yield _placed(name, "named", content)
    lines = [b"%d.%06d %d %d %d" % (k // 9, 731 * k, x, y, p) for k, x, y, p in rows]
    yield _placed(name, "seconds", b"\n".join([b"# a comment", b"200 120", *lines]))


def _stmnist(name: str, folder: Path) -> Iterator[Sample]:
    import scipy.io

    draw = np.random.default_rng(3)
    train = np.zeros((101, 40))
    train[:100] = draw.integers(-1, 2, (100, 40))
    train[100] = np.arange(40) * 1e-3
    for packed in (False, True):
        path = folder / "a.mat"
        scipy.io.savemat(path, {"spiketrain": train}, do_compression=packed)
        content = path.read_bytes()
        # the first line holds the date
        yield Sample(name, f"packed_{packed}", b"MATLAB 5.0 MAT-file".ljust(116) + content[116:])


def _rosbag(name: str, folder: Path) -> Iterator[Sample]:
    """Bags of version 1 with one connection, by the layout that wiki.ros.org/Bags/Format/2.0 gives."""
    raw = _written(folder, "evt3", "payload", _some(200, 4, step=50))
    words, few = raw.content[raw.head :], _some(60, 2)
    rows = b"".join(
        struct.pack("<HHIIB", x, y, 5, int(t) * 1000, p)
        for t, x, y, p in zip(few.t, few.x, few.y, few.p, strict=True)
    )
    size, stamp = struct.pack("<II", HEIGHT, WIDTH), struct.pack("<IIII", 0, 5, 0, 0)
    halves = [words[: len(words) // 4 * 2], words[len(words) // 4 * 2 :]]
    packets = [
        stamp + size + struct.pack("<QQI4sBI", k, 5000, 4, b"evt3", 0, len(half)) + half
        for k, half in enumerate(halves)
    ]
    arrays = [stamp + size + struct.pack("<I", 60) + rows]
    yield Sample(name, "packets", _bag("event_camera_msgs/EventPacket", packets))
    yield Sample(name, "arrays", _bag("dvs_msgs/EventArray", arrays))


def _bag(kind: str, messages: list[bytes]) -> bytes:
    def record(data: bytes, **fields: bytes) -> bytes:
        head = b"".join(
            struct.pack("<I", len(key) + 1 + len(value)) + key.encode() + b"=" + value
            for key, value in fields.items()
        )
        return struct.pack("<I", len(head)) + head + struct.pack("<I", len(data)) + data

    u4 = struct.Struct("<I").pack
    about = [b"topic=/dvs", b"type=" + kind.encode(), b"md5sum=*", b"message_definition="]
    connection = record(
        b"".join(u4(len(one)) + one for one in about), op=b"\7", conn=u4(0), topic=b"/dvs"
    )
    chunk, places = connection, []
    for k, message in enumerate(messages):
        places.append((struct.pack("<II", k, 0), len(chunk)))
        chunk += record(message, op=b"\2", conn=u4(0), time=places[-1][0])
    index = b"".join(when + u4(at) for when, at in places)
    start, end = places[0][0], places[-1][0]
    magic, room = b"#ROSBAG V2.0\n", 4096
    body = record(chunk, op=b"\5", compression=b"none", size=u4(len(chunk)))
    body += record(index, op=b"\4", ver=u4(1), conn=u4(0), count=u4(len(places)))
    at = len(magic) + room
    tail = connection + record(
        u4(0) + u4(len(places)),
        op=b"\6",
        ver=u4(1),
        chunk_pos=struct.pack("<Q", at),
        start_time=start,
        end_time=end,
        count=u4(1),
    )
    head = {
        "op": b"\3",
        "index_pos": struct.pack("<Q", at + len(body)),
        "conn_count": u4(1),
        "chunk_count": u4(1),
    }
    bare = len(record(b"", **head))
    return magic + record(b" " * (room - bare), **head) + body + tail


def _mvsec(name: str, folder: Path) -> Iterator[Sample]:
    yield _written(folder, name, "few", _some(12, 1))
    events = _some(150, 4)
    yield _written(folder, name, "extras", events, extras=_extras(events), lossy=True)


def _hdf5(name: str, folder: Path) -> Iterator[Sample]:
    yield _written(folder, name, "few", _some(12, 1))
    yield _written(folder, name, "some", _some(400, 3, step=100))


_MAKERS: Mapping[str, Any] = {
    "evt2": _prophesee,
    "evt21": _prophesee,
    "evt3": _prophesee,
    "evt4": _prophesee,
    "dat": _dat,
    "es": _es,
    "aedat2": _aedat2,
    "aedat3": _aedat3,
    "aedat4": _aedat4,
    "npz": _npz,
    "text": _text,
    "csv": _text,
    "stmnist": _stmnist,
    "rosbag": _rosbag,
    "mvsec": _mvsec,
    "ecf": _hdf5,
    "dsec": _hdf5,
}
"""Makers of samples; all others have `_plain`."""

NAMES = tuple(FORMATS)
