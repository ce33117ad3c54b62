"""What a run leaves: spikes, traces, and the counts that every cost is computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EngineError, explain
from spikewright.events import Events
from spikewright.network.graph import Network


@dataclass(frozen=True)
class Spikes:
    """What one population sent, one entry per (step, sample, neuron), sorted in that order.

    Parameters
    ----------
    step, sample, address : int64 (n,)
    value : float64 or int64 (n,), or None where every spike is 1
    """

    step: NDArray[np.int64]
    sample: NDArray[np.int64]
    address: NDArray[np.int64]
    value: NDArray[Any] | None = None

    @property
    def n(self) -> int:
        """Number of spikes."""
        return len(self.step)


@dataclass(frozen=True)
class State:
    """Everything an engine needs to go on: pass it to the next run.

    Parameters
    ----------
    step : the next step
    values : population -> variable -> (B, n)
    waiting : population -> refractory counters, int64 (B, n)
    pending : (population, port) -> arrivals by step modulo its length, (L, B, n)
    """

    step: int
    values: Mapping[str, Mapping[str, NDArray[Any]]]
    waiting: Mapping[str, NDArray[np.int64]]
    pending: Mapping[tuple[str, str], NDArray[Any]]


@dataclass(frozen=True)
class Recording:
    """What a run leaves.

    Parameters
    ----------
    network : the network that ran
    engine : name of the engine
    steps, batch : number of steps and samples
    seed : the seed of its random variables
    spikes : population -> Spikes, for every population that was recorded
    traces : population -> variable (or "output") -> array T B *shape
    sent : population -> int64 (B, n), how often each neuron sent something that is not zero
    activity : population -> int64 (T, B), how many neurons did so in each step
    state : where it ended
    """

    network: Network
    engine: str
    steps: int
    batch: int
    seed: int
    spikes: Mapping[str, Spikes]
    traces: Mapping[str, Mapping[str, NDArray[Any]]]
    sent: Mapping[str, NDArray[np.int64]]
    activity: Mapping[str, NDArray[np.int64]]
    state: State
    _operations: dict[str, NDArray[np.int64]] = field(default_factory=dict, repr=False)

    @property
    def duration(self) -> float:
        """Seconds of network time."""
        return self.steps * self.network.dt

    def dense(self, population: str) -> NDArray[Any]:
        """Return what a population sent as an array `T B *shape`.

        Raises
        ------
        EngineError : it was not recorded
        """
        shape = self.network.populations[population].shape
        if population in self.spikes:
            spikes = self.spikes[population]
            dtype = np.float64 if spikes.value is None else spikes.value.dtype
            out = np.zeros((self.steps, self.batch, int(np.prod(shape))), dtype)
            value = 1 if spikes.value is None else spikes.value
            out[spikes.step, spikes.sample, spikes.address] = value
            return out.reshape(self.steps, self.batch, *shape)
        return self.trace(population, "output")

    def trace(self, population: str, variable: str) -> NDArray[Any]:
        """Return a recorded variable as an array `T B *shape`.

        Raises
        ------
        EngineError : it was not recorded
        """
        try:
            return self.traces[population][variable]
        except KeyError:
            raise EngineError(
                explain(
                    f"recording.traces[{population!r}]",
                    f"{variable!r} was not recorded",
                    expected=", ".join(self.traces.get(population, ())) or "nothing",
                    cure=f"run with record={{{population!r}: ({variable!r},)}}",
                )
            ) from None

    def events(self, population: str, sample: int = 0) -> Events:
        """Return one sample's spikes of a population as Events with one tick per step.

        Raises
        ------
        EngineError : they were not kept
        """
        if population not in self.spikes:
            raise EngineError(
                explain(
                    f"recording.spikes[{population!r}]",
                    "spikes were not kept",
                    expected=", ".join(self.spikes) or "none",
                    cure="name it in run(spikes=)",
                )
            )
        spikes = self.spikes[population]
        chosen = spikes.sample == sample
        value = None if spikes.value is None else spikes.value[chosen].astype(np.float64)
        return Events(
            spikes.step[chosen],
            spikes.address[chosen],
            self.network.populations[population].shape,
            tick=self.network.dt,
            value=value,
        )

    def count(self, population: str) -> NDArray[np.int64]:
        """Return how often each neuron sent, `B *shape`."""
        return self.sent[population].reshape(
            self.batch, *self.network.populations[population].shape
        )

    def updates(self, population: str) -> int:
        """Return the neuron updates of one sample."""
        return self.steps * self.network.populations[population].n

    def operations(self, projection: str) -> NDArray[np.int64]:
        """Return the synaptic operations of a projection, (B,): non-zero synapses reached by what was sent."""
        if projection not in self._operations:
            found = self.network.projections[projection]
            pre = self.network.populations[found.pre].shape
            fan_out = found.topology.synapses(pre).effective_fan_out()
            self._operations[projection] = self.sent[found.pre] @ fan_out
        return self._operations[projection]
