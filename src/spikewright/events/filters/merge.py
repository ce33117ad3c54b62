"""Recordings merged by time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain
from spikewright.events.camera import CameraEvents, concatenate


def merge(*events: CameraEvents) -> CameraEvents:
    """Merge recordings of one sensor by time; at equal times the order of the arguments is kept.

    Where time runs backwards inside an argument, an event goes where its predecessor went: none overtakes another of
    its own recording.

    Raises
    ------
    EventError : nothing to merge, or sensors differ

    Examples
    --------
    >>> one = CameraEvents([1, 5], [0, 0], [0, 0], [0, 0], 2, 1)
    >>> two = CameraEvents([1, 3], [1, 1], [0, 0], [0, 0], 2, 1)
    >>> merge(one, two).x.tolist()
    [0, 1, 1, 0]
    """
    whole = concatenate(events)
    keys = np.concatenate([np.maximum.accumulate(each.t) for each in events])
    return whole[np.argsort(keys, kind="stable")]


def merged(sources: Sequence[Iterable[CameraEvents]]) -> Iterator[CameraEvents]:
    """Merge recordings that come in chunks; holds about one chunk of each.

    Yields
    ------
    CameraEvents : what `merge` of the whole recordings holds, in chunks

    Raises
    ------
    EventError : nothing to merge, or sensors differ
    """
    if not sources:
        raise EventError(explain("merge", "nothing to merge", found=0, expected="at least 1"))
    waiting = [_Waiting(iter(each)) for each in sources]
    while True:
        for each in waiting:
            each.fill()
        open_ends = [each.key[-1] for each in waiting if not each.ended]
        if not open_ends:
            break
        # a source may still send events of its own last time, so that time is not ready yet
        limit = min(open_ends)
        ready = [each.take(int(np.searchsorted(each.key, limit, side="left"))) for each in waiting]
        if any(len(key) for _, key in ready):
            yield _joined(ready)
        for each in waiting:
            if not each.ended and each.key[-1] == limit:
                each.more()
    ready = [each.take(len(each.key)) for each in waiting]
    if any(len(key) for _, key in ready):
        yield _joined(ready)


class _Waiting:
    """What has come of one source and has not gone on; `key` is the largest time so far at each event."""

    def __init__(self, source: Iterator[CameraEvents]) -> None:
        self._source = source
        self._held: CameraEvents | None = None
        self.key: NDArray[np.int64] = np.empty(0, np.int64)
        self._largest = np.int64(-(2**63))
        self.ended = False

    def fill(self) -> None:
        while len(self.key) == 0 and not self.ended:
            self.more()

    def more(self) -> None:
        chunk = next(self._source, None)
        if chunk is None:
            self.ended = True
            return
        if len(chunk):
            key = np.maximum(np.maximum.accumulate(chunk.t), self._largest)
            self._largest = key[-1]
            self.key = np.concatenate([self.key, key])
        self._held = chunk if self._held is None else concatenate([self._held, chunk])

    def take(self, n: int) -> tuple[CameraEvents | None, NDArray[np.int64]]:
        if self._held is None:
            return None, self.key
        taken, key = self._held[:n], self.key[:n]
        self._held, self.key = self._held[n:], self.key[n:]
        return taken, key


def _joined(ready: list[tuple[CameraEvents | None, NDArray[np.int64]]]) -> CameraEvents:
    whole = concatenate([events for events, _ in ready if events is not None])
    keys = np.concatenate([key for _, key in ready])
    return whole[np.argsort(keys, kind="stable")]
