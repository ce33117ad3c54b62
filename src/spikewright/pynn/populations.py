"""Populations, views of them, assemblies of both, and single neurons.

Notation: `root` is the population that neurons belong to, `index` their addresses in it, in the order of the view.

Longer than most files: the four kinds of groups make one another, and share one long list of verbs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import ModelError, NetworkError, explain
from spikewright.pynn import data
from spikewright.pynn.cells import CellType
from spikewright.pynn.parameters import Sequence, is_drawn, of_index, one_each, one_row_each
from spikewright.pynn.random import NumpyRNG
from spikewright.pynn.recorder import Recorder
from spikewright.pynn.simulation import current
from spikewright.pynn.space import BaseStructure, Grid2D, Grid3D, Line


class ID(int):
    """One neuron: a number, with the parameters of its cell as attributes."""

    parent: Population

    @property
    def _view(self) -> PopulationView:
        return self.parent[[self.parent.id_to_index(self)]]

    @property
    def celltype(self) -> CellType:
        """Its cell."""
        return self.parent.celltype

    @property
    def local(self) -> bool:
        """Whether it is of this process: always."""
        return True

    @property
    def position(self) -> NDArray[np.float64]:
        """Where it is, (3,)."""
        return self.parent.positions[:, self.parent.id_to_index(self)]

    @position.setter
    def position(self, value: Any) -> None:
        positions = self.parent.positions.copy()
        positions[:, self.parent.id_to_index(self)] = value
        self.parent.positions = positions

    def __getattr__(self, name: str) -> Any:
        if name != "parent" and self.parent.celltype.has_parameter(name):
            return self._view.get(name)
        raise AttributeError(f"{self!r} has no {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("parent", "position"):
            super().__setattr__(name, value)
        else:
            self._view.set(**{name: value})

    def get_parameters(self) -> dict[str, Any]:
        """Return the values of its parameters."""
        return {name: self._view.get(name) for name in self.celltype.get_parameter_names()}

    def set_parameters(self, **parameters: Any) -> None:
        """Change parameters."""
        self._view.set(**parameters)

    def initialize(self, **values: Any) -> None:
        """Set starting values of its variables."""
        self._view.initialize(**values)

    def inject(self, source: Any) -> None:
        """Let a current flow into it."""
        self._view.inject(source)

    def as_view(self) -> PopulationView:
        """Return the view that holds it alone."""
        return self._view


class Cells(ABC):
    """What populations, views and assemblies can all do. Abstract."""

    label: str

    @abstractmethod
    def _parts(self) -> list[tuple[Population, NDArray[np.int64]]]:
        """Return whose neurons these are, part by part."""

    @property
    def size(self) -> int:
        """Number of neurons."""
        return sum(len(index) for _, index in self._parts())

    local_size = size

    def __len__(self) -> int:
        return self.size

    @property
    def all_cells(self) -> NDArray[Any]:
        """Its neurons, an array of `ID`."""
        found = np.empty(self.size, object)
        found[:] = [root._id(k) for root, index in self._parts() for k in index]
        return found

    local_cells = all_cells

    def __iter__(self) -> Iterator[ID]:
        return iter(self.all_cells)

    all = __iter__

    def __contains__(self, neuron: Any) -> bool:
        return any(int(neuron) in root.ids[index] for root, index in self._parts())

    def is_local(self, id: Any) -> bool:
        """Whether a neuron is of this process: always."""
        return True

    @property
    def positions(self) -> NDArray[np.float64]:
        """Where neurons are, (3, n)."""
        return np.concatenate(
            [root._positions()[:, index] for root, index in self._parts()], axis=1
        )

    @property
    def position_generator(self) -> Any:
        """A function of the index that returns the position, (3,)."""
        positions = self.positions
        return lambda i: positions[:, i].T

    def nearest(self, position: Any) -> ID:
        """Return the neuron that is nearest to a position."""
        far = np.sum((self.positions - np.asarray(position, np.float64)[:, None]) ** 2, axis=0)
        return self.all_cells[int(np.argmin(far))]

    def save_positions(self, file: Any) -> None:
        """Write index, x, y and z of each neuron as text."""
        rows = np.column_stack([np.arange(self.size), self.positions.T])
        np.savetxt(file, rows, fmt=("%d", "%.17g", "%.17g", "%.17g"))

    @property
    def receptor_types(self) -> tuple[str, ...]:
        """Names of receptors that all its neurons have."""
        lists = [root.celltype.receptor_types for root, _ in self._parts()]
        return tuple(name for name in lists[0] if all(name in other for other in lists))

    @property
    def conductance_based(self) -> bool:
        """Whether its synapses are conductances."""
        return all(root.celltype.conductance_based for root, _ in self._parts())

    @property
    def injectable(self) -> bool:
        """Whether currents can be injected."""
        return all(root.celltype.injectable for root, _ in self._parts())

    # -- parameters ------------------------------------------------------------------------------------

    def get(self, parameter_names: Any, gather: bool = False, simplify: bool = True) -> Any:
        """Return a parameter of all neurons: one number where they share it and `simplify` is set, else an array.

        Parameters
        ----------
        parameter_names : a name, or a list of names, for which a list comes back
        """
        if not isinstance(parameter_names, str):
            return [self.get(name, gather, simplify) for name in parameter_names]
        found = [root._value(parameter_names, index) for root, index in self._parts()]
        if any(isinstance(values, list) for values in found):
            rows = [Sequence(row) for values in found for row in values]
            same = simplify and all(row == rows[0] for row in rows)
            return rows[0] if same else np.array([*rows, None], object)[:-1]
        values = np.concatenate(found)
        return values[0] if simplify and np.all(values == values[0]) else values

    def set(self, **parameters: Any) -> None:
        """Change parameters: a number, one per neuron, a distribution, or a function of the index.

        Raises
        ------
        ModelError : no such parameter, or values that do not fit
        """
        for name, value in parameters.items():
            for (root, index), own in zip(self._parts(), self._split(name, value), strict=True):
                root._set(name, index, own)

    def tset(self, parametername: str, value_array: Any) -> None:
        """Set one value per neuron."""
        self.set(**{parametername: value_array})

    def rset(self, parametername: str, rand_distr: Any) -> None:
        """Draw a parameter from a distribution."""
        self.set(**{parametername: rand_distr})

    def initialize(self, **initial_values: Any) -> None:
        """Set starting values of variables; where the simulation has begun, also their values of now.

        Raises
        ------
        ModelError : no such variable, or values that do not fit
        """
        for name, value in initial_values.items():
            for (root, index), own in zip(self._parts(), self._split(name, value), strict=True):
                root._initialize(name, index, own)

    def _split(self, name: str, value: Any) -> list[Any]:
        """Return values for each part: what is given for all is divided among them."""
        found = self._parts()
        if len(found) == 1:
            return [value]
        if is_drawn(value) or not (callable(value) or np.ndim(value)):
            return [value] * len(found)
        if callable(value):
            value = of_index(value, self.size)
        if len(value) != self.size:
            raise ModelError(
                explain(
                    f"{self.label}.set({name}=)",
                    "as many values as neurons",
                    found=len(value),
                    expected=self.size,
                )
            )
        ends = np.cumsum([len(index) for _, index in found])
        return [value[end - len(index) : end] for end, (_, index) in zip(ends, found, strict=True)]

    def inject(self, current_source: Any) -> None:
        """Let a current flow into all neurons."""
        current_source.inject_into(self)

    # -- recording -------------------------------------------------------------------------------------

    def can_record(self, variable: str, location: Any = None) -> bool:
        """Return whether a variable can be recorded."""
        return all(root.celltype.can_record(variable) for root, _ in self._parts())

    def record(
        self,
        variables: Any,
        to_file: Any = None,
        sampling_interval: float | None = None,
        locations: Any = None,
    ) -> None:
        """Record variables of all neurons from now on.

        Parameters
        ----------
        variables : a name or a list of names; None: nothing any more
        to_file : a file name or a neo IO, written by `end`
        sampling_interval : ms, a multiple of the time step

        Raises
        ------
        EngineError : no such variable, or an interval that does not fit
        """
        for root, index in self._parts():
            root.recorder.want(variables, index, sampling_interval)
        if to_file is not None:
            current().writers.append((self, "all" if variables is None else variables, to_file))

    def get_data(
        self,
        variables: Any = "all",
        gather: bool = True,
        clear: bool = False,
        locations: Any = None,
        annotations: Any = None,
    ) -> Any:
        """Return what was recorded, as neo's Block where neo is installed, else as a `spikewright.pynn.data.Block`."""
        blocks = [
            root.recorder.block(variables, index, self.label) for root, index in self._parts()
        ]
        made = blocks[0] if len(blocks) == 1 else data.merged(blocks, self.label, {})
        if annotations:
            made.annotate(**annotations)
        if clear:
            for root, _ in self._parts():
                root.recorder.clear()
        return data.with_neo(made)

    def write_data(
        self,
        io: Any,
        variables: Any = "all",
        gather: bool = True,
        clear: bool = False,
        annotations: Any = None,
        locations: Any = None,
    ) -> None:
        """Write what was recorded to a file or a neo IO; see `spikewright.pynn.data.write`."""
        data.write(self.get_data(variables, clear=clear, annotations=annotations), io)

    def get_spike_counts(self, gather: bool = True) -> dict[ID, int]:
        """Return how many spikes of each neuron were recorded since the last reset."""
        found: dict[ID, int] = {}
        for root, index in self._parts():
            counts = np.bincount(root.recorder.spikes()[1], minlength=root.size)
            wanted = root.recorder.wanted.get("spikes", np.zeros(root.size, bool))
            found |= {root._id(k): int(counts[k]) for k in index if wanted[k]}
        return found

    def mean_spike_count(self, gather: bool = True) -> float:
        """Return how many spikes were recorded per neuron since the last reset."""
        counts = self.get_spike_counts()
        return sum(counts.values()) / len(counts) if counts else 0.0

    meanSpikeCount = mean_spike_count

    def getSpikes(self, gather: bool = True) -> Any:
        """Return `get_data("spikes")`."""
        return self.get_data("spikes")

    def get_v(self, gather: bool = True) -> Any:
        """Return `get_data("v")`."""
        return self.get_data("v")

    def get_gsyn(self, gather: bool = True) -> Any:
        """Return `get_data(["gsyn_exc", "gsyn_inh"])`."""
        return self.get_data(["gsyn_exc", "gsyn_inh"])

    def printSpikes(self, file: Any, gather: bool = True) -> None:
        """Write spikes to a file."""
        self.write_data(file, "spikes")

    def print_v(self, file: Any, gather: bool = True) -> None:
        """Write voltages to a file."""
        self.write_data(file, "v")

    def find_units(self, variable: str) -> str:
        """Return the unit of a variable or parameter."""
        return self._parts()[0][0].celltype.units.get(variable, "")

    # -- selections ------------------------------------------------------------------------------------

    def sample(self, n: int, rng: Any = None) -> Any:
        """Return `n` neurons drawn at random, each at most once."""
        if not 0 < n <= self.size:
            raise NetworkError(
                explain(f"{self.label}.sample", "not so many neurons", found=n, expected=self.size)
            )
        drawn = (rng or NumpyRNG()).next(self.size, "uniform", {"low": 0.0, "high": 1.0})
        return self[np.argsort(drawn, kind="stable")[:n]]

    def __add__(self, other: Any) -> Assembly:
        return Assembly(self, other)

    @abstractmethod
    def __getitem__(self, index: Any) -> Any: ...


def parts(cells: Any) -> list[tuple[Population, NDArray[np.int64]]]:
    """Return whose neurons these are, part by part.

    Raises
    ------
    NetworkError : not neurons
    """
    if isinstance(cells, Cells):
        return cells._parts()
    listed = [cells] if isinstance(cells, ID) else list(cells)
    if not all(isinstance(c, ID) for c in listed):
        raise NetworkError(
            explain("cells", "not neurons", found=type(cells).__name__, expected="a population")
        )
    found: dict[int, tuple[Population, list[int]]] = {}
    for neuron in listed:
        root = neuron.parent
        found.setdefault(id(root), (root, []))[1].append(root.id_to_index(neuron))
    return [(root, np.array(index, np.int64)) for root, index in found.values()]


def selected(index: Any, n: int, where: str) -> NDArray[np.int64]:
    """Return what an index selects of `n` neurons.

    Raises
    ------
    NetworkError : out of range, or not an index
    """
    everything = np.arange(n)
    try:
        if isinstance(index, slice):
            return everything[index]
        found = everything[np.asarray(index)]
    except (IndexError, TypeError, ValueError) as error:
        raise NetworkError(
            explain(where, f"not an index: {error}", expected=f"0 to {n - 1}")
        ) from None
    return np.atleast_1d(found).astype(np.int64)


class Population(Cells):
    """Neurons of one cell type.

    Parameters
    ----------
    size : how many, or the shape of a grid, (nx, ny) or (nx, ny, nz)
    cellclass : a cell, or a class of cells
    cellparams : parameters, where a class is given
    structure : where neurons are; default a `Line`, or a grid of the shape
    initial_values : variable -> starting value
    label : a name

    Raises
    ------
    NetworkError : no neurons, or not a cell
    ModelError : values that do not fit
    """

    def __init__(
        self,
        size: Any,
        cellclass: Any,
        cellparams: Any = None,
        structure: BaseStructure | None = None,
        initial_values: Any = None,
        label: str | None = None,
    ) -> None:
        now = current()
        if not isinstance(size, int | np.integer | float):
            shape = tuple(int(n) for n in size)
            grid = Grid2D if len(shape) == 2 else Grid3D
            ratios = [shape[0] / n for n in shape[1:]]
            structure = structure or (Line() if len(shape) == 1 else grid(*ratios))
            size = int(np.prod(shape))
        if size != int(size) or size < 1:
            raise NetworkError(explain("Population", "needs neurons", found=size))
        cell = cellclass(**(cellparams or {})) if isinstance(cellclass, type) else cellclass
        if not isinstance(cell, CellType):
            raise NetworkError(
                explain(
                    "Population",
                    "not a cell type of spikewright.pynn",
                    found=type(cell).__name__,
                    expected="one of list_standard_models()",
                )
            )
        number = len(now.populations)
        self.simulation = now
        self._size = int(size)
        self.celltype = cell
        self.label = f"population{number}" if label is None else str(label)
        self.name = f"{number} {self.label}".replace("/", "|").replace(".", "|").replace("\x00", "")
        self.annotations: dict[str, Any] = {}
        self.structure = structure or Line()
        self._own_positions: NDArray[np.float64] | None = None
        self.first_id = now.next_id
        now.next_id += self._size
        self.ids = np.arange(self.first_id, now.next_id)
        self.values: dict[str, Any] = {}
        self.currents: list[tuple[Any, NDArray[np.int64]]] = []
        self.initial: dict[str, NDArray[np.float64]] = {}
        self.initial_values: dict[str, Any] = {}
        self.recorder = Recorder(self)
        self.recorder.segments = [{} for _ in range(now.segment + 1)]
        self.recorder.stops = [0] * (now.segment + 1)
        self._spikes: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
        everyone = np.arange(self._size)
        for name, value in cell.parameters.items():
            self._set(name, everyone, value)
        for name, value in (cell.default_initial_values | (initial_values or {})).items():
            self._initialize(name, everyone, value)
        now.populations.append(self)
        now.changed()

    def _parts(self) -> list[tuple[Population, NDArray[np.int64]]]:
        return [(self, np.arange(self._size))]

    @property
    def size(self) -> int:
        return self._size

    @property
    def last_id(self) -> int:
        """Number of its last neuron."""
        return self.first_id + self._size - 1

    def _id(self, index: Any) -> ID:
        found = ID(self.first_id + int(index))
        found.parent = self
        return found

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            return self._id(selected(index, self._size, f"population {self.label!r}")[0])
        if isinstance(index, tuple):
            index = list(index)
        return PopulationView(self, index)

    def id_to_index(self, id: Any) -> Any:
        """Return the index of a neuron, or of several."""
        found = np.asarray(id, np.int64) - self.first_id
        if np.any((found < 0) | (found >= self._size)):
            raise NetworkError(
                explain(f"population {self.label!r}", "has no such neuron", found=f"ID {id}")
            )
        return int(found) if found.ndim == 0 else found

    id_to_local_index = id_to_index

    def annotate(self, **annotations: Any) -> None:
        """Add notes."""
        self.annotations |= annotations

    def notes(self) -> dict[str, Any]:
        """Return what goes with its data."""
        return {
            "size": self._size,
            "first_id": self.first_id,
            "last_id": self.last_id,
            "simulator": "Spikewright",
            "dt": self.simulation.dt,
            "mpi_processes": 1,
        } | self.annotations

    # -- positions -------------------------------------------------------------------------------------

    def _positions(self) -> NDArray[np.float64]:
        if self._own_positions is None:
            self._own_positions = np.asarray(
                self.structure.generate_positions(self._size), np.float64
            )
        return self._own_positions

    @property
    def positions(self) -> NDArray[np.float64]:
        """Where neurons are, (3, n)."""
        return self._positions()

    @positions.setter
    def positions(self, value: Any) -> None:
        made = np.array(value, np.float64)
        if made.shape != (3, self._size):
            raise NetworkError(
                explain(
                    f"{self.label}.positions",
                    "wrong shape",
                    found=made.shape,
                    expected=(3, self._size),
                )
            )
        self._own_positions = made

    # -- values ----------------------------------------------------------------------------------------

    def _value(self, name: str, index: NDArray[np.int64]) -> Any:
        self._check_parameter(name)
        value = self.values[name]
        return [value[k] for k in index] if isinstance(value, list) else value[index]

    def _set(self, name: str, index: NDArray[np.int64], value: Any) -> None:
        self._check_parameter(name)
        where = f"{self.label}.{name}"
        if name == "spike_times":
            rows = one_row_each(value, len(index), where)
            own = self.values.setdefault(name, [np.zeros(0)] * self._size)
            for k, row in zip(index, rows, strict=True):
                own[k] = row
            self._spikes = None
            return
        made = one_each(value, len(index), where)
        if not np.all(np.isfinite(made)):
            raise ModelError(explain(where, "not finite", found=made[~np.isfinite(made)][0]))
        self.values.setdefault(name, np.zeros(self._size))[index] = made
        self.simulation.changed()

    def _check_parameter(self, name: str) -> None:
        if not self.celltype.has_parameter(name):
            raise ModelError(
                explain(
                    f"population {self.label!r}",
                    f"{type(self.celltype).__name__} has no parameter {name!r}",
                    expected=", ".join(self.celltype.get_parameter_names()) or "none",
                )
            )

    def _initialize(self, name: str, index: NDArray[np.int64], value: Any) -> None:
        variables = self.celltype.variables
        if name not in variables:
            # alpha functions have two variables per synapse; those that are not named start at zero
            if name in self.celltype.default_initial_values:
                return
            raise ModelError(
                explain(
                    f"population {self.label!r}",
                    f"{type(self.celltype).__name__} has no variable {name!r}",
                    expected=", ".join(variables) or "none",
                )
            )
        made = one_each(value, len(index), f"{self.label}.{name}")
        self.initial.setdefault(name, np.zeros(self._size))[index] = made
        self.initial_values[name] = value
        state = self.simulation.state
        if state is not None and self.name in state.values:
            ours, factor = variables[name]
            state.values[self.name][ours][0, index] = made * factor
        self.simulation.changed()

    def now(self, name: str) -> NDArray[np.float64]:
        """Return the values of a variable of now, in PyNN's unit, (n,)."""
        ours, factor = self.celltype.variables[name]
        state = self.simulation.state
        if state is not None and self.name in state.values:
            return np.asarray(state.values[self.name][ours][0]) / factor
        if name in self.initial:
            return self.initial[name]
        from spikewright.engines.engine import start

        prepared = self.simulation.build()
        return np.asarray(start(prepared.program, 1).values[self.name][ours][0]) / factor

    def add_current(self, source: Any, index: NDArray[np.int64]) -> None:
        """Let a current flow into some neurons."""
        if not self.celltype.injectable:
            raise ModelError(
                explain(
                    f"population {self.label!r}",
                    f"no current can be injected into {type(self.celltype).__name__}",
                )
            )
        self.currents.append((source, index))
        self.simulation.changed()

    def spike_steps(self, dt: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the steps and addresses of a `SpikeSourceArray`, in the order of time."""
        if self._spikes is None:
            rows = self.values["spike_times"]
            step = np.rint(np.concatenate([np.zeros(0), *rows]) / dt).astype(np.int64)
            address = np.repeat(np.arange(self._size), [len(row) for row in rows])
            if step.size and step.min() < 0:
                raise ModelError(
                    explain(f"{self.label}.spike_times", "before time 0", found=step.min() * dt)
                )
            order = np.lexsort((address, step))
            self._spikes = step[order], address[order]
        return self._spikes

    def describe(self, template: Any = None, engine: Any = None) -> str:
        """Return the population as text."""
        return f"Population {self.label!r}: {self._size} neurons, {self.celltype.describe()}, {self.structure!r}"

    def __repr__(self) -> str:
        return f"Population({self._size}, {self.celltype!r}, structure={self.structure!r}, label={self.label!r})"


class PopulationView(Cells):
    """Some neurons of a population; what is changed here is changed there.

    Parameters
    ----------
    parent : a population or a view
    selector : a slice, a list of indices, or one truth value per neuron
    label : a name
    """

    def __init__(self, parent: Any, selector: Any, label: str | None = None) -> None:
        root, index = parent._parts()[0]
        chosen = selected(selector, len(index), f"a view of {parent.label!r}")
        if len(np.unique(chosen)) < len(chosen):
            raise NetworkError(explain(f"a view of {parent.label!r}", "names a neuron twice"))
        self.parent, self.mask = parent, chosen
        self._root, self._index = root, index[chosen]
        self.label = f"view of {parent.label!r} with size {len(chosen)}" if label is None else label

    def _parts(self) -> list[tuple[Population, NDArray[np.int64]]]:
        return [(self._root, self._index)]

    @property
    def size(self) -> int:
        return len(self._index)

    @property
    def grandparent(self) -> Population:
        """The population whose neurons these are."""
        return self._root

    @property
    def celltype(self) -> CellType:
        """Their cell."""
        return self._root.celltype

    @property
    def structure(self) -> BaseStructure:
        """Where the population's neurons are."""
        return self._root.structure

    @property
    def initial_values(self) -> dict[str, Any]:
        """Starting values of variables."""
        return {name: values[self._index] for name, values in self._root.initial.items()}

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            return self._root._id(self._index[selected(index, self.size, self.label)[0]])
        return PopulationView(self, list(index) if isinstance(index, tuple) else index)

    def id_to_index(self, id: Any) -> Any:
        """Return the index of a neuron in the view."""
        found = np.flatnonzero(self._root.ids[self._index] == int(id))
        if not found.size:
            raise NetworkError(explain(self.label, "has no such neuron", found=f"ID {id}"))
        return int(found[0])

    def index_in_grandparent(self, indices: Any) -> NDArray[np.int64]:
        """Return the addresses in the population of indices in the view."""
        return self._index[indices]

    def annotate(self, **annotations: Any) -> None:
        """Add notes to the population."""
        self._root.annotate(**annotations)

    def describe(self, template: Any = None, engine: Any = None) -> str:
        """Return the view as text."""
        return f"{self.label}: {self.size} neurons of {self._root.describe()}"

    def __repr__(self) -> str:
        return (
            f"PopulationView(parent={self.parent!r}, selector={self.mask!r}, label={self.label!r})"
        )


class Assembly(Cells):
    """Populations and views, as if they were one.

    Parameters
    ----------
    populations : populations, views or assemblies; what is named twice counts once
    label : a name
    """

    count = 0

    def __init__(self, *populations: Any, **kwargs: Any) -> None:
        self.populations: list[Any] = []
        self.label = kwargs.get("label") or f"assembly{Assembly.count}"
        Assembly.count += 1
        self.annotations: dict[str, Any] = {}
        for population in populations:
            self._take(population)

    def _take(self, other: Any) -> None:
        if isinstance(other, Assembly):
            for population in other.populations:
                self._take(population)
            return
        if not isinstance(other, Population | PopulationView):
            raise NetworkError(
                explain(
                    f"assembly {self.label!r}",
                    "not a population",
                    found=type(other).__name__,
                    expected="Population, PopulationView or Assembly",
                )
            )
        if not any(other is known for known in self.populations):
            self.populations.append(other)

    def _parts(self) -> list[tuple[Population, NDArray[np.int64]]]:
        return [part for population in self.populations for part in population._parts()]

    def __iadd__(self, other: Any) -> Assembly:
        self._take(other)
        return self

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            return self.all_cells[selected(index, self.size, self.label)[0]]
        chosen = selected(list(index) if isinstance(index, tuple) else index, self.size, self.label)
        made, end = [], 0
        for population in self.populations:
            begin, end = end, end + population.size
            inside = chosen[(chosen >= begin) & (chosen < end)] - begin
            if inside.size:
                made.append(population[inside])
        return Assembly(*made)

    @property
    def first_id(self) -> ID:
        """Its first neuron."""
        return min(self.all_cells)

    @property
    def last_id(self) -> ID:
        """Its last neuron."""
        return max(self.all_cells)

    def id_to_index(self, id: Any) -> int:
        """Return the index of a neuron in the assembly."""
        found = np.flatnonzero(self.all_cells == int(id))
        if not found.size:
            raise NetworkError(explain(self.label, "has no such neuron", found=f"ID {id}"))
        return int(found[0])

    def get_population(self, label: str) -> Any:
        """Return the population or view of a label."""
        for population in self.populations:
            if population.label == label:
                return population
        raise NetworkError(
            explain(
                f"assembly {self.label!r}",
                f"no population {label!r}",
                expected=", ".join(p.label for p in self.populations),
            )
        )

    def annotate(self, **annotations: Any) -> None:
        """Add notes."""
        self.annotations |= annotations

    def describe(self, template: Any = None, engine: Any = None) -> str:
        """Return the assembly as text."""
        return f"Assembly {self.label!r}: " + "; ".join(p.describe() for p in self.populations)

    def __repr__(self) -> str:
        return f"Assembly(*{self.populations!r}, label={self.label!r})"


# -- PyNN's functions ----------------------------------------------------------------------------------


def create(cellclass: Any, cellparams: Any = None, n: int = 1) -> Population:
    """Return a new population."""
    return Population(n, cellclass, cellparams)


def initialize(cells: Any, **initial_values: Any) -> None:
    """Set starting values of variables."""
    for root, index in parts(cells):
        root[index].initialize(**initial_values)


def record(
    variables: Any,
    source: Any,
    filename: Any = None,
    sampling_interval: float | None = None,
    annotations: Any = None,
) -> None:
    """Record variables; what was recorded is written to `filename` by `end`."""
    cells = source if isinstance(source, Cells) else None
    for root, index in parts(source):
        (cells or root[index]).record(variables, filename, sampling_interval)
        if cells is not None:
            return


def record_v(source: Any, filename: Any) -> None:
    """Record voltages to a file."""
    record("v", source, filename)


def record_gsyn(source: Any, filename: Any) -> None:
    """Record synaptic conductances to a file."""
    record(["gsyn_exc", "gsyn_inh"], source, filename)
