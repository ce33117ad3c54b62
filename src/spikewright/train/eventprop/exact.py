"""Event-based runs and exact gradients of a network: values in, values out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import Problems, TrainError, explain
from spikewright.network.graph import Network
from spikewright.train.eventprop import run
from spikewright.train.eventprop.loss import EventLoss, Reading
from spikewright.train.eventprop.plan import Kind, Plan, plan
from spikewright.train.eventprop.spikes import Spikes, as_spikes

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Activity:
    """What an event-based run gives.

    Parameters
    ----------
    spikes : population -> its spikes, inputs too
    greatest, mean : population without threshold -> greatest value and mean of its membrane, V, B N
    """

    spikes: Mapping[str, Spikes]
    greatest: Mapping[str, Reals]
    mean: Mapping[str, Reals]


@dataclass(frozen=True)
class Gradient:
    """Derivatives of a loss, the mean over the samples.

    Parameters
    ----------
    loss : its mean
    weights : projection -> like its weight array, 1 / unit of the port
    delays : projection -> one, or one per weight, 1/s
    times : input population -> one per input spike, 1/s
    """

    loss: float
    weights: Mapping[str, Reals]
    delays: Mapping[str, Reals]
    times: Mapping[str, Reals]


def simulate(
    network: Network,
    inputs: Any,
    *,
    until: float,
    tau: float = math.inf,
    threads: int = 1,
) -> Activity:
    """Run a network from event to event, with spikes at the times that the equations give.

    The network's grid `dt` plays no part: a spike arrives a delay after it was sent.

    Parameters
    ----------
    inputs : of the one input population, or population -> such: `Spikes`; times B N in s, infinite where there is
        no spike; or a grid `T B *shape`, spikes at k dt
    until : s, end of the run
    tau : s; means of membranes are weighted with exp(-t / tau)
    threads : the result does not depend on them

    Raises
    ------
    TrainError : the network, or an input, has no event-based run

    Examples
    --------
    >>> from spikewright.network import CubaLIF
    >>> from spikewright.network.chain import chain, dense, neurons, source
    >>> net = chain(source(1), dense(1), neurons(CubaLIF, tau_m=10e-3, tau_s=5e-3), dt=1e-3)
    >>> net = net.with_weights({"input->output": [[8.0]]})
    >>> found = simulate(net, [[0.0]], until=50e-3)
    >>> found.spikes["output"].time.round(6).tolist()  # 10 ms ln(4 / (2 + sqrt(2))) first
    [0.001583, 0.004067]
    """
    if not tau > 0:
        raise TrainError(explain("simulate(tau=)", "must be more than 0", found=tau))
    known = plan(network)
    given = entering(network, inputs)
    check_end(until)
    decay = 1.0 / tau
    values = run.values(known, known.weights, known.delays)
    with run.workers(threads) as work:
        parts = work(
            lambda chunk: run.forward(known, values, chunk, until, decay, True), chunks(given)
        )
    spikes = {n: Spikes.joined([sent[n] for sent, _ in parts]) for n in parts[0][0]}
    greatest, mean = {}, {}
    for name, number in readouts(known).items():
        memory = [m[number].forward for _, m in parts]
        rest = known.neurons[name].rest
        greatest[name] = np.concatenate([m[0] for m in memory]) + rest
        mean[name] = np.concatenate([m[4] for m in memory]) / window(decay, until) + rest
    return Activity(spikes, greatest, mean)


def gradient(
    network: Network,
    inputs: Any,
    labels: ArrayLike,
    loss: EventLoss,
    *,
    until: float,
    floor: float = 0.0,
    threads: int = 1,
) -> Gradient:
    """Return the exact derivatives of a loss with respect to weights, delays and times of input spikes.

    Parameters
    ----------
    inputs, until, threads : as in `simulate`
    labels : int (B,)
    floor : where a membrane just touches the threshold, derivatives grow without bound; slopes less than this part of
        (threshold - reset) / tau_s count as it. 0: exact everywhere

    Raises
    ------
    TrainError : as in `simulate`, or labels or loss do not fit
    """
    known = plan(network)
    given = entering(network, inputs)
    n = next(iter(given.values())).n
    wanted = np.asarray(labels)
    if wanted.shape != (n,) or wanted.dtype.kind not in "iu":
        raise TrainError(
            explain(
                "labels",
                "must be one whole number per sample",
                found=f"{wanted.dtype} {wanted.shape}",
                expected=f"({n},)",
            )
        )
    check_end(until)
    check_output(known, loss, int(wanted.max()) + 1)
    values = run.values(known, known.weights, known.delays)
    every = frozenset((*network.populations, *network.projections))
    with run.workers(threads) as work:
        parts = work(
            lambda part: one_chunk(known, values, *part, loss, until, floor, every),
            list(zip(chunks(given), pieces(wanted.astype(np.int64)), strict=True)),
        )
    weights, delays = run.collected(known, [p.slopes for p in parts])
    return Gradient(
        float(sum(p.losses.sum() for p in parts)) / n,
        {q: x / n for q, x in weights.items()},
        {q: x / n for q, x in delays.items()},
        {p: np.concatenate([c.slopes.time[p] for c in parts]) / n for p in given},
    )


# -- what training shares -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Learned:
    """A chunk: its spikes, losses and decisions (B,), and the derivatives of the sum of its losses."""

    sent: Mapping[str, Spikes]
    losses: Reals
    decisions: NDArray[np.int64]
    slopes: run.Slopes | None


def one_chunk(
    known: Plan,
    values: list[run.Values],
    inputs: Mapping[str, Spikes],
    labels: NDArray[np.int64],
    loss: EventLoss,
    until: float,
    floor: float,
    wanted: frozenset[str],
    *,
    learn: bool = True,
) -> Learned:
    """Run a chunk and, where `learn`, its backward pass."""
    sent, memory = run.forward(
        known, values, inputs, until, loss.decay, loss.reading is Reading.MEAN
    )
    (output,) = known.network.outputs
    pulls: dict[str, Reals] = {}
    membranes: dict[str, tuple[Reals, Reals]] = {}
    peaks: dict[str, run.Peaks] = {}
    if loss.reading is Reading.FIRST:
        spikes = sent[output]
        found = spikes.first()
        losses, slope = loss(found, labels, until)
        sample, time = spikes.sample, spikes.time
        is_first = time == found[sample, spikes.address]
        pulls[output] = np.where(is_first, slope[sample, spikes.address], 0.0)
        silent = np.flatnonzero(~np.isfinite(found[np.arange(len(labels)), labels]))
        if loss.rouse > 0.0 and len(silent):
            peaks[output] = _roused(
                known, values, memory, silent, labels, loss.rouse, until, losses
            )
    else:
        made = memory[readouts(known)[output]].forward
        rest, length = known.neurons[output].rest, window(loss.decay, until)
        is_mean = loss.reading is Reading.MEAN
        found = (made[4] / length if is_mean else made[0]) + rest
        losses, slope = loss(found, labels, until)
        none = np.zeros_like(slope)
        membranes[output] = (none, slope / length) if is_mean else (slope, none)
    slopes = None
    if learn:
        slopes = run.backward(
            known, values, memory, sent, until, loss.decay, pulls, membranes, peaks, floor=floor, wanted=wanted
        )  # fmt: skip
    return Learned(sent, losses, loss.decide(found), slopes)


def _roused(
    known: Plan,
    values: list[run.Values],
    memory: list[run.Fired],
    silent: NDArray[np.int64],
    labels: NDArray[np.int64],
    rouse: float,
    until: float,
    losses: Reals,
) -> run.Peaks:
    """Add to the losses what the label's neuron lacks where it is silent; return the derivatives."""
    (output,) = known.network.outputs
    (number,) = (k for k, s in enumerate(known.stages) if output in s.offset)
    stage = known.stages[number]
    found = run.Peaks.of(stage, values[number], memory[number], silent, until)
    own = np.arange(len(silent)), labels[silent]
    level = stage.neuron.level[own[1]]
    losses[silent] += rouse * (1.0 - found.forward[0][own] / level)
    found.to_greatest[own] = -rouse / level
    return found


def readouts(known: Plan) -> dict[str, int]:
    """Return population without threshold -> its stage."""
    return {next(iter(s.offset)): n for n, s in enumerate(known.stages) if s.kind is Kind.READOUT}


def window(decay: float, until: float) -> float:
    """Return the integral of exp(-decay t) over a run."""
    return until if decay == 0.0 else -math.expm1(-decay * until) / decay


def chunks(inputs: Mapping[str, Spikes]) -> list[dict[str, Spikes]]:
    """Return the samples in pieces of `run.CHUNK`."""
    n = next(iter(inputs.values())).n
    return [
        {p: s.take(np.arange(low, min(low + run.CHUNK, n))) for p, s in inputs.items()}
        for low in range(0, n, run.CHUNK)
    ]


def pieces(labels: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return labels in the same pieces."""
    return [labels[low : low + run.CHUNK] for low in range(0, len(labels), run.CHUNK)]


def entering(network: Network, inputs: Any) -> dict[str, Spikes]:
    """Return what was given as population -> Spikes, one entry per input population.

    Raises
    ------
    TrainError : an input is missing, unknown, of another size, or of another number of samples
    """
    if not isinstance(inputs, Mapping):
        if len(network.inputs) != 1:
            raise TrainError(
                explain(
                    "inputs",
                    "one array for a network that has not one input",
                    found=", ".join(network.inputs) or "none",
                    cure="give a dictionary population -> spikes",
                )
            )
        inputs = {network.inputs[0]: inputs}
    problems = Problems()
    found = {n: as_spikes(x, network.dt) for n, x in inputs.items()}
    if set(found) != set(network.inputs):
        problems.add(
            "inputs", "not one per input", found=sorted(found), expected=list(network.inputs)
        )
    for n, x in found.items():
        if n in network.inputs and x.size != network.populations[n].n:
            problems.add(
                f"inputs[{n!r}]",
                "wrong number of addresses",
                found=x.size,
                expected=network.populations[n].n,
            )
    if len({x.n for x in found.values()}) > 1 or any(x.n == 0 for x in found.values()):
        problems.add(
            "inputs",
            "must share one number of samples, at least 1",
            found=[x.n for x in found.values()],
        )
    problems.raise_as(TrainError)
    return found


def check_output(known: Plan, loss: EventLoss, classes: int) -> None:
    """Raise TrainError where the network's output does not fit a loss."""
    network, name = known.network, type(loss).__name__
    if len(network.outputs) != 1:
        raise TrainError(
            explain(
                name,
                "needs one output population",
                found=", ".join(network.outputs),
                cure="name it with network.replacing(outputs=(name,))",
            )
        )
    (output,) = network.outputs
    problems = Problems()
    if network.populations[output].n < classes:
        problems.add(
            f"output {output!r}",
            "has fewer neurons than there are classes",
            found=network.populations[output].n,
            expected=classes,
        )
    (stage,) = (s for s in known.stages if output in s.offset)
    if loss.rouse > 0.0 and stage.kind is not Kind.LAYER:
        problems.add(
            f"{name}(rouse={loss.rouse:g})",
            f"output {output!r} has recurrence, a refractory period, or delays of each synapse",
            cure="say rouse=0, and let Wake do it",
        )
    elif loss.rouse > 0.0 and np.any(stage.neuron.level <= 0.0):
        problems.add(
            f"{name}(rouse={loss.rouse:g})", f"the threshold of {output!r} is not above rest"
        )
    fires = output in known.neurons and known.neurons[output].fires
    if fires != (loss.reading is Reading.FIRST):
        problems.add(
            f"output {output!r}",
            "has a threshold" if fires else "has no threshold",
            cure=f"{name} needs "
            + (
                "neurons that spike, such as CubaLIF"
                if not fires
                else "neurons that do not, such as CubaLI"
            ),
        )
    problems.raise_as(TrainError)


def check_end(until: float) -> None:
    """Raise TrainError where a run would have no end."""
    if not (math.isfinite(until) and until > 0):
        raise TrainError(explain("until", "must be a time, more than 0 s", found=until))
