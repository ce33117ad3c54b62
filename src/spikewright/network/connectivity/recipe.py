"""A recipe: a map that holds how its synapses are made, not the synapses.

A recipe is lowered to a `Plan`, which the compiled loops of `edges` follow. The synapses that come out depend on the
recipe and the size of the source only, not on threads, partitions or what asks for them.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright import rng
from spikewright.errors import NetworkError, Problems, explain
from spikewright.network.connectivity.distribution import Choice, Continuous, Distribution, table
from spikewright.network.topology import Shape, Sparse, Synapses, Topology

DTYPES = ("float64", "float32", "float16")
MAX_POPULATION = 2**31 - 1
"""Neurons of a population that a recipe can connect."""
REPEATS, DISTINCT, PAIRS, ALL, RING, SPACE = range(6)
"""Ways to pick edges, as `edges.pick` calls them."""
NOTHING = np.zeros((0, 3), np.float64)


@dataclass(frozen=True)
class Plan:
    """A recipe for one size of source, as `edges.pick` takes it.

    Parameters
    ----------
    way : how edges are picked
    by_source : whether edges are picked source by source, else target by target
    n_pre, n_post : sizes
    capacity : the most edges that one target (or source) can have
    degree : edges per target (or source), or one number for all
    ints, reals : numbers that belong to the way
    major_at, pool_at, order, cells : positions of targets; of sources, by cell; which source; where cells begin
    """

    way: int
    by_source: bool
    n_pre: int
    n_post: int
    key: int
    self_edges: bool
    capacity: int
    degree: NDArray[np.int64]
    ints: NDArray[np.int64]
    reals: NDArray[np.float64]
    major_at: NDArray[np.float64]
    pool_at: NDArray[np.float64]
    order: NDArray[np.int32]
    cells: NDArray[np.int64]

    @property
    def majors(self) -> int:
        """Number of targets, or of sources."""
        return self.n_pre if self.by_source else self.n_post

    @property
    def pool(self) -> int:
        """Number of neurons at the other end."""
        return self.n_post if self.by_source else self.n_pre

    def packed(self) -> tuple[Any, ...]:
        """Return the plan as compiled loops take it."""
        return (
            self.way, np.uint64(self.key), self.pool, self.self_edges, self.degree, self.ints, self.reals,
            self.major_at, self.pool_at, self.order, self.cells,
        )  # fmt: skip


@dataclass(frozen=True)
class WeightLaw:
    """How weights are made: `code` -1 is one `value` for all, 4 an index to `values`, others as in `edges.values`."""

    code: int
    key: int
    law: NDArray[np.float64]
    upper: NDArray[np.uint64]
    guide: NDArray[np.int32]
    dtype: np.dtype[Any]
    value: float = 0.0
    values: NDArray[np.float64] | None = None


FAN_OUT_TARGETS = 4096
"""Targets whose synapses are made at a time, to count them."""


class Recipe(Topology):
    """A map made by a rule. Abstract; the final ones are exported by `spikewright.network.connectivity`."""

    n_post: Any
    weights: float | Distribution
    seed: int
    dtype: str
    kind: ClassVar[str]
    shaped: ClassVar[bool] = False
    """Whether `n_post` may be a shape."""

    @abstractmethod
    def check_sizes(self, n_pre: int) -> None:
        """Raise NetworkError where the recipe cannot be followed for a source of that size."""

    @abstractmethod
    def plan(self, pre: Shape) -> Plan:
        """Return the recipe for a source of shape `pre`."""

    @abstractmethod
    def expected_synapses(self, pre: Shape) -> float:
        """Return how many synapses there will be (exact, or the mean)."""

    def flat(self, pre: Shape) -> bool:
        return True

    @property
    def size(self) -> int:
        """Number of targets."""
        return int(np.prod(self.n_post, dtype=np.int64))

    def out_shape(self, pre: Shape) -> Shape:
        n_pre = math.prod(pre)
        if n_pre > MAX_POPULATION:
            raise NetworkError(
                explain(
                    type(self).__name__, "too many sources", found=n_pre, expected=MAX_POPULATION
                )
            )
        self.check_sizes(n_pre)
        return (self.size,)

    def synapses(self, pre: Shape) -> Synapses:
        from spikewright.network.rows import expanded

        return expanded(self, pre)

    def effective_fan_out(self, pre: Shape) -> NDArray[np.int64]:
        from spikewright.network.rows import rows

        found = np.zeros(math.prod(pre), np.int64)
        for lo in range(0, self.size, FAN_OUT_TARGETS):
            bound = (lo, min(lo + FAN_OUT_TARGETS, self.size))
            made = rows(self, pre, self.size, [bound], 0.0, 1.0)[0]
            before = np.zeros(made.n + 1, np.int64)
            np.cumsum(made.weights() != 0, out=before[1:])
            found += before[made.start[1:]] - before[made.start[:-1]]
        return found

    def written_out(self, pre: Shape) -> Sparse:
        """Return the same map synapse by synapse."""
        made = self.synapses(pre)
        return Sparse(made.start, made.target, made.weight, made.n_post)

    def with_weight(self, weight: ArrayLike, pre: Shape | None = None) -> Sparse:
        """Return the same synapses with other weights, written out.

        Parameters
        ----------
        weight : (n,), in the order of `synapses`
        pre : shape of the source

        Raises
        ------
        NetworkError : `pre` is missing, or there is not one weight per synapse
        """
        where = f"{self.kind}.with_weight"
        if pre is None:
            raise NetworkError(
                explain(
                    where,
                    "a recipe does not know its source",
                    cure="say pre=, or use network.with_weights",
                )
            )
        made = self.synapses(pre)
        if np.shape(weight) != (made.n,):
            raise NetworkError(
                explain(where, "wrong shape", found=np.shape(weight), expected=(made.n,))
            )
        return Sparse(made.start, made.target, np.asarray(weight), made.n_post)

    def key(self, name: str) -> int:
        """Return the key of one of the recipe's streams."""
        return rng.key(self.seed, f"connectivity/{name}")

    def weight_law(self) -> WeightLaw:
        """Return how its weights are made."""
        dtype = np.dtype(self.dtype)
        nothing = np.zeros(1), np.zeros(1, np.uint64), np.zeros(1, np.int32)
        if not isinstance(self.weights, Distribution):
            return WeightLaw(-1, 0, *nothing, dtype, float(dtype.type(self.weights)))
        key = self.key(f"weight/{self.weights.seed}")
        if isinstance(self.weights, Choice):
            values = np.asarray(self.weights.values).astype(dtype).astype(np.float64)
            if np.all(values == values[0]):
                return WeightLaw(-1, 0, *nothing, dtype, float(values[0]))
            made = table(np.cumsum(self.weights.weighted()))
            return WeightLaw(4, key, nothing[0], *made, dtype, values=values)
        if not isinstance(self.weights, Continuous):
            raise NetworkError(
                explain(type(self).__name__, "no such distribution", found=self.weights)
            )
        return WeightLaw(self.weights.code, key, self.weights.law(), *nothing[1:], dtype)

    def has_whole_weights(self) -> bool:
        """Whether every weight is a whole number, as integer models need."""
        law = self.weight_law()
        made = np.asarray(law.value) if law.code < 0 else law.values
        return made is not None and bool(np.all(made == np.rint(made)))

    # -- for the final classes -------------------------------------------------------------------------

    def check_fields(self, *counts: str) -> None:
        """Raise NetworkError with everything wrong in the fields that recipes share, and in whole numbers `counts`."""
        problems, name = Problems(), type(self).__name__
        for field in ("n_post", *counts):
            value = getattr(self, field)
            shape = field == "n_post" and self.shaped and isinstance(value, tuple)
            if not shape and not whole(value):
                problems.add(name, f"{field} is not a whole number", found=value)
        if not whole(self.seed):
            problems.add(name, "seed is not a whole number", found=self.seed)
        if not isinstance(self.dtype, str) or self.dtype not in DTYPES:
            problems.add(name, "no such dtype", found=self.dtype, expected=", ".join(DTYPES))
        problems.raise_as(NetworkError)
        for field in ("n_post", "seed", *counts):
            if not isinstance(getattr(self, field), tuple):
                object.__setattr__(self, field, int(getattr(self, field)))
        if not 1 <= self.size <= MAX_POPULATION:
            problems.add(name, "n_post must be 1 to 2^31 - 1", found=self.n_post)
        for field in (f.name for f in fields(self)):  # type: ignore[arg-type]
            flag = getattr(self, field)
            if field in ("self_edges", "repeats", "incoming", "periodic") and not isinstance(
                flag, bool | np.bool_
            ):
                problems.add(name, f"{field} is not a truth value", found=flag)
        self._check_weights(problems)
        problems.raise_as(NetworkError)

    def _check_weights(self, problems: Problems) -> None:
        name = type(self).__name__
        if isinstance(self.weights, Distribution):
            ends: tuple[float, ...] = self.weights.span()
        else:
            number = isinstance(self.weights, int | float | np.number)
            number = number or (isinstance(self.weights, np.ndarray) and self.weights.ndim == 0)
            if not number or isinstance(self.weights, bool):
                problems.add(
                    name,
                    "weights are neither a number nor a distribution",
                    found=type(self.weights).__name__,
                    cure="for one weight per synapse, use Sparse.from_edges or with_weight",
                )
                return
            object.__setattr__(self, "weights", float(self.weights))
            ends = (float(self.weights),)
        most = float(np.finfo(self.dtype).max)
        bad = [x for x in ends if not abs(x) <= most]
        if bad:
            problems.add(name, f"a weight is not a finite {self.dtype}", found=f"{bad[0]:g}")

    def made_plan(self, way: int, n_pre: int, degree: Any, **more: Any) -> Plan:
        """Return a plan with what is not said left empty."""
        degree = np.array(
            degree, np.int64, ndmin=1
        )  # own and writeable, or the loops are compiled twice
        by_source = bool(more.pop("by_source", False))
        pool = self.size if by_source else n_pre
        most = min(int(degree.max(initial=0)), 2**40)
        capacity = pool if way in (PAIRS, ALL, SPACE) else most
        return Plan(
            way=way,
            by_source=by_source,
            n_pre=n_pre,
            n_post=self.size,
            key=self.key("edges"),
            self_edges=bool(more.pop("self_edges", True)),
            capacity=max(capacity, 1),
            degree=degree,
            ints=np.asarray(more.pop("ints", (0,)), np.int64),
            reals=np.asarray(more.pop("reals", (0.0,)), np.float64),
            major_at=more.pop("major_at", NOTHING),
            pool_at=more.pop("pool_at", NOTHING),
            order=more.pop("order", np.zeros(0, np.int32)),
            cells=more.pop("cells", np.zeros(0, np.int64)),
        )


NO_WEIGHTS = (
    -1, np.uint64(0), np.zeros(1), np.zeros(1, np.uint64), np.zeros(1, np.int32), 8, np.zeros(0, np.uint8),
    np.zeros(0, np.uint16), np.zeros(0, np.float32), np.zeros(0, np.float64),
)  # fmt: skip
"""What `edges.follow` takes where no weights are written."""
NO_DELAYS = (
    np.zeros(1, np.int64), np.uint64(0), np.zeros(1, np.uint64), np.zeros(1, np.int32), np.zeros(0, np.uint8),
    np.zeros(0, np.uint16),
)  # fmt: skip
"""What `edges.follow` takes where no delays are written."""


def fan_out(plan: Plan, lo: int, hi: int) -> NDArray[np.int64]:
    """Return how many synapses each source has onto targets lo..hi - 1."""
    from spikewright.network.connectivity import edges

    sizes = np.zeros(plan.n_pre, np.int64)
    edges.follow(
        plan.packed(), plan.by_source, plan.majors, lo, hi, plan.capacity, False, sizes,
        np.zeros(0, np.uint16), np.zeros(0, np.int32), NO_WEIGHTS, NO_DELAYS,
    )  # fmt: skip
    return sizes


def counted(plan: Plan, targets: NDArray[np.int64]) -> int:
    """Return how many synapses the given targets have, of a plan that goes by target."""
    return sum(int(fan_out(plan, t, t + 1).sum()) for t in targets.tolist())


def check_no_self(name: str, self_edges: bool, n_pre: int, n_post: int) -> None:
    """Raise NetworkError where edges of a neuron to itself are excluded, but the populations differ in size."""
    if not self_edges and n_pre != n_post:
        raise NetworkError(
            explain(
                name,
                "self_edges=False needs as many sources as targets",
                found=f"{n_pre} sources, {n_post} targets",
                cure="leave self_edges out between two populations",
            )
        )


def whole(value: Any) -> bool:
    """Whether a value is a whole number."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
