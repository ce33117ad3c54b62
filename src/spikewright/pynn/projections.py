"""Projections: connections between two groups of neurons, with what each of them has.

Longer than most files: one class, whose connections are made, set, read and written to files in one order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright import rng
from spikewright.errors import ModelError, NetworkError, explain
from spikewright.files import replacing
from spikewright.pynn.connectors import AllToAllConnector, Connector, FixedProbabilityConnector
from spikewright.pynn.parameters import expression, is_drawn, is_lazy, n_arguments
from spikewright.pynn.populations import Cells
from spikewright.pynn.random import NumpyRNG
from spikewright.pynn.simulation import current
from spikewright.pynn.space import Space
from spikewright.pynn.synapses import StaticSynapse, SynapseType

GROUPS = 256
"""Different parameters of a rule that one projection may have: each is a projection of the network."""


@dataclass(frozen=True)
class Piece:
    """Connections of a projection that are one projection of the network.

    Parameters
    ----------
    name : in the network
    pre, post : populations
    edges : which connections, in the order in which the network has them
    source, target : addresses in the populations
    constants : what its synapses share
    """

    name: str
    pre: Any
    post: Any
    edges: NDArray[np.int64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    constants: dict[str, float]


class Connection:
    """One connection of a projection; its attributes can be read and set."""

    def __init__(self, projection: Projection, number: int) -> None:
        object.__setattr__(self, "projection", projection)
        object.__setattr__(self, "number", number)

    @property
    def presynaptic_index(self) -> int:
        """Index of the source."""
        return int(self.projection.source[self.number])

    @property
    def postsynaptic_index(self) -> int:
        """Index of the target."""
        return int(self.projection.target[self.number])

    @property
    def presynaptic_cell(self) -> Any:
        """The source."""
        return self.projection.pre[self.presynaptic_index]

    @property
    def postsynaptic_cell(self) -> Any:
        """The target."""
        return self.projection.post[self.postsynaptic_index]

    source, target = presynaptic_cell, postsynaptic_cell

    def as_tuple(self, *attribute_names: str) -> tuple[Any, ...]:
        """Return attributes by name."""
        return tuple(getattr(self, name) for name in attribute_names)

    def __getattr__(self, name: str) -> float:
        if name in self.projection.values:
            return float(self.projection.now(name)[self.number])
        raise AttributeError(f"a connection has no {name!r}")

    def __setattr__(self, name: str, value: float) -> None:
        values = self.projection.now(name).copy()
        values[self.number] = value
        self.projection._put(name, values)


class Projection:
    """Connections from some neurons to others.

    Parameters
    ----------
    presynaptic_population, postsynaptic_population : populations, views or assemblies
    connector : which are connected
    synapse_type : how; default `StaticSynapse()`
    source : not supported
    receptor_type : a name of `post.receptor_types`; default the first
    space : how distances are measured
    label : a name

    Raises
    ------
    NetworkError : ends, receptor or connector do not fit; weights of the wrong sign; a delay below the shortest
    ModelError : values that do not fit
    """

    def __init__(
        self,
        presynaptic_population: Any,
        postsynaptic_population: Any,
        connector: Connector,
        synapse_type: SynapseType | None = None,
        source: Any = None,
        receptor_type: str | None = None,
        space: Any = None,
        label: str | None = None,
    ) -> None:
        now = current()
        self.simulation = now
        self.pre, self.post = presynaptic_population, postsynaptic_population
        self.synapse_type = StaticSynapse() if synapse_type is None else synapse_type
        self.space = Space() if space is None else space
        number = len(now.projections)
        self.annotations: dict[str, Any] = {}
        self._connector = connector
        self._check_ends(connector, source)
        self.label = f"{self.pre.label}→{self.post.label}" if label is None else label
        self.receptor_type = self._receptor(receptor_type)
        drawn = NumpyRNG(rng.key(now.seed, f"pynn/projection/{number}") % 2**32)
        self.source, self.target, columns = connector.edges(
            self.pre, self.post, _space(self.space), drawn
        )
        self.values: dict[str, NDArray[np.float64]] = {}
        for name, value in self.synapse_type.parameters.items():
            if name in columns:
                value = columns.pop(name)
            elif value is None:
                value = now.min_delay
            self.values[name] = self._one_each(name, value)
        if columns:
            raise NetworkError(
                explain(
                    f"projection {self.label!r}",
                    f"{type(self.synapse_type).__name__} has no parameter {next(iter(columns))!r}",
                    expected=", ".join(self.synapse_type.parameters),
                )
            )
        self._round_delays()
        self._check_values(connector.safe)
        self._number = number
        self.pieces = self._cut()
        now.projections.append(self)
        now.changed()

    # -- size and connections --------------------------------------------------------------------------

    def size(self, gather: bool = True) -> int:
        """Return the number of connections."""
        return len(self.source)

    def __len__(self) -> int:
        return len(self.source)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of sources and of targets."""
        return self.pre.size, self.post.size

    @property
    def connections(self) -> list[Connection]:
        """The connections."""
        return list(self)

    def __iter__(self) -> Iterator[Connection]:
        return (Connection(self, k) for k in range(len(self)))

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [Connection(self, k) for k in range(*i.indices(len(self)))]
        if not -len(self) <= i < len(self):
            raise IndexError(f"projection {self.label!r} has {len(self)} connections, not {i}")
        return Connection(self, int(i) % len(self))

    @property
    def longest_delay(self) -> float:
        """The longest delay, ms."""
        return float(self.values["delay"].max(initial=0.0))

    # -- values ----------------------------------------------------------------------------------------

    def now(self, name: str) -> NDArray[np.float64]:
        """Return an attribute of each connection, as it is now."""
        if name not in self.values:
            raise ModelError(
                explain(
                    f"projection {self.label!r}",
                    f"its connections have no {name!r}",
                    expected=", ".join(self.values),
                )
            )
        values = self.values[name]
        if name == "weight" and self.synapse_type.is_plastic:
            values = values.copy()
            for piece in self.pieces:
                learned = self.simulation.weights(piece.name)
                if learned is not None:
                    values[piece.edges] = learned / piece.post.celltype.weight_factor
        return values

    def get(
        self,
        attribute_names: Any,
        format: str,
        gather: Any = True,
        with_address: bool = True,
        multiple_synapses: str = "sum",
    ) -> Any:
        """Return attributes of all connections.

        Parameters
        ----------
        attribute_names : a name, a list of names, or "all"
        format : "list": a tuple (source, target, value, ...) per connection, without the first two where
            `with_address` is False; "array": a matrix (sources, targets) per name, NaN where there is no connection
        multiple_synapses : what stands for several connections of a pair: "sum", "first", "last", "min" or "max"
        """
        single = isinstance(attribute_names, str) and attribute_names != "all"
        names = [attribute_names] if single else list(attribute_names)
        if attribute_names == "all":
            names = list(self.values)
        if format == "list":
            columns = [self.now(name).tolist() for name in names if name not in _ADDRESS]
            address = [self.source.tolist(), self.target.tolist()]
            named = [address[_ADDRESS[name]] for name in names if name in _ADDRESS]
            if with_address:
                return list(zip(*address, *columns, strict=True))
            if single:
                return (named or columns)[0]
            return list(zip(*named, *columns, strict=True))
        if format != "array":
            raise ModelError(
                explain("Projection.get", "no such format", found=format, expected="list, array")
            )
        found = [self._matrix(self.now(name), multiple_synapses) for name in names]
        return found[0] if single else found

    def _matrix(self, values: NDArray[np.float64], several: str) -> NDArray[np.float64]:
        made = np.full(self.shape, np.nan)
        place = self.source, self.target
        match several:
            case "last":
                made[place] = values
            case "first":
                made[place[0][::-1], place[1][::-1]] = values[::-1]
            case "sum":
                made[place] = 0.0
                np.add.at(made, place, values)
            case "min":
                made[place] = np.inf
                np.minimum.at(made, place, values)
            case "max":
                made[place] = -np.inf
                np.maximum.at(made, place, values)
            case _:
                raise ModelError(
                    explain(
                        "Projection.get(multiple_synapses=)",
                        "unknown",
                        found=several,
                        expected="last, first, sum, min, max",
                    )
                )
        return made

    def set(self, **attributes: Any) -> None:
        """Change attributes of all connections: a number, a matrix (sources, targets), a distribution, or a function.

        Raises
        ------
        ModelError : no such attribute, or values that do not fit
        """
        for name, value in attributes.items():
            self.now(name)
            self._put(name, self._one_each(name, value))

    def _put(self, name: str, values: NDArray[np.float64]) -> None:
        before = self.values[name]
        self.values[name] = values
        try:
            if name == "delay":
                self._round_delays()
            self._check_values(self._connector.safe)
            if name not in ("weight", "delay"):
                self.pieces = self._cut()
        except (ModelError, NetworkError):
            self.values[name] = before
            raise
        state = self.simulation.state
        if name == "weight" and state is not None:
            for piece in self.pieces:
                if piece.name in state.synapses:
                    own = state.synapses[piece.name].values["w"]
                    own[0] = values[piece.edges] * piece.post.celltype.weight_factor
        self.simulation.changed()

    def initialize(self, **initial_values: Any) -> None:
        """Not supported: variables of synapses start as their model says."""
        raise ModelError(
            explain(
                f"projection {self.label!r}",
                "variables of synapses cannot be set",
                found=", ".join(initial_values),
                cure="their starting values are u = 0 and x = 1, and traces of 0",
            )
        )

    def save(
        self,
        attribute_names: Any,
        file: Any,
        format: str = "list",
        gather: bool = True,
        with_address: bool = True,
    ) -> None:
        """Write attributes as text: a line per connection, or the matrix with 0 where there is none.

        Parameters
        ----------
        attribute_names : a name, a list of names, or "all"
        file : a file name, or something with `write(rows, metadata)`
        """
        names = list(self.values) if attribute_names in ("all", "connections") else attribute_names
        names = [names] if isinstance(names, str) else list(names)
        columns = (["i", "j"] if with_address else []) + names
        if format == "list":
            rows = np.array(self.get(names, "list", with_address=with_address))
        else:
            rows = np.nan_to_num(np.concatenate(self.get(names, "array")))
            columns = names
        if hasattr(file, "write") and not hasattr(file, "fileno"):
            file.write(rows, {"columns": columns})
            return
        header = "columns = " + str(columns).replace("'", '"')
        if hasattr(file, "write"):
            np.savetxt(file, rows, fmt="%.17g", header=header)
            return
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            np.savetxt(temporary, rows, fmt="%.17g", header=header)

    def getWeights(self, format: str = "list", gather: bool = True) -> Any:
        """Return `get("weight", format, with_address=False)`."""
        return self.get("weight", format, with_address=False)

    def getDelays(self, format: str = "list", gather: bool = True) -> Any:
        """Return `get("delay", format, with_address=False)`."""
        return self.get("delay", format, with_address=False)

    def setWeights(self, w: Any) -> None:
        """Set weights."""
        self.set(weight=w)

    def setDelays(self, d: Any) -> None:
        """Set delays."""
        self.set(delay=d)

    randomizeWeights = setWeights
    randomizeDelays = setDelays

    def saveConnections(
        self, file: Any, gather: bool = True, compatible_output: bool = True
    ) -> None:
        """Write all attributes as a list."""
        self.save("all", file)

    def printWeights(self, file: Any, format: str = "list", gather: bool = True) -> None:
        """Write weights."""
        self.save("weight", file, format)

    def printDelays(self, file: Any, format: str = "list", gather: bool = True) -> None:
        """Write delays."""
        self.save("delay", file, format)

    def weightHistogram(
        self, min: float | None = None, max: float | None = None, nbins: int = 10
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return how many weights fall into each bin, and the edges of the bins."""
        weights = self.now("weight")
        low = weights.min(initial=np.inf) if min is None else min
        high = weights.max(initial=-np.inf) if max is None else max
        return np.histogram(weights, bins=nbins, range=(low, high))

    def annotate(self, **annotations: Any) -> None:
        """Add notes."""
        self.annotations |= annotations

    def describe(self, template: Any = None, engine: Any = None) -> str:
        """Return the projection as text."""
        return (
            f"Projection {self.label!r}: {len(self)} connections by {self._connector!r}, receptor "
            f"{self.receptor_type!r}, {self.synapse_type!r}"
        )

    def __repr__(self) -> str:
        return f'Projection("{self.label}")'

    # -- checks and cuts -------------------------------------------------------------------------------

    def _check_ends(self, connector: Any, source: Any) -> None:
        for end, kind in (("presynaptic", self.pre), ("postsynaptic", self.post)):
            if not isinstance(kind, Cells):
                raise NetworkError(
                    explain(
                        "Projection",
                        f"the {end} end is not a population",
                        found=type(kind).__name__,
                        expected="Population, PopulationView or Assembly",
                    )
                )
            if any(root.simulation is not self.simulation for root, _ in kind._parts()):
                raise NetworkError(
                    explain(
                        "Projection",
                        f"{kind.label!r} belongs to a simulation that setup() ended",
                        cure="create it again",
                    )
                )
        if source is not None:
            raise NetworkError(explain("Projection(source=)", "not supported", found=source))
        kinds: tuple[tuple[str, Any, type], ...] = (
            ("connector", connector, Connector),
            ("synapse_type", self.synapse_type, SynapseType),
        )
        for name, value, kind_ in kinds:
            if not isinstance(value, kind_):
                raise NetworkError(
                    explain(
                        f"Projection({name}=)",
                        f"not a {name} of spikewright.pynn",
                        found=type(value).__name__,
                        expected=f"one of its {name.removesuffix('_type')} classes",
                    )
                )

    def _receptor(self, name: str | None) -> str:
        known = self.post.receptor_types
        if name is None and known:
            return known[0]
        if name not in known:
            raise NetworkError(
                explain(
                    f"projection {self.label!r}",
                    f"{self.post.label!r} has no receptor {name!r}",
                    expected=", ".join(known) or "none: it takes no spikes",
                )
            )
        return str(name)

    def _one_each(self, name: str, value: Any) -> NDArray[np.float64]:
        """Return a value for each connection."""
        n, where = len(self), f"projection {self.label!r}, {name}"
        if is_drawn(value):
            value = value.next(n)
        elif is_lazy(value):
            value = value.base_value
            return self._one_each(name, value)
        elif isinstance(value, str):
            value = expression(value, where)(self._distances())
        elif callable(value):
            if n_arguments(value) == 2:
                value = [
                    value(int(i), int(j)) for i, j in zip(self.source, self.target, strict=True)
                ]
            else:
                value = [value(d) for d in self._distances()]
        try:
            array = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            raise ModelError(explain(where, "not a number", found=repr(value)[:60])) from None
        if array.ndim == 2 and array.shape == self.shape:
            array = array[self.source, self.target]
        if array.ndim and array.shape != (n,):
            raise ModelError(
                explain(
                    where,
                    "wrong shape",
                    found=array.shape,
                    expected=f"one number, ({n},) or {self.shape}",
                )
            )
        made = np.array(np.broadcast_to(array, (n,)))
        if not np.all(np.isfinite(made)):
            raise ModelError(explain(where, "not finite", found=made[~np.isfinite(made)][0]))
        return made

    def _distances(self) -> NDArray[np.float64]:
        here, there = self.pre.positions[:, self.source], self.post.positions[:, self.target]
        return np.asarray(_space(self.space).between(here, there))

    def _round_delays(self) -> None:
        dt, shortest = self.simulation.dt, self.simulation.min_delay
        self.values["delay"] = np.rint(self.values["delay"] / dt) * dt
        low = self.values["delay"].min(initial=np.inf)
        if low < shortest - 1e-6 * dt:
            raise NetworkError(
                explain(
                    f"projection {self.label!r}",
                    "a delay is shorter than the shortest",
                    found=f"{low:g} ms",
                    expected=f"{shortest:g} ms or more",
                    cure="say setup(min_delay=)",
                )
            )

    def _check_values(self, safe: bool) -> None:
        weights = self.values["weight"]
        if not safe or not weights.size:
            return
        negative = self.receptor_type == "inhibitory" and not self.post.conductance_based
        wrong = weights > 0 if negative else weights < 0
        if wrong.any():
            raise NetworkError(
                explain(
                    f"projection {self.label!r}",
                    f"a weight has the wrong sign for the receptor {self.receptor_type!r}",
                    found=f"{weights[wrong][0]:g}",
                    expected="0 or less" if negative else "0 or more",
                    cure="inhibition is negative at current synapses, positive at conductances",
                )
            )

    def _cut(self) -> list[Piece]:
        """Return the connections by populations and by parameters of the rule."""
        pre, post = _addresses(self.pre), _addresses(self.post)
        constants = [name for name in self.values if name not in ("weight", "delay")]
        if constants and len(self):
            table = np.stack([self.values[name] for name in constants], axis=1)
            laws, law = np.unique(table, axis=0, return_inverse=True)
            law = law.reshape(-1)
        else:
            laws, law = np.zeros((1, 0)), np.zeros(len(self), np.int64)
        if len(laws) > GROUPS:
            raise ModelError(
                explain(
                    f"projection {self.label!r}",
                    "too many different parameters of its synapses",
                    found=len(laws),
                    expected=f"{GROUPS} at most",
                    cure="give synapses the same parameters, or make several projections",
                )
            )
        key = (law * len(pre.roots) + pre.root[self.source]) * len(post.roots)
        key = key + post.root[self.target]
        found = []
        for k in np.unique(key):
            own = np.flatnonzero(key == k)
            source, target = pre.address[self.source[own]], post.address[self.target[own]]
            # the order in which `Sparse` has them, so that weights can be read back
            order = np.lexsort((target, source))
            rest, b = divmod(int(k), len(post.roots))
            c, a = divmod(rest, len(pre.roots))
            name = f"{self._number} {self.label} {k}".replace("/", "|").replace("\x00", "")
            shared = dict(zip(constants, laws[c].tolist(), strict=True))
            found.append(
                Piece(
                    name,
                    pre.roots[a],
                    post.roots[b],
                    own[order],
                    source[order],
                    target[order],
                    shared,
                )
            )
        return found


_ADDRESS = {"presynaptic_index": 0, "postsynaptic_index": 1}


@dataclass(frozen=True)
class _Addresses:
    roots: list[Any]
    root: NDArray[np.int64]
    address: NDArray[np.int64]


def _addresses(cells: Any) -> _Addresses:
    roots: list[Any] = []
    number, address = [], []
    for root, index in cells._parts():
        if not any(root is known for known in roots):
            roots.append(root)
        k = next(i for i, known in enumerate(roots) if known is root)
        number.append(np.full(len(index), k))
        address.append(index)
    return _Addresses(roots, np.concatenate(number), np.concatenate(address))


def _space(space: Any) -> Space:
    """Return a space of ours for one of PyNN's."""
    if isinstance(space, Space):
        return space
    axes = getattr(space, "axes", None)
    if axes is not None and not isinstance(axes, str):
        axes = "".join("xyz"[int(axis)] for axis in np.atleast_1d(axes))
    return Space(axes, space.scale_factor, space.offset, space.periodic_boundaries)


def connect(
    pre: Any,
    post: Any,
    weight: Any = 0.0,
    delay: Any = None,
    receptor_type: str | None = None,
    p: float = 1,
    rng: Any = None,
) -> Projection:
    """Connect all pairs, or each with probability `p`."""
    connector = AllToAllConnector() if p >= 1 else FixedProbabilityConnector(p, rng=rng)
    ends = [cells.as_view() if hasattr(cells, "as_view") else cells for cells in (pre, post)]
    synapse = StaticSynapse(weight=weight, delay=delay)
    return Projection(ends[0], ends[1], connector, synapse, receptor_type=receptor_type)
