"""What must hold of a reader, whatever bytes it is given."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_corpus import Sample
from fuzz_damage import Change
from fuzz_recount import recount

from spikewright.errors import EventError, SpikewrightError
from spikewright.events.camera import COLUMNS, CameraEvents, concatenate
from spikewright.events.formats import (
    FORMATS,
    Loaded,
    detect,
    format_named,
    open_recording,
    read,
    repair,
)
from spikewright.events.irregular import Kind
from spikewright.testing.reader_suite import Dripping

PACKETED = ("aedat3", "aedat4")
RECORDS = ("evt2", "evt21", "evt3", "evt4", "dat", "es", "atis", "aedat2", "aedat3", "aedat4")
"""Formats without anything at their end that the beginning needs, so that a cut leaves a beginning."""

INDEXED = ("aedat4", "ecf", "dsec")
"""Formats with an index of times in the file."""

LINES = (Kind.BAD_WORD, Kind.BAD_VALUE, Kind.OUTSIDE, Kind.DROPPED, Kind.INVALID, Kind.TRUNCATED)


class Broken(AssertionError):
    """A promise that was not kept."""


def need(is_true: bool, what: str) -> None:
    """Raise Broken unless `is_true`."""
    if not is_true:
        raise Broken(what)


def examine(
    sample: Sample, content: bytes, change: Change, draw: random.Random, folder: Path
) -> bool:
    """Read a damaged recording and compare with all that can be known of it; return whether it could be read.

    Parameters
    ----------
    sample : what it was
    content : what it is now
    change : what happened
    draw : which of the dearer comparisons are made
    folder : for files that are written

    Raises
    ------
    Broken : a promise was not kept
    Exception : any, which is no SpikewrightError: broken too
    """
    dice = draw.random()
    if dice < 0.04:  # as something that it is not
        with suppress(SpikewrightError):
            read(content, format=draw.choice(list(FORMATS)))
        return False
    if dice < 0.12:
        with suppress(SpikewrightError):
            detect(content)
    named = None if dice > 0.7 else sample.format
    try:
        loaded = read(content, format=named, **sample.options)
    except SpikewrightError as error:
        need(len(str(error)) < 2000, "a message of more than 2000 letters")
        return False
    events = loaded.events
    for name, dtype in COLUMNS.items():
        column = getattr(events, name)
        need(column.shape == (events.n,) and column.dtype == dtype, f"column {name}")
    need(not events.n or int(events.p.max()) <= 1, "a polarity that is neither 0 nor 1")
    need(len(str(loaded.irregularities)) < 20_000, "a summary of more than 20000 letters")
    if loaded.header.format == sample.format:
        _nothing_is_lost(sample, content, change, loaded)
    if dice < 0.3 or dice > 0.9:
        compare = draw.choice((_chunks, _drip, _cut, _strict, _follow, _by_path, _mended))
        compare(loaded, content, sample, draw, folder)
    return True


# -- nothing is lost in silence ---------------------------------------------------------------------------


def _nothing_is_lost(sample: Sample, content: bytes, change: Change, loaded: Loaded) -> None:
    if sample.format in ("text", "csv"):
        _lines(content, loaded)
    if sample.head < 0 or change.first < sample.head:
        return
    if content[sample.head : sample.head + 2] == b"% " or content[sample.head :][:1] == b"#":
        return  # a longer header
    height = 0 if sample.format not in ("es", "aedat2") else loaded.header.height
    found = recount(sample.format, sample.kind, content[sample.head :], height)
    if found is not None:
        _recounted(sample, loaded, found)
    if sample.format in PACKETED:
        _packets(sample, change, loaded)
    if change.only_cut and sample.format in RECORDS and sample.format != "aedat2":
        before = _original(sample)
        events = loaded.events
        need(events.n <= before.n, "more events than before the cut")
        need(_equal(events, before[: events.n]), "a cut file is no beginning of the whole")


def _recounted(sample: Sample, loaded: Loaded, found: Any) -> None:
    events, met = loaded.events, loaded.irregularities
    need(events.n == len(found.events), f"{events.n} events, {len(found.events)} by recount")
    if events.n:
        table = np.array(found.events, np.int64)
        same = (events.t - table[:, 0]) % found.period == 0
        need(bool(same.all()), f"times differ first at event {int(np.argmin(same))}")
        for k, name in enumerate("xyp"):
            same = getattr(events, name) == (table[:, k + 1] & 0xFFFF)
            need(bool(same.all()), f"{name} differs first at event {int(np.argmin(same))}")
    left = met.count(Kind.TRUNCATED)
    need(bool(left) == bool(found.left), f"{left} x truncated, {found.left} bytes by recount")
    lost = met.count(Kind.NO_TIME) + met.count(Kind.DROPPED)
    if sample.format.startswith("evt"):
        need(lost == found.lost, f"{lost} words left out, {found.lost} by recount")
        bad = met.count(Kind.BAD_WORD)
        need(bad == found.bad, f"{bad} bad words, {found.bad} by recount")
    if sample.format == "aedat2" and found.lost:
        need(bool(met.harmful), f"{found.lost} samples are not told")
    if sample.format != "es":
        marks = len(loaded.extras.triggers or ())
        need(marks == found.triggers, f"{marks} triggers, {found.triggers} by recount")
    else:
        sides = len(loaded.extras.more.get("exposures", ()))
        need(sides == found.triggers, f"{sides} exposures, {found.triggers} by recount")


def _lines(content: bytes, loaded: Loaded) -> None:
    """Every line is an event, a header line, a comment, or told."""
    lines = content.replace(b"\r", b"").split(b"\n")
    full = sum(1 for line in lines if line.strip(b" \t") and line.lstrip(b" \t")[:1] not in b"#%")
    before = sum(1 for line in loaded.header.lines if line.lstrip()[:1] not in ("#", "%"))
    told = sum(loaded.irregularities.count(kind) for kind in LINES)
    need(
        full - before <= loaded.events.n + told,
        f"{full} lines, of them {before} before the data: {loaded.events.n} events, {told} told",
    )


_known: dict[tuple[str, str, str], Any] = {}


def _once(sample: Sample, what: str, make: Callable[[], Any]) -> Any:
    key = sample.format, sample.name, what
    if key not in _known:
        _known[key] = make()
    return _known[key]


def _original(sample: Sample) -> CameraEvents:
    found: CameraEvents = _once(
        sample, "events", lambda: read(sample.content, format=sample.format, **sample.options).events
    )  # fmt: skip
    return found


def _others(loaded: Loaded) -> int:
    """Return how many things other than events a recording has."""
    extras = loaded.extras
    parts = (extras.triggers, extras.frames, extras.imu, *extras.more.values())
    return sum(len(part) for part in parts if part is not None)


def _packets(sample: Sample, change: Change, loaded: Loaded) -> None:
    """Damage inside one packet leaves all other packets as they were."""
    places = _once(sample, "packets", lambda: list(packets_of(sample)))
    if not change.same_size or not places:
        return
    events, before = loaded.events, _original(sample)
    # a damaged type makes a packet one of another kind, as sound as the first: its rows are there as that
    fewer, harmful = before.n - events.n - _others(loaded), loaded.irregularities.harmful
    need(fewer <= 0 or bool(harmful), f"{fewer} events less, and nothing is told")
    n = 0
    for first, last, count in places:
        if first <= change.first and change.last <= last:
            break
        n += count
    else:
        return
    rest = before.n - n - count
    if rest < 0:
        return
    need(events.n >= n + rest, f"{n} + {rest} events of other packets, {events.n} read")
    need(_equal(events[:n], before[:n]), "events before the damaged packet changed")
    after = events[events.n - rest :], before[before.n - rest :]
    need(_equal(*after), "events after the damaged packet changed")


def packets_of(sample: Sample) -> list[tuple[int, int, int]]:
    """Return, for each whole packet of a sound file, the bytes of its payload and its number of events."""
    content, at, found = sample.content, sample.head, []
    end = len(content)
    unpack: Callable[[bytes], bytes] = bytes
    if sample.format == "aedat4":
        unpack, end = _compression(content)
    while True:
        if sample.format == "aedat3":
            if at + 28 > end:
                return found
            kind, _, each, _, _, capacity, number, _ = struct.unpack_from("<hhiiiiii", content, at)
            first, last = at + 28, at + 28 + each * capacity
            count = 0
            if kind == 1 and last <= end:
                valid = content[first:last:8]
                count = sum(byte & 1 for byte in valid[:number])
        else:
            if at + 8 > end:
                return found
            first = at + 8
            last = first + struct.unpack_from("<i", content, at + 4)[0]
            count = _vector(unpack(content[first:last])) if last <= end else 0
        if last > end:
            return found
        found.append((first, last, count))
        at = last


def _compression(content: bytes) -> tuple[Callable[[bytes], bytes], int]:
    """Return what unpacks a packet, and where packets end."""
    root = 18 + struct.unpack_from("<I", content, 18)[0]
    vtable = root - struct.unpack_from("<i", content, root)[0]
    size = struct.unpack_from("<H", content, vtable)[0]
    places = struct.unpack_from(f"<{size // 2 - 2}H", content, vtable + 4)
    code = struct.unpack_from("<i", content, root + places[0])[0] if places[0] else 0
    table = struct.unpack_from("<q", content, root + places[1])[0] if len(places) > 1 and places[1] else -1  # fmt: skip
    end = table if 0 < table < len(content) else len(content)
    if code in (1, 2):
        import lz4.frame

        return lz4.frame.decompress, end
    if code in (3, 4):
        import zstandard

        return lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data), end
    return bytes, end


def _vector(data: bytes) -> int:
    """Return the number of events of an unpacked packet, 0 for other packets."""
    if data[8:12] != b"EVTS":
        return 0
    root = 4 + struct.unpack_from("<I", data, 4)[0]
    vtable = root - struct.unpack_from("<i", data, root)[0]
    if struct.unpack_from("<H", data, vtable)[0] < 6:
        return 0
    place = root + struct.unpack_from("<H", data, vtable + 4)[0]
    return int(struct.unpack_from("<I", data, place + struct.unpack_from("<I", data, place)[0])[0])


def _equal(one: CameraEvents, other: CameraEvents) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in COLUMNS)


# -- the same by other ways -------------------------------------------------------------------------------


def _told(irregularities: Any) -> dict[Kind, int]:
    return {one.kind: one.count for one in irregularities}


def _chunks(
    loaded: Loaded, content: bytes, sample: Sample, draw: random.Random, folder: Path
) -> None:
    size = draw.choice((1, 7, 50, 1000, 4096))
    if loaded.events.n > 500 * size:
        size = loaded.events.n // 500 + 1
    with open_recording(content, format=loaded.header.format, **sample.options) as reader:
        parts = list(reader.chunks(size=size))
        need(all(part.n <= size for part in parts), "a chunk is larger than asked for")
        events = concatenate(parts) if parts else loaded.events[:0]
        need(_equal(events, loaded.events), f"chunks of {size} are not what is read at once")
        need(
            _told(reader.irregularities) == _told(loaded.irregularities),
            f"chunks of {size} tell {_told(reader.irregularities)}, "
            f"read at once {_told(loaded.irregularities)}",
        )
        marks = [len(extras.triggers or ()) for extras in (reader.extras, loaded.extras)]
        need(marks[0] == marks[1], f"{marks[0]} triggers in chunks, {marks[1]} at once")


def _drip(
    loaded: Loaded, content: bytes, sample: Sample, draw: random.Random, folder: Path
) -> None:
    size = draw.choice((1, 7, 4096)) if len(content) < 3000 else draw.choice((300, 4096))
    name = loaded.header.format
    with open_recording(Dripping(content, size), format=name, **sample.options) as reader:
        need(_equal(reader.read(), loaded.events), f"a stream in pieces of {size} is not the whole")


def _by_path(
    loaded: Loaded, content: bytes, sample: Sample, draw: random.Random, folder: Path
) -> None:
    path = folder / "recording"
    path.write_bytes(content)
    try:
        found = read(path, format=loaded.header.format, **sample.options)
        need(_equal(found.events, loaded.events), "a file is not what its bytes are")
        need(
            _told(found.irregularities) == _told(loaded.irregularities),
            f"a file tells {_told(found.irregularities)}, bytes {_told(loaded.irregularities)}",
        )
        with suppress(SpikewrightError):
            detect(path)
    finally:
        path.unlink()


def _cut(loaded: Loaded, content: bytes, sample: Sample, draw: random.Random, folder: Path) -> None:
    t = loaded.events.t
    start, stop = (int(draw.choice(t)) if t.size else draw.randrange(1 << 40) for _ in range(2))
    start, stop = draw.choice(((start, stop), (start, None), (None, stop), (start, start + 1)))
    name = loaded.header.format
    with open_recording(content, format=name, **sample.options) as reader:
        kept = np.ones(t.size, np.bool_)
        if start is not None:
            kept &= t >= start
        if stop is not None:
            kept &= t < stop
        found = reader.read(start=start, stop=stop)
        if (
            name in INDEXED
        ):  # the index is believed, also where events have another time than it says
            need(found.n <= np.count_nonzero(kept), f"cut {start}..{stop} holds too much")
            return
        need(_equal(found, loaded.events[kept]), f"cut {start}..{stop} is not that of the whole")


def _strict(
    loaded: Loaded, content: bytes, sample: Sample, draw: random.Random, folder: Path
) -> None:
    harmful = loaded.irregularities.harmful
    try:
        read(content, format=loaded.header.format, strict=True, **sample.options)
    except EventError:
        need(bool(harmful), "strict reading fails where nothing harmful was told")
    else:
        need(not harmful, f"strict reading passes over {harmful}")


def _follow(
    loaded: Loaded, content: bytes, sample: Sample, draw: random.Random, folder: Path
) -> None:
    with open_recording(content, format=loaded.header.format, **sample.options) as reader:
        try:
            parts = list(reader.follow(poll=0.0, stop=lambda: True))
        except SpikewrightError:
            return
        n = sum(part.n for part in parts)
        need(
            n == loaded.events.n or bool(reader.irregularities.harmful),
            f"{n} events by following, {loaded.events.n} by reading, and nothing is told",
        )


def _mended(
    loaded: Loaded, content: bytes, sample: Sample, draw: random.Random, folder: Path
) -> None:
    own = format_named(loaded.header.format)
    path = folder / f"mended{own.suffixes[0] if own.writer else '.csv'}"
    try:
        met = repair(content, path, read_as=own.name, **sample.options)
    except SpikewrightError:
        need(not path.exists(), "half a file was left")
        return
    try:
        again = read(path, format=own.name if own.writer else None)
        wrong = [one for one in again.irregularities.harmful if one.kind is not Kind.BACKWARDS]
        need(not wrong, f"what was mended has {wrong}")
        events, header = loaded.events, loaded.header
        inside = events[(events.x < header.width) & (events.y < header.height)]
        left_out = met.count(Kind.UNSUPPORTED)
        need(
            again.events.n + left_out >= inside.n,
            f"{inside.n} events inside, {again.events.n} mended, {_told(met)}",
        )
        # float64 seconds of MVSEC are coarser than the times that damage makes
        if not left_out and own.name != "mvsec":
            need(_equal(again.events, inside), "what was mended has other events")
    finally:
        path.unlink()
