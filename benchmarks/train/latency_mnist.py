"""Handwritten digits as latencies: EventProp's accuracy on the official test part, for several seeds.

Each pixel spikes once, the brighter the earlier, or not at all where it is dark. One hidden population of 350 neurons;
of ten output neurons without a threshold, the one whose membrane gets highest decides. Settings were chosen on the
validation part (1/12 of the training images); the test part is read once per seed, with the network of the epoch that
validated best.

    SPIKEWRIGHT_SHARED=FOLDER python benchmarks/train/latency_mnist.py [--seeds 1 2 3] [--threads 1]

The four idx files (plain or gzip) are read from `$SPIKEWRIGHT_SHARED/data/mnist`.

Source
------
Wunderlich and Pehle, Scientific Reports 11, 12829, 2021: a network of this kind, 97.6 % there.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from accuracy import Score, write

from spikewright.data import Dataset, idx
from spikewright.data.base import Samples
from spikewright.network import CubaLI, CubaLIF, Network
from spikewright.network.chain import chain, dense, neurons, source
from spikewright.rng import stream
from spikewright.train import AdamW, eventprop
from spikewright.units import ms

LATEST, END = 20 * ms, 40 * ms
DARK = 0.15
HIDDEN = 350
LOSS = eventprop.GreatestCrossEntropy(gain=5.0)
SETTINGS = {
    "optimizer": AdamW(lr=1.5e-3),
    "epochs": 14,
    "batch": 128,
    "wake": eventprop.Wake(step=0.3, share=0.8),
    "perturbation": eventprop.Perturbation(drop=0.15),
    "clip_gradient": 1.0,
}


def digits() -> Dataset:
    """Return the images."""
    shared = os.environ.get("SPIKEWRIGHT_SHARED")
    if not shared:
        raise SystemExit(
            "latency_mnist: set SPIKEWRIGHT_SHARED to the folder that holds data/mnist"
        )
    return idx.mnist(Path(shared) / "data/mnist")


def spikes(part: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Return the time of each pixel's spike, B 784, and labels."""
    grey = part.inputs.reshape(part.n, -1).astype(np.float64)
    return np.where(grey > DARK, LATEST * (1.0 - grey), np.inf), part.labels


def network(seed: int) -> Network:
    """Return the network with weights that let about half of the hidden neurons spike."""
    times = {"tau_m": 20 * ms, "tau_s": 5 * ms}
    hidden, output = neurons(CubaLIF, **times), neurons(CubaLI, **times)
    found = chain(source(784), dense(HIDDEN), hidden, dense(10), output, dt=0.1 * ms)
    draw = stream(seed, "benchmarks/latency_mnist/weights")
    return found.with_weights(
        {
            "input->hidden1": draw.normal(0.06, 0.15, (HIDDEN, 784)),
            "hidden1->output": draw.normal(0.0, 0.2, (10, HIDDEN)),
        }
    )


def score(seed: int, threads: int) -> Score:
    """Train with one seed."""
    data = digits()
    began = time.process_time()
    done = eventprop.fit(
        network(seed),
        (spikes(data.train), spikes(data.validation)),
        until=END,
        loss=LOSS,
        seed=seed,
        threads=threads,
        **SETTINGS,
    )
    spent = time.process_time() - began
    best = done.history[done.best]
    test = eventprop.evaluate(done.network, spikes(data.test), LOSS, until=END, threads=threads)
    return Score(
        seed, test.accuracy, best.validation_accuracy or 0.0, done.seconds, spent, test.spikes
    )


def main() -> None:
    """Train with every seed and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    scores = [score(seed, args.threads) for seed in args.seeds]
    write(
        "eventprop_mnist",
        f"784-{HIDDEN}-10, official test part, 1/12 of training for validation; greatest membrane decides; "
        "test read once per seed",
        scores,
        loss=repr(LOSS),
        **{name: repr(value) for name, value in SETTINGS.items()},
    )


if __name__ == "__main__":
    main()
