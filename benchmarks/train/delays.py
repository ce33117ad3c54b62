"""Spoken digits with delays that are learned, fixed, or not there: accuracy on the official test part, several seeds.

One hidden population of 32 neurons, no recurrence: the same weights to learn in all three cases, drawn from the same
seeds. Fixed delays are those that the learned ones start from. Settings were chosen for each case by itself on the
validation part, with other seeds (`--tune`); the test part is read once per seed and case, with the network of the
epoch that validated best, its delays in whole steps.

    SPIKEWRIGHT_SHARED=FOLDER OMP_NUM_THREADS=1 python benchmarks/train/delays.py --tune --seeds 11 12
    SPIKEWRIGHT_SHARED=FOLDER OMP_NUM_THREADS=1 python benchmarks/train/delays.py --seeds 1 2 3 4 5

The recordings are read from `$SPIKEWRIGHT_SHARED/data/fsdd`.

Source
------
The comparison: Hammouamri, Khalfaoui-Hassani, Masquelier, ICLR 2024, section 4.3, there on spoken digits of SHD.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import Score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import RESULTS, machine

from spikewright.data import Dataset
from spikewright.network import LIF, Network
from spikewright.network.chain import chain, dense, neurons, source
from spikewright.rng import stream
from spikewright.train import (
    AdamW,
    CountCrossEntropy,
    Delays,
    Module,
    Schedule,
    evaluate,
    fit,
    fsdd_data,
    initialize,
)
from spikewright.units import ms

HIDDEN = 32
MAX_STEPS = 25
LOSS = CountCrossEntropy(gain=0.3)
CASES = ("none", "fixed", "learned")


@dataclass(frozen=True)
class Choice:
    """What was chosen on the validation part.

    Parameters
    ----------
    tau_m : s, of hidden neurons
    lr : of weights
    pace : of delays, as a multiple
    """

    tau_m: float
    lr: float
    pace: float = 30.0


CHOSEN = {
    "none": Choice(40 * ms, 2e-2),
    "fixed": Choice(20 * ms, 2e-2),
    "learned": Choice(10 * ms, 2e-2, 10.0),
}
TUNED = {
    "none": [Choice(t * ms, lr) for t, lr in product((10, 20), (5e-3, 1e-2, 2e-2, 4e-2))]
    + [Choice(40 * ms, lr) for lr in (1e-2, 2e-2)],
    "fixed": [Choice(t * ms, lr) for t, lr in product((10, 20), (1e-2, 2e-2))],
    "learned": [Choice(t * ms, lr, 10.0) for t, lr in product((10, 20), (1e-2, 2e-2))]
    + [Choice(10 * ms, 1e-2, 30.0)],
}
"""The longest search is for the net without delays: what it is compared with must not win by settings."""


def network(data: Dataset, case: str, chosen: Choice, seed: int) -> Network:
    """Return the network with weights that fit the data, and with delays where the case has them."""
    found = chain(
        source(data.shape), dense(HIDDEN), neurons(LIF, tau_m=chosen.tau_m),
        dense(len(data.classes)), neurons(LIF, tau_m=100 * ms), dt=data.dt, seed=seed,
    )  # fmt: skip
    if case != "none":
        late = {}
        for n, q in found.projections.items():
            draw = stream(seed, f"benchmarks/delays/{n}")
            steps = draw.integers(0, MAX_STEPS + 1, np.shape(q.topology.weight))
            late[n] = replace(q, delay=steps * data.dt)
        found = found.replacing(projections=late)
    plain = replace(data.train, augmentation=None)
    return initialize(found, plain.batch(np.arange(128), seed=seed), target=1.0, seed=seed)


def train(data: Dataset, case: str, chosen: Choice, seed: int, epochs: int) -> tuple[Any, float]:
    """Return what training gives, and its CPU seconds."""
    trainable: tuple[str | Delays, ...] = ("weights",)
    if case == "learned":
        trainable += (Delays(max_steps=MAX_STEPS, pace=chosen.pace),)
    began = time.process_time()
    done = fit(
        network(data, case, chosen, seed),
        data,
        loss=LOSS,
        optimizer=AdamW(lr=chosen.lr, weight_decay=0.01, schedule=Schedule.ONE_CYCLE),
        epochs=epochs,
        batch=64,
        clip_gradient=1.0,
        trainable=trainable,
        seed=seed,
        progress=False,
    )
    return done, time.process_time() - began


def score(data: Dataset, case: str, seed: int, epochs: int) -> Score:
    """Train with one seed, and read the test part."""
    done, spent = train(data, case, CHOSEN[case], seed, epochs)
    best = done.history[done.best]
    test = evaluate(Module(done.network), data.test, LOSS, seed=seed)
    return Score(
        seed, test.accuracy, best.validation_accuracy or 0.0, done.seconds, spent, test.spikes
    )


def tune(data: Dataset, seeds: list[int], epochs: int) -> None:
    """Write the mean validation accuracy and loss of every choice; goes on where a call before was stopped."""
    file = RESULTS / "delays_fsdd_tuning.json"
    head = header(epochs) | {"seeds": seeds}
    rows: list[dict[str, Any]] = []
    if file.exists():
        before = json.loads(file.read_text(encoding="utf-8"))
        if all(before[k] == head[k] for k in ("seeds", "epochs", "hidden", "max_steps")):
            rows = before["choices"]
    known = [(r["case"], r["tau_m"], r["lr"], r["pace"]) for r in rows]
    for case, chosen in [(c, choice) for c in CASES for choice in TUNED[c]]:
        if (case, chosen.tau_m, chosen.lr, chosen.pace) in known:
            continue
        best = []
        for seed in seeds:
            done, _ = train(data, case, chosen, seed, epochs)
            best.append(done.history[done.best])
        means = {
            "validation_accuracy": statistics.fmean(e.validation_accuracy for e in best),
            "validation_loss": statistics.fmean(e.validation_loss for e in best),
        }
        rows.append({"case": case, **asdict(chosen), **means})
        print(rows[-1], flush=True)
        write(file, head | {"choices": rows})


def test(data: Dataset, seeds: list[int], epochs: int) -> None:
    """Write the accuracy on the test part."""
    began = time.monotonic()
    result = header(epochs)
    for case in CASES:
        scores = [score(data, case, seed, epochs) for seed in seeds]
        accuracies = [s.test for s in scores]
        result[case] = {
            "settings": asdict(CHOSEN[case]),
            "mean_test_accuracy": statistics.fmean(accuracies),
            "standard_deviation": statistics.stdev(accuracies) if len(scores) > 1 else 0.0,
            "seeds": [asdict(s) for s in scores],
        }
        print(case, {k: v for k, v in result[case].items() if k != "seeds"}, flush=True)
    write(RESULTS / "delays_fsdd.json", result | {"wall_s": time.monotonic() - began})


def header(epochs: int) -> dict[str, Any]:
    return {
        "note": __doc__.splitlines()[0],
        "command": " ".join(["python benchmarks/train/delays.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "epochs": epochs,
        "hidden": HIDDEN,
        "max_steps": MAX_STEPS,
    }


def write(file: Path, result: dict[str, Any]) -> None:
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument(
        "--tune", action="store_true", help="choose settings, without the test part"
    )
    args = parser.parse_args()
    shared = os.environ.get("SPIKEWRIGHT_SHARED")
    if not shared:
        raise SystemExit("delays: set SPIKEWRIGHT_SHARED to the folder that holds data/fsdd")
    data = fsdd_data(Path(shared) / "data/fsdd")
    (tune if args.tune else test)(data, args.seeds, args.epochs)


if __name__ == "__main__":
    main()
