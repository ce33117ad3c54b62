"""Test accuracy on spoken digits: the official test part for several seeds, and every speaker left out once.

python benchmarks/train/speech.py official|speakers [--seeds 1 2 3]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from accuracy import Score, write

from spikewright.train import FSDD, Module, evaluate
from spikewright.train.recipes import fsdd_data

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo")


def train(folder: Path, seed: int, left_out: str | None) -> Score:
    """Train the recipe once and run the test part."""
    data = fsdd_data(folder, left_out=left_out)
    wall, cpu = time.monotonic(), time.process_time()
    trained = FSDD.train(data, seed=seed, progress=False)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    tested = evaluate(Module(trained.network), data.test, FSDD.loss)
    best = trained.history[trained.best]
    score = Score(seed, tested.accuracy, best.validation_accuracy or 0.0, wall, cpu, tested.spikes)
    print(left_out or "official", score, flush=True)
    return score


def main() -> None:
    """Train everything that was asked for and write the result."""
    reader = argparse.ArgumentParser()
    reader.add_argument("kind", choices=("official", "speakers"))
    reader.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    given = reader.parse_args()
    folder = Path(os.environ.get("SPIKEWRIGHT_SHARED", "../shared")) / "data" / "fsdd"
    if given.kind == "official":
        scores = [train(folder, seed, None) for seed in given.seeds]
        write("fsdd_official", "spoken digits, recipe FSDD, official test part", scores)
        return
    scores = [train(folder, given.seeds[0], speaker) for speaker in SPEAKERS]
    note = "spoken digits, recipe FSDD, each speaker left out once; in this order: " + ", ".join(
        SPEAKERS
    )
    write("fsdd_speakers", note, scores)


if __name__ == "__main__":
    main()
