"""Bring a sound to the rate that a front end takes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import EventError, explain
from spikewright.events.sound.front import RATE_ERROR, check_design, check_sound

LARGEST_PART = 10000
"""Largest denominator of the ratio of two rates: 48828.125 Hz from 16 kHz is 3125 / 1024."""


def resample(sound: ArrayLike, rate: float, to: float) -> NDArray[np.float64]:
    """Return a whole sound at another sampling rate, by SciPy's polyphase filter.

    Parameters
    ----------
    sound : float array, T
    rate, to : float, Hz

    Returns
    -------
    float64 array : ceil(T to / rate) samples

    Raises
    ------
    EventError : not a mono sound, empty, not finite, or rates without a simple ratio

    Examples
    --------
    >>> len(resample(np.zeros(16000), 16000.0, 22050.0))
    22050
    """
    check_design("resample", rate=rate, to=to)
    samples = check_sound("resample", sound, 1)
    if len(samples) == 0:
        raise EventError(
            explain("resample", "the sound is empty", found="0 samples", expected="at least 1")
        )
    ratio = Fraction(to / rate).limit_denominator(LARGEST_PART)
    if abs(ratio * rate / to - 1) > RATE_ERROR or ratio.numerator > 100 * LARGEST_PART:
        raise EventError(
            explain(
                "resample", "no simple ratio of the rates", found=f"{rate:g} and {to:g} Hz",
                expected=f"a fraction with a denominator of at most {LARGEST_PART}",
            )
        )  # fmt: skip
    from scipy.signal import resample_poly

    return np.asarray(resample_poly(samples, ratio.numerator, ratio.denominator), np.float64)
