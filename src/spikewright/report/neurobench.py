"""NeuroBench's metrics, counted from recordings as its harness counts them from hooks on layers.

Notation: B samples, T steps. A population is a layer, a projection a connection layer. The harness runs a batch at a
time, and whether a connection layer accumulates or multiplies is decided per step and batch, so `batch` belongs to
the result. What a population sends is counted in the step that sends it, whenever it arrives.

Not here: NeuronOperations (the harness knows four classes of one library by name), CocoMap (object detection), and the
execution rate (which a submitter reports).

Source
------
NeuroBench harness 2.3.0, metrics as coded; Yik et al., "The NeuroBench framework for benchmarking neuromorphic
computing algorithms and systems", Nat. Commun. 16, 2025.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.engines.recording import Recording
from spikewright.errors import EngineError, explain
from spikewright.network import counted
from spikewright.network.graph import Network, Projection
from spikewright.report.metrics import SynapticOperations, accuracy

PLACES = 4
"""Decimal places that the harness rounds ConnectionSparsity to."""


@dataclass(frozen=True)
class NeuroBench:
    """The harness' metrics of one network on one set of samples.

    Parameters
    ----------
    parameter_count : weights and biases
    footprint : bytes of weights, biases, neuron parameters and state
    connection_sparsity : share of weights that are zero, rounded to 4 places
    activation_sparsity : share of (step, sample, neuron) at which an activation sent nothing; 0 without activations
    activation_sparsity_by_layer : the same per population
    synaptic_operations : per sample
    membrane_updates : per sample; None where no membranes were recorded
    classification_accuracy : share of right predictions; None without predictions
    """

    parameter_count: int
    footprint: int
    connection_sparsity: float
    activation_sparsity: float
    activation_sparsity_by_layer: Mapping[str, float]
    synaptic_operations: SynapticOperations
    membrane_updates: float | None
    classification_accuracy: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the metrics under the harness' names; those that could not be counted are left out."""
        operations = self.synaptic_operations
        found: dict[str, Any] = {
            "ParameterCount": self.parameter_count,
            "Footprint": self.footprint,
            "ConnectionSparsity": self.connection_sparsity,
            "ActivationSparsity": self.activation_sparsity,
            "ActivationSparsityByLayer": dict(self.activation_sparsity_by_layer),
            "SynapticOperations": {
                "Effective_MACs": operations.multiplies,
                "Effective_ACs": operations.accumulates,
                "Dense": operations.dense,
            },
        }
        if self.membrane_updates is not None:
            found["MembraneUpdates"] = self.membrane_updates
        if self.classification_accuracy is not None:
            found["ClassificationAccuracy"] = self.classification_accuracy
        return found


def membranes(network: Network) -> dict[str, tuple[str, ...]]:
    """Return what to record for `MembraneUpdates`: `run(..., record=membranes(network))`."""
    found = {}
    for name, population in network.populations.items():
        variable = counted.membrane(population.model)
        if population.model.is_spiking and variable is not None:
            found[name] = (variable,)
    return found


def measure(
    recordings: Recording | Iterable[Recording],
    *,
    batch: int | None = None,
    predicted: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    buffers: Mapping[str, int] | None = None,
    bytes_per_number: int = 4,
) -> NeuroBench:
    """Return every metric of a network's runs.

    Parameters
    ----------
    recordings : runs of one network on different samples, with all spikes kept
    batch : samples that the harness would run together; default: those of a recording
    predicted, labels : one class per sample
    buffers : population -> bytes that a framework holds for it; default: neuron parameters and state
    bytes_per_number : of weights, biases, parameters and state

    Raises
    ------
    EngineError : nothing was run, spikes were not kept, or predictions and labels differ in length

    Examples
    --------
    >>> from spikewright.engines import run
    >>> from spikewright.network import LIF, Dense, Input, Network, Population, Projection
    >>> net = Network(
    ...     dt=1e-3,
    ...     populations={"in": Population(Input, 3), "out": Population(LIF, 2)},
    ...     projections={"w": Projection("in", "out", Dense([[2.0, 0.0, 0.0], [0.0, 0.0, 0.5]]))})
    >>> recording = run(net, {"in": np.ones((4, 1, 3))}, engine="reference", record=membranes(net))
    >>> measure(recording).synaptic_operations
    SynapticOperations(accumulates=8.0, multiplies=0.0, dense=24.0)
    """
    runs = [recordings] if isinstance(recordings, Recording) else list(recordings)
    if not runs:
        raise EngineError(explain("neurobench", "needs at least one recording"))
    network = runs[0].network
    by_layer, overall = activation_sparsity(runs)
    recorded = all(set(membranes(network)) <= set(r.traces) for r in runs)
    right = None
    if predicted is not None or labels is not None:
        right = accuracy(
            np.zeros(0) if predicted is None else predicted,
            np.zeros(0) if labels is None else labels,
        )
    return NeuroBench(
        parameter_count(network),
        footprint(network, buffers=buffers, bytes_per_number=bytes_per_number),
        connection_sparsity(network),
        overall,
        by_layer,
        synaptic_operations(runs, batch=batch),
        membrane_updates(runs) if recorded else None,
        right,
    )


def choose_max_count(recording: Recording) -> NDArray[np.int64]:
    """Return the output with the most spikes, and among equals the one of lowest index, as the harness'
    post-processor does; (`events.argmax_count` prefers the one that spiked first)."""
    (name,) = recording.network.outputs
    return np.argmax(recording.dense(name).sum(0).reshape(recording.batch, -1), axis=1)


def parameter_count(network: Network) -> int:
    """Return the number of weights and biases; a list of synapses counts as the matrix it stands for.

    Weights of one-to-one maps are parameters, though no synapses.
    """
    total = 0
    for projection in network.written_out().projections.values():
        total += sum(n for n, _ in _weights(network, projection))
        for part in counted.maps(projection.topology):
            wire = not isinstance(part, counted.SYNAPTIC) and part.weight is not None
            total += int(np.size(part.weight)) if wire else 0
        bias = counted.stored_bias(projection)
        total += 0 if bias is None else int(bias.size)
    return total


def footprint(
    network: Network, *, buffers: Mapping[str, int] | None = None, bytes_per_number: int = 4
) -> int:
    """Return the bytes of weights and biases, and of neuron parameters (shared ones once) and one sample's state.

    Parameters
    ----------
    network : any
    buffers : population -> bytes in place of its parameters and state
    bytes_per_number : of each
    """
    total = parameter_count(network) * bytes_per_number
    for name, population in network.populations.items():
        if buffers is not None and name in buffers:
            total += buffers[name]
            continue
        numbers = sum(int(population.param(p).size) for p in population.model.params)
        total += (numbers + len(population.model.state) * population.n) * bytes_per_number
    return total


def connection_sparsity(network: Network) -> float:
    """Return the share of weights that are zero, rounded to 4 places; 0 where there are none."""
    size = zeros = 0
    for projection in network.written_out().projections.values():
        for n, filled in _weights(network, projection):
            size += n
            zeros += n - filled
    return round(zeros / size, PLACES) if size else 0.0


def activation_sparsity(recordings: Iterable[Recording]) -> tuple[dict[str, float], float]:
    """Return the share of activations that are zero, per population that fires or bends, and of all of them."""
    sent: dict[str, int] = {}
    size: dict[str, int] = {}
    for recording in recordings:
        for name, population in recording.network.populations.items():
            if counted.is_activation(population.model):
                sent[name] = sent.get(name, 0) + int(recording.sent[name].sum())
                numbers = population.n * recording.steps * recording.batch
                size[name] = size.get(name, 0) + numbers
    by_layer = {n: (size[n] - sent[n]) / size[n] for n in size}
    total = sum(size.values())
    return by_layer, (total - sum(sent.values())) / total if total else 0.0


def synaptic_operations(
    recordings: Iterable[Recording], *, batch: int | None = None
) -> SynapticOperations:
    """Count, per sample, the weights that are not zero and are reached by something that is not zero.

    Where several maps make a projection, each map with weights is counted by what reaches it: behind an average pool
    that is no longer a spike.

    Parameters
    ----------
    recordings : runs with all spikes kept
    batch : samples that together decide whether a step multiplies; default: those of a recording
    """
    adds = multiplies = dense = samples = 0
    for recording in recordings:
        network = recording.network.written_out()
        samples += recording.batch
        for projection in network.projections.values():
            maps = counted.maps(projection.topology)
            wanted = [isinstance(m, counted.SYNAPTIC) for m in maps]
            if not any(wanted):
                continue
            shape = network.populations[projection.pre].shape
            x = recording.dense(projection.pre)
            for place, part in enumerate(maps):
                if wanted[place]:
                    ops, slow = _reached(x, counted.fan_out(part, shape), batch)
                    multiplies += int(ops[slow].sum())
                    adds += int(ops[~slow].sum())
                    dense += counted.places(part, shape) * recording.steps * recording.batch
                if not any(wanted[place + 1 :]):
                    break
                x, shape = part.apply(x, shape), part.out_shape(shape)
    return SynapticOperations(adds / samples, multiplies / samples, dense / samples)


def membrane_updates(recordings: Iterable[Recording]) -> float:
    """Count, per sample, the membranes that changed in a step; in the first step all count.

    Raises
    ------
    EngineError : the membranes were not recorded
    """
    updates = samples = 0
    for recording in recordings:
        samples += recording.batch
        for name, (variable,) in membranes(recording.network).items():
            record = recording.rows.get(name)
            if record is not None and not record.is_whole:
                raise EngineError(
                    explain(
                        f"recording.traces[{name!r}]",
                        "only some neurons or steps were kept",
                        cure="run with record=membranes(network)",
                    )
                )
            trace = recording.trace(name, variable)
            updates += trace[0].size + int(np.count_nonzero(trace[1:] != trace[:-1]))
    return updates / samples


def mse(predicted: ArrayLike, target: ArrayLike) -> float:
    """Return the mean squared error."""
    p, y = _pair("MSE", predicted, target)
    return float(np.mean((p - y) ** 2))


def smape(predicted: ArrayLike, target: ArrayLike) -> float:
    """Return the symmetric mean absolute percentage error, 0 to 200; 200 where one place is 0 / 0, as the harness says.

    Examples
    --------
    >>> round(smape([1.0, 2.0], [1.0, 3.0]), 6)
    20.0
    """
    p, y = _pair("SMAPE", predicted, target)
    with np.errstate(invalid="ignore"):
        found = 200.0 * float(np.mean(np.abs(p - y) / (np.abs(p) + np.abs(y))))
    return 200.0 if np.isnan(found) else found


def r2(predicted: ArrayLike, target: ArrayLike) -> float:
    """Return the mean of the coefficients of determination of two outputs, from arrays (sample, 2)."""
    p, y = _pair("R2", predicted, target)
    if y.ndim != 2 or y.shape[1] != 2:
        raise EngineError(explain("R2", "needs two outputs", found=y.shape, expected="(n, 2)"))
    apart = ((p - y) ** 2).sum(0)
    spread = ((y - y.mean(0)) ** 2).sum(0)
    return float(np.mean(1.0 - apart / spread))


def _weights(network: Network, projection: Projection) -> list[tuple[int, int]]:
    shape, found = network.populations[projection.pre].shape, []
    for part in counted.maps(projection.topology):
        if isinstance(part, counted.SYNAPTIC):
            found.append(counted.weights(part, shape))
        shape = part.out_shape(shape)
    return found


def _reached(
    x: NDArray[Any], fan_out: NDArray[np.int64], batch: int | None
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the weights that `x`, T B *shape, reaches, and whether they multiply, both (T, B)."""
    flat = x.reshape(*x.shape[:2], -1)
    analog = np.any((flat != 0) & (np.abs(flat) != 1), axis=2)
    size = batch or x.shape[1]
    for low in range(0, x.shape[1], size):
        together = analog[:, low : low + size]
        together[:] = together.any(axis=1, keepdims=True)
    return (flat != 0) @ fan_out, analog


def _pair(
    name: str, predicted: ArrayLike, target: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, y = np.asarray(predicted, np.float64), np.asarray(target, np.float64)
    if p.shape != y.shape or not p.size:
        raise EngineError(
            explain(name, "one prediction per target", found=p.shape, expected=y.shape)
        )
    return p, y
