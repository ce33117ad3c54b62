"""Random networks without geometry: fixed degrees, a fixed total, each pair by chance, degrees from a power law.

Numbers of edges are whole; a fixed total is shared out over the targets as if each edge had chosen its target (with
repeats: multinomial; without: hypergeometric), so that a target's edges can be made by themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright import rng
from spikewright.errors import NetworkError, explain
from spikewright.network.connectivity.recipe import (
    ALL,
    DISTINCT,
    PAIRS,
    REPEATS,
    Plan,
    Recipe,
    check_no_self,
    whole,
)
from spikewright.network.topology import Shape, frozen

MAX_DEGREES = 2**24
"""Degrees that a power law may range over."""


@dataclass(frozen=True, eq=False)
class FixedInDegree(Recipe):
    """Every target has `degree` sources, drawn evenly.

    Parameters
    ----------
    n_post : number of targets
    degree : sources per target, one number or (n_post,)
    weights : a number, or a `Distribution`
    seed : two projections with the same seed draw the same words: give each its own
    self_edges : whether a neuron may reach itself, where a population projects to itself
    repeats : whether a source may be drawn several times for a target
    dtype : what weights are rounded to and kept in: float32, float16 or float64

    Examples
    --------
    >>> from spikewright.network import FixedInDegree
    >>> FixedInDegree(4, 3, 0.5, seed=1).synapses((10,)).n
    12
    """

    n_post: int
    degree: Any
    weights: Any = 1.0
    seed: int = 0
    self_edges: bool = True
    repeats: bool = True
    dtype: str = "float32"
    kind: ClassVar[str] = "fixed_in_degree"

    def __post_init__(self) -> None:
        self.check_fields()
        _check_degree(self, "degree", self.degree, self.n_post)

    def check_sizes(self, n_pre: int) -> None:
        check_no_self("FixedInDegree", self.self_edges, n_pre, self.n_post)
        _check_enough(self, n_pre - (not self.self_edges), "sources")

    def plan(self, pre: Shape) -> Plan:
        way = REPEATS if self.repeats else DISTINCT
        return self.made_plan(way, math.prod(pre), self.degree, self_edges=self.self_edges)

    def expected_synapses(self, pre: Shape) -> float:
        return _total(self.degree, self.n_post)


@dataclass(frozen=True, eq=False)
class FixedOutDegree(Recipe):
    """Every source has `degree` targets, drawn evenly; fields as in `FixedInDegree`, `degree` may be (n_pre,)."""

    n_post: int
    degree: Any
    weights: Any = 1.0
    seed: int = 0
    self_edges: bool = True
    repeats: bool = True
    dtype: str = "float32"
    kind: ClassVar[str] = "fixed_out_degree"

    def __post_init__(self) -> None:
        self.check_fields()
        _check_degree(self, "degree", self.degree, None)

    def check_sizes(self, n_pre: int) -> None:
        check_no_self("FixedOutDegree", self.self_edges, n_pre, self.n_post)
        if np.ndim(self.degree) and len(self.degree) != n_pre:
            raise NetworkError(
                explain(
                    "FixedOutDegree",
                    "one degree per source",
                    found=len(self.degree),
                    expected=n_pre,
                )
            )
        _check_enough(self, self.n_post - (not self.self_edges), "targets")

    def plan(self, pre: Shape) -> Plan:
        way = REPEATS if self.repeats else DISTINCT
        return self.made_plan(
            way, math.prod(pre), self.degree, self_edges=self.self_edges, by_source=True
        )

    def expected_synapses(self, pre: Shape) -> float:
        return _total(self.degree, math.prod(pre))


@dataclass(frozen=True, eq=False)
class FixedTotal(Recipe):
    """`total` edges, each between a source and a target drawn evenly; other fields as in `FixedInDegree`."""

    n_post: int
    total: int
    weights: Any = 1.0
    seed: int = 0
    self_edges: bool = True
    repeats: bool = True
    dtype: str = "float32"
    kind: ClassVar[str] = "fixed_total"

    def __post_init__(self) -> None:
        self.check_fields("total")
        if self.total < 0:
            raise NetworkError(explain("FixedTotal", "total must be 0 or more", found=self.total))

    def check_sizes(self, n_pre: int) -> None:
        check_no_self("FixedTotal", self.self_edges, n_pre, self.n_post)
        pairs = (n_pre - (not self.self_edges)) * self.n_post
        if self.total > (pairs if not self.repeats else 2**62 if pairs else 0):
            raise NetworkError(
                explain(
                    "FixedTotal",
                    "more edges than pairs of neurons",
                    found=self.total,
                    expected=f"{pairs} at most",
                    cure="allow repeats, or ask for fewer",
                )
            )

    def plan(self, pre: Shape) -> Plan:
        from spikewright.network.connectivity import edges

        n_pre = math.prod(pre)
        pool = n_pre - (not self.self_edges)
        key = np.uint64(self.key("degree"))
        degree = edges.share(key, self.total, pool, self.n_post, self.repeats)
        way = REPEATS if self.repeats else DISTINCT
        return self.made_plan(way, n_pre, degree, self_edges=self.self_edges)

    def expected_synapses(self, pre: Shape) -> float:
        return float(self.total)


@dataclass(frozen=True, eq=False)
class Bernoulli(Recipe):
    """Every pair of source and target is an edge with the same `probability`; other fields as in `FixedInDegree`."""

    n_post: int
    probability: float
    weights: Any = 1.0
    seed: int = 0
    self_edges: bool = True
    dtype: str = "float32"
    kind: ClassVar[str] = "bernoulli"

    def __post_init__(self) -> None:
        self.check_fields()
        object.__setattr__(
            self, "probability", probability("Bernoulli", "probability", self.probability)
        )

    def check_sizes(self, n_pre: int) -> None:
        check_no_self("Bernoulli", self.self_edges, n_pre, self.n_post)

    def plan(self, pre: Shape) -> Plan:
        n_pre, p = math.prod(pre), self.probability
        if p == 0.0:
            return self.made_plan(REPEATS, n_pre, 0)
        if p == 1.0:
            return self.made_plan(ALL, n_pre, 0, self_edges=self.self_edges)
        chunk = min(max(4 * math.ceil(0.55 * n_pre * p) + 16, 32), 1024)
        return self.made_plan(
            PAIRS,
            n_pre,
            0,
            self_edges=self.self_edges,
            ints=(chunk,),
            reals=(1.0 / math.log1p(-p),),
        )

    def expected_synapses(self, pre: Shape) -> float:
        return self.probability * (math.prod(pre) - (not self.self_edges)) * self.n_post


@dataclass(frozen=True, eq=False)
class PowerLaw(Recipe):
    """Degrees k in `low`..`high` with a probability proportional to k^-`exponent`; the other ends are drawn evenly.

    Parameters
    ----------
    incoming : whether in-degrees follow the law, else out-degrees
    n_post, weights, seed, self_edges, repeats, dtype : as in `FixedInDegree`
    """

    n_post: int
    exponent: float
    low: int
    high: int
    weights: Any = 1.0
    seed: int = 0
    incoming: bool = True
    self_edges: bool = True
    repeats: bool = False
    dtype: str = "float32"
    kind: ClassVar[str] = "power_law"

    def __post_init__(self) -> None:
        self.check_fields("low", "high")
        if not 1 <= self.low <= self.high or self.high - self.low >= MAX_DEGREES:
            raise NetworkError(
                explain(
                    "PowerLaw",
                    "degrees must go from 1 or more up to a larger one",
                    found=f"{self.low}..{self.high}",
                )
            )
        number = isinstance(self.exponent, int | float | np.number)
        if not number or not math.isfinite(self.exponent):
            raise NetworkError(explain("PowerLaw", "exponent is not a number", found=self.exponent))
        object.__setattr__(self, "exponent", float(self.exponent))

    def check_sizes(self, n_pre: int) -> None:
        check_no_self("PowerLaw", self.self_edges, n_pre, self.n_post)
        pool = (n_pre if self.incoming else self.n_post) - (not self.self_edges)
        _check_enough(self, pool, "sources" if self.incoming else "targets")

    @property
    def degree(self) -> int:
        """The largest degree there can be."""
        return self.high

    def _law(self) -> NDArray[np.float64]:
        k = np.arange(self.low, self.high + 1, dtype=np.float64)
        law: NDArray[np.float64] = (k / self.low) ** -self.exponent
        law /= law.sum()
        return law

    def plan(self, pre: Shape) -> Plan:
        majors = self.n_post if self.incoming else math.prod(pre)
        u = rng.uniform(self.key("degree"), np.arange(majors), 0)
        degree = self.low + np.searchsorted(np.cumsum(self._law())[:-1], u, side="right")
        return self.made_plan(
            REPEATS if self.repeats else DISTINCT,
            math.prod(pre),
            degree,
            self_edges=self.self_edges,
            by_source=not self.incoming,
        )

    def expected_synapses(self, pre: Shape) -> float:
        majors = self.n_post if self.incoming else math.prod(pre)
        return float(majors * (self._law() * np.arange(self.low, self.high + 1)).sum())


def probability(name: str, field: str, value: Any) -> float:
    """Return a probability, or raise NetworkError."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 0.0 <= value <= 1.0:
        raise NetworkError(explain(name, f"{field} must lie in 0..1", found=value))
    return float(value)


def _check_degree(recipe: Any, field: str, value: Any, n: int | None) -> None:
    name = type(recipe).__name__
    if whole(value):
        object.__setattr__(recipe, field, int(value))
    else:
        degrees = frozen(value if np.ndim(value) else ())
        if degrees.ndim != 1 or degrees.dtype.kind != "i" or (n is not None and len(degrees) != n):
            raise NetworkError(
                explain(
                    name,
                    f"{field} must be one whole number, or one per neuron",
                    found=f"shape {degrees.shape} of {degrees.dtype}",
                    expected=None if n is None else (n,),
                )
            )
        object.__setattr__(recipe, field, degrees)
        value = degrees
    if np.any(np.asarray(value) < 0):
        raise NetworkError(explain(name, f"{field} must be 0 or more", found=np.min(value)))


def _check_enough(recipe: Any, pool: int, what: str) -> None:
    most = int(np.max(recipe.degree, initial=0))
    if most > pool and (not recipe.repeats or pool < 1):
        raise NetworkError(
            explain(
                type(recipe).__name__,
                f"a degree of {most} needs as many different {what}",
                found=pool,
                cure="allow repeats, or ask for fewer",
            )
        )


def _total(degree: Any, n: int) -> float:
    return float(np.sum(degree)) if np.ndim(degree) else float(degree * n)
