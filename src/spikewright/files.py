"""Writing files so that no half-written one is ever seen, and reading sizes before memory is taken."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikewright.errors import FormatError, explain

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ARRAYS = 4 * 2**30
"""Bytes that the arrays of one .npz may take together."""


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends, or remove it.

    Raises
    ------
    FormatError : the folder is missing or not writable, the disk is full, or `path` is a folder or a device
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        # a rename would put a plain file in the place of a device
        raise FormatError(
            explain(
                str(target),
                "cannot be written",
                found="a folder" if target.is_dir() else "a device or a pipe",
                expected="a plain file, or none",
                cure="choose another name",
            )
        )
    if not target.parent.is_dir():
        raise FormatError(
            explain(
                str(target), "cannot be written", found="no such folder", cure="create the folder"
            )
        )
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise FormatError(explain(str(target), f"cannot be written: {error.strerror}")) from error
    os.close(handle)
    temporary = Path(name)
    try:
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise FormatError(
            explain(
                str(target),
                f"cannot be written: {error.strerror or error}",
                cure="free space or choose another place; nothing was changed",
            )
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def replacing_hdf5(path: str | os.PathLike[str], **options: Any) -> Iterator[Any]:
    """Give an open HDF5 file in memory; write it to `path` when the block ends.

    In memory, because the HDF5 library does not survive a disk that is full: it closes a file it could not write by
    raising again, and may bring the process down.

    Parameters
    ----------
    path : of the file
    options : of `h5py.File`

    Raises
    ------
    FormatError : as for `replacing`
    """
    import h5py

    with replacing(path) as temporary:
        with h5py.File(
            temporary, "w", driver="core", backing_store=False, block_size=2**20, **options
        ) as file:
            yield file
            file.flush()
            image = file.id.get_file_image()
        temporary.write_bytes(image)


def read_arrays(
    path: str | os.PathLike[str], *, limit: int = MAX_ARRAYS
) -> dict[str, NDArray[Any]]:
    """Read an .npz file that nobody vouches for: sizes are compared before memory is taken, nothing is executed.

    Parameters
    ----------
    path : of the file
    limit : bytes that all arrays may take

    Returns
    -------
    dict : name -> read-only array

    Raises
    ------
    FormatError : no such file, no .npz, damaged, holds objects, or claims more than `limit` or than it has
    """
    import zipfile
    import zlib

    try:
        with open(path, "rb") as raw, zipfile.ZipFile(raw) as archive:
            entries = archive.infolist()
            _check_entries(str(path), entries, limit)
            return {e.filename.removesuffix(".npy"): _entry(str(path), archive, e) for e in entries}
    except (
        OSError, ValueError, TypeError, KeyError, EOFError, SyntaxError, RuntimeError, OverflowError,
        MemoryError, zlib.error, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise FormatError(
            explain(
                str(path),
                "not a readable .npz file",
                found=str(error) or type(error).__name__,
                expected="a zip of .npy arrays",
                cure="copy or make it again",
            )
        ) from None


def _check_entries(path: str, entries: list[Any], limit: int) -> None:
    import zipfile

    size = sum(entry.file_size for entry in entries)
    if size > limit:
        raise FormatError(
            explain(path, "is too large", found=f"{size} bytes", expected=f"at most {limit}")
        )
    if len({entry.filename for entry in entries}) < len(entries):
        raise FormatError(explain(path, "two entries have the same name"))
    for entry in entries:
        plain = entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if not entry.filename.endswith(".npy") or not plain or entry.flag_bits & 1:
            raise FormatError(
                explain(
                    path,
                    "is a zip of something else",
                    found=repr(entry.filename[:80]),
                    expected=".npy arrays, stored or deflated, not encrypted",
                    cure="write it with numpy.savez",
                )
            )


def _entry(path: str, archive: Any, entry: Any) -> NDArray[Any]:
    import math

    import numpy as np

    name = repr(entry.filename[:80])
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise FormatError(
                explain(path, f"{name} is of another .npy version", found=version, expected=(1, 0))
            )
        header = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
        shape, by_column, dtype = header(stream)
        if dtype.hasobject:
            raise FormatError(
                explain(
                    path,
                    f"{name} holds Python objects, which are never loaded",
                    expected="numbers",
                    cure="save an array of numbers",
                )
            )
        here = entry.file_size - stream.tell()
        if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != here:
            raise FormatError(
                explain(
                    path,
                    f"{name} declares another size than it has",
                    found=f"shape {shape} of {dtype}",
                    expected=f"{here} bytes",
                    cure="the file is damaged, or made to exhaust memory",
                )
            )
        data = stream.read()
        if len(data) != here:
            raise FormatError(
                explain(path, f"{name} is cut", found=f"{len(data)} bytes", expected=f"{here}")
            )
    return np.ndarray(shape, dtype, data, order="F" if by_column else "C")
