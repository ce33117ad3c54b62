"""Mono 16-bit wav files, read as untrusted input."""

from __future__ import annotations

import hashlib
import io
import struct
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import DataError, explain

LARGEST = 32 << 20
"""Bytes of a file that are read at most: half an hour at 8 kHz."""


def read_bytes(path: Path) -> tuple[bytes, str]:
    """Return a file's bytes and their sha256.

    Raises
    ------
    DataError : it cannot be opened, or is larger than `LARGEST`
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise DataError(
                explain(
                    str(path),
                    "too large for a spoken word",
                    found=f"{size} bytes",
                    expected=f"at most {LARGEST}",
                )
            )
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            explain(str(path), f"cannot be read ({error.strerror or error})")
        ) from error
    return content, hashlib.sha256(content).hexdigest()


def decode(path: Path, content: bytes, *, rate: float) -> NDArray[np.float64]:
    """Return the sound in a wav file, -1 to 1.

    Parameters
    ----------
    path : named in messages
    content : bytes of the file
    rate : float, Hz, that the file must have

    Raises
    ------
    DataError : not a wav file, damaged, empty, or not 16-bit mono at this rate
    """
    cure = "fetch the file again, or take it out of the folder"
    try:
        with wave.open(io.BytesIO(content)) as file:
            form = (file.getnchannels(), 8 * file.getsampwidth(), file.getframerate())
            n = file.getnframes()
            data = file.readframes(n)
    # the standard reader lets the errors of its own parsing through
    except (
        wave.Error,
        EOFError,
        struct.error,
        ValueError,
        ZeroDivisionError,
        RuntimeError,
    ) as error:
        why = str(error) or "it ends early"
        raise DataError(
            explain(str(path), f"not a wav file that can be read ({why})", cure=cure)
        ) from error
    if form != (1, 16, round(rate)):
        raise DataError(
            explain(
                str(path),
                "another kind of sound",
                found=f"{form[0]} channels, {form[1]} bits, {form[2]} Hz",
                expected=f"1 channel, 16 bits, {rate:g} Hz",
                cure="convert it, or take it out of the folder",
            )
        )
    if len(data) != 2 * n or n == 0:
        raise DataError(
            explain(
                str(path),
                "has no samples" if n == 0 else "is truncated",
                found=f"{len(data)} bytes of sound",
                expected=f"{2 * n} as its header says" if n else "at least one sample",
                cure=cure,
            )
        )
    return np.frombuffer(data, "<i2").astype(np.float64) / 32768
