"""HDF5 recordings of Prophesee's tools: events packed by the ECF codec, an index of 2 ms, trigger edges.

`/CD/events` holds rows x, y, p, t in chunks of 16384 behind the filter 36559; `/CD/indexes` the first event at or after
every 2000 us since the first event, whose negative time is its attribute `offset`; `/EXT_TRIGGER/events` the edges. No
filter plug-in is needed: chunks are taken as they are.

A last chunk is filled up with events that the row count hides, because the HDF5 library expects whole chunks.

Source
------
prophesee-ai/openeb, `hdf5_event_file_writer`; prophesee-ai/hdf5_ecf.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.camera import CameraEvents, Extras, Triggers
from spikewright.events.formats.base import Format, Header, Options, sized
from spikewright.events.formats.hdf5 import (
    Hdf5Writer,
    Table,
    find,
    is_hdf5,
    open_hdf5,
    reading,
    sensor,
    texts,
)
from spikewright.events.formats.rows import Columns, RowReader, columns_of
from spikewright.events.formats.source import Source
from spikewright.events.irregular import Kind

FILTER = 36559
ROWS = 16384
STEP = 2000
"""us between two entries of the index."""
MAX_INDEX = 1 << 24
"""Entries of an index that are read; events behind it are still found."""
LEAST_INDEX, PER_EVENT = 1 << 16, 8
"""So many entries are written, and so many more per event: a long silence must not become a large file."""
MAX_PACKED = 1 << 22
"""Bytes of a chunk; the codec's worst is 1.6 million."""
EVENT = np.dtype(
    {"names": ["x", "y", "p", "t"], "formats": ["<u2", "<u2", "<i2", "<i8"], "offsets": [0, 2, 4, 8], "itemsize": 16}
)  # fmt: skip
TRIGGER = np.dtype(
    {"names": ["p", "t", "id"], "formats": ["<i2", "<i8", "<i2"], "offsets": [0, 8, 16], "itemsize": 24}
)  # fmt: skip
INDEX = np.dtype([("id", "<u8"), ("ts", "<i8")])


class EcfReader(RowReader):
    """Reads `/CD/events` and `/EXT_TRIGGER/events`."""

    def __init__(self, source: Source, options: Options) -> None:
        super().__init__(source, options)
        options.allow("ecf")
        self.file = open_hdf5(source)
        with reading(source.name):
            self._open()

    def _open(self) -> None:
        where = self.source.name
        dataset = find(self.file, "CD/events")
        names = texts(self.source, self.file)
        header = sensor(names, Header("ecf", 0, 0))
        header = header.replace(
            start=names.get("date") or names.get("Date"), details=MappingProxyType(names)
        )
        self._packed = False
        if dataset is not None and dataset.chunks is not None:
            plan = dataset.id.get_create_plist()
            self._packed = plan.get_nfilters() == 1 and plan.get_filter(0)[0] == FILTER
        if dataset is None or not {"x", "y", "p", "t"} <= set(dataset.dtype.names or ()):
            raise FormatError(explain(where, "has no events of x, y, p and t", expected="/CD/events"))  # fmt: skip
        if self._packed:
            self.table, self.claimed = dataset, int(dataset.shape[0])
            held = dataset.id.get_num_chunks() * dataset.chunks[0]
            self.n = min(self.claimed, int(held))
            if dataset.chunks[0] > 65535:
                raise FormatError(
                    explain(where, "chunks are larger than the codec's", found=dataset.chunks)
                )
        else:
            self.table = Table(where, dataset)
            self.claimed, self.n = self.table.claimed, self.table.n
        self._decoded: tuple[int, Columns] | None = None
        self._index = self._read_index()
        self.extras.triggers = self._triggers()
        self.header = sized(header, self.options)
        if not (self.header.width and self.header.height):
            self.header = from_data(self, self.header)

    def known(self) -> None:
        """Note missing rows and a missing index."""
        self._decoded = None  # what is wrong with a chunk is noted when it is decoded
        if self.claimed > self.n:
            self.irregularities.add(Kind.TRUNCATED, -1, self.claimed - self.n, "events not stored")
        if self._index is None and self.n:
            self.irregularities.add(Kind.MISSING_INDEX, -1)

    def span(self, start: int | None, stop: int | None) -> tuple[int, int]:
        """Return the rows between the entries of the index around the window."""
        if self._index is None:
            return 0, self.n
        origin, ids = self._index
        first, last = 0, self.n
        if start is not None and (k := (start - origin) // STEP) > 0:
            first = int(ids[min(k, len(ids) - 1)])
        if stop is not None:
            k = max(-((origin - stop) // STEP), 0)  # rounded up
            last = int(ids[k]) if k < len(ids) else self.n
        return first, max(first, last)

    def rows(self, first: int, last: int) -> Columns:
        """Return rows, decoded chunk by chunk."""
        if not self._packed:
            raw = self.table.read(first, last)
            return columns_of(self, first, raw["t"], raw["x"], raw["y"], raw["p"], 0)
        per_chunk = self.table.chunks[0]
        parts = []
        for start in range(first // per_chunk * per_chunk, last, per_chunk):
            columns = self._chunk(start)
            parts.append([c[max(first - start, 0) : last - start] for c in columns])
        joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return joined[0], joined[1], joined[2], joined[3]

    def read(self, *, start: int | None = None, stop: int | None = None) -> CameraEvents:
        """Read at once the events with `start <= t < stop`, us."""
        if not self._packed or start is not None or stop is not None:
            return super().read(start=start, stop=stop)
        from spikewright.events.formats.ecf_codec import scratch

        self.irregularities.clear()
        self.known()
        whole = scratch(self.n)
        n, before = 0, None
        for at in range(0, self.n, self.table.chunks[0]):
            here = _rows_of(whole, n, None)
            got = self._decode(at, here)
            before = self._look(at, _rows_of(here, 0, got), before)
            n += got
        return CameraEvents(*_rows_of(whole, 0, n), self.header.width, self.header.height)

    def _chunk(self, start: int) -> Columns:
        from spikewright.events.formats.ecf_codec import scratch

        if self._decoded is None or self._decoded[0] != start:
            columns = scratch(0)
            n = self._decode(start, columns)
            self._decoded = start, _rows_of(columns, 0, n)
        return self._decoded[1]

    def _decode(self, start: int, columns: Columns) -> int:
        """Decode the chunk that begins at row `start` into columns; return how many events of it are there."""
        from spikewright.events.formats import ecf_codec

        expected = min(self.table.chunks[0], self.n - start)
        with reading(self.source.name):
            info = self.table.id.get_chunk_info_by_coord((start,))
            offset = -1 if info.byte_offset is None else int(info.byte_offset)
            packed = b""
            if offset >= 0 and info.size <= MAX_PACKED:
                mask, packed = self.table.id.read_direct_chunk((start,))
        if packed and mask & 1:  # stored without the filter
            raw = np.frombuffer(packed, EVENT, min(len(packed) // EVENT.itemsize, expected))
            rows = columns_of(self, start, raw["t"], raw["x"], raw["y"], raw["p"], 0)
            n, said = rows[0].size, ecf_codec.OK
            for k in range(4):
                columns[k][:n] = rows[k]
        else:
            n, said = map(int, ecf_codec.decode(np.frombuffer(packed, np.uint8), *columns))
        if n < expected or said != ecf_codec.OK:
            why = ("short", "cut", "claims too many events", "runs longer than its count")[said]
            self.irregularities.add(Kind.BAD_PACKET, offset, 1, f"chunk at row {start}: {why}")
            lost = max(expected - n, 0)
            self.irregularities.add(Kind.DROPPED, offset, lost, "events of that chunk")
        return int(min(n, expected))

    def _read_index(self) -> tuple[int, NDArray[np.int64]] | None:
        dataset = find(self.file, "CD/indexes")
        if dataset is None or dataset.dtype.names != ("id", "ts"):
            return None
        table = Table(self.source.name, dataset)
        raw = table.read(0, min(table.n, MAX_INDEX))
        try:
            origin = -int(texts(self.source, dataset)["offset"])
        except (KeyError, ValueError):
            return None
        if len(raw) and raw["ts"][0] < 0:  # the first entry stands for the time before all
            raw = raw[1:]
        ids = raw["id"].astype(np.int64)
        fine = len(ids) > 0 and ids[0] == 0 and (np.diff(ids) >= 0).all() and ids[-1] <= self.n
        return (origin, ids) if fine else None

    def _triggers(self) -> Triggers | None:
        dataset = find(self.file, "EXT_TRIGGER/events")
        if dataset is None or not {"p", "t", "id"} <= set(dataset.dtype.names or ()):
            return None
        table = Table(self.source.name, dataset)
        raw = table.read(0, table.n)
        if not len(raw):
            return None
        return Triggers(
            raw["t"].astype(np.int64), raw["id"].astype(np.uint8), (raw["p"] > 0).astype(np.uint8)
        )

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()
        super().close()


def _rows_of(columns: Columns, first: int, last: int | None) -> Columns:
    t, x, y, p = columns
    return t[first:last], x[first:last], y[first:last], p[first:last]


def from_data(reader: RowReader, header: Header) -> Header:
    """Return a header with the size that the events reach, read once through; a note says so."""
    width, height = header.width, header.height
    for at in range(0, reader.n, 1 << 20):
        _, x, y, _ = reader.rows(at, min(at + (1 << 20), reader.n))
        if x.size:
            width, height = max(width, int(x.max()) + 1), max(height, int(y.max()) + 1)
    note = f"size {width}x{height} by the events; the file does not say"
    return header.replace(width=width, height=height, notes=(*header.notes, note))


class EcfWriter(Hdf5Writer):
    """Writes events in chunks of 16384 with the index of 2 ms."""

    name = "ecf"

    def begin(self) -> None:
        """Make the groups."""
        import h5py

        self.n = 0
        self._kept: list[CameraEvents] = []
        self._waiting = 0
        self._index: list[NDArray[np.int64]] = []
        self._origin = self._latest = 0
        self._next = 0
        header = self.header
        self.hdf5.attrs["version"] = "1.0"
        self.hdf5.attrs["format"] = "HDF5"
        self.hdf5.attrs["geometry"] = f"{header.width}x{header.height}"
        if header.start:
            self.hdf5.attrs["date"] = header.start
        for name in ("serial_number", "system_ID", "sensor_name", "sensor_generation"):
            if header.details.get(name):
                self.hdf5.attrs[name] = str(header.details[name])
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((ROWS,))
        plan.set_filter(FILTER, h5py.h5z.FLAG_OPTIONAL, ())
        group = self.hdf5.create_group("CD")
        self.events = h5py.h5d.create(
            group.id,
            b"events",
            h5py.h5t.py_create(EVENT),
            h5py.h5s.create_simple((0,), (h5py.h5s.UNLIMITED,)),
            plan,
        )
        self._triggers = Triggers.empty()

    def add(self, events: CameraEvents) -> None:
        """Write events.

        Raises
        ------
        FormatError : a coordinate beyond 2047, which the codec cannot hold
        """
        from spikewright.events.formats.ecf_codec import MAX_COORDINATE

        for name, column in (("x", events.x), ("y", events.y)):
            if column.size and int(column.max()) > MAX_COORDINATE:
                raise FormatError(
                    explain(
                        str(self.path),
                        f"{name} does not fit the format",
                        found=int(column.max()),
                        expected=f"at most {MAX_COORDINATE}",
                    )
                )
        self._kept.append(events)
        self._waiting += events.n
        if self._waiting >= ROWS:
            self._write(whole=True)

    def _write(self, *, whole: bool) -> None:
        columns = [
            np.concatenate([getattr(part, name) for part in self._kept]) for name in "txyp"
        ] if self._kept else []  # fmt: skip
        n = self._waiting // ROWS * ROWS if whole else self._waiting
        self.room(n * 24)
        for at in range(0, n, ROWS):
            self._write_chunk([column[at : min(at + ROWS, n)] for column in columns])
        rest = [column[n:] for column in columns]
        self._waiting -= n
        self._kept = (
            [CameraEvents(rest[0], rest[1], rest[2], rest[3], 1, 1)] if self._waiting else []
        )

    def _write_chunk(self, columns: list[NDArray[Any]]) -> None:
        from spikewright.events.formats import ecf_codec

        t, x, y, p = columns
        self._note(t)
        n, first = t.size, self.n
        self.n += n
        if n < ROWS:  # what is filled up costs the least as runs of six columns
            fill = ROWS - n
            t, y, p = (np.concatenate([c, np.repeat(c[-1:], fill)]) for c in (t, y, p))
            x = np.concatenate([x, (np.arange(fill) % 6).astype(np.uint16)])
        out = np.empty(12 + ecf_codec.WORST_BYTES * (ROWS + ecf_codec.SLACK), np.uint8)
        size = ecf_codec.encode(t, x, y, p, out)
        self.events.set_extent((self.n,))
        self.events.write_direct_chunk((first,), out[:size].tobytes())

    def _note(self, t: NDArray[np.int64]) -> None:
        """Enter events `self.n` and on into the index."""
        if self.n == 0:
            self._origin = self._latest = int(t[0])
        reached = np.maximum.accumulate(np.maximum(t, self._latest)) - self._origin
        self._latest = int(reached[-1]) + self._origin
        last = min(int(reached[-1]) // STEP, LEAST_INDEX + PER_EVENT * (self.n + t.size))
        if last >= self._next:
            marks = np.arange(self._next, last + 1, dtype=np.int64) * STEP
            at = np.searchsorted(reached, marks)
            self._index.append(np.stack([at + self.n, reached[at]]))
            self._next = last + 1

    def add_extras(self, extras: Extras) -> None:
        """Write triggers; frames and inertial samples are refused."""
        self.refuse("frames", len(extras.frames))
        self.refuse("inertial samples", len(extras.imu or ()))
        if extras.triggers:
            joined = [
                np.concatenate([getattr(part, name) for part in (self._triggers, extras.triggers)])
                for name in ("t", "channel", "value")
            ]
            self._triggers = Triggers(*joined)

    def finish(self) -> None:
        """Write the last chunk, the index and the triggers."""
        self._write(whole=False)
        entries = np.concatenate(self._index, axis=1) if self._index else np.empty((2, 0), np.int64)
        self._table("CD", "indexes", _index(entries), str(-self._origin))
        edges = self._triggers
        rows = np.zeros(len(edges), TRIGGER)
        rows["p"], rows["t"], rows["id"] = edges.value, edges.t, edges.channel
        self._table("EXT_TRIGGER", "events", rows, None)
        origin = int(edges.t[0]) if len(edges) else 0
        reached = np.maximum.accumulate(edges.t) - origin if len(edges) else edges.t
        most = LEAST_INDEX + PER_EVENT * len(edges)
        marks = np.arange(min(int(reached[-1]) // STEP + 1, most) if len(edges) else 0) * STEP
        at = np.searchsorted(reached, marks)
        self._table("EXT_TRIGGER", "indexes", _index(np.stack([at, reached[at]])), str(-origin))

    def _table(self, group: str, name: str, rows: NDArray[Any], offset: str | None) -> None:
        self.room(rows.nbytes)
        made = self.hdf5.require_group(group).create_dataset(
            name, data=rows, chunks=(ROWS,), maxshape=(None,), track_times=False
        )
        if offset is not None:
            made.attrs["offset"] = offset


def _index(entries: NDArray[np.int64]) -> NDArray[Any]:
    rows = np.zeros(entries.shape[1] + 1 if entries.shape[1] else 0, INDEX)
    if len(rows):
        rows[0] = (0, -1)
        rows["id"][1:], rows["ts"][1:] = entries
    return rows


def _writer(path: str | os.PathLike[str], header: Header, **options: Any) -> EcfWriter:
    return EcfWriter(path, header, **options)


def _detect(head: bytes, path: Path | None) -> bool:
    return is_hdf5(head, path, lambda file: find(file, "CD/events") is not None, b"CD\0", b"EXT_TRIGGER")  # fmt: skip


FORMAT = Format(
    name="ecf",
    title="Prophesee HDF5 (ECF)",
    suffixes=(".hdf5", ".h5"),
    detect=_detect,
    reader=EcfReader,
    writer=_writer,
)
