"""The digital audio front end of Xylo Audio 3: filters, normalization and spikes in integers, as the chip has them.

Notation: x is a 14-bit sample; w the state of a second-order band pass, newest first; out = w[n-1] - w[n-3], for the
chip puts out the value before; s = |out|; M the mean of s, scaled by 2^12; V sums s and fires at a threshold. `>>` is
an arithmetic shift: it rounds down, for negative numbers too.

Source
------
synsense/rockpool, module `AFESimPDM` of devices.xylo.syns65302 (the model of the digital part behind the microphone);
vectors from it are in the reference data.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import EventError, explain
from spikewright.events.bins import bin_events
from spikewright.events.sound.front import (
    FrontEnd,
    SoundStream,
    check_axes,
    check_rate,
    check_sound,
)
from spikewright.events.stream import Events
from spikewright.units import MHz

RATE = 50 * MHz / 1024
"""Hz, of samples: the clock over the decimation of the microphone's bits."""
BITS = 14
INPUT_SHIFT = 8
FILTERS = (
    (8, 6, -32694, 16313), (8, 6, -32663, 16284), (7, 7, -32617, 16244), (7, 7, -32551, 16188),
    (6, 8, -32453, 16110), (6, 8, -32305, 16000), (5, 9, -32077, 15848), (5, 9, -31718, 15638),
    (4, 10, -31139, 15347), (4, 10, -30185, 14947), (4, 10, -28582, 14402), (3, 11, -25862, 13666),
    (3, 11, -21262, 12687), (2, 13, -27375, 22803), (2, 13, -4180, 19488), (1, 14, 25566, 15280),
)  # fmt: skip
"""Of each band pass: shift of the input, shift of what is fed back, and the two coefficients a1, a2."""
FRAME, MOST = 50, 15
"""Samples of a frame (1.024 ms), and the spikes of a channel that it can hold."""
MEAN_SHIFT, LEAST, B1, B2 = 12, 1, 6, 0
"""Of the normalization: shift of the mean, its least value, and the threshold (m << B1) - (m << B2)."""
SLOTS = 3


class Normalization(Enum):
    """Where the threshold of a channel comes from."""

    SEPARATE = "separate"
    """The channel's own mean."""
    JOINT = "joint"
    """The largest mean of all channels, so that loud channels fire more."""
    FIXED = "fixed"
    """A number."""


@dataclass(frozen=True)
class XyloAudio3(FrontEnd):
    """The front end of Xylo Audio 3: 16 band passes, each with a spike generator; one tick is a sample, 20.48 us.

    It takes floats of full scale 1, or whole numbers of 14 bits as they are.

    Parameters
    ----------
    normalization : where thresholds come from
    threshold : of Normalization.FIXED, in units of |out|

    Raises
    ------
    EventError : a threshold that is not a whole number of at least 1
    """

    normalization: Normalization = Normalization.SEPARATE
    threshold: int = 1 << 27

    rate = RATE
    ears = 1

    def __post_init__(self) -> None:
        if not (isinstance(self.threshold, int | np.integer) and 0 < self.threshold < 1 << 62):
            raise EventError(
                explain(
                    "XyloAudio3: threshold", "is not a threshold", found=self.threshold,
                    expected="a whole number, 1 or more",
                )
            )  # fmt: skip

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of its events: 16 channels from low to high."""
        return (len(FILTERS),)

    @property
    def tick(self) -> float:
        """Return the tick of its events: a sample."""
        return 1 / RATE

    def stream(self) -> XyloStream:
        """Return a stream at its beginning."""
        return XyloStream(self)

    def filtered(self, sound: ArrayLike, *, rate: float) -> NDArray[np.int64]:
        """Return what the band passes put out, T 16.

        Raises
        ------
        EventError : as for `encode`
        """
        check_rate("XyloAudio3", rate, RATE)
        stream = self.stream()
        samples: NDArray[np.int64] = stream.check(sound)
        return stream.filtered(samples)

    def frames(self, events: Events) -> NDArray[np.int64]:
        """Return spikes per frame of 1.024 ms as the chip counts them, at most 15 in a channel; T 16.

        Raises
        ------
        EventError : events of another front end
        """
        if events.shape != self.shape or events.tick != self.tick:
            raise EventError(
                explain(
                    "XyloAudio3.frames", "events of another front end",
                    found=f"shape {events.shape}, tick {events.tick:g} s",
                    expected=f"shape {self.shape}, tick {self.tick:g} s",
                )
            )  # fmt: skip
        counted: NDArray[np.int64] = bin_events(events, FRAME * self.tick, dtype=np.int64)[:, 0]
        return np.minimum(counted, MOST, out=counted)


class XyloStream(SoundStream):
    """The front end at work."""

    def __init__(self, front: XyloAudio3) -> None:
        super().__init__(front)
        n = len(FILTERS)
        self._filters = np.array(FILTERS, np.int64)
        self._w = np.zeros((SLOTS, n), np.int64)
        self._mean, self._v = np.zeros(n, np.int64), np.zeros(n, np.int64)
        normalization = front.normalization
        self._fixed = int(front.threshold) if normalization is Normalization.FIXED else 0
        self._joint = normalization is Normalization.JOINT

    def check(self, piece: ArrayLike) -> NDArray[Any]:
        """Return samples of 14 bits."""
        array: NDArray[Any] = np.asarray(piece)
        if array.dtype.kind not in "iu" or array.size == 0:
            return to_14_bits(check_sound("XyloAudio3", array, 1))
        check_axes("XyloAudio3", array, 1)
        half = 1 << (BITS - 1)
        if int(array.max()) >= half or int(array.min()) < -half:
            raise EventError(
                explain(
                    "XyloAudio3", "a sample does not fit 14 bits",
                    found=f"{array.min()} to {array.max()}", expected=f"{-half} to {half - 1}",
                    cure="shift 16-bit samples right by 2",
                )
            )  # fmt: skip
        return array.astype(np.int64)

    def filtered(self, piece: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what the band passes put out for the next samples, T 16."""
        from spikewright.events.sound.xylo_loop import filter_bank

        out = np.empty((len(piece), len(FILTERS)), np.int64)
        filter_bank(piece, self._filters, INPUT_SHIFT, self._w, out)
        return out

    def _spikes(self, piece: NDArray[Any]) -> NDArray[Any]:
        from spikewright.events.sound.xylo_loop import fire

        filtered = self.filtered(piece)
        sent = np.zeros(filtered.shape, np.int8)
        fire(
            filtered, self._fixed, self._joint, B1, B2, MEAN_SHIFT, LEAST, self._mean, self._v, sent
        )
        return sent


def to_14_bits(sound: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return floats of full scale 1 as 14-bit samples, rounded; what is louder stays at the ends.

    Examples
    --------
    >>> to_14_bits(np.array([-1.0, 0.0, 0.5, 2.0])).tolist()
    [-8192, 0, 4096, 8191]
    """
    half = 1 << (BITS - 1)
    return np.clip(np.rint(sound * half), -half, half - 1).astype(np.int64)
