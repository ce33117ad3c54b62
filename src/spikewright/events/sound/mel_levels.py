"""Loudness in mel bands, sent as levels that are crossed: the fast front end, for speech at frame rate.

Notation: a frame is a window of the sound (Hann, periodic), its level in a band L = 10 log10(P), P the power there; a
full-scale sine has P = 1 at the frequency it meets. L counts from a floor, in steps of `threshold`: an event up or down
for each step, its value the number of steps where several are crossed at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain
from spikewright.events.sound.crossings import Crossings
from spikewright.events.sound.frames import Frames, band_power
from spikewright.events.sound.front import FrontEnd, SoundStream, check_count, check_design
from spikewright.events.sound.mel import triangles
from spikewright.units import Hz, ms, show


@dataclass(frozen=True)
class MelLevels(FrontEnd):
    """Levels crossed in mel bands; one tick is a hop. Events are (2, bands): 0 down, 1 up.

    Parameters
    ----------
    rate : float, Hz, of the sounds
    bands : number of them
    hop, window : float, s; the hop is rounded to whole samples
    f_min, f_max : float, Hz, edges of the first and the last band
    threshold : float, dB, between two levels
    floor : float, dB below a full-scale sine, under which is silence

    Raises
    ------
    EventError : numbers that make no front end

    Examples
    --------
    >>> MelLevels().shape
    (2, 40)
    """

    rate: float = 16000 * Hz
    bands: int = 40
    hop: float = 5 * ms
    window: float = 25 * ms
    f_min: float = 80 * Hz
    f_max: float = 7600 * Hz
    threshold: float = 3.0
    floor: float = 60.0

    ears = 1

    def __post_init__(self) -> None:
        check_design(
            "MelLevels", rate=self.rate, hop=self.hop, window=self.window,
            threshold=self.threshold, floor=self.floor,
        )  # fmt: skip
        check_count("MelLevels: bands", self.bands)
        if not 0 <= self.f_min < self.f_max <= self.rate / 2:
            raise EventError(
                explain(
                    "MelLevels: f_min, f_max", "are not a band of the sounds",
                    found=f"{self.f_min:g} to {self.f_max:g} Hz",
                    expected=f"rising, within 0 to {self.rate / 2:g} Hz",
                )
            )  # fmt: skip
        if self.hop_samples < 1 or self.window_samples < 2:
            raise EventError(
                explain(
                    "MelLevels: hop, window", "shorter than the samples",
                    found=f"{show(self.hop, 's')}, {show(self.window, 's')}",
                    expected=f"at least {show(1 / self.rate, 's')}, {show(2 / self.rate, 's')}",
                )
            )  # fmt: skip
        empty = int((self.filters().sum(axis=1) == 0).sum())
        if empty:
            raise EventError(
                explain(
                    "MelLevels: bands", f"{empty} fall between two frequencies of the spectrum",
                    found=self.bands, cure="use fewer bands or a longer window",
                )
            )  # fmt: skip

    @property
    def hop_samples(self) -> int:
        """Return the samples between two frames."""
        return round(self.hop * self.rate)

    @property
    def window_samples(self) -> int:
        """Return the samples of a frame."""
        return round(self.window * self.rate)

    @property
    def n_fft(self) -> int:
        """Return the length of the transform: a power of two, at least twice the window, for narrow low bands."""
        return 1 << (2 * self.window_samples - 1).bit_length()

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of its events."""
        return (2, self.bands)

    @property
    def tick(self) -> float:
        """Return the tick of its events: a hop."""
        return self.hop_samples / self.rate

    def filters(self) -> NDArray[np.float64]:
        """Return the weights of the bands at each frequency, bands x (n_fft / 2 + 1)."""
        return triangles(self.bands, self.f_min, self.f_max, n_fft=self.n_fft, rate=self.rate)

    def stream(self) -> MelStream:
        """Return a stream at its beginning."""
        return MelStream(self)


class MelStream(SoundStream):
    """Mel bands at work."""

    def __init__(self, front: MelLevels) -> None:
        super().__init__(front)
        n = front.window_samples
        self._hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
        self._n_fft = front.n_fft
        self._filters = front.filters().T * (2 / self._hann.sum()) ** 2
        self._frames = Frames(n, front.hop_samples)
        self._crossings = Crossings(front.bands, front.threshold, front.floor)

    def power(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the power in each band, frames x bands."""
        return band_power(frames, self._hann, self._n_fft, self._filters)

    def _spikes(self, piece: NDArray[Any]) -> NDArray[Any]:
        return self._crossings(self.power(self._frames.push(piece)))

    def _last(self) -> NDArray[Any]:
        return self._crossings(self.power(self._frames.end()))
