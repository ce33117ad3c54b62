"""Reading HDF5 that nobody vouches for: plain links only, sizes before memory, one kind of error.

Whatever a damaged or hostile file makes the HDF5 library say comes out as FormatError with the file and the place.
Refused before anything is read: links to other files, raw data kept in other files, filters that would load a
plug-in, groups that contain themselves, arrays that claim more than the file can hold, numbers that are not finite.

Longer than most files: one class stands between every reader and a hostile file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain

MAX_BYTES = 4 * 2**30
"""Bytes that the arrays of one file may take together."""
MAX_OBJECTS = 1_000_000
"""Groups and datasets that one file may have."""
MAX_DEPTH = 64
"""Groups within groups."""
SMALL = 2**20
"""Arrays up to this many bytes may be declared without being stored (HDF5 fills them)."""
MAX_RATIO = 1100
"""Deflate's best ratio is 1032 to 1; an array claiming more than this over its stored size is refused."""
PLAIN_FILTERS = frozenset({1, 2, 3, 4, 32000})
"""Deflate, shuffle, Fletcher-32, szip, lzf: what h5py carries itself."""
COMPRESSED_FROM = 64
"""Arrays of at least this many bytes are compressed when written."""

HEAP = b"GCOL\x01\x00\x00\x00"
"""How a collection of texts (a global heap, version 1) begins."""
HEAP_HEADER = 16
"""Bytes before the objects of a collection, and before the data of each object."""
REFERENCE = 16
"""Bytes of a reference to a text: length (4), address of the collection (8), index of the object (4)."""

_FAULTS = (
    OSError,
    RuntimeError,
    KeyError,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    MemoryError,
    OverflowError,
    SystemError,
    AssertionError,
)
T = TypeVar("T")


class Source:
    """An open file, with what is left of its limits. Made by `opened`."""

    def __init__(self, path: Path, file: Any) -> None:
        self.path = path
        self.root = file
        self._heaps: dict[int, dict[int, tuple[int, int]]] = {}
        self._bytes = MAX_BYTES
        self._objects = MAX_OBJECTS

    def error(
        self, place: str, what: str, *, found: object = None, expected: object = None,
        cure: str | None = None,
    ) -> FormatError:  # fmt: skip
        """Return a FormatError that names the file and a place in it."""
        where = f"{self.path}: {place}" if place else str(self.path)
        return FormatError(explain(where, what, found=found, expected=expected, cure=cure))

    def _guard(self, place: str, action: Callable[[], T]) -> T:
        try:
            return action()
        except _FAULTS as fault:
            raise self.error(
                place,
                "damaged",
                found=_short(fault),
                cure="copy or export the file again",
            ) from None

    def names(self, group: Any) -> list[str]:
        """Return the names in a group; refuse links that lead elsewhere."""
        import h5py

        place = self._guard("", lambda: str(group.name))
        if place.count("/") > MAX_DEPTH:
            raise self.error(place[:80], "nested too deeply", expected=f"{MAX_DEPTH} levels")

        def listed() -> list[tuple[str, Any]]:
            found = []
            for name in group:
                self._objects -= 1
                if self._objects < 0:
                    break
                found.append((name, group.get(name, getlink=True)))
            return found

        links = self._guard(place, listed)
        if self._objects < 0:
            raise self.error(place, "too many objects", expected=f"{MAX_OBJECTS} at most")
        for name, link in links:
            if not isinstance(name, str) or not _encodes(name):
                raise self.error(place, "a name is not text", found=repr(name))
            if type(link) is not h5py.HardLink:
                raise self.error(
                    f"{place}/{name}",
                    "a link to another place or file",
                    found=type(link).__name__,
                    expected="the data itself",
                )
        return [name for name, _ in links]

    def has(self, group: Any, name: str) -> bool:
        """Whether a group has a member."""
        return name in self.names(group)

    def group(self, parent: Any, name: str) -> Any:
        """Return a group."""
        import h5py

        place = self.place(parent, name)
        found = self._guard(place, lambda: parent[name])
        if not isinstance(found, h5py.Group):
            raise self.error(place, "wrong kind", found="an array", expected="a group")
        return found

    def is_group(self, parent: Any, name: str) -> bool:
        """Whether a member is a group."""
        import h5py

        return self._guard(
            self.place(parent, name), lambda: parent.get(name, getclass=True) is h5py.Group
        )

    def place(self, parent: Any, name: str) -> str:
        """Return where a member stands, for messages."""
        base = self._guard("", lambda: str(parent.name))
        return f"{base.rstrip('/')}/{name}"

    def dataset(self, parent: Any, name: str, *, whole: bool = True) -> Any:
        """Return a dataset whose size, storage and filters are sound, not yet read; `whole`: to be read as a whole."""
        import h5py

        place = self.place(parent, name)
        found = self._guard(place, lambda: parent[name])
        if not isinstance(found, h5py.Dataset):
            raise self.error(place, "wrong kind", found="a group", expected="an array")

        def sound() -> tuple[tuple[int, ...] | None, int, int, list[int], bool]:
            plist = found.id.get_create_plist()
            codes = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
            elsewhere = bool(found.external) or bool(found.is_virtual)
            item = int(found.id.get_type().get_size())
            return found.shape, item, int(found.id.get_storage_size()), codes, elsewhere

        shape, item, stored, codes, elsewhere = self._guard(place, sound)
        if shape is None:
            raise self.error(place, "empty", expected="a value")
        if elsewhere:
            raise self.error(place, "its data are kept in another file", expected="one file")
        if not set(codes) <= PLAIN_FILTERS:
            raise self.error(
                place, "compressed by a plug-in", found=f"filter {codes}", expected="gzip or lzf",
                cure="write it again with gzip",
            )  # fmt: skip
        size = item
        for n in shape:
            size *= int(n)
        if size > SMALL and size > MAX_RATIO * stored:
            raise self.error(
                place,
                f"declares {_bytes(size)}",
                found=f"{_bytes(stored)} stored",
                expected="an array that the file holds",
                cure="the file is damaged, or made to exhaust memory",
            )
        if whole:
            self._take(place, size)
        return found

    def _take(self, place: str, size: int) -> None:
        self._bytes -= size
        if self._bytes < 0:
            raise self.error(
                place,
                "the file asks for too much memory",
                found=f"{_bytes(size)} more here",
                expected=f"{_bytes(MAX_BYTES)} in all",
            )

    def window(self, parent: Any, name: str, first: int, end: int) -> NDArray[Any]:
        """Return the rows `first` to `end` of a numeric array, which may be larger than memory."""
        place = self.place(parent, name)
        found = self.dataset(parent, name, whole=False)
        dtype = self._guard(place, lambda: np.dtype(found.dtype))
        if dtype.kind not in "biuf" or dtype.itemsize > 8 or found.ndim < 1:
            raise self.error(place, "not rows of numbers", found=dtype)
        row = dtype.itemsize * int(np.prod(found.shape[1:], dtype=np.float64))
        self._take(place, row * max(0, min(end, found.shape[0]) - first))
        return self._guard(place, lambda: np.asarray(found[first:end]))

    def within(self, name: str) -> Source:
        """Return a group of the root as a source of its own."""
        return Source(self.path, self.group(self.root, name))

    def array(self, parent: Any, name: str, *, finite: bool = True) -> NDArray[Any]:
        """Return a numeric array as it is stored: integers, floats up to 64 bits, truth values; all finite, unless
        told that others are welcome."""
        place = self.place(parent, name)
        found = self.dataset(parent, name)
        dtype = self._guard(place, lambda: np.dtype(found.dtype))
        if dtype.kind not in "biuf" or dtype.itemsize > 8:
            raise self.error(place, "not numbers", found=dtype, expected="integers or floats")
        with np.errstate(all="ignore"):
            value = self._guard(place, lambda: np.asarray(found[()]))
            if finite and dtype.kind == "f":
                bad = ~np.isfinite(value)
                if np.any(bad):
                    index = int(np.flatnonzero(bad)[0])
                    raise self.error(
                        place,
                        "not finite",
                        found=f"{np.ravel(value)[index]} at index {index}",
                        expected="numbers",
                        cure="the run that wrote it diverged, or the file is damaged",
                    )
        return value

    def strings(self, parent: Any, name: str) -> tuple[tuple[int, ...], list[str]]:
        """Return the shape and the entries of an array of text."""
        import h5py

        place = self.place(parent, name)
        found = self.dataset(parent, name)
        kind = self._guard(place, lambda: (h5py.check_string_dtype(found.dtype), found.dtype))
        if kind[0] is None:
            raise self.error(place, "not text", found=kind[1], expected="text")
        if kind[0].length is None:
            shape, items = self._guard(place, lambda: (tuple(found.shape), self._texts(found)))
            return shape, [self._decoded(place, item) for item in items]
        value = self._guard(place, lambda: np.asarray(found[()], dtype=object))
        return tuple(value.shape), [self._decoded(place, item) for item in value.ravel()]

    def _texts(self, found: Any) -> list[bytes]:
        """Return texts of any length, read without the HDF5 library.

        The library trusts the lengths and the free list that a damaged file gives: it takes gigabytes, or does not
        return. So references and heaps are read here, within bounds.

        Source
        ------
        HDF5 File Format Specification 3.0, section III.E, "Disk Format: Level 1E - Global Heap".
        """
        import zlib

        plist = found.id.get_create_plist()
        sizes = self.root.file.id.get_create_plist().get_sizes()
        if tuple(sizes) != (8, 8) or self.root.file.userblock_size:
            raise ValueError("text in a file with unusual addresses")
        n = int(np.prod(found.shape, dtype=np.int64))
        if n == 0:
            return []
        with open(self.path, "rb") as file:
            if found.chunks is None:
                offset = found.id.get_offset()
                if offset is None:
                    raise ValueError("text that was never written, or stored in an unusual way")
                raw = _bytes_at(file, int(offset), n * REFERENCE)
            else:
                codes = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
                if tuple(found.chunks) != tuple(found.shape) or codes not in ([], [1]):
                    raise ValueError("text in several chunks, or with an unusual filter")
                skipped, raw = found.id.read_direct_chunk((0,) * found.ndim)
                if codes and not skipped & 1:
                    raw = zlib.decompressobj().decompress(raw, n * REFERENCE)
            if len(raw) != n * REFERENCE:
                raise ValueError("references to texts are cut off")
            return [self._text(file, raw[i : i + REFERENCE]) for i in range(0, len(raw), REFERENCE)]

    def _text(self, file: Any, reference: bytes) -> bytes:
        length = int.from_bytes(reference[:4], "little")
        heap = int.from_bytes(reference[4:12], "little")
        index = int.from_bytes(reference[12:], "little")
        if length == 0:
            return b""
        if heap not in self._heaps:
            self._heaps[heap] = _heap(file, heap)
        start, size = self._heaps[heap][index]
        if length > size:
            raise ValueError("a text is longer than its place")
        self._bytes -= length
        if self._bytes < 0:
            raise MemoryError("the texts of the file ask for too much memory")
        return _bytes_at(file, start, length)

    def is_text(self, parent: Any, name: str) -> bool:
        """Whether a member is an array of text."""
        import h5py

        if self.is_group(parent, name):
            return False
        return self._guard(
            self.place(parent, name),
            lambda: h5py.check_string_dtype(parent[name].dtype) is not None,
        )

    def text(self, parent: Any, name: str) -> str:
        """Return one text."""
        shape, found = self.strings(parent, name)
        if len(found) != 1:
            raise self.error(
                self.place(parent, name),
                "not one text",
                found=f"shape {shape}",
                expected="a scalar",
            )
        return found[0]

    def _decoded(self, place: str, item: object) -> str:
        if isinstance(item, bytes):
            try:
                item = item.split(b"\0", 1)[0].decode("utf-8")  # C writes the closing zero too
            except UnicodeDecodeError:
                raise self.error(place, "not UTF-8 text", found=repr(item[:40])) from None
        if not isinstance(item, str) or not _encodes(item):
            raise self.error(place, "not text", found=repr(item)[:60])
        return item


@contextmanager
def opened(path: str | os.PathLike[str], what: str) -> Iterator[Source]:
    """Open a file for reading.

    Parameters
    ----------
    path : the file
    what : what the file should be, for messages

    Raises
    ------
    FormatError : missing, not HDF5, truncated, damaged
    """
    import h5py

    place = Path(path)
    if not place.is_file():
        found = "a folder" if place.is_dir() else "no such file"
        raise FormatError(explain(str(place), "cannot be read", found=found, expected=what))
    try:
        file = h5py.File(place, "r")
    except _FAULTS as fault:
        raise FormatError(
            explain(
                str(place),
                "not a whole HDF5 file",
                found=_short(fault),
                expected=what,
                cure="copy or export it again",
            )
        ) from None
    try:
        yield Source(place, file)
    finally:
        try:
            file.close()
        except _FAULTS:
            # a damaged file may fail to close; what was read is already checked
            del file


def _bytes_at(file: Any, start: int, length: int) -> bytes:
    file.seek(start)
    found: bytes = file.read(length)
    if len(found) != length:
        raise ValueError("it points behind the end of the file")
    return found


def _heap(file: Any, address: int) -> dict[int, tuple[int, int]]:
    """Return index -> (position, size) of the objects of a heap collection."""
    header = _bytes_at(file, address, HEAP_HEADER)
    if header[:8] != HEAP:
        raise ValueError("there is no heap where a text should stand")
    end = address + int.from_bytes(header[8:], "little")
    place = address + HEAP_HEADER
    found: dict[int, tuple[int, int]] = {}
    while end - place >= HEAP_HEADER:
        head = _bytes_at(file, place, HEAP_HEADER)
        index, size = int.from_bytes(head[:2], "little"), int.from_bytes(head[8:], "little")
        if index == 0:
            break  # the free space, which is the last object
        found[index] = (place + HEAP_HEADER, size)
        place += HEAP_HEADER + (size + 7) // 8 * 8
    return found


def put(group: Any, name: str, value: Any) -> None:
    """Write an array or a text into a group; larger arrays compressed."""
    import h5py

    if isinstance(value, str):
        group.create_dataset(name, data=value, dtype=h5py.string_dtype())
        return
    array = np.asarray(value)
    if array.ndim and array.nbytes >= COMPRESSED_FROM:
        group.create_dataset(name, data=array, compression="gzip", compression_opts=4)
    else:
        group.create_dataset(name, data=array)


def put_strings(group: Any, name: str, value: list[Any]) -> None:
    """Write a list of texts, or a list of equally long lists of texts."""
    import h5py

    group.create_dataset(name, data=np.array(value, dtype=object), dtype=h5py.string_dtype())


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _short(fault: BaseException) -> str:
    lines = str(fault).strip().splitlines()
    text = lines[0] if lines else type(fault).__name__
    return text if len(text) < 160 else text[:157] + "..."


def _bytes(size: int) -> str:
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
