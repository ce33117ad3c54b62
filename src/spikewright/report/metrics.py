"""What a run did, counted from a Recording: the definitions of NeuroBench, without its harness.

Notation: B samples, T steps. Synaptic operations are counted at projections that have weights (dense, sparse,
convolution, composed), not at pooling, scaling or one-to-one maps; biases are never counted.

Source
------
NeuroBench harness 2.3.0, metrics as coded; Yik et al., "The NeuroBench framework for benchmarking neuromorphic
computing algorithms and systems", Nat. Commun. 16, 2025.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from spikewright.engines.recording import Recording
from spikewright.errors import EngineError, explain
from spikewright.network.graph import Network

NOT_COUNTED = frozenset({"one_to_one", "scale", "flatten", "sum_pool", "avg_pool"})


@dataclass(frozen=True)
class SynapticOperations:
    """Operations per inference.

    Parameters
    ----------
    accumulates : weights that are not zero, reached in steps where every value sent was -1, 0 or 1
    multiplies : the same, in steps where some value was another one
    dense : every weight at every step
    """

    accumulates: float
    multiplies: float
    dense: float

    @property
    def effective(self) -> float:
        """Both kinds together."""
        return self.accumulates + self.multiplies


@dataclass(frozen=True)
class Activity:
    """How much a network did per inference.

    Parameters
    ----------
    spikes : spikes of all populations but the inputs
    input_spikes : what entered
    operations : synaptic operations
    updates : neuron updates, populations without state left out
    activation_sparsity : share of neuron steps without a spike, 0 to 1
    connection_sparsity : share of weights that are zero, 0 to 1
    footprint : bytes of parameters and state
    """

    spikes: float
    input_spikes: float
    operations: SynapticOperations
    updates: float
    activation_sparsity: float
    connection_sparsity: float
    footprint: int


def accuracy(predicted: ArrayLike, labels: ArrayLike) -> float:
    """Return the share of samples whose prediction is the label, 0 to 1.

    Raises
    ------
    EngineError : the two differ in length, or are empty

    Examples
    --------
    >>> accuracy([1, 2, 2, 0], [1, 2, 0, 0])
    0.75
    """
    a, b = np.asarray(predicted).ravel(), np.asarray(labels).ravel()
    if a.size != b.size or not a.size:
        raise EngineError(explain("accuracy", "one prediction per label", found=(a.size, b.size)))
    return float(np.mean(a == b))


def agreement(recording: Recording, reference: Recording) -> float:
    """Return how alike two runs' output spike counts are: 1 where all are equal, 0 where none are shared.

    It is 1 - sum |a - b| / sum (a + b) over samples and output neurons.

    Raises
    ------
    EngineError : outputs or number of samples differ
    """
    apart = both = 0
    for name in reference.network.outputs:
        if name not in recording.sent or recording.sent[name].shape != reference.sent[name].shape:
            raise EngineError(
                explain(
                    "agreement",
                    f"output {name!r} is not the same population in both runs",
                    found=getattr(recording.sent.get(name), "shape", "nothing"),
                    expected=reference.sent[name].shape,
                )
            )
        a, b = recording.sent[name], reference.sent[name]
        apart += int(np.abs(a - b).sum())
        both += int((a + b).sum())
    return 1.0 - apart / both if both else 1.0


def spikes(recording: Recording, *, inputs: bool = False) -> float:
    """Return the spikes per inference, of the inputs or of everything else that fires."""
    network = recording.network
    names = (
        network.inputs
        if inputs
        else [n for n, p in network.populations.items() if p.model.is_spiking]
    )
    return sum(float(recording.sent[n].sum()) for n in names) / recording.batch


def synaptic_operations(recording: Recording, *, batch: int | None = None) -> SynapticOperations:
    """Count synaptic operations.

    Parameters
    ----------
    recording : a run
    batch : how many samples decide together whether a step multiplies, as in the harness; default: each by itself

    Source
    ------
    NeuroBench harness 2.3.0, SynapticOperations
    """
    network, steps = recording.network, recording.steps
    adds = multiplies = dense = 0.0
    for projection in network.projections.values():
        if projection.topology.kind in NOT_COUNTED:
            continue
        pre = projection.pre
        synapses = projection.topology.synapses(network.populations[pre].shape)
        dense += float(synapses.n) * steps
        fan_out = synapses.effective_fan_out()
        total = float((recording.sent[pre] @ fan_out).sum()) / recording.batch
        found = recording.spikes.get(pre)
        if found is None or found.value is None:
            graded = network.populations[pre].model.is_graded
            adds, multiplies = (adds, multiplies + total) if graded else (adds + total, multiplies)
            continue
        group = found.sample // (batch or 1)
        place = found.step * (recording.batch + 1) + group
        analog = np.unique(place[~np.isin(found.value, (-1, 0, 1))])
        slow = np.isin(place, analog)
        moved = float(fan_out[found.address[slow]].sum()) / recording.batch
        multiplies += moved
        adds += total - moved
    return SynapticOperations(adds, multiplies, dense)


def activation_sparsity(recording: Recording) -> float:
    """Return the share of (step, neuron) pairs of spiking populations without a spike; 1 where nothing spikes."""
    network = recording.network
    names = [n for n, p in network.populations.items() if p.model.is_spiking]
    places = sum(network.populations[n].n for n in names) * recording.steps * recording.batch
    fired = sum(int(recording.sent[n].sum()) for n in names)
    return 1.0 - fired / places if places else 1.0


def connection_sparsity(network: Network) -> float:
    """Return the share of weights that are zero; 0 where there are none."""
    weights = [
        p.topology.weight
        for p in network.projections.values()
        if p.topology.kind not in NOT_COUNTED and p.topology.weight is not None
    ]
    size = sum(w.size for w in weights)
    return sum(int((w == 0).sum()) for w in weights) / size if size else 0.0


def footprint(network: Network, *, bytes_per_number: int = 4) -> int:
    """Return the bytes of weights, biases, per-neuron parameters (shared ones once) and state, zeros included."""
    numbers: int = network.n_weights
    numbers += sum(p.bias.size for p in network.projections.values() if p.bias is not None)
    for population in network.populations.values():
        numbers += sum(int(population.param(name).size) for name in population.model.params)
        numbers += len(population.model.state) * population.n
    return numbers * bytes_per_number


def activity(recording: Recording) -> Activity:
    """Return every count of a run, per inference."""
    network = recording.network
    with_state = [n for n, p in network.populations.items() if not p.model.is_transparent]
    return Activity(
        spikes(recording),
        spikes(recording, inputs=True),
        synaptic_operations(recording),
        float(sum(recording.updates(n) for n in with_state)),
        activation_sparsity(recording),
        connection_sparsity(network),
        footprint(network),
    )
