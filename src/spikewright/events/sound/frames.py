"""Overlapping windows of a sound that comes in pieces; frame k is centered on sample k * hop, as in a whole sound."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain


class Border(Enum):
    """What lies before the first and behind the last sample."""

    SILENCE = "silence"
    """Zeros."""
    MIRROR = "mirror"
    """The sound backwards, its end sample not repeated; the sound must be longer than half a window."""


class Frames:
    """Windows of `n` samples, every `hop`; 1 + T // hop of them for T samples where `n` is even.

    Examples
    --------
    >>> frames = Frames(4, 2)
    >>> frames.push(np.array([1.0, 2.0, 3.0])).tolist()
    [[0.0, 0.0, 1.0, 2.0]]
    >>> frames.end().tolist()
    [[1.0, 2.0, 3.0, 0.0]]
    """

    def __init__(self, n: int, hop: int, *, border: Border = Border.SILENCE) -> None:
        self._n, self._hop, self._border = n, hop, border
        self._half = n // 2 + n % 2
        self._held = np.zeros(0)
        self._newest = np.zeros(0)
        self._gap = 0
        self._begun = False

    def push(self, piece: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the windows that the next samples complete, frames x n."""
        self._held = np.concatenate([self._held, piece])
        self._newest = np.concatenate([self._newest, piece])[-self._half - 1 :]
        if not self._begun:
            if self._border is Border.SILENCE:
                self._begin(np.zeros(self._half))
            elif len(self._held) > self._half:
                self._begin(self._held[self._half : 0 : -1])
            else:
                return np.zeros((0, self._n))
        return self._take()

    def end(self) -> NDArray[np.float64]:
        """Return the windows that reach over the end.

        Raises
        ------
        EventError : too short to be mirrored
        """
        if self._border is Border.MIRROR and not self._begun:
            raise EventError(
                explain(
                    "frames", "the sound is shorter than half a window",
                    found=f"{len(self._held)} samples", expected=f"at least {self._half + 1}",
                    cure="add silence to it",
                )
            )  # fmt: skip
        if not self._begun:
            self._begin(np.zeros(self._half))
        mirror = self._border is Border.MIRROR
        behind = self._newest[-2::-1] if mirror else np.zeros(self._half)
        self._held = np.concatenate([self._held, behind])
        return self._take()

    def _begin(self, before: NDArray[np.float64]) -> None:
        self._held = np.concatenate([before, self._held])
        self._begun = True

    def _take(self) -> NDArray[np.float64]:
        """Return all whole windows, and leave what later ones need."""
        passed = min(self._gap, len(self._held))
        self._held, self._gap = self._held[passed:], self._gap - passed
        count = max(0, (len(self._held) - self._n) // self._hop + 1)
        if count == 0:
            return np.zeros((0, self._n))
        windows = np.lib.stride_tricks.sliding_window_view(self._held, self._n)
        taken = windows[: (count - 1) * self._hop + 1 : self._hop].copy()
        # a hop longer than the window may reach over samples that have not come
        self._gap = max(0, count * self._hop - len(self._held))
        self._held = self._held[count * self._hop :]
        return taken


def band_power(
    frames: NDArray[np.float64], window: NDArray[np.float64], n_fft: int, bands: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the power of each frame in each band, frames x bands.

    Parameters
    ----------
    frames : frames x n
    window : n, multiplied with each frame
    n_fft : length of the transform
    bands : (n_fft / 2 + 1) x bands, weights
    """
    spectrum = np.abs(np.fft.rfft(frames * window, n_fft)) ** 2
    # frame by frame: a product of matrices rounds by how many frames there are, and pieces must equal the whole
    return np.array([each @ bands for each in spectrum]).reshape(len(frames), bands.shape[1])
