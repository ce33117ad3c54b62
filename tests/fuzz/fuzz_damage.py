"""Damage done to files: seeded, structured, and told, so that one knows what must have stayed."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass

WIDTHS = {1: "B", 2: "H", 4: "I", 8: "Q"}
EXTREME = (
    *(0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF),
    *((1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 20, 1 << 24, 1 << 32, 1 << 40, 1 << 53),
)
"""Numbers at which arithmetic breaks."""


@dataclass
class Change:
    """What was done.

    Parameters
    ----------
    first, last : int, bytes from `first` on and before `last` differ; `last` counts in both files only if `same_size`
    same_size : whether the file is as long as before, and all outside of first..last is where it was
    only_cut : whether nothing happened but that the end is missing
    steps : in words
    """

    first: int
    last: int
    same_size: bool = True
    only_cut: bool = False
    steps: tuple[str, ...] = ()


def size_fields(content: bytes) -> list[tuple[int, int, str]]:
    """Find what may be sizes, counts and offsets: (place, bytes, byte order) of numbers that fit the file."""
    found = []
    n = len(content)
    for at in range(0, min(n, 1 << 14) - 8):
        for width, order in ((4, "<"), (8, "<"), (4, ">")):
            value = int.from_bytes(content[at : at + width], "little" if order == "<" else "big")
            # a size ends within the file; near its end is most telling
            if 3 < value <= n and (at + value <= n + 64) and (width == 4 or value > 64):
                found.append((at, width, order))
    return found[:4000]


def damage(
    content: bytes, other: bytes, fields: list[tuple[int, int, str]], draw: random.Random
) -> tuple[bytes, Change]:
    """Return a damaged file.

    Parameters
    ----------
    content : the sound file
    other : another one, of which pieces are taken
    fields : what `size_fields` has found
    draw : decides everything
    """
    data = bytearray(content)
    n = len(data)
    change = Change(n, 0)
    if draw.random() < 0.12:
        cut = draw.randrange(n + 1)
        change = Change(cut, n, False, True, (f"cut at {cut}",))
        return bytes(data[:cut]), change
    steps = []
    for _ in range(draw.choice((1, 1, 1, 2, 3, 6))):
        if not data:
            break
        kind = draw.randrange(12)
        at = _place(draw, len(data), fields)
        if kind <= 1:  # a bit
            data[at] ^= 1 << draw.randrange(8)
            steps.append(f"bit at {at}")
            _touch(change, at, 1)
        elif kind == 2:  # a byte
            data[at] = draw.randrange(256)
            steps.append(f"byte at {at}")
            _touch(change, at, 1)
        elif kind <= 4:  # a word becomes an extreme one
            width, order = draw.choice((1, 2, 4, 8)), draw.choice("<<>")
            value = draw.choice(EXTREME) + draw.choice((-1, 0, 0, 0, 1))
            _set(data, at, width, order, value)
            steps.append(f"{width} bytes at {at} = {value}")
            _touch(change, at, width)
        elif kind <= 6 and fields:  # what may be a size
            at, width, order = draw.choice(fields)
            value = int.from_bytes(data[at : at + width], "little" if order == "<" else "big")
            value = draw.choice(
                (value + 1, value - 1, value + 4, value * 2, value + 0x10000, 0, -value, len(data),
                 draw.choice(EXTREME), draw.randrange(1 << 31))
            )  # fmt: skip
            _set(data, at, width, order, value)
            steps.append(f"size of {width} bytes at {at} = {value}")
            _touch(change, at, width)
        elif kind == 7:  # a run of bytes
            length = draw.choice((2, 4, 8, 16, 64, 300))
            fill = draw.choice((b"\0", b"\xff", b" ", bytes([draw.randrange(256)])))
            if draw.random() < 0.4:
                fill = draw.randbytes(length)
            run = (fill * length)[: min(length, len(data) - at)]
            data[at : at + len(run)] = run
            steps.append(f"run of {len(run)} at {at}")
            _touch(change, at, len(run))
        else:  # the file gets longer or shorter
            length = min(draw.choice((1, 1, 2, 3, 4, 8, 16, 28, 100, 1000)), len(data) - at)
            if kind == 8:
                del data[at : at + length]
                steps.append(f"{length} left out at {at}")
            elif kind == 9:
                data[at:at] = draw.randbytes(length)
                steps.append(f"{length} put in at {at}")
            elif kind == 10:
                data[at:at] = data[at : at + length]
                steps.append(f"{length} twice at {at}")
            else:
                place = draw.randrange(len(other) + 1)
                data[at:] = other[place:] if draw.random() < 0.5 else data[at:] + other[place:][:99]
                steps.append(f"spliced at {at} with {place} of another")
            _touch(change, at, 1)
            change.same_size = False
    change.steps = tuple(steps)
    return bytes(data), change


def _place(draw: random.Random, n: int, fields: list[tuple[int, int, str]]) -> int:
    """Anywhere, but oftener near the beginning, where headers are, and in what may be sizes."""
    kind = draw.random()
    if kind < 0.3:
        return min(int(draw.expovariate(1 / 60)), n - 1)
    if kind < 0.45 and fields:
        return min(draw.choice(fields)[0] + draw.randrange(4), n - 1)
    return draw.randrange(n)


def _set(data: bytearray, at: int, width: int, order: str, value: int) -> None:
    packed = struct.pack(order + WIDTHS[width], value & ((1 << 8 * width) - 1))
    room = min(width, len(data) - at)
    data[at : at + room] = packed[:room]


def _touch(change: Change, at: int, length: int) -> None:
    change.first = min(change.first, at)
    change.last = max(change.last, at + length)
