"""Bytes of a recording, wherever they come from: a file, a file object, a pipe, or memory.

A reader asks for windows. What was read of a pipe is kept in an unnamed temporary file, so that memory stays bounded
and a reader may look back. Short windows are copies; long ones map the file, and cost nothing until they are read.
"""

from __future__ import annotations

import io
import mmap
import os
import tempfile
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain

PIECE = 1 << 20
"""Bytes that are asked of a pipe at once."""

MAPPED = 1 << 22
"""Windows of more bytes are mapped. A file that somebody cuts while it is mapped ends the process, so short ones are
not."""


class Readable(Protocol):
    """Anything with `read`, such as an open binary file, a socket's file or standard input."""

    def read(self, size: int, /) -> bytes | None:
        """Return at most `size` bytes, none at the end."""
        ...


Given = str | os.PathLike[str] | bytes | bytearray | memoryview | Readable
"""What recordings are opened from."""


class Source:
    """Bytes with random access.

    Parameters
    ----------
    given : path, bytes, or an object with `read`, which is read from where it stands and not closed

    Attributes
    ----------
    at : int, the byte that was asked for last: how far a reading has come

    Raises
    ------
    FormatError : no such file, a folder, or not readable
    """

    def __init__(self, given: Given) -> None:
        self.path: Path | None = None
        self._pipe: Readable | None = None
        self._owned = False
        self._file: io.FileIO | None = None
        self._memory: NDArray[np.uint8] | None = None
        self._mapped: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._size = 0
        self.at = 0
        if isinstance(given, bytes | bytearray | memoryview):
            self.name = "<bytes>"
            self._memory = np.frombuffer(given, np.uint8)
            self._size = self._memory.size
            return
        if isinstance(given, str | os.PathLike):
            self.path = Path(given)
            self.name = str(self.path)
            self._file = self._opened(self.path)
            if self.path.is_file():
                self.grown()
                return
            self._pipe, self._owned = self._file, True
        else:
            self.name = str(getattr(given, "name", "<stream>"))
            self._pipe = given
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (see close)

    @staticmethod
    def _opened(path: Path) -> io.FileIO:
        try:
            return open(path, "rb", buffering=0)
        except OSError as error:
            found = "a folder" if path.is_dir() else error.strerror
            raise FormatError(explain(str(path), "cannot be read", found=found)) from None

    @property
    def size(self) -> int:
        """Bytes in all; waits for the end of a pipe."""
        while self._pull():
            pass
        return self._size

    @property
    def is_pipe(self) -> bool:
        """Whether bytes are still coming, so that their number is unknown."""
        return self._pipe is not None

    def window(self, offset: int, n: int, *, least: int = 1) -> NDArray[np.uint8]:
        """Return bytes from `offset`: `n` of them, or fewer at the end.

        Parameters
        ----------
        offset : int, >= 0
        n : int, >= 0, at most so many
        least : int, so many are waited for where the source is a pipe

        Returns
        -------
        uint8 array, read-only, that stays valid
        """
        self.at = offset
        self._wait(offset + least, n)
        n = max(min(n, self._size - offset), 0)
        if self._memory is not None:
            part = self._memory[offset : offset + n]
        elif n > MAPPED:
            part = self._map()[offset : offset + n]
        else:
            part = self._read(offset, np.empty(n, np.uint8))
        part.flags.writeable = False
        return part

    def piece(self, offset: int, buffer: NDArray[np.uint8], *, least: int = 1) -> NDArray[np.uint8]:
        """Return bytes from `offset` as `window` does, as many as fit into `buffer`, which is overwritten."""
        self.at = offset
        self._wait(offset + least, buffer.size)
        n = max(min(buffer.size, self._size - offset), 0)
        if self._memory is not None:
            return self._memory[offset : offset + n]
        return self._read(offset, buffer[:n])

    def grown(self) -> bool:
        """Look whether there are more bytes than before."""
        if self._pipe is not None:
            return self._pull()
        if self._file is None:
            return False
        size = os.fstat(self._file.fileno()).st_size
        has_grown, self._size = size > self._size, size
        return has_grown

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
        self._end_pipe()
        self._file = self._memory = None
        self._mapped, self._size = np.empty(0, np.uint8), 0

    def _read(self, offset: int, buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._file is None or not buffer.size:
            return buffer[:0]
        done = 0
        try:
            self._file.seek(offset)
            while done < buffer.size:
                got = self._file.readinto(buffer[done:].data)
                if not got:
                    break
                done += got
        except OSError as error:
            raise FormatError(explain(self.name, "cannot be read", found=error.strerror)) from None
        return buffer[:done]

    def _map(self) -> NDArray[np.uint8]:
        if self._mapped.size < self._size and self._file is not None:
            mapped = mmap.mmap(self._file.fileno(), self._size, access=mmap.ACCESS_READ)
            if hasattr(mapped, "madvise"):
                mapped.madvise(mmap.MADV_SEQUENTIAL)
            self._mapped = np.frombuffer(mapped, np.uint8)
        return self._mapped

    def _wait(self, until: int, n: int) -> None:
        while self._size < until and self._pull(n):
            pass

    def _pull(self, n: int = PIECE) -> bool:
        """Keep one more piece of a pipe; tell whether there was one."""
        if self._pipe is None or self._file is None:
            return False
        try:
            # a buffered pipe would wait until all `n` bytes are there
            read = getattr(self._pipe, "read1", None) or self._pipe.read
            piece = read(min(max(n, 1), PIECE))
        except (OSError, ValueError) as error:
            raise FormatError(explain(self.name, "cannot be read", found=error)) from None
        if isinstance(piece, str):
            raise FormatError(
                explain(
                    self.name, "gives text", expected="bytes", cure="open it in binary mode, 'rb'"
                )
            )
        if not piece:
            self._end_pipe()
            return False
        try:
            self._file.seek(self._size)
            written = 0
            while written < len(piece):
                written += self._file.write(memoryview(piece)[written:])
        except OSError as error:
            raise FormatError(
                explain(
                    self.name,
                    f"cannot be kept: {error.strerror}",
                    cure="free space in the folder for temporary files, or read from a file",
                )
            ) from None
        self._size += len(piece)
        return True

    def _end_pipe(self) -> None:
        if self._owned and self._pipe is not None:
            cast(BinaryIO, self._pipe).close()
        self._pipe = None

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
