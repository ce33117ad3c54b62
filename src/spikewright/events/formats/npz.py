"""NumPy files: `.npz` with one array per column or one table of events, and `.npy` with a table.

Accepted: arrays t, x, y, p under their usual names; one structured array with such fields in any order (`event_data`,
`events`, ...); or an array of four columns, whose meaning is guessed as for text and told in `Header.notes`. Where a
file holds several tables, the option `array` names one. Arrays are read as streams, so memory stays bounded; nothing in
a file is ever executed.
"""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from copy import copy
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, SpikewrightError, explain
from spikewright.events.camera import COLUMNS, CameraEvents
from spikewright.events.formats.base import Format, Header, Options, Writer, sized
from spikewright.events.formats.ecf import from_data
from spikewright.events.formats.rows import Columns, RowReader, columns_of
from spikewright.events.formats.source import Source
from spikewright.events.formats.text_sniff import UNITS
from spikewright.events.irregular import Kind

NAMES = {
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
    "x": ("x", "xs", "x_pos", "x_position"),
    "y": ("y", "ys", "y_pos", "y_position"),
    "p": ("p", "ps", "pol", "polarity", "polarities", "on", "is_on"),
}
"""Column -> the names under which it is found."""
NPY = b"\x93NUMPY"
_SAMPLE = 4096
"""Rows by which the columns of a table are told apart."""
_PIECE = 1 << 20


class SourceFile:
    """A source as a file that can be read and searched, for the zip reader."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.at = 0

    def read(self, n: int = -1) -> bytes:
        """Return `n` bytes, or all that follow."""
        n = self.source.size - self.at if n is None or n < 0 else n
        data = self.source.window(self.at, n, least=n).tobytes()
        self.at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self.at = max(offset + (0, self.at, self.source.size if whence == 2 else 0)[whence], 0)
        return self.at

    def tell(self) -> int:
        """Return the place."""
        return self.at

    def seekable(self) -> bool:
        """Return that any place can be gone to."""
        return True


class Array:
    """An .npy array of one or two axes that is read from front to back; going back reads from the start again.

    Parameters
    ----------
    name : for messages
    reopen : gives the bytes of the array, header first
    size : bytes of all
    """

    def __init__(self, name: str, reopen: Callable[[], IO[bytes]], size: int) -> None:
        self.name = name
        self._reopen = reopen
        self._stream = reopen()
        version = np.lib.format.read_magic(self._stream)
        header = getattr(np.lib.format, f"read_array_header_{version[0]}_0", None)
        if header is None:
            raise FormatError(explain(name, "is of an unknown .npy version", found=version))
        self.shape, by_column, self.dtype = header(self._stream)
        if self.dtype.hasobject:
            raise FormatError(
                explain(name, "holds Python objects, which are never loaded", expected="numbers")
            )
        self._first = self._stream.tell()
        self.is_rows = len(self.shape) in (1, 2)
        self.by_column = by_column and len(self.shape) == 2
        self.row = self.dtype.itemsize * math.prod(self.shape[1:])
        self.claimed = int(self.shape[0]) if self.shape else 0
        self.n = min(self.claimed, max(size - self._first, 0) // max(self.row, 1))
        self._at = 0

    def columns(self) -> list[Array]:
        """Return the columns of a table that is stored column after column, each with a stream of its own."""
        parts = []
        for k in range(self.shape[1]):
            part = copy(self)
            part._stream = self._reopen()
            part.shape, part.row, part.by_column = self.shape[:1], self.dtype.itemsize, False
            part._first = self._first + k * self.claimed * self.dtype.itemsize
            part._skip(part._first)
            parts.append(part)
        return parts

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return rows `first` to `last`; fewer where the stream ends."""
        if first < self._at:
            self._stream.close()
            self._stream = self._reopen()
            self._skip(self._first)
            self._at = 0
        self._skip((first - self._at) * self.row)
        data = self._stream.read((last - first) * self.row)
        rows = len(data) // max(self.row, 1)
        self._at = first + rows
        return np.frombuffer(data, self.dtype, rows * math.prod(self.shape[1:])).reshape(
            rows, *self.shape[1:]
        )

    def _skip(self, n: int) -> None:
        while n > 0:
            got = len(self._stream.read(min(n, _PIECE)))
            if not got:
                return
            n -= got

    def close(self) -> None:
        """Let go of the stream."""
        self._stream.close()


@contextmanager
def _reading(where: str):  # type: ignore[no-untyped-def]
    try:
        yield
    except SpikewrightError:
        raise
    except (
        Exception
    ) as error:  # the parsers of archives and headers raise whatever damaged bytes lead them to
        said = str(error)[:200].partition("\n")[0]
        raise FormatError(
            explain(where, "cannot be read", found=said, cure="copy or make it again")
        ) from None


class NpzReader(RowReader):
    """Reads columns or a table; options: `array`, its name in the file; `columns` of a table, as "xypt"; `unit`."""

    def __init__(self, source: Source, options: Options) -> None:
        super().__init__(source, options)
        options.allow("npz", "array", "columns", "unit")
        unit = options.extra.get("unit")
        if unit is not None and unit not in UNITS:
            raise FormatError(
                explain("options", "no unit of time", found=unit, expected=", ".join(UNITS))
            )
        self._stack = ExitStack()
        self._sensor = (0, 0)
        self._t_offset = 0
        self._notes: list[str] = []
        self._fields: dict[str, str] | None = None
        self._order = ""
        with _reading(source.name):
            self._open()
        self._power = self._unit(unit)
        header = Header("npz", *self._sensor, t_offset=self._t_offset, notes=tuple(self._notes))
        self.header = sized(header, options)
        if not (self.header.width and self.header.height):
            self.header = from_data(self, self.header)

    def _open(self) -> None:
        where, wanted = self.source.name, self.options.extra.get("array")
        arrays = self._arrays()
        self._sizes(arrays)
        columns = {
            column: next((n for n in names if n in arrays and arrays[n].is_rows), None)
            for column, names in NAMES.items()
        }
        if wanted is None and None not in columns.values():
            self._parts = [arrays[str(columns[c])] for c in "txyp"]
        else:
            tables = {n: a for n, a in arrays.items() if _is_table(a)}
            if wanted is not None:
                tables = {n: a for n, a in tables.items() if n == wanted}
            if len(tables) != 1:
                raise FormatError(
                    explain(
                        where,
                        "holds several tables of events" if tables else "holds no events",
                        found=", ".join(sorted(arrays)[:8]) or "no array",
                        expected="arrays t, x, y, p, or a table of them",
                        cure="name one with the option array" if tables else None,
                    )
                )
            self._parts = [*tables.values()]
            self._notes += [f"the table {n!r}" for n in tables if n]
            if self._parts[0].by_column:
                self._parts = self._parts[0].columns()
            self._tell_columns(self._parts)
        for array in arrays.values():
            if array not in self._parts:
                array.close()
        for array in self._parts:
            self._stack.callback(array.close)
        lengths = {array.claimed for array in self._parts}
        if len(lengths) > 1:
            raise FormatError(explain(where, "columns differ in length", found=sorted(lengths)))
        self.n = min(array.n for array in self._parts)
        self._missing = lengths.pop() - self.n

    def _arrays(self) -> dict[str, Array]:
        source = self.source
        if source.window(0, 6, least=6).tobytes() == NPY:

            def whole() -> Any:
                return _Stream(source)

            return {"": Array(source.name, whole, source.size)}
        archive = self._stack.enter_context(zipfile.ZipFile(SourceFile(source)))
        arrays: dict[str, Array] = {}
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name == entry.filename or entry.flag_bits & 1:
                continue

            def member(entry: zipfile.ZipInfo = entry) -> Any:
                return _Member(archive, entry)

            try:
                # deflate cannot make more than 1032 of one
                size = min(entry.file_size, 1032 * min(entry.compress_size, source.size) + 1024)
                arrays[name] = Array(f"{source.name}: {name}", member, size)
            except FormatError:
                if name in (self.options.extra.get("array"), *sum(NAMES.values(), ())):
                    raise
                self._notes.append(f"the array {name!r} cannot be read, or is of objects")
        return arrays

    def _sizes(self, arrays: dict[str, Array]) -> None:
        numbers = {}
        for name in ("width", "height", "t_offset"):
            array = arrays.get(name)
            if array is not None and array.shape == () and array.dtype.kind in "iu":
                numbers[name] = int.from_bytes(
                    array._stream.read(array.dtype.itemsize), "little", signed=True
                )
        if 0 < numbers.get("width", 0) <= 65536 and 0 < numbers.get("height", 0) <= 65536:
            self._sensor = numbers["width"], numbers["height"]
        self._t_offset = numbers.get("t_offset", 0)

    def _tell_columns(self, parts: list[Array]) -> None:
        table = parts[0]
        names = table.dtype.names
        if names is not None:
            self._fields = {c: next(n for n in known if n in names) for c, known in NAMES.items()}
            return
        wanted = self.options.extra.get("columns")
        if wanted is not None:
            self._order = "".join(c for c in str(wanted) if c not in ", ")
            if sorted(self._order) != ["p", "t", "x", "y"]:
                raise FormatError(
                    explain("options", "columns name not each of t, x, y and p once", found=wanted)
                )
            return
        samples = [part.read(0, min(part.n, _SAMPLE)) for part in parts]
        order = _told(samples[0] if len(parts) == 1 else np.stack(samples, axis=1))
        if order is None:
            raise FormatError(
                explain(table.name, "cannot tell which column is what", cure="name them: columns='txyp'")
            )  # fmt: skip
        self._order = order
        self._notes.append(f"columns {' '.join(order)}, by their values; nothing names them")

    def _unit(self, unit: str | None) -> int:
        if unit is not None:
            self._notes.append(f"times in {unit}, by the caller")
            return UNITS[unit]
        part = self._parts[0]  # without fields, either the times or all four columns of one type
        kind = part.dtype[self._fields["t"]].kind if self._fields else part.dtype.kind
        if kind != "f":
            return 0
        with _reading(self.source.name):
            t = self._raw(0, min(self.n, _SAMPLE))[0]
        if self.n and t.max(initial=0) >= 1000 and (t == np.rint(t)).all():
            self._notes.append("times in us: whole numbers")
            return 0
        self._notes.append("times in s, by their fractions")
        return UNITS["s"]

    def _raw(self, first: int, last: int) -> list[NDArray[Any]]:
        if len(self._parts) == 4:
            read = {
                c: part.read(first, last)
                for c, part in zip(self._order or "txyp", self._parts, strict=True)
            }
            raw = [read[c] for c in "txyp"]
        else:
            table = self._parts[0].read(first, last)
            if self._fields is not None:
                raw = [table[self._fields[c]] for c in "txyp"]
            else:
                raw = [table[:, self._order.index(c)] for c in "txyp"]
        n = min(column.shape[0] for column in raw)
        return [column[:n] for column in raw]

    def known(self) -> None:
        """Note missing rows."""
        if self._missing:
            self.irregularities.add(Kind.TRUNCATED, -1, self._missing, "rows not stored")

    def rows(self, first: int, last: int) -> Columns:
        """Return rows."""
        with _reading(self.source.name):
            t, x, y, p = self._raw(first, last)
        if t.size < last - first:
            self.irregularities.add(Kind.TRUNCATED, -1, last - first - t.size, f"rows from {first}")
        return columns_of(self, first, t, x, y, p, self._power)

    def close(self) -> None:
        """Let go of the file."""
        self._stack.close()
        super().close()


class _Stream(SourceFile):
    def close(self) -> None:
        """Nothing to let go of: the source is closed by its reader."""


class _Member:
    """An entry of a zip whose place counts from its own start."""

    def __init__(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        self._file = archive.open(entry)
        self._at = 0

    def read(self, n: int = -1) -> bytes:
        data = self._file.read(n)
        self._at += len(data)
        return data

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        self._file.close()


def _is_table(array: Array) -> bool:
    names = array.dtype.names
    if names is not None:
        return len(array.shape) == 1 and all(set(known) & set(names) for known in NAMES.values())
    return array.is_rows and array.shape[1:] == (4,) and array.dtype.kind in "iuf"


def _told(rows: NDArray[Any]) -> str | None:
    """Tell four columns apart: polarities are few, times do not fall and reach furthest, x stands before y."""
    if not len(rows):
        return "txyp"
    small = [k for k in range(4) if np.isin(rows[:, k], (-1, 0, 1)).all()]
    rising = [k for k in range(4) if (rows[1:, k] >= rows[:-1, k]).all()]
    among = [k for k in rising if k not in small] or rising
    if not small or not among:
        return None
    time = max(among, key=lambda k: (float(rows[-1, k]) - float(rows[0, k]), float(rows[0, k]), -k))
    signs = [k for k in small if k != time]
    if not signs:
        return None
    order = ["x", "y", "x", "y"]
    rest = [k for k in range(4) if k not in (time, max(signs))]
    order[time], order[max(signs)], order[rest[0]], order[rest[1]] = "t", "p", "x", "y"
    return "".join(order)


class NpzWriter(Writer):
    """Writes t, x, y, p, width and height, compressed; columns wait in unnamed files, so memory stays bounded."""

    name = "npz"

    def begin(self) -> None:
        """Open a file per column."""
        import tempfile

        self.n = 0
        self._spools = {
            name: self._stack.enter_context(tempfile.TemporaryFile(dir=self.path.parent))  # noqa: SIM115
            for name in COLUMNS
        }

    def add(self, events: CameraEvents) -> None:
        """Write events."""
        for name, spool in self._spools.items():
            spool.write(getattr(events, name).tobytes())
        self.n += events.n

    def finish(self) -> None:
        """Pack the columns into the zip."""
        with zipfile.ZipFile(self.file, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            for name, dtype in COLUMNS.items():
                spool = self._spools[name]
                spool.seek(0)
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    head = {
                        "descr": np.dtype(dtype).newbyteorder("<").str,
                        "fortran_order": False,
                        "shape": (self.n,),
                    }
                    np.lib.format.write_array_header_1_0(entry, head)
                    while piece := spool.read(_PIECE):
                        entry.write(piece)
            numbers = {
                "width": self.header.width,
                "height": self.header.height,
                "t_offset": self.header.t_offset,
            }
            for name, value in numbers.items():
                with archive.open(f"{name}.npy", "w") as entry:
                    np.lib.format.write_array(entry, np.array(value, np.int64))


def _writer(path: str | os.PathLike[str], header: Header, **options: Any) -> NpzWriter:
    return NpzWriter(path, header, **options)


def _detect(head: bytes, path: Path | None) -> bool:
    if head.startswith(NPY):
        return True
    return head.startswith(b"PK\x03\x04") and b".npy" in head[:512]


FORMAT = Format(
    name="npz",
    title="NumPy npz or npy",
    suffixes=(".npz", ".npy"),
    detect=_detect,
    reader=NpzReader,
    writer=_writer,
)
