"""A connectome: neurons with numbers or names, types and other marks; edges with synapse counts, signs and kinds.

Frozen; every operation gives a new one. Edges are sorted by source, then target, then kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import NetworkError, Problems, explain
from spikewright.network.connectome.lists import names_of, places_of, runs_of, sorted_edges
from spikewright.network.graph import Network, Population, Projection
from spikewright.network.model import NeuronModel
from spikewright.network.topology import Sparse


@dataclass(frozen=True, eq=False)
class Connectome:
    """Neurons and the edges between them; made by `Connectome.of`, `read_connectome` or a loader.

    Parameters
    ----------
    ids : (n,), whole numbers or texts, each once
    types : (n,) texts, "" where it is not known
    pre, post : int32 (m,), places in `ids`, sorted
    count : (m,), synapses of an edge, above 0
    sign : int8 (m,), 1 or -1
    kind : int8 (m,), place in `kinds`
    kinds : names of the kinds of edges, for instance chemical and electrical
    marks : name -> (n,) texts, for instance "side" or "transmitter"
    name : for reports
    source : what to cite

    Examples
    --------
    >>> made = Connectome.of(["a", "b", "c"], ["a", "a", "b"], ["b", "c", "c"], [3, 1, 2], types=["s", "i", "m"])
    >>> made.remove("i").n_edges, made.summary().splitlines()[0]
    (1, 'connectome: 3 neurons, 3 edges, 6 synapses, 0 self edges')
    """

    ids: NDArray[Any]
    types: NDArray[Any]
    pre: NDArray[np.int32]
    post: NDArray[np.int32]
    count: NDArray[Any]
    sign: NDArray[np.int8]
    kind: NDArray[np.int8]
    kinds: tuple[str, ...] = ("",)
    marks: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    name: str = "connectome"
    source: str = ""

    # -- making ------------------------------------------------------------------------------------------

    @staticmethod
    def of(
        ids: ArrayLike,
        pre: ArrayLike,
        post: ArrayLike,
        count: ArrayLike = 1,
        *,
        types: ArrayLike | None = None,
        sign: ArrayLike = 1,
        kind: ArrayLike | None = None,
        marks: Mapping[str, ArrayLike] | None = None,
        duplicates: str = "error",
        name: str = "connectome",
        source: str = "",
    ) -> Connectome:
        """Return the connectome of a list of edges between named neurons.

        Parameters
        ----------
        ids : (n,), whole numbers or texts
        pre, post : (m,), of `ids`
        count : one number or (m,), above 0
        types : (n,) texts
        sign : one number or (m,), 1 or -1
        kind : (m,) texts, or None
        marks : name -> (n,) texts
        duplicates : what becomes of edges of one kind between the same neurons: "error", or "sum" of their counts

        Raises
        ------
        NetworkError : everything that is wrong, together: an id that is there twice or not at all, lengths, counts,
            signs, duplicates
        """
        names = names_of(ids)
        problems = Problems()
        order = np.argsort(names, kind="stable")
        same = np.flatnonzero(names[order][1:] == names[order][:-1])
        if len(same):
            problems.add(
                f"{name}: ids",
                f"{names[order][same[0]]} is there twice",
                found=f"{len(same)} such",
            )
        ends = {}
        for end, given in (("pre", pre), ("post", post)):
            ends[end] = places_of(names, order, names_of(given), f"{name}: {end}", problems)
        m = len(ends["pre"])
        if len(ends["post"]) != m:
            problems.add(
                f"{name}: post", "another length than pre", found=len(ends["post"]), expected=m
            )
        values = {"count": np.asarray(count), "sign": np.asarray(sign)}
        for key, value in values.items():
            if value.dtype.kind not in "iuf" or value.shape not in ((), (m,)):
                problems.add(
                    f"{name}: {key}",
                    "not one number per edge",
                    found=f"{value.dtype} {value.shape}",
                    expected=m,
                )
            elif not np.all(np.isfinite(value)):
                problems.add(f"{name}: {key}", "not finite")
            elif key == "count" and np.any(value <= 0):
                problems.add(
                    f"{name}: count",
                    "an edge without synapses",
                    found=value.min(),
                    expected="above 0",
                )
            elif key == "sign" and not np.all(np.abs(value) == 1):
                problems.add(f"{name}: sign", "not 1 or -1", found=np.unique(value)[:4])
        kinds, code = ("",), np.zeros(m, np.int8)
        if kind is not None:
            texts = np.asarray(kind).astype(str)
            found, which = np.unique(texts, return_inverse=True)
            if texts.shape != (m,) or len(found) > 127:
                problems.add(
                    f"{name}: kind", "not one text per edge", found=texts.shape, expected=m
                )
            else:
                kinds, code = tuple(found.tolist()), which.astype(np.int8)
        columns = {"types": types if types is not None else np.full(len(names), "")} | dict(
            marks or {}
        )
        written = {k: np.asarray(v).astype(str) for k, v in columns.items()}
        for key, text in written.items():
            if text.shape != names.shape:
                problems.add(
                    f"{name}: {key}",
                    "not one text per neuron",
                    found=text.shape,
                    expected=len(names),
                )
        problems.raise_as(NetworkError)
        given_count = np.broadcast_to(values["count"], m)
        given_sign = np.broadcast_to(values["sign"], m).astype(np.int8)
        edges = sorted_edges(
            names, ends["pre"], ends["post"], given_count, given_sign, code, kinds, duplicates, name
        )
        return Connectome(names, written.pop("types"), *edges, kinds, written, name, source)

    # -- what it is --------------------------------------------------------------------------------------

    @property
    def n(self) -> int:
        """Number of neurons."""
        return len(self.ids)

    @property
    def n_edges(self) -> int:
        """Number of edges; those of two kinds between the same neurons are two."""
        return len(self.pre)

    @property
    def n_synapses(self) -> float:
        """Sum of all counts."""
        return float(self.count.sum(dtype=np.float64))

    @cached_property
    def start(self) -> NDArray[np.int64]:
        """Where the edges of each source begin, (n + 1,): with `post`, the compressed rows of the diagram."""
        found = np.zeros(self.n + 1, np.int64)
        np.cumsum(np.bincount(self.pre, minlength=self.n), out=found[1:])
        return found

    @property
    def out_degree(self) -> NDArray[np.int64]:
        """Edges that leave each neuron."""
        return np.diff(self.start)

    @property
    def in_degree(self) -> NDArray[np.int64]:
        """Edges that reach each neuron."""
        return np.bincount(self.post, minlength=self.n).astype(np.int64)

    @cached_property
    def groups(self) -> Mapping[str, NDArray[np.int64]]:
        """Type -> places of its neurons, ascending; types in alphabetical order."""
        found, which = np.unique(self.types, return_inverse=True)
        order = np.argsort(which, kind="stable")
        bound = np.searchsorted(which[order], np.arange(len(found) + 1))
        return {str(t): order[bound[k] : bound[k + 1]] for k, t in enumerate(found)}

    def index(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Return the places of neurons.

        Raises
        ------
        NetworkError : some are not there; all of them are named
        """
        problems = Problems()
        order = np.argsort(self.ids, kind="stable")
        found = places_of(self.ids, order, names_of(ids), f"{self.name}: ids", problems)
        problems.raise_as(NetworkError)
        return found

    def matrix(self) -> NDArray[np.float64]:
        """Return counts as a dense array (post, pre), kinds together."""
        from spikewright.network.topology import check_memory

        check_memory(f"{self.name}.matrix", self.n * self.n * 8)
        dense = np.zeros((self.n, self.n))
        np.add.at(dense, (self.post, self.pre), self.count)
        return dense

    def summary(self, most: int = 12) -> str:
        """Return a table: sizes, degrees, signs, kinds and the most frequent types."""
        loops = int(np.count_nonzero(self.pre == self.post))
        lines = [
            f"{self.name}: {self.n} neurons, {self.n_edges} edges, {self.n_synapses:.10g} synapses, {loops} self edges"
        ]
        for word, degree in (("out", self.out_degree), ("in", self.in_degree)):
            if self.n:
                lines.append(
                    f"  {word} degree: mean {degree.mean():.4g}, median {np.median(degree):g}, largest {degree.max()}"
                )
        below = int(np.count_nonzero(self.sign < 0))
        lines.append(f"  signs: {self.n_edges - below} above, {below} below 0")
        if len(self.kinds) > 1:
            sizes = np.bincount(self.kind, minlength=len(self.kinds))
            lines.append(
                "  kinds: " + ", ".join(f"{k} {n}" for k, n in zip(self.kinds, sizes, strict=True))
            )
        sizes_ = sorted(((len(v), t) for t, v in self.groups.items()), key=lambda x: (-x[0], x[1]))
        named = [f"{t or '(none)'} {n}" for n, t in sizes_[:most]]
        more = "" if len(sizes_) <= most else f", and {len(sizes_) - most} more"
        lines.append(f"  types: {', '.join(named)}{more}")
        return "\n".join(lines)

    # -- parts -------------------------------------------------------------------------------------------

    def select(self, *types: str, **marks: str | Iterable[str]) -> Connectome:
        """Return the neurons of some types, or with some marks, and the edges between them.

        Raises
        ------
        NetworkError : a type or a mark that no neuron has
        """
        return self.keep(self.where(*types, **marks))

    def remove(self, *types: str, **marks: str | Iterable[str]) -> Connectome:
        """Return what is left without the neurons of some types, or with some marks: a lesion.

        Raises
        ------
        NetworkError : a type or a mark that no neuron has
        """
        gone = np.zeros(self.n, np.bool_)
        gone[self.where(*types, **marks)] = True
        return self.keep(np.flatnonzero(~gone))

    def where(self, *types: str, **marks: str | Iterable[str]) -> NDArray[np.int64]:
        """Return the places of the neurons of one of some types, and with one of some values of each mark.

        Raises
        ------
        NetworkError : a type or a mark that no neuron has
        """
        problems = Problems()
        chosen = np.ones(self.n, np.bool_)
        wanted: dict[str, tuple[NDArray[Any], list[str]]] = {}
        if types:
            wanted["type"] = (self.types, list(types))
        for key, value in marks.items():
            if key not in self.marks:
                problems.add(
                    f"{self.name}",
                    f"neurons have no mark {key!r}",
                    expected=", ".join(self.marks) or "none",
                )
                continue
            wanted[key] = (self.marks[key], [value] if isinstance(value, str) else list(value))
        for key, (column, values) in wanted.items():
            missing = [v for v in values if not np.any(column == v)]
            if missing:
                known = ", ".join(np.unique(column)[:30].tolist())
                problems.add(
                    f"{self.name}: {key}",
                    f"no neuron is {', '.join(map(repr, missing))}",
                    expected=known,
                )
            chosen &= np.isin(column, values)
        problems.raise_as(NetworkError)
        return np.flatnonzero(chosen)

    def subset(self, ids: ArrayLike) -> Connectome:
        """Return the named neurons, in the order named, and the edges between them."""
        return self.keep(self.index(ids))

    def keep(self, places: ArrayLike) -> Connectome:
        """Return the neurons at some places, in that order, and the edges between them."""
        at = np.asarray(places, np.int64)
        new = np.full(self.n, -1, np.int64)
        new[at] = np.arange(len(at))
        if np.count_nonzero(new >= 0) != len(at):
            raise NetworkError(explain(f"{self.name}.keep", "a neuron is named twice"))
        return self._edges((new[self.pre] >= 0) & (new[self.post] >= 0), new)._neurons(at)

    def of_kind(self, *kinds: str) -> Connectome:
        """Return the edges of some kinds, between all neurons.

        Raises
        ------
        NetworkError : there is no such kind
        """
        for kind in kinds:
            if kind not in self.kinds:
                raise NetworkError(
                    explain(
                        f"{self.name}.of_kind",
                        f"no edges are {kind!r}",
                        expected=", ".join(self.kinds),
                    )
                )
        return self._edges(np.isin(self.kind, [self.kinds.index(k) for k in kinds]))

    def silenced(self, ids: ArrayLike) -> Connectome:
        """Return the diagram in which some neurons send nothing: the edges that leave them are gone."""
        gone = np.zeros(self.n, np.bool_)
        gone[self.index(ids)] = True
        return self._edges(~gone[self.pre])

    def at_least(self, count: float) -> Connectome:
        """Return the edges of at least so many synapses."""
        return self._edges(self.count >= count)

    def without_self_edges(self) -> Connectome:
        """Return the edges between different neurons."""
        return self._edges(self.pre != self.post)

    def signed(
        self, signs: Mapping[str, int], *, by: str = "transmitter", default: int | None = None
    ) -> Connectome:
        """Return the diagram whose edges have the sign of their source.

        Parameters
        ----------
        signs : type or value of a mark -> 1 or -1
        by : "type", or the name of a mark
        default : for what `signs` does not name; None: that is an error

        Raises
        ------
        NetworkError : a sign that is not 1 or -1, a source without one
        """
        where = f"{self.name}.signed"
        if by != "type" and by not in self.marks:
            raise NetworkError(
                explain(
                    where, f"neurons have no mark {by!r}", expected=", ".join(("type", *self.marks))
                )
            )
        column = self.types if by == "type" else self.marks[by]
        found, which = np.unique(column, return_inverse=True)
        sends = np.zeros(len(found), np.bool_)
        sends[which[self.pre]] = True
        unknown = [str(t) for t, s in zip(found, sends, strict=True) if s and t not in signs]
        wrong = [
            v for v in (*signs.values(), 1 if default is None else default) if v not in (1, -1)
        ]
        if wrong or (unknown and default is None):
            raise NetworkError(
                explain(
                    where, f"{by}s without a sign" if unknown else "a sign that is not 1 or -1",
                    found=", ".join(map(repr, unknown[:12])) if unknown else wrong[0],
                    expected=", ".join(signs), cure="name them, or say default=1" if unknown else None,
                )
            )  # fmt: skip
        table = np.array([signs.get(str(t), default or 1) for t in found], np.int8)
        return replace(self, sign=table[which][self.pre])

    def _edges(self, kept: NDArray[np.bool_], new: NDArray[np.int64] | None = None) -> Connectome:
        pre, post = self.pre[kept], self.post[kept]
        parts = [self.count[kept], self.sign[kept], self.kind[kept]]
        if new is not None:
            pre, post = new[pre].astype(np.int32), new[post].astype(np.int32)
            order = np.lexsort((parts[2], post, pre))
            pre, post, parts = pre[order], post[order], [x[order] for x in parts]
        return replace(self, pre=pre, post=post, count=parts[0], sign=parts[1], kind=parts[2])

    def _neurons(self, at: NDArray[np.int64]) -> Connectome:
        marks = {k: v[at] for k, v in self.marks.items()}
        return replace(self, ids=self.ids[at], types=self.types[at], marks=marks)

    # -- to a network ------------------------------------------------------------------------------------

    def weights(self, weight_per_synapse: float, dtype: str = "float32") -> NDArray[Any]:
        """Return the weight of every edge, (m,): count times sign times `weight_per_synapse`."""
        found = self.count.astype(dtype)
        found *= np.asarray(weight_per_synapse, dtype)
        found *= self.sign
        return found

    def to_network(
        self,
        model: NeuronModel,
        params: Mapping[str, Any] | None = None,
        *,
        weight_per_synapse: float,
        delay: float,
        dt: float = 1e-4,
        port: str = "",
        inhibitory_port: str | None = None,
        population: str = "neurons",
        dtype: str = "float32",
        initial: Mapping[str, Any] | None = None,
    ) -> Network:
        """Return the network: one population of all neurons in their order, one projection onto itself.

        The types go along in `network.metadata["groups"]`, as runs (first, end) of places where they stand together.

        Parameters
        ----------
        model, params, initial : of the neurons, as of `Population`
        weight_per_synapse : in the unit of the port; the weight of an edge is count * sign * this
        delay : s
        dt : s
        port : of edges; empty: the model's first
        inhibitory_port : where given, edges of sign -1 go there, with weights above 0 (conductances)
        population : its name
        dtype : of weights: float32 or float64
        """
        weights = self.weights(weight_per_synapse, dtype)
        groups = {"": np.ones(self.n_edges, np.bool_)}
        if inhibitory_port is not None:
            groups = {"": self.sign > 0, ".inhibitory": self.sign < 0}
        projections = {}
        for suffix, kept in groups.items():
            if suffix and not np.any(kept):
                continue
            every = bool(np.all(kept))
            pre, post = (self.pre, self.post) if every else (self.pre[kept], self.post[kept])
            amount = weights if every else weights[kept]
            start = np.zeros(self.n + 1, np.int64)
            np.cumsum(np.bincount(pre, minlength=self.n), out=start[1:])
            # edges are sorted, as `Sparse` has them
            target: Any = post
            topology = Sparse(start, target, np.abs(amount) if suffix else amount, self.n)
            here = str(inhibitory_port) if suffix else port
            projections[f"{population}->{population}{suffix}"] = Projection(
                population, population, topology, here, delay
            )
        return Network(
            dt=dt,
            populations={population: Population(model, (self.n,), params or {}, initial or {})},
            projections=projections,
            outputs=(population,),
            name=self.name,
            metadata={
                "groups": {t: runs_of(at) for t, at in self.groups.items()},
                "source": self.source,
            },
        )
