"""What the HDF5 layouts share: opening, arrays that nobody vouches for, and writing by whole chunks.

Array sizes are what a file claims; before memory is taken they are compared with what is stored. Chunks are read one at
a time, those of Blosc by our own decoder, so that no filter plug-in is needed.
"""

from __future__ import annotations

import io
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, MissingExtra, explain
from spikewright.events.formats import blosc
from spikewright.events.formats.base import Header, Writer, parsed_size
from spikewright.events.formats.hdf5_text import attributes
from spikewright.events.formats.source import Source
from spikewright.files import replacing

MAGIC = b"\x89HDF\r\n\x1a\n"
MAX_CHUNK = 1 << 28
"""Bytes of the largest chunk that is read."""
ROWS = 1 << 16
"""Rows per chunk that is written."""
MARGIN = 1 << 26
"""Bytes that must be free on the disk before more is written: the HDF5 library does not survive a full one."""


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn what the HDF5 library raises into `FormatError`."""
    try:
        yield
    except (
        OSError, KeyError, ValueError, TypeError, RuntimeError, OverflowError, EOFError, MemoryError, AttributeError,
    ) as error:  # fmt: skip
        raise FormatError(
            explain(where, "cannot be read as HDF5", found=error, cure="copy or make it again")
        ) from None


class Guarded(io.RawIOBase):
    """A source as a file for the HDF5 library; unlike in a plain file, reads behind its end are errors."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._size = source.size
        self._at = 0

    def readinto(self, buffer: Any, /) -> int:
        """Fill `buffer`."""
        n = len(buffer)
        if self._at + n > self._size:
            raise OSError(f"a read of {n} bytes at {self._at}, of {self._size}")
        buffer[:] = self._source.window(self._at, n).tobytes()
        self._at += n
        return n

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place."""
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def seekable(self) -> bool:
        """Return that it is."""
        return True


def open_hdf5(source: Source) -> Any:
    """Return the open `h5py.File` of a source."""
    import h5py

    with reading(source.name):
        return h5py.File(Guarded(source), "r")


def texts(source: Source, place: Any) -> dict[str, str]:
    """Return the text attributes of a group or an array."""
    import h5py

    return attributes(source, int(h5py.h5o.get_info(place.id).addr))


def is_hdf5(
    head: bytes, path: Path | None, holds: Callable[[Any], bool], *words: bytes
) -> bool:  # fmt: skip
    """Tell whether a file is HDF5 of one layout; without a path, by the names that stand among the first bytes.

    Parameters
    ----------
    holds : tells by the open file
    words : names that must be found where there is no path
    """
    if not head.startswith(MAGIC):
        return False
    if path is None or not path.is_file():
        return all(word in head for word in words)
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return holds(file)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError):
        return False


def find(file: Any, name: str) -> Any:
    """Return the array or group of a name inside the file itself, or None: no links to other files are followed."""
    import h5py

    at = file
    for part in name.split("/"):
        if not isinstance(at, h5py.Group) or part not in at:
            return None
        if not isinstance(at.get(part, getlink=True), h5py.HardLink):
            return None
        at = at[part]
    return at


class Table:
    """An array on disk, read by rows.

    Parameters
    ----------
    where : the file, for messages
    dataset : `h5py.Dataset` of one or two axes
    """

    def __init__(self, where: str, dataset: Any) -> None:
        import h5py

        self.where = f"{where}: {getattr(dataset, 'name', None)}"
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim not in (1, 2):
            raise FormatError(explain(self.where, "is not an array of rows"))
        self.dataset = dataset
        self.dtype = dataset.dtype
        self.claimed = int(dataset.shape[0])
        plan = dataset.id.get_create_plist()
        filters = [int(plan.get_filter(k)[0]) for k in range(plan.get_nfilters())]
        self._blosc = filters == [blosc.FILTER] and dataset.ndim == 1
        self._known: tuple[int, NDArray[Any]] | None = None
        bytes_per_row = self.dtype.itemsize * math.prod(dataset.shape[1:])
        if plan.get_layout() == h5py.h5d.CHUNKED:
            chunk = dataset.chunks
            if math.prod(chunk) * self.dtype.itemsize > MAX_CHUNK:
                raise FormatError(
                    explain(self.where, "chunks are too large", found=chunk, expected=f"{MAX_CHUNK} bytes")
                )  # fmt: skip
            per_row = math.prod(
                -(-n // c) for n, c in zip(dataset.shape[1:], chunk[1:], strict=True)
            )
            held = dataset.id.get_num_chunks() // max(per_row, 1) * chunk[0]
        elif plan.get_layout() == h5py.h5d.VIRTUAL or plan.get_external_count():
            raise FormatError(explain(self.where, "lies outside the file"))
        else:
            held = dataset.id.get_storage_size() // max(bytes_per_row, 1)
        self.n = min(self.claimed, int(held))
        if not self._blosc and any(not h5py.h5z.filter_avail(code) for code in filters):
            try:
                import hdf5plugin  # noqa: F401
            except ImportError:
                raise MissingExtra(
                    f"{self.where} (HDF5 filters {filters})", "hdf5plugin", "hdf5"
                ) from None

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return rows `first` to `last`."""
        with reading(self.where):
            if not self._blosc:
                return np.asarray(self.dataset[first:last])
            rows = self.dataset.chunks[0]
            parts = []
            for start in range(first // rows * rows, last, rows):
                parts.append(self._chunk(start)[max(first - start, 0) : last - start])
            return np.concatenate(parts) if parts else np.empty(0, self.dtype)

    def _chunk(self, start: int) -> NDArray[Any]:
        if self._known is None or self._known[0] != start:
            rows = self.dataset.chunks[0]
            mask, packed = self.dataset.id.read_direct_chunk((start,))
            # the filter may have been left out, where it gains nothing
            plain = bool(mask & 1)
            size = rows * self.dtype.itemsize
            data = np.frombuffer(packed, np.uint8) if plain else blosc.decode(packed, size)
            self._known = start, data.view(self.dtype)
        return self._known[1]


class Hdf5Writer(Writer):
    """Writes an HDF5 file beside the target and renames it at the end."""

    def open(self) -> Path:
        """Open `self.hdf5`, an `h5py.File`."""
        import h5py

        self.temporary = self._stack.enter_context(replacing(self.path))
        self.hdf5: Any = self._stack.enter_context(h5py.File(self.temporary, "w"))
        return self.temporary

    def room(self, n_bytes: int) -> None:
        """Raise unless the disk has room for `n_bytes` more.

        Raises
        ------
        FormatError : it has not
        """
        free = shutil.disk_usage(self.temporary.parent).free
        if free < n_bytes + MARGIN:
            raise FormatError(
                explain(
                    str(self.path),
                    "cannot be written: no space left on device",
                    found=f"{free} bytes free",
                    expected=f"{n_bytes + MARGIN}",
                    cure="free space or choose another place; nothing was changed",
                )
            )


def sensor(texts_of_file: dict[str, str], header: Header) -> Header:
    """Return a header with the size in the file's attribute `geometry`, as ``1280x720``."""
    return parsed_size(header, texts_of_file.get("geometry", ""))
