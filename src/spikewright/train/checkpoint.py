"""Checkpoints: one file that is replaced as a whole, holds arrays and plain data, and cannot run code.

`<folder>/<fingerprint>/checkpoint.npz`: NumPy arrays, and one JSON text under "header". A different network, data set
or setting has a different fingerprint, so runs never mix.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, TrainError, explain
from spikewright.files import replacing

VERSION = 1
FILE = "checkpoint.npz"


@dataclass(frozen=True)
class Checkpoint:
    """Where a training run stands.

    Parameters
    ----------
    header : plain data
    arrays : name -> array
    """

    header: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


def place(folder: str | os.PathLike[str], fingerprint: str) -> Path:
    """Return the file of a run, its folder made.

    Raises
    ------
    TrainError : the folder cannot be made
    """
    target = Path(folder) / fingerprint
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainError(
            explain(
                f"checkpoint {str(folder)!r}",
                f"the folder cannot be made: {error.strerror}",
                cure="choose another place",
            )
        ) from error
    return target / FILE


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint so that a reader sees the old or the new one, never half of it."""
    text = json.dumps({"version": VERSION, **checkpoint.header}, allow_nan=True)
    arrays = dict(checkpoint.arrays) | {"header": np.frombuffer(text.encode(), np.uint8)}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def load(path: Path, fingerprint: str) -> Checkpoint | None:
    """Read a checkpoint, or None where there is none.

    Raises
    ------
    FormatError : the file is corrupt, too new, or of another run
    """
    if not path.exists():
        return None
    cure = "delete the file to train from the start"
    try:
        with open(path, "rb") as raw:
            _check_container(raw)
            with np.load(raw, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        header = json.loads(arrays.pop("header").tobytes().decode())
        version, owner = int(header["version"]), header["fingerprint"]
    except (
        OSError, ValueError, KeyError, TypeError, EOFError, SyntaxError, MemoryError, zipfile.BadZipFile,
        NotImplementedError, RuntimeError, zlib.error,
    ) as error:  # fmt: skip
        raise FormatError(
            explain(str(path), "is no checkpoint, or a damaged one", found=error, cure=cure)
        ) from None
    if version > VERSION:
        raise FormatError(
            explain(
                str(path),
                "was written by a newer version",
                found=version,
                expected=VERSION,
                cure=cure,
            )
        )
    if owner != fingerprint:
        raise FormatError(
            explain(
                str(path), "belongs to another run", found=owner, expected=fingerprint, cure=cure
            )
        )
    return Checkpoint(header, arrays)


def _check_container(raw: BinaryIO) -> None:
    """Raise ValueError unless the file is a zip of uncompressed entries, as written here: it cannot ask for more memory
    than it has bytes."""
    with zipfile.ZipFile(raw) as container:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in container.infolist()):
            raise ValueError("compressed entries")
    raw.seek(0)
