"""The mel scale, and a bank of triangular filters evenly spaced on it.

Notation: m = 2595 log10(1 + f / 700 Hz).

Source
------
D. O'Shaughnessy, "Speech Communication: Human and Machine", Addison-Wesley 1987, p. 150 (the mel formula).
S. Davis, P. Mermelstein, "Comparison of parametric representations for monosyllabic word recognition",
IEEE Trans. ASSP 28 (1980), fig. 1 (triangular filters that cross at half height).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikewright.units import Hz

MEL_FACTOR, MEL_CORNER = 2595.0, 700.0 * Hz


def to_mel(frequency: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return the mel of a frequency in Hz.

    Examples
    --------
    >>> round(float(to_mel(1000.0)))
    1000
    """
    return np.asarray(MEL_FACTOR * np.log10(1 + np.asarray(frequency) / MEL_CORNER))


def from_mel(mel: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return the frequency in Hz of a mel."""
    return np.asarray(MEL_CORNER * (10 ** (np.asarray(mel) / MEL_FACTOR) - 1))


def triangles(
    n: int, f_min: float, f_max: float, *, n_fft: int, rate: float
) -> NDArray[np.float64]:
    """Return the weights of `n` filters at each frequency of a spectrum, n x (n_fft / 2 + 1); their peaks are 1.

    Parameters
    ----------
    n : filters
    f_min, f_max : float, Hz, the edges of the first and the last
    n_fft : length of the transform
    rate : float, Hz, of the samples
    """
    ends = to_mel(np.array([f_min, f_max]))
    edges = from_mel(np.linspace(ends[0], ends[1], n + 2))[:, None]
    frequency = np.arange(n_fft // 2 + 1) * rate / n_fft
    rising = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rising, falling), 0.0, None)
