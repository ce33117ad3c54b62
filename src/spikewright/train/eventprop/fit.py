"""Event-based training, Network -> Network: the same from the same seed, on any number of threads.

Weights are in natural units: the weight of one spike that takes a resting neuron to its threshold; delays in units of
the target's tau_s. The validation part chooses the epoch whose network is returned; a test part is never seen here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikewright.errors import Problems, TrainError, explain
from spikewright.network.graph import Network, Projection
from spikewright.rng import stream
from spikewright.train.eventprop import run
from spikewright.train.eventprop.evaluate import evaluated
from spikewright.train.eventprop.exact import (
    check_end,
    check_output,
    chunks,
    entering,
    one_chunk,
    pieces,
)
from spikewright.train.eventprop.loss import EventLoss, TimeCrossEntropy
from spikewright.train.eventprop.perturb import Perturbation
from spikewright.train.eventprop.plan import Plan, plan
from spikewright.train.eventprop.samples import Part, as_parts, said
from spikewright.train.eventprop.wake import Wake
from spikewright.train.fingerprint import fingerprint
from spikewright.train.history import Epoch, Trained, is_better
from spikewright.train.interrupt import Interrupted, stop_requested
from spikewright.train.optimizer import SGD, AdamW
from spikewright.train.progress import Progress
from spikewright.train.threads import limited_threads

Reals = NDArray[np.float64]


def fit(
    network: Network,
    data: Any,
    *,
    until: float,
    loss: EventLoss = TimeCrossEntropy(),  # noqa: B008
    optimizer: AdamW | SGD = AdamW(lr=5e-3),  # noqa: B008
    epochs: int = 20,
    batch: int = 64,
    seed: int = 0,
    trainable: Sequence[str] = ("weights",),
    wake: Wake = Wake(),  # noqa: B008
    perturbation: Perturbation = Perturbation(),  # noqa: B008
    floor: float = 0.01,
    clip_gradient: float | None = None,
    threads: int = 1,
    progress: bool = True,
    watch: Callable[[int, Epoch], None] | None = None,
) -> Trained:
    """Train a network of linear neurons with exact gradients.

    Parameters
    ----------
    network : what to train; it is not changed
    data : a Dataset, whose test part is not looked at; or (train, validation), each Samples or (inputs, labels) with
        inputs as in `simulate`; validation may be None
    until : s, end of every run
    loss : what is made small
    optimizer : and its learning-rate schedule; weights are in natural units
    epochs, batch : passes over the training part, and samples per step
    seed : of everything that is drawn
    trainable : "weights", "delays", names of projections (their weights), or "projection.delay". Delays stay 0 or more;
        in the network that is returned, and when it is validated, they are rounded to its dt
    wake : what gets silent neurons going
    perturbation : of input spikes of the training part
    floor : as in `gradient`
    clip_gradient : largest norm of the gradient
    threads : the result does not depend on them
    progress : whether to show a progress bar
    watch : called after every epoch with its number and result

    Returns
    -------
    Trained : without a checkpoint

    Raises
    ------
    TrainError : network, data or settings do not fit, or the loss is not finite any more
    Interrupted : Ctrl-C; the network so far is in it

    Examples
    --------
    >>> from spikewright.network import CubaLIF
    >>> from spikewright.network.chain import chain, dense, neurons, source
    >>> labels = np.arange(40) % 2
    >>> times = np.where(np.eye(2)[labels] > 0, 0.0, 5e-3)
    >>> net = chain(source(2), dense(2, gain=10.0), neurons(CubaLIF), dt=1e-3, seed=1)
    >>> done = fit(
    ...     net, ((times, labels), None), until=40e-3, optimizer=AdamW(lr=0.05), epochs=60, progress=False)
    >>> done.history[-1].accuracy
    1.0
    """
    known = plan(network)
    train, validation = as_parts(data, known.network)
    _check(known, train, validation, loss, until, epochs, batch, floor, threads)
    settings = (
        loss, optimizer, until, epochs, batch, seed, tuple(trainable), wake, perturbation, floor, clip_gradient,
    )  # fmt: skip
    with limited_threads(1):
        job = _Fit(known, train, validation, *settings, threads, progress, watch)
        job.fingerprint = fingerprint(known.network, said(train), said(validation), settings)
        return job.run()


class _Fit:
    """One call of `fit`."""

    def __init__(
        self,
        known: Plan,
        train: Part,
        validation: Part | None,
        loss: EventLoss,
        optimizer: AdamW | SGD,
        until: float,
        epochs: int,
        batch: int,
        seed: int,
        trainable: tuple[str, ...],
        wake: Wake,
        perturbation: Perturbation,
        floor: float,
        clip_gradient: float | None,
        threads: int,
        progress: bool,
        watch: Callable[[int, Epoch], None] | None,
    ) -> None:
        self.known, self.train, self.validation, self.loss = known, train, validation, loss
        self.settings, self.until, self.epochs, self.batch = optimizer, until, epochs, batch
        self.seed, self.wake, self.floor, self.clip = seed, wake, floor, clip_gradient
        self.perturbation = perturbation
        self.threads, self.progress, self.watch = threads, progress, watch
        self.fingerprint = ""
        self.weights, self.delays = dict(known.weights), dict(known.delays)
        self.unit = {n: known.neurons[w.post].unit for n, w in known.wires.items()}
        self.tau = {n: float(1.0 / known.neurons[w.post].b.mean()) for n, w in known.wires.items()}
        self.trained_weights, self.trained_delays = _chosen(known, trainable)
        self.parameters: dict[str, torch.nn.Parameter] = {}
        for n in self.trained_weights:
            self.parameters[n] = torch.nn.Parameter(torch.tensor(self.weights[n] / self.unit[n]))
        for n in self.trained_delays:
            self.parameters[f"{n}.delay"] = torch.nn.Parameter(
                torch.tensor(self.delays[n] / self.tau[n])
            )
        self.optimizer = optimizer.build(self.parameters.values())
        self.wanted = frozenset((*known.neurons, *self.trained_delays))
        self.n_batches = math.ceil(train.n / batch)
        self.history: list[Epoch] = []
        self.best, self.best_network = -1, known.network

    def run(self) -> Trained:
        """Train from the start."""
        started = time.monotonic()
        with (
            Progress(self.progress, self.epochs * self.n_batches) as bar,
            stop_requested() as stop,
            run.workers(self.threads) as work,
        ):
            for epoch in range(self.epochs):
                result = self._epoch(epoch, bar, work)
                self.history.append(result)
                bar.row(epoch + 1, result)
                if self.best < 0 or is_better(result, self.history[self.best]):
                    self.best, self.best_network = epoch, self._network()
                if self.watch is not None:
                    self.watch(epoch + 1, result)
                if stop() and epoch + 1 < self.epochs:
                    trained = self._trained(time.monotonic() - started)
                    raise Interrupted(trained, epoch + 1, self.epochs, None)
        return self._trained(time.monotonic() - started)

    def _epoch(self, epoch: int, bar: Progress, work: Any) -> Epoch:
        order = stream(self.seed, f"train/order/{epoch}").permutation(self.train.n)
        sums = np.zeros(3)
        for number in range(self.n_batches):
            chosen = order[number * self.batch : (number + 1) * self.batch]
            sums += self._learn(epoch, number, chosen, work)
            seen = min((number + 1) * self.batch, self.train.n)
            bar.show(
                epoch * self.n_batches + number + 1,
                epoch=f"{epoch + 1}/{self.epochs}",
                loss=sums[0] / seen,
                accuracy=sums[1] / seen,
            )
        result = Epoch(*(float(x) for x in sums / self.train.n))
        if self.validation is None:
            return result
        found = evaluated(
            self.known, self.weights, self._rounded(), self.validation, self.loss, self.until, work, self.seed
        )  # fmt: skip
        return replace(result, validation_loss=found.loss, validation_accuracy=found.accuracy)

    def _learn(self, epoch: int, number: int, chosen: NDArray[np.int64], work: Any) -> Reals:
        step = epoch * self.n_batches + number
        factor = self.settings.schedule.factor(
            step, self.epochs * self.n_batches, tuple(self.history)
        )
        lr = self.settings.lr * factor
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        inputs = entering(self.known.network, self.train.batch(chosen, seed=self.seed, epoch=epoch))
        inputs = self.perturbation.apply(
            inputs, seed=self.seed, name=f"train/perturbation/{epoch}/{number}"
        )
        labels = self.train.labels[chosen]
        values = run.values(self.known, self.weights, self.delays)
        parts = work(
            lambda part: one_chunk(
                self.known, values, *part, self.loss, self.until, self.floor, self.wanted
            ),
            list(zip(chunks(inputs), pieces(labels), strict=True)),
        )
        losses = np.concatenate([p.losses for p in parts])
        weights, delays = run.collected(self.known, [p.slopes for p in parts])
        for n in self.trained_weights:
            self.parameters[n].grad = torch.from_numpy(weights[n] * (self.unit[n] / len(chosen)))
        for n in self.trained_delays:
            scaled = np.asarray(delays[n] * (self.tau[n] / len(chosen)))
            self.parameters[f"{n}.delay"].grad = torch.from_numpy(scaled)
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.parameters.values()])
        if not (np.isfinite(losses).all() and torch.isfinite(norm)):
            raise TrainError(
                explain(
                    f"epoch {epoch + 1}, batch {number + 1}",
                    "the loss or its gradient is not finite",
                    found=f"loss {losses.mean():g}, gradient {float(norm):g}",
                    cure="lower the learning rate, raise floor=, or set clip_gradient=1.0",
                )
            )
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), self.clip)
        self.optimizer.step()
        self._take(self.wake.growth(self.known, [p.sent for p in parts], labels, lr))
        right = sum(
            int((p.decisions == x).sum()) for p, x in zip(parts, pieces(labels), strict=True)
        )
        spikes = sum(len(p.sent[n].time) for p in parts for n in self.known.neurons if n in p.sent)
        return np.array([losses.sum(), right, spikes], np.float64)

    def _take(self, growth: Mapping[str, Reals]) -> None:
        """Take the parameters over into weights and delays, after the weights of silent neurons have grown."""
        for n in self.trained_weights:
            held = self.parameters[n].detach().numpy()
            w = self.known.wires[n]
            if w.post in growth:
                more = np.zeros(held.size)
                own = w.entry >= 0
                more[w.entry[own]] = growth[w.post][w.target[own]]
                held += more.reshape(held.shape)
            self.weights[n] = held * self.unit[n]
        for n in self.trained_delays:
            held = self.parameters[f"{n}.delay"].detach().numpy()
            np.maximum(held, 0.0, out=held)
            self.delays[n] = held * self.tau[n]

    def _rounded(self) -> dict[str, Reals]:
        dt = self.known.network.dt
        changed = {n: np.rint(self.delays[n] / dt) * dt for n in self.trained_delays}
        return self.delays | changed

    def _network(self) -> Network:
        network, delays = self.known.network, self._rounded()
        changed: dict[str, Projection] = {}
        for n, q in network.projections.items():
            if n in self.trained_weights:
                q = replace(q, topology=q.topology.with_weight(self.weights[n]))
            if n in self.trained_delays:
                q = replace(q, delay=delays[n])
            changed[n] = q
        return network.replacing(projections=changed)

    def _trained(self, seconds: float) -> Trained:
        return Trained(
            network=self.best_network,
            history=tuple(self.history),
            best=max(self.best, 0),
            seed=self.seed,
            fingerprint=self.fingerprint,
            seconds=seconds,
            resumed_from=0,
            was_loaded=False,
            checkpoint=None,
        )


def _chosen(known: Plan, trainable: tuple[str, ...]) -> tuple[list[str], list[str]]:
    weights: list[str] = []
    delays: list[str] = []
    problems = Problems()
    having = [n for n, w in known.wires.items() if w.shape]
    for entry in trainable:
        if entry == "weights":
            weights += [n for n in having if n not in weights]
        elif entry == "delays":
            delays += [n for n in known.wires if n not in delays]
        elif entry in having:
            weights += [entry] if entry not in weights else []
        elif entry.removesuffix(".delay") in known.wires and entry.endswith(".delay"):
            name = entry.removesuffix(".delay")
            delays += [name] if name not in delays else []
        else:
            problems.add(
                "trainable",
                f"nothing is called {entry!r}",
                expected="'weights', 'delays', a projection with weights, or 'projection.delay'",
            )
    problems.raise_as(TrainError)
    if not weights and not delays:
        raise TrainError(explain("trainable", "nothing to train", found=trainable))
    return weights, delays


def _check(
    known: Plan,
    train: Part,
    validation: Part | None,
    loss: EventLoss,
    until: float,
    epochs: int,
    batch: int,
    floor: float,
    threads: int,
) -> None:
    problems = Problems()
    for name, value in (("epochs", epochs), ("batch", batch), ("threads", threads)):
        if value < 1:
            problems.add(f"fit({name}=)", "must be at least 1", found=value)
    if not (math.isfinite(floor) and floor >= 0):
        problems.add("fit(floor=)", "must be 0 or more", found=floor)
    problems.raise_as(TrainError)
    check_end(until)
    parts = [p for p in (train, validation) if p is not None]
    check_output(known, loss, 1 + max(int(p.labels.max()) for p in parts))
