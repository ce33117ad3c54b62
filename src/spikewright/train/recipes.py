"""Recipes: data set, network and settings that are known to train well, as values that can be changed.

`train_digits(seed=1)` and `train_fsdd(folder, seed=1)` do all of it; the parts are functions of their own. Both
networks take spikes, fire spikes, reset to 0 and have no refractory period, so that chips can carry them as they are.
The decision is the output with the most spikes (`events.argmax_count`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from spikewright.data.augmentation import Affine, Slide
from spikewright.data.base import Dataset
from spikewright.data.encoding import DeterministicRate, Phases
from spikewright.network.chain import chain, dense, neurons, source
from spikewright.network.graph import Network
from spikewright.network.library import LIF
from spikewright.train.fit import Trained, fit
from spikewright.train.initialize import initialize
from spikewright.train.loss import CountCrossEntropy, Loss
from spikewright.train.optimizer import AdamW, Schedule
from spikewright.units import ms

SAMPLE = 128
"""Training samples that initial weights are scaled to."""

TUNING = 0.1
"""Share of the learning rate with which a trained network is trained on."""

MOVED = Affine(shift=0.5, rotate=0.1, zoom=0.05, shear=0.05)
"""How training images of the digits are moved."""

Adapt = Callable[[Network], Network]


@dataclass(frozen=True)
class Recipe:
    """How to train one network on one data set.

    Parameters
    ----------
    hidden : neurons of each hidden population
    recurrent : whether hidden populations project to themselves
    tau_m, tau_out : s, membrane time constant of hidden and output neurons
    fluctuation : `initialize`'s target
    settings : keyword arguments of `fit`
    """

    hidden: tuple[int, ...]
    recurrent: bool
    tau_m: float
    tau_out: float
    fluctuation: float
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def loss(self) -> Loss:
        """The loss, which also decides."""
        found: Loss = self.settings["loss"]
        return found

    def network(self, data: Dataset, seed: int, adapt: Adapt | None = None) -> Network:
        """Return the network with its initial weights; `adapt` may replace its neurons before they are scaled."""
        parts: list[Any] = []
        for n in self.hidden:
            parts += [dense(n, recurrent=self.recurrent), neurons(LIF, tau_m=self.tau_m)]
        parts += [dense(len(data.classes)), neurons(LIF, tau_m=self.tau_out)]
        network = chain(source(data.shape), *parts, dt=data.dt, seed=seed, name=data.name)
        if adapt is not None:
            network = adapt(network)
        plain = replace(data.train, augmentation=None)
        x = plain.batch(np.arange(min(SAMPLE, plain.n)), seed=seed)
        return initialize(network, {"input": x}, seed, target=self.fluctuation)

    def train(
        self, data: Dataset, *, seed: int, adapt: Adapt | None = None, **changes: Any
    ) -> Trained:
        """Train on the training part; `changes` are further arguments of `fit`, or others than the recipe's."""
        network = self.network(data, seed, adapt)
        return fit(network, data, seed=seed, **(self.settings | changes))

    def tune(self, network: Network, data: Dataset, *, seed: int, **changes: Any) -> Trained:
        """Go on with a trained network, at TUNING of the recipe's learning rate; arguments as for `train`."""
        slower = replace(self.settings["optimizer"], lr=TUNING * self.settings["optimizer"].lr)
        return fit(network, data, seed=seed, **(self.settings | {"optimizer": slower} | changes))


DIGITS = Recipe(
    hidden=(256, 128),
    recurrent=False,
    tau_m=10 * ms,
    tau_out=10 * ms,
    fluctuation=2.0,
    settings={
        "loss": CountCrossEntropy(gain=0.25),
        "optimizer": AdamW(lr=5e-3, weight_decay=0.01, schedule=Schedule.ONE_CYCLE),
        "epochs": 30,
        "batch": 64,
    },
)
"""Handwritten digits, 64-256-128-10, 20 steps of 1 ms; see `digits_data`."""

FSDD = Recipe(
    hidden=(256, 128),
    recurrent=True,
    tau_m=40 * ms,
    tau_out=100 * ms,
    fluctuation=1.0,
    settings={
        "loss": CountCrossEntropy(gain=0.3),
        "optimizer": AdamW(lr=3e-3, weight_decay=0.01, schedule=Schedule.ONE_CYCLE),
        "epochs": 20,
        "batch": 64,
        "clip_gradient": 1.0,
    },
)
"""Spoken digits, 80-256-128-10 with recurrent hidden populations, 50 steps of 10 ms; see `fsdd_data`."""


ODIN_DIGITS = replace(DIGITS, hidden=(182,))
"""Handwritten digits, 64-182-10: the 256 neurons that a core of ODIN has, inputs included."""

ODIN_FSDD = replace(FSDD, hidden=(166,), recurrent=False, settings=FSDD.settings | {"epochs": 40})
"""Spoken digits, 80-166-10, for the same core; a recurrent one does not train: its leak lets no gradient fade."""

XYLO_DIGITS = Recipe(
    hidden=(128, 128),
    recurrent=False,
    tau_m=6 * ms,
    tau_out=32 * ms,
    fluctuation=2.0,
    settings=DIGITS.settings
    | {"loss": CountCrossEntropy(gain=0.3), "clip_gradient": 1.0, "epochs": 80},
)
"""Handwritten digits, 16-128-128-10, 40 steps of 1 ms: for the 16 inputs of Xylo; see `phased_digits_data`."""

XYLO_FSDD = replace(FSDD, hidden=(128,), tau_out=80 * ms, settings=FSDD.settings | {"epochs": 40})
"""Spoken digits, 16-128r-10, 50 steps of 10 ms: for the 16 inputs of Xylo; see `counted_fsdd_data`."""


def digits_data(*, steps: int = 20) -> Dataset:
    """Return the handwritten digits as evenly spaced spikes, training images moved a little."""
    from spikewright.data import digits

    found = digits.load(encoding=DeterministicRate(), steps=steps, dt=1 * ms)
    return found.augmented(MOVED)


def phased_digits_data() -> Dataset:
    """Return the handwritten digits on 16 channels: two rows at a time, on four channels which two they are.

    The first and last column are left out: there is hardly any ink.
    """
    from spikewright.data import digits

    how = Phases(4, 8, most=4, marked=True, columns=(1, 7))
    return digits.load(encoding=how, steps=40, dt=1 * ms).augmented(MOVED)


def fsdd_data(folder: str | Path, *, left_out: str | None = None) -> Dataset:
    """Return the spoken digits as spikes where mel bands are loud, training recordings moved in time and pitch.

    Parameters
    ----------
    left_out : a speaker who is the test part; default: the official parts
    """
    from spikewright.data import fsdd

    return fsdd.load(Path(folder), left_out=left_out).augmented(
        Slide(steps=3, channels=1, gain=0.1)
    )


def counted_fsdd_data(folder: str | Path) -> Dataset:
    """Return the spoken digits on 16 channels: 16 mel bands, a spike in each step for each of two levels passed."""
    from spikewright.data import fsdd
    from spikewright.data.encoding import Above
    from spikewright.data.melspectrum import LogMel

    how = Above((0.5, 0.75), counted=True)
    found = fsdd.load(Path(folder), features=LogMel(n_mels=16), encoding=how)
    return found.augmented(Slide(steps=3, channels=0, gain=0.1))


def train_digits(*, seed: int = 1, **changes: Any) -> Trained:
    """Train the digits network; `changes` are arguments of `fit`, for instance `checkpoint=` or `through=`."""
    return DIGITS.train(digits_data(), seed=seed, **changes)


def train_fsdd(folder: str | Path, *, seed: int = 1, **changes: Any) -> Trained:
    """Train the spoken-digits network; `changes` are arguments of `fit`."""
    return FSDD.train(fsdd_data(folder), seed=seed, **changes)
