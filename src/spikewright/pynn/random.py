"""Random numbers of PyNN scripts: `NumpyRNG` and `RandomDistribution`.

Distributions have the names and parameters that PyNN's documentation lists. What PyNN's own objects of the same names
offer, `next(n)`, is all that the rest of this package asks for, so that either can be passed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import ModelError, explain

DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = {
    "binomial": ("n", "p"),
    "exponential": ("beta",),
    "gamma": ("k", "theta"),
    "lognormal": ("mu", "sigma"),
    "normal": ("mu", "sigma"),
    "normal_clipped": ("mu", "sigma", "low", "high"),
    "normal_clipped_to_boundary": ("mu", "sigma", "low", "high"),
    "poisson": ("lambda_",),
    "uniform": ("low", "high"),
    "uniform_int": ("low", "high"),
    "vonmises": ("mu", "kappa"),
}
"""Name -> its parameters in order. (The parameter of 'poisson' is also called 'lambda'.)"""
DEFAULT_SEED = 0
"""Where no seed is given: the same numbers in every run, as in PyNN."""


class NumpyRNG:
    """A stream of random numbers: numpy's Mersenne Twister, which PyNN's documentation names.

    Parameters
    ----------
    seed : whole number; None: always the same one
    parallel_safe : taken, and without effect: there is one process
    """

    def __init__(self, seed: int | None = None, parallel_safe: bool = True) -> None:
        self.seed = seed
        self.parallel_safe = parallel_safe
        # the generator that PyNN's documentation names, so that scripts draw what they drew
        self.rng = np.random.RandomState(DEFAULT_SEED if seed is None else seed)

    def next(
        self,
        n: int | None = None,
        distribution: str = "uniform",
        parameters: Mapping[str, float] | Sequence[float] | None = None,
        mask: Any = None,
    ) -> Any:
        """Return `n` numbers of a distribution, (n,), or a single one where `n` is None.

        Raises
        ------
        ModelError : no such distribution, or other parameters than it has
        """
        values = self._draw(distribution, _named(distribution, parameters), 1 if n is None else n)
        if mask is not None:
            return values[np.asarray(mask)]
        return values[0] if n is None else values

    def permutation(self, values: Any) -> NDArray[Any]:
        """Return values (or 0..values - 1) in random order."""
        return self.rng.permutation(values)

    def __repr__(self) -> str:
        return f"NumpyRNG(seed={self.seed!r})"

    def _draw(self, distribution: str, p: Mapping[str, float], n: int) -> NDArray[Any]:
        rng = self.rng
        match distribution:
            case "binomial":
                return rng.binomial(p["n"], p["p"], n)
            case "exponential":
                return rng.exponential(p["beta"], n)
            case "gamma":
                return rng.gamma(p["k"], p["theta"], n)
            case "lognormal":
                return rng.lognormal(p["mu"], p["sigma"], n)
            case "normal":
                return rng.normal(p["mu"], p["sigma"], n)
            case "normal_clipped":
                return self._redrawn(p, n)
            case "normal_clipped_to_boundary":
                return np.clip(rng.normal(p["mu"], p["sigma"], n), p["low"], p["high"])
            case "poisson":
                return rng.poisson(p["lambda_"], n)
            case "uniform":
                return rng.uniform(p["low"], p["high"], n)
            case "uniform_int":
                return rng.randint(int(p["low"]), int(p["high"]), n)
            case _:
                return rng.vonmises(p["mu"], p["kappa"], n)

    def _redrawn(self, p: Mapping[str, float], n: int) -> NDArray[Any]:
        """Return normal values, those outside [low, high] drawn again."""
        values = self.rng.normal(p["mu"], p["sigma"], n)
        for _ in range(1000):
            bad = (values < p["low"]) | (values > p["high"])
            if not bad.any():
                return values
            values[bad] = self.rng.normal(p["mu"], p["sigma"], int(bad.sum()))
        raise ModelError(
            explain(
                "normal_clipped",
                "hardly any value lies within its bounds",
                found=f"low {p['low']:g}, high {p['high']:g} at mu {p['mu']:g}, sigma {p['sigma']:g}",
                cure="use 'normal_clipped_to_boundary' or wider bounds",
            )
        )


class RandomDistribution:
    """A distribution and the stream that it draws from.

    Parameters
    ----------
    distribution : one of `DISTRIBUTIONS`
    parameters_pos : its parameters in order, or by name; or say them as keywords
    rng : the stream; None: a new one of its own

    Raises
    ------
    ModelError : no such distribution, or other parameters than it has

    Examples
    --------
    >>> draws = RandomDistribution("uniform", low=1.0, high=2.0, rng=NumpyRNG(seed=1))
    >>> bool(1.0 <= draws.next() < 2.0), draws.next(3).shape
    (True, (3,))
    """

    def __init__(
        self, distribution: str, parameters_pos: Any = None, rng: Any = None, **parameters: float
    ) -> None:
        self.name = distribution
        self.parameters = _named(distribution, parameters or parameters_pos)
        self.rng = NumpyRNG() if rng is None else rng

    def next(self, n: int | None = None, mask: Any = None) -> Any:
        """Return `n` numbers, (n,), or a single one where `n` is None."""
        return self.rng.next(n, self.name, self.parameters, mask)

    def __repr__(self) -> str:
        return f"RandomDistribution({self.name!r}, {self.parameters}, {self.rng!r})"


def _named(
    distribution: str, parameters: Mapping[str, float] | Sequence[float] | None
) -> dict[str, float]:
    where = "random distribution"
    if distribution not in DISTRIBUTIONS:
        raise ModelError(
            explain(where, "unknown", found=repr(distribution), expected=", ".join(DISTRIBUTIONS))
        )
    names = DISTRIBUTIONS[distribution]
    if parameters is None:
        parameters = {"low": 0.0, "high": 1.0} if distribution == "uniform" else {}
    if isinstance(parameters, Mapping):
        given = {("lambda_" if name == "lambda" else name): x for name, x in parameters.items()}
    else:
        given = dict(zip(names, parameters, strict=False)) if len(parameters) <= len(names) else {}
    if distribution.startswith("normal_clipped"):
        given = {"low": -np.inf, "high": np.inf} | given
    if set(given) != set(names):
        raise ModelError(
            explain(
                f"{where} {distribution!r}",
                "other parameters than it has",
                found=str(parameters),
                expected=", ".join(names),
            )
        )
    return given
