"""From the activity of hair cells to spikes of the nerve: leaky integrators, or chance.

Activity is that of `Cochlea`: 0 in silence, 1 where a hair cell sends all it can sustain. The numbers here are ours: at
activity 1 both fire at some 200 Hz, the order of what fibers of the auditory nerve sustain.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain
from spikewright.events.sound.front import check_design
from spikewright.rng import stream
from spikewright.units import Hz, ms


class Firing(ABC):
    """How activity becomes spikes."""

    @abstractmethod
    def start(self, n: int, dt: float) -> Fibers:
        """Return `n` fibers at rest, for activity sampled every `dt` seconds."""


class Fibers(ABC):
    """Fibers with what must survive between two pieces."""

    @abstractmethod
    def __call__(self, activity: NDArray[np.float64]) -> NDArray[Any]:
        """Return 1 where a fiber fires, of activity T n."""


@dataclass(frozen=True)
class Lif(Firing):
    """Leaky integrators: tau_m dv/dt = max(activity, 0) - v, held over a sample; reset to 0.

    Parameters
    ----------
    tau_m : float, s
    v_th : in units of activity
    t_ref : float, s, in which v stays 0 after a spike

    Raises
    ------
    EventError : a number is not positive, `t_ref` is negative
    """

    tau_m: float = 5 * ms
    v_th: float = 0.5
    t_ref: float = 1 * ms

    def __post_init__(self) -> None:
        check_design("Lif", tau_m=self.tau_m, v_th=self.v_th)
        _check_refractory("Lif", self.t_ref)

    def start(self, n: int, dt: float) -> Fibers:
        """Return `n` fibers at rest, for activity sampled every `dt` seconds."""
        return _Integrators(self, n, dt)


@dataclass(frozen=True)
class Poisson(Firing):
    """Chance: a spike in a sample with probability 1 - exp(-max_rate max(activity, 0) dt), none while refractory.

    Parameters
    ----------
    seed : int
    max_rate : float, Hz, at activity 1
    t_ref : float, s

    Raises
    ------
    EventError : `max_rate` is not positive, `t_ref` is negative
    """

    seed: int
    max_rate: float = 250 * Hz
    t_ref: float = 1 * ms

    def __post_init__(self) -> None:
        check_design("Poisson", max_rate=self.max_rate)
        _check_refractory("Poisson", self.t_ref)

    def start(self, n: int, dt: float) -> Fibers:
        """Return `n` fibers at rest, for activity sampled every `dt` seconds."""
        return _Chance(self, n, dt)


class _Integrators(Fibers):
    def __init__(self, firing: Lif, n: int, dt: float) -> None:
        self._decay = float(np.exp(-dt / firing.tau_m))
        self._v_th = firing.v_th
        self._rest = round(firing.t_ref / dt)
        self._v, self._held = np.zeros(n), np.zeros(n, np.int64)

    def __call__(self, activity: NDArray[np.float64]) -> NDArray[Any]:
        from spikewright.events.sound.firing_loop import integrate

        sent = np.zeros(activity.shape, np.int8)
        integrate(activity, self._decay, self._v_th, self._rest, self._v, self._held, sent)
        return sent


class _Chance(Fibers):
    def __init__(self, firing: Poisson, n: int, dt: float) -> None:
        # drawn sample by sample, so that pieces take the same numbers as the whole
        self._draw = stream(firing.seed, "events/sound/poisson")
        self._per_sample = firing.max_rate * dt
        self._rest = round(firing.t_ref / dt)
        self._held = np.zeros(n, np.int64)

    def __call__(self, activity: NDArray[np.float64]) -> NDArray[Any]:
        from spikewright.events.sound.firing_loop import rest_after

        chance = -np.expm1(-self._per_sample * np.maximum(activity, 0.0))
        sent = (self._draw.random(activity.shape) < chance).view(np.int8)
        rest_after(sent, self._rest, self._held)
        return sent


def _check_refractory(where: str, t_ref: float) -> None:
    if not 0 <= t_ref < np.inf:
        raise EventError(
            explain(f"{where}: t_ref", "is not a time", found=t_ref, expected="seconds, 0 or more")
        )
