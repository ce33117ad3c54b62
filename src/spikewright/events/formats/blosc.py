"""Chunks of the Blosc compressor, as HDF5 files of data sets have them (filter 32001), without its library.

A chunk is a 16-byte header (format, codec's format, flags, type size, then u32 bytes, bytes per block, compressed
bytes), the u32 places of its blocks, and the blocks; a block is one or `type size` streams, each after its u32 length.
Before compression the bytes of a block are sorted by their place in the number (shuffle). Decoded are Zstandard, LZ4
and zlib inside; written is Zstandard.

Source
------
Blosc chunk format, version 1 (README_CHUNK_FORMAT of c-blosc).
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain

FILTER = 32001
"""Number of the HDF5 filter."""
HEADER = struct.Struct("<BBBBIII")
_SHUFFLE, _STORED, _BITS, _UNSPLIT = 1, 2, 4, 16
_LZ4, _ZLIB, _ZSTD = 1, 3, 4
_LEAST_SPLIT = 128
"""Numbers that a block must have to be split into streams."""
LEVEL = 3


def decode(chunk: bytes, n_bytes: int) -> NDArray[np.uint8]:
    """Return the `n_bytes` bytes of a chunk.

    Raises
    ------
    FormatError : damaged, of another size, or compressed in a way that is not known here
    """
    if len(chunk) < HEADER.size:
        raise _broken("ends inside its header")
    _, _, flags, item, size, per_block, _ = HEADER.unpack_from(chunk)
    if size != n_bytes:
        raise _broken("is of another size", found=f"{size} bytes", expected=str(n_bytes))
    if flags & _STORED:
        if len(chunk) < HEADER.size + size:
            raise _broken("ends early")
        return np.frombuffer(chunk, np.uint8, size, HEADER.size)
    if flags & _BITS or flags >> 5 not in (_LZ4, _ZLIB, _ZSTD):
        raise _broken("is compressed in a way that is not known here", found=f"flags {flags:#x}")
    if item == 0 or per_block == 0:
        raise _broken("has blocks of no size")
    n_blocks = -(-size // per_block)
    if HEADER.size + n_blocks * 4 > len(chunk):
        raise _broken("has more blocks than bytes", found=n_blocks)
    out = np.empty(size, np.uint8)
    for k, at in enumerate(struct.unpack_from(f"<{n_blocks}I", chunk, HEADER.size)):
        block = out[k * per_block : (k + 1) * per_block]
        whole = block.size == per_block
        split = not flags & _UNSPLIT and item <= 16 and per_block // item >= _LEAST_SPLIT and whole
        parts = item if split else 1
        sorted_bytes = b"".join(_streams(chunk, at, parts, block.size // parts, flags >> 5))
        if len(sorted_bytes) != block.size:
            raise _broken("has a block of another size")
        block[:] = np.frombuffer(sorted_bytes, np.uint8)
        if flags & _SHUFFLE and item > 1:
            rows = block.size // item
            block[: rows * item] = block[: rows * item].reshape(item, rows).T.ravel()
    return out


def _streams(chunk: bytes, at: int, parts: int, size: int, codec: int) -> list[bytes]:
    streams = []
    for _ in range(parts):
        if at + 4 > len(chunk):
            raise _broken("ends early")
        (length,) = struct.unpack_from("<I", chunk, at)
        at += 4
        if at + length > len(chunk):
            raise _broken("ends early")
        data = chunk[at : at + length]
        streams.append(data if length == size else _expand(data, size, codec))
        at += length
    return streams


def _expand(data: bytes, size: int, codec: int) -> bytes:
    try:
        if codec == _ZLIB:
            return zlib.decompressobj().decompress(data, size)
        if codec == _LZ4:
            import lz4.block

            return bytes(lz4.block.decompress(data, uncompressed_size=size))
        import zstandard

        # a frame's own claim decides how much memory is taken, so it is looked at first
        if zstandard.frame_content_size(data) > size:
            raise _broken("has a block of another size")
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    except FormatError:
        raise
    except Exception as error:  # each library has its own
        raise _broken("cannot be expanded", found=error) from None


def encode(data: NDArray[np.uint8], item: int) -> bytes:
    """Return a chunk of one block, shuffled, in Zstandard; stored as it is where that is not smaller."""
    import zstandard

    planes = np.ascontiguousarray(data.reshape(-1, item).T)
    packed = zstandard.ZstdCompressor(level=LEVEL).compress(planes.tobytes())
    size = data.size
    total = HEADER.size + 8 + len(packed)
    if total >= HEADER.size + size:
        flags = _ZSTD << 5 | _UNSPLIT | _SHUFFLE | _STORED
        return HEADER.pack(2, 1, flags, item, size, size, HEADER.size + size) + data.tobytes()
    flags = _ZSTD << 5 | _UNSPLIT | _SHUFFLE
    head = HEADER.pack(2, 1, flags, item, size, size, total)
    return head + struct.pack("<II", HEADER.size + 4, len(packed)) + packed


def _broken(what: str, *, found: object = None, expected: object = None) -> FormatError:
    return FormatError(explain("Blosc chunk", what, found=found, expected=expected))
