"""What weights and delays are drawn from: one random word makes one value, by the inverse of the distribution function.

A distribution that is cut off at `low` and `high` is that of values drawn again until they lie inside; the inverse
gives it without drawing again.

Longer than most files: five distributions stand side by side, with the tables that delays are drawn by.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright import rng
from spikewright.errors import NetworkError, explain

MAX_STEPS = 65535
"""Steps that a drawn delay can have."""
MAX_VALUES = 256
"""Values that a `Choice` can have: an index to one of them is kept in a byte."""
LEAST_MASS = 1e-9
"""Part of a distribution that must lie between its bounds."""
WORDS = 2**32
"""Number of random words."""
LEAST, MOST = 0.5 / WORDS, 1.0 - 0.5 / WORDS
"""The probabilities that the first and the last word stand for."""


class Distribution(ABC):
    """What values are drawn from. Abstract; final: `Normal`, `Uniform`, `LogNormal`, `Exponential`, `Choice`."""

    kind: ClassVar[str]
    seed: int
    """Tells apart drawings from equal distributions, where the map has no seed of its own."""

    @abstractmethod
    def span(self) -> tuple[float, float]:
        """Return the least and the greatest value that a random word can make."""

    @abstractmethod
    def draw(self, n: int, *, seed: int, stream: str = "draw") -> NDArray[np.float64]:
        """Return n values of a named stream; the first values are the same whatever n.

        Examples
        --------
        >>> bool(np.all(Uniform(2.0, 3.0).draw(5, seed=1) == Uniform(2.0, 3.0).draw(9, seed=1)[:5]))
        True
        """

    def as_dict(self) -> dict[str, Any]:
        """Return the distribution as plain data."""
        found: dict[str, Any] = {"kind": self.kind}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            found[field.name] = list(value) if isinstance(value, tuple) else value
        return found


class Continuous(Distribution):
    """A distribution with a density (or a single value), cut off at `low` and `high`. Abstract."""

    low: float | None
    high: float | None
    code: ClassVar[int]
    """What `edges.values` calls it."""

    @abstractmethod
    def numbers(self) -> tuple[float, float]:
        """Return the two numbers that it is made of."""

    @abstractmethod
    def share(self, x: float) -> float:
        """Return the probability of a value of at most x, not cut off."""

    @abstractmethod
    def quantile(self, u: float) -> float:
        """Return the value below which the share u lies, not cut off; good enough for sizes, draws are compiled."""

    def bounds(self) -> tuple[float, float]:
        """Return `low` and `high`, infinite where there are none."""
        return (
            -math.inf if self.low is None else self.low,
            math.inf if self.high is None else self.high,
        )

    def inside(self) -> tuple[float, float]:
        """Return the share below `low`, and the share between `low` and `high`."""
        low, high = self.bounds()
        if self.numbers()[1] == 0.0:
            return 0.0, float(low <= self.numbers()[0] <= high)
        return self.share(low), self.share(high) - self.share(low)

    def law(self) -> NDArray[np.float64]:
        """Return the distribution's numbers as `edges.values` takes them."""
        return np.array([*self.numbers(), *self.bounds(), *self.inside()])

    def shares(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of a value below each of `edges`."""
        low, high = self.bounds()
        below, mass = self.inside()
        cut = (self.share(min(max(float(x), low), high)) for x in edges)
        return np.clip((np.fromiter(cut, np.float64, len(edges)) - below) / mass, 0.0, 1.0)

    def span(self) -> tuple[float, float]:
        low, high = self.bounds()
        below, mass = self.inside()
        least, most = below + LEAST * mass, min(below + MOST * mass, MOST)
        return max(self.quantile(least), low), min(self.quantile(most), high)

    def draw(self, n: int, *, seed: int, stream: str = "draw") -> NDArray[np.float64]:
        from spikewright.network.connectivity import edges

        out = np.empty(n, np.float64)
        edges.many(np.uint64(rng.key(seed, stream)), 0, n, self.code, self.law(), out)
        return out

    def check(self, *names: str) -> None:
        """Raise NetworkError unless the named fields are numbers and something lies between the bounds."""
        name = type(self).__name__
        for field in (*names, "low", "high"):
            value = getattr(self, field)
            if value is None and field not in names:
                continue
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not number or not math.isfinite(value):
                raise NetworkError(explain(name, f"{field} is not a number", found=value))
            object.__setattr__(self, field, float(value))
        low, high = self.bounds()
        if low > high:
            raise NetworkError(explain(name, "low lies above high", found=(low, high)))
        _check_seed(self)

    def check_inside(self) -> None:
        """Raise NetworkError where hardly any value lies between the bounds."""
        if self.inside()[1] < LEAST_MASS:
            raise NetworkError(
                explain(
                    type(self).__name__,
                    f"of its values, {self.inside()[1]:.2g} lie between low and high",
                    found=self.bounds(),
                    expected=f"at least {LEAST_MASS:g}",
                    cure="choose wider bounds",
                )
            )


@dataclass(frozen=True)
class Normal(Continuous):
    """Normal distribution with `mean` and standard deviation `std` >= 0, drawn again until in [low, high].

    Examples
    --------
    >>> bool(Normal(87.8e-12, 8.78e-12, low=0.0).draw(3, seed=1).min() > 0)
    True
    """

    mean: float
    std: float
    low: float | None = None
    high: float | None = None
    seed: int = 0
    kind: ClassVar[str] = "normal"
    code: ClassVar[int] = 0

    def __post_init__(self) -> None:
        self.check("mean", "std")
        if self.std < 0.0:
            raise NetworkError(explain("Normal", "std must be 0 or more", found=self.std))
        self.check_inside()

    def numbers(self) -> tuple[float, float]:
        return self.mean, self.std

    def share(self, x: float) -> float:
        if self.std == 0.0:
            return float(x >= self.mean)
        return 0.5 * math.erfc((self.mean - x) / (self.std * math.sqrt(2.0)))

    def quantile(self, u: float) -> float:
        return self.mean + self.std * NormalDist().inv_cdf(u)


@dataclass(frozen=True)
class Uniform(Continuous):
    """Evenly between `low` and `high`."""

    low: float
    high: float
    seed: int = 0
    kind: ClassVar[str] = "uniform"
    code: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self.check("low", "high")

    def numbers(self) -> tuple[float, float]:
        return self.low, self.high

    def inside(self) -> tuple[float, float]:
        return 0.0, 1.0

    def share(self, x: float) -> float:
        if x >= self.high:
            return 1.0
        return max(x - self.low, 0.0) / (self.high - self.low)

    def quantile(self, u: float) -> float:
        return self.low + u * (self.high - self.low)


@dataclass(frozen=True)
class LogNormal(Continuous):
    """`median` > 0 times exp(`sigma` z), z normal; drawn again until in [low, high]."""

    median: float
    sigma: float
    low: float | None = None
    high: float | None = None
    seed: int = 0
    kind: ClassVar[str] = "log_normal"
    code: ClassVar[int] = 2

    def __post_init__(self) -> None:
        self.check("median", "sigma")
        if self.median <= 0.0 or self.sigma < 0.0:
            raise NetworkError(
                explain(
                    "LogNormal",
                    "median must be positive, sigma 0 or more",
                    found=(self.median, self.sigma),
                )
            )
        self.check_inside()

    def numbers(self) -> tuple[float, float]:
        return self.median, self.sigma

    def share(self, x: float) -> float:
        if x <= 0.0:
            return 0.0
        if self.sigma == 0.0:
            return float(x >= self.median)
        return 0.5 * math.erfc(-math.log(x / self.median) / (self.sigma * math.sqrt(2.0)))

    def quantile(self, u: float) -> float:
        z = self.sigma * NormalDist().inv_cdf(u)
        return self.median * math.exp(z) if z < 700.0 else math.inf


@dataclass(frozen=True)
class Exponential(Continuous):
    """Exponential distribution with `mean` > 0, drawn again until in [low, high]."""

    mean: float
    low: float | None = None
    high: float | None = None
    seed: int = 0
    kind: ClassVar[str] = "exponential"
    code: ClassVar[int] = 3

    def __post_init__(self) -> None:
        self.check("mean")
        if self.mean <= 0.0:
            raise NetworkError(explain("Exponential", "mean must be positive", found=self.mean))
        self.check_inside()

    def numbers(self) -> tuple[float, float]:
        return self.mean, 1.0

    def share(self, x: float) -> float:
        return -math.expm1(-x / self.mean) if x > 0.0 else 0.0

    def quantile(self, u: float) -> float:
        return -self.mean * math.log1p(-u)


@dataclass(frozen=True)
class Choice(Distribution):
    """One of up to 256 `values`, with `probabilities` that add up to 1 (default: all the same)."""

    values: tuple[float, ...]
    probabilities: tuple[float, ...] | None = None
    seed: int = 0
    kind: ClassVar[str] = "choice"

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _tuple("values", self.values))
        _check_seed(self)
        if not 1 <= len(self.values) <= MAX_VALUES:
            raise NetworkError(
                explain("Choice", "1 to 256 values can be chosen from", found=f"{len(self.values)}")
            )
        if self.probabilities is None:
            return
        object.__setattr__(self, "probabilities", _tuple("probabilities", self.probabilities))
        if len(self.probabilities) != len(self.values) or min(self.probabilities) < 0.0:
            raise NetworkError(
                explain(
                    "Choice",
                    "one probability of 0 or more per value",
                    found=self.probabilities,
                )
            )
        if abs(sum(self.probabilities) - 1.0) > 1e-9:
            raise NetworkError(
                explain(
                    "Choice", "probabilities must add up to 1", found=f"{sum(self.probabilities):g}"
                )
            )

    def weighted(self) -> NDArray[np.float64]:
        """Return the probability of each value."""
        if self.probabilities is None:
            return np.full(len(self.values), 1.0 / len(self.values))
        return np.asarray(self.probabilities, np.float64)

    def span(self) -> tuple[float, float]:
        return min(self.values), max(self.values)

    def draw(self, n: int, *, seed: int, stream: str = "draw") -> NDArray[np.float64]:
        from spikewright.network.connectivity import edges

        upper, guide = table(np.cumsum(self.weighted()))
        index = np.empty(n, np.int64)
        edges.many_discrete(np.uint64(rng.key(seed, stream)), 0, n, upper, guide, index)
        return np.asarray(self.values, np.float64)[index]


DISTRIBUTIONS: Mapping[str, type[Distribution]] = {
    d.kind: d for d in (Normal, Uniform, LogNormal, Exponential, Choice)
}


def from_dict(data: Mapping[str, Any]) -> Distribution:
    """Return the distribution of `Distribution.as_dict`.

    Raises
    ------
    NetworkError : not a distribution
    """
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in DISTRIBUTIONS:
        raise NetworkError(
            explain(
                "distribution", "unknown kind", found=repr(kind), expected=", ".join(DISTRIBUTIONS)
            )
        )
    try:
        return DISTRIBUTIONS[kind](**{k: v for k, v in data.items() if k != "kind"})
    except TypeError as error:
        raise NetworkError(explain("distribution", f"not a {kind}", found=error)) from None


# -- tables for one word ---------------------------------------------------------------------------------


def table(shares: NDArray[np.float64]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """Return (limits, guide) with which `edges.discrete` finds an index, from the share of words up to each index."""
    upper = np.rint(np.clip(shares, 0.0, 1.0) * WORDS).astype(np.uint64)
    upper[-1] = WORDS
    first = np.arange(1024, dtype=np.uint64) << np.uint64(22)
    return upper, np.searchsorted(upper, first, side="right").astype(np.int32)


@dataclass(frozen=True)
class Delays:
    """Delays of a projection in steps, as engines draw them: `steps` of an index, `upper` and `guide` of a word."""

    steps: NDArray[np.int64]
    upper: NDArray[np.uint64]
    guide: NDArray[np.int32]
    seed: int = 0

    @property
    def low(self) -> int:
        """The least number of steps."""
        return int(self.steps.min())

    @property
    def high(self) -> int:
        """The greatest number of steps."""
        return int(self.steps.max())


def delays(distribution: Distribution, dt: float, *, where: str = "delay") -> Delays:
    """Return the delays that a distribution (seconds) gives on a grid of `dt` seconds.

    A value is rounded to the nearest multiple of dt, and is at least the distribution's `low`. It is at least one step
    where `low` is not 0.

    Raises
    ------
    NetworkError : negative, or longer than 65535 steps
    """
    low, high = distribution.span()
    bound = getattr(distribution, "low", None)
    if isinstance(distribution, Choice) and low <= 0.0:
        bound = low
    if bound is not None and bound < 0.0:
        raise NetworkError(explain(where, "must be 0 or more", found=f"{low:g} s"))
    if high / dt > MAX_STEPS:
        raise NetworkError(
            explain(
                where,
                "too long",
                found=f"up to {high / dt:.4g} steps",
                expected=f"{MAX_STEPS} steps at most",
                cure="say high=, or choose a coarser dt",
            )
        )
    least = 1
    if bound is not None:
        least = 0 if bound == 0.0 else max(1, math.ceil(bound / dt - 1e-6))
    if isinstance(distribution, Choice):
        steps = np.maximum(np.rint(np.asarray(distribution.values) / dt).astype(np.int64), least)
        order = np.argsort(steps, kind="stable")
        steps, shares = steps[order], np.cumsum(distribution.weighted()[order])
    elif isinstance(distribution, Continuous):
        steps = np.arange(least, max(least, round(high / dt)) + 1, dtype=np.int64)
        shares = distribution.shares((steps + 0.5) * dt)
    else:
        raise NetworkError(explain(where, "no such distribution", found=distribution))
    upper, guide = table(shares)
    used = np.diff(upper, prepend=np.uint64(0)) > 0
    if not np.all(used):
        steps, upper = steps[used], upper[used]
        upper, guide = table(upper / WORDS)
    return Delays(steps, upper, guide, distribution.seed)


def _tuple(name: str, values: Any) -> tuple[float, ...]:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        array = np.array([np.nan])
    if array.ndim != 1 or not np.all(np.isfinite(array)):
        raise NetworkError(explain("Choice", f"{name} are not a list of numbers", found=values))
    return tuple(array.tolist())


def _check_seed(d: Distribution) -> None:
    if not isinstance(d.seed, int | np.integer) or isinstance(d.seed, bool):
        raise NetworkError(explain(type(d).__name__, "seed is not a whole number", found=d.seed))
    object.__setattr__(d, "seed", int(d.seed))
