"""Online learning: memory against the number of steps, and accuracy on spoken digits against backpropagation.

    python benchmarks/train/online.py memory [--steps 125 250 500 1000 2000 4000]
    SPIKEWRIGHT_SHARED=FOLDER python benchmarks/train/online.py fsdd [--seeds 1 2 3]

`memory`: the network is 700-256-20, its hidden population recurrent, with adaptive thresholds; 8 samples, input density
3 %. Every case is a process of its own: memory is the most that it ever held above what it held before the run, with
compiled kernels; CPU time is the least of three. Backpropagation holds its inputs too; online rules are given them step
by step. Writes `online_memory.json` and the figure `online_memory.svg`.

`fsdd`: the network is 80-256-10, its hidden population recurrent, with adaptive thresholds, its outputs leaky and
without spikes; the loss is cross entropy at every step. Settings were chosen on the validation part (recordings 5 to
9); the test part (recordings 0 to 4, official) is read once per seed, with the network of the epoch that validated
best. The recordings are read from `$SPIKEWRIGHT_SHARED/data/fsdd`. Writes `online_fsdd.json`.

One thread.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import Score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import RESULTS, machine

SAMPLES, DENSITY = 8, 0.03
CASES = ("backpropagation", "e-prop", "OTTT")


def case(name: str, steps: int) -> dict[str, float]:
    """Measure one case in this process."""
    import torch

    from spikewright.network import ALIF, LI
    from spikewright.network.chain import chain, dense, neurons, source
    from spikewright.train import SGD, Module, Schedule, initialize
    from spikewright.train.gradient import Backpropagation, Batch
    from spikewright.train.online import OTTT, EProp, Moment, StepCrossEntropy, fit_stream

    torch.set_num_threads(1)
    network = chain(
        source(700), dense(256, recurrent=True), neurons(ALIF), dense(20), neurons(LI), dt=1e-3, seed=1,
    )  # fmt: skip
    draw = np.random.default_rng(0)
    network = initialize(network, draw.random((100, 4, 700)) < DENSITY, 1)
    module = Module(network)

    def go(samples: int, steps: int) -> None:
        labels = np.arange(samples) % 20
        rows = (draw.random((100, samples, 700)) < DENSITY).astype(np.float32)
        if name == "backpropagation":
            inputs = torch.from_numpy(rows[np.arange(steps) % len(rows)])
            batch = Batch(module, inputs, torch.from_numpy(labels), StepCrossEntropy())
            module.zero_grad()
            Backpropagation().learn(batch)
            return
        moments = (Moment(rows[k % len(rows)], labels, k == 0) for k in range(steps))
        fit_stream(
            network, moments, rule=EProp() if name == "e-prop" else OTTT(), every=steps,
            optimizer=SGD(schedule=Schedule.CONSTANT),
        )  # fmt: skip

    go(1, 100)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        go(SAMPLES, steps)
        seconds.append(time.process_time() - begin)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"MiB": (after - before) / 1024, "cpu_s": min(seconds)}


def memory(every: list[int]) -> None:
    """Run every case, write the table and the figure."""
    rows: list[dict[str, Any]] = []
    for steps in every:
        for name in CASES:
            done = subprocess.run(
                [sys.executable, __file__, "case", name, str(steps)],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            rows.append({"steps": steps, "case": name} | json.loads(done.stdout.splitlines()[-1]))
            print("{steps:6d}  {case:<16} {MiB:8.1f} MiB  {cpu_s:8.3f} s".format(**rows[-1]))
    _write("online_memory", {"samples": SAMPLES, "density": DENSITY, "rows": rows})
    draw(rows)


def draw(rows: list[dict[str, Any]]) -> None:
    """Write the figure."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "online_memory"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3.4), layout="constrained")
    for name, mark in zip(CASES, "os^", strict=True):
        mine = [r for r in rows if r["case"] == name]
        axes.plot([r["steps"] for r in mine], [r["MiB"] for r in mine], marker=mark, label=name)
    axes.set(
        xscale="log", yscale="log", xlabel="steps", ylabel="memory above the resting process (MiB)",
        title="One gradient, 700-256-20, 8 samples",
    )  # fmt: skip
    axes.set_xticks(sorted({r["steps"] for r in rows}))
    axes.set_yticks([10, 30, 100, 300])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:.0f}")
        axis.set_minor_formatter("")
    axes.legend()
    figure.savefig(RESULTS / "online_memory.svg", metadata={"Date": None})


def fsdd(seeds: list[int], show: bool) -> None:
    """Train with every rule and seed, and write the scores."""
    from spikewright.network import ALIF, LI
    from spikewright.network.chain import chain, dense, neurons, source
    from spikewright.train import (
        AdamW,
        Backpropagation,
        Module,
        ResetGradient,
        Schedule,
        evaluate,
        fit,
        fsdd_data,
        initialize,
    )
    from spikewright.train.online import OTTT, EProp, Feedback, RateTarget, StepCrossEntropy
    from spikewright.units import ms

    shared = os.environ.get("SPIKEWRIGHT_SHARED")
    if not shared:
        raise SystemExit("online: set SPIKEWRIGHT_SHARED to the folder that holds data/fsdd")
    data = fsdd_data(Path(shared) / "data/fsdd")
    loss, rate = StepCrossEntropy(gain=3.0), RateTarget(0.04)
    rules: dict[str, tuple[Any, ResetGradient]] = {
        "backpropagation": (Backpropagation(), ResetGradient.KEPT),
        "e-prop, symmetric": (EProp(rate=rate, window=10), ResetGradient.ADAPTATION),
        "e-prop, random": (EProp(Feedback.RANDOM, rate=rate, window=10), ResetGradient.ADAPTATION),
        "e-prop, adaptive": (
            EProp(Feedback.ADAPTIVE, rate=rate, window=10),
            ResetGradient.ADAPTATION,
        ),
        "OTTT": (OTTT(window=10), ResetGradient.ADAPTATION),
    }
    settings = {"epochs": 20, "batch": 64, "clip_gradient": 1.0}
    optimizer = AdamW(lr=3e-3, weight_decay=0.01, schedule=Schedule.ONE_CYCLE)
    found: dict[str, list[Score]] = {}
    for seed in seeds:
        parts = (
            source(data.shape), dense(256, recurrent=True),
            neurons(ALIF, tau_m=40 * ms, tau_a=300 * ms, beta=0.1, t_ref=0.0),
            dense(10, bias=True), neurons(LI, tau_m=100 * ms),
        )  # fmt: skip
        start = chain(*parts, dt=data.dt, seed=seed)
        plain = replace(data.train, augmentation=None)
        start = initialize(start, {"input": plain.batch(np.arange(128), seed=seed)}, seed)
        for name, (gradient, reset) in rules.items():
            began = time.process_time()
            done = fit(
                start, data, loss=loss, optimizer=optimizer, gradient=gradient, reset_gradient=reset,
                seed=seed, progress=False,
                watch=(lambda n, e: print(n, e, flush=True)) if show else None, **settings,
            )  # fmt: skip
            spent = time.process_time() - began
            test = evaluate(Module(done.network), data.test, loss)
            best = done.history[done.best].validation_accuracy or 0.0
            score = Score(seed, test.accuracy, best, done.seconds, spent, test.spikes)
            found.setdefault(name, []).append(score)
            print(
                f"{name}: seed {seed}: test {score.test:.2%}, validation {best:.2%}, "
                f"{score.wall_s:.0f} s, CPU {spent:.0f} s", flush=True,
            )  # fmt: skip
    rows = {
        name: {
            "rule": repr(rules[name][0]),
            "reset_gradient": rules[name][1].value,
            "mean_test_accuracy": statistics.fmean(s.test for s in scores),
            "standard_deviation": statistics.stdev(s.test for s in scores)
            if len(scores) > 1
            else 0.0,
            "seeds": [asdict(s) for s in scores],
        }
        for name, scores in found.items()
    }
    for name, row in rows.items():
        print(
            f"{name}: mean {row['mean_test_accuracy']:.2%}, standard deviation {row['standard_deviation']:.2%}"
        )
    _write(
        "online_fsdd",
        {
            "network": "80-256-10, hidden ALIF tau_m 40 ms, tau_a 300 ms, beta 0.1, recurrent; outputs LI 100 ms",
            "loss": repr(loss),
            "optimizer": repr(optimizer),
            "settings": settings,
            "rules": rows,
        },
    )


def _write(name: str, found: dict[str, Any]) -> None:
    here = Path(__file__).resolve().relative_to(RESULTS.parents[1])
    result = {
        "name": name,
        "command": " ".join(["python", str(here), *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
    } | found
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser()
    modes = parser.add_subparsers(dest="mode", required=True)
    of_memory = modes.add_parser("memory")
    of_memory.add_argument(
        "--steps", type=int, nargs="+", default=[125, 250, 500, 1000, 2000, 4000]
    )
    of_fsdd = modes.add_parser("fsdd")
    of_fsdd.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    of_fsdd.add_argument("--show", action="store_true")
    one = modes.add_parser("case")
    one.add_argument("name", choices=CASES)
    one.add_argument("steps", type=int)
    asked = parser.parse_args()
    if asked.mode == "memory":
        memory(asked.steps)
    elif asked.mode == "fsdd":
        fsdd(asked.seeds, asked.show)
    else:
        print(json.dumps(case(asked.name, asked.steps)))


if __name__ == "__main__":
    main()
