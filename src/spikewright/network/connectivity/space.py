"""Networks in space: the probability of an edge falls with distance, in one to three dimensions.

Sources are kept in a grid of cells, so that a target looks at those in reach only, and passes over most of the sources
of a cell where edges are rare. The work grows with the number of edges, not of pairs.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import NetworkError, explain
from spikewright.network.connectivity.chance import probability
from spikewright.network.connectivity.recipe import (
    MAX_POPULATION,
    SPACE,
    Plan,
    Recipe,
    check_no_self,
    counted,
)
from spikewright.network.topology import Shape, frozen

NONE = 2.0**-40
"""A probability below this part of the peak counts as none."""
SAMPLE = 256
"""Targets that are made to estimate the number of edges."""


class Profile(enum.Enum):
    """How the probability of an edge depends on the distance d; s is `scale`."""

    GAUSSIAN = "gaussian"
    """peak exp(-d^2 / (2 s^2))"""
    EXPONENTIAL = "exponential"
    """peak exp(-d / s)"""
    LINEAR = "linear"
    """peak (1 - d / s), none from s on"""
    CONSTANT = "constant"
    """peak up to the distance s"""


@dataclass(frozen=True, eq=False)
class DistanceDependent(Recipe):
    """Every pair of a source and a target is an edge with a probability that depends on their distance.

    Parameters
    ----------
    n_post : number of targets, or their shape in one to three dimensions
    scale : of the profile, m
    extent : size of the space per axis, m; a population without positions fills it as a grid of its shape, with each
        neuron in the middle of its cell
    profile, peak : how the probability falls, and what it is at distance 0
    cutoff : distance beyond which there are no edges, m (rounding errors forgiven); None: where the profile ends
    periodic : whether the space closes on itself
    pre_at, post_at : positions of sources and targets, (n, dimensions), m; None: on the grid
    weights, seed, self_edges, dtype : as in `FixedInDegree`

    Examples
    --------
    >>> from spikewright.network import DistanceDependent
    >>> sheet = DistanceDependent((20, 20), 0.1e-3, (1e-3, 1e-3), peak=0.5, periodic=True, seed=1)
    >>> sheet.out_shape((20, 20))
    (400,)
    """

    n_post: Any
    scale: float
    extent: Any
    profile: Any = Profile.GAUSSIAN
    peak: float = 1.0
    cutoff: float | None = None
    periodic: bool = False
    pre_at: Any = None
    post_at: Any = None
    weights: Any = 1.0
    seed: int = 0
    self_edges: bool = True
    dtype: str = "float32"
    kind: ClassVar[str] = "distance_dependent"
    shaped: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self._check_shape()
        self.check_fields()
        object.__setattr__(self, "peak", probability("DistanceDependent", "peak", self.peak))
        try:
            object.__setattr__(self, "profile", Profile(self.profile))
        except ValueError:
            raise NetworkError(
                explain(
                    "DistanceDependent",
                    "no such profile",
                    found=self.profile,
                    expected=", ".join(p.value for p in Profile),
                )
            ) from None
        extent = tuple(_length("extent", x) for x in np.atleast_1d(self.extent).tolist())
        if not 1 <= len(extent) <= 3:
            raise _error("space has one to three dimensions", found=len(extent))
        object.__setattr__(self, "extent", extent)
        object.__setattr__(self, "scale", _length("scale", self.scale))
        if self.cutoff is not None:
            object.__setattr__(self, "cutoff", _length("cutoff", self.cutoff))
        for name in ("pre_at", "post_at"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, self._positions(name))
        if self.post_at is not None and len(self.post_at) != self.size:
            raise _error(
                "post_at: one position per target", found=len(self.post_at), expected=self.size
            )
        if self.post_at is None and self._shape(self.n_post) is None:
            raise _error(
                f"targets of shape {self.n_post} do not fill {len(extent)} dimensions",
                cure="give n_post one number per axis, or give post_at",
            )

    def _check_shape(self) -> None:
        if np.ndim(self.n_post):
            shape = np.asarray(self.n_post)
            if shape.ndim != 1 or shape.dtype.kind != "i" or not np.all(shape >= 1):
                raise _error("n_post is not a shape", found=self.n_post)
            if math.prod(shape.tolist()) > MAX_POPULATION:
                raise _error("too many targets", found=self.n_post)
            object.__setattr__(self, "n_post", tuple(shape.tolist()))

    def _positions(self, name: str) -> NDArray[np.float64]:
        at = frozen(getattr(self, name), real=True)
        if at.ndim == 1:
            at = at[:, None]
        if at.ndim != 2 or at.shape[1] != len(self.extent) or at.dtype.kind != "f":
            raise _error(
                f"{name} must be (n, dimensions)",
                found=at.shape,
                expected=f"(n, {len(self.extent)})",
            )
        if not np.all(np.isfinite(at)):
            raise _error(f"{name}: a position is not finite")
        if self.periodic and not np.all((at >= 0.0) & (at < np.asarray(self.extent))):
            raise _error(
                f"{name}: a position lies outside the periodic space",
                expected=f"0 to {self.extent}, the end not included",
            )
        at.flags.writeable = False
        return at

    def _shape(self, shape: Any) -> Shape | None:
        axes = (shape,) if np.ndim(shape) == 0 else tuple(shape)
        if len(axes) != len(self.extent):
            axes = tuple(n for n in axes if n != 1)
            axes = axes + (1,) * (len(self.extent) - len(axes))
        return axes if len(axes) == len(self.extent) else None

    def check_sizes(self, n_pre: int) -> None:
        check_no_self("DistanceDependent", self.self_edges, n_pre, self.size)
        if self.pre_at is not None and len(self.pre_at) != n_pre:
            raise _error("pre_at: one position per source", found=len(self.pre_at), expected=n_pre)

    def out_shape(self, pre: Shape) -> Shape:
        if self.pre_at is None and self._shape(pre) is None:
            raise _error(
                f"sources of shape {pre} do not fill {len(self.extent)} dimensions",
                cure="give the population one axis per dimension, or give pre_at",
            )
        return super().out_shape(pre)

    def _grid(self, shape: Any) -> NDArray[np.float64]:
        axes = self._shape(shape) or ()
        lines = [(np.arange(n) + 0.5) / n * x for n, x in zip(axes, self.extent, strict=True)]
        return np.stack([a.ravel() for a in np.meshgrid(*lines, indexing="ij")], axis=1)

    @property
    def reach(self) -> float:
        """The distance beyond which there are no edges, m."""
        ends = {
            Profile.GAUSSIAN: self.scale * math.sqrt(-2.0 * math.log(NONE)),
            Profile.EXPONENTIAL: -self.scale * math.log(NONE),
        }
        end = ends.get(self.profile, self.scale)
        return end if self.cutoff is None else min(end, self.cutoff)

    def plan(self, pre: Shape) -> Plan:
        n_pre, dims = math.prod(pre), len(self.extent)
        sources = self._grid(pre) if self.pre_at is None else self.pre_at
        targets = self._grid(self.n_post) if self.post_at is None else self.post_at
        pool_at, major_at = np.zeros((n_pre, 3)), np.zeros((self.size, 3))
        pool_at[:, 3 - dims :], major_at[:, 3 - dims :] = sources, targets
        origin, extent = np.zeros(3), np.ones(3)
        if self.periodic:
            extent[3 - dims :] = self.extent
        else:
            origin, extent = pool_at.min(axis=0), np.ptp(pool_at, axis=0)
            extent = np.where(extent > 0.0, extent, 1.0)
        # fine enough that the probability changes little within a cell
        width = self.scale / 2 if self.profile is not Profile.CONSTANT else self.reach / 4
        cells = np.maximum(np.floor(np.minimum(extent / min(width, self.reach), 2.0**20)), 1.0)
        cells[: 3 - dims] = 1
        # at least one source per cell, on average: cells without sources cost time as well
        while cells.prod() > n_pre and cells.max() > 1:
            cells = np.maximum(np.floor(cells * 0.8), 1.0)
        n_cells = cells.astype(np.int64)
        size = extent / cells
        index = np.clip(np.floor((pool_at - origin) / size), 0, cells - 1).astype(np.int64)
        cell = (index[:, 0] * n_cells[1] + index[:, 1]) * n_cells[2] + index[:, 2]
        order = np.argsort(cell, kind="stable")
        begin = np.zeros(int(n_cells.prod()) + 1, np.int64)
        np.cumsum(np.bincount(cell, minlength=len(begin) - 1), out=begin[1:])
        wraps = np.zeros(3, np.int64)
        wraps[3 - dims :] = self.periodic
        if self.peak == 0.0:
            return self.made_plan(0, n_pre, 0)
        code = list(Profile).index(self.profile)
        return self.made_plan(
            SPACE,
            n_pre,
            0,
            self_edges=self.self_edges,
            ints=(*n_cells, *wraps, code),
            reals=(*origin, *size, *extent, self.reach, self.peak, self.scale, NONE * self.peak),
            major_at=major_at,
            pool_at=np.ascontiguousarray(pool_at[order]),
            order=order.astype(np.int32),
            cells=begin,
        )

    def expected_synapses(self, pre: Shape) -> float:
        """Return how many synapses there will be, from a sample of the targets (all where they are few)."""
        plan = self.plan(pre)
        sample = np.unique(np.linspace(0, self.size - 1, SAMPLE).astype(np.int64))
        return counted(plan, sample) / len(sample) * self.size


def _length(name: str, value: Any) -> float:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 0.0 < value < math.inf:
        raise _error(f"{name} must be a length above 0", found=value)
    return float(value)


def _error(what: str, **facts: Any) -> NetworkError:
    return NetworkError(explain("DistanceDependent", what, **facts))
