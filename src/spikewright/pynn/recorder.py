"""What of a population is recorded, and what has been: segment by segment, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EngineError, explain
from spikewright.pynn.data import Block, Segment, analog_signal, spike_train


@dataclass
class Piece:
    """One variable of some neurons, without a gap: row r is of step `first + r * every`."""

    first: int
    every: int
    neurons: NDArray[np.int64]
    rows: list[NDArray[np.float64]]
    end: int


class Recorder:
    """Collects the spikes and traces of one population.

    Parameters
    ----------
    population : whose they are
    """

    def __init__(self, population: Any) -> None:
        self.population = population
        self.wanted: dict[str, NDArray[np.bool_]] = {}
        self.every = 1
        self.segments: list[dict[str, list[Any]]] = [{}]
        self.stops: list[int] = [0]

    # -- what is wanted --------------------------------------------------------------------------------

    def want(self, variables: Any, index: NDArray[np.int64], interval: float | None) -> None:
        """Note that variables of some neurons are to be recorded; None: nothing any more."""
        if variables is None:
            self.wanted = {}
            return
        population = self.population
        cell, dt = population.celltype, population.simulation.dt
        names = [variables] if isinstance(variables, str) else list(variables)
        for name in names:
            if name not in cell.recordable:
                raise EngineError(
                    explain(
                        f"record({name!r})",
                        f"{type(cell).__name__} has no such variable",
                        expected=", ".join(cell.recordable),
                    )
                )
        if interval is not None:
            every = round(interval / dt)
            if every < 1 or abs(every * dt - interval) > 1e-6 * dt:
                raise EngineError(
                    explain(
                        "record(sampling_interval=)",
                        "not a multiple of the time step",
                        found=f"{interval:g} ms",
                        expected=f"a multiple of {dt:g} ms",
                    )
                )
            if any(n != "spikes" for n in self.wanted) and every != self.every:
                raise EngineError(
                    explain(
                        "record(sampling_interval=)",
                        "other variables of the population are sampled otherwise",
                        found=f"{interval:g} ms",
                        expected=f"{self.every * dt:g} ms",
                        cure="call record(None) first",
                    )
                )
            self.every = every
        for name in names:
            self.wanted.setdefault(name, np.zeros(population.size, bool))[index] = True

    @property
    def traces(self) -> list[str]:
        """Names of the variables that are recorded."""
        return [name for name in self.wanted if name != "spikes"]

    @property
    def neurons(self) -> NDArray[np.int64]:
        """Those of which any variable is recorded."""
        masks = [self.wanted[name] for name in self.traces]
        return np.flatnonzero(np.logical_or.reduce(masks)) if masks else np.zeros(0, np.int64)

    @property
    def wants_spikes(self) -> bool:
        """Whether spikes are recorded."""
        return "spikes" in self.wanted

    # -- what was recorded -----------------------------------------------------------------------------

    def new_segment(self) -> None:
        """Begin a new segment."""
        self.segments.append({})
        self.stops.append(0)

    def begin(self, simulation: Any) -> None:
        """Open a piece for each variable, with the state of now as its first row, where none goes on."""
        step = simulation.step
        for name in self.traces:
            neurons = np.flatnonzero(self.wanted[name])
            pieces = self.segments[-1].setdefault(name, [])
            if (
                pieces
                and pieces[-1].end == step
                and pieces[-1].every == self.every
                and np.array_equal(pieces[-1].neurons, neurons)
            ):
                continue
            first = -(-step // self.every) * self.every
            rows = [self.population.now(name)[None, neurons]] if first == step else []
            pieces.append(Piece(first, self.every, neurons, rows, step))

    def take(self, recording: Any, first: int, simulation: Any) -> None:
        """Keep what a run of the engine left, that began with step `first`."""
        population, end = self.population, simulation.step
        neurons = self.neurons
        for name in self.traces:
            ours, factor = population.celltype.variables[name]
            trace = recording.traces[population.name][ours][:, 0]
            piece = self.segments[-1][name][-1]
            # row r is the state at the end of step first + r
            chosen = (np.arange(first, end) + 1) % self.every == 0
            column = np.searchsorted(neurons, piece.neurons)
            piece.rows.append(trace[np.ix_(chosen, column)] / factor)
            piece.end = end
        if self.wants_spikes:
            time, address = recording.times(population.name)
            value = recording.spikes[population.name].value
            if value is not None:
                repeated = np.rint(value).astype(np.int64)
                time, address = np.repeat(time, repeated), np.repeat(address, repeated)
            kept = self.wanted["spikes"][address]
            self.segments[-1].setdefault("spikes", []).append((time[kept] * 1e3, address[kept]))
        self.stops[-1] = end

    def spikes(self, segment: int = -1) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return times in ms and addresses of a segment's spikes, in the order of time."""
        pieces = self.segments[segment].get("spikes", [])
        times = np.concatenate([np.zeros(0), *(t for t, _ in pieces)])
        address = np.concatenate([np.zeros(0, np.int64), *(a for _, a in pieces)])
        return times, address

    def block(self, variables: Any, index: NDArray[np.int64], label: str) -> Block:
        """Return what was recorded of some neurons."""
        population = self.population
        dt = population.simulation.dt
        names = self._chosen(variables)
        made = Block(label, population.notes() | {"label": label})
        for k, segment in enumerate(self.segments):
            own = Segment(f"segment{k:03d}", {})
            stop = self.stops[k] * dt
            for name in names:
                if name == "spikes":
                    if "spikes" in segment or "spikes" in self.wanted:
                        own.spiketrains = self._trains(k, index, stop)
                    continue
                for piece in segment.get(name, []):
                    signal = self._signal(name, piece, index, dt)
                    if signal is not None:
                        own.analogsignals.append(signal)
            made.segments.append(own)
        return made

    def clear(self) -> None:
        """Forget what was recorded; what is wanted stays."""
        self.segments, self.stops = [{}], [self.stops[-1]]

    def _chosen(self, variables: Any) -> list[str]:
        recorded = dict.fromkeys([*self.wanted, *(n for s in self.segments for n in s)])
        if variables is None or variables == "all":
            return list(recorded)
        names = [variables] if isinstance(variables, str) else list(variables)
        for name in names:
            if name not in self.population.celltype.recordable:
                raise EngineError(
                    explain(
                        f"get_data({name!r})",
                        f"{type(self.population.celltype).__name__} has no such variable",
                        expected=", ".join(self.population.celltype.recordable),
                    )
                )
        return [name for name in names if name in recorded]

    def _trains(self, segment: int, index: NDArray[np.int64], stop: float) -> list[Any]:
        time, address = self.spikes(segment)
        order = np.argsort(address, kind="stable")
        time, address = time[order], address[order]
        mask = self.wanted.get("spikes", np.zeros(self.population.size, bool)).copy()
        mask[address] = True
        position = {int(neuron): k for k, neuron in enumerate(index)}
        made = []
        for neuron in index[mask[index]]:
            lo, hi = np.searchsorted(address, [neuron, neuron + 1])
            notes = {
                "source_population": self.population.label,
                "source_id": int(self.population.ids[neuron]),
                "channel_id": int(self.population.ids[neuron]),
                "source_index": position[int(neuron)],
            }
            made.append(
                spike_train(time[lo:hi], max(stop, time[hi - 1] if hi > lo else 0.0), notes)
            )
        return made

    def _signal(self, name: str, piece: Piece, index: NDArray[np.int64], dt: float) -> Any:
        column = {int(neuron): k for k, neuron in enumerate(piece.neurons)}
        chosen = [(k, column[int(n)]) for k, n in enumerate(index) if int(n) in column]
        if not chosen or not piece.rows:
            return None
        positions, columns = (np.array(x) for x in zip(*chosen, strict=True))
        values = np.concatenate(piece.rows)[:, columns]
        ids = self.population.ids[piece.neurons[columns]]
        notes = {"source_population": self.population.label, "source_ids": ids}
        return analog_signal(
            np.ascontiguousarray(values),
            name,
            self.population.celltype.units.get(name, ""),
            piece.every * dt,
            piece.first * dt,
            positions,
            notes,
        )
