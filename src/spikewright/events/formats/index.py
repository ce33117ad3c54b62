"""The seek index: where each block of events begins, when, and what the decoder knew there.

It grows with what was looked at, and can be kept beside the recording (`NAME.evidx`, an .npz archive), checked by the
recording's size, time of change and first bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError
from spikewright.events.formats.source import Source
from spikewright.files import read_arrays, replacing

BLOCK = 1 << 16
"""Events of a block, nearly: a word that holds several is never divided."""

MARGIN = 1_000_000
"""us; a cut ends at the first block that begins this long after it, so late words of up to a second are found."""

SUFFIX = ".evidx"
VERSION = 1


class Place(Protocol):
    """A place in the stream."""

    offset: int
    state: NDArray[np.int64]


Scan = Callable[[Place | None], tuple[Place, Place, NDArray[np.int64]]]
"""Decodes one block from a place (None: the first): that place, the one after the block, and its times."""


@dataclass(frozen=True)
class Entry:
    """One block.

    Parameters
    ----------
    offset : int, byte at which it begins
    event : int, number of its first event
    low, high : int, us, its earliest and latest time
    state : what the decoder knows at its begin
    """

    offset: int
    event: int
    low: int
    high: int
    state: NDArray[np.int64]


class Index:
    """Finds blocks of a recording by time, scanning no further than asked.

    Parameters
    ----------
    source : of the recording
    name : of its format
    first : byte at which the words begin
    word : int, bytes of a word
    slots : int, numbers of a decoder's state
    keep : whether `save` writes the index beside the recording
    """

    def __init__(
        self, source: Source, name: str, first: int, word: int, slots: int, *, keep: bool
    ) -> None:
        self.source = source
        self.name = name
        self.first = first
        self.word = word
        self.slots = slots
        self.keep = keep
        self.entries: list[Entry] = []
        self._count = 0
        self._next: Place | None = None
        self._complete = False
        self._dirty = False
        self._load()

    def blocks(self, start: int, stop: int, scan: Scan) -> Iterator[Entry]:
        """Yield the blocks that hold events of `start <= t < stop`, in the order of the file."""
        k = 0
        while k < len(self.entries) or self._extend(scan):
            entry = self.entries[k]
            if entry.low >= stop + MARGIN:
                return
            if entry.low < stop and entry.high >= start:
                yield entry
            k += 1

    def complete(self, scan: Scan) -> list[Entry]:
        """Scan to the end and return all blocks."""
        while self._extend(scan):
            pass
        return self.entries

    def _extend(self, scan: Scan) -> bool:
        if self._complete:
            return False
        before, after, t = scan(self._next)
        if not t.size:
            self._complete = True
            return False
        self.entries.append(
            Entry(before.offset, self._count, int(t.min()), int(t.max()), before.state)
        )
        self._count += t.size
        self._next = after
        self._dirty = True
        return True

    # -- the file beside the recording ----------------------------------------------------------------

    def save(self) -> None:
        """Write the index beside the recording, where that is asked for and useful."""
        path = self._path
        if not (self.keep and self._dirty and self._complete and path and self.entries):
            return
        try:
            with replacing(path) as temporary, open(temporary, "wb") as file:
                np.savez(
                    file,
                    stamp=self._stamp(),
                    offset=np.array([e.offset for e in self.entries], np.int64),
                    event=np.array([e.event for e in self.entries], np.int64),
                    low=np.array([e.low for e in self.entries], np.int64),
                    high=np.array([e.high for e in self.entries], np.int64),
                    state=np.array([e.state for e in self.entries], np.int64),
                )
        except FormatError:
            return  # a folder that cannot be written to costs another scan, nothing else
        self._dirty = False

    @property
    def _path(self) -> Path | None:
        path = self.source.path
        return None if path is None else path.with_name(path.name + SUFFIX)

    def _stamp(self) -> NDArray[np.int64]:
        path = self.source.path
        status = path.stat() if path is not None else None
        head = zlib.crc32(self.source.window(0, 4096).tobytes())
        name = zlib.crc32(self.name.encode())
        size, changed = (status.st_size, status.st_mtime_ns) if status else (0, 0)
        return np.array([VERSION, size, changed, self.first, head, name], np.int64)

    def _load(self) -> None:
        path = self._path
        if path is None or self.source.is_pipe or not path.is_file():
            return
        try:
            stored = read_arrays(path)
            fields = [stored[name] for name in ("offset", "event", "low", "high", "state")]
            if not np.array_equal(stored["stamp"], self._stamp()):
                return
        except (FormatError, KeyError, OSError):
            return  # another version, or damaged: scanned again
        offset, event, low, high, state = fields
        k = len(offset)
        sound = (
            all(field.dtype == np.int64 for field in fields)
            and offset.shape == event.shape == low.shape == high.shape == (k,)
            and state.shape == (k, self.slots)
            and k > 0
            and bool(np.all(offset[1:] > offset[:-1]))
            and bool(np.all((offset - self.first) % self.word == 0))
            and offset[0] == self.first
            and offset[-1] < self.source.size
        )
        if not sound:
            return
        self.entries = [
            Entry(int(offset[i]), int(event[i]), int(low[i]), int(high[i]), state[i])
            for i in range(k)
        ]
        self._complete = True
