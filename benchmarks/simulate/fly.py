"""Connectomes: the larva's brain, and a made brain of the adult fly's size, 1 s each on one core.

    SPIKEWRIGHT_SHARED=... python benchmarks/simulate/fly.py [--rounds 5] [--write]

Rounds visit every case once; CPU seconds of this process, medians and minima over rounds. The larva's diagram is
measured, its weights and signs are assumed: three regimes, from quiet to every neuron firing. The adult's diagram is
drawn (see `spikewright.network.connectome.synthetic`), and the activity imposed: as many driven neurons, at such a
rate, that about 400 neurons fire about 17,000 spikes per second, which is what the published runs have.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from harness import RESULTS, machine

import spikewright as sw
from spikewright.network.connectome import larval_drosophila, shiu_experiment, synthetic_fly

SECONDS = 1.0
DRIVEN, RATE = 170, 85.0  # of the adult; Hz
MV = 1e-3


def larva(weight: float) -> tuple[sw.Network, dict[str, Any]]:
    shared = Path(os.environ.get("SPIKEWRIGHT_SHARED", "../shared"))
    diagram = larval_drosophila(shared / "data/larval_drosophila/larval_connectome.npz")
    signed = diagram.signed({"LN": -1}, by="type", default=1)
    net = shiu_experiment(
        signed, signed.select("sensory").ids, rate=20.0, weight_per_synapse=weight
    )
    return net, {"neurons": diagram.n, "edges": diagram.n_edges}


def adult(published: bool) -> tuple[sw.Network, dict[str, Any]]:
    began = time.process_time()
    diagram = synthetic_fly(1)
    built = time.process_time() - began
    driven = np.random.default_rng(0).choice(diagram.n, DRIVEN, replace=False)
    net = shiu_experiment(diagram, driven, rate=RATE, published=published)
    return net, {"neurons": diagram.n, "edges": diagram.n_edges, "draw_cpu_s": round(built, 3)}


CASES: dict[str, tuple[Callable[[], tuple[sw.Network, dict[str, Any]]], dict[str, Any]]] = {
    "larva, 0.5 mV per synapse": (lambda: larva(0.5 * MV), {"precision": "single"}),
    "larva, 0.6 mV per synapse": (lambda: larva(0.6 * MV), {"precision": "single"}),
    "larva, 1.2 mV per synapse": (lambda: larva(1.2 * MV), {"precision": "single"}),
    "adult size, ShiuLIF, lazy, single": (lambda: adult(False), {"precision": "single"}),
    "adult size, ShiuLIF, lazy, double": (
        lambda: adult(False),
        {"precision": "double", "lazy": True},
    ),
    "adult size, ShiuLIF, every step, single": (
        lambda: adult(False),
        {"precision": "single", "lazy": False},
    ),
    "adult size, ShiuPublished, single": (lambda: adult(True), {"precision": "single"}),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--write", action="store_true", help="to benchmarks/results/simulate_fly.json"
    )
    options = parser.parse_args()
    rows: dict[str, dict[str, Any]] = {}
    ready = {}
    for name, (make, how) in CASES.items():
        net, facts = make()
        began = time.process_time()
        ready[name] = sw.prepare(net, threads=1, **how)
        rows[name] = facts | {"prepare_cpu_s": round(time.process_time() - began, 3)}
        sw.run(ready[name], steps=round(0.1 / net.dt), seed=9, spikes=())  # compile and warm up
    seconds: dict[str, list[float]] = {name: [] for name in CASES}
    walls: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(options.rounds):
        for name, prepared in ready.items():
            steps = round(SECONDS / prepared.network.dt)
            wall, cpu = time.perf_counter(), time.process_time()
            recording = sw.run(prepared, steps=steps, seed=1, spikes=())
            seconds[name].append((time.process_time() - cpu) / SECONDS)
            walls[name].append((time.perf_counter() - wall) / SECONDS)
            sent = recording.sent["brain"][0]
            rows[name] |= {
                "active": int(np.count_nonzero(sent)),
                "spikes_per_s": int(sent.sum() / SECONDS),
            }
    for name, row in rows.items():
        row |= {
            "cpu_factor": round(statistics.median(seconds[name]), 4),
            "cpu_factor_least": round(min(seconds[name]), 4),
            "wall_factor": round(statistics.median(walls[name]), 4),
            "rounds": options.rounds,
        }
        print(f"{name:<42} {row}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 2**30
    print(f"peak memory of all together: {peak:.2f} GiB")
    if options.write:
        result = {
            "name": "simulate_fly",
            "note": "fly.py: CPU and wall seconds per second of network time, one thread",
            "machine": machine(),
            "rows": rows,
        }
        text = json.dumps(result, indent=1) + "\n"
        (RESULTS / "simulate_fly.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
