"""Oxide resistive memories as data; notation, units and functions as in `devices.py`.

They have no drift exponent: after programming a device relaxes around its target (`OxideRram`) or its programmed value
(`CmoHfox`). Their time counts from programming itself, without the first-read time that phase-change memory adds.

Source
------
The fits as published in aihwkit 1.1.0 (`inference/noise/reram.py`); the papers stand at each family.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import SubstrateError, explain
from spikewright.substrates.pcm.fits import (
    check_family,
    elapsed,
    noisy,
    polynomial,
    programmed,
    targets,
)
from spikewright.units import uS

Array = NDArray[np.float64]

DAY = 86400.0


@dataclass(frozen=True)
class OxideRram:
    """Oxide RRAM that relaxes after programming: at time t a device lies anew around its target.

    The standard deviation around the target is a polynomial in r, measured after 1 s, 1 day and 2 days; in between
    it is interpolated in ln t (assumed), outside the nearest measurement holds. The mean does not drift.

    Parameters
    ----------
    g_max : S, > 0; the polynomials are in uS and do not scale with it
    read_fraction : standard deviation of short-term read noise relative to the conductance; not in the fit
    programming_scale, drift_scale, read_scale : factor on each effect (drift: relaxation); 0 switches it off

    Source
    ------
    Wan et al., Nature 2022, 10.1038/s41586-022-04992-8, figures, fitted by the authors of aihwkit.
    """

    g_max: float = 40 * uS
    read_fraction: float = 0.01
    programming_scale: float = 1.0
    drift_scale: float = 1.0
    read_scale: float = 1.0

    g_min: ClassVar[float] = 0.0
    RELAXATION: ClassVar[dict[float, tuple[float, ...]]] = {
        1.0: (0.348, 16.030, -43.853, 45.393, -16.815),
        DAY: (0.701, 22.086, -50.773, 47.095, -16.458),
        2 * DAY: (0.782, 20.274, -43.507, 37.062, -11.934),
    }

    def __post_init__(self) -> None:
        check_family(self)

    def relaxation_sigma(self, g_target: ArrayLike, t: float) -> Array:
        """Return the standard deviation around the target at time t, S."""
        r = targets(self, g_target) / self.g_max
        times = tuple(self.RELAXATION)
        sigmas = [np.maximum(polynomial(c, r), 0.0) * uS for c in self.RELAXATION.values()]
        now = math.log(min(max(elapsed(t), times[0]), times[-1]))
        upper = next(n for n in range(1, len(times)) if now <= math.log(times[n]))
        low, high = math.log(times[upper - 1]), math.log(times[upper])
        share = (now - low) / (high - low)
        return (1 - share) * sigmas[upper - 1] + share * sigmas[upper]

    def programming_sigma(self, g_target: ArrayLike) -> Array:
        """Return the standard deviation 1 s after programming, S."""
        return self.programming_scale * self.relaxation_sigma(g_target, 1.0)

    def program(self, g_target: ArrayLike, generator: np.random.Generator) -> Array:
        """Return the conductance 1 s after programming, S, never negative."""
        return programmed(self, g_target, generator)

    def drift_exponent(self, g_target: ArrayLike, generator: np.random.Generator) -> Array:
        """Return zeros: this family relaxes, it has no drift exponent."""
        return np.zeros(np.shape(g_target))

    def drift(self, g_programmed: ArrayLike, nu: ArrayLike, t: float) -> Array:
        """Return the conductance unchanged: the mean does not move."""
        elapsed(t)
        return np.asarray(g_programmed, np.float64) + 0.0

    def read_noise_sigma(self, g_programmed: ArrayLike, g_drifted: ArrayLike, t: float) -> Array:
        """Return the standard deviation of reads, S."""
        elapsed(t)
        return self.read_scale * self.read_fraction * np.asarray(g_drifted, np.float64)

    def read(
        self,
        g_target: ArrayLike,
        g_programmed: ArrayLike,
        nu: ArrayLike,
        t: float,
        generator: np.random.Generator,
    ) -> Array:
        """Return the conductance that a read at time t meets, S, drawn anew around the target.

        Pass generators of the same seed at every t and each device keeps its side of the target. With `drift_scale` 0
        devices stay where programming left them.
        """
        g = targets(self, g_target)
        if self.drift_scale:
            spread = self.drift_scale * self.relaxation_sigma(g, t)
            state = np.maximum(g + spread * generator.standard_normal(g.shape), 0.0)
        else:
            state = self.drift(g_programmed, nu, t)
        return noisy(self, g_programmed, state, t, generator)


@dataclass(frozen=True)
class CmoHfox:
    """Conductive-metal-oxide / HfOx RRAM, one device per weight, in an analog window.

    `sigma_prog = a + b g` in uS for the acceptance window of the write loop; after that
    `g = g_p + m ln t + (p ln t + q) z`, and reads scatter with `K log10(g) sqrt(ln((t + t_read) / (2 t_read)))`, g in
    uS; clipped to the window at the end. Times below one second, the first measured one, count as one second; at
    t = 0 nothing has happened yet.

    Parameters
    ----------
    g_min, g_max : S, window in which devices are used
    acceptance : relative window of the write loop, 0.002 or 0.02
    t_read : s, duration of a read
    programming_scale, drift_scale, read_scale : factor on each effect (drift: relaxation); 0 switches it off

    Source
    ------
    Falcone et al., arXiv 2502.04524 (programming, relaxation); Lombardo et al., DRC 2024 (read noise); both as coded
    in aihwkit 1.1.0.
    """

    g_min: float = 9.0 * uS
    g_max: float = 88.19 * uS
    acceptance: float = 0.002
    t_read: float = 1e-6
    programming_scale: float = 1.0
    drift_scale: float = 1.0
    read_scale: float = 1.0

    PROGRAMMING: ClassVar[dict[float, tuple[float, ...]]] = {
        0.002: (0.00081107, 0.00106879),
        0.02: (0.0112185391, 0.01129027418),
    }
    SHIFT: ClassVar[float] = -0.08900206
    SPREAD: ClassVar[tuple[float, float]] = (0.41183342, 0.04201137)
    READ: ClassVar[float] = 0.0277316483

    def __post_init__(self) -> None:
        if self.acceptance not in self.PROGRAMMING:
            raise SubstrateError(
                explain(
                    "pcm.CmoHfox: acceptance",
                    "no measurement of such a window",
                    found=self.acceptance,
                    expected="0.002 or 0.02",
                )
            )
        check_family(self)

    def programming_sigma(self, g_target: ArrayLike) -> Array:
        """Return the standard deviation of the programmed conductance, S."""
        g = targets(self, g_target) / uS
        sigma = polynomial(self.PROGRAMMING[self.acceptance], g) * uS
        return self.programming_scale * sigma

    def program(self, g_target: ArrayLike, generator: np.random.Generator) -> Array:
        """Return the conductance after programming, S."""
        g = targets(self, g_target)
        return g + self.programming_sigma(g) * generator.standard_normal(g.shape)

    def drift_exponent(self, g_target: ArrayLike, generator: np.random.Generator) -> Array:
        """Return zeros: this family relaxes, it has no drift exponent."""
        return np.zeros(np.shape(g_target))

    def drift(self, g_programmed: ArrayLike, nu: ArrayLike, t: float) -> Array:
        """Return the conductance after the mean relaxation, S."""
        shift = self.drift_scale * self.SHIFT * math.log(max(elapsed(t), 1.0)) * uS
        return np.asarray(g_programmed, np.float64) + shift

    def relaxation_sigma(self, t: float) -> float:
        """Return the standard deviation of the relaxation at time t, S."""
        if elapsed(t) == 0:
            return 0.0
        constant, slope = self.SPREAD
        return self.drift_scale * (constant + slope * math.log(max(t, 1.0))) * uS

    def read_noise_sigma(self, g_programmed: ArrayLike, g_drifted: ArrayLike, t: float) -> Array:
        """Return the standard deviation of reads at time t, S."""
        g = np.asarray(g_drifted, np.float64) / uS
        if elapsed(t) == 0:
            return np.zeros(g.shape)
        growth = math.sqrt(math.log((max(t, 1.0) + self.t_read) / (2 * self.t_read)))
        return self.read_scale * self.READ * np.log10(np.maximum(g, 1.0)) * growth * uS

    def read(
        self,
        g_target: ArrayLike,
        g_programmed: ArrayLike,
        nu: ArrayLike,
        t: float,
        generator: np.random.Generator,
    ) -> Array:
        """Return the conductance that a read at time t meets, S; as programmed at t = 0."""
        if elapsed(t) == 0:
            return np.asarray(g_programmed, np.float64) + 0.0
        state = self.drift(g_programmed, nu, t)
        state = state + self.relaxation_sigma(t) * generator.standard_normal(state.shape)
        return np.minimum(
            np.maximum(noisy(self, g_programmed, state, t, generator), self.g_min), self.g_max
        )
