"""A compiled network on ODIN event by event, and how a run on an engine differs from it.

Order of a step: the time reference (leak of all neurons), then the events of the step by ascending source, inputs
first: those of inhibitory rows, then those of excitatory rows, each to all neurons. A neuron fires as soon as an event
takes it to its threshold, perhaps several times in a step. Spikes are sent back in the next step (the chip's open-loop
mode: the host returns them).

The engine differs in what a spike leaves behind: the chip starts again from 0, the engine from a mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikewright.engines.recording import Recording
from spikewright.errors import SubstrateError, explain
from spikewright.substrates.base import Compiled
from spikewright.substrates.odin.model import MEMBRANE_MAX


@dataclass(frozen=True)
class Replay:
    """A run repeated in the chip's order.

    Parameters
    ----------
    spikes : population -> spikes per step, `T B *shape`
    differing : spike counts of all neurons, samples and steps in which engine and chip differ
    floored, full : events that met a voltage of 0, or of 255, and were clipped
    """

    spikes: dict[str, NDArray[np.int64]]
    differing: int
    floored: int
    full: int

    def __str__(self) -> str:
        return (
            f"{self.differing} spike counts differ from the engine's; clipped: {self.floored} events at 0, "
            f"{self.full} at 255"
        )


def replay(compiled: Compiled, recording: Recording) -> Replay:
    """Run what entered a recording through the crossbar, event by event.

    Parameters
    ----------
    recording : a run of `compiled.network` from its start, with the spikes of all populations

    Raises
    ------
    SubstrateError : an input that is no number of events
    """
    network = compiled.network
    neurons = [n for n in network.populations if n not in network.inputs]
    place: dict[str, slice] = {}
    for group in (network.inputs, neurons):
        start = 0
        for name in group:
            place[name] = slice(start, start + network.populations[name].n)
            start = place[name].stop
    n_in = sum(network.populations[n].n for n in network.inputs)
    n = sum(network.populations[name].n for name in neurons)
    weight = np.zeros((2, n_in + n, n), np.int64)
    for name, p in network.projections.items():
        pre = place[p.pre]
        shift = 0 if p.pre in network.inputs else n_in
        row = int(network.port_of(name) == "exc")
        values = np.asarray(p.topology.weight).T * (1 if row else -1)
        weight[row, pre.start + shift : pre.stop + shift, place[p.post]] = values
    shape = (recording.steps, recording.batch, -1)
    empty = np.zeros((*shape[:2], 0), np.int64)
    given = np.concatenate(
        [empty, *(recording.dense(m).reshape(shape) for m in network.inputs)], axis=2
    )
    events = given.astype(np.int64)
    if events.min(initial=0) < 0 or not np.array_equal(events, given):
        raise SubstrateError(
            explain(
                "odin: events",
                "not a number of events",
                found=f"{given.min():g} to {given.max():g}",
                expected="0, 1, ...",
            )
        )
    params = np.stack([_joined(network, neurons, q) for q in ("leak", "v_th")])
    spikes = np.zeros((*shape[:2], n), np.int64)
    clipped = np.zeros(2, np.int64)
    _run(events, weight, params, spikes, clipped)
    found = {
        m: spikes[:, :, place[m]].reshape(*shape[:2], *network.populations[m].shape)
        for m in neurons
    }
    differing = sum(np.count_nonzero(found[m] != recording.dense(m)) for m in neurons)
    return Replay(found, int(differing), int(clipped[0]), int(clipped[1]))


def _joined(network: Any, names: list[str], param: str) -> NDArray[np.int64]:
    parts = [np.zeros(0, np.int64)]
    for n in names:
        p = network.populations[n]
        parts.append(np.broadcast_to(p.param(param), p.shape).ravel())
    return np.concatenate(parts)


@njit(cache=True, nogil=True, error_model="numpy")
def _run(events, weight, params, spikes, clipped):  # type: ignore[no-untyped-def]
    steps, batch, n = spikes.shape
    n_in = events.shape[2]
    for b in range(batch):
        v = np.zeros(n, np.int64)
        for t in range(steps):
            for j in range(n):
                v[j] = max(v[j] - params[0, j], 0)
            for row in range(2):
                for source in range(n_in + n):
                    count = 0
                    if source < n_in:
                        count = events[t, b, source]
                    elif t > 0:
                        count = spikes[t - 1, b, source - n_in]
                    for _ in range(count):
                        _event(weight[row, source], params[1], v, spikes[t, b], clipped)


@njit(cache=True, nogil=True, error_model="numpy")
def _event(weight, threshold, v, fired, clipped):  # type: ignore[no-untyped-def]
    for j in range(len(v)):
        u = v[j] + weight[j]
        if u < 0:
            clipped[0] += 1
            u = 0
        elif u > MEMBRANE_MAX:
            clipped[1] += 1
            u = MEMBRANE_MAX
        if weight[j] != 0 and u >= threshold[j]:
            fired[j] += 1
            u = 0
        v[j] = u
