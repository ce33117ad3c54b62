"""HDF5 files with one table of events: MVSEC's `davis/left/events`, and v2e's `events`.

MVSEC: rows x, y, t in s, p of -1 or 1, as float64; seconds near 1.5e9 keep a quarter of a microsecond, so times are
rounded to it. Beside them pictures (`image_raw`, `image_raw_ts`) and inertial samples (`imu`, `imu_ts`: acceleration in
m/s^2, rotation in rad/s). v2e: rows t in us, x, y, p of 0 or 1, as u4.

Source
------
MVSEC data set, format page; v2e, output of its DVS files.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.camera import CameraEvents, Extras, Frame, Imu
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
from spikewright.events.formats.rows import Columns, RowReader, columns_of, microseconds
from spikewright.events.formats.source import Source
from spikewright.events.irregular import Kind

GRAVITY = 9.80665
"""m/s^2 (CGPM 1901)."""
DAVIS346 = (346, 260)
TABLES = {
    "davis/left/events": ("left", "xytp"),
    "davis/right/events": ("right", "xytp"),
    "events": ("", "txyp"),
}
"""Name of a table -> camera, and what its columns are."""


def _table(file: Any, camera: object = None) -> str | None:
    for name, (side, _) in TABLES.items():
        dataset = find(file, name)
        fits = camera is None or camera == side
        if fits and getattr(dataset, "ndim", 0) == 2 and dataset.shape[1] == 4:
            return name
    return None


class MvsecReader(RowReader):
    """Reads a table; options: `camera` ("left" or "right"), `frames` (true: load the pictures)."""

    def __init__(self, source: Source, options: Options) -> None:
        super().__init__(source, options)
        options.allow("mvsec", "camera", "frames")
        self.file = open_hdf5(source)
        with reading(source.name):
            self._open()

    def _open(self) -> None:
        where = self.source.name
        name = _table(self.file, self.options.extra.get("camera"))
        if name is None:
            raise FormatError(
                explain(where, "has no table of events", expected=" or ".join(TABLES), cure="name the camera")
            )  # fmt: skip
        self._table = Table(where, find(self.file, name))
        self.n = self._table.n
        self._order = TABLES[name][1]
        self._power = 6 if self._table.dtype.kind == "f" else 0
        self._group = name.rpartition("/")[0]
        header = sensor(
            texts(self.source, self.file), Header("mvsec", 0, 0, details={"table": name})
        )
        images = find(self.file, f"{self._group}/image_raw") if self._group else None
        if not header.width and self._group:
            header = header.replace(
                width=DAVIS346[0],
                height=DAVIS346[1],
                notes=(*header.notes, "size 346x260 of the data set's camera"),
            )
        if images is not None and not self.options.extra.get("frames"):
            note = f"holds {images.shape[0]} pictures; the option frames=True loads them"
            header = header.replace(notes=(*header.notes, note))
        self.header = sized(header, self.options)
        if not (self.header.width and self.header.height):
            self.header = from_data(self, self.header)
        self.extras = Extras(imu=self._imu())
        if images is not None and self.options.extra.get("frames"):
            self.extras.frames = self._frames(images)

    def known(self) -> None:
        """Note missing rows."""
        if (missing := self._table.claimed - self.n) > 0:
            self.irregularities.add(Kind.TRUNCATED, -1, missing, "rows not stored")

    def rows(self, first: int, last: int) -> Columns:
        """Return rows."""
        raw = self._table.read(first, last)
        t, x, y, p = (raw[:, self._order.index(name)] for name in "txyp")
        return columns_of(self, first, t, x, y, p, self._power)

    def _imu(self) -> Imu | None:
        samples = find(self.file, f"{self._group}/imu") if self._group else None
        times = find(self.file, f"{self._group}/imu_ts") if self._group else None
        if samples is None or times is None or samples.ndim != 2 or samples.shape[1] < 6:
            return None
        table, clock = Table(self.source.name, samples), Table(self.source.name, times)
        n = min(table.n, clock.n)
        raw = table.read(0, n).astype(np.float32)
        nothing = np.zeros((n, 3), np.float32)
        return Imu(
            microseconds(clock.read(0, n), 6),
            raw[:, :3] / np.float32(GRAVITY),
            np.degrees(raw[:, 3:6]),
            nothing,
            nothing[:, 0],
        )

    def _frames(self, images: Any) -> list[Frame]:
        clock = find(self.file, f"{self._group}/image_raw_ts")
        if clock is None or images.ndim != 3 or images.dtype.kind != "u":
            return []
        n = min(int(images.shape[0]), Table(self.source.name, clock).n)
        if not images.id.get_storage_size():
            return []
        times = microseconds(clock[:n], 6)
        return [Frame(int(t), int(t), int(t), 0, 0, images[k]) for k, t in enumerate(times)]

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()
        super().close()


class MvsecWriter(Hdf5Writer):
    """Writes MVSEC's layout, left camera."""

    name = "mvsec"

    def begin(self) -> None:
        """Make the table."""
        self.n = 0
        self.hdf5.attrs["geometry"] = f"{self.header.width}x{self.header.height}"
        self._events = self._grown("davis/left/events", np.dtype("<f8"), (4,))

    def _grown(self, name: str, dtype: np.dtype[Any], row: tuple[int, ...]) -> Any:
        return self.hdf5.create_dataset(
            name,
            (0, *row),
            dtype,
            maxshape=(None, *row),
            chunks=(ROWS if not row or row == (4,) else 1024 if row == (6,) else 1, *row),
            compression="gzip",
            compression_opts=4,
            track_times=False,
        )

    def _extend(self, dataset: Any, rows: NDArray[Any]) -> None:
        self.room(rows.nbytes)
        n = dataset.shape[0]
        dataset.resize(n + len(rows), axis=0)
        dataset[n:] = rows

    def _seconds(self, t: NDArray[np.int64]) -> NDArray[np.float64]:
        seconds = t / 1e6
        if not np.array_equal(microseconds(seconds, 6), t):
            raise FormatError(
                explain(
                    str(self.path),
                    "times do not fit float64 seconds to the microsecond",
                    found=f"up to {int(t.max())} us",
                    cure="shift the times, or write another format",
                )
            )
        return seconds

    def add(self, events: CameraEvents) -> None:
        """Write events.

        Raises
        ------
        FormatError : times that float64 seconds cannot hold to the microsecond
        """
        if events.n:
            sign = events.p.astype(np.float64) * 2 - 1
            seconds = self._seconds(events.t)
            self._extend(self._events, np.stack([events.x, events.y, seconds, sign], axis=1))

    def add_extras(self, extras: Extras) -> None:
        """Write gray pictures of the whole sensor and inertial samples; triggers are refused."""
        self.refuse("triggers", len(extras.triggers or ()))
        shape = (self.header.height, self.header.width)
        gray = [f for f in extras.frames if f.pixels.shape == shape and f.pixels.dtype == np.uint8]
        self.refuse("pictures other than 8-bit gray of the whole sensor", len(extras.frames) - len(gray))  # fmt: skip
        place = self.hdf5["davis/left"]
        if gray:
            if "image_raw" not in place:
                self._grown("davis/left/image_raw", np.dtype("u1"), shape)
                self._grown("davis/left/image_raw_ts", np.dtype("<f8"), ())
            for frame in gray:
                self._extend(place["image_raw"], frame.pixels[None])
            times = np.array([frame.t for frame in gray], np.int64)
            self._extend(place["image_raw_ts"], self._seconds(times))
        if extras.imu:
            if "imu" not in place:
                self._grown("davis/left/imu", np.dtype("<f8"), (6,))
                self._grown("davis/left/imu_ts", np.dtype("<f8"), ())
            acc = extras.imu.acc.astype(np.float64) * GRAVITY
            rows = np.concatenate([acc, np.radians(extras.imu.gyro.astype(np.float64))], axis=1)
            self._extend(place["imu"], rows)
            self._extend(place["imu_ts"], self._seconds(extras.imu.t))


def _writer(path: str | os.PathLike[str], header: Header, **options: Any) -> MvsecWriter:
    return MvsecWriter(path, header, **options)


def _detect(head: bytes, path: Path | None) -> bool:
    return is_hdf5(head, path, lambda file: _table(file) is not None, b"davis", b"left")


FORMAT = Format(
    name="mvsec",
    title="MVSEC HDF5",
    suffixes=(".hdf5", ".h5"),
    detect=_detect,
    reader=MvsecReader,
    writer=_writer,
)
