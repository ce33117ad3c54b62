"""A gammatone filter bank, and its envelopes sent as levels that are crossed, at the resolution of a sample.

Notation: a filter is four equal complex poles in a row at a exp(i beta), a = exp(-2 pi 1.019 ERB / rate), beta = 2 pi f
/ rate; its impulse response is (n+1)(n+2)(n+3)/6 a^n exp(i beta n), the sampled gammatone t^3 exp(-2 pi 1.019 ERB t)
exp(2 pi i f t) but for a shift of two samples. The real part is the filter's output, the absolute value its envelope.
Gain at f is 1 for a sine of amplitude 1, in the real part and in the envelope.

Source
------
R. Patterson and others, "An efficient auditory filterbank based on the gammatone function", APU report 2341, 1988.
V. Hohmann, "Frequency analysis and synthesis using a gammatone filterbank", Acta Acustica 88 (2002) (complex poles).
B. Glasberg, B. Moore, "Derivation of auditory filter shapes from notched-noise data", Hearing Research 47 (1990):
ERB = 24.7 (4.37 f / kHz + 1) Hz, and the number of ERBs below f, 21.4 log10(4.37 f / kHz + 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import EventError, explain
from spikewright.events.sound.crossings import Crossings
from spikewright.events.sound.front import (
    FrontEnd,
    SoundStream,
    check_count,
    check_design,
    check_rate,
)
from spikewright.units import Hz

ORDER = 4
BANDWIDTH = 1.019
ERB_FLOOR, ERB_SLOPE, ERB_COUNT = 24.7 * Hz, 4.37e-3, 21.4


@dataclass(frozen=True)
class Gammatone(FrontEnd):
    """Levels that gammatone envelopes cross; one tick is a sample. Events are (2, channels): 0 down, 1 up.

    An envelope counts in dB above a floor, in steps of `threshold`; an event's value is the number of steps where
    several are crossed at once. Channels go from low to high pitch, evenly spaced in ERBs.

    Parameters
    ----------
    rate : float, Hz, of the sounds
    channels : number of them
    f_min, f_max : float, Hz, of the first and the last
    threshold : float, dB, between two levels
    floor : float, dB below a full-scale sine, under which is silence

    Raises
    ------
    EventError : numbers that make no bank
    """

    rate: float = 16000 * Hz
    channels: int = 64
    f_min: float = 80 * Hz
    f_max: float = 7000 * Hz
    threshold: float = 3.0
    floor: float = 60.0

    ears = 1

    def __post_init__(self) -> None:
        check_design("Gammatone", rate=self.rate, threshold=self.threshold, floor=self.floor)
        check_count("Gammatone: channels", self.channels)
        if not 0 < self.f_min <= self.f_max < self.rate / 2:
            raise EventError(
                explain(
                    "Gammatone: f_min, f_max", "are not a band of the sounds",
                    found=f"{self.f_min:g} to {self.f_max:g} Hz",
                    expected=f"rising, above 0, below {self.rate / 2:g} Hz",
                )
            )  # fmt: skip

    @property
    def frequencies(self) -> NDArray[np.float64]:
        """Return the center of each channel, Hz, from low to high."""
        ends = ERB_COUNT * np.log10(1 + ERB_SLOPE * np.array([self.f_min, self.f_max]))
        return (10 ** (np.linspace(ends[0], ends[1], self.channels) / ERB_COUNT) - 1) / ERB_SLOPE

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of its events."""
        return (2, self.channels)

    @property
    def tick(self) -> float:
        """Return the tick of its events: a sample."""
        return 1 / self.rate

    def stream(self) -> GammatoneStream:
        """Return a stream at its beginning."""
        return GammatoneStream(self)

    def respond(self, sound: ArrayLike, *, rate: float) -> NDArray[np.complex128]:
        """Return the bank's output for a whole sound, T C: real part the filter's, absolute value the envelope.

        Raises
        ------
        EventError : as for `encode`
        """
        check_rate("Gammatone", rate, self.rate)
        return self.stream().respond(sound)


class GammatoneStream(SoundStream):
    """A gammatone bank at work."""

    def __init__(self, front: Gammatone) -> None:
        super().__init__(front)
        f = front.frequencies
        decay = np.exp(-2 * np.pi * BANDWIDTH * ERB_FLOOR * (1 + ERB_SLOPE * f) / front.rate)
        pole = decay * np.exp(2j * np.pi * f / front.rate)
        self._pole = np.stack([pole.real, pole.imag])
        # the poles' gain at f, and 2 because a real sine is half a complex one
        self._gain = 2 * (1 - decay) ** ORDER
        self._state = np.zeros((ORDER, 2, front.channels))
        self._crossings = Crossings(front.channels, front.threshold, front.floor)

    def respond(self, piece: ArrayLike) -> NDArray[np.complex128]:
        """Return the bank's output for the next piece, T C.

        Raises
        ------
        EventError : as for a call
        """
        samples = self.check(piece)
        self._open()
        real, imaginary = self._respond(samples)
        return np.asarray(real + 1j * imaginary)

    def _respond(self, samples: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        from spikewright.events.sound.gammatone_loop import respond

        shape = (len(samples), len(self._gain))
        real, imaginary = np.empty(shape), np.empty(shape)
        respond(np.ascontiguousarray(samples), self._pole, self._gain, self._state, real, imaginary)
        return real, imaginary

    def _spikes(self, piece: NDArray[Any]) -> NDArray[Any]:
        real, imaginary = self._respond(piece)
        real *= real
        imaginary *= imaginary
        real += imaginary
        return self._crossings(real)
