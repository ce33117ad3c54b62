"""A made-up task that a hand-made network solves, so that comparisons run in moments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from spikewright.network import LIF, Network, chain, dense, neurons, source
from spikewright.report import Comparison, compare
from spikewright.report.compare import Prepared
from spikewright.report.targets import Target
from spikewright.rng import stream
from spikewright.substrates.base import Substrate

CLASSES = 3


@dataclass(frozen=True)
class Part:
    """Spikes `T B N`: the inputs of a sample's class are busy."""

    n: int
    name: str

    @property
    def labels(self) -> np.ndarray:
        """Class of each sample."""
        return np.arange(self.n) % CLASSES

    def batch(self, index: np.ndarray, *, seed: int = 0, epoch: int = 0) -> np.ndarray:
        """Return samples."""
        rate = 0.1 + 0.6 * (np.arange(12) // 4 == self.labels[:, None])
        drawn = stream(seed, self.name).random((20, self.n, 12)) < rate
        return drawn[:, index].astype(np.float32)


@dataclass(frozen=True)
class Task:
    """What `compare` asks of a data set."""

    name: str = "toy <1>"  # the brackets must be escaped in HTML
    train: Part = Part(9, "train")
    validation: Part = Part(6, "validation")
    test: Part = Part(30, "test")
    classes: tuple[str, ...] = ("a", "b", "c")
    source: str = "made for the test"
    license: str = "none"
    notes: tuple[str, ...] = ("made up",)


def network(seed: int = 0) -> Network:
    """Return a network that sums the inputs of each class."""
    net = chain(
        source(12), dense(24), neurons(LIF), dense(CLASSES), neurons(LIF), dt=1e-3, seed=seed
    )
    first, second = net.projections
    draw = stream(seed, "weights")
    own = np.arange(24)[:, None] % CLASSES
    into = 0.6 * (np.arange(12) // 4 == own) + 0.05 * draw.standard_normal((24, 12))
    out = 0.5 * (np.arange(CLASSES)[:, None] == own.T) + 0.05 * draw.standard_normal((CLASSES, 24))
    return net.with_weights({first: into, second: out})


def train(seed: int, line: Target, chip: Substrate | None) -> Prepared:
    """Return the network: nothing is trained."""
    return Prepared(network(seed), "cached")


@pytest.fixture(scope="session")
def toy() -> Network:
    """The network of seed 0."""
    return network()


@pytest.fixture(scope="session")
def comparison() -> Comparison:
    """Every substrate that is built in, two trainings, two chip instances."""
    return compare(
        Task(), train, substrates=["ideal", "loihi", "pcm"], seeds=2, instances=2, damage=(0.0, 0.5)
    )


@pytest.fixture(scope="session")
def task() -> Task:
    """The data set."""
    return Task()


@pytest.fixture(scope="session")
def trainer() -> Any:
    """The trainer."""
    return train
