"""Removal of hot pixels: a look at the whole recording, then a mask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spikewright.errors import EventError, Problems, explain
from spikewright.events.camera import CameraEvents
from spikewright.events.filters.base import Filter, Stream
from spikewright.events.filters.choose import Mask
from spikewright.events.measures.pixels import HotRule, PixelCounts, hot_pixels


@dataclass(frozen=True)
class HotPixels(Filter):
    """Drop the events of pixels that fire far more than others.

    It looks at the recording twice: `learned` returns a `Mask`, whose `drop` lists the pixels.

    Parameters
    ----------
    rule : HotRule
    factor : float
    """

    name = "hot_pixels"
    title = "drop the events of pixels that fire far more than others (looks twice)"
    learns = True
    rule: HotRule = HotRule.DEVIATIONS
    factor: float = 3.0

    def __post_init__(self) -> None:
        problems = Problems()
        if not 0 < self.factor < 1e12:
            problems.add(
                f"{self.name}.factor", "is out of range", found=self.factor, expected="> 0"
            )
        problems.raise_as(EventError)

    def learned(self, chunks: Iterable[CameraEvents], width: int, height: int) -> Mask:
        tally = PixelCounts(width, height)
        for chunk in chunks:
            tally.add(chunk)
        return Mask.of(~hot_pixels(tally.total, rule=self.rule, factor=self.factor))

    def on(self, width: int, height: int) -> Stream:
        raise EventError(
            explain(
                self.name,
                "must see the whole recording before it can begin",
                cure="open what `learned` returns",
            )
        )


def remove_hot_pixels(
    events: CameraEvents, *, rule: HotRule = HotRule.DEVIATIONS, factor: float = 3.0
) -> CameraEvents:
    """Drop the events of pixels that fire far more than others; see `HotPixels`.

    Examples
    --------
    >>> x = [*range(20), *[7] * 30]
    >>> noisy = CameraEvents(range(50), x, [0] * 50, [1] * 50, 20, 1)
    >>> len(remove_hot_pixels(noisy))
    19
    """
    return HotPixels(rule=rule, factor=factor)(events)
