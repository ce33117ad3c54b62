"""Slow, independent decoders: what must come out of any words after a header, by the rules of each format.

They follow `facts/event-formats.md` word by word and share no line with the readers. Times are only given up to whole
turns of the format's counter, so that nothing here depends on what a reader takes for a wrap.

Source
------
as for the readers: docs.prophesee.ai, data/encoding_formats and data/file_formats; neuromorphicsystems/event_stream;
gorchard/event-Python; docs.inivation.com, file-formats/aedat-2.0
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

Event = tuple[int, int, int, int]


@dataclass
class Count:
    """What stands in a stream of words.

    Parameters
    ----------
    events : (t, x, y, p), with t modulo `period`
    triggers : so many
    lost : words of events or triggers that have no time or place
    bad : words that mean nothing
    left : bytes of an incomplete record at the end
    period : us
    """

    events: list[Event] = field(default_factory=list)
    triggers: int = 0
    lost: int = 0
    bad: int = 0
    left: int = 0
    period: int = 1 << 62


def recount(format: str, kind: str, body: bytes, height: int) -> Count | None:
    """Decode everything after the header; None where there is no such decoder.

    Parameters
    ----------
    format, kind : as in `Sample`
    body : bytes after the header
    height : of the sensor, for formats whose rows count from the bottom
    """
    decoder = _DECODERS.get(format if not kind else f"{format}/{kind}")
    return None if decoder is None else decoder(body, height)


def _words(body: bytes, code: str) -> tuple[tuple[int, ...], int]:
    size = struct.calcsize("<" + code)
    n = len(body) // size
    return struct.unpack_from(f"<{n}{code}", body), len(body) - n * size


def _evt2(body: bytes, height: int) -> Count:
    words, left = _words(body, "I")
    count = Count(left=left, period=1 << 34)
    high = None
    for word in words:
        kind = word >> 28
        if kind == 8:
            high = word & 0xFFFFFFF
        elif kind in (0, 1, 10) and high is None:
            count.lost += 1
        elif kind in (0, 1):
            t = high << 6 | word >> 22 & 63
            count.events.append((t, word >> 11 & 0x7FF, word & 0x7FF, kind))
        elif kind == 10:
            count.triggers += 1
        elif kind not in (13, 14, 15):
            count.bad += 1
    return count


def _evt21(body: bytes, height: int, *, swap: bool = False) -> Count:
    words, left = _words(body, "Q")
    count = Count(left=left, period=1 << 34)
    high = None
    for word in words:
        if swap:
            word = (word >> 32) | (word & 0xFFFFFFFF) << 32
        kind = word >> 60
        if kind == 8:
            high = word >> 32 & 0xFFFFFFF
        elif kind in (0, 1):
            columns = [k for k in range(32) if word >> k & 1]
            if high is None:
                count.lost += len(columns)
                continue
            t, x, y = high << 6 | word >> 54 & 63, word >> 43 & 0x7FF, word >> 32 & 0x7FF
            count.events += [(t, x + k, y, kind) for k in columns]
        elif kind == 10:
            count.triggers += high is not None
            count.lost += high is None
        elif kind not in (13, 14, 15):
            count.bad += 1
    return count


def _legacy(body: bytes, height: int) -> Count:
    return _evt21(body, height, swap=True)


def _evt3(body: bytes, height: int) -> Count:
    words, left = _words(body, "H")
    count = Count(left=left, period=1 << 24)
    high = row = base = None
    low = sign = 0
    for word in words:
        kind, value = word >> 12, word & 0xFFF
        t = ((high or 0) << 12) + low
        if kind == 0:
            row = value & 0x7FF
        elif kind == 2:
            if high is None or row is None:
                count.lost += 1
            else:
                count.events.append((t, value & 0x7FF, row, value >> 11))
        elif kind == 3:
            base, sign = value & 0x7FF, value >> 11
        elif kind in (4, 5):
            wide = 12 if kind == 4 else 8
            columns = [k for k in range(wide) if value >> k & 1]
            if high is None or row is None or base is None:
                count.lost += len(columns)
            else:
                count.events += [(t, base + k, row, sign) for k in columns]
            if base is not None:
                base += wide
        elif kind == 6:
            low = value
        elif kind == 8:
            if value != high:
                low = 0
            high = value
        elif kind == 10:
            count.triggers += high is not None
            count.lost += high is None
        elif kind in (1, 9, 11, 12):
            count.bad += 1
    return count


def _evt4(body: bytes, height: int) -> Count:
    words, left = _words(body, "I")
    count = Count(left=left, period=1 << 34)
    high, at = None, 0
    while at < len(words):
        word = words[at]
        at += 1
        kind = word >> 28
        if kind == 14:
            high = word & 0xFFFFFFF
        elif kind in (10, 11, 12, 13):
            columns = [0]
            if kind >= 12:
                if at == len(words):
                    count.left += 4
                    break
                columns = [k for k in range(32) if words[at] >> k & 1]
                at += 1
            if high is None:
                count.lost += len(columns)
                continue
            t = high << 6 | word >> 22 & 63
            count.events += [(t, (word >> 11 & 0x7FF) + k, word & 0x7FF, kind & 1) for k in columns]
        elif kind == 9:
            count.triggers += high is not None
            count.lost += high is None
        elif kind not in (6, 7) and word != 0xFFFFFFFF:
            count.bad += 1
    return count


def _dat(body: bytes, height: int, *, old: bool = False) -> Count:
    words, left = _words(body, "Q")
    count = Count(left=left, period=1 << 32)
    for word in words:
        v = word >> 32
        x, y, p = (v & 0x1FF, v >> 9 & 0xFF, v >> 17) if old else (v & 0x3FFF, v >> 14 & 0x3FFF, v >> 28)  # fmt: skip
        count.bad += p > 1
        count.events.append((word & 0xFFFFFFFF, x, y, p & 1))
    return count


def _dat_triggers(body: bytes, height: int) -> Count:
    words, left = _words(body, "Q")
    return Count(triggers=len(words), left=left)


def _es(body: bytes, height: int, *, kind: str) -> Count:
    count, at, now = Count(), 0, 0
    size = 8 if kind == "color" else 5
    while at < len(body):
        byte = body[at]
        if kind == "atis" and byte >= 0xFC:
            now += 63 * (byte & 3)
            at += 1
            continue
        if kind != "atis" and byte >= 0xFE:
            now += (127 if kind == "dvs" else 254) if byte == 0xFF else 0
            count.bad += byte == 0xFE
            at += 1
            continue
        if at + size > len(body):
            count.left = len(body) - at
            break
        now += {"dvs": byte >> 1, "atis": byte >> 2, "color": byte}[kind]
        x, y = struct.unpack_from("<HH", body, at + 1)
        if kind == "atis" and byte & 1:
            count.triggers += 1  # an exposure
        else:
            p = {"dvs": byte & 1, "atis": byte >> 1 & 1, "color": 1}[kind]
            count.events.append((now, x, height - 1 - y & 0xFFFF if height else y, p))
        at += size
    return count


def _atis(body: bytes, height: int) -> Count:
    count = Count(left=len(body) % 5)
    before = 0
    for at in range(0, len(body) - 4, 5):
        x, y, high, middle, low = body[at : at + 5]
        if y == 240:
            before += 1 << 13
            continue
        t = before + ((high & 0x7F) << 16 | middle << 8 | low)
        count.events.append((t, x, y, high >> 7))
    return count


def _davis(body: bytes, height: int) -> Count:
    count = Count(left=len(body) % 8, period=1 << 32)
    for at in range(0, len(body) - 7, 8):
        address, t = struct.unpack_from(">II", body, at)
        if address >> 31:
            count.lost += 1  # a sample of a frame or of the inertial sensor
        elif address >> 10 & 1:
            # of external events only falling, rising and pulse are known
            count.triggers += 1
        else:
            y = height - 1 - (address >> 22 & 0x1FF) & 0xFFFF
            count.events.append((t, address >> 12 & 0x3FF, y, address >> 11 & 1))
    return count


_DECODERS: dict[str, Callable[[bytes, int], Count]] = {
    "evt2": _evt2,
    "evt21/little": _evt21,
    "evt21/legacy": _legacy,
    "evt3": _evt3,
    "evt4": _evt4,
    "dat/cd": _dat,
    "dat/old": lambda body, height: _dat(body, height, old=True),
    "dat/trigger": _dat_triggers,
    "es/dvs": lambda body, height: _es(body, height, kind="dvs"),
    "es/atis": lambda body, height: _es(body, height, kind="atis"),
    "es/color": lambda body, height: _es(body, height, kind="color"),
    "atis": _atis,
    "aedat2/davis": _davis,
}
