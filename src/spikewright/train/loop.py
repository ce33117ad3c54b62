"""The loop of training, and where it stands: what a checkpoint holds, and what comes back from one.

Every random number depends on (seed, epoch, batch) alone, schedules and early stopping on the history alone. So a run
that was stopped and resumed does what an uninterrupted one does, and ends with the same weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikewright.errors import TrainError, explain
from spikewright.network.graph import Network
from spikewright.rng import key, stream
from spikewright.train.checkpoint import Checkpoint, load, place, save
from spikewright.train.delays.learned import keep_in_range, parameter_groups
from spikewright.train.distributed import Ranks
from spikewright.train.evaluate import evaluate
from spikewright.train.fingerprint import fingerprint
from spikewright.train.gradient import Batch
from spikewright.train.history import Epoch, Trained, is_better
from spikewright.train.inputs import tensor_of
from spikewright.train.interrupt import Interrupted, stop_requested
from spikewright.train.logs import Log, Writer, scalars
from spikewright.train.module import Module
from spikewright.train.nonfinite import origin
from spikewright.train.progress import Progress
from spikewright.train.samples import Part
from spikewright.train.settings import Settings

SAVE_INTERVAL = 60.0
"""Seconds after which a long epoch is saved in its middle."""


class Loop:
    """One call of `fit`.

    Parameters
    ----------
    module : what is trained
    train, validation : samples
    settings : what the result depends on
    ranks : the processes that share the run
    checkpoint, logs, progress, watch : as in `fit`
    """

    def __init__(
        self,
        module: Module,
        train: Part,
        validation: Part | None,
        settings: Settings,
        ranks: Ranks,
        *,
        checkpoint: str | Path | None,
        logs: Sequence[Log],
        progress: bool,
        watch: Callable[[int, Epoch], None] | None,
    ) -> None:
        self.module, self.train, self.validation = module, train, validation
        self.settings, self.ranks = settings, ranks
        self.logs, self.progress, self.watch = logs, progress, watch
        self.parameters = dict(module.named_parameters())
        self.device = next(iter(self.parameters.values())).device
        self.optimizer = settings.optimizer.build(parameter_groups(module))
        self.record = settings.loss.record(module.network)
        self.n_batches = math.ceil(train.n / settings.batch)
        self.fingerprint = fingerprint(module.network, train, validation, settings)
        ranks.check_same("fit: fingerprint of network, data and settings", self.fingerprint)
        self.file: Path | None = None
        if checkpoint is not None:
            self.file = ranks.from_first(lambda: place(checkpoint, self.fingerprint))
        self.history: list[Epoch] = []
        self.best = -1
        self.best_values = self._values()
        self.seconds = 0.0
        self.epoch, self.batch = 0, 0
        self.sums = np.zeros(3)

    def run(self) -> Trained:
        """Train from the start, or from where the checkpoint stands."""
        file = self.file
        found = (
            None if file is None else self.ranks.from_first(lambda: load(file, self.fingerprint))
        )
        if found is not None:
            self._restore(found)
        resumed = self.epoch
        finished = self._is_over()
        shown = self.progress and self.ranks.is_first
        total = self.settings.epochs * self.n_batches
        with Progress(shown, total) as bar, ExitStack() as stack:
            if finished:
                bar.say(f"already trained, loaded from {self.file}")
            elif found is not None:
                bar.say(f"resuming at epoch {self.epoch + 1} from {self.file}")
            writers: list[Writer] = []
            if self.ranks.is_first and not finished:
                for log in self.logs:
                    writers.append(log.open(self.fingerprint, self.epoch))
                    stack.callback(writers[-1].close)
            # torchrun passes on a Ctrl-C that the terminal has sent to every process already
            with stop_requested(1.0 if self.ranks.size > 1 else 0.0) as stop:
                while not self._is_over():
                    self._epoch(bar, writers, stop)
        return self._trained(resumed, finished)

    def _is_over(self) -> bool:
        stopping = self.settings.stopping
        return self.epoch >= self.settings.epochs or (
            # in the middle of an epoch the history has been asked already
            self.batch == 0 and stopping is not None and stopping.is_over(self.history)
        )

    # -- one epoch, one batch --------------------------------------------------------------------------

    def _epoch(self, bar: Progress, writers: Sequence[Writer], stop: Callable[[], bool]) -> None:
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
            )
            if self.batch < self.n_batches and self.ranks.any(stop()):
                self.seconds += time.monotonic() - started
                self._interrupt()
            if time.monotonic() - saved > SAVE_INTERVAL:
                self._save(time.monotonic() - started)
                saved = time.monotonic()
        result = self._validated(Epoch(*(float(v) for v in self.sums / self.train.n)))
        lr = float(self.optimizer.param_groups[0]["lr"])
        self.history.append(result)
        if self.best < 0 or is_better(result, self.history[self.best]):
            self.best, self.best_values = self.epoch, self._values()
        self.epoch, self.batch, self.sums = self.epoch + 1, 0, np.zeros(3)
        bar.row(self.epoch, result, settings.measures)
        self.seconds += time.monotonic() - started
        self._save()
        for writer in writers:
            writer.write(self.epoch, scalars(result, lr=lr, seconds=self.seconds))
        if self.watch is not None and self.ranks.is_first:
            self.watch(self.epoch, result)
        if not self._is_over() and self.ranks.any(stop()):
            self._interrupt()

    def _validated(self, result: Epoch) -> Epoch:
        if self.validation is None:
            return result
        settings = self.settings
        seen = evaluate(
            self.module,
            self.validation,
            settings.loss,
            seed=settings.seed,
            instance=self._instance(f"validation/{self.epoch}"),
            measures=settings.measures,
            segment=settings.gradient.segment,
            ranks=self.ranks,
        )
        return replace(
            result,
            validation_loss=seen.loss,
            validation_accuracy=seen.accuracy,
            measures=seen.measures,
        )

    def _learn(self, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        settings = self.settings
        step = self.epoch * self.n_batches + self.batch
        factor = settings.optimizer.schedule.factor(
            step, settings.epochs * self.n_batches, self.history
        )
        for group in self.optimizer.param_groups:
            group["lr"] = settings.optimizer.lr * factor * group.get("pace", 1.0)
        self.module.anneal(step / max(1, settings.epochs * self.n_batches))
        own, batch = self._batch(chosen)
        self.optimizer.zero_grad(set_to_none=True)
        learned = settings.gradient.learn(batch)
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if not (math.isfinite(learned.total) and torch.isfinite(norm)):
            self._diverged(batch, own if len(own) else chosen[:1], learned.total)
        right = float(np.sum(learned.decided[: len(own)] == self.train.labels[own]))
        sums = np.array([learned.loss * len(own), right, learned.spikes if len(own) else 0.0])
        if self.ranks.size > 1:
            # where a process has failed, this is where the others learn of it
            sums = self.ranks.sum(sums)
            self.ranks.add_gradients(self.parameters.values())
        if settings.clip_gradient is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), settings.clip_gradient)
        self.optimizer.step()
        keep_in_range(self.module)
        if settings.weight_limit is not None:
            with torch.no_grad():
                for weight in self.module.weights.values():
                    weight.clamp_(-settings.weight_limit, settings.weight_limit)
        return sums

    def _batch(self, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], Batch]:
        """Return this process's samples of a batch, and what to learn from."""
        settings = self.settings
        at = f"{self.epoch}/{self.batch}"
        own, first = self.ranks.share(chosen)
        # a share can be empty: then the process runs a sample that does not count
        run = own if len(own) else chosen[:1]
        like = next(iter(self.parameters.values()))
        inputs = self.train.batch(run, seed=settings.seed, epoch=self.epoch)
        batch = Batch(
            self.module,
            tensor_of(inputs).to(device=self.device, dtype=like.dtype),
            torch.tensor(self.train.labels[run], device=self.device),
            settings.loss,
            settings.regularizers,
            self.record,
            seed=key(settings.seed, f"train/noise/{at}") & 0x7FFFFFFF,
            first_sample=first,
            instance=self._instance(at),
            clip=settings.through.clip,
            share=len(own) / len(chosen),
            whole=self.ranks.whole(len(chosen)),
        )
        return own, batch

    def _instance(self, at: str) -> Network | None:
        through = self.settings.through
        if not through.passes:
            return None
        return through.instance(self.module.to_network(), self.settings.seed, at)

    def _diverged(self, batch: Batch, samples: NDArray[np.int64], total: float) -> None:
        found = origin(batch, samples)
        raise TrainError(
            explain(
                f"epoch {self.epoch + 1}, batch {self.batch + 1}: {found.where}",
                f"{found.what}; the loss is {total:g}",
                found=found.found,
                cure="lower the learning rate, set clip_gradient=1.0, or initialize(network, ...) first",
            )
        )

    # -- where it stands -------------------------------------------------------------------------------

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
        if self.file is None or not self.ranks.is_first:
            return
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
        save(self.file, Checkpoint(header, arrays))

    def _restore(self, found: Checkpoint) -> None:
        header, arrays = found.header, found.arrays
        try:
            self._put({n: arrays[f"now/{n}"] for n in self.parameters})
            self.best_values = {n: arrays[f"best/{n}"] for n in self.parameters}
            for number, p in enumerate(self.parameters.values()):
                prefix = f"optimizer/{number}/"
                # a moment lies where its parameter does, PyTorch keeps the count of steps on the CPU
                state = {
                    n[len(prefix) :]: torch.tensor(
                        x, device="cpu" if n.endswith("/step") else p.device
                    )
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
        return Trained(
            self._network(self.best_values),
            tuple(self.history),
            max(self.best, 0),
            self.settings.seed,
            self.fingerprint,
            self.seconds,
            resumed,
            finished,
            self.file,
            stopped_early=self._is_over() and self.epoch < self.settings.epochs,
        )

    def _interrupt(self) -> None:
        self._save()
        raise Interrupted(
            self._trained(self.epoch, False), self.epoch, self.settings.epochs, self.file
        )
