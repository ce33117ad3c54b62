"""Test accuracy on MNIST and Fashion-MNIST: spiking multilayer perceptron and convolutional network, several seeds.

    python benchmarks/train/images.py mnist|fashion mlp|conv [--seeds 1 2 3] [--epochs N] [--jobs N]

Images are held currents over a few steps. 1/12 of the training images is the validation part, by which settings were
chosen and which chooses the epoch; the official test part is run once per seed, at the end.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import Score, write

from spikewright.data import idx
from spikewright.data.augmentation import Affine
from spikewright.data.base import Dataset
from spikewright.network import LI, LIF, Network, Propagation
from spikewright.network.chain import avg_pool, chain, conv, dense, flatten, neurons, source
from spikewright.train import AdamW, MembraneMeanCrossEntropy, Module, evaluate, fit, initialize
from spikewright.train.precision import Precision
from spikewright.train.schedule import Schedule
from spikewright.units import ms

STEPS = {"mlp": 8, "conv": 4}
EPOCHS = {
    ("mnist", "mlp"): 20,
    ("fashion", "mlp"): 15,
    ("mnist", "conv"): 6,
    ("fashion", "conv"): 24,
}
MOVED = {
    ("mnist", "mlp"): Affine(shift=2.0, rotate=0.15, zoom=0.1),
    ("fashion", "mlp"): Affine(mirror=0.5),
    ("mnist", "conv"): Affine(shift=2.0, rotate=0.15, zoom=0.1),
    ("fashion", "conv"): Affine(mirror=0.5, shift=1.5, zoom=0.05),
}


def network(kind: str, data: Dataset, seed: int) -> Network:
    """Return the network with its initial weights."""
    leaky: dict[str, Any] = {"tau_m": 4 * ms}
    if kind == "mlp":
        parts = [source(data.shape), flatten(), dense(800, bias=True), neurons(LIF, **leaky)]
        parts += [dense(400, bias=True), neurons(LIF, **leaky)]
    else:
        parts = [source((1, *data.shape))]
        if data.name == "mnist":
            parts += [conv(32, 5, stride=2, padding=2, bias=True), neurons(LIF, **leaky)]
        else:
            parts += [conv(32, 3, padding=1, bias=True), neurons(LIF, **leaky), avg_pool(2)]
        parts += [conv(64, 3, padding=1, bias=True), neurons(LIF, **leaky)]
        parts += [avg_pool(2), flatten(), dense(256, bias=True), neurons(LIF, **leaky)]
    parts += [dense(len(data.classes), bias=True), neurons(LI, **leaky)]
    built = chain(
        *parts, dt=data.dt, seed=seed, name=f"{data.name}-{kind}", propagation=Propagation.SAME_STEP
    )
    x = data.train.batch(np.arange(64), seed=seed)
    return initialize(built, {"input": x}, seed, target=1.5)


def score(
    seed: int, *, kind: str, data: Dataset, epochs: int, given: argparse.Namespace
) -> Score | None:
    """Train with one seed; read the test part unless only validation is asked for."""
    loss = MembraneMeanCrossEntropy(gain=2.0)
    wall, cpu = time.monotonic(), time.process_time()
    trained = fit(
        network(kind, data, seed),
        data,
        loss=loss,
        optimizer=AdamW(lr=2e-3, weight_decay=0.01, schedule=Schedule.ONE_CYCLE),
        epochs=epochs,
        batch=128,
        seed=seed,
        clip_gradient=1.0,
        precision=Precision.BFLOAT16,
        threads=given.threads,
        watch=lambda n, e: print(seed, n, e, flush=True),
        progress=False,
    )
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    best = trained.history[trained.best]
    if given.validation_only:
        print(data.name, kind, seed, best, f"{wall:.0f} s, {cpu:.0f} s CPU", flush=True)
        return None
    tested = evaluate(Module(trained.network), data.test, loss)
    return Score(seed, tested.accuracy, best.validation_accuracy or 0.0, wall, cpu, tested.spikes)


def main() -> None:
    """Train every seed and write the result."""
    reader = argparse.ArgumentParser()
    reader.add_argument("data", choices=("mnist", "fashion"))
    reader.add_argument("kind", choices=("mlp", "conv"))
    reader.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    reader.add_argument("--epochs", type=int)
    reader.add_argument("--threads", type=int, default=1)
    reader.add_argument("--jobs", type=int, default=1, help="seeds that are trained side by side")
    reader.add_argument("--validation-only", action="store_true", help="leave the test part alone")
    given = reader.parse_args()
    shared = Path(os.environ.get("SPIKEWRIGHT_SHARED", "../shared")) / "data"
    load = idx.mnist if given.data == "mnist" else idx.fashion_mnist
    folder = shared / ("mnist" if given.data == "mnist" else "fashion_mnist")
    data = load(folder, steps=STEPS[given.kind], dt=1 * ms)
    data = data.augmented(MOVED[given.data, given.kind])
    epochs = given.epochs or EPOCHS[given.data, given.kind]
    one = partial(score, kind=given.kind, data=data, epochs=epochs, given=given)
    if given.jobs == 1:
        found = [one(seed) for seed in given.seeds]
    else:
        with ProcessPoolExecutor(given.jobs, get_context("spawn")) as pool:
            found = list(pool.map(one, given.seeds))
    scores = [s for s in found if s is not None]
    if scores:
        note = f"{given.data}, {given.kind}, {STEPS[given.kind]} steps, {epochs} epochs, official test part"
        write(f"{given.data}_{given.kind}", note, scores, epochs=epochs, steps=STEPS[given.kind])


if __name__ == "__main__":
    main()
