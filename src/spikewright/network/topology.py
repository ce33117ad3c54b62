"""How one population reaches another: linear maps, each with its weights.

Every topology answers three questions: which shape comes out (`out_shape`), what a dense input becomes (`apply`), and
which synapses it consists of (`synapses`, compressed by source: what engines, mappers and chips work with). The two
answers agree; the tests say so.

Notation: weights are `(post, pre)`; images are `C Y X`; a flat index is in C order.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
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
        _check_memory("matrix", self.n_pre * self.n_post * 8)
        dense = np.zeros((self.n_post, self.n_pre), self.weight.dtype)
        np.add.at(dense, (self.target, self.source), self.weight)
        return dense


def _check_memory(where: str, size: int) -> None:
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


def _frozen(values: ArrayLike, *, real: bool = False) -> NDArray[Any]:
    array = np.array(values)
    if array.dtype.kind in "bui":
        array = array.astype(np.float64 if real else np.int64)
    elif array.dtype.kind == "f":
        array = array.astype(np.float64)
    array.flags.writeable = False
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
        object.__setattr__(self, "weights", _frozen(self.weights))
        if self.weights.ndim != 2:
            raise NetworkError(
                explain("Dense", "weights must be (post, pre)", found=self.weights.shape)
            )

    @property
    def weight(self) -> NDArray[Any]:
        return self.weights

    def flat(self, pre: Shape) -> bool:
        return True

    def out_shape(self, pre: Shape) -> Shape:
        _check_size("Dense", pre, self.weights.shape[1])
        return (self.weights.shape[0],)

    def synapses(self, pre: Shape) -> Synapses:
        n_post, n_pre = self.weights.shape
        _check_memory("Dense", n_post * n_pre * 24)
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
    """A list of synapses, compressed by source: `start` (n_pre + 1,), `target` (n,), `weights` (n,)."""

    start: NDArray[np.int64]
    target: NDArray[np.int64]
    weights: NDArray[Any]
    n_post: int
    kind: ClassVar[str] = "sparse"

    def __post_init__(self) -> None:
        for name in ("start", "target", "weights"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
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
        source, target = _frozen(pre), _frozen(post)
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
        values = np.broadcast_to(_frozen(weight), source.shape)
        order = np.lexsort((target, source))
        start = np.zeros(n_pre + 1, np.int64)
        np.cumsum(np.bincount(source, minlength=n_pre), out=start[1:])
        return Sparse(start, target[order], values[order], n_post)

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

    def out_shape(self, pre: Shape) -> Shape:
        _check_size("Sparse", pre, len(self.start) - 1)
        return (self.n_post,)

    def synapses(self, pre: Shape) -> Synapses:
        entry = np.arange(len(self.target), dtype=np.int64)
        return Synapses(self.start, self.target, self.weights, entry, self.n_post)


@dataclass(frozen=True, eq=False)
class OneToOne(Topology):
    """Source j to target j: `weights` is one number or one per neuron (any shape of that size)."""

    weights: NDArray[Any] = field(default_factory=lambda: np.asarray(1.0))
    kind: ClassVar[str] = "one_to_one"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", _frozen(self.weights))

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


@dataclass(frozen=True, eq=False)
class Conv(Topology):
    """Cross-correlation over `C *space` in one or two dimensions, as PyTorch's convolution.

    Parameters
    ----------
    weights : (C_out, C_in / groups, *kernel)
    stride, dilation : one number or one per axis, >= 1
    padding : one number, one per axis, or one (before, after) pair per axis; zeros
    groups : channel groups
    """

    weights: NDArray[Any]
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1
    groups: int = 1
    kind: ClassVar[str] = "conv"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", _frozen(self.weights))
        n = self.weights.ndim - 2
        if n not in (1, 2):
            raise NetworkError(
                explain(
                    "Conv",
                    "weights must be (C_out, C_in/groups, *kernel) in 1 or 2 dimensions",
                    found=self.weights.shape,
                )
            )
        object.__setattr__(self, "stride", _per_axis("Conv", "stride", self.stride, n))
        object.__setattr__(self, "dilation", _per_axis("Conv", "dilation", self.dilation, n))
        object.__setattr__(self, "padding", _pads("Conv", self.padding, n))
        object.__setattr__(self, "groups", int(self.groups))
        if self.groups < 1 or self.weights.shape[0] % self.groups:
            raise NetworkError(
                explain("Conv", f"{self.weights.shape[0]} channels in {self.groups} groups")
            )

    @staticmethod
    def same(kernel: Shape, dilation: Any = 1) -> tuple[tuple[int, int], ...]:
        """Return the padding that keeps the size at stride 1; the odd one goes after."""
        steps = _per_axis("Conv", "dilation", dilation, len(kernel))
        total = [d * (k - 1) for d, k in zip(steps, kernel, strict=True)]
        return tuple((t // 2, t - t // 2) for t in total)

    @property
    def weight(self) -> NDArray[Any]:
        return self.weights

    def out_shape(self, pre: Shape) -> Shape:
        channels = self.weights.shape[1] * self.groups
        if len(pre) != self.weights.ndim - 1 or pre[0] != channels:
            raise NetworkError(
                explain("Conv", "wrong input", found=pre, expected=f"({channels}, *space)")
            )
        return (
            self.weights.shape[0],
            *_window(
                "Conv", pre[1:], self.weights.shape[2:], self.stride, self.padding, self.dilation
            ),
        )

    def synapses(self, pre: Shape) -> Synapses:
        out = self.out_shape(pre)
        c_out, c_in = self.weights.shape[:2]
        taps = math.prod(self.weights.shape[2:])
        _check_memory("Conv", math.prod(out) * c_in * taps * 48)
        sites, inside, tap = _gather(
            pre[1:], out[1:], self.weights.shape[2:], self.stride, self.padding, self.dilation
        )
        n_in, n_out = math.prod(pre[1:]), math.prod(out[1:])
        o, i = np.meshgrid(np.arange(c_out), np.arange(c_in), indexing="ij")
        pre_channel = (o // (c_out // self.groups)) * c_in + i
        source = (pre_channel[..., None] * n_in + inside).ravel()
        target = np.broadcast_to(o[..., None] * n_out + sites, (c_out, c_in, len(sites))).ravel()
        entry = ((o * c_in + i)[..., None] * taps + tap).ravel()
        order = np.lexsort((target, source))
        source, target, entry = source[order], target[order], entry[order]
        return compress(
            source, target, self.weights.ravel()[entry], entry, math.prod(pre), math.prod(out)
        )


@dataclass(frozen=True, eq=False)
class _Pool(Topology):
    """Sum over windows of each channel times `factor()`; abstract in all but name."""

    kernel: Any = 2
    stride: Any = None
    padding: Any = 0

    def __post_init__(self) -> None:
        n = len(self.kernel) if np.ndim(self.kernel) else 2
        kernel = _per_axis(type(self).__name__, "kernel", self.kernel, n)
        object.__setattr__(self, "kernel", kernel)
        stride = kernel if self.stride is None else self.stride
        object.__setattr__(self, "stride", _per_axis(type(self).__name__, "stride", stride, n))
        object.__setattr__(self, "padding", _pads(type(self).__name__, self.padding, n))

    @abstractmethod
    def factor(self) -> float:
        """Return the weight of every synapse."""

    def out_shape(self, pre: Shape) -> Shape:
        name = type(self).__name__
        if len(pre) != len(self.kernel) + 1:
            raise NetworkError(
                explain(name, "wrong input", found=pre, expected=f"(C, {len(self.kernel)} axes)")
            )
        ones = (1,) * len(self.kernel)
        return (pre[0], *_window(name, pre[1:], self.kernel, self.stride, self.padding, ones))

    def synapses(self, pre: Shape) -> Synapses:
        out = self.out_shape(pre)
        ones = (1,) * len(self.kernel)
        sites, inside, _ = _gather(pre[1:], out[1:], self.kernel, self.stride, self.padding, ones)
        channel = np.arange(pre[0])[:, None]
        source = (channel * math.prod(pre[1:]) + inside).ravel()
        target = (channel * math.prod(out[1:]) + sites).ravel()
        order = np.lexsort((target, source))
        none = np.full(len(source), -1, np.int64)
        weight = np.full(len(source), self.factor())
        return compress(source[order], target[order], weight, none, math.prod(pre), math.prod(out))


@dataclass(frozen=True, eq=False)
class SumPool(_Pool):
    """Sum over windows of each channel; `kernel`, `stride` (default: the kernel), `padding` as in `Conv`."""

    kind: ClassVar[str] = "sum_pool"

    def factor(self) -> float:
        return 1.0


@dataclass(frozen=True, eq=False)
class AvgPool(_Pool):
    """Mean over windows of each channel; padding counts in the divisor."""

    kind: ClassVar[str] = "avg_pool"

    def factor(self) -> float:
        return 1.0 / float(math.prod(self.kernel))


@dataclass(frozen=True, eq=False)
class Compose(Topology):
    """Several maps one after the other, the first applied first, as one projection."""

    maps: tuple[Topology, ...]
    kind: ClassVar[str] = "compose"

    def __post_init__(self) -> None:
        object.__setattr__(self, "maps", tuple(self.maps))
        if not self.maps:
            raise NetworkError(explain("Compose", "needs at least one map"))

    @property
    def weight(self) -> NDArray[Any] | None:
        own = [m for m in self.maps if m.weight is not None]
        return own[0].weight if len(own) == 1 else None

    def with_weight(self, weight: ArrayLike) -> Topology:
        own = [m for m in self.maps if m.weight is not None]
        if len(own) != 1:
            raise NetworkError(
                explain("Compose.with_weight", "needs one map with weights", found=len(own))
            )
        return Compose(tuple(m.with_weight(weight) if m is own[0] else m for m in self.maps))

    def flat(self, pre: Shape) -> bool:
        return self.maps[-1].flat(pre)

    def out_shape(self, pre: Shape) -> Shape:
        for part in self.maps:
            pre = part.out_shape(pre)
        return pre

    def synapses(self, pre: Shape) -> Synapses:
        joined = self.maps[0].synapses(pre)
        alone = self.maps[0].weight is not None
        shape = self.maps[0].out_shape(pre)
        for part in self.maps[1:]:
            joined = _join(joined, part.synapses(shape), part.weight is not None)
            alone = alone or part.weight is not None
            shape = part.out_shape(shape)
        if self.weight is None and alone:
            return replace(joined, entry=np.full(joined.n, -1, np.int64))
        return joined

    def apply(self, x: NDArray[Any], pre: Shape) -> NDArray[Any]:
        for part in self.maps:
            x = part.apply(x, pre)
            pre = part.out_shape(pre)
        return x


def _join(first: Synapses, second: Synapses, second_has_weights: bool) -> Synapses:
    """Return the synapses of `second` after `first`; equal (source, target, entry) are summed."""
    counts = second.fan_out[first.target]
    _check_memory("Compose", int(counts.sum()) * 48)
    source = np.repeat(first.source, counts)
    offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    index = np.repeat(second.start[first.target], counts) + offset
    target = second.target[index]
    weight = np.repeat(first.weight, counts) * second.weight[index]
    entry = second.entry[index] if second_has_weights else np.repeat(first.entry, counts)
    order = np.lexsort((entry, target, source))
    source, target, weight, entry = source[order], target[order], weight[order], entry[order]
    new = np.ones(len(source), bool)
    new[1:] = (np.diff(source) != 0) | (np.diff(target) != 0) | (np.diff(entry) != 0)
    group = np.cumsum(new) - 1
    total = np.zeros(int(new.sum()), weight.dtype)
    np.add.at(total, group, weight)
    return compress(source[new], target[new], total, entry[new], first.n_pre, second.n_post)


TOPOLOGIES: Mapping[str, type[Topology]] = {
    t.kind: t for t in (Dense, Sparse, OneToOne, Scale, Flatten, Conv, SumPool, AvgPool, Compose)
}


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


def _per_axis(name: str, what: str, value: Any, n: int) -> Shape:
    values = tuple(int(v) for v in np.ravel(value)) if np.ndim(value) else (int(value),) * n
    values = values * n if len(values) == 1 else values
    if len(values) != n or any(v < 1 for v in values):
        raise NetworkError(
            explain(name, f"bad {what}", found=value, expected=f"{n} numbers of at least 1")
        )
    return values


def _pads(name: str, value: Any, n: int) -> tuple[tuple[int, int], ...]:
    pads = np.asarray(value)
    if pads.dtype.kind not in "iu" or (pads.size and pads.min() < 0):
        raise NetworkError(
            explain(name, "bad padding", found=value, expected="whole numbers, at least 0")
        )
    if pads.ndim == 2 and pads.shape == (n, 2):
        return tuple((int(a), int(b)) for a, b in pads)
    if pads.size in (1, n) and pads.ndim < 2:
        return tuple((int(p), int(p)) for p in np.broadcast_to(pads.ravel(), (n,)))
    raise NetworkError(explain(name, "bad padding", found=value, expected=f"one or {n} numbers"))


def _window(
    name: str,
    size: Shape,
    kernel: Shape,
    stride: Shape,
    padding: tuple[tuple[int, int], ...],
    dilation: Shape,
) -> Shape:
    out = tuple(
        (n + before + after - d * (k - 1) - 1) // s + 1
        for n, k, s, (before, after), d in zip(size, kernel, stride, padding, dilation, strict=True)
    )
    if any(n < 1 for n in out):
        raise NetworkError(
            explain(name, "the kernel is larger than the input", found=kernel, expected=size)
        )
    return out


def _gather(
    size: Shape,
    out: Shape,
    kernel: Shape,
    stride: Shape,
    padding: tuple[tuple[int, int], ...],
    dilation: Shape,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return (output site, input site, kernel tap) of every pair that is not padding, flat indices."""
    axes_in, axes_ok = [], []
    for n, m, k, s, (before, _), d in zip(
        size, out, kernel, stride, padding, dilation, strict=True
    ):
        position = np.arange(m)[:, None] * s - before + np.arange(k)[None, :] * d
        axes_in.append(position)
        axes_ok.append((position >= 0) & (position < n))
    if len(size) == 1:
        inside, ok = axes_in[0], axes_ok[0]
    else:
        inside = axes_in[0][:, None, :, None] * size[1] + axes_in[1][None, :, None, :]
        ok = axes_ok[0][:, None, :, None] & axes_ok[1][None, :, None, :]
    n_out, taps = math.prod(out), math.prod(kernel)
    inside, ok = inside.reshape(n_out, taps), ok.reshape(n_out, taps)
    site, tap = np.nonzero(ok)
    return site.astype(np.int64), inside[site, tap].astype(np.int64), tap.astype(np.int64)
