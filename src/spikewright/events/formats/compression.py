"""LZ4 frames and Zstandard, with what they claim compared to what they can be, and what a cut one still holds.

Source
------
lz4/doc/lz4_Frame_format.md (content size in the frame's head); RFC 8878 (a Zstandard block is at most 128 KiB)
"""

from __future__ import annotations

from typing import Any

from spikewright.errors import FormatError, explain
from spikewright.events.formats.flatbuffer import Damaged

CODES = {0: "none", 1: "lz4", 2: "lz4", 3: "zstd", 4: "zstd"}
"""Compression of AEDAT 4 by number; 2 and 4 are the slower writers of the same formats."""

LZ4_RATIO = 255
"""A byte of LZ4 stands for 255 at most."""

LZ4_SLACK = 1 << 16
ZSTD_RATIO = 1 << 15
"""A block of 128 KiB needs 4 bytes at least."""


def decompress(kind: str, raw: Any, limit: int) -> bytes:
    """Return what was compressed.

    Parameters
    ----------
    kind : ``lz4`` or ``zstd``
    raw : bytes-like
    limit : bytes that the result may have

    Raises
    ------
    Damaged : not of this format, cut, or larger than `limit`
    """
    return _lz4(raw, limit) if kind == "lz4" else _zstd(raw, limit)


def compress(kind: str, data: bytes, level: int) -> bytes:
    """Return `data` compressed; the size is written in the frame, so that a reader can check it beforehand."""
    if kind == "none":
        return data
    if kind == "lz4":
        import lz4.frame

        packed: bytes = lz4.frame.compress(data, compression_level=level, store_size=True)
        return packed
    import zstandard

    return zstandard.ZstdCompressor(level=level).compress(data)


def check(kind: str) -> str:
    """Return a kind of compression that there is.

    Raises
    ------
    FormatError : there is no such one
    """
    if kind not in CODES.values():
        raise FormatError(
            explain("compression", "is unknown", found=repr(kind), expected="none, lz4 or zstd")
        )
    return kind


def salvage(kind: str, raw: Any, limit: int) -> bytes:
    """Return as much as can be had of data whose end is missing."""
    data = bytes(raw)
    if kind == "none":
        return data
    pieces: list[bytes] = []
    try:
        if kind == "lz4":
            import lz4.frame

            pieces.append(lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=limit))
        else:
            import zstandard

            for piece in zstandard.ZstdDecompressor().read_to_iter(data):
                pieces.append(piece)
                if sum(map(len, pieces)) > limit:
                    break
    except Exception as error:  # each library raises its own; what came before it is kept
        if not isinstance(error, RuntimeError | ValueError | EOFError) and kind == "lz4":
            raise
    return b"".join(pieces)[:limit]


def _lz4(raw: Any, limit: int) -> bytes:
    import lz4.frame

    n = len(raw)
    most = min(limit, LZ4_RATIO * n + LZ4_SLACK)
    if n >= 15 and raw[4] & 8:
        claimed = int.from_bytes(bytes(raw[6:14]), "little")
        if claimed > most:
            raise Damaged(f"{n} bytes claim to be {claimed}")
    try:
        if LZ4_RATIO * n <= limit:
            found: bytes = lz4.frame.decompress(raw)
            return found
        decompressor = lz4.frame.LZ4FrameDecompressor()
        found = decompressor.decompress(raw, max_length=limit)
    except (RuntimeError, ValueError, EOFError, MemoryError) as error:
        raise Damaged(f"LZ4: {error}") from None
    if not decompressor.eof:
        raise Damaged(f"{n} bytes of LZ4 are cut, or more than {limit} bytes")
    return found


_decompressor: Any = None


def _zstd(raw: Any, limit: int) -> bytes:
    import zstandard

    global _decompressor
    if _decompressor is None:
        _decompressor = zstandard.ZstdDecompressor()
    n = len(raw)
    try:
        claimed = zstandard.frame_content_size(raw)
        if claimed >= 0:
            if claimed > min(limit, ZSTD_RATIO * n):
                raise Damaged(f"{n} bytes claim to be {claimed}")
            found: bytes = _decompressor.decompress(raw)
            return found
        pieces, size = [], 0
        for piece in zstandard.ZstdDecompressor().read_to_iter(raw):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise Damaged(f"{n} bytes of Zstandard are more than {limit} bytes")
    except (zstandard.ZstdError, MemoryError) as error:
        raise Damaged(f"Zstandard: {error}") from None
    return b"".join(pieces)
