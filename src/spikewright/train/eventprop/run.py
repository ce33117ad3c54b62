"""One event-based run of a batch, forward and backward, in chunks of samples over threads.

Chunks have the same samples whatever the number of threads, and what they give is added in their order: so is every
bit of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import TrainError, explain
from spikewright.train.eventprop import layer, queue, readout
from spikewright.train.eventprop.plan import Kind, Plan, Stage
from spikewright.train.eventprop.spikes import Spikes, trusted

Reals = NDArray[np.float64]

CHUNK = 32
"""Samples that one thread runs at a time."""
LIMIT = 100_000
"""Spikes of one stage in one sample after which a run is given up."""


@dataclass(frozen=True)
class Values:
    """Weights and delays of a stage, as its kernel takes them: V/s and s."""

    weight: Reals
    delay: Any


@dataclass
class Fired:
    """Spikes of a stage in a chunk, and what its backward pass needs.

    Parameters
    ----------
    arrivals : what reached it: start, time, row (or source)
    origin : number of each arrival among what the stage's sources sent, one source after the other; None: the same
    parts : (projection or population, number of its spikes), in that order
    forward : what the kernel returned
    spikes : population -> its spikes
    index : population -> their numbers among the stage's; None: the same
    """

    arrivals: tuple[Any, ...]
    origin: NDArray[np.int64] | None
    parts: list[tuple[str, int]]
    forward: tuple[Any, ...]
    spikes: dict[str, Spikes] = field(default_factory=dict)
    index: dict[str, NDArray[np.int64] | None] = field(default_factory=dict)


@contextmanager
def workers(threads: int) -> Iterator[Callable[[Callable[[Any], Any], list[Any]], list[Any]]]:
    """Give a map over a list that keeps its order."""
    if threads == 1:
        yield lambda job, items: [job(item) for item in items]
        return
    pool: Executor = ThreadPoolExecutor(threads)
    with pool:
        yield lambda job, items: list(pool.map(job, items))


def values(plan: Plan, weights: Mapping[str, Reals], delays: Mapping[str, Reals]) -> list[Values]:
    """Return what the kernels take, for weights in the units of ports and delays in s."""
    found = []
    for stage in plan.stages:
        gain = stage.neuron.gain
        if stage.kind is Kind.QUEUE:
            weight, delay = np.empty(len(stage.target)), np.empty(len(stage.target))
            for q in stage.reached:
                w = plan.wires[q]
                weight[stage.where[q]] = w.weights(weights[q])
                delay[stage.where[q]] = w.delays(delays[q])
            found.append(Values(weight * gain[stage.target], delay[stage.first[:-1]]))
            continue
        matrix = np.zeros((stage.n_outside, stage.n))
        late: Any = np.zeros_like(matrix) if stage.kind is Kind.READOUT else {}
        for q in stage.reached:
            w, low = plan.wires[q], stage.outside[q]
            high = low + plan.network.populations[w.pre].n
            if w.dense:
                np.multiply(weights[q].T, gain, out=matrix[low:high])
            else:
                np.add.at(
                    matrix, (low + w.source, w.target), w.weights(weights[q]) * gain[w.target]
                )
            if stage.kind is Kind.LAYER:
                late[q] = float(delays[q])
            else:
                late[low + w.source, w.target] = w.delays(delays[q])
        found.append(Values(matrix, late))
    return found


def forward(
    plan: Plan,
    values: list[Values],
    inputs: Mapping[str, Spikes],
    until: float,
    decay: float,
    is_mean: bool,
) -> tuple[dict[str, Spikes], list[Fired]]:
    """Run a chunk; return the spikes of every population that sends any, and what the backward pass needs.

    Parameters
    ----------
    decay : 1/s, of the weight of means of membranes
    is_mean : whether they are asked for
    """
    sent, memory = dict(inputs), []
    for stage, value in zip(plan.stages, values, strict=True):
        late = value.delay if stage.kind is Kind.LAYER else dict.fromkeys(stage.outside, 0.0)
        pre = {k: k if stage.kind is Kind.QUEUE else plan.wires[k].pre for k in stage.outside}
        parts = [(sent[pre[k]], row, late[k]) for k, row in stage.outside.items()]
        arrivals, origin = _merged(parts, stage.kind is Kind.LAYER)
        fired = Fired(
            arrivals,
            origin,
            [(k, len(s.time)) for k, (s, _, _) in zip(pre, parts, strict=True)],
            (),
        )
        _run(stage, value, fired, until, decay, is_mean)
        if stage.kind is not Kind.READOUT:
            _split(plan, stage, fired)
            sent |= fired.spikes
        memory.append(fired)
    return sent, memory


def _run(
    stage: Stage, value: Values, fired: Fired, until: float, decay: float, is_mean: bool
) -> None:
    n, arrivals = stage.neuron, fired.arrivals
    if stage.kind is Kind.READOUT:
        fired.forward = readout.forward(
            *arrivals,
            value.weight,
            value.delay,
            n.a,
            n.b,
            n.u_start,
            n.y_start,
            until,
            decay,
            is_mean,
        )
        return
    if stage.kind is Kind.LAYER:
        found = layer.forward(
            *arrivals, value.weight, n.a[0], n.b[0], n.peak[0], n.level, n.reset, n.u_start, n.y_start, until, LIMIT
        )  # fmt: skip
    else:
        found = queue.forward(
            *arrivals, stage.n_outside, stage.rows, value.delay, stage.first, stage.target,
            value.weight, n.a, n.b, n.level, n.reset, n.hold, n.peak, n.u_start, n.y_start, until, LIMIT,
        )  # fmt: skip
    if found[0][-1] < 0:
        raise TrainError(
            explain(
                f"population {', '.join(stage.offset)}",
                f"more than {LIMIT} spikes in one sample",
                cure="weaken recurrent weights, or end the run earlier with until=",
            )
        )
    fired.forward = found


def _merged(
    parts: list[tuple[Spikes, int, float]], sort: bool
) -> tuple[tuple[Any, ...], NDArray[np.int64] | None]:
    """Return arrivals (start, time, row) of several sources, and where each comes from."""
    if len(parts) == 1:
        s, row, late = parts[0]
        return (
            s.start,
            s.time + late if late else s.time,
            s.address + row if row else s.address,
        ), None
    time = np.concatenate([s.time + late for s, _, late in parts])
    row = np.concatenate([s.address + first for s, first, _ in parts])
    sample = np.concatenate([s.sample for s, _, _ in parts])
    order = np.lexsort((time, sample)) if sort else np.argsort(sample, kind="stable")
    start = np.searchsorted(sample[order], np.arange(parts[0][0].n + 1))
    return (start, time[order], row[order]), order


def _split(plan: Plan, stage: Stage, fired: Fired) -> None:
    start, time, neuron = fired.forward[:3]
    if len(stage.offset) == 1:
        (name,) = stage.offset
        fired.spikes[name] = trusted(start, time, neuron, stage.n)
        fired.index[name] = None
        return
    sample = np.repeat(np.arange(len(start) - 1), np.diff(start))
    for name, low in stage.offset.items():
        size = plan.network.populations[name].n
        chosen = np.flatnonzero((neuron >= low) & (neuron < low + size))
        own = np.searchsorted(sample[chosen], np.arange(len(start)))
        fired.spikes[name] = trusted(own, time[chosen], neuron[chosen] - low, size)
        fired.index[name] = chosen


@dataclass(frozen=True)
class Peaks:
    """The greatest membranes of a LAYER stage in samples in which the neurons asked for are silent.

    Without a reset a membrane is a sum of responses, as in a readout.

    Parameters
    ----------
    entry : of each arrival in these samples, among all
    arrivals : start, time, row in these samples
    forward : what the readout's kernel returned
    to_greatest : derivatives of the loss, sample x neuron; 0 where a neuron is not asked for
    """

    entry: NDArray[np.int64]
    arrivals: tuple[Any, ...]
    forward: tuple[Any, ...]
    to_greatest: Reals

    @staticmethod
    def of(
        stage: Stage, value: Values, fired: Fired, samples: NDArray[np.int64], until: float
    ) -> Peaks:
        """Return them for some samples of a chunk, `to_greatest` still 0."""
        start, time, row = fired.arrivals
        count = start[samples + 1] - start[samples]
        own = np.concatenate([[0], np.cumsum(count)])
        entry = np.arange(own[-1]) + np.repeat(start[samples] - own[:-1], count)
        arrivals = (own, time[entry], row[entry])
        n = stage.neuron
        found = readout.forward(
            *arrivals, value.weight, np.zeros_like(value.weight), n.a, n.b, n.u_start, n.y_start, until, 0.0, False
        )  # fmt: skip
        return Peaks(entry, arrivals, found, np.zeros((len(samples), stage.n)))

    def backward(
        self, stage: Stage, value: Values, until: float, to_weight: Reals, pull: Reals
    ) -> None:
        """Add the derivatives to those of weights and arrivals."""
        n, (_, when, kink, slope, _) = stage.neuron, self.forward
        late, own = np.zeros_like(value.weight), np.zeros(len(self.entry))
        readout.backward(
            *self.arrivals, value.weight, late, n.a, n.b, until, 0.0, when, kink, slope,
            self.to_greatest, np.zeros_like(self.to_greatest), to_weight, np.zeros_like(late), own,
        )  # fmt: skip
        pull[self.entry] += own


@dataclass
class Slopes:
    """Derivatives of a loss: of each stage as its kernel holds them, and of the times of spikes."""

    weight: list[Reals]
    delay: list[Any]
    time: dict[str, Reals]


def backward(
    plan: Plan,
    values: list[Values],
    memory: list[Fired],
    sent: Mapping[str, Spikes],
    until: float,
    decay: float,
    pulls: Mapping[str, Reals],
    membranes: Mapping[str, tuple[Reals, Reals]],
    peaks: Mapping[str, Peaks],
    *,
    floor: float,
    wanted: frozenset[str],
) -> Slopes:
    """Return derivatives of a loss.

    Parameters
    ----------
    memory, sent : what `forward` returned
    pulls : population -> derivative with respect to the time of each of its spikes
    membranes : population without threshold -> derivatives with respect to its greatest values and integrals, B N
    peaks : population with one -> what its silent neurons lack
    floor : least slope of a membrane at a spike that is believed, as a part of (threshold - reset) / tau_s
    wanted : populations and projections of which derivatives with respect to times or delays are needed
    """
    time = {n: np.zeros(len(s.time)) for n, s in sent.items()}
    for n, pull in pulls.items():
        time[n] += pull
    weight = [np.zeros_like(v.weight) for v in values]
    delay: list[Any] = [None] * len(values)
    for number in range(len(values) - 1, -1, -1):
        stage, value, fired = plan.stages[number], values[number], memory[number]
        neuron, arrivals = stage.neuron, fired.arrivals
        pull = np.zeros(len(arrivals[1]))
        if stage.kind is Kind.READOUT:
            (name,) = stage.offset
            _, when, kink, slope, _ = fired.forward
            delay[number] = np.zeros_like(value.weight)
            if name in membranes:
                readout.backward(
                    *arrivals, value.weight, value.delay, neuron.a, neuron.b, until, decay, when, kink, slope,
                    *membranes[name], weight[number], delay[number], pull,
                )  # fmt: skip
        else:
            s_pull = np.zeros(len(fired.forward[1]))
            for name, index in fired.index.items():
                if index is None:
                    s_pull += time[name]
                else:
                    s_pull[index] += time[name]
            least = floor * (neuron.level - neuron.reset) * neuron.b
            if stage.kind is Kind.LAYER:
                outside = {k for k in stage.outside} | {plan.wires[k].pre for k in stage.outside}
                start, s_time, s_neuron, after, before, behind = fired.forward
                layer.backward(
                    *arrivals, value.weight, neuron.a[0], neuron.b[0], until, start, s_time, s_neuron, after, before,
                    behind, s_pull, least, weight[number], pull if outside & wanted else pull[:0],
                )  # fmt: skip
                for name in stage.offset:
                    if name in peaks:
                        peaks[name].backward(stage, value, until, weight[number], pull)
            else:
                _, _, s_neuron, before, behind, *log = fired.forward
                delay[number] = np.zeros_like(value.weight)
                queue.backward(
                    *log, s_neuron, before, behind, stage.first, stage.target, value.weight, neuron.a, neuron.b,
                    until, s_pull, least, weight[number], delay[number], pull,
                )  # fmt: skip
            for name, index in fired.index.items():
                time[name] = s_pull if index is None else s_pull[index]
        if fired.origin is not None:
            unsorted = np.empty_like(pull)
            unsorted[fired.origin] = pull
            pull = unsorted
        low = 0
        late = {}
        for key, count in fired.parts:
            part = pull[low : low + count]
            low += count
            time[key if stage.kind is Kind.QUEUE else plan.wires[key].pre] += part
            late[key] = float(part.sum())
        if stage.kind is Kind.LAYER:
            delay[number] = late
    return Slopes(weight, delay, time)


def collected(plan: Plan, parts: list[Slopes]) -> tuple[dict[str, Reals], dict[str, Reals]]:
    """Return derivatives with respect to weight arrays (per unit of the port) and delays, summed over chunks."""
    weights: dict[str, Reals] = {}
    delays: dict[str, Reals] = {}
    for number, stage in enumerate(plan.stages):
        gain = stage.neuron.gain
        weight = parts[0].weight[number]
        for other in parts[1:]:
            weight = weight + other.weight[number]
        late = [p.delay[number] for p in parts]
        for q in stage.reached:
            w = plan.wires[q]
            if stage.kind is Kind.QUEUE:
                at: Any = stage.where[q]
            else:
                low = stage.outside[q]
                at = (low + w.source, w.target)
            if stage.kind is Kind.LAYER:
                delays[q] = np.asarray(sum(x[q] for x in late))
            else:
                delays[q] = w.to_delay(sum(x[at] for x in late))
            if not w.shape:
                weights[q] = np.zeros(0)
            elif w.dense and stage.kind is not Kind.QUEUE:
                high = low + plan.network.populations[w.pre].n
                weights[q] = weight[low:high].T * gain[:, None]
            else:
                weights[q] = w.to_weight(weight[at] * gain[w.target])
    return weights, delays
