"""Gradient training: Network -> Network, the same from the same seed, whatever interrupts it.

The validation part chooses the epoch whose weights are returned; a test part is never seen here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from spikewright.data.augmentation import Augmentation
from spikewright.errors import TrainError, explain
from spikewright.network.graph import Network
from spikewright.train.check import check
from spikewright.train.delays import Delays
from spikewright.train.determinism import deterministic_algorithms
from spikewright.train.distributed import local_device, ranks
from spikewright.train.gradient import Backpropagation, Gradient
from spikewright.train.hardware import Pass, Through
from spikewright.train.history import Epoch, Trained
from spikewright.train.logs import Log
from spikewright.train.loop import Loop
from spikewright.train.loss import CountCrossEntropy, Loss, Regularizer
from spikewright.train.measure import Measure
from spikewright.train.module import Module
from spikewright.train.optimizer import SGD, AdamW
from spikewright.train.precision import Precision
from spikewright.train.samples import as_parts
from spikewright.train.settings import Settings
from spikewright.train.step import ResetGradient
from spikewright.train.stopping import EarlyStopping
from spikewright.train.surrogate import Arctan, Surrogate
from spikewright.train.threads import limited_threads


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
    through: Sequence[Pass] | Through = (),
    augmentation: Augmentation | None = None,
    surrogate: Surrogate = Arctan(),  # noqa: B008
    reset_gradient: ResetGradient = ResetGradient.KEPT,
    trainable: Sequence[str | Delays] = ("weights", "biases"),
    weight_limit: float | None = None,
    clip_gradient: float | None = None,
    dtype: torch.dtype = torch.float32,
    precision: Precision = Precision.FULL,
    gradient: Gradient = Backpropagation(),  # noqa: B008
    stopping: EarlyStopping | None = None,
    measures: Sequence[Measure] = (),
    device: str | torch.device = "cpu",
    deterministic: bool = False,
    threads: int | None = 1,
    checkpoint: str | Path | None = None,
    logs: Sequence[Log] = (),
    progress: bool = True,
    watch: Callable[[int, Epoch], None] | None = None,
) -> Trained:
    """Train a network on labeled samples.

    Started by `torchrun`, every process calls this with the same arguments: each runs a share of every batch, all end
    with the same weights, and the first one writes and shows what there is (see `distributed`).

    Parameters
    ----------
    network : what to train; it is not changed
    data : a Dataset, whose test part is not looked at; or (train, validation), each Samples or
        (inputs `T B *shape`, labels), validation may be None
    loss, regularizers : what is made small
    optimizer : and its learning-rate schedule; weights are in natural units (see `Module`)
    epochs, batch : passes over the training part, and samples per step
    seed : of everything that is drawn
    through : passes that every forward run goes through, drawn anew for every batch; the gradient goes straight
        through. `Through(passes, ...)` says otherwise: one chip in the loop, no gradient outside a range
    augmentation : of the training part, in place of its own
    surrogate, reset_gradient, trainable, dtype, precision : as in `Module`
    gradient : how it is found: all steps at once, or in segments of time that need less memory
    stopping : when to end before the last epoch
    measures : what to measure on the validation part after every epoch beside loss and accuracy
    device : "cpu", "cuda" or one of several GPUs
    deterministic : let PyTorch use only algorithms that give the same bits each time, within this call
    weight_limit : weights are kept between minus and plus this, in natural units
    clip_gradient : largest norm of the gradient
    threads : PyTorch's, for this call; None: as many as it has. Time loops gain little from more than one, and results
        can differ in the last bit between numbers of threads
    checkpoint : folder; the run is saved there after every epoch, resumed from there, and loaded when finished
    logs : where every epoch is logged for other programs
    progress : whether to show a table of epochs and a progress bar
    watch : called after every epoch with its number and result

    Returns
    -------
    Trained

    Raises
    ------
    TrainError : data, labels or settings do not fit, the loss is not finite any more, or another process failed
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
        loss=loss,
        optimizer=optimizer,
        epochs=epochs,
        batch=batch,
        seed=seed,
        regularizers=tuple(regularizers),
        through=Through.of(through),
        augmentation=augmentation,
        surrogate=surrogate,
        reset_gradient=reset_gradient,
        trainable=tuple(trainable),
        weight_limit=weight_limit,
        clip_gradient=clip_gradient,
        dtype=str(dtype).removeprefix("torch."),
        precision=precision,
        gradient=gradient,
        stopping=stopping,
        measures=tuple(measures),
    )
    with ExitStack() as stack:
        # first of all: what goes wrong from here on in one process is said by all
        processes = stack.enter_context(ranks())
        place = _device(device)
        processes.use(place)
        stack.enter_context(limited_threads(threads))
        stack.enter_context(deterministic_algorithms(deterministic, place))
        train, validation = as_parts(data, augmentation)
        network = network.written_out()
        check(network, train, validation, settings)
        for log in logs if processes.is_first else ():
            log.check()
        module = Module(
            network,
            surrogate=surrogate,
            reset_gradient=reset_gradient,
            trainable=trainable,
            dtype=dtype,
            precision=precision,
        ).to(place)
        gradient.prepare(module, settings)
        loop = Loop(
            module,
            train,
            validation,
            settings,
            processes,
            checkpoint=checkpoint,
            logs=logs,
            progress=progress,
            watch=watch,
        )
        return loop.run()


def _device(device: str | torch.device) -> torch.device:
    """Return a device that can be used.

    Raises
    ------
    TrainError : it cannot
    """
    try:
        place = local_device(torch.device(device))
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise TrainError(
            explain(
                "fit(device=)",
                "cannot be used here",
                found=f"{device} ({str(error).splitlines()[0]})",
                expected="'cpu'" + (", 'cuda'" if torch.cuda.is_available() else ""),
            )
        ) from error
    return place
