"""Learning from a stream of steps that need not end: weights change while it runs, and nothing of it is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import Problems, TrainError, explain
from spikewright.network.graph import Network
from spikewright.rng import stream as random_stream
from spikewright.train.fingerprint import fingerprint
from spikewright.train.history import Epoch, Trained
from spikewright.train.inputs import read_inputs
from spikewright.train.module import Module
from spikewright.train.online.course import Course
from spikewright.train.online.learn import adapt, checked, drawn
from spikewright.train.online.lesson import Sums
from spikewright.train.online.loss import OnlineLoss, StepCrossEntropy
from spikewright.train.online.rule import EProp, OnlineRule
from spikewright.train.online.teaching import Teaching, teaching
from spikewright.train.optimizer import SGD, AdamW
from spikewright.train.samples import as_part
from spikewright.train.schedule import Constant
from spikewright.train.step import ResetGradient
from spikewright.train.surrogate import Arctan, Surrogate
from spikewright.train.threads import limited_threads


@dataclass(frozen=True, eq=False)
class Moment:
    """One step of a stream of B samples side by side.

    Parameters
    ----------
    inputs : `B *shape`, of the one input population; or population (or "population.port") -> such an array
    target : B labels, or B N numbers that the outputs should send; None: the step is not judged
    is_start : whether the samples begin anew in this step: states are as at first, nothing is eligible
    """

    inputs: Any
    target: Any = None
    is_start: bool = False


def moments(samples: Any, *, batch: int = 64, epochs: int = 1, seed: int = 0) -> Iterator[Moment]:
    """Yield labeled samples step by step, every batch from its start.

    Parameters
    ----------
    samples : Samples, or (inputs `T B *shape`, labels)
    batch : samples side by side; those left over in an epoch are left out
    epochs : passes over the samples
    seed : of their order, and of what is drawn for them
    """
    part = as_part(samples, "train")
    for epoch in range(epochs):
        order = random_stream(seed, f"train/order/{epoch}").permutation(part.n)
        for low in range(0, part.n - batch + 1, batch):
            chosen = order[low : low + batch]
            for k, x in enumerate(part.batch(chosen, seed=seed, epoch=epoch)):
                yield Moment(x, part.labels[chosen], k == 0)


def fit_stream(
    network: Network,
    stream: Iterable[Moment],
    *,
    rule: OnlineRule = EProp(),  # noqa: B008
    loss: OnlineLoss = StepCrossEntropy(),  # noqa: B008
    optimizer: AdamW | SGD = SGD(lr=0.01, schedule=Constant()),  # noqa: B008
    every: int = 1,
    seed: int = 0,
    surrogate: Surrogate = Arctan(),  # noqa: B008
    reset_gradient: ResetGradient = ResetGradient.KEPT,
    trainable: Sequence[str] = ("weights", "biases"),
    clip_gradient: float | None = None,
    dtype: torch.dtype = torch.float32,
    updates: int | None = None,
    report: int = 1000,
    watch: Callable[[int, Epoch], None] | None = None,
) -> Trained:
    """Train a network on a stream, changing its weights every few steps.

    Traces go on through a change of weights as they are, as in both papers. What is held depends on the network, on how
    many samples run side by side and on the rule's window, not on how long the stream is.

    Parameters
    ----------
    network : what to train; it is not changed
    stream : steps, in order
    rule, loss : how a gradient is found, and of what
    optimizer : weights are in natural units, see `Module`; its schedule needs `updates` where it is not constant
    every : steps between two changes of the weights
    seed : of declared noise
    surrogate, reset_gradient, trainable, dtype : as in `Module`
    clip_gradient : largest norm of the gradient
    updates : how many changes of the weights there will be, for schedules that depend on it
    report : changes of the weights that one entry of the history is a mean of
    watch : called with the number of an entry and the entry

    Returns
    -------
    Trained : `history` has the loss per judged step, the share of right decisions in them (0 where targets are no
        labels) and the spikes per step, for one sample

    Raises
    ------
    TrainError : network, rule or a step does not fit, or the loss is not finite any more

    Examples
    --------
    >>> from spikewright.network import LI, LIF
    >>> from spikewright.network.chain import chain, dense, neurons, source
    >>> labels = np.arange(8) % 2
    >>> spikes = np.repeat(np.eye(2)[labels][None], 10, axis=0)
    >>> net = chain(source(2), dense(6), neurons(LIF), dense(2), neurons(LI), dt=1e-3, seed=1)
    >>> done = fit_stream(net, moments((spikes, labels), batch=8, epochs=40), every=5, report=20)
    >>> done.history[-1].accuracy > 0.9
    True
    """
    problems = Problems()
    for name, value in (("every", every), ("report", report)):
        if value < 1:
            problems.add(f"fit_stream({name}=)", "must be at least 1", found=value)
    if updates is None and not isinstance(optimizer.schedule, Constant):
        problems.add(
            "fit_stream(updates=)",
            f"{type(optimizer.schedule).__name__} needs to know how many changes of the weights there will be",
            cure="give updates=, or an optimizer with schedule=Schedule.CONSTANT",
        )
    if loss.last is not None:
        problems.add(
            f"{type(loss).__name__}(last=)",
            "a stream has no last step",
            cure="leave last= out, and give target=None where a step is not judged",
        )
    problems.raise_as(TrainError)
    with limited_threads(1):
        network = network.written_out()
        module = Module(
            network,
            surrogate=surrogate,
            reset_gradient=reset_gradient,
            trainable=trainable,
            dtype=dtype,
        )
        loss = checked(rule, module, loss)
        loss.check(network, network.populations[network.outputs[0]].n)
        adapt(rule, module)
        said = (network, rule, loss, optimizer, every, seed, surrogate, reset_gradient, trainable)
        job = _Stream(
            module, rule, loss, optimizer, every, seed, clip_gradient, updates, report, watch
        )
        return job.run(stream, fingerprint(*said))


class _Stream:
    """One call of `fit_stream`."""

    def __init__(
        self,
        module: Module,
        rule: OnlineRule,
        loss: OnlineLoss,
        optimizer: AdamW | SGD,
        every: int,
        seed: int,
        clip: float | None,
        updates: int | None,
        report: int,
        watch: Callable[[int, Epoch], None] | None,
    ) -> None:
        self.module, self.rule, self.loss, self.settings = module, rule, loss, optimizer
        self.every, self.seed, self.clip = every, seed, clip
        self.updates, self.report, self.watch = updates, report, watch
        self.parameters = list(module.parameters())
        self.optimizer = optimizer.build(self.parameters)
        self.window = min(rule.window, every)
        self.course: Course | None = None
        self.teach: Teaching | None = None
        self.sums: Sums | None = None
        self.keys: tuple[tuple[str, str], ...] = ()
        self.n_updates = self.step = self.since = 0
        self.right = 0.0
        self.history: list[Epoch] = []
        self.seen = np.zeros(5)

    def run(self, stream: Iterable[Moment], said: str) -> Trained:
        """Learn until the stream ends."""
        started = time.monotonic()
        waiting: list[Moment] = []
        for moment in stream:
            if moment.is_start:
                self._learn(waiting)
                waiting = []
                self._finish()
            waiting.append(moment)
            if len(waiting) == min(self.window, self.every - self.since):
                self._learn(waiting)
                waiting = []
        self._learn(waiting)
        self._finish()
        if self.since:
            self._update()
        if self.seen.any():
            self._report()
        return Trained(
            network=self.module.to_network(),
            history=tuple(self.history),
            best=max(0, len(self.history) - 1),
            seed=self.seed,
            fingerprint=said,
            seconds=time.monotonic() - started,
            resumed_from=0,
            was_loaded=False,
            checkpoint=None,
        )

    def _learn(self, waiting: Sequence[Moment]) -> None:
        """Run some steps, learn from them, and change the weights where it is time."""
        if not waiting:
            return
        n = len(waiting)
        outside, samples = self._inputs(waiting)
        if self.teach is None or tuple(outside) != self.keys:
            self.keys = tuple(outside)
            self.teach = teaching(self.rule, self.module, self.loss, self.keys)
        if self.course is None:
            self.course = self.teach.course(samples, self.window)
        if samples != self.course.n or self.course.wiring is not self.teach.wiring:
            raise TrainError(
                explain(
                    f"stream: step {self.step}",
                    "has other inputs or another number of samples than the steps before",
                    found=f"{samples} samples at {', '.join('.'.join(k) for k in self.keys)}",
                    expected=f"{self.course.n} samples, and the same populations",
                )
            )
        if self.sums is None:
            self.sums = self.course.sums()
        judged = np.array([k for k, m in enumerate(waiting) if m.target is not None], np.int64)
        target = self._target([waiting[k].target for k in judged], samples)
        noise = drawn(self.module, (n, samples), self.step, self.seed, 0)
        sent = self.course.step(
            outside, noise, self.teach.weights, n, judged, target, self.sums, is_last=False
        )
        if target.ndim == 2:
            self.right += float(np.sum(sent.argmax(2) == target))
        self.step += n
        self.since += n
        if self.since == self.every:
            self._update()

    def _inputs(self, waiting: Sequence[Moment]) -> tuple[dict[tuple[str, str], NDArray[Any]], int]:
        given = [m.inputs for m in waiting]
        try:
            if isinstance(given[0], Mapping):
                stacked: Any = {n: np.stack([np.asarray(g[n]) for g in given]) for n in given[0]}
            else:
                stacked = torch.as_tensor(np.stack([np.asarray(g) for g in given]))
        except (ValueError, KeyError, TypeError) as error:
            raise TrainError(
                explain(f"stream: step {self.step}", "steps do not fit each other", found=error)
            ) from error
        found, _, samples = read_inputs(self.module.network, stacked, self.parameters[0])
        return {key: x.flatten(2).contiguous().numpy() for key, x in found.items()}, samples

    def _target(self, targets: Sequence[ArrayLike], samples: int) -> NDArray[Any]:
        """Return targets as labels n B or as numbers n B N."""
        n = self.module.network.populations[self.module.network.outputs[0]].n
        if not len(targets):
            return np.zeros((0, samples), np.int64)
        arrays = [np.asarray(t) for t in targets]
        shapes = {a.shape for a in arrays}
        found = np.stack(arrays) if len(shapes) == 1 else np.zeros((1, 0))
        is_labels = found.shape[1:] == (samples,) and found.dtype.kind in "iu"
        if not (is_labels or found.shape[1:] == (samples, n)) or (
            is_labels and not 0 <= found.min() <= found.max() < n
        ):
            raise TrainError(
                explain(
                    f"stream: step {self.step}",
                    "the target does not fit",
                    found=", ".join(sorted({f"{a.dtype} of shape {a.shape}" for a in arrays})),
                    expected=f"({samples},) labels from 0 to {n - 1}, or ({samples}, {n}) numbers",
                )
            )
        return found if is_labels else found.astype(self.course.wiring.kind)  # type: ignore[union-attr]

    def _finish(self) -> None:
        """Learn what is left of samples that end, and get ready for others."""
        if self.course is not None and self.teach is not None and self.course.time:
            if self.sums is None:
                self.sums = self.course.sums()
            self.course.finish(self.teach.weights, self.sums)

    def _update(self) -> None:
        """Change the weights."""
        self.since, sums, self.sums = 0, self.sums, None
        if sums is None or self.teach is None:
            return
        self.seen += (sums.loss, self.right, sums.judged, sums.n_spikes, sums.steps)
        self.right = 0.0
        if sums.judged or sums.pulled:
            factor = self.settings.schedule.factor(self.n_updates, self.updates or 0, self.history)
            for group in self.optimizer.param_groups:
                group["lr"] = self.settings.lr * factor
            self.optimizer.zero_grad(set_to_none=True)
            self.teach.back(sums)
            norm = torch.nn.utils.get_total_norm(
                [p.grad for p in self.parameters if p.grad is not None]
            )
            if not (math.isfinite(sums.loss) and torch.isfinite(norm)):
                raise TrainError(
                    explain(
                        f"stream: step {self.step}",
                        "the loss or its gradient is not finite",
                        found=f"loss {sums.loss / max(1, sums.judged):g}, gradient {float(norm):g}",
                        cure="lower the learning rate, or set clip_gradient=1.0",
                    )
                )
            if self.clip is not None:
                torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
            self.optimizer.step()
            self.teach = teaching(self.rule, self.module, self.loss, self.keys)
        self.n_updates += 1
        if self.n_updates % self.report == 0:
            self._report()

    def _report(self) -> None:
        loss, right, judged, spikes, steps = (float(x) for x in self.seen)
        self.history.append(
            Epoch(loss / max(1, judged), right / max(1, judged), spikes / max(1, steps))
        )
        self.seen = np.zeros(5)
        if self.watch is not None:
            self.watch(len(self.history), self.history[-1])
