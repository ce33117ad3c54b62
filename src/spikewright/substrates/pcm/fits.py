"""What the device families have in common: their functions, checks, and the laws that their fits fill in."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import Problems, SubstrateError, explain
from spikewright.units import uS

Array = NDArray[np.float64]

SMALLEST_RATIO = 1e-7
"""g / g_max below which logarithms stop falling (the floor of the published fits' code)."""


class Devices(Protocol):
    """What the families have in common."""

    @property
    def g_min(self) -> float:
        """Smallest conductance that can be asked for, S."""

    @property
    def g_max(self) -> float:
        """Largest conductance that can be asked for, S."""

    def programming_sigma(self, g_target: ArrayLike) -> Array:
        """Return the standard deviation of the programmed conductance, S."""

    def program(self, g_target: ArrayLike, generator: np.random.Generator) -> Array:
        """Return the conductance after programming, S."""

    def drift_exponent(self, g_target: ArrayLike, generator: np.random.Generator) -> Array:
        """Return one drift exponent per device; zeros where a family has none."""

    def drift(self, g_programmed: ArrayLike, nu: ArrayLike, t: float) -> Array:
        """Return the conductance after time t, without noise, S."""

    def read_noise_sigma(self, g_programmed: ArrayLike, g_drifted: ArrayLike, t: float) -> Array:
        """Return the standard deviation of reads at time t, S."""

    def read(
        self,
        g_target: ArrayLike,
        g_programmed: ArrayLike,
        nu: ArrayLike,
        t: float,
        generator: np.random.Generator,
    ) -> Array:
        """Return the conductance that a read at time t meets, S."""


def polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """Return `c0 + c1 x + c2 x^2 + ...`."""
    result = np.zeros_like(x)
    for coefficient in reversed(coefficients):
        result = result * x + coefficient
    return result


def log_ratio(g: Array, g_max: float) -> Array:
    """Return `ln(g / g_max)`, with a floor."""
    return np.log(np.maximum(g / g_max, SMALLEST_RATIO))


def power_law(g_programmed: ArrayLike, nu: ArrayLike, t: float, t_0: float) -> Array:
    """Return `g ((t + t_0) / t_0)^-nu`."""
    base = (elapsed(t) + t_0) / t_0
    return np.asarray(g_programmed, np.float64) * base ** -np.asarray(nu, np.float64)


def flicker(q: Array, g_drifted: ArrayLike, since_programming: float, t_read: float) -> Array:
    """Return `g q sqrt(ln((t + t_read) / (2 t_read)))`: 1/f noise between a read and the time since programming."""
    growth = math.sqrt(math.log((since_programming + t_read) / (2 * t_read)))
    return np.asarray(g_drifted, np.float64) * q * growth


def programmed(family: Devices, g_target: ArrayLike, generator: np.random.Generator) -> Array:
    """Return targets with programming noise, never negative."""
    g = targets(family, g_target)
    noise = family.programming_sigma(g) * generator.standard_normal(g.shape)
    return np.maximum(g + noise, 0.0)


def noisy(
    family: Devices, g_programmed: ArrayLike, state: Array, t: float, generator: np.random.Generator
) -> Array:
    """Return `state` with read noise of time t, never negative."""
    sigma = family.read_noise_sigma(g_programmed, state, t)
    return np.maximum(state + sigma * generator.standard_normal(state.shape), 0.0)


def elapsed(t: float) -> float:
    """Return t, or raise SubstrateError where it is no time since programming."""
    if not t >= 0 or math.isinf(t):
        raise SubstrateError(
            explain("pcm: time since programming", "cannot be", found=t, expected="t >= 0, in s")
        )
    return t


def targets(family: Devices, g_target: ArrayLike) -> Array:
    """Return targets as an array, or raise SubstrateError where the family cannot hold them."""
    g = np.asarray(g_target, np.float64)
    slack = 1e-6 * family.g_max  # targets computed in float32 may overshoot by their rounding
    outside = ~((g >= family.g_min - slack) & (g <= family.g_max + slack))
    if outside.any():
        raise SubstrateError(
            explain(
                f"pcm.{type(family).__name__}: g_target",
                f"{outside.sum()} of {g.size} conductances lie outside the devices' range",
                found=f"{g[outside].flat[0] / uS:.6g} uS",
                expected=f"{family.g_min / uS:g} to {family.g_max / uS:g} uS",
                cure="map the weights with to_conductances",
            )
        )
    return g


def check_family(family: Devices) -> None:
    """Raise SubstrateError with every parameter of a family that cannot be."""
    problems = Problems()
    where = f"pcm.{type(family).__name__}"
    if not 0 <= family.g_min < family.g_max < math.inf:
        problems.add(
            f"{where}: g_min, g_max",
            "not a range",
            found=f"{family.g_min} to {family.g_max}",
            expected="0 <= g_min < g_max, in S",
        )
    for name in ("programming_scale", "drift_scale", "read_scale", "read_fraction"):
        value = getattr(family, name, 0.0)
        if not 0 <= value < math.inf:
            problems.add(f"{where}: {name}", "cannot be", found=value, expected=">= 0")
    for name in ("t_0", "t_read"):
        value = getattr(family, name, 1.0)
        if not 0 < value < math.inf:
            problems.add(f"{where}: {name}", "cannot be", found=value, expected="> 0, in s")
    problems.raise_as(SubstrateError)
