"""A file that changes only at commits: whatever ends the process or fills the disk, the last commit is what it holds.

Between two commits, bytes behind the committed end go straight to the file, where nothing refers to them yet; bytes
before it, which would replace something, stay in memory. A commit makes the former durable, writes the latter to a
journal beside the file (`.<name>.journal`), copies them into place, and removes the journal. If that is cut off, a
complete journal is copied again when the file is next opened (`recover`), an incomplete one is dropped.

Writing never raises: HDF5, for which this is made, does not survive that (see `files.replacing_hdf5`). The first error
is kept in `failure`; from then on everything stays in memory, and `commit` raises it.

    journal    8 bytes magic, pages (8), committed size (8), then for each page its number (8) and its bytes (4096),
               then the CRC-32 of all before (8); little endian
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from spikewright.errors import FormatError, explain

PAGE = 4096
MAGIC = b"SWJRNL1\n"


def journal_of(path: Path) -> Path:
    """Return where the journal of a file stands while a commit is under way."""
    return path.with_name(f".{path.name}.journal")


class Journaled:
    """A file open for reading and writing, as `h5py.File` takes it; starts with what the file holds.

    Raises
    ------
    OSError : the file cannot be opened
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failure: OSError | None = None
        self._fd = os.open(path, os.O_RDWR)
        self._committed = os.fstat(self._fd).st_size
        self._size = self._committed
        self._position = 0
        self._pages: dict[int, bytearray] = {}

    # -- what h5py calls ---------------------------------------------------------------------------------

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; return where to."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return bytes from the position on."""
        left = max(0, self._size - self._position)
        found = bytearray(left if size < 0 else min(size, left))
        self.readinto(found)
        return bytes(found)

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill a buffer; what was never written is zero."""
        view = memoryview(buffer).cast("B")
        start, n = self._position, len(view)
        got = 0
        while got < n:
            part = os.pread(self._fd, n - got, start + got)
            if not part:
                view[got:] = bytes(n - got)
                break
            view[got : got + len(part)] = part
            got += len(part)
        if self._pages:
            for number in range(start // PAGE, (start + n + PAGE - 1) // PAGE):
                page = self._pages.get(number)
                if page is not None:
                    first, last = max(start, number * PAGE), min(start + n, (number + 1) * PAGE)
                    view[first - start : last - start] = page[
                        first - number * PAGE : last - number * PAGE
                    ]
        self._position += n
        return n

    def write(self, data: bytes | memoryview) -> int:
        """Write bytes at the position; return how many."""
        view = memoryview(data).cast("B")
        start, n = self._position, len(view)
        kept = n if self.failure is not None else min(max(self._committed - start, 0), n)
        if kept:
            self._keep(start, view[:kept])
        if kept < n:
            # the page that the committed end lies in may be in memory already
            shared = (start + kept) // PAGE in self._pages
            try:
                _write_all(self._fd, view[kept:], start + kept)
            except OSError as error:
                self.failure = error
            if shared or self.failure is not None:
                left = PAGE - (start + kept) % PAGE
                end = n if self.failure is not None else min(n, kept + left)
                self._keep(start + kept, view[kept:end])
        self._position += n
        self._size = max(self._size, self._position)
        return n

    def _keep(self, start: int, data: memoryview) -> None:
        end = start + len(data)
        for number in range(start // PAGE, (end + PAGE - 1) // PAGE):
            first, last = max(start, number * PAGE), min(end, (number + 1) * PAGE)
            page = self._pages.get(number)
            if page is None:
                page = bytearray(os.pread(self._fd, PAGE, number * PAGE).ljust(PAGE, b"\0"))
                self._pages[number] = page
            page[first - number * PAGE : last - number * PAGE] = data[first - start : last - start]

    def truncate(self, size: int | None = None) -> int:
        """Set the size; never below what was committed."""
        size = max(self._position if size is None else size, self._committed)
        if size < self._size:
            if os.fstat(self._fd).st_size > size:
                os.ftruncate(self._fd, size)
            self._pages = {k: page for k, page in self._pages.items() if k * PAGE < size}
            last = self._pages.get(size // PAGE)
            if last is not None:
                last[size % PAGE :] = bytes(PAGE - size % PAGE)
        self._size = size
        return size

    def flush(self) -> None:
        """Do nothing: only commits change what the file holds."""

    # -- commits -------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Make all that was written since the last commit what the file holds.

        Raises
        ------
        OSError : it could not be written; the file holds what it did at the last commit
        """
        if self.failure is not None:
            raise self.failure
        journal = journal_of(self.path)
        try:
            if os.fstat(self._fd).st_size < self._size:
                os.ftruncate(self._fd, self._size)
            os.fsync(self._fd)
            if self._pages:
                _write_journal(journal, self._pages, self._size)
        except OSError as error:
            self.failure = error
            journal.unlink(missing_ok=True)
            raise
        try:
            _apply(self._fd, self._pages, self._size)
        except OSError as error:
            # the journal is complete: whoever opens the file next finishes the commit
            self.failure = error
            raise
        journal.unlink(missing_ok=True)
        self._pages = {}
        self._committed = self._size

    def close(self) -> None:
        """Close the file; what was not committed is lost."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _write_all(fd: int, data: memoryview, offset: int) -> None:
    while len(data):
        done = os.pwrite(fd, data, offset)
        data, offset = data[done:], offset + done


def _write_journal(path: Path, pages: dict[int, bytearray], size: int) -> None:
    with open(path, "wb") as file:
        check = 0
        for part in (
            MAGIC + len(pages).to_bytes(8, "little") + size.to_bytes(8, "little"),
            *(number.to_bytes(8, "little") + page for number, page in sorted(pages.items())),
        ):
            check = zlib.crc32(part, check)
            file.write(part)
        file.write(check.to_bytes(8, "little"))
        file.flush()
        os.fsync(file.fileno())


def _apply(fd: int, pages: dict[int, bytearray], size: int) -> None:
    for number, page in sorted(pages.items()):
        start = number * PAGE
        _write_all(fd, memoryview(page)[: max(0, min(PAGE, size - start))], start)
    os.fsync(fd)


def recover(path: Path) -> None:
    """Finish the commit of a file that was cut off, if there is one.

    Raises
    ------
    FormatError : there is one, and the file cannot be written
    """
    journal = journal_of(path)
    if not journal.is_file():
        return
    try:
        pages, size = _read_journal(journal)
        # a journal is written when the file has its size already
        if pages and size <= path.stat().st_size and max(pages) * PAGE < size:
            fd = os.open(path, os.O_RDWR)
            try:
                _apply(fd, pages, size)
            finally:
                os.close(fd)
        journal.unlink(missing_ok=True)
    except OSError as error:
        raise FormatError(
            explain(
                str(path),
                f"the end of an interrupted write is still in {journal.name}, and cannot be put in place: "
                f"{error.strerror}",
                cure="make the file and its folder writable, or copy both files to a place that is",
            )
        ) from error


def _read_journal(path: Path) -> tuple[dict[int, bytearray], int]:
    """Return the pages of a complete journal and the size of its file; no pages where it is incomplete."""
    data = path.read_bytes()
    n = int.from_bytes(data[8:16], "little")
    whole = 24 + n * (8 + PAGE) + 8
    if data[:8] != MAGIC or len(data) != whole:
        return {}, 0
    if zlib.crc32(data[:-8]) != int.from_bytes(data[-8:], "little"):
        return {}, 0
    pages = {}
    for start in range(24, whole - 8, 8 + PAGE):
        number = int.from_bytes(data[start : start + 8], "little")
        pages[number] = bytearray(data[start + 8 : start + 8 + PAGE])
    return pages, int.from_bytes(data[16:24], "little")
