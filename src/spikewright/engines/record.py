"""What of a population is kept as traces: which variables, of which neurons, at which steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import Problems
from spikewright.network.graph import Network


@dataclass(frozen=True, eq=False)
class Record:
    """Variables to keep, for `run(record={"population": Record(("v",), neurons=[0, 7], every=10)})`.

    Parameters
    ----------
    variables : state variables, or "output"
    neurons : addresses in the flattened population, in the order in which they are wanted; None: all
    every : a row is kept after step k where k is a multiple of this; k counts from the start of the network's time, so
        that chunks of a run give the rows of the whole run. Row k is the state at (k + 1) dt

    Examples
    --------
    >>> Record("v", every=10).steps(first=25, n=20).tolist()
    [30, 40]
    """

    variables: tuple[str, ...]
    neurons: Any = None
    every: int = 1

    def __post_init__(self) -> None:
        names = (self.variables,) if isinstance(self.variables, str) else tuple(self.variables)
        object.__setattr__(self, "variables", names)
        if self.neurons is not None:
            neurons = np.array(self.neurons, ndmin=1)
            neurons.flags.writeable = False
            object.__setattr__(self, "neurons", neurons)

    @staticmethod
    def of(value: Record | str | Sequence[str]) -> Record:
        """Return what `run(record=)` was given for a population as a Record."""
        return value if isinstance(value, Record) else Record(value)  # type: ignore[arg-type]

    @property
    def is_whole(self) -> bool:
        """Whether every neuron is kept at every step."""
        return self.neurons is None and self.every == 1

    def steps(self, first: int, n: int) -> NDArray[np.int64]:
        """Return the steps behind which a row is kept, of `n` steps from `first` on."""
        start = -(-first // self.every) * self.every
        return np.arange(start, first + n, self.every, dtype=np.int64)

    def rows(self, first: int, n: int) -> int:
        """Return how many rows `n` steps from `first` on give."""
        return -(-(first + n) // self.every) - -(-first // self.every)

    def width(self, population_size: int) -> int:
        """Return how many neurons are kept, of a population of this size."""
        return population_size if self.neurons is None else len(self.neurons)

    def pick(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the neurons that are kept, of values whose last axis is the population."""
        return values if self.neurons is None else values[..., self.neurons]

    def with_variable(self, variable: str) -> Record:
        """Return the record with one more variable, or itself."""
        if variable in self.variables:
            return self
        return Record((*self.variables, variable), self.neurons, self.every)


def check_record(network: Network, wanted: Mapping[str, Record], problems: Problems) -> None:
    """Note what is wrong with what `run(record=)` asks for."""
    for name, record in wanted.items():
        where = f"record[{name!r}]"
        if name not in network.populations:
            problems.add(where, "no such population", expected=", ".join(network.populations))
            continue
        population = network.populations[name]
        known = (*population.model.state, "output")
        for variable in record.variables:
            if variable not in known:
                problems.add(where, f"no variable {variable!r}", expected=", ".join(known))
        if len(set(record.variables)) < len(record.variables):
            problems.add(where, "names a variable twice", found=", ".join(record.variables))
        every = record.every
        if not isinstance(every, int | np.integer) or isinstance(every, bool) or every < 1:
            problems.add(
                f"{where}.every", "not a number of steps", found=every, expected="1 or more"
            )
        neurons = record.neurons
        if neurons is None:
            continue
        if neurons.dtype.kind not in "iu" or neurons.ndim != 1:
            problems.add(
                f"{where}.neurons",
                "not addresses",
                found=f"{neurons.dtype} {neurons.shape}",
                expected=f"whole numbers, 0 to {population.n - 1}",
            )
        elif neurons.size == 0:
            problems.add(f"{where}.neurons", "names no neuron", cure="leave it out for all")
        elif neurons.min() < 0 or neurons.max() >= population.n:
            bad = neurons[(neurons < 0) | (neurons >= population.n)][0]
            problems.add(
                f"{where}.neurons", "no such neuron", found=bad, expected=f"0 to {population.n - 1}"
            )
        elif len(np.unique(neurons)) < len(neurons):
            problems.add(f"{where}.neurons", "names a neuron twice")
