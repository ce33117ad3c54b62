"""Phase-change memory as data: how a conductance is programmed, how it drifts, how a read scatters.

Notation: `g_target` what was asked for, `g_programmed` what the write loop left, `g_drifted` after time t
without read noise, all in siemens; `r = g / g_max`; `t` in seconds since programming ended; `z` standard normal.
The published fits are in microsiemens, so polynomials are evaluated in uS and multiplied by 1e-6.

All families (here and in `oxides.py`) share six functions: `programming_sigma`, `program`, `drift_exponent`,
`drift`, `read_noise_sigma`, `read`. Every random number comes from the generator that is passed: same generator,
same devices.

Source
------
The fits as published in aihwkit 1.1.0 (`inference/noise/{pcm,hermes}.py`); the papers stand at each family.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import SubstrateError, explain
from spikewright.substrates.pcm.fits import (
    Devices,
    check_family,
    flicker,
    log_ratio,
    noisy,
    polynomial,
    power_law,
    programmed,
    targets,
)
from spikewright.units import uS

__all__ = ["Devices", "Hermes", "PcmLike"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PcmLike:
    """Phase-change memory, statistics of a million 90 nm mushroom cells.

    `sigma_prog = (0.26348 + 1.9650 r - 1.1731 r^2) g_max / 25`, in uS; `nu = |mu + sd z|` with
    `mu = clip(-0.0155 ln r + 0.0244, 0.049, 0.1)`, `sd = clip(-0.0125 ln r - 0.0059, 0.008, 0.045)` of the target;
    `g_d = g_p ((t + t_0) / t_0)^-nu`; `sigma_read = g_d Q sqrt(ln((t + t_0 + t_read) / (2 t_read)))` with
    `Q = min(0.0088 / max(r_p^0.65, 1e-3), 0.2)` of the programmed conductance.

    Parameters
    ----------
    g_max : S, > 0
    t_0 : s, time of the first read after programming; `t` counts from it
    t_read : s, duration of a read
    programming_scale, drift_scale, read_scale : factor on each effect; 0 switches it off

    Source
    ------
    Joshi et al., Nature Communications 2020, 10.1038/s41467-020-16108-9; statistical method: Nandakumar et al.,
    ICECS 2019 (IEEE Xplore 8964852).
    """

    g_max: float = 25 * uS
    t_0: float = 20.0
    t_read: float = 250e-9
    programming_scale: float = 1.0
    drift_scale: float = 1.0
    read_scale: float = 1.0

    g_min: ClassVar[float] = 0.0
    PROGRAMMING: ClassVar[tuple[float, ...]] = (0.26348, 1.9650, -1.1731)
    FITTED_AT: ClassVar[float] = 25 * uS

    def __post_init__(self) -> None:
        check_family(self)

    def programming_sigma(self, g_target: ArrayLike) -> Array:
        """Return the standard deviation of the programmed conductance, S."""
        g = targets(self, g_target)
        sigma = polynomial(self.PROGRAMMING, g / self.g_max) * uS * self.g_max / self.FITTED_AT
        return self.programming_scale * np.maximum(sigma, 0.0)

    def program(self, g_target: ArrayLike, generator: np.random.Generator) -> Array:
        """Return the conductance after programming, S, never negative."""
        return programmed(self, g_target, generator)

    def drift_exponent(self, g_target: ArrayLike, generator: np.random.Generator) -> Array:
        """Return one drift exponent per device, a property of the device for its whole life."""
        log_r = log_ratio(targets(self, g_target), self.g_max)
        mu = np.clip(-0.0155 * log_r + 0.0244, 0.049, 0.1)
        sd = np.clip(-0.0125 * log_r - 0.0059, 0.008, 0.045)
        return self.drift_scale * np.abs(mu + sd * generator.standard_normal(mu.shape))

    def drift(self, g_programmed: ArrayLike, nu: ArrayLike, t: float) -> Array:
        """Return the conductance after time t, without noise, S."""
        return power_law(g_programmed, nu, t, self.t_0)

    def read_noise_sigma(self, g_programmed: ArrayLike, g_drifted: ArrayLike, t: float) -> Array:
        """Return the standard deviation of reads at time t (1/f noise grown since programming), S."""
        r = np.asarray(g_programmed, np.float64) / self.g_max
        q = np.minimum(0.0088 / np.maximum(r**0.65, 1e-3), 0.2)
        return self.read_scale * flicker(q, g_drifted, t + self.t_0, self.t_read)

    def read(
        self,
        g_target: ArrayLike,
        g_programmed: ArrayLike,
        nu: ArrayLike,
        t: float,
        generator: np.random.Generator,
    ) -> Array:
        """Return the conductance that a read at time t meets, S; `g_target` plays no part."""
        return noisy(self, g_programmed, self.drift(g_programmed, nu, t), t, generator)


@dataclass(frozen=True)
class Hermes:
    """Phase-change memory of IBM's 14 nm HERMES chip, with one or two devices per sign of a weight.

    Same laws as `PcmLike` with other fits, each in two branches of r; g_max and t_0 belong to the fit. With two
    devices the drift is that of two cells in the same state.

    Parameters
    ----------
    devices : 1 (10.35 uS, t_0 200 s) or 2 (20.7 uS, t_0 300 s)
    t_read : s, duration of a read
    programming_scale, drift_scale, read_scale : factor on each effect; 0 switches it off

    Source
    ------
    Le Gallo et al., Nature Electronics 2023, 10.1038/s41928-023-01010-1; Khaddam-Aljameh et al., JSSC 2022
    (IEEE Xplore 9696185); two devices: Vasilopoulos et al., TED 2023 (IEEE Xplore 10281389).
    """

    devices: int = 2
    t_read: float = 512e-9
    programming_scale: float = 1.0
    drift_scale: float = 1.0
    read_scale: float = 1.0

    g_min: ClassVar[float] = 0.0
    PROGRAMMING: ClassVar[dict[int, tuple[float, ...]]] = {
        1: (0.15781817, 2.32443916, -2.16310839, 0.68841818),
        2: (0.16603222, 4.71806468, -8.48101252, 4.68961419),
    }

    def __post_init__(self) -> None:
        if self.devices not in self.PROGRAMMING:
            raise SubstrateError(
                explain(
                    "pcm.Hermes: devices",
                    "no measurement of such a cell",
                    found=self.devices,
                    expected="1 or 2",
                )
            )
        check_family(self)

    @property
    def g_max(self) -> float:
        """Largest conductance characterized, S."""
        return {1: 10.35 * uS, 2: 20.7 * uS}[self.devices]

    @property
    def t_0(self) -> float:
        """Time of the first read after programming, s; `t` counts from it."""
        return {1: 200.0, 2: 300.0}[self.devices]

    def programming_sigma(self, g_target: ArrayLike) -> Array:
        """Return the standard deviation of the programmed conductance, S."""
        r = targets(self, g_target) / self.g_max
        sigma = polynomial(self.PROGRAMMING[self.devices], r) * uS
        return self.programming_scale * np.maximum(sigma, 0.0)

    def program(self, g_target: ArrayLike, generator: np.random.Generator) -> Array:
        """Return the conductance after programming, S, never negative."""
        return programmed(self, g_target, generator)

    def drift_exponent(self, g_target: ArrayLike, generator: np.random.Generator) -> Array:
        """Return one drift exponent per device, a property of the device for its whole life."""
        g = targets(self, g_target)
        r, log_r = g / self.g_max, log_ratio(g, self.g_max)
        mu = np.where(
            r < 0.0945,
            np.clip(-0.0387 * log_r - 0.0182, 0.072, 0.13),
            polynomial((0.0736, -0.0126, -0.0436), r),
        )
        if self.devices == 1:
            sd = np.where(
                r < 0.3039,
                np.clip(-0.0120 * log_r - 0.0023, 0.0124, 0.04),
                polynomial((0.0104, 0.0116, -0.0165), r),
            )
        else:
            sd = np.where(
                r < 0.3055,
                np.clip(-0.0117 * log_r - 0.0057, 0.0091, 0.04),
                polynomial((0.0073, 0.0093, -0.0118), r),
            )
        return self.drift_scale * np.abs(mu + sd * generator.standard_normal(mu.shape))

    def drift(self, g_programmed: ArrayLike, nu: ArrayLike, t: float) -> Array:
        """Return the conductance after time t, without noise, S."""
        return power_law(g_programmed, nu, t, self.t_0)

    def read_noise_sigma(self, g_programmed: ArrayLike, g_drifted: ArrayLike, t: float) -> Array:
        """Return the standard deviation of reads at time t (1/f noise grown since programming), S."""
        g = np.asarray(g_programmed, np.float64)
        r, log_r = g / self.g_max, log_ratio(g, self.g_max)
        if self.devices == 1:
            q = np.where(
                r < 0.1591,
                np.clip(-0.0078 * log_r + 0.0038, 0.0179, 0.04),
                polynomial((0.0088, 0.0768, -0.1352, 0.0664), r),
            )
        else:
            q = np.where(
                r < 0.16,
                np.clip(-0.0117 * log_r - 0.0069, 0.015, 0.04),
                polynomial((0.0123, 0.0211, -0.0280, 0.0069), r),
            )
        return self.read_scale * flicker(q, g_drifted, t + self.t_0, self.t_read)

    def read(
        self,
        g_target: ArrayLike,
        g_programmed: ArrayLike,
        nu: ArrayLike,
        t: float,
        generator: np.random.Generator,
    ) -> Array:
        """Return the conductance that a read at time t meets, S; `g_target` plays no part."""
        return noisy(self, g_programmed, self.drift(g_programmed, nu, t), t, generator)
