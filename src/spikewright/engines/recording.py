"""What a run leaves: spikes, traces, and the counts that every cost is computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.decay import decay_of
from spikewright.engines.record import Record
from spikewright.errors import EngineError, explain
from spikewright.events import Events
from spikewright.network.connectivity.recipe import Recipe
from spikewright.network.fingerprint import fingerprint
from spikewright.network.graph import Network


@dataclass(frozen=True)
class Spikes:
    """What one population sent, one entry per (step, sample, neuron), sorted in that order.

    Parameters
    ----------
    step, sample, address : int64 (n,)
    value : float64 or int64 (n,), or None where every spike is 1
    time : float64 (n,), s from the start of the network's time: of engines without a clock, else None. There a neuron
        may have several spikes in a step; they stand in the order of their times
    """

    step: NDArray[np.int64]
    sample: NDArray[np.int64]
    address: NDArray[np.int64]
    value: NDArray[Any] | None = None
    time: NDArray[np.float64] | None = None

    @property
    def n(self) -> int:
        """Number of spikes."""
        return len(self.step)


@dataclass(frozen=True)
class SynapseState:
    """What the synapses of one projection with a rule hold; see docs/concepts/synapses.md.

    Values are as they were at the step that stands beside them: 0, or that of the last event. Steps count from the
    first step of the first run.

    Parameters
    ----------
    values : "w" and state variables -> float64 (B, n), in the order of the topology's synapses
    touched : step of `values`, int64 (B, n); (B, 0) where none of them has dynamics
    pre : pre variable -> float64 (B, n_rows)
    arrived : step of `pre`, the row's last arrival, int64 (B, n_rows)
    post : post variable -> float64 (B, n_post)
    fired : step of `post`, the target's last post event, int64 (B, n_post); those that follow the neuron are of now
    underway : spikes of the source population that a row may still wait for: all those whose step of emission plus
        the projection's longest lag is not before the next step. `value` is None where every spike is 1
    """

    values: Mapping[str, NDArray[np.float64]]
    touched: NDArray[np.int64]
    pre: Mapping[str, NDArray[np.float64]]
    arrived: NDArray[np.int64]
    post: Mapping[str, NDArray[np.float64]]
    fired: NDArray[np.int64]
    underway: Spikes


@dataclass(frozen=True)
class Quiet:
    """Lazy neurons as they were last touched, so that a run that is cut has the bits of one that is not.

    Parameters
    ----------
    since : int64 (B, n), the step at whose beginning `values` are; -1: they are of now
    values : variable -> (B, n)
    pending : port -> arrivals by step modulo its length, (L, B, n), without those that `State.underway` leads to;
        left out where there are none
    of : the arrays of `State.values` and `State.pending` that this goes with: with others it does not hold
    """

    since: NDArray[np.int64]
    values: Mapping[str, NDArray[Any]]
    pending: Mapping[str, NDArray[Any]]
    of: tuple[NDArray[Any], ...] = field(repr=False, metadata={"saved": False})


@dataclass(frozen=True)
class State:
    """Everything an engine needs to go on: pass it to the next run.

    Parameters
    ----------
    step : the next step
    values : population -> variable -> (B, n)
    waiting : population -> refractory counters, int64 (B, n)
    pending : (population, port) -> arrivals by step modulo its length, (L, B, n)
    synapses : projection with a rule -> what its synapses hold
    quiet : population that was lazy -> its neurons as they were last touched; for lazy engines only
    underway : population that reaches lazy neurons -> its spikes that have not arrived; for lazy engines only. What
        they lead to is in `pending` too, with the weights of the network that sent them
    network : whose run `quiet` and `underway` are of; where they were read from a file, perhaps its fingerprint
    free : population -> time until which a neuron is refractory, s, (B, n); for engines without a clock, in place of
        `waiting`
    """

    step: int
    values: Mapping[str, Mapping[str, NDArray[Any]]]
    waiting: Mapping[str, NDArray[np.int64]]
    pending: Mapping[tuple[str, str], NDArray[Any]]
    synapses: Mapping[str, SynapseState] = field(default_factory=dict)
    quiet: Mapping[str, Quiet] = field(default_factory=dict)
    underway: Mapping[str, Spikes] = field(default_factory=dict)
    network: Network | str | None = field(default=None, repr=False, metadata={"saved": False})
    free: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def resting(self, network: Network) -> dict[str, Quiet]:
        """Return what holds of `quiet` in a run of `network`: nothing, where another network left it.

        `quiet` tells how neurons stand through closed forms, and `underway` what arrives through weights: both are of
        one network. Values and what is pending are numbers, and hold for every network that they fit.
        """
        if not self.quiet or self.network is None:
            return {}
        if isinstance(self.network, str):
            if fingerprint(network) != self.network:
                return {}
        elif not has_parts_of(network, self.network):
            return {}
        held = {n: plain_parts(n, self.values, self.pending) for n in self.quiet}
        return {
            n: found
            for n, found in self.quiet.items()
            if len(found.of) == len(held[n])
            and all(x is y for x, y in zip(found.of, held[n], strict=True))
        }


def plain_parts(
    population: str,
    values: Mapping[str, Mapping[str, NDArray[Any]]],
    pending: Mapping[tuple[str, str], NDArray[Any]],
) -> tuple[NDArray[Any], ...]:
    """Return the arrays of a population that its `Quiet` goes with."""
    arrivals = [x for (name, _), x in pending.items() if name == population]
    return (*values.get(population, {}).values(), *arrivals)


def has_parts_of(network: Network, other: Network) -> bool:
    """Return whether two networks are made of the very same parts, so that they run alike.

    Equal parts that were made twice are not looked for: to compare all weights before each run is too dear.
    """
    if network is other:
        return True
    for f in fields(Network):
        one, two = getattr(network, f.name), getattr(other, f.name)
        if f.name in ("name", "metadata"):
            continue
        if not isinstance(one, Mapping):
            if one != two:
                return False
        elif list(one) != list(two) or any(one[n] is not two[n] for n in one):
            return False
    return True


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
    traces : population -> variable (or "output") -> array T B *shape; where only some neurons or steps were kept,
        (rows, B, neurons): see `rows`
    sent : population -> int64 (B, n), how often each neuron sent something that is not zero
    activity : population -> int64 (T, B), how many neurons did so in each step
    state : where it ended
    rows : population -> which neurons and steps its traces are of; those not named are whole
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
    rows: Mapping[str, Record] = field(default_factory=dict)
    _operations: dict[str, NDArray[np.int64]] = field(default_factory=dict, repr=False)

    @property
    def duration(self) -> float:
        """Seconds of network time."""
        return self.steps * self.network.dt

    @property
    def first_step(self) -> int:
        """The step that it begins with, counted from the start of the network's time."""
        return self.state.step - self.steps

    def trace_steps(self, population: str) -> NDArray[np.int64]:
        """Return the steps behind which the rows of a population's traces were kept, from the run's first as 0."""
        record = self.rows.get(population, Record(()))
        return record.steps(self.first_step, self.steps) - self.first_step

    def trace_neurons(self, population: str) -> NDArray[np.int64]:
        """Return the addresses of the neurons that a population's traces are of."""
        record = self.rows.get(population, Record(()))
        found: NDArray[np.int64] = record.pick(np.arange(self.network.populations[population].n))
        return found

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
            if spikes.time is None:
                out[spikes.step, spikes.sample, spikes.address] = value
            else:
                np.add.at(out, (spikes.step, spikes.sample, spikes.address), value)
            return out.reshape(self.steps, self.batch, *shape)
        if population in self.rows and not self.rows[population].is_whole:
            raise EngineError(
                explain(
                    f"recording.traces[{population!r}]",
                    "only some neurons or steps were kept",
                    cure="use `trace`, `trace_steps` and `trace_neurons`",
                )
            )
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
        self._check_kept(population)
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

    def times(
        self, population: str, sample: int = 0
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return when and where the spikes of one sample were sent, in the order of time.

        An engine without a clock knows the instant. A clocked one knows the step k: the time is that of its stamp,
        (k + 1) dt, and of a population without state, through which values pass within the step, k dt.

        Returns
        -------
        (n,) s from the start of the network's time, and (n,) addresses in the flattened population

        Raises
        ------
        EngineError : they were not kept
        """
        self._check_kept(population)
        spikes = self.spikes[population]
        chosen = spikes.sample == sample
        if spikes.time is not None:
            time, address = spikes.time[chosen], spikes.address[chosen]
            order = np.lexsort((address, time))
            return time[order], address[order]
        late = 0 if self.network.populations[population].model.is_transparent else 1
        step = spikes.step[chosen] + (self.first_step + late)
        return step * self.network.dt, spikes.address[chosen]

    def _check_kept(self, population: str) -> None:
        if population not in self.spikes:
            raise EngineError(
                explain(
                    f"recording.spikes[{population!r}]",
                    "spikes were not kept",
                    expected=", ".join(self.spikes) or "none",
                    cure="name it in run(spikes=)",
                )
            )

    def count(self, population: str) -> NDArray[np.int64]:
        """Return how often each neuron sent, `B *shape`."""
        return self.sent[population].reshape(
            self.batch, *self.network.populations[population].shape
        )

    def rates(self) -> dict[str, NDArray[np.float64]]:
        """Return population -> spikes per second of each neuron, (n,), mean over the samples."""
        return {name: sent.mean(axis=0) / self.duration for name, sent in self.sent.items()}

    def updates(self, population: str) -> int:
        """Return the neuron updates of one sample."""
        return self.steps * self.network.populations[population].n

    def operations(self, projection: str) -> NDArray[np.int64]:
        """Return the synaptic operations of a projection, (B,): non-zero synapses reached by what was sent."""
        if projection not in self._operations:
            found = self.network.projections[projection]
            pre = self.network.populations[found.pre].shape
            fan_out = found.topology.effective_fan_out(pre)
            self._operations[projection] = self.sent[found.pre] @ fan_out
        return self._operations[projection]

    def learned(self) -> Network:
        """Return the network with the weights that its rules left.

        Raises
        ------
        EngineError : several samples ran, each with weights of its own
        """
        if self.batch != 1:
            raise EngineError(
                explain(
                    "recording.learned",
                    "every sample has weights of its own",
                    found=f"{self.batch} samples",
                    expected="1",
                    cure="run the samples one after the other, going on from `recording.state`",
                )
            )
        own = {n: self.network.projections[n] for n in self.state.synapses}
        if any(isinstance(p.topology, Recipe) for p in own.values()):
            own = {n: self.network.written_out().projections[n] for n in own}
        weights = {}
        for name, synapses in self.state.synapses.items():
            projection = own[name]
            topology = projection.topology
            pre = self.network.populations[projection.pre].shape
            value = synapses.values["w"][0]
            if projection.rule is not None and "w" in projection.rule.model.dynamics:
                decay = decay_of(projection.rule, "w", self.network.dt)
                value = decay.forward(value, self.state.step - synapses.touched[0])
            made = np.array(topology.weight, np.float64, order="C")
            made.reshape(-1)[topology.synapses(pre).entry] = value
            weights[name] = made
        return self.network.replacing(projections=own).with_weights(weights)
