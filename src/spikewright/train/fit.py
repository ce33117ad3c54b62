"""Gradient training: Network -> Network, the same from the same seed, whatever interrupts it.

Every random number depends on (seed, epoch, batch) alone: the order of samples, augmentation, random encodings, passes.
So a run that was stopped and resumed does what an uninterrupted one does, and ends with the same weights.

The validation part chooses the epoch whose weights are returned; a test part is never seen here.

Longer than most files: the loop, its checkpoints and its interruption have to agree to the last bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikewright.data.augmentation import Augmentation
from spikewright.data.base import Samples
from spikewright.errors import TrainError, explain
from spikewright.network.graph import Network
from spikewright.rng import key, stream
from spikewright.train.checkpoint import Checkpoint, load, place, save
from spikewright.train.evaluate import evaluate, spikes_of
from spikewright.train.fingerprint import fingerprint
from spikewright.train.interrupt import Interrupted, stop_requested
from spikewright.train.loss import CountCrossEntropy, Loss, Regularizer
from spikewright.train.module import Module
from spikewright.train.optimizer import SGD, AdamW
from spikewright.train.progress import Progress
from spikewright.train.samples import Part, as_parts
from spikewright.train.step import ResetGradient
from spikewright.train.surrogate import Arctan, Surrogate
from spikewright.train.threads import limited_threads

Pass = Callable[..., tuple[Network, Any]]
"""`pass_(network, seed) -> (network, changes)`: weights, biases and parameters may change, the structure may not."""

SAVE_INTERVAL = 60.0
"""Seconds after which a long epoch is saved in its middle."""


@dataclass(frozen=True)
class Epoch:
    """One epoch of a history; losses are means per sample, accuracies shares, spikes per sample without inputs."""

    loss: float
    accuracy: float
    spikes: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


@dataclass(frozen=True)
class Trained:
    """What training gives.

    Parameters
    ----------
    network : with the weights of the best epoch
    history : one Epoch per epoch
    best : index of the best epoch: highest validation accuracy, then lowest validation loss; the last where
    there is none
    seed : what everything was drawn from
    fingerprint : of network, data and settings
    seconds : wall time of all epochs, of earlier runs too
    resumed_from : epochs that were found in the checkpoint, 0 for none
    was_loaded : whether training had already been finished
    checkpoint : the file, or None
    """

    network: Network
    history: tuple[Epoch, ...]
    best: int
    seed: int
    fingerprint: str
    seconds: float
    resumed_from: int
    was_loaded: bool
    checkpoint: Path | None


@dataclass(frozen=True)
class Settings:
    """Everything that the result depends on, beside network and data."""

    loss: Loss
    optimizer: AdamW | SGD
    epochs: int
    batch: int
    seed: int
    regularizers: tuple[Regularizer, ...]
    through: tuple[Pass, ...]
    augmentation: Augmentation | None
    surrogate: Surrogate
    reset_gradient: ResetGradient
    trainable: tuple[str, ...]
    weight_limit: float | None
    clip_gradient: float | None
    dtype: str


def fit(
    network: Network,
    data: Any,
    *,
    loss: Loss = CountCrossEntropy(),  # noqa: B008
    optimizer: AdamW | SGD = AdamW(),  # noqa: B008
    epochs: int = 20,
    batch: int = 64,
    seed: int = 0,
    regularizers: Sequence[Regularizer] = (),
    through: Sequence[Pass] = (),
    augmentation: Augmentation | None = None,
    surrogate: Surrogate = Arctan(),  # noqa: B008
    reset_gradient: ResetGradient = ResetGradient.KEPT,
    trainable: Sequence[str] = ("weights", "biases"),
    weight_limit: float | None = None,
    clip_gradient: float | None = None,
    dtype: torch.dtype = torch.float32,
    threads: int | None = 1,
    checkpoint: str | Path | None = None,
    progress: bool = True,
    watch: Callable[[int, Epoch], None] | None = None,
) -> Trained:
    """Train a network on labeled samples.

    Parameters
    ----------
    network : what to train; it is not changed
    data : a Dataset, whose test part is not looked at; or (train, validation), each Samples or
        (inputs `T B *shape`, labels), validation may be None
    loss, regularizers : what is made small
    optimizer : and its learning-rate schedule; weights are in natural units (see `Module`)
    epochs, batch : passes over the training part, and samples per step
    seed : of everything that is drawn
    through : passes that every forward run goes through, drawn anew for every batch; the gradient goes straight through
    augmentation : of the training part, in place of its own
    surrogate, reset_gradient, trainable, dtype : as in `Module`
    weight_limit : weights are kept between minus and plus this, in natural units
    clip_gradient : largest norm of the gradient
    threads : PyTorch's, for this call; None: as many as it has. Time loops gain little from more than one, and results
        can differ in the last bit between numbers of threads
    checkpoint : folder; the run is saved there after every epoch, resumed from there, and loaded when finished
    progress : whether to show a progress bar
    watch : called after every epoch with its number and result

    Returns
    -------
    Trained

    Raises
    ------
    TrainError : data, labels or settings do not fit, or the loss is not finite any more
    Interrupted : Ctrl-C; everything is saved, and the same call goes on from there

    Examples
    --------
    >>> import numpy as np
    >>> from spikewright.network import LIF
    >>> from spikewright.network.chain import chain, dense, neurons, source
    >>> labels = np.arange(40) % 2
    >>> spikes = np.repeat(np.eye(2)[labels][None], 10, axis=0)
    >>> net = chain(source(2), dense(2), neurons(LIF), dt=1e-3, seed=1)
    >>> done = fit(net, ((spikes, labels), None), optimizer=AdamW(lr=0.1), epochs=20, progress=False)
    >>> done.history[-1].accuracy
    1.0
    """
    settings = Settings(
        loss, optimizer, epochs, batch, seed, tuple(regularizers), tuple(through), augmentation,
        surrogate, reset_gradient, tuple(trainable), weight_limit, clip_gradient, str(dtype),
    )  # fmt: skip
    train, validation = as_parts(data, augmentation)
    network = network.written_out()
    _check(network, train, validation, settings)
    with limited_threads(threads):
        module = Module(
            network,
            surrogate=surrogate,
            reset_gradient=reset_gradient,
            trainable=trainable,
            dtype=dtype,
        )
        return _Fit(module, train, validation, settings, checkpoint, progress, watch).run()


class _Fit:
    """One call of `fit`."""

    def __init__(
        self,
        module: Module,
        train: Part,
        validation: Part | None,
        settings: Settings,
        checkpoint: str | Path | None,
        progress: bool,
        watch: Callable[[int, Epoch], None] | None,
    ) -> None:
        self.module, self.train, self.validation = module, train, validation
        self.settings, self.watch, self.progress = settings, watch, progress
        self.parameters = dict(module.named_parameters())
        self.optimizer = settings.optimizer.build(self.parameters.values())
        self.record = settings.loss.record(module.network)
        self.n_batches = math.ceil(train.n / settings.batch)
        self.fingerprint = fingerprint(module.network, train, validation, settings)
        self.file = None if checkpoint is None else place(checkpoint, self.fingerprint)
        self.history: list[Epoch] = []
        self.best = -1
        self.best_values = self._values()
        self.seconds = 0.0
        self.epoch, self.batch = 0, 0
        self.sums = np.zeros(3)

    def run(self) -> Trained:
        """Train from the start, or from where the checkpoint stands."""
        found = None if self.file is None else load(self.file, self.fingerprint)
        if found is not None:
            self._restore(found)
        resumed = self.epoch
        finished = self.epoch >= self.settings.epochs
        with Progress(self.progress, self.settings.epochs * self.n_batches) as bar:
            if finished:
                bar.say(f"already trained, loaded from {self.file}")
            elif found is not None:
                bar.say(f"resuming at epoch {self.epoch + 1} from {self.file}")
            with stop_requested() as stop:
                while self.epoch < self.settings.epochs:
                    self._epoch(bar, stop)
        return self._trained(resumed, finished)

    def _epoch(self, bar: Progress, stop: Callable[[], bool]) -> None:
        settings = self.settings
        draw = stream(settings.seed, f"train/order/{self.epoch}")
        order = draw.permutation(self.train.n)
        started = saved = time.monotonic()
        while self.batch < self.n_batches:
            chosen = order[self.batch * settings.batch : (self.batch + 1) * settings.batch]
            self.sums += self._learn(chosen)
            self.batch += 1
            seen = min(self.batch * settings.batch, self.train.n)
            bar.show(
                self.epoch * self.n_batches + self.batch,
                epoch=f"{self.epoch + 1}/{settings.epochs}",
                loss=self.sums[0] / seen,
                accuracy=self.sums[1] / seen,
                spikes=self.sums[2] / seen,
                validation=self.history[-1].validation_accuracy if self.history else None,
            )
            if self.batch < self.n_batches and stop():
                self.seconds += time.monotonic() - started
                self._interrupt()
            if self.file is not None and time.monotonic() - saved > SAVE_INTERVAL:
                self._save(time.monotonic() - started)
                saved = time.monotonic()
        result = Epoch(*(float(v) for v in self.sums / self.train.n))
        if self.validation is not None:
            seen = evaluate(
                self.module,
                self.validation,
                settings.loss,
                seed=settings.seed,
                instance=self._instance(f"validation/{self.epoch}"),
            )
            result = replace(result, validation_loss=seen.loss, validation_accuracy=seen.accuracy)
        self.history.append(result)
        if self._is_best(result):
            self.best, self.best_values = self.epoch, self._values()
        self.epoch, self.batch, self.sums = self.epoch + 1, 0, np.zeros(3)
        self.seconds += time.monotonic() - started
        if self.file is not None:
            self._save()
        if self.watch is not None:
            self.watch(self.epoch, result)
        if self.epoch < settings.epochs and stop():
            self._interrupt()

    def _learn(self, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        settings, module = self.settings, self.module
        at = f"{self.epoch}/{self.batch}"
        x = self.train.batch(chosen, seed=settings.seed, epoch=self.epoch)
        labels = torch.tensor(self.train.labels[chosen])
        step = self.epoch * self.n_batches + self.batch
        factor = settings.optimizer.schedule.factor(step, settings.epochs * self.n_batches)
        for group in self.optimizer.param_groups:
            group["lr"] = settings.optimizer.lr * factor
        run = module.run(
            x,
            record=self.record,
            seed=key(settings.seed, f"train/noise/{at}") & 0x7FFFFFFF,
            instance=self._instance(at),
        )
        value = settings.loss(run, labels)
        total = value
        for term in settings.regularizers:
            total = total + term(run)
        if not torch.isfinite(total):
            self._diverged(float(total.detach()))
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = torch.nn.utils.get_total_norm(
            [p.grad for p in self.parameters.values() if p.grad is not None]
        )
        if not torch.isfinite(norm):
            self._diverged(float(norm))
        if settings.clip_gradient is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), settings.clip_gradient)
        self.optimizer.step()
        if settings.weight_limit is not None:
            with torch.no_grad():
                for weight in module.weights.values():
                    weight.clamp_(-settings.weight_limit, settings.weight_limit)
        right = float(np.sum(settings.loss.decide(run) == self.train.labels[chosen]))
        return np.array([float(value.detach()) * len(chosen), right, spikes_of(run)])

    def _instance(self, at: str) -> Network | None:
        if not self.settings.through:
            return None
        network = self.module.to_network()
        for number, pass_ in enumerate(self.settings.through):
            seed = key(self.settings.seed, f"train/through/{number}/{at}") & 0x7FFFFFFF
            network = pass_(network, seed)[0]
        return network

    def _is_best(self, result: Epoch) -> bool:
        if self.best < 0 or result.validation_accuracy is None or result.validation_loss is None:
            return True
        best = self.history[self.best]
        return (result.validation_accuracy, -result.validation_loss) > (
            best.validation_accuracy,
            -(best.validation_loss or 0.0),
        )

    def _diverged(self, found: float) -> None:
        raise TrainError(
            explain(
                f"epoch {self.epoch + 1}, batch {self.batch + 1}",
                "the loss or its gradient is not finite",
                found=found,
                cure="lower the learning rate, set clip_gradient=1.0, or initialize(network, ...) first",
            )
        )

    def _values(self) -> dict[str, NDArray[Any]]:
        return {n: p.detach().cpu().numpy().copy() for n, p in self.parameters.items()}

    def _network(self, values: Mapping[str, NDArray[Any]]) -> Network:
        now = self._values()
        try:
            self._put(values)
            return self.module.to_network()
        finally:
            self._put(now)

    def _put(self, values: Mapping[str, NDArray[Any]]) -> None:
        with torch.no_grad():
            for n, p in self.parameters.items():
                p.copy_(torch.tensor(values[n]))

    def _save(self, running: float = 0.0) -> None:
        arrays = {f"now/{n}": x for n, x in self._values().items()}
        arrays |= {f"best/{n}": x for n, x in self.best_values.items()}
        for number, p in enumerate(self.parameters.values()):
            for name, x in self.optimizer.state.get(p, {}).items():
                if isinstance(x, torch.Tensor):
                    arrays[f"optimizer/{number}/{name}"] = x.detach().cpu().numpy()
        header = {
            "fingerprint": self.fingerprint,
            "epoch": self.epoch,
            "batch": self.batch,
            "sums": [float(v) for v in self.sums],
            "best": self.best,
            "seconds": self.seconds + running,
            "history": [vars(e) for e in self.history],
            "seed": self.settings.seed,
        }
        if self.file is not None:
            save(self.file, Checkpoint(header, arrays))

    def _restore(self, found: Checkpoint) -> None:
        header, arrays = found.header, found.arrays
        try:
            self._put({n: arrays[f"now/{n}"] for n in self.parameters})
            self.best_values = {n: arrays[f"best/{n}"] for n in self.parameters}
            for number, p in enumerate(self.parameters.values()):
                prefix = f"optimizer/{number}/"
                state = {
                    n[len(prefix) :]: torch.tensor(x)
                    for n, x in arrays.items()
                    if n.startswith(prefix)
                }
                if state:
                    self.optimizer.state[p] = state
            self.epoch, self.batch = int(header["epoch"]), int(header["batch"])
            self.sums = np.array(header["sums"], np.float64)
            self.best, self.seconds = int(header["best"]), float(header["seconds"])
            self.history = [Epoch(**e) for e in header["history"]]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise TrainError(
                explain(
                    str(self.file),
                    "the checkpoint is incomplete",
                    found=error,
                    cure="delete it to train from the start",
                )
            ) from error

    def _trained(self, resumed: int, finished: bool) -> Trained:
        best = self.best if self.best >= 0 else 0
        return Trained(
            self._network(self.best_values),
            tuple(self.history),
            best,
            self.settings.seed,
            self.fingerprint,
            self.seconds,
            resumed,
            finished,
            self.file,
        )

    def _interrupt(self) -> None:
        if self.file is not None:
            self._save()
        raise Interrupted(
            self._trained(self.epoch, False), self.epoch, self.settings.epochs, self.file
        )


def _check(network: Network, train: Part, validation: Part | None, settings: Settings) -> None:
    for name in ("epochs", "batch"):
        if getattr(settings, name) < 1:
            raise TrainError(
                explain(f"fit({name}=)", "must be at least 1", found=getattr(settings, name))
            )
    parts = [p for p in (train, validation) if p is not None]
    for part in parts:
        if isinstance(part, Samples) and not math.isclose(part.dt, network.dt, rel_tol=1e-9):
            raise TrainError(
                explain(
                    f"data: {part.part}",
                    "is encoded for another dt than the network's",
                    found=f"{part.dt:g} s",
                    expected=f"{network.dt:g} s",
                    cure="encode with dataset.encoded(encoding, dt=network.dt)",
                )
            )
    classes = 1 + max(int(p.labels.max()) for p in parts)
    settings.loss.check(network, classes)
    settings.loss.record(network)
