"""The pixel of an event camera: its parameters, and how it sees light.

Notation: I light, 0 to 255 (a linear float, or a pixel of a video); L the log of it; i = (I + 20) / 275 the relative
speed of the photoreceptor; theta thresholds on L; rates in Hz.

Source
------
Hu, Liu, Delbruck, "v2e: From video frames to realistic DVS events", CVPRW 2021, sections 4 and 5 (lin-log, bandwidth,
thresholds, leak, shot noise); Graca, Delbruck, "Unraveling the paradox of intensity-dependent DVS pixel noise",
arXiv 2109.08640, 2021 (noise rate of a photoreceptor's voltage noise).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, Problems

LINEAR_BELOW = 20.0
"""Light up to which L is linear, so that dark noise is not blown up."""

LEAST_THRESHOLD = 0.01
"""Thresholds drawn for pixels are clipped here."""

SHOT_IN_WHITE = 0.25
"""Shot noise in full light, over that in the dark."""

DARK, WHITE = 20.0, 275.0
"""i = (I + DARK) / WHITE: a photoreceptor in the dark still has a tenth of its speed."""


class Timing(Enum):
    """When the events between two samples of a video happen."""

    LINEAR = "linear"
    """Where the straight line between the two signals crosses the thresholds."""
    EVEN = "even"
    """Spread evenly, by the busiest pixel: the rule of v2e."""


@dataclass(frozen=True)
class PixelModel:
    """Parameters of the pixels of a camera.

    Parameters
    ----------
    theta_on, theta_off : float, of L, > 0; nominal thresholds
    sigma : float, of L; standard deviation of the thresholds across pixels
    cutoff : float, Hz; bandwidth of the photoreceptor in white light, 0 for no limit
    leak : float, Hz; ON events of a pixel that sees nothing change
    shot : float, Hz; noise events of a pixel in the dark, half ON, half OFF
    refractory : float, s; what a pixel is blind for after an event
    photoreceptor_noise : make the noise of rate `shot` by a noisy voltage in front of the thresholds, instead of
        independent events; needs `cutoff`
    leak_jitter : float; standard deviation of the leak from sample to sample, relative
    leak_spread : float, decades; standard deviation of log10 of the leak across pixels
    timing : when the events between two samples happen

    Raises
    ------
    EventError : lists every number that is out of range

    Examples
    --------
    >>> PixelModel(theta_on=0.3).theta_off
    0.2
    """

    theta_on: float = 0.2
    theta_off: float = 0.2
    sigma: float = 0.03
    cutoff: float = 300.0
    leak: float = 0.01
    shot: float = 0.001
    refractory: float = 0.5e-3
    photoreceptor_noise: bool = False
    leak_jitter: float = 0.1
    leak_spread: float = 0.1
    timing: Timing = Timing.LINEAR

    def __post_init__(self) -> None:
        problems = Problems()
        for name in ("theta_on", "theta_off"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= LEAST_THRESHOLD):
                problems.add(
                    f"PixelModel.{name}",
                    "is no threshold",
                    found=value,
                    expected=f"at least {LEAST_THRESHOLD}",
                )
        for name in (
            "sigma", "cutoff", "leak", "shot", "refractory", "leak_jitter", "leak_spread",
        ):  # fmt: skip
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                problems.add(f"PixelModel.{name}", "is out of range", found=value, expected=">= 0")
        if self.photoreceptor_noise and not (self.cutoff > 0 and self.shot > 0):
            problems.add(
                "PixelModel.photoreceptor_noise",
                "needs a bandwidth and a rate",
                found=f"cutoff {self.cutoff}, shot {self.shot}",
                expected="both above 0 Hz",
            )
        problems.raise_as(EventError)


IDEAL = PixelModel(sigma=0.0, cutoff=0.0, leak=0.0, shot=0.0, refractory=0.0)
"""No noise, no mismatch, no limit of speed."""

CLEAN = PixelModel(sigma=0.02, cutoff=0.0, leak=0.0, shot=0.0, refractory=0.0)
"""Thresholds that differ a little, nothing else."""

NOISY = PixelModel(sigma=0.05, cutoff=30.0, leak=0.1, shot=5.0, refractory=0.0)
"""A pixel in the dark."""

PRESETS = {"default": PixelModel(), "ideal": IDEAL, "clean": CLEAN, "noisy": NOISY}
"""Name -> parameters."""

_SLOPE = math.log(LINEAR_BELOW) / LINEAR_BELOW


def _lin_log(light: NDArray[np.float64]) -> NDArray[np.float64]:
    log = np.log(np.maximum(light, LINEAR_BELOW))
    # eight decimals: v2e rounds here, so that equal greys make equal signals on every machine
    return np.asarray(np.round(np.where(light <= LINEAR_BELOW, light * _SLOPE, log), 8), np.float64)


_OF_BYTE = _lin_log(np.arange(256.0)).astype(np.float32)


def log_light(frame: NDArray[Any]) -> NDArray[np.float32]:
    """Return L of a frame: linear up to 20, logarithmic above.

    Examples
    --------
    >>> [f"{v:.3f}" for v in log_light(np.array([0, 20, 255], np.uint8))]
    ['0.000', '2.996', '5.541']
    """
    if frame.dtype == np.uint8:
        of_byte: NDArray[np.float32] = _OF_BYTE[frame]
        return of_byte
    return _lin_log(frame.astype(np.float64)).astype(np.float32)


def speed(frame: NDArray[Any]) -> NDArray[np.float32]:
    """Return i, the speed of each photoreceptor relative to white light."""
    relative: NDArray[np.float32] = (frame.astype(np.float32) + np.float32(DARK)) / np.float32(
        WHITE
    )
    return relative


def noise_voltage(model: PixelModel) -> float:
    """Return the rms, of L, of a photoreceptor noise that makes `model.shot` events per second.

    A fit to simulations of a low-passed noise in front of two thresholds; it holds for samples much shorter than
    1 / (2 pi cutoff), and gives too few events otherwise.

    Source
    ------
    Graca, Delbruck 2021, as published with v2e: log10(theta / V) = -0.0026 x^3 - 0.036 x^2 - 0.1949 x + 0.321,
    x = log10((shot / 2) / cutoff)
    """
    x = math.log10(model.shot / 2 / model.cutoff)
    theta = (model.theta_on + model.theta_off) / 2
    return theta / 10 ** (-0.0026 * x**3 - 0.036 * x**2 - 0.1949 * x + 0.321)
