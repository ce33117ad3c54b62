"""Writing files so that no half-written one is ever seen, and reading sizes before memory is taken."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spikewright.errors import FormatError, explain


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends, or remove it.

    Raises
    ------
    FormatError : the folder is missing or not writable, or the disk is full
    """
    target = Path(path)
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
