"""Coefficients of the CARFAC cochlea: cascade, hair cells and gain control, from a sampling rate.

Notation: theta = 2 pi f / rate is the angle of a pole, r its radius; a0 = cos theta, c0 = sin theta; u is undamping, 1
in silence and less where it is loud; g the gain of a stage, which keeps its gain at 0 Hz at 1. Conductances of the hair
cell are relative to 1, charges to a full capacitor.

Source
------
R. Lyon, "Human and Machine Hearing", Cambridge 2017, chapters 15 to 19; the reference implementation google/carfac
(numpy version) for the constants and the order of operations.
B. Glasberg, B. Moore, "Derivation of auditory filter shapes from notched-noise data", Hearing Research 47 (1990) (ERB).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spikewright.units import Hz, ms, us

FIRST_POLE = 0.85 * math.pi
"""Angle of the highest pole."""
LOWEST_POLE = 30 * Hz
STEP = 0.5
"""Distance between two poles, in ERB."""
ERB_BREAK, ERB_Q = 165.3 * Hz, 1000 / (24.7 * 4.37)
ZETA_MAX, ZETA_MIN = 0.35, 0.10
"""Damping of a pole: the most, and the least at high frequencies."""
ZETA_GROWTH = 0.25
"""How far the least damping follows ERB / f."""
HIGH_DAMPING = 0.5
"""Compression of damping towards half the sampling rate."""
ZERO_RATIO = math.sqrt(2)
"""Frequency of a stage's zero over that of its pole."""
AC_CORNER = 20 * Hz
HAIR_OFFSET, HAIR_CORNER = 0.175, 0.1
STAGE_TAU = (2 * ms, 8 * ms, 32 * ms, 128 * ms)
DECIMATION = (8, 2, 2, 2)
STAGE_GAIN = 2.0
"""With which each slower stage is added."""
SPREAD_DOWN, SPREAD_UP = 1.0, 1.65
"""Widths of spatial smoothing, channels, of the first stage; sqrt 2 more in each slower one."""
MIXING = 0.5
"""Share of the difference between two ears that is taken away in a time constant."""
ENOUGH = {3: 0.25, 5: 0.15}
"""Taps of a smoother -> least weight of its middle, below which a wider one or one more pass is taken."""
MOST_PASSES = 16
Frequency = TypeVar("Frequency", float, NDArray[np.float64])


class HairCell(Enum):
    """Model of the inner hair cell."""

    ONE_CAP = "one_cap"
    """One reservoir that sending empties, two low passes of 80 us."""
    TWO_CAP = "two_cap"
    """A receptor potential drives a second reservoir, one low pass of 80 us."""


@dataclass(frozen=True, eq=False)
class Cascade:
    """Coefficients of the stages, one per channel from high to low."""

    frequency: NDArray[np.float64]
    a0: NDArray[np.float64]
    c0: NDArray[np.float64]
    r1: NDArray[np.float64]
    zr: NDArray[np.float64]
    h: NDArray[np.float64]
    gain: NDArray[np.float64]
    """3 x channels: constant, linear and quadratic part of g over u."""


@dataclass(frozen=True)
class Hair:
    """Coefficients of the hair cell; those of the second capacitor are 0 where there is none."""

    two_cap: bool
    out1: float
    in1: float
    out2: float
    in2: float
    smoothing: float
    output_gain: float
    rest: float
    """Output in silence, before it is taken away."""
    rest1: float
    rest2: float
    ac: float


@dataclass(frozen=True, eq=False)
class GainControl:
    """Coefficients of the gain control, one row per stage from fast to slow."""

    epsilon: NDArray[np.float64]
    mixing: NDArray[np.float64]
    weights: NDArray[np.float64]
    """stages x 3: weights of the smoother, the outer ones used twice where it has five taps."""
    counts: NDArray[np.int64]
    """stages x 3: decimation, taps and passes of the smoother."""
    detect_scale: float


def erb(frequency: Frequency) -> Frequency:
    """Return the bandwidth of an auditory filter, Hz."""
    return (ERB_BREAK + frequency) / ERB_Q


def poles(rate: float) -> NDArray[np.float64]:
    """Return the frequencies of the poles, Hz, from high to low.

    Examples
    --------
    >>> len(poles(22050.0))
    71
    """
    found = []
    frequency = FIRST_POLE * rate / (2 * math.pi)
    while frequency > LOWEST_POLE:
        found.append(frequency)
        frequency -= STEP * erb(frequency)
    return np.array(found)


def cascade(rate: float) -> Cascade:
    """Return the stages at a sampling rate."""
    f = poles(rate)
    theta = 2 * np.pi * f / rate
    a0, c0 = np.cos(theta), np.sin(theta)
    x = theta / np.pi
    damping = np.pi * (x - HIGH_DAMPING * x**3)
    least = ZETA_MIN + ZETA_GROWTH * (erb(f) / f - ZETA_MIN)
    r1, zr = 1 - damping * ZETA_MAX, damping * (ZETA_MAX - least)
    h = c0 * (ZERO_RATIO**2 - 1)

    def unit_gain(u: float) -> NDArray[np.float64]:
        r = r1 + zr * u
        below = 1 - 2 * r * a0 + r**2
        return below / (below + h * r * c0)

    none, half, full = unit_gain(0.0), unit_gain(0.5), unit_gain(1.0)
    linear, quadratic = 4 * half - 3 * none - full, 2 * (none + full) - 4 * half
    return Cascade(f, a0, c0, r1, zr, h, np.stack([none, linear, quadratic]))


def detect(motion: float) -> float:
    """Return the conductance of a hair cell."""
    z = max(0.0, motion + HAIR_OFFSET)
    return z**3 / (z**3 + z**2 + HAIR_CORNER)


def hair(kind: HairCell, rate: float) -> Hair:
    """Return the hair cell at a sampling rate.

    The output is scaled so that a capacitor emptied half the time sends 1, and silence 0.
    """
    most, silent = detect(10.0), detect(0.0)
    ac = 2 * math.pi * AC_CORNER / rate
    smoothing = 1 - math.exp(-1 / (80 * us * rate))
    if kind is HairCell.ONE_CAP:
        tau_out, tau_in = 0.5 * ms, 10 * ms
        refill = tau_in / (tau_out * most)
        full, rest = 1 / (2 / most + refill), 1 / (refill + 1 / silent)
        return Hair(
            False, 1 / (most * tau_out * rate), 1 / (tau_in * rate), 0.0, 0.0, smoothing,
            1 / (full - rest), rest / (full - rest), 1 - rest * refill, 0.0, ac,
        )  # fmt: skip
    tau1_out, tau1_in, tau2_out, tau2_in = 0.5 * ms, 0.2 * ms, 1 * ms, 10 * ms
    refill1 = tau1_in / (tau1_out * most)
    rest1 = refill1 / (refill1 + 1 / silent)  # receptor potential in silence
    most2 = refill1 / (1 / most + refill1)
    refill2 = tau2_in / (tau2_out * most2)
    full, rest = 1 / (2 / most2 + refill2), 1 / (refill2 + 1 / rest1)
    return Hair(
        True, 1 / (most * tau1_out * rate), 1 / (tau1_in * rate), 1 / (most2 * tau2_out * rate),
        1 / (tau2_in * rate), smoothing, 1 / (full - rest), rest / (full - rest), 1 - rest1,
        1 - rest * refill2, ac,
    )  # fmt: skip


def gain_control(rate: float) -> GainControl:
    """Return the four stages of gain control at a sampling rate."""
    epsilon, mixing, weights, counts = [], [], [], []
    decimation = 1
    for k, tau in enumerate(STAGE_TAU):
        decimation *= DECIMATION[k]
        per_tau = (
            tau * rate / decimation
        )  # updates in a time constant, among which the spread is shared
        down, up = SPREAD_DOWN * math.sqrt(2) ** k, SPREAD_UP * math.sqrt(2) ** k
        taps, passes, fir = _smoother((down**2 + up**2) / per_tau, (up - down) / per_tau)
        epsilon.append(1 - math.exp(-1 / per_tau))
        mixing.append(MIXING / per_tau if k else 0.0)
        weights.append(fir)
        counts.append((DECIMATION[k], taps, passes))
    return GainControl(
        np.array(epsilon), np.array(mixing), np.array(weights), np.array(counts, np.int64),
        1 / sum(STAGE_GAIN**k for k in range(len(STAGE_TAU))),
    )  # fmt: skip


def _smoother(variance: float, mean: float) -> tuple[int, int, tuple[float, float, float]]:
    """Return taps, passes and weights of the narrowest smoother with a variance and a mean, in channels."""
    for passes in range(1, MOST_PASSES + 1):
        m, second = mean / passes, variance / passes + (mean / passes) ** 2
        low, high = (second - m) / 2, (second + m) / 2
        if passes == 1 and 1 - low - high >= ENOUGH[3]:
            return 3, passes, (low, 1 - low - high, high)
        # five taps with pairs of equal weights: their second moment is 5/2, their mean 3/2 of a weight
        low, high = second / 5 - m / 3, second / 5 + m / 3
        if 1 - low - high >= ENOUGH[5]:
            return 5, passes, (low / 2, 1 - low - high, high / 2)
    raise ArithmeticError(f"no smoother of variance {variance:g}")
