"""Readers of formats that are tables: event k stands in row k, so any rows can be read without those before them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.camera import COLUMNS, CameraEvents
from spikewright.events.formats.base import CHUNK, Reader
from spikewright.events.irregular import Kind

Columns = tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint8]]
FARTHEST = 2.0**62
"""us; what no clock says."""


class RowReader(Reader):
    """Reads rows in pieces and windows of time.

    Attributes
    ----------
    n : int, rows that are really there
    """

    n: int

    @abstractmethod
    def rows(self, first: int, last: int) -> Columns:
        """Return the columns t, x, y, p of rows `first` to `last`, without those that cannot be read."""

    def span(self, start: int | None, stop: int | None) -> tuple[int, int]:
        """Return the rows among which all events with `start <= t < stop` are; all, unless the format has an index."""
        return 0, self.n

    def known(self) -> None:
        """Note the irregularities that were found when the file was opened."""

    def chunks(
        self, *, start: int | None = None, stop: int | None = None, size: int = CHUNK
    ) -> Iterator[CameraEvents]:
        """Read in pieces; see `Reader.chunks`. An index is trusted: it is right where times do not run backwards."""
        if size < 1:
            raise FormatError(explain("chunks", "size is no number of events", found=size))
        self.irregularities.clear()
        self.known()
        first, last = (0, self.n) if start is None and stop is None else self.span(start, stop)
        before: int | None = None
        for at in range(first, last, size):
            columns = self.rows(at, min(at + size, last))
            before = self._look(at, columns, before)
            t = columns[0]
            if start is not None or stop is not None:
                kept = np.ones(t.size, np.bool_)
                if start is not None:
                    kept &= t >= start
                if stop is not None:
                    kept &= t < stop
                if not kept.all():
                    columns = tuple(column[kept] for column in columns)  # type: ignore[assignment]
            if columns[0].size:
                yield CameraEvents(*columns, self.header.width, self.header.height)

    def read(self, *, start: int | None = None, stop: int | None = None) -> CameraEvents:
        """Read at once the events with `start <= t < stop`, us."""
        if start is not None or stop is not None:
            return super().read(start=start, stop=stop)
        whole: list[NDArray[Any]] = [np.empty(self.n, dtype) for dtype in COLUMNS.values()]
        n = 0
        for part in self.chunks():
            for column, read in zip(whole, (part.t, part.x, part.y, part.p), strict=True):
                column[n : n + part.n] = read
            n += part.n
        t, x, y, p = (column[:n] for column in whole)
        return CameraEvents(t, x, y, p, self.header.width, self.header.height)

    def _look(self, at: int, columns: Columns, before: int | None) -> int | None:
        """Count what lies outside the sensor and times that run backwards; return the last time."""
        t, x, y, _ = columns
        if t.size == 0:
            return before
        outside = (x >= self.header.width) | (y >= self.header.height)
        if (n := int(np.count_nonzero(outside))) > 0:
            self.irregularities.add(Kind.OUTSIDE, -1, n, f"near row {at + int(np.argmax(outside))}")
        backwards = t[1:] < t[:-1]
        n = int(np.count_nonzero(backwards)) + (before is not None and int(t[0]) < before)
        if n:
            self.irregularities.add(Kind.BACKWARDS, -1, n, f"in rows from {at}")
        return int(t[-1])


def microseconds(raw: NDArray[Any], power: int) -> NDArray[np.int64]:
    """Return times of a unit of 10^power us, rounded; where one is no time, the smallest int64.

    Parameters
    ----------
    raw : integers or floats
    power : int, 6 for s, 0 for us, -3 for ns
    """
    if raw.dtype.kind in "iu":
        if power == 0 and (raw.dtype.kind == "i" or raw.dtype.itemsize < 8):
            return raw.astype(np.int64, copy=False)
        if power < 0:
            tens = raw.dtype.type(10**-power)
            quotient, rest = np.divmod(raw, tens)
            up: NDArray[np.int64] = (rest >= tens // 2).astype(np.int64)
            return quotient.astype(np.int64) + up
        far = (raw > FARTHEST / 10**power) | (raw < -FARTHEST / 10**power)
        return np.where(far, np.iinfo(np.int64).min, raw.astype(np.int64) * 10**power)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(raw.astype(np.float64) * 10.0**power)
    fine = np.abs(scaled) < FARTHEST  # false for NaN
    return np.where(fine, np.where(fine, scaled, 0).astype(np.int64), np.iinfo(np.int64).min)


def columns_of(
    reader: Reader, at: int, t: NDArray[Any], x: NDArray[Any], y: NDArray[Any], p: NDArray[Any], power: int
) -> Columns:  # fmt: skip
    """Make columns of what a table holds; rows that are no events are left out and counted.

    Parameters
    ----------
    reader : whose irregularities they are
    at : int, number of the first row
    t, x, y, p : numbers of any type, of one length
    power : int, unit of `t` as for `microseconds`
    """
    times = microseconds(t, power)
    fine = times != np.iinfo(np.int64).min
    for raw in (x, y):
        if raw.dtype.kind != "u" or raw.dtype.itemsize > 2:
            with np.errstate(invalid="ignore"):
                fine &= (raw >= 0) & (raw <= 65535)
    if (n := fine.size - int(np.count_nonzero(fine))) > 0:
        row = at + int(np.argmin(fine))
        reader.irregularities.add(Kind.DROPPED, -1, n, f"time or address of row {row} is none")
        times, x, y, p = times[fine], x[fine], y[fine], p[fine]
    if x.dtype.kind == "f":
        x, y = np.rint(x), np.rint(y)
    return (
        times,
        x.astype(np.uint16, copy=False),
        y.astype(np.uint16, copy=False),
        (p > 0).view(np.uint8),
    )
