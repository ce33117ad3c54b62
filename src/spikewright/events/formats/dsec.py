"""HDF5 files with one array per column: DSEC's layout and those that only name things otherwise.

DSEC: `events/{x, y, p, t}`, `t` in us of u4, `t_offset` to be added to it, `ms_to_idx` the first event at or after
every millisecond; Blosc with Zstandard. Left out by others: the offset, the index, or both.

Source
------
DSEC data set, format page; TUM-VIE, M3ED and E2VID pages for the other names.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.camera import CameraEvents
from spikewright.events.formats import blosc
from spikewright.events.formats.base import Format, Header, Options, sized
from spikewright.events.formats.ecf import from_data
from spikewright.events.formats.hdf5 import (
    ROWS,
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

MAX_INDEX = 1 << 24
"""Entries of an index that are read: more than four hours."""


@dataclass(frozen=True)
class Layout:
    """Where one data set keeps its columns.

    Parameters
    ----------
    title : what people call it
    group : of the columns
    names : of x, y, t and p
    index : name of the index of milliseconds, in the file
    size : of the data set's sensor, where the files do not say; None: take it from the events
    """

    title: str
    group: str
    names: tuple[str, str, str, str] = ("x", "y", "t", "p")
    index: str = "ms_to_idx"
    size: tuple[int, int] | None = None


LAYOUTS = (
    Layout("events group", "events"),
    Layout("M3ED left", "prophesee/left", index="prophesee/left/ms_map_idx", size=(1280, 720)),
    Layout("M3ED right", "prophesee/right", index="prophesee/right/ms_map_idx", size=(1280, 720)),
    Layout("E2VID", "events", ("xs", "ys", "ts", "ps")),
)
"""Layouts in the order in which they are tried; the first needs no name of its own: DSEC, TUM-VIE, EV-FlowNet."""
DSEC_SIZE = (640, 480)


def _layout(file: Any, camera: object = None) -> Layout | None:
    for layout in LAYOUTS:
        group = find(file, layout.group)
        wanted = camera is None or layout.title.endswith(str(camera))
        if wanted and hasattr(group, "keys") and set(layout.names) <= set(group.keys()):
            return layout
    return None


class DsecReader(RowReader):
    """Reads columns; options: `camera` ("left" or "right") where there are two."""

    def __init__(self, source: Source, options: Options) -> None:
        super().__init__(source, options)
        options.allow("dsec", "camera")
        self.file = open_hdf5(source)
        with reading(source.name):
            self._open()

    def _open(self) -> None:
        where = self.source.name
        layout = _layout(self.file, self.options.extra.get("camera"))
        if layout is None:
            raise FormatError(
                explain(where, "has no columns of events", expected="events/{x, y, t, p} or the like")
            )  # fmt: skip
        self._columns = [Table(where, find(self.file, f"{layout.group}/{n}")) for n in layout.names]
        self.n = min(column.n for column in self._columns)
        self._missing = max(column.claimed for column in self._columns) - self.n
        offset = find(self.file, "t_offset")
        self._offset = int(offset[()]) if offset is not None and np.ndim(offset) == 0 else 0
        self._power = 6 if self._columns[2].dtype.kind == "f" else 0
        self._index = self._read_index(layout.index)
        notes = ("times are seconds, by their type",) if self._power else ()
        header = Header("dsec", 0, 0, notes=notes, details={"layout": layout.title})
        header = sensor(texts(self.source, self.file), header)
        if not self.options.shift_time:
            self._origin = self._offset
        else:  # without the offset times begin near zero
            self._origin = 0
            header = header.replace(t_offset=self._offset)
        known = layout.size or (
            DSEC_SIZE if offset is not None and self._index is not None else None
        )
        if not header.width and known:
            header = header.replace(
                width=known[0],
                height=known[1],
                notes=(*header.notes, f"size {known[0]}x{known[1]} of the data set's camera"),
            )
        self.header = sized(header, self.options)
        if not (self.header.width and self.header.height):
            self.header = from_data(self, self.header)

    def known(self) -> None:
        """Note missing rows and a missing index."""
        if self._missing:
            self.irregularities.add(
                Kind.TRUNCATED, -1, self._missing, "rows not stored in all columns"
            )
        if self._index is None and self.n:
            self.irregularities.add(Kind.MISSING_INDEX, -1)

    def span(self, start: int | None, stop: int | None) -> tuple[int, int]:
        """Return the rows between the milliseconds around the window."""
        first, last = 0, self.n
        if self._index is None:
            return first, last
        if start is not None and (k := (start - self._origin) // 1000) > 0:
            first = int(self._index[min(k, len(self._index) - 1)])
        if stop is not None:
            k = max(-((self._origin - stop) // 1000), 0)  # rounded up
            last = int(self._index[k]) if k < len(self._index) else self.n
        return first, max(first, last)

    def rows(self, first: int, last: int) -> Columns:
        """Return rows; the offset of the file is added to the times."""
        x, y, t, p = (column.read(first, last) for column in self._columns)
        times, x, y, p = columns_of(self, first, t, x, y, p, self._power)
        return times + self._origin, x, y, p

    def _read_index(self, name: str) -> NDArray[np.int64] | None:
        dataset = find(self.file, name)
        if dataset is None or getattr(dataset, "ndim", 0) != 1 or dataset.dtype.kind not in "iu":
            return None
        table = Table(self.source.name, dataset)
        ids = table.read(0, min(table.n, MAX_INDEX)).astype(np.int64)
        fine = len(ids) and ids[0] == 0 and (np.diff(ids) >= 0).all() and ids[-1] <= self.n
        return ids if fine else None

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()
        super().close()


class DsecWriter(Hdf5Writer):
    """Writes DSEC's layout; `t_offset` is the first time."""

    name = "dsec"

    def begin(self) -> None:
        """Make the four columns."""
        import h5py

        self.hdf5.attrs["geometry"] = f"{self.header.width}x{self.header.height}"
        group = self.hdf5.create_group("events")
        self._sets = {}
        for name, dtype in (("x", "<u2"), ("y", "<u2"), ("t", "<u4"), ("p", "u1")):
            self._sets[name] = self._column(h5py, group, name, np.dtype(dtype), ROWS)
        self.n = 0
        self._waiting: list[CameraEvents] = []
        self._held = 0
        self._offset = self._latest = 0
        self._index: list[NDArray[np.int64]] = []
        self._next = 0

    @staticmethod
    def _column(h5py: Any, group: Any, name: str, dtype: np.dtype[Any], rows: int) -> Any:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((rows,))
        values = (2, 2, dtype.itemsize, rows * dtype.itemsize, 1, 1, 5)
        plan.set_filter(blosc.FILTER, h5py.h5z.FLAG_OPTIONAL, values)
        space = h5py.h5s.create_simple((0,), (h5py.h5s.UNLIMITED,))
        return h5py.h5d.create(group.id, name.encode(), h5py.h5t.py_create(dtype), space, plan)

    def add(self, events: CameraEvents) -> None:
        """Write events.

        Raises
        ------
        FormatError : a time before the first, or more than 2^32 us after it
        """
        if not events.n:
            return
        if not self.n and not self._held:
            self._offset = int(events.t[0])
        low, high = int(events.t.min()) - self._offset, int(events.t.max()) - self._offset
        if low < 0 or high >= 1 << 32:
            raise FormatError(
                explain(
                    str(self.path),
                    "times do not fit the format",
                    found=f"{low} to {high} us after the first event",
                    expected=f"0 to {(1 << 32) - 1}",
                    cure="sort and cut the recording, or write ecf",
                )
            )
        self._waiting.append(events)
        self._held += events.n
        if self._held >= ROWS:
            self._write(whole=True)

    def _write(self, *, whole: bool) -> None:
        n = self._held // ROWS * ROWS if whole else self._held
        if not n:
            return
        self.room(n * 9)
        columns = {k: np.concatenate([getattr(part, k) for part in self._waiting]) for k in "txyp"}
        reached = np.maximum.accumulate(np.maximum(columns["t"][:n] - self._offset, self._latest))
        self._latest = int(reached[-1])
        marks = np.arange(self._next, self._latest // 1000 + 1, dtype=np.int64)
        self._index.append(np.searchsorted(reached, marks * 1000) + self.n)
        self._next = self._latest // 1000 + 1
        for name, dataset in self._sets.items():
            column = columns[name][:n]
            if name == "t":
                column = column - self._offset
            self._append(dataset, self.n, column.astype(dataset.dtype), ROWS)
        rest = [columns[name][n:] for name in "txyp"]
        self.n += n
        self._held -= n
        self._waiting = (
            [CameraEvents(rest[0], rest[1], rest[2], rest[3], 1, 1)] if self._held else []
        )

    @staticmethod
    def _append(dataset: Any, first: int, column: NDArray[Any], rows: int) -> None:
        dataset.set_extent((first + column.size,))
        for at in range(0, column.size, rows):
            piece = column[at : at + rows]
            piece = np.concatenate([piece, np.zeros(rows - piece.size, piece.dtype)])
            packed = blosc.encode(piece.view(np.uint8), piece.dtype.itemsize)
            dataset.write_direct_chunk((first + at,), packed)

    def finish(self) -> None:
        """Write the rest, the offset and the index."""
        import h5py

        self._write(whole=False)
        end = [np.array([self.n], np.int64)] if self.n else []
        index = np.concatenate([*self._index, *end]) if self.n else np.empty(0, np.int64)
        self.hdf5["t_offset"] = np.int64(self._offset)
        self.room(index.nbytes)
        made = self._column(h5py, self.hdf5, "ms_to_idx", np.dtype("<u8"), max(index.size, 1))
        if index.size:
            self._append(made, 0, index.astype("<u8"), index.size)


def _writer(path: str | os.PathLike[str], header: Header, **options: Any) -> DsecWriter:
    return DsecWriter(path, header, **options)


def _detect(head: bytes, path: Path | None) -> bool:
    return is_hdf5(head, path, lambda file: _layout(file) is not None, b"events", b"ms_to_idx")


FORMAT = Format(
    name="dsec",
    title="DSEC HDF5",
    suffixes=(".h5", ".hdf5"),
    detect=_detect,
    reader=DsecReader,
    writer=_writer,
)
