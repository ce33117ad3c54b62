"""Current sources: what flows into neurons without synapses, in nA over ms.

A source gives one current; every neuron that it is injected into gets the same. Changes lie on the grid of time steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright import rng
from spikewright.errors import ModelError, explain
from spikewright.pynn.parameters import one_row_each
from spikewright.pynn.simulation import current

FOREVER = 1e12


class CurrentSource(ABC):
    """A current over time. Abstract.

    Parameters
    ----------
    parameters : see the classes below

    Raises
    ------
    ModelError : no such parameter
    """

    default_parameters: ClassVar[dict[str, Any]] = {}

    def __init__(self, **parameters: Any) -> None:
        known = self.default_parameters
        for name in parameters:
            if name not in known and name != "rng":
                raise ModelError(
                    explain(
                        type(self).__name__, f"has no parameter {name!r}", expected=", ".join(known)
                    )
                )
        self.parameters = known | {n: x for n, x in parameters.items() if n != "rng"}
        self._number = current().add_source(self)
        self._check()

    @classmethod
    def get_parameter_names(cls) -> list[str]:
        """Return the names of its parameters."""
        return list(cls.default_parameters)

    def get_parameters(self) -> dict[str, Any]:
        """Return the values of its parameters."""
        return dict(self.parameters)

    def set_parameters(self, **parameters: Any) -> None:
        """Change parameters, from now on."""
        made = type(self).__new__(type(self))
        unknown = set(parameters) - set(self.default_parameters)
        if unknown:
            raise ModelError(
                explain(type(self).__name__, f"has no parameter {sorted(unknown)[0]!r}")
            )
        made.parameters = self.parameters | parameters
        made._check()
        self.parameters = made.parameters
        current().changed()

    def __getattr__(self, name: str) -> Any:
        parameters = self.__dict__.get("parameters", {})
        if name in parameters:
            return parameters[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    def inject_into(self, cells: Any) -> None:
        """Let the current flow into a population, a view, an assembly, or a list of cells."""
        from spikewright.pynn.populations import parts

        for root, index in parts(cells):
            root.add_current(self, index)

    @property
    def changes(self) -> bool:
        """Whether it changes at every step: it then enters as a row of numbers, else in pieces."""
        return False

    def pieces(self, dt: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return when it changes, in ms, and to what, in nA."""
        raise NotImplementedError

    def values(self, first: int, steps: int, dt: float) -> NDArray[np.float64]:
        """Return what flows in each of `steps` steps of `dt` ms from step `first` on, in nA."""
        times, amplitudes = self.pieces(dt)
        place = np.searchsorted(np.rint(times / dt), np.arange(first, first + steps), side="right")
        return np.concatenate([[0.0], amplitudes])[place]

    def record(self) -> CurrentSource:
        """Return the source: `get_data` knows the current without being told."""
        return self

    def get_data(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return times in ms and the current in nA, up to now."""
        now = current()
        return np.arange(now.step) * now.dt, self.values(0, now.step, now.dt)

    @abstractmethod
    def _check(self) -> None:
        """Raise where the parameters make no sense."""

    def _window(self) -> tuple[float, float]:
        return float(self.parameters["start"] or 0.0), float(
            FOREVER if self.parameters["stop"] is None else self.parameters["stop"]
        )

    def _check_window(self) -> None:
        start, stop = self._window()
        if not 0.0 <= start <= stop:
            raise ModelError(
                explain(
                    type(self).__name__,
                    "start and stop do not fit",
                    found=f"start {start:g}, stop {stop:g} ms",
                    expected="0 <= start <= stop",
                )
            )

    def _inside(self, first: int, steps: int, dt: float) -> NDArray[np.bool_]:
        start, stop = self._window()
        k = np.arange(first, first + steps)
        return (k >= round(start / dt)) & (k < round(stop / dt))


class DCSource(CurrentSource):
    """A constant current between start and stop."""

    default_parameters: ClassVar[dict[str, Any]] = {"amplitude": 1.0, "start": 0.0, "stop": FOREVER}

    def _check(self) -> None:
        self._check_window()

    def pieces(self, dt: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.array(self._window()), np.array([float(self.parameters["amplitude"]), 0.0])


class StepCurrentSource(CurrentSource):
    """A current that changes to `amplitudes[i]` at `times[i]`; zero before, and the last one for ever."""

    default_parameters: ClassVar[dict[str, Any]] = {"amplitudes": (), "times": ()}

    def _check(self) -> None:
        times, amplitudes = self.pieces(1.0)
        if times.shape != amplitudes.shape:
            raise ModelError(
                explain(
                    "StepCurrentSource",
                    "one amplitude per time",
                    found=f"{len(times)} times, {len(amplitudes)} amplitudes",
                )
            )
        if np.any(np.diff(times) <= 0) or (times.size and times[0] < 0):
            raise ModelError(
                explain("StepCurrentSource", "times are not ascending from 0 on", found=times)
            )

    def pieces(self, dt: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        found = []
        for name in ("times", "amplitudes"):
            value = self.parameters[name]
            raw = np.asarray(getattr(value, "value", value), np.float64)
            one_row_each([raw], 1, f"StepCurrentSource.{name}")
            found.append(raw)
        return found[0], found[1]


class ACSource(CurrentSource):
    """`offset + amplitude * sin(2 pi frequency (t - start) + phase)`, phase in degrees, at the middle of each step."""

    default_parameters: ClassVar[dict[str, Any]] = {
        "amplitude": 1.0, "start": 0.0, "stop": FOREVER, "frequency": 10.0, "offset": 0.0, "phase": 0.0,
    }  # fmt: skip

    def _check(self) -> None:
        self._check_window()

    @property
    def changes(self) -> bool:
        return True

    def values(self, first: int, steps: int, dt: float) -> NDArray[np.float64]:
        p = self.parameters
        t = (np.arange(first, first + steps) + 0.5) * dt - self._window()[0]
        turn = 2.0 * np.pi * p["frequency"] * t * 1e-3 + np.deg2rad(p["phase"])
        wave = p["offset"] + p["amplitude"] * np.sin(turn)
        return np.where(self._inside(first, steps, dt), wave, 0.0)


class NoisyCurrentSource(CurrentSource):
    """A normally distributed current, drawn anew every `dt` ms (None: every step) and held in between."""

    default_parameters: ClassVar[dict[str, Any]] = {
        "mean": 0.0, "stdev": 1.0, "start": 0.0, "stop": FOREVER, "dt": None,
    }  # fmt: skip

    def _check(self) -> None:
        self._check_window()
        if self.parameters["stdev"] < 0:
            raise ModelError(
                explain("NoisyCurrentSource", "stdev below 0", found=self.parameters["stdev"])
            )

    @property
    def changes(self) -> bool:
        return True

    def values(self, first: int, steps: int, dt: float) -> NDArray[np.float64]:
        from spikewright.engines.draws import normal

        p = self.parameters
        each = 1 if p["dt"] is None else max(1, round(p["dt"] / dt))
        k = np.arange(first, first + steps)
        interval = (k - round(self._window()[0] / dt)) // each
        key = rng.key(current().seed, f"pynn/noise/{self._number}")
        # a draw belongs to its interval, so that a run in parts draws what a whole one draws
        z = normal(key, np.zeros(steps, np.int64), np.maximum(interval, 0), 0)
        return np.where(self._inside(first, steps, dt), p["mean"] + p["stdev"] * z, 0.0)
