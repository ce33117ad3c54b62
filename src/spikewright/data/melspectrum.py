"""Log-mel spectrum of one recording, with nothing in it that another recording could change.

Notation: frames of `window` seconds every `hop` seconds, periodic Hann window, power spectrum, triangular filters
evenly spaced on the mel scale (`spikewright.events.sound.mel`), decibels below the loudest cell of the recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import DataError, Problems
from spikewright.events.sound.mel import triangles
from spikewright.units import Hz, ms


@dataclass(frozen=True)
class LogMel:
    """Settings of a log-mel spectrum of fixed length.

    Parameters
    ----------
    rate : float, Hz, of the recordings
    n_mels : filters
    hop : float, s, between frames; it becomes the `dt` of the data set
    window : float, s
    f_min, f_max : float, Hz, the edges of the first and the last filter
    pre_emphasis : share of the sample before that is taken away, which lifts high frequencies
    depth : float, dB below the loudest cell that become 0; the loudest cell is 1
    steps : T; frames kept about the center of energy

    Raises
    ------
    DataError : the settings contradict each other
    """

    rate: float = 8000 * Hz
    n_mels: int = 40
    hop: float = 10 * ms
    window: float = 32 * ms
    f_min: float = 80 * Hz
    f_max: float = 4000 * Hz
    pre_emphasis: float = 0.97
    depth: float = 60.0
    steps: int = 50

    def __post_init__(self) -> None:
        problems = Problems()
        for name in ("rate", "n_mels", "depth", "steps"):
            if not getattr(self, name) > 0:
                problems.add(f"LogMel: {name}", "is not positive", found=getattr(self, name))
        if not (0 <= self.f_min < self.f_max <= self.rate / 2):
            problems.add(
                "LogMel: f_min, f_max",
                "are not a band of the recordings",
                found=f"{self.f_min:g} to {self.f_max:g} Hz",
                expected=f"rising, within 0 to {self.rate / 2:g} Hz",
            )
        if self.hop * self.rate < 1 or self.window * self.rate < 2:
            problems.add(
                "LogMel: hop, window",
                "shorter than the samples",
                found=f"{self.hop:g} s, {self.window:g} s",
                expected=f"at least {1 / self.rate:g} s, {2 / self.rate:g} s",
            )
        if not (0 <= self.pre_emphasis < 1):
            problems.add("LogMel: pre_emphasis", "is not a share", found=self.pre_emphasis)
        problems.raise_as(DataError)
        empty = int((filter_bank(self).sum(axis=1) == 0).sum())
        if empty:
            problems.add(
                "LogMel: n_mels",
                f"{empty} filters fall between two frequencies of the spectrum",
                found=self.n_mels,
                cure="use fewer filters or a longer window",
            )
        problems.raise_as(DataError)

    @property
    def n_window(self) -> int:
        """Samples of a window."""
        return round(self.window * self.rate)

    @property
    def n_fft(self) -> int:
        """Length of the transform: a power of two, at least twice the window, which narrow low filters need."""
        return 1 << (2 * self.n_window - 1).bit_length()


def filter_bank(settings: LogMel) -> NDArray[np.float64]:
    """Return the weights of each filter at each frequency of the spectrum, n_mels x (n_fft / 2 + 1)."""
    return triangles(
        settings.n_mels, settings.f_min, settings.f_max, n_fft=settings.n_fft, rate=settings.rate
    )


def power(sound: NDArray[np.float64], settings: LogMel) -> NDArray[np.float64]:
    """Return the power in each filter, frames x n_mels, of a sound; frame k is centered on k hops.

    Parameters
    ----------
    sound : float array, at least one sample; -1 to 1
    """
    lifted = np.append(sound[:1], sound[1:] - settings.pre_emphasis * sound[:-1])
    n, hop = settings.n_window, round(settings.hop * settings.rate)
    padded = np.pad(lifted, n // 2 + n % 2)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n)[::hop]
    spectrum = np.abs(np.fft.rfft(frames * hann, settings.n_fft)) ** 2
    return spectrum @ filter_bank(settings).T


def log_mel(sound: NDArray[np.float64], settings: LogMel) -> tuple[NDArray[np.float32], float]:
    """Return T n_mels numbers from 0 to 1, and the share of the sound's power that lies outside the T frames.

    A silent sound is 0 everywhere.
    """
    cells = power(sound, settings)
    shown = np.zeros((settings.steps, settings.n_mels), np.float32)
    loudness = cells.sum(axis=1)
    total = loudness.sum()
    if total == 0:
        return shown, 0.0
    floor = cells.max() * 10 ** (-settings.depth / 10)
    level = 1 + 10 * np.log10(np.maximum(cells, floor) / cells.max()) / settings.depth
    center = (loudness * np.arange(len(cells))).sum() / total
    first = round(center - (settings.steps - 1) / 2)
    low, high = max(0, first), min(len(cells), first + settings.steps)
    shown[low - first : high - first] = level[low:high].clip(0, 1)
    return shown, float(1 - loudness[low:high].sum() / total)
