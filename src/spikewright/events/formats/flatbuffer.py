"""FlatBuffers, as far as AEDAT 4 needs them: tables, strings and vectors, every offset checked, and written.

A buffer is bytes `[u32 size][u32 root][4-byte identifier] ...`; offsets count from where they stand. A table begins
with an int32, its distance from its vtable; a vtable is u16 numbers: own size, size of the table, then for each field
where it lies in the table, 0 where it is left out and has its default. Vectors and strings begin with a u32 count.

Nothing here believes a number of the file: what would lie outside the buffer raises `Damaged`, and counts are compared
with the bytes that are there before anything is taken.

Source
------
FlatBuffers internals, flatbuffers.dev/internals (encoding of tables, vtables, vectors, alignment)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Buffer = Any
"""Bytes, or anything that can be indexed and unpacked like them."""


class Damaged(ValueError):
    """An offset or a count points outside the buffer."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table at byte `at` of a buffer, its vtable checked.

    Parameters
    ----------
    buffer : the whole buffer
    at : of the table
    fields : where each field lies, counted from `at`; 0 where it is left out
    """

    buffer: Buffer
    at: int
    fields: tuple[int, ...]

    def scalar(self, field: int, form: str, default: float = 0) -> Any:
        """Return a number of `struct` form such as ``<q``, or its default."""
        place = self._place(field)
        return default if place is None else _number(self.buffer, form, place)

    def vector(self, field: int, itemsize: int) -> tuple[int, int]:
        """Return where the elements of a vector begin and how many they are; (0, 0) where it is left out."""
        place = self._place(field)
        if place is None:
            return 0, 0
        start = place + int(_number(self.buffer, "<I", place))
        count = int(_number(self.buffer, "<I", start))
        if count * itemsize > len(self.buffer) - start - 4:
            raise Damaged(f"a vector of {count} at {start} does not fit")
        return start + 4, count

    def octets(self, field: int) -> bytes:
        """Return a vector of bytes, or a string."""
        start, count = self.vector(field, 1)
        return bytes(self.buffer[start : start + count])

    def place(self, field: int) -> int:
        """Return where a field lies in the buffer, 0 where it is left out."""
        return self._place(field) or 0

    def _place(self, field: int) -> int | None:
        if field >= len(self.fields) or self.fields[field] == 0:
            return None
        return self.at + self.fields[field]


def root(buffer: Buffer, identifier: bytes) -> Table:
    """Return the root table of a size-prefixed buffer.

    Raises
    ------
    Damaged : too short, of another identifier, or an offset points outside
    """
    if bytes(buffer[8:12]) != identifier:
        raise Damaged(f"identifier {bytes(buffer[8:12])!r}")
    return _table(buffer, 4 + int(_number(buffer, "<I", 4)))


def columns(table: Table, field: int, kinds: dict[int, np.dtype[Any]]) -> dict[int, NDArray[Any]]:
    """Read a vector of tables as one array per field; 0 where a table leaves a field out.

    Parameters
    ----------
    table : that holds the vector
    field : of the vector
    kinds : field of the tables -> its NumPy type

    Raises
    ------
    Damaged : an offset points outside
    """
    start, count = table.vector(field, 4)
    octets = np.frombuffer(table.buffer, np.uint8)
    places = start + 4 * np.arange(count)
    at = places + _gather(octets, places, np.dtype("<u4")).astype(np.int64)
    vtable = at - _gather(octets, at, np.dtype("<i4")).astype(np.int64)
    size = _gather(octets, vtable, np.dtype("<u2")).astype(np.int64)
    found = {}
    for number, kind in kinds.items():
        inside = size >= 6 + 2 * number
        offset = np.zeros(count, np.int64)
        offset[inside] = _gather(octets, vtable[inside] + 4 + 2 * number, np.dtype("<u2"))
        there = offset > 0
        found[number] = np.zeros(count, kind.newbyteorder("="))
        found[number][there] = _gather(octets, (at + offset)[there], kind)
    return found


def _gather(
    octets: NDArray[np.uint8], places: NDArray[np.int64], kind: np.dtype[Any]
) -> NDArray[Any]:
    """Return numbers from any places of a buffer."""
    if places.size and (places.min() < 0 or places.max() + kind.itemsize > octets.size):
        raise Damaged("an offset points outside the buffer")
    taken = octets[places[:, np.newaxis] + np.arange(kind.itemsize)]
    found: NDArray[Any] = taken.reshape(-1).view(kind)
    return found


def _table(buffer: Buffer, at: int) -> Table:
    vtable = at - int(_number(buffer, "<i", at))
    size = int(_number(buffer, "<H", vtable))
    if size < 4 or size % 2 or vtable + size > len(buffer):
        raise Damaged(f"a vtable of {size} bytes at {vtable}")
    return Table(buffer, at, struct.unpack_from(f"<{size // 2}H", buffer, vtable)[2:])


def _number(buffer: Buffer, form: str, at: int) -> Any:
    if at < 0 or at + struct.calcsize(form) > len(buffer):
        raise Damaged(f"an offset points to {at} of {len(buffer)} bytes")
    return struct.unpack_from(form, buffer, at)[0]


# --- writing ---------------------------------------------------------------------------------------------------------

ALIGNMENT = 8
"""Everything starts at a multiple of it, counted from the size prefix: enough for int64 and structs that hold one."""


@dataclass(frozen=True)
class Block:
    """Bytes that a field points to: a vector or string, its count included, whose elements start aligned."""

    data: bytes


def octets(data: bytes) -> Block:
    """Return a vector of bytes."""
    return Block(struct.pack("<I", len(data)) + data)


def text(line: str) -> Block:
    """Return a string; a zero byte follows what is counted."""
    data = line.encode()
    return Block(struct.pack("<I", len(data)) + data + b"\0")


def structs(rows: NDArray[Any]) -> Block:
    """Return a vector of structs from a structured array."""
    return Block(struct.pack("<I", len(rows)) + rows.tobytes())


def tables(columns: dict[int, NDArray[Any]]) -> Block:
    """Return a vector of tables that all have the same fields.

    Parameters
    ----------
    columns : field -> its value in each table; every field is written, also where it has its default
    """
    vtable, dtype, names = _layout({field: column.dtype for field, column in columns.items()})
    n = len(next(iter(columns.values())))
    rows = np.zeros(n, dtype)
    for field, column in columns.items():
        rows[names[field]] = column
    # count, then one offset per table, then the one vtable, then the tables; all counted from the count's place
    first = _up(4 + 4 * n + len(vtable), 4)
    # the elements of a block start aligned, so its count stands 4 bytes before a multiple of the alignment
    first += (4 - first) % ALIGNMENT
    at = first + dtype.itemsize * np.arange(n)
    rows["vtable"] = at - (first - len(vtable))
    offsets = at - (4 + 4 * np.arange(n))
    head = struct.pack("<I", n) + offsets.astype("<u4").tobytes()
    return Block(head.ljust(first - len(vtable), b"\0") + vtable + rows.tobytes())


def build(identifier: bytes, fields: dict[int, tuple[str, Any] | Block]) -> bytes:
    """Return a size-prefixed buffer of one table.

    Parameters
    ----------
    identifier : 4 bytes
    fields : field -> (NumPy dtype, value), or what it points to
    """
    kinds = {f: np.dtype("<u4" if isinstance(v, Block) else v[0]) for f, v in fields.items()}
    vtable, dtype, names = _layout(kinds)
    table_at = _up(12 + len(vtable), ALIGNMENT)
    row = np.zeros(1, dtype)
    row["vtable"] = len(vtable)
    out = bytearray(table_at + dtype.itemsize)
    for field, value in fields.items():
        if isinstance(value, Block):
            out += b"\0" * ((4 - len(out)) % ALIGNMENT)
            row[names[field]] = len(out) - (table_at + _offset(dtype, names[field]))
            out += value.data
        else:
            row[names[field]] = value[1]
    out += b"\0" * (-len(out) % 4)
    struct.pack_into("<II4s", out, 0, len(out) - 4, table_at - 4, identifier)
    out[table_at - len(vtable) : table_at] = vtable
    out[table_at : table_at + dtype.itemsize] = row.tobytes()
    return bytes(out)


def _layout(kinds: dict[int, np.dtype[Any]]) -> tuple[bytes, np.dtype[Any], dict[int, str]]:
    """Return the vtable of a table, the table as a structured type, and the name of each field in it."""
    names = {field: f"field{field}" for field in kinds}
    at, offsets = 4, {}
    # small ones first, behind the int32 that is there anyway; then each is aligned to its own size
    for field in sorted(kinds, key=lambda f: (_align(kinds[f]), f)):
        at = _up(at, _align(kinds[field]))
        offsets[field] = at
        at += kinds[field].itemsize
    size = _up(at, ALIGNMENT)
    entries = [offsets.get(field, 0) for field in range(max(kinds) + 1)]
    vtable = struct.pack(f"<{2 + len(entries)}H", 4 + 2 * len(entries), size, *entries)
    order = list(kinds)
    dtype = np.dtype(
        {
            "names": ["vtable", *(names[f] for f in order)],
            "formats": ["<i4", *(kinds[f] for f in order)],
            "offsets": [0, *(offsets[f] for f in order)],
            "itemsize": size,
        }
    )
    return vtable, dtype, names


def _align(kind: np.dtype[Any]) -> int:
    return max(kind[name].itemsize for name in kind.names) if kind.names else kind.itemsize


def _offset(dtype: np.dtype[Any], name: str) -> int:
    fields = dtype.fields
    return int(fields[name][1]) if fields else 0


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
