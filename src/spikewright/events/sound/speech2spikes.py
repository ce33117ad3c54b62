"""Speech2Spikes: log-mel power, followed by steps of one.

Notation: x is the natural logarithm of the power in a mel band, windows of 512 samples every 80 at 16 kHz, the sound
mirrored at its ends; level starts at round(x) of the first frame and moves by one step of `threshold` per frame where x
is further away. With `cumulative` as many bands follow that hold the sum of power up to the frame.

The logarithm of silence is endless; power is at least `LEAST` here, which is ours: noise in the last of 16 bits is
louder.

Source
------
K. Stewart, T. Shea, N. Pacik-Nelson, E. Gallo, A. Danielescu, "Speech2Spikes: efficient audio encoding pipeline for
real-time neuromorphic systems", NICE 2023, 10.1145/3584954.3584995.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.events.sound.frames import Border, Frames, band_power
from spikewright.events.sound.front import FrontEnd, SoundStream, check_design
from spikewright.events.sound.mel import triangles
from spikewright.units import Hz

RATE, WINDOW, HOP = 16000 * Hz, 512, 80
BANDS, F_MIN, F_MAX = 20, 20 * Hz, 4000 * Hz
LEAST = 1e-12


@dataclass(frozen=True)
class Speech2Spikes(FrontEnd):
    """Speech2Spikes; one tick is a hop of 5 ms. Events are (2, bands): 0 down, 1 up.

    Parameters
    ----------
    cumulative : add the running sum of power as 20 more bands
    threshold : of a step, in units of the natural logarithm of power

    Raises
    ------
    EventError : a threshold that is not positive
    """

    cumulative: bool = False
    threshold: float = 1.0

    rate = RATE
    ears = 1

    def __post_init__(self) -> None:
        check_design("Speech2Spikes", threshold=self.threshold)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of its events."""
        return (2, 2 * BANDS if self.cumulative else BANDS)

    @property
    def tick(self) -> float:
        """Return the tick of its events: a hop."""
        return HOP / RATE

    def stream(self) -> Speech2SpikesStream:
        """Return a stream at its beginning."""
        return Speech2SpikesStream(self)


class Speech2SpikesStream(SoundStream):
    """Speech2Spikes at work."""

    def __init__(self, front: Speech2Spikes) -> None:
        super().__init__(front)
        self._hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
        self._filters = triangles(BANDS, F_MIN, F_MAX, n_fft=WINDOW, rate=RATE).T.copy()
        self._frames = Frames(WINDOW, HOP, border=Border.MIRROR)
        self._cumulative, self._threshold = front.cumulative, front.threshold
        self._total = np.zeros(BANDS)
        self._level: NDArray[np.float64] | None = None

    def power(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the power in each band, frames x 20."""
        return band_power(frames, self._hann, WINDOW, self._filters)

    def _spikes(self, piece: NDArray[Any]) -> NDArray[Any]:
        return self._followed(self._frames.push(piece))

    def _last(self) -> NDArray[Any]:
        return self._followed(self._frames.end())

    def _followed(self, frames: NDArray[np.float64]) -> NDArray[Any]:
        from spikewright.events.sound.firing_loop import follow

        power = self.power(frames)
        if self._cumulative:
            # summed from the first frame on in one order, so that pieces round as the whole does
            total = np.cumsum(np.vstack([self._total, power]), axis=0)
            self._total = total[-1]
            power = np.hstack([power, total[1:]])
        x = np.log(np.maximum(power, LEAST))
        if self._level is None and len(x):
            self._level = np.rint(x[0])
        sent = np.zeros((len(x), 2 * x.shape[1]), np.int8)
        if self._level is not None:
            follow(x, self._threshold, self._level, sent)
        return sent
