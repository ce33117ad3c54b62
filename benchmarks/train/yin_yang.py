"""Yin-Yang with first spike times: EventProp's accuracy on the test part, for several seeds.

Each point enters as five spikes: x, y, 1 - x, 1 - y as times between 10 and 40 ms, and one at 20 ms in every sample.
The first of three output neurons to spike decides. Settings were chosen on the validation part; the test part is
read once per seed, with the network of the epoch that validated best.

    python benchmarks/train/yin_yang.py [--seeds 1 2 3] [--threads 1]

Source
------
Wunderlich and Pehle, Scientific Reports 11, 12829, 2021: a network of this kind, 98.1 % there.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from accuracy import Score, write

from spikewright.data import yin_yang
from spikewright.data.base import Samples
from spikewright.network import CubaLIF, Network
from spikewright.network.chain import chain, dense, neurons, source
from spikewright.rng import stream
from spikewright.train import AdamW, eventprop
from spikewright.units import ms

EARLIEST, LATEST, ALWAYS, END = 10 * ms, 40 * ms, 20 * ms, 70 * ms
HIDDEN = 200
LOSS = eventprop.TimeCrossEntropy(tau=0.5 * ms, price=3e-3, tau_late=6.4 * ms, rouse=5.0)
SETTINGS = {
    "optimizer": AdamW(lr=2e-3),
    "epochs": 200,
    "batch": 32,
    # without it three of four hidden neurons fall silent within ten epochs, and validation stays at 97 %
    "wake": eventprop.Wake(step=1.0, share=0.2),
    "clip_gradient": 3.0,
}


def spikes(part: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Return the time of each of five spikes, B 5, and labels."""
    times = EARLIEST + (LATEST - EARLIEST) * part.inputs.astype(np.float64)
    return np.column_stack([times, np.full(part.n, ALWAYS)]), part.labels


def network(seed: int) -> Network:
    """Return the network with weights that let most neurons spike."""
    model = neurons(CubaLIF, tau_m=20 * ms, tau_s=5 * ms)
    found = chain(source(5), dense(HIDDEN), model, dense(3), model, dt=0.1 * ms)
    draw = stream(seed, "benchmarks/yin_yang/weights")
    return found.with_weights(
        {
            "input->hidden1": draw.normal(1.5, 0.78, (HIDDEN, 5)),
            "hidden1->output": draw.normal(0.93, 0.1, (3, HIDDEN)) * (200 / HIDDEN),
        }
    )


def score(seed: int, threads: int) -> Score:
    """Train with one seed."""
    data = yin_yang.load()
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
        "eventprop_yin_yang",
        f"5-{HIDDEN}-3, 5000 / 1000 / 1000 points, first spike decides; test read once per seed",
        scores,
        loss=repr(LOSS),
        **{name: repr(value) for name, value in SETTINGS.items()},
    )


if __name__ == "__main__":
    main()
