"""Connectors: which neurons a projection connects.

Each returns sources and targets as indices in the projection's two ends, and what columns of a list say besides.
"""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, NetworkError, explain
from spikewright.pynn.parameters import expression, is_drawn
from spikewright.pynn.space import Space

Edges = tuple[NDArray[np.int64], NDArray[np.int64], dict[str, NDArray[np.float64]]]
"""Sources, targets, and parameter -> value of each connection."""


class Connector(ABC):
    """A way to connect. Abstract.

    Parameters
    ----------
    safe : check that weights and delays make sense
    callback : called with the fraction done; at the end only
    """

    def __init__(self, safe: bool = True, callback: Any = None, location_selector: Any = None):
        self.safe, self.callback = safe, callback
        if location_selector is not None:
            raise NetworkError(
                explain(
                    type(self).__name__,
                    "location_selector is for neurons with several compartments",
                    cure="leave it out",
                )
            )

    def edges(self, pre: Any, post: Any, space: Space, rng: Any) -> Edges:
        """Return the connections between two groups of neurons.

        Parameters
        ----------
        pre, post : populations, views or assemblies
        space : how distances are measured
        rng : a stream, where the connector has none of its own
        """
        source, target, columns = self._edges(pre, post, space, rng)
        if callable(self.callback):
            self.callback(1.0)
        return np.asarray(source, np.int64), np.asarray(target, np.int64), columns

    @abstractmethod
    def _edges(self, pre: Any, post: Any, space: Space, rng: Any) -> Edges: ...

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Drawing(Connector):
    """A connector that draws. Abstract."""

    def __init__(
        self, allow_self_connections: bool = True, rng: Any = None, **options: Any
    ) -> None:
        super().__init__(**options)
        if not isinstance(allow_self_connections, bool | np.bool_):
            raise NetworkError(
                explain(
                    f"{type(self).__name__}(allow_self_connections=)",
                    "not supported",
                    found=repr(allow_self_connections),
                    expected="True or False",
                )
            )
        self.allow_self_connections = bool(allow_self_connections)
        self.rng = rng


def _ids(cells: Any) -> NDArray[np.int64]:
    return np.concatenate([root.ids[index] for root, index in cells._parts()])


def _uniform(rng: Any, n: int) -> NDArray[np.float64]:
    return np.asarray(rng.next(n, "uniform", {"low": 0.0, "high": 1.0}))


class _ByChance(_Drawing):
    """Every pair by a probability of its own. Abstract."""

    @abstractmethod
    def _chances(self, pre: Any, post: Any, space: Space) -> Iterator[Any]:
        """Yield, source by source, a probability or one per target."""

    def _edges(self, pre: Any, post: Any, space: Space, rng: Any) -> Edges:
        rng = self.rng or rng
        pre_ids, post_ids = _ids(pre), _ids(post)
        targets, counts = [], []
        for i, chance in enumerate(self._chances(pre, post, space)):
            chosen = _uniform(rng, len(post_ids)) < chance
            if not self.allow_self_connections:
                chosen &= post_ids != pre_ids[i]
            targets.append(np.flatnonzero(chosen))
            counts.append(len(targets[-1]))
        source = np.repeat(np.arange(len(pre_ids)), counts)
        return source, np.concatenate(targets), {}


class AllToAllConnector(_Drawing):
    """Every source to every target."""

    def _edges(self, pre: Any, post: Any, space: Space, rng: Any) -> Edges:
        source = np.repeat(np.arange(pre.size), post.size)
        target = np.tile(np.arange(post.size), pre.size)
        if not self.allow_self_connections:
            kept = _ids(pre)[source] != _ids(post)[target]
            source, target = source[kept], target[kept]
        return source, target, {}


class OneToOneConnector(Connector):
    """Neuron i to neuron i."""

    def _edges(self, pre: Any, post: Any, space: Space, rng: Any) -> Edges:
        if pre.size != post.size:
            raise NetworkError(
                explain(
                    "OneToOneConnector",
                    "both ends need as many neurons",
                    found=f"{pre.size} and {post.size}",
                    cure="use AllToAllConnector or FromListConnector",
                )
            )
        return np.arange(pre.size), np.arange(pre.size), {}


class FixedProbabilityConnector(_ByChance):
    """Every pair with the same probability."""

    def __init__(self, p_connect: float, allow_self_connections: bool = True, **options: Any):
        super().__init__(allow_self_connections, **options)
        if not 0.0 <= float(p_connect) <= 1.0:
            raise NetworkError(
                explain(
                    "FixedProbabilityConnector",
                    "not a probability",
                    found=p_connect,
                    expected="0 to 1",
                )
            )
        self.p_connect = float(p_connect)

    def _chances(self, pre: Any, post: Any, space: Space) -> Iterator[Any]:
        return iter([self.p_connect] * pre.size)


class DistanceDependentProbabilityConnector(_ByChance):
    """Every pair with a probability that is a function of the distance `d`, e.g. "exp(-d/100.0)"."""

    def __init__(self, d_expression: Any, allow_self_connections: bool = True, **options: Any):
        super().__init__(allow_self_connections, **options)
        self.d_expression = d_expression
        where = "DistanceDependentProbabilityConnector"
        self.function = d_expression if callable(d_expression) else expression(d_expression, where)

    def _chances(self, pre: Any, post: Any, space: Space) -> Iterator[Any]:
        here, there = pre.positions, post.positions
        for i in range(pre.size):
            yield self.function(space.between(here[:, i, None], there))


class DisplacementDependentProbabilityConnector(_ByChance):
    """Every pair with a probability that is a function of the displacement `d[0]`, `d[1]`, `d[2]`."""

    def __init__(self, disp_function: Any, allow_self_connections: bool = True, **options: Any):
        super().__init__(allow_self_connections, **options)
        where = "DisplacementDependentProbabilityConnector"
        self.function = (
            disp_function if callable(disp_function) else expression(disp_function, where)
        )

    def _chances(self, pre: Any, post: Any, space: Space) -> Iterator[Any]:
        here, there = pre.positions, post.positions
        for i in range(pre.size):
            yield self.function(space.displacements(here[:, i, None], there))


class IndexBasedProbabilityConnector(_ByChance):
    """Every pair with a probability that is a function of both indices."""

    def __init__(self, index_expression: Any, allow_self_connections: bool = True, **options: Any):
        super().__init__(allow_self_connections, **options)
        self.function = index_expression

    def _chances(self, pre: Any, post: Any, space: Space) -> Iterator[Any]:
        everyone = np.arange(post.size)
        for i in range(pre.size):
            yield self.function(np.full(post.size, i), everyone)


class _FixedNumber(_Drawing):
    """So many partners for each neuron of one end. Abstract."""

    def __init__(
        self,
        n: Any,
        allow_self_connections: bool = True,
        with_replacement: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(allow_self_connections, **options)
        if not is_drawn(n) and (n != int(n) or n < 0):
            raise NetworkError(
                explain(type(self).__name__, "n is not a number of neurons", found=n)
            )
        self.n, self.with_replacement = n, bool(with_replacement)

    def _partners(
        self, each: NDArray[np.int64], pool: NDArray[np.int64], rng: Any
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (neuron, partner) pairs: `n` of the pool for each."""
        rng = self.rng or rng
        numbers = self.n.next(len(each)) if is_drawn(self.n) else np.full(len(each), self.n)
        found = []
        for neuron, n in zip(each, np.asarray(numbers, np.int64), strict=True):
            allowed = np.arange(len(pool))
            if not self.allow_self_connections:
                allowed = allowed[pool != neuron]
            if n and not len(allowed):
                raise NetworkError(explain(type(self).__name__, "nobody to connect to"))
            if self.with_replacement:
                found.append(allowed[(_uniform(rng, n) * len(allowed)).astype(np.int64)])
                continue
            whole, rest = divmod(int(n), max(1, len(allowed)))
            order = np.argsort(_uniform(rng, len(allowed)), kind="stable") if rest else allowed
            found.append(np.concatenate([np.tile(allowed, whole), allowed[order[:rest]]]))
        lengths = [len(x) for x in found]
        return np.repeat(np.arange(len(each)), lengths), np.concatenate(found)


class FixedNumberPreConnector(_FixedNumber):
    """Every target gets `n` sources."""

    def _edges(self, pre: Any, post: Any, space: Space, rng: Any) -> Edges:
        target, source = self._partners(_ids(post), _ids(pre), rng)
        return source, target, {}


class FixedNumberPostConnector(_FixedNumber):
    """Every source gets `n` targets."""

    def _edges(self, pre: Any, post: Any, space: Space, rng: Any) -> Edges:
        source, target = self._partners(_ids(pre), _ids(post), rng)
        return source, target, {}


class FixedTotalNumberConnector(_Drawing):
    """`n` connections in all, drawn from all pairs."""

    def __init__(
        self,
        n: Any,
        allow_self_connections: bool = True,
        with_replacement: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(allow_self_connections, **options)
        self.n, self.with_replacement = n, bool(with_replacement)

    def _edges(self, pre: Any, post: Any, space: Space, rng: Any) -> Edges:
        rng = self.rng or rng
        n = int(self.n.next() if is_drawn(self.n) else self.n)
        pre_ids, post_ids = _ids(pre), _ids(post)
        total, kept, seen = 0, [], np.zeros(0, np.int64)
        possible = len(pre_ids) * len(post_ids)
        if not self.allow_self_connections:
            possible -= len(np.intersect1d(pre_ids, post_ids))
        if n < 0 or (n > 0 and not possible) or (not self.with_replacement and n > possible):
            raise NetworkError(
                explain(
                    "FixedTotalNumberConnector",
                    "not so many connections are possible",
                    found=n,
                    expected=f"0 to {possible}",
                )
            )
        while total < n:
            # drawn in one go, then those that may not be are left out, until there are enough
            size = max(64, int(1.2 * (n - total)))
            pair = (_uniform(rng, size) * (len(pre_ids) * len(post_ids))).astype(np.int64)
            if not self.allow_self_connections:
                pair = pair[pre_ids[pair // len(post_ids)] != post_ids[pair % len(post_ids)]]
            if not self.with_replacement:
                pair = pair[np.sort(np.unique(pair, return_index=True)[1])]
                pair = pair[~np.isin(pair, seen)][: n - total]
                seen = np.concatenate([seen, pair])
            kept.append(pair[: n - total])
            total += len(kept[-1])
        pairs = np.concatenate([np.zeros(0, np.int64), *kept])
        return pairs // len(post_ids), pairs % len(post_ids), {}


class FromListConnector(Connector):
    """Connections one by one: (source, target, weight, delay), or other columns.

    Parameters
    ----------
    conn_list : rows of numbers
    column_names : of the columns behind the first two; default weight and delay
    """

    def __init__(self, conn_list: Any, column_names: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.conn_list, self.column_names = conn_list, column_names

    def _edges(self, pre: Any, post: Any, space: Space, rng: Any) -> Edges:
        return _from_rows(
            self.conn_list, self.column_names, pre.size, post.size, "FromListConnector"
        )


class FromFileConnector(Connector):
    """Connections from a text file with one per line; a line `# columns = [...]` names the columns."""

    def __init__(self, file: Any, distributed: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.file = file

    def _edges(self, pre: Any, post: Any, space: Space, rng: Any) -> Edges:
        where = str(getattr(self.file, "name", self.file))
        if hasattr(self.file, "get_metadata"):
            names = self.file.get_metadata().get("columns")
            rows = self.file.read()
        else:
            try:
                text = self.file.read() if hasattr(self.file, "read") else Path(where).read_text()
            except (OSError, UnicodeDecodeError) as error:
                raise FormatError(explain(where, f"cannot be read: {error}")) from error
            names, rows = _columns(text, where), _numbers(text, where)
        if names and list(names[:2]) == ["i", "j"]:
            names = names[2:]
        return _from_rows(rows, names, pre.size, post.size, where)


class ArrayConnector(Connector):
    """A matrix of truth values, (sources, targets)."""

    def __init__(self, array: Any, **options: Any) -> None:
        super().__init__(**options)
        self.array = np.asarray(array).astype(bool)

    def _edges(self, pre: Any, post: Any, space: Space, rng: Any) -> Edges:
        if self.array.shape != (pre.size, post.size):
            raise NetworkError(
                explain(
                    "ArrayConnector",
                    "wrong shape",
                    found=self.array.shape,
                    expected=(pre.size, post.size),
                )
            )
        source, target = np.nonzero(self.array)
        return source, target, {}


class CloneConnector(Connector):
    """The same pairs as another projection."""

    def __init__(self, reference_projection: Any, **options: Any) -> None:
        super().__init__(**options)
        self.reference = reference_projection

    def _edges(self, pre: Any, post: Any, space: Space, rng: Any) -> Edges:
        if (pre.size, post.size) != self.reference.shape:
            raise NetworkError(
                explain(
                    "CloneConnector",
                    "the reference has ends of other sizes",
                    found=(pre.size, post.size),
                    expected=self.reference.shape,
                )
            )
        return self.reference.source.copy(), self.reference.target.copy(), {}


def _columns(text: str, where: str) -> list[str] | None:
    for line in text.splitlines():
        if line.startswith("#") and "columns" in line and "=" in line:
            try:
                return [str(name) for name in ast.literal_eval(line.partition("=")[2].strip())]
            except (ValueError, SyntaxError) as error:
                raise FormatError(
                    explain(
                        where,
                        "not a list of columns",
                        found=line,
                        expected='# columns = ["i", "j", "weight", "delay"]',
                    )
                ) from error
    return None


def _numbers(text: str, where: str) -> NDArray[np.float64]:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            rows.append([float(word) for word in words])
        except ValueError:
            raise FormatError(
                explain(f"{where}, line {number}", "not numbers", found=line[:60])
            ) from None
        if len(words) != len(rows[0]):
            raise FormatError(
                explain(
                    f"{where}, line {number}",
                    "another number of columns than before",
                    found=len(words),
                    expected=len(rows[0]),
                )
            )
    return np.array(rows)


def _from_rows(rows: Any, names: Any, n_pre: int, n_post: int, where: str) -> Edges:
    try:
        table = np.asarray(rows, np.float64)
    except (TypeError, ValueError):
        raise NetworkError(
            explain(where, "rows are not numbers of the same length", cure="(i, j, weight, delay)")
        ) from None
    if table.size == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), {}
    if table.ndim != 2 or table.shape[1] < 2:
        raise NetworkError(explain(where, "not rows of (i, j, ...)", found=f"shape {table.shape}"))
    own = ("weight", "delay")[: table.shape[1] - 2] if names is None else tuple(names)
    if len(own) != table.shape[1] - 2:
        raise NetworkError(
            explain(
                where,
                "other columns than names",
                found=f"{table.shape[1] - 2} columns",
                expected=f"{len(own)}: {', '.join(own)}",
            )
        )
    pairs = table[:, :2]
    for column, (end, n) in enumerate((("source", n_pre), ("target", n_post))):
        bad = (pairs[:, column] != np.rint(pairs[:, column])) | (pairs[:, column] < 0)
        bad |= pairs[:, column] >= n
        if bad.any():
            row = int(np.argmax(bad))
            raise NetworkError(
                explain(
                    f"{where}, row {row}",
                    f"the {end} is not there",
                    found=f"{pairs[row, column]:g}",
                    expected=f"0 to {n - 1}",
                )
            )
    whole = pairs.astype(np.int64)
    return whole[:, 0], whole[:, 1], {name: table[:, k + 2] for k, name in enumerate(own)}
