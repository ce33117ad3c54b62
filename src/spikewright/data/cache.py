"""A folder for computed features, addressed by what they were computed from. Losing it costs time, never a result."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import SpikewrightError
from spikewright.files import replacing

Arrays = dict[str, NDArray[Any]]


def folder() -> Path:
    """Return the cache folder: SPIKEWRIGHT_CACHE, or `~/.cache/spikewright`."""
    named = os.environ.get("SPIKEWRIGHT_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "spikewright"


def fetch(name: str, like: dict[str, tuple[tuple[int, ...], str]]) -> Arrays | None:
    """Return stored arrays, or None where they are missing, damaged or of another shape or type.

    Parameters
    ----------
    name : that they were stored under
    like : name of each array -> its shape and dtype
    """
    path = folder() / f"{name}.npz"
    try:
        # opened here, so that it is closed too when it is no zip
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {each: file[each] for each in like}
    # every way in which a zip of arrays can be broken; the answer is to compute again
    except (
        OSError, ValueError, TypeError, KeyError, EOFError, SyntaxError, RuntimeError, MemoryError,
        OverflowError, zipfile.BadZipFile, zlib.error,
    ):  # fmt: skip
        return None
    fits = all(
        arrays[each].shape == shape and arrays[each].dtype == np.dtype(dtype)
        for each, (shape, dtype) in like.items()
    )
    return arrays if fits else None


def keep(name: str, arrays: Arrays) -> bool:
    """Store arrays whole or not at all; return whether that could be done."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with (
            replacing(folder() / f"{name}.npz") as temporary,
            temporary.open("wb") as file,
        ):
            np.savez(file, **arrays)  # type: ignore[arg-type]
    except (OSError, SpikewrightError):
        return False
    return True
