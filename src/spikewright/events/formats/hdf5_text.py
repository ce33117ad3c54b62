"""Text attributes of HDF5 objects, read without the HDF5 library.

The library believes the length of a text, which stands in the file, and takes that much memory; a damaged heap of texts
can keep it busy for ever. Here every length is compared with what is there. What is not understood is left out, such as
the attributes of objects in the newest form that have more than eight of them.

Source
------
HDF5 File Format Specification, version 3.0: III.E global heap, IV.A object headers, IV.A.2.m attribute message.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from spikewright.events.formats.source import Source

MAX_BLOCK = 1 << 16
"""Bytes of an object header or of a heap that are looked at."""
MAX_BLOCKS = 64
MAX_TEXT = 4096
_ATTRIBUTE, _CONTINUATION = 0x0C, 0x10
_FIXED, _VARIABLE = 3, 9
"""Classes of types: text of a fixed length; of any length."""


def attributes(source: Source, address: int) -> dict[str, str]:
    """Return the text attributes of an object.

    Parameters
    ----------
    source : the file
    address : byte at which the object's header begins

    Returns
    -------
    dict : name -> text, those of one value each
    """
    found: dict[str, str] = {}
    for kind, data in _messages(source, address):
        if kind == _ATTRIBUTE:
            try:
                name, value = _attribute(source, data)
            except (struct.error, ValueError, IndexError):
                continue
            found[name] = value
    return found


def _messages(source: Source, address: int) -> Iterator[tuple[int, bytes]]:
    head = _bytes(source, address, 32)
    if len(head) < 32:
        return
    newer = head[:4] == b"OHDR"
    if newer:
        flags = head[5]
        at = 6 + (16 if flags & 32 else 0) + (4 if flags & 16 else 0)
        width = 1 << (flags & 3)
        head = _bytes(source, address, at + width)
        blocks = [(address + at + width, int.from_bytes(head[at:], "little"))]
        extra = 2 if flags & 4 else 0
    else:
        blocks = [(address + 16, *struct.unpack_from("<I", head, 8))]
        extra = 0
    for _ in range(MAX_BLOCKS):
        if not blocks:
            return
        start, size = blocks.pop(0)
        block = _bytes(source, start, min(size, MAX_BLOCK))
        at = 0
        while at + 8 <= len(block):
            if newer:
                kind, length = struct.unpack_from("<BH", block, at)
                at += 4 + extra
            else:
                kind, length = struct.unpack_from("<HH", block, at)
                at += 8
            data = block[at : at + length]
            at += length
            if kind == _CONTINUATION and len(data) >= 16:
                start, size = struct.unpack_from("<QQ", data)
                # newer blocks have a mark before and a checksum behind the messages
                blocks.append((start + 4, size - 8) if newer and size > 8 else (start, size))
            else:
                yield kind, data


def _attribute(source: Source, data: bytes) -> tuple[str, str]:
    version = data[0]
    name_size, type_size, space_size = struct.unpack_from("<HHH", data, 2)
    at = {1: 8, 2: 8, 3: 9}.get(version, len(data))
    step = 8 if version == 1 else 1
    places = []
    for size in (name_size, type_size, space_size):
        places.append(at)
        at += -(-size // step) * step
    name = data[places[0] : places[0] + name_size].split(b"\0")[0].decode("utf-8")
    kind = data[places[1]]
    if data[places[2] + 1] != 0:  # axes
        raise ValueError("not one value")
    if kind & 15 == _FIXED:
        raw = data[at : at + struct.unpack_from("<I", data, places[1] + 4)[0]]
    elif kind & 15 == _VARIABLE:
        length, heap, index = struct.unpack_from("<IQI", data, at)
        raw = _from_heap(source, heap, index)[:length]
    else:
        raise ValueError("no text")
    return name, raw[:MAX_TEXT].split(b"\0")[0].decode("utf-8")


def _from_heap(source: Source, address: int, index: int) -> bytes:
    head = _bytes(source, address, 16)
    if head[:4] != b"GCOL":
        raise ValueError("no heap")
    size = min(struct.unpack_from("<Q", head, 8)[0], MAX_BLOCK)
    heap = _bytes(source, address, size)
    at = 16
    while at + 16 <= len(heap):
        number, length = struct.unpack_from("<H6xQ", heap, at)
        if number == 0:
            break
        if number == index:
            return heap[at + 16 : at + 16 + length]
        at += 16 + -(-length // 8) * 8
    raise ValueError("not in the heap")


def _bytes(source: Source, at: int, n: int) -> bytes:
    """Return up to `n` bytes; none where the place is none."""
    return source.window(at, n).tobytes() if 0 <= at < 1 << 62 and n > 0 else b""
