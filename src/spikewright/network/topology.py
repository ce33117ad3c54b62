"""How one population reaches another: linear maps, each with its weights.

Every topology answers three questions: which shape comes out (`out_shape`), what a dense input becomes (`apply`), and
which synapses it consists of (`synapses`, compressed by source: what engines, mappers and chips work with). The two
answers agree; the tests say so.

Notation: weights are `(post, pre)`; images are `C Y X`; a flat index is in C order.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import NetworkError, explain

Shape = tuple[int, ...]
MEMORY_LIMIT = 8 * 2**30
"""Bytes that one topology may take when written out synapse by synapse."""


@dataclass(frozen=True)
class Synapses:
    """Synapses compressed by source: those of source j are entries `start[j]:start[j + 1]`.

    Parameters
    ----------
    start : int64 (n_pre + 1,)
    target : int64 (n,), flat index of the post population
    weight : float64 or int64 (n,)
    entry : int64 (n,), flat index of the synapse's weight in the topology's weight array; -1 where it has none
    n_post : size of the post population
    """

    start: NDArray[np.int64]
    target: NDArray[np.int64]
    weight: NDArray[Any]
    entry: NDArray[np.int64]
    n_post: int

    @property
    def n(self) -> int:
        """Number of synapses."""
        return len(self.target)

    @property
    def n_pre(self) -> int:
        """Number of sources."""
        return len(self.start) - 1

    @property
    def fan_out(self) -> NDArray[np.int64]:
        """Synapses per source, zero weights included."""
        return np.diff(self.start)

    @property
    def source(self) -> NDArray[np.int64]:
        """Source of every synapse, int64 (n,)."""
        return np.repeat(np.arange(self.n_pre), self.fan_out)

    def effective_fan_out(self) -> NDArray[np.int64]:
        """Synapses per source whose weight is not zero."""
        return np.bincount(self.source[self.weight != 0], minlength=self.n_pre).astype(np.int64)

    def matrix(self) -> NDArray[Any]:
        """Return the dense (post, pre) matrix."""
        check_memory("matrix", self.n_pre * self.n_post * 8)
        dense = np.zeros((self.n_post, self.n_pre), self.weight.dtype)
        np.add.at(dense, (self.target, self.source), self.weight)
        return dense


def check_memory(where: str, size: int) -> None:
    """Raise NetworkError where writing synapses out would take `size` bytes, more than `MEMORY_LIMIT`."""
    if size > MEMORY_LIMIT:
        raise NetworkError(
            explain(
                where,
                "too large to write out",
                found=f"{size / 2**30:.1f} GiB",
                expected=f"{MEMORY_LIMIT / 2**30:.0f} GiB at most",
                cure="use a sparse or convolutional topology, or split it",
            )
        )


def frozen(values: ArrayLike, *, real: bool = False) -> NDArray[Any]:
    """Return values as float64, whole numbers as int64 unless `real`; an own copy that cannot be written to."""
    array = np.array(values)
    if array.dtype.kind in "bui":
        array = array.astype(np.float64 if real else np.int64)
    elif array.dtype.kind == "f":
        array = array.astype(np.float64)
    array.flags.writeable = False
    return array


def _kept(values: ArrayLike, *narrow: Any) -> NDArray[Any]:
    """Return values as `frozen` does, but in their own dtype where it is one of `narrow`; not copied where nobody else
    can write to them."""
    array = np.asarray(values)
    if array.dtype not in narrow:
        return frozen(array)
    if array.flags.writeable or array.base is not None:
        array = array.copy()
        array.flags.writeable = False
    return array


def _indices(values: ArrayLike) -> NDArray[Any]:
    """Return indices, int32 where they come so, else int64."""
    array = _kept(values, np.int32)
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind != "i":
        raise NetworkError(
            explain("Sparse.from_edges", "pre and post are not whole numbers", found=array.dtype)
        )
    return array


def compress(
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    weight: NDArray[Any],
    entry: NDArray[np.int64],
    n_pre: int,
    n_post: int,
) -> Synapses:
    """Return synapses sorted by source (order within a source kept)."""
    order = np.argsort(source, kind="stable")
    start = np.zeros(n_pre + 1, np.int64)
    np.cumsum(np.bincount(source, minlength=n_pre), out=start[1:])
    return Synapses(start, target[order], weight[order], entry[order], n_post)


class Topology(ABC):
    """A linear map from one population to another. Abstract; see the final classes below."""

    kind: ClassVar[str]

    @abstractmethod
    def out_shape(self, pre: Shape) -> Shape:
        """Return the shape that comes out for a source of shape `pre`, or raise NetworkError."""

    @abstractmethod
    def synapses(self, pre: Shape) -> Synapses:
        """Return the synapses for a source of shape `pre`."""

    def effective_fan_out(self, pre: Shape) -> NDArray[np.int64]:
        """Return the synapses per source whose weight is not zero, for a source of shape `pre`."""
        return self.synapses(pre).effective_fan_out()

    @property
    def weight(self) -> NDArray[Any] | None:
        """The weight array, or None where the map has none that could be learned."""
        return None

    def with_weight(self, weight: ArrayLike) -> Topology:
        """Return the same map with other weights of the same shape.

        Raises
        ------
        NetworkError : it has no weights, or the shape differs
        """
        own = self.weight
        where = f"{self.kind}.with_weight"
        if own is None:
            raise NetworkError(explain(where, "this map has no weights"))
        if np.shape(weight) != own.shape:
            raise NetworkError(
                explain(where, "wrong shape", found=np.shape(weight), expected=own.shape)
            )
        return replace(self, **{self._weight_field(): weight})  # type: ignore[type-var]

    def _weight_field(self) -> str:
        return "weights"

    def expected_synapses(self, pre: Shape) -> float:
        """Return how many synapses there are for a source of shape `pre`: exact, or the mean where they are drawn."""
        return float(self.synapses(pre).n)

    def flat(self, pre: Shape) -> bool:
        """Whether it takes its source, and reaches its target, as a flat list whatever their shapes."""
        return False

    def apply(self, x: NDArray[Any], pre: Shape) -> NDArray[Any]:
        """Return the map's output `... *out_shape` for an input `... *pre`."""
        synapses = self.synapses(pre)
        lead = x.shape[: x.ndim - len(pre)]
        rows = x.reshape(-1, synapses.n_pre)
        out = np.zeros((rows.shape[0], synapses.n_post), np.result_type(x, synapses.weight))
        np.add.at(out.T, synapses.target, (rows[:, synapses.source] * synapses.weight).T)
        return out.reshape(*lead, *self.out_shape(pre))

    def as_dict(self) -> dict[str, Any]:
        """Return the map as plain data and arrays, for files."""
        return {"kind": self.kind} | {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Dense(Topology):
    """Every source to every target: `weights` (post, pre)."""

    weights: NDArray[Any]
    kind: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", frozen(self.weights))
        if self.weights.ndim != 2:
            raise NetworkError(
                explain("Dense", "weights must be (post, pre)", found=self.weights.shape)
            )

    @property
    def weight(self) -> NDArray[Any]:
        return self.weights

    def flat(self, pre: Shape) -> bool:
        return True

    def expected_synapses(self, pre: Shape) -> float:
        return float(self.weights.size)

    def out_shape(self, pre: Shape) -> Shape:
        _check_size("Dense", pre, self.weights.shape[1])
        return (self.weights.shape[0],)

    def synapses(self, pre: Shape) -> Synapses:
        n_post, n_pre = self.weights.shape
        check_memory("Dense", n_post * n_pre * 24)
        start = np.arange(n_pre + 1, dtype=np.int64) * n_post
        target = np.tile(np.arange(n_post, dtype=np.int64), n_pre)
        entry = np.arange(n_post * n_pre, dtype=np.int64).reshape(n_post, n_pre).T.ravel()
        return Synapses(start, target, self.weights.T.ravel(), entry, n_post)

    def apply(self, x: NDArray[Any], pre: Shape) -> NDArray[Any]:
        lead = x.shape[: x.ndim - len(pre)]
        out: NDArray[Any] = x.reshape(*lead, self.weights.shape[1]) @ self.weights.T
        return out


@dataclass(frozen=True, eq=False)
class Sparse(Topology):
    """A list of synapses, compressed by source: `start` (n_pre + 1,), `target` (n,), `weights` (n,).

    Targets that come as int32, and weights that come as float32 or float16, are kept so; everything else becomes int64
    and float64.
    """

    start: NDArray[np.int64]
    target: NDArray[np.int64]
    weights: NDArray[Any]
    n_post: int
    kind: ClassVar[str] = "sparse"

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", frozen(self.start))
        object.__setattr__(self, "target", _kept(self.target, np.int32))
        object.__setattr__(self, "weights", _kept(self.weights, np.float32, np.float16))
        object.__setattr__(self, "n_post", int(self.n_post))
        if self.start.ndim != 1 or len(self.start) < 1 or self.start[0] != 0:
            raise NetworkError(explain("Sparse", "start must be (n_pre + 1,) and begin with 0"))
        if np.any(np.diff(self.start) < 0) or self.start[-1] != len(self.target):
            raise NetworkError(
                explain(
                    "Sparse",
                    "start must grow and end with the number of synapses",
                    found=int(self.start[-1]),
                    expected=len(self.target),
                )
            )
        if self.target.shape != self.weights.shape:
            raise NetworkError(
                explain(
                    "Sparse",
                    "one weight per synapse",
                    found=self.weights.shape,
                    expected=self.target.shape,
                )
            )
        if len(self.target) and not 0 <= self.target.min() <= self.target.max() < self.n_post:
            raise NetworkError(
                explain(
                    "Sparse",
                    "a target is not there",
                    found=f"{self.target.min()}..{self.target.max()}",
                    expected=f"0..{self.n_post - 1}",
                )
            )

    @staticmethod
    def from_edges(
        pre: ArrayLike, post: ArrayLike, weight: ArrayLike, *, n_pre: int, n_post: int
    ) -> Sparse:
        """Return the map of a list of edges; `weight` is one number or one per edge.

        Raises
        ------
        NetworkError : an index is out of range, or the lengths differ
        """
        source, target = _indices(pre), _indices(post)
        if source.shape != target.shape or source.ndim != 1:
            raise NetworkError(
                explain("Sparse.from_edges", "pre and post differ in length", found=source.shape)
            )
        if len(source) and not 0 <= source.min() <= source.max() < n_pre:
            raise NetworkError(
                explain(
                    "Sparse.from_edges",
                    "a source is not there",
                    found=f"{source.min()}..{source.max()}",
                    expected=f"0..{n_pre - 1}",
                )
            )
        given = _kept(weight, np.float32, np.float16)
        start = np.zeros(n_pre + 1, np.int64)
        np.cumsum(np.bincount(source, minlength=n_pre), out=start[1:])
        order = np.lexsort((target, source))
        del source
        # given away unwriteable, so that they are not copied once more
        target = target[order]
        values = given[order] if given.ndim else np.full(len(order), given)
        target.flags.writeable = values.flags.writeable = False
        return Sparse(start, target, values, n_post)

    @staticmethod
    def from_matrix(matrix: ArrayLike) -> Sparse:
        """Return the map with the non-zero entries of a (post, pre) matrix."""
        dense = np.asarray(matrix)
        pre, post = np.nonzero(dense.T)
        return Sparse.from_edges(
            pre, post, dense[post, pre], n_pre=dense.shape[1], n_post=dense.shape[0]
        )

    @property
    def weight(self) -> NDArray[Any]:
        return self.weights

    def flat(self, pre: Shape) -> bool:
        return True

    def expected_synapses(self, pre: Shape) -> float:
        return float(len(self.target))

    def out_shape(self, pre: Shape) -> Shape:
        _check_size("Sparse", pre, len(self.start) - 1)
        return (self.n_post,)

    def synapses(self, pre: Shape) -> Synapses:
        entry = np.arange(len(self.target), dtype=np.int64)
        target = self.target.astype(np.int64, copy=False)
        weight = self.weights
        if weight.dtype.kind == "f":
            weight = weight.astype(np.float64, copy=False)
        return Synapses(self.start, target, weight, entry, self.n_post)


@dataclass(frozen=True, eq=False)
class OneToOne(Topology):
    """Source j to target j: `weights` is one number or one per neuron (any shape of that size)."""

    weights: NDArray[Any] = field(default_factory=lambda: np.asarray(1.0))
    kind: ClassVar[str] = "one_to_one"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", frozen(self.weights))

    @property
    def weight(self) -> NDArray[Any]:
        return self.weights

    def out_shape(self, pre: Shape) -> Shape:
        if self.weights.ndim and self.weights.shape != pre:
            raise NetworkError(
                explain(
                    "OneToOne",
                    "one weight per source neuron",
                    found=self.weights.shape,
                    expected=pre,
                )
            )
        return pre

    def synapses(self, pre: Shape) -> Synapses:
        n = math.prod(pre)
        index = np.arange(n, dtype=np.int64)
        entry = index if self.weights.ndim else np.zeros(n, np.int64)
        weight = np.broadcast_to(self.weights, pre).ravel()
        return Synapses(np.arange(n + 1, dtype=np.int64), index, weight, entry, n)

    def apply(self, x: NDArray[Any], pre: Shape) -> NDArray[Any]:
        return np.asarray(x * self.weights)


@dataclass(frozen=True, eq=False)
class Scale(OneToOne):
    """Multiply each source by its factor: NIR's name for a one-to-one map."""

    kind: ClassVar[str] = "scale"


@dataclass(frozen=True, eq=False)
class Flatten(Topology):
    """Join axes `first` to `last` (both included, -1 is the last); weights are 1."""

    first: int = 0
    last: int = -1
    kind: ClassVar[str] = "flatten"

    def out_shape(self, pre: Shape) -> Shape:
        n = len(pre)
        first, last = self.first % max(n, 1), self.last % max(n, 1)
        if not (-n <= self.first < n and -n <= self.last < n and first <= last):
            raise NetworkError(
                explain("Flatten", "no such axes", found=(self.first, self.last), expected=pre)
            )
        return (*pre[:first], math.prod(pre[first : last + 1]), *pre[last + 1 :])

    def synapses(self, pre: Shape) -> Synapses:
        return _identity(math.prod(pre))

    def apply(self, x: NDArray[Any], pre: Shape) -> NDArray[Any]:
        return x.reshape(*x.shape[: x.ndim - len(pre)], *self.out_shape(pre))


def _identity(n: int) -> Synapses:
    index = np.arange(n, dtype=np.int64)
    return Synapses(
        np.arange(n + 1, dtype=np.int64), index, np.ones(n), np.full(n, -1, np.int64), n
    )


def _check_size(name: str, pre: Shape, n_pre: int) -> None:
    if math.prod(pre) != n_pre:
        raise NetworkError(
            explain(
                name,
                f"weight is for {n_pre} source neurons",
                found=f"{math.prod(pre)} in a population of shape {pre}",
                expected=n_pre,
            )
        )
